//! Who listens at an ipc path.

use socket2::{Domain, SockAddr, Socket, Type};

use super::Errno;

/// Refuses a path that somebody listens at.
///
/// libzmq removes the file that it is to bind, also under a server that is
/// alive: that one hears of nothing, and of nobody any more. Two that bind in
/// the same moment are not told apart.
///
/// # Errors
/// `EADDRINUSE`
pub(super) fn check_free(path: &str) -> Result<(), Errno> {
    // Whatever else is wrong with the path, `zmq_bind` tells.
    let (Ok(socket), Ok(address)) =
        (Socket::new(Domain::UNIX, Type::STREAM, None), SockAddr::unix(path))
    else {
        return Ok(());
    };
    if socket.set_nonblocking(true).is_err() {
        return Ok(());
    }
    let listens = match socket.connect(&address) {
        Ok(()) => true,
        // Its backlog is full.
        Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
    };
    if listens { Err(Errno::ADDRINUSE) } else { Ok(()) }
}
