//! A line chart of points over time, in braille dots or in ASCII.
//!
//! The plot is a grid of dots, 2 x 4 in each braille character (1 x 1 in ASCII). Points stand where
//! their time is; where several share a column of dots all of them are drawn, so a peak never
//! vanishes, however many points there are. A line joins neighbours; a missing value leaves a gap.
//! Several lines are told apart by the letters on them; colours only help.

use ax_storage::time::Timestamp;

use super::axis::{self, Axis};
use super::{Role, Style, text, when};
use crate::dashboard::{MetricsView, PointView, Value, Window};
use crate::metric::{Metric, Number};

/// Bits of a braille character's dots: left column from the top, right column from the top.
const DOTS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

/// How often a letter stands on its line.
const LETTERS_A_LINE: usize = 4;

/// Stands for the fainter line where a cell has only one dot.
const FAINT: u8 = 0x80;

/// Names of the lines of a chart of several; more can't be followed by eye.
const NAMES: [char; 6] = ['A', 'B', 'C', 'D', 'E', 'F'];

/// What the line of row `i` is called in a chart of several; nothing for a row that has no line.
pub(super) fn letter(i: usize) -> Option<char> {
    NAMES.get(i).copied()
}

/// The chart of the rows of `view` that have points, with axes, times and the peak; nothing when no
/// point has a value. Several lines carry letters, and none is compared with the time before.
pub(super) fn chart(view: &MetricsView, style: &Style) -> String {
    let series: Vec<&[PointView]> =
        view.data.iter().take(NAMES.len()).map(|row| row.points.as_deref().unwrap_or_default()).collect();
    let now: Vec<Vec<Option<f64>>> =
        series.iter().map(|points| points.iter().map(|p| p.value.map(Value::to_f64)).collect()).collect();
    let before: Vec<Option<f64>> = match series[..] {
        [points] => points.iter().map(|p| p.previous.and_then(|p| p.0).map(Number::to_f64)).collect(),
        _ => Vec::new(),
    };
    let known = || now.iter().flatten().chain(&before).flatten().copied();
    let (Some(low), Some(high)) = (known().reduce(f64::min), known().reduce(f64::max)) else {
        return String::new();
    };
    let axis = Axis::fit(low, high, !low_is_bad(view.metric), &view.unit);
    let labels: Vec<String> = (0..axis.rows).map(|r| axis.label(r, &view.unit)).collect();
    let margin = labels.iter().map(|l| text::width(l)).max().unwrap_or(0);
    let columns = style.drawn().saturating_sub(margin + 2).max(4);

    let times = || series.iter().flat_map(|points| points.iter().map(|p| p.t));
    let first = times().min().unwrap_or(Timestamp::MIN);
    let last = times().max().unwrap_or(first);
    let frame = Frame { margin, columns, first, last };
    let mut canvas = Canvas::new(columns, axis.rows, style.unicode);
    let at = |points: &[PointView], values: &[Option<f64>]| -> Vec<Option<(usize, usize)>> {
        let x = |p: &PointView| frame.place(p.t, canvas.wide());
        points.iter().zip(values).map(|(p, v)| v.map(|v| (x(p), canvas.height(v, &axis)))).collect()
    };
    let dotted = series.first().map(|points| at(points, &before)).unwrap_or_default();
    let lines: Vec<_> = series.iter().zip(&now).map(|(points, values)| at(points, values)).collect();
    // Dots that stand apart first, so that the line of today lies over them; the greatest line last.
    canvas.dots(&dotted);
    for (i, line) in lines.iter().enumerate().rev() {
        canvas.line(line, i);
    }
    if lines.len() > 1 {
        canvas.letter_lines(&lines);
    }

    let mut out = String::new();
    for (row, label) in labels.iter().enumerate().rev() {
        let edge = style.sign("┤", "|");
        let label = style.paint(Role::Dim, &format!("{} {edge}", text::pad(label, margin, true)));
        out += (label + &canvas.row(row, lines.len() > 1, style)).trim_end();
        out.push('\n');
    }
    out += &time_axis(&axis::ticks(first, last, &view.range.zone, columns), &frame, style);
    out += &extreme(view, &series, &frame, style);
    match series[..] {
        [points] => out + &legend(view, points, style),
        _ => out,
    }
}

/// Where the plot is, and which times it spans.
struct Frame {
    /// Columns of the labels on its left.
    margin: usize,
    columns: usize,
    first: Timestamp,
    last: Timestamp,
}

impl Frame {
    /// Place of a time among `wide` places; the middle when there is only one time.
    fn place(&self, t: Timestamp, wide: usize) -> usize {
        let (at, span) = (t.since(self.first), self.last.since(self.first));
        let last = wide as u64 - 1;
        let place = (at.min(span) * last + span / 2).checked_div(span).unwrap_or(last / 2);
        usize::try_from(place).unwrap_or(0).min(wide - 1)
    }
}

/// What the dots beside the line are.
fn legend(view: &MetricsView, points: &[PointView], style: &Style) -> String {
    if points.iter().all(|p| p.previous.is_none()) {
        return String::new();
    }
    let name = view.previous.as_ref().map_or("before", |p| &p.name);
    let mut facts = vec![format!("{} now", style.sign("⠤⠤", "**")), format!("{} {name}", style.sign("⠄⠄", ".."))];
    if let Some((row, previous)) = view.data.first().and_then(|row| row.previous.map(|p| (row, p))) {
        let before = super::value(previous.0.map(Value::Number), &view.unit, style);
        let change = super::metrics::change(previous, row.value, &view.unit, style);
        facts.push(format!("{} then {before}, now {change}", super::metrics::value_title(view).to_lowercase()));
    }
    text::flow(&facts, "   ", 2, style)
}

const fn low_is_bad(metric: Option<Metric>) -> bool {
    matches!(metric, Some(Metric::SuccessRate | Metric::HitRate))
}

fn time_axis(ticks: &[axis::Tick], frame: &Frame, style: &Style) -> String {
    let &Frame { margin, columns, .. } = frame;
    let (corner, flat, mark) = if style.unicode { ('└', '─', '┬') } else { ('+', '-', '+') };
    let mut line: Vec<char> = vec![flat; columns];
    // The labels' line begins at the left edge, so that the first label may stand under its mark.
    let offset = margin + 2;
    let mut under = String::new();
    for tick in ticks {
        let at = frame.place(tick.t, columns);
        let wanted = (offset + at).saturating_sub(tick.label.len() / 2);
        let start = wanted.min((offset + columns).saturating_sub(tick.label.len()));
        if !under.is_empty() && start < text::width(&under) + 2 {
            continue;
        }
        line[at] = mark;
        under = text::pad(&under, start, false) + &tick.label;
    }
    let line: String = std::iter::once(corner).chain(line).collect();
    let line = format!("{}{line}", " ".repeat(margin + 1));
    format!("{}\n{}\n", style.paint(Role::Dim, &line), style.paint(Role::Dim, &under))
}

/// The line that points at the greatest value, or at the least where that is the bad one.
fn extreme(view: &MetricsView, series: &[&[PointView]], frame: &Frame, style: &Style) -> String {
    let &Frame { margin, columns, .. } = frame;
    let lines = series.iter().enumerate();
    let known = lines.flat_map(|(i, points)| points.iter().filter_map(move |p| p.value.map(|v| (p, v, i))));
    let low = low_is_bad(view.metric);
    let found = known.reduce(|a, b| {
        let better = if low { b.1.order(a.1).is_lt() } else { b.1.order(a.1).is_gt() };
        if better { b } else { a }
    });
    let Some((point, value, line)) = found else { return String::new() };
    let Window { range, zone } = &view.range;
    let step = view.step_ms.unwrap_or_else(|| range.millis());
    let word = if low { "low" } else { "peak" };
    let when = when::point(point.t, zone, range.millis(), step);
    let whose = letter(line).filter(|_| series.len() > 1).map(|letter| format!(" of {letter}")).unwrap_or_default();
    let what = format!("{word} {}{whose}", super::value(Some(value), &view.unit, style));
    let said = format!("{what} at {when}");
    let offset = margin + 2 + frame.place(point.t, columns);
    let sign = style.sign("▲", "^");
    let room = margin + 2 + columns;
    if text::width(&said) + 2 > room {
        // No room to point at it.
        return text::flow(&[what, format!("at {when}")], " ", 2, style);
    }
    let line = if offset + 2 + text::width(&said) <= room {
        format!("{}{sign} {said}", " ".repeat(offset))
    } else {
        let before = offset.saturating_sub(text::width(&said) + 1);
        format!("{}{said} {sign}", " ".repeat(before))
    };
    format!("{line}\n")
}

/// A grid of dots.
struct Canvas {
    columns: usize,
    rows: usize,
    /// Dots across and up a character.
    dots: (usize, usize),
    /// By row from the lowest, then column.
    cells: Vec<CellDots>,
}

/// What stands in one character.
#[derive(Clone, Copy, Default)]
struct CellDots {
    bits: u8,
    /// The line that was drawn here last.
    line: usize,
    letter: Option<char>,
}

/// Positions of a line's points in dots, from the lower left corner; nothing where there is no value.
type Dots = [Option<(usize, usize)>];

impl Canvas {
    fn new(columns: usize, rows: usize, unicode: bool) -> Self {
        let dots = if unicode { (2, 4) } else { (1, 1) };
        Self { columns, rows, dots, cells: vec![CellDots::default(); columns * rows] }
    }

    /// Dots across.
    const fn wide(&self) -> usize {
        self.columns * self.dots.0
    }

    fn cell(&mut self, (x, y): (usize, usize)) -> Option<&mut CellDots> {
        let (column, row) = (x / self.dots.0, y / self.dots.1);
        if column < self.columns { self.cells.get_mut(row * self.columns + column) } else { None }
    }

    fn set(&mut self, (x, y): (usize, usize), line: usize) {
        let bits = if self.dots.0 == 1 { 1 } else { DOTS[x % 2][3 - y % 4] };
        if let Some(cell) = self.cell((x, y)) {
            cell.bits |= bits;
            cell.line = line;
        }
    }

    fn line(&mut self, points: &Dots, line: usize) {
        let mut before = None;
        for at in points {
            match (before, *at) {
                (Some(a), Some(b)) => self.segment(a, b, line),
                (None, Some(at)) => self.set(at, line),
                _ => {}
            }
            before = *at;
        }
    }

    /// Single dots, one every other column of characters, where nothing else stands.
    fn dots(&mut self, points: &Dots) {
        let mut before: Option<(usize, usize)> = None;
        for at in points {
            if let (Some(a), Some(b)) = (before, *at) {
                // Steps of two dots: a dotted line between distant points, single dots between near ones.
                let apart = a.0.abs_diff(b.0).max(1);
                for x in (a.0..=b.0).filter(|x| x % 2 == 0) {
                    let moved = a.1.abs_diff(b.1) * (x - a.0) / apart;
                    self.mark((x, if b.1 >= a.1 { a.1 + moved } else { a.1 - moved }));
                }
            } else if let Some(at) = *at {
                self.mark(at);
            }
            before = *at;
        }
    }

    /// A dot of the fainter line; in ASCII with a sign of its own.
    fn mark(&mut self, at: (usize, usize)) {
        if self.dots.0 > 1 {
            self.set(at, 0);
        } else if let Some(cell) = self.cell(at) {
            cell.bits |= FAINT;
        }
    }

    /// Puts each line's letter on some of its points, at other columns than those of the next line.
    fn letter_lines(&mut self, lines: &[Vec<Option<(usize, usize)>>]) {
        let apart = (self.wide() / LETTERS_A_LINE).max(1);
        for (i, line) in lines.iter().enumerate() {
            let Some(letter) = letter(i) else { continue };
            let mut next = apart * (2 * i + 1) / (2 * lines.len());
            let mut placed = false;
            for &at in line.iter().flatten() {
                if at.0 >= next && self.put_letter(at, letter) {
                    placed = true;
                    next = at.0 + apart;
                }
            }
            // A short line that ends before its turn comes.
            let _ = placed || line.iter().flatten().any(|&at| self.put_letter(at, letter));
        }
    }

    /// Whether there was room for it.
    fn put_letter(&mut self, at: (usize, usize), letter: char) -> bool {
        match self.cell(at) {
            Some(cell) if cell.letter.is_none() => {
                cell.letter = Some(letter);
                true
            }
            _ => false,
        }
    }

    /// Row of dots of a value: a label's row holds its value in the middle.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "few dots"
    )]
    fn height(&self, value: f64, axis: &Axis) -> usize {
        let dots = self.dots.1 as f64;
        let y = (value - axis.from) / axis.step * dots + (dots - 1.0) / 2.0;
        (y.round().max(0.0) as usize).min(self.rows * self.dots.1 - 1)
    }

    fn segment(&mut self, (x0, y0): (usize, usize), (x1, y1): (usize, usize), line: usize) {
        let steps = x0.abs_diff(x1).max(y0.abs_diff(y1)).max(1);
        let between = |a: usize, b: usize, i: usize| {
            // Rounded interpolation in whole numbers.
            let moved = (a.abs_diff(b) * i * 2 + steps) / (2 * steps);
            if b >= a { a + moved } else { a - moved }
        };
        for i in 0..=steps {
            self.set((between(x0, x1, i), between(y0, y1, i)), line);
        }
    }

    /// A row of characters in the colours of their lines. In ASCII the letters themselves are the
    /// lines, where there are `several`.
    fn row(&self, row: usize, several: bool, style: &Style) -> String {
        let cells = &self.cells[row * self.columns..(row + 1) * self.columns];
        let end = cells.iter().rposition(|c| c.bits != 0 || c.letter.is_some()).map_or(0, |i| i + 1);
        let sign = |cell: &CellDots| match (cell.letter, cell.bits) {
            (Some(letter), _) => letter,
            (None, 0) => ' ',
            (None, FAINT) if self.dots.0 == 1 => '.',
            (None, _) if self.dots.0 == 1 => letter(cell.line).filter(|_| several).unwrap_or('*'),
            (None, bits) => char::from_u32(0x2800 + u32::from(bits)).unwrap_or(' '),
        };
        let owner = |cell: &CellDots| (cell.bits != 0).then_some(cell.line);
        cells[..end]
            .chunk_by(|a, b| owner(a) == owner(b))
            .map(|run| style.paint(Role::Series(run[0].line), &run.iter().map(sign).collect::<String>()))
            .collect()
    }
}
