//! The process's heap, made for a command that begins, asks and ends.
//!
//! Most of the time of a short command that needs some megabytes goes to the pages it touches first:
//! the system clears and accounts for each of 4 KiB on its own. In pages of 2 MiB the same memory costs a
//! tenth. The C library asks for them only if its environment says so, so this asks for it.

/// The heap asks the system for so much at first; what is not touched costs nothing.
const AHEAD: usize = 32 << 20;
/// What is allocated in one piece beyond this is not part of the heap.
const PIECE_MAX: usize = 4 << 20;
/// Pages.
const SMALL: usize = 4 << 10;
const LARGE: usize = 2 << 20;
/// More than a heap begins with: it has to grow for it.
const FILLER: usize = 256 << 10;

/// Lets what is allocated from now on lie in large pages, as far as the system has some to give. What
/// is refused leaves things as they are.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn lie_in_large_pages() {
    // SAFETY: these are settings of the allocator, and no memory is used through the pointers. Only the first time it
    // grows it asks for so much: under a limit of addresses (`ulimit -v`) it would get nothing at all.
    let (filler, end) = unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, PIECE_MAX as libc::c_int);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 2 * AHEAD as libc::c_int);
        libc::mallopt(libc::M_TOP_PAD, AHEAD as libc::c_int);
        let filler = libc::malloc(FILLER);
        libc::mallopt(libc::M_TOP_PAD, FILLER as libc::c_int);
        (filler, libc::sbrk(0) as usize)
    };
    // Behind the filler's end, where the allocator has touched a small page already.
    let begin = (filler as usize + FILLER + SMALL).next_multiple_of(LARGE);
    if filler.is_null() || end < begin + LARGE {
        return;
    }
    // SAFETY: the range is the heap's own, and advice changes no content. The filler is never used and takes no
    // memory: it fills the room before the first large page.
    unsafe {
        libc::madvise(begin as *mut libc::c_void, (end - begin) / LARGE * LARGE, libc::MADV_HUGEPAGE);
        libc::realloc(filler, begin - filler as usize);
    }
}

/// Elsewhere the heap stays as it is.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn lie_in_large_pages() {}
