//! A server on a free port, and a client of a few lines.

use std::io;
use std::net::{SocketAddr, TcpListener};

use actix_web::dev::ServerHandle;
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpServer};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) at: SocketAddr,
    /// Nothing where it is not ours.
    handle: Option<ServerHandle>,
}

/// Serves with two workers, as `HttpServer` is by default but for the number of them.
pub(crate) fn serve(configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> Server {
    serve_with(2, true, configure)
}

/// Serves, with or without connections that are closed in one direction.
pub(crate) fn serve_with(
    workers: usize,
    half_closed: bool,
    configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> Server {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    serve_on(listener, workers, half_closed, configure)
}

/// Serves with the least that the kernel keeps for a client that does not read.
pub(crate) fn serve_narrowly(
    configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> Server {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    // What it accepts inherits it.
    socket2::SockRef::from(&listener).set_send_buffer_size(4 * 1024).unwrap();
    serve_on(listener, 2, true, configure)
}

fn serve_on(
    listener: TcpListener,
    workers: usize,
    half_closed: bool,
    configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> Server {
    let server = HttpServer::new(move || App::new().configure(configure.clone()))
        .workers(workers)
        .h1_allow_half_closed(half_closed)
        .disable_signals()
        .listen(listener)
        .unwrap();
    let at = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    actix::spawn(server);
    Server { at, handle: Some(handle) }
}

impl Server {
    /// One that somebody else runs.
    pub(crate) const fn at(at: SocketAddr) -> Self {
        Self { at, handle: None }
    }

    pub(crate) async fn connect(&self) -> io::Result<TcpStream> {
        TcpStream::connect(self.at).await
    }

    /// A connection that has asked, and not been answered.
    pub(crate) async fn ask(&self, path: &str) -> TcpStream {
        let mut connection = self.connect().await.unwrap();
        connection.write_all(get(path).as_bytes()).await.unwrap();
        connection
    }

    /// Nothing, where the server does not answer; an error, where it is not there.
    pub(crate) async fn try_get(&self, path: &str) -> io::Result<Option<Response>> {
        let mut connection = self.connect().await?;
        if connection.write_all(get(path).as_bytes()).await.is_err() {
            return Ok(None);
        }
        Ok(answer(connection).await)
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        answer(self.ask(path).await).await.expect("an answer")
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Response {
        let mut connection = TcpStream::connect(self.at).await.unwrap();
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
        let request = format!("{head}Content-Length: {length}\r\n\r\n{body}");
        connection.write_all(request.as_bytes()).await.unwrap();
        answer(connection).await.expect("an answer")
    }

    pub(crate) async fn stop(self) {
        if let Some(handle) = self.handle {
            handle.stop(true).await;
        }
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// What is answered until the server closes; nothing if that is nothing.
pub(crate) async fn answer(mut connection: TcpStream) -> Option<Response> {
    let mut text = String::new();
    connection.read_to_string(&mut text).await.ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some(Response { status, head: head.to_owned(), body: body.to_owned() })
}
