//! Lines of a stream in bounded memory, each handed on as soon as it is there.

use std::io::{BufRead, BufReader, Read, Result};

use crate::import::LINE_BYTES_MAX;

/// Bytes asked of the input at once.
const READ_BYTES: usize = 64 << 10;

/// A stream cut into lines.
pub(super) struct Lines<R> {
    input: BufReader<R>,
    line: Vec<u8>,
}

/// One line, its end left out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Whole(&'a [u8]),
    /// Longer than [`LINE_BYTES_MAX`]: skipped unread.
    TooLong,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input: BufReader::with_capacity(READ_BYTES, input), line: Vec::new() }
    }

    /// Whether the next line must be waited for.
    pub(super) fn is_drained(&self) -> bool {
        self.input.buffer().is_empty()
    }

    /// The next line; `None` at the end. The last one may lack its line end.
    ///
    /// # Errors
    /// Those of the input.
    pub(super) fn next(&mut self) -> Result<Option<Line<'_>>> {
        self.line.clear();
        let (mut length, mut ended) = (0, false);
        while !ended {
            let bytes = match self.input.fill_buf() {
                Ok([]) if length == 0 => return Ok(None),
                Ok([]) => break,
                Ok(bytes) => bytes,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            let taken = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
            ended = bytes[taken - 1] == b'\n';
            length += taken;
            // A line end (two bytes at most) does not count.
            if length <= LINE_BYTES_MAX + 2 {
                self.line.extend_from_slice(&bytes[..taken]);
            }
            self.input.consume(taken);
        }
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Ok(Some(if length > LINE_BYTES_MAX + 2 || line.len() > LINE_BYTES_MAX {
            Line::TooLong
        } else {
            Line::Whole(line)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_line_ends_and_at_the_end() {
        let mut lines = Lines::new(&b"a\r\n\nb c\n{}"[..]);
        for expected in [&b"a"[..], b"", b"b c", b"{}"] {
            assert_eq!(lines.next().unwrap(), Some(Line::Whole(expected)));
        }
        assert_eq!(lines.next().unwrap(), None);
    }

    #[test]
    fn a_line_of_the_greatest_length_is_read_and_a_longer_one_skipped() {
        for (length, long) in [(LINE_BYTES_MAX, false), (LINE_BYTES_MAX + 1, true), (9 * LINE_BYTES_MAX, true)] {
            let text = [vec![b'x'; length], b"\nnext\n".to_vec()].concat();
            let mut lines = Lines::new(&text[..]);
            match lines.next().unwrap().unwrap() {
                Line::Whole(line) => assert!(!long && line.len() == length),
                Line::TooLong => assert!(long, "{length}"),
            }
            assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"next")));
            assert!(lines.line.capacity() <= 2 * LINE_BYTES_MAX + READ_BYTES);
        }
    }
}
