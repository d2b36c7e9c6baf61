//! Whether the process has file descriptors to spare.

use std::fs::File;

use super::Errno;

/// Proves that `count` descriptors can be opened, and gives them back.
///
/// libzmq aborts the process when it runs out of descriptors while it starts
/// its threads (`epoll.cpp`), at the first socket of a context. Asking the
/// operating system first turns that into an error.
///
/// # Errors
/// `EMFILE` or `ENFILE`, as the operating system says.
pub(crate) fn reserve(count: usize) -> Result<(), Errno> {
    let mut held = Vec::with_capacity(count);
    for _ in 0..count {
        match File::open("/dev/null") {
            Ok(file) => held.push(file),
            Err(error) => match error.raw_os_error().map(Errno) {
                Some(errno @ (Errno::MFILE | Errno::NFILE)) => return Err(errno),
                // A sandbox without /dev/null says nothing about descriptors.
                _ => return Ok(()),
            },
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::reserve;

    #[test]
    fn what_is_reserved_is_given_back() {
        // More than a process has, if a single one stayed open each time.
        for _ in 0..2_000 {
            assert_eq!(reserve(16), Ok(()));
        }
    }
}
