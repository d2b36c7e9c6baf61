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

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::{Errno, check_free};

    #[test]
    fn a_path_is_taken_while_somebody_listens_and_free_otherwise() -> std::io::Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("socket");
        let path = path.to_string_lossy();
        assert_eq!(check_free(&path), Ok(()), "nothing is there");
        let listener = UnixListener::bind(&*path)?;
        assert_eq!(check_free(&path), Err(Errno::ADDRINUSE));
        drop(listener);
        // The file stays, without anybody behind it.
        assert!(directory.path().join("socket").exists());
        assert_eq!(check_free(&path), Ok(()), "a dead server's file");
        assert_eq!(check_free(&"x".repeat(300)), Ok(()), "`zmq_bind` tells");
        Ok(())
    }
}
