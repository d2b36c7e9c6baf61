//! libzmq's error numbers, total: every `i32` has a name and a text.

use std::fmt;

/// An error number of libzmq or of the operating system.
///
/// The `zmq` crate panics on a number that it does not know, which a wrong
/// endpoint can provoke (`ENOTDIR` from `ipc:///etc/passwd/x`). This type
/// cannot.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Errno(pub(crate) i32);

impl Errno {
    pub(crate) const AGAIN: Self = Self(libc::EAGAIN);
    pub(crate) const INTR: Self = Self(libc::EINTR);
    pub(crate) const INVAL: Self = Self(libc::EINVAL);
    pub(crate) const MFILE: Self = Self(libc::EMFILE);
    pub(crate) const NFILE: Self = Self(libc::ENFILE);
    pub(crate) const NOENT: Self = Self(libc::ENOENT);
    pub(crate) const ADDRINUSE: Self = Self(libc::EADDRINUSE);
    pub(crate) const ADDRNOTAVAIL: Self = Self(libc::EADDRNOTAVAIL);
    pub(crate) const NODEV: Self = Self(libc::ENODEV);
    pub(crate) const ACCES: Self = Self(libc::EACCES);
    pub(crate) const PERM: Self = Self(libc::EPERM);
    pub(crate) const HOSTUNREACH: Self = Self(libc::EHOSTUNREACH);
    pub(crate) const PROTONOSUPPORT: Self = Self(libc::EPROTONOSUPPORT);
    pub(crate) const OPNOTSUPP: Self = Self(libc::EOPNOTSUPP);
    pub(crate) const NOTSUP: Self = Self(libc::ENOTSUP);
    pub(crate) const NOTDIR: Self = Self(libc::ENOTDIR);
    pub(crate) const NAMETOOLONG: Self = Self(libc::ENAMETOOLONG);
    pub(crate) const TERM: Self = Self(zmq_sys::errno::ETERM);
    pub(crate) const NOCOMPATPROTO: Self = Self(zmq_sys::errno::ENOCOMPATPROTO);
    pub(crate) const MTHREAD: Self = Self(zmq_sys::errno::EMTHREAD);
    pub(crate) const FSM: Self = Self(zmq_sys::errno::EFSM);

    /// The error number of the libzmq call that has just failed on this thread.
    pub(crate) fn last() -> Self {
        // SAFETY: `zmq_errno` takes nothing and reads a thread-local number.
        Self(unsafe { zmq_sys::zmq_errno() })
    }

    /// The same for the operating system's own calls.
    pub(super) fn check_os(rc: libc::c_int) -> Result<libc::c_int, Self> {
        let errno = || std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
        if rc < 0 { Err(Self(errno())) } else { Ok(rc) }
    }

    /// Turns libzmq's `-1` convention into a `Result`.
    pub(crate) fn check(rc: libc::c_int) -> Result<libc::c_int, Self> {
        if rc < 0 { Err(Self::last()) } else { Ok(rc) }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TERM => f.write_str("the context was terminated (ETERM)"),
            Self::NOCOMPATPROTO => {
                f.write_str("the transport does not fit the socket type (ENOCOMPATPROTO)")
            }
            Self::MTHREAD => f.write_str("no I/O thread is available (EMTHREAD)"),
            Self::FSM => f.write_str("not legal in the socket's current state (EFSM)"),
            Self(other) => write!(f, "{}", std::io::Error::from_raw_os_error(other)),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Errno({}: {self})", self.0)
    }
}

impl std::error::Error for Errno {}

#[cfg(test)]
mod tests {
    use super::Errno;

    #[test]
    fn every_error_number_has_a_text() {
        for number in (-10..300).chain(156_384_700..156_384_800) {
            assert!(!Errno(number).to_string().is_empty());
        }
        assert!(format!("{:?}", Errno::TERM).contains("ETERM"));
    }
}
