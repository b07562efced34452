//! Loops over columns with the widest vectors that the processor has.
//!
//! Programs are built for the oldest processors of their kind, whose vectors hold two numbers of 64 bits. A
//! function made by [`wide`] is compiled once more for AVX2, which holds four.

/// Makes a function of one that is nothing but tight loops.
macro_rules! wide {
    ($(#[$about:meta])* fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? $body:block) => {
        $(#[$about])*
        fn $name($($argument: $type),*) $(-> $result)? {
            // Only what is inlined becomes wider.
            #[inline(always)]
            fn plain($($argument: $type),*) $(-> $result)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn wider($($argument: $type),*) $(-> $result)? {
                    plain($($argument),*)
                }
                if std::arch::is_x86_feature_detected!("avx2") {
                    // SAFETY: all that `wider` asks for is that the processor has AVX2, which was just seen.
                    return unsafe { wider($($argument),*) };
                }
            }
            plain($($argument),*)
        }
    };
}
pub(crate) use wide;
