//! Clients that have stopped reading.

use std::any::Any;
use std::time::Duration;

#[cfg(target_os = "linux")]
use actix_rt::net::TcpStream;
use actix_web::dev::Extensions;
#[cfg(target_os = "linux")]
use socket2::SockRef;

/// Has the operating system end a connection whose client has not read for so
/// long what it is sent: give it to `HttpServer::on_connect`.
///
/// actix-web does not look at a response that its client has no room for, and so
/// such a client keeps its connection, and its place in a
/// [`Broadcast`](super::Broadcast), whatever the policy for slow ones, and holds the
/// end of the server. Connections on which nothing waits to be sent are left alone.
///
/// It is the option `TCP_USER_TIMEOUT` (RFC 5482, `tcp(7)`), on Linux, and on
/// connections without TLS; elsewhere nothing happens.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use actix_web::{App, HttpServer};
/// use actix_zmq::web::drop_stalled;
///
/// let server = HttpServer::new(App::new).on_connect(drop_stalled(Duration::from_secs(30)));
/// # drop(server);
/// ```
pub fn drop_stalled(after: Duration) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync + 'static {
    move |connection, _| {
        #[cfg(target_os = "linux")]
        if let Some(connection) = connection.downcast_ref::<TcpStream>() {
            let set = SockRef::from(connection).set_tcp_user_timeout(Some(after));
            if let Err(error) = set {
                tracing::warn!(%error, "a connection without a limit for clients that do not read");
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (connection, after);
    }
}
