//! What libzmq's monitor says, in its own terms.

use std::net::SocketAddr;
use std::os::fd::RawFd;

use socket2::SockAddr;

use super::Errno;

/// One event of the monitor. Numbers are descriptors, errors, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    Listening,
    BindFailed(Errno),
    Connected(RawFd),
    ConnectDelayed,
    ConnectRetried(u32),
    Accepted(RawFd),
    AcceptFailed(Errno),
    Closed,
    CloseFailed(Errno),
    Disconnected(RawFd),
    HandshakeSucceeded,
    HandshakeFailed(Breach),
}

/// Why a handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breach {
    System(Errno),
    Mechanism,
    Cryptographic,
    Protocol(u32),
    Denied(u32),
}

impl Sign {
    /// Everything that it can read.
    pub(super) const MASK: u32 = zmq_sys::ZMQ_EVENT_ALL;

    /// Reads the first frame of an event: its number and its value, as the
    /// machine writes them (`zmq_socket_monitor(3)`). Nothing for one that is
    /// not known, and for the last one of all, which nobody needs.
    pub(crate) fn read(frame: &[u8]) -> Option<Self> {
        let (event, value) = frame.split_first_chunk::<2>()?;
        let value = u32::from_ne_bytes(*value.first_chunk::<4>()?);
        let number = i32::from_ne_bytes(value.to_ne_bytes());
        Some(match u32::from(u16::from_ne_bytes(*event)) {
            zmq_sys::ZMQ_EVENT_LISTENING => Self::Listening,
            zmq_sys::ZMQ_EVENT_BIND_FAILED => Self::BindFailed(Errno(number)),
            zmq_sys::ZMQ_EVENT_CONNECTED => Self::Connected(number),
            zmq_sys::ZMQ_EVENT_CONNECT_DELAYED => Self::ConnectDelayed,
            zmq_sys::ZMQ_EVENT_CONNECT_RETRIED => Self::ConnectRetried(value),
            zmq_sys::ZMQ_EVENT_ACCEPTED => Self::Accepted(number),
            zmq_sys::ZMQ_EVENT_ACCEPT_FAILED => Self::AcceptFailed(Errno(number)),
            zmq_sys::ZMQ_EVENT_CLOSED => Self::Closed,
            zmq_sys::ZMQ_EVENT_CLOSE_FAILED => Self::CloseFailed(Errno(number)),
            zmq_sys::ZMQ_EVENT_DISCONNECTED => Self::Disconnected(number),
            zmq_sys::ZMQ_EVENT_HANDSHAKE_SUCCEEDED => Self::HandshakeSucceeded,
            zmq_sys::ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL => {
                Self::HandshakeFailed(Breach::System(Errno(number)))
            }
            zmq_sys::ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL => Self::HandshakeFailed(match value {
                zmq_sys::ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH => Breach::Mechanism,
                zmq_sys::ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC => Breach::Cryptographic,
                code => Breach::Protocol(code),
            }),
            zmq_sys::ZMQ_EVENT_HANDSHAKE_FAILED_AUTH => {
                Self::HandshakeFailed(Breach::Denied(value))
            }
            _ => return None,
        })
    }
}

/// Who is at the other end of a connection, if it is there and has an address.
///
/// By the time of the call the descriptor may belong to another connection;
/// then its address is told.
pub(crate) fn peer_address(fd: RawFd) -> Option<SocketAddr> {
    // SAFETY: the callback has the kernel write at most `length` bytes of an
    // address, and `length` to what it wrote. Any number may be asked about.
    let found = unsafe {
        SockAddr::try_init(|storage, length| {
            if libc::getpeername(fd, storage.cast::<libc::sockaddr>(), length) == 0 {
                Ok(())
            } else {
                Err(std::io::Error::last_os_error())
            }
        })
    };
    found.ok().and_then(|((), address)| address.as_socket())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_or_not(frame: Vec<u8>) {
            let _ = Sign::read(&frame);
        }
    }

    #[test]
    fn an_event_is_read() {
        let mut frame = 0x0020_u16.to_ne_bytes().to_vec();
        frame.extend_from_slice(&7_i32.to_ne_bytes());
        assert_eq!(Sign::read(&frame), Some(Sign::Accepted(7)));
        assert_eq!(Sign::read(&frame[..5]), None);
    }

    #[test]
    fn a_descriptor_without_a_peer_has_no_address() {
        assert_eq!(peer_address(-1), None);
    }
}
