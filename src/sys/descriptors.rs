//! File descriptors: whether there are some to spare, and what a number stands for.

use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;

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

/// A duplicate of a descriptor that listens.
///
/// # Errors
/// `EBADF` or `ENOTSOCK` for what is none, `EINVAL` for one that does not
/// listen, `EMFILE`. libzmq would abort the process.
pub(crate) fn listening(fd: RawFd) -> Result<RawFd, Errno> {
    let mut listens: libc::c_int = 0;
    let mut size = libc::socklen_t::try_from(size_of::<libc::c_int>()).map_err(|_| Errno::INVAL)?;
    // SAFETY: the kernel writes an `int` and its size; any number may be asked about.
    Errno::check_os(unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_ACCEPTCONN,
            (&raw mut listens).cast(),
            &raw mut size,
        )
    })?;
    if listens == 0 {
        return Err(Errno::INVAL);
    }
    // SAFETY: makes a new descriptor, or fails.
    Errno::check_os(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) })
}

/// Which of all that a descriptor's number has stood for it stands for now;
/// nothing when it is closed.
pub(crate) fn identity(fd: RawFd) -> Option<u64> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the kernel fills the struct, or fails; any number may be asked about.
    let rc = unsafe { libc::fstat(fd, stat.as_mut_ptr()) };
    // SAFETY: filled, as the call succeeded.
    (rc == 0).then(|| unsafe { stat.assume_init() }.st_ino)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn only_what_listens_is_duplicated() -> std::io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let copy = listening(listener.as_raw_fd());
        assert!(copy.is_ok_and(|copy| copy != listener.as_raw_fd()));
        let file = File::open("/dev/null")?;
        assert!(listening(file.as_raw_fd()).is_err());
        assert!(listening(-1).is_err() && listening(1_000_000).is_err());
        let line = std::net::TcpStream::connect(listener.local_addr()?)?;
        assert_eq!(listening(line.as_raw_fd()), Err(Errno::INVAL));
        Ok(())
    }

    #[test]
    fn a_number_that_is_used_again_stands_for_something_else() -> std::io::Result<()> {
        let [one, two] = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
        assert_ne!(identity(one.as_raw_fd()), identity(two.as_raw_fd()));
        assert_eq!(identity(one.as_raw_fd()), identity(one.as_raw_fd()));
        assert_eq!(identity(-1), None);
        Ok(())
    }

    #[test]
    fn what_is_reserved_is_given_back() {
        // More than a process has, if a single one stayed open each time.
        for _ in 0..2_000 {
            assert_eq!(reserve(16), Ok(()));
        }
    }
}
