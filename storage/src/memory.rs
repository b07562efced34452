//! Room for many megabytes.
//!
//! The system clears and accounts for each page of 4 KiB that is touched first, which takes longer than filling
//! it. In pages of 2 MiB the same memory costs a fourteenth.

/// Makes room for `capacity` values in all, in large pages as far as the system has some to give. What is not
/// used takes no memory.
pub fn grow<T>(values: &mut Vec<T>, capacity: usize) {
    if values.capacity() < capacity {
        values.reserve_exact(capacity - values.len());
        lie_in_large_pages(values);
    }
}

#[cfg(target_os = "linux")]
fn lie_in_large_pages<T>(values: &mut Vec<T>) {
    const LARGE: usize = 2 << 20;
    let begin = values.as_mut_ptr() as usize;
    let end = begin + values.capacity() * size_of::<T>();
    let (begin, end) = (begin.next_multiple_of(LARGE), end / LARGE * LARGE);
    if begin < end {
        // SAFETY: the pages lie within what the vector owns, and advice changes no content.
        unsafe { libc::madvise(begin as *mut libc::c_void, end - begin, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn lie_in_large_pages<T>(_: &mut Vec<T>) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_keeps_what_it_has() {
        let mut values: Vec<u64> = (0..1000).collect();
        grow(&mut values, 2_000_000);
        assert!(values.capacity() >= 2_000_000);
        values.extend(1000..2_000_000);
        assert!(values.iter().copied().eq(0..2_000_000));
    }
}
