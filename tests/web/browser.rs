//! What a browser does with an event stream, by the standard's words
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>), and a
//! WebSocket by somebody else's hand.

use std::net::SocketAddr;

use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// An event that a page would get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) data: String,
}

impl Event {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body of a message in the form that it has by default.
    pub(crate) fn body(&self) -> String {
        assert_eq!(self.name, "message", "{self:?}");
        self.json()["body"].as_str().expect("text").to_owned()
    }
}

/// An `EventSource` that does not connect again by itself.
pub(crate) struct EventSource {
    connection: BufReader<TcpStream>,
    pub(crate) status: u16,
    head: String,
    /// What has come and is not yet a whole line.
    text: String,
    pub(crate) last_id: String,
    pub(crate) retry: Option<u64>,
}

impl EventSource {
    pub(crate) async fn open(at: SocketAddr, path: &str) -> Self {
        Self::open_after(at, path, None).await
    }

    /// As a browser does that has read an event with this id.
    pub(crate) async fn open_after(at: SocketAddr, path: &str, last_id: Option<&str>) -> Self {
        let header = last_id.map_or_else(String::new, |id| format!("Last-Event-ID: {id}\r\n"));
        Self::open_over(TcpStream::connect(at).await.unwrap(), path, &header).await
    }

    /// Over a connection for which the kernel keeps next to nothing.
    pub(crate) async fn open_narrowly(at: SocketAddr, path: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4 * 1024).unwrap();
        Self::open_over(socket.connect(at).await.unwrap(), path, "").await
    }

    async fn open_over(mut connection: TcpStream, path: &str, headers: &str) -> Self {
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut connection = BufReader::with_capacity(2 * 1024, connection);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(connection.read_line(&mut head).await.unwrap(), 0, "closed: {head}");
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let (text, last_id) = (String::new(), String::new());
        Self { connection, status, head, text, last_id, retry: None }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The next event, or nothing when the stream has ended in order.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        let (mut name, mut data) = (String::new(), String::new());
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                if !data.is_empty() {
                    let id = self.last_id.clone();
                    let name = if name.is_empty() { "message".to_owned() } else { name };
                    return Some(Event {
                        id,
                        name,
                        data: data.strip_suffix('\n').unwrap().to_owned(),
                    });
                }
                name.clear();
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut name),
                "data" => data.extend([value, "\n"]),
                "id" => value.clone_into(&mut self.last_id),
                "retry" => self.retry = value.parse().ok(),
                _ => {}
            }
        }
    }

    /// The next so many events.
    pub(crate) async fn take(&mut self, events: usize) -> Vec<Event> {
        let mut taken = Vec::new();
        while taken.len() < events {
            taken.push(self.next().await.expect("the stream goes on"));
        }
        taken
    }

    /// The bodies of the next so many messages.
    pub(crate) async fn bodies(&mut self, events: usize) -> Vec<String> {
        self.take(events).await.iter().map(Event::body).collect()
    }

    /// Reads until it knows where in the broadcast it is: from here on it misses nothing.
    pub(crate) async fn until_there(&mut self) {
        while self.last_id.is_empty() {
            self.line_of_position().await;
        }
    }

    /// Reads a line that is of no event.
    pub(crate) async fn line_of_position(&mut self) {
        let line = self.line().await.expect("the stream goes on");
        if let Some(id) = line.strip_prefix("id: ") {
            id.clone_into(&mut self.last_id);
        } else if let Some(retry) = line.strip_prefix("retry: ") {
            self.retry = retry.parse().ok();
        } else {
            assert!(line.is_empty() || line == ":", "{line:?}");
        }
    }

    /// A line; they end with CRLF, LF or CR.
    async fn line(&mut self) -> Option<String> {
        loop {
            // A CR at the very end may have its LF in the next chunk.
            let end = self.text.bytes().position(|byte| matches!(byte, b'\r' | b'\n'));
            if let Some(end) =
                end.filter(|end| end + 1 < self.text.len() || !self.text.ends_with('\r'))
            {
                let crlf = self.text[end..].starts_with("\r\n");
                let rest = self.text.split_off(end + if crlf { 2 } else { 1 });
                let mut line = std::mem::replace(&mut self.text, rest);
                line.truncate(end);
                return Some(line);
            }
            let chunk = self.chunk().await?;
            self.text.push_str(&chunk);
        }
    }

    async fn chunk(&mut self) -> Option<String> {
        let mut size = String::new();
        if self.connection.read_line(&mut size).await.ok()? == 0 {
            panic!("the stream breaks off");
        }
        let size = usize::from_str_radix(size.trim(), 16).expect("the size of a chunk");
        let mut chunk = vec![0; size + 2];
        self.connection.read_exact(&mut chunk).await.expect("a whole chunk");
        chunk.truncate(size);
        (size > 0).then(|| String::from_utf8(chunk).expect("UTF-8"))
    }
}

/// A WebSocket.
pub(crate) struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    pub(crate) async fn open(at: SocketAddr, path: &str) -> Self {
        Self::open_from(at, path, None).await.expect("it opens")
    }

    /// As a page of this origin does; the status if it is refused.
    pub(crate) async fn open_from(
        at: SocketAddr,
        path: &str,
        origin: Option<&str>,
    ) -> Result<Self, u16> {
        Self::open_over(TcpStream::connect(at).await.unwrap(), at, path, origin).await
    }

    /// Over a connection for which the kernel keeps next to nothing.
    pub(crate) async fn open_narrowly(at: SocketAddr, path: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4 * 1024).unwrap();
        let connection = socket.connect(at).await.unwrap();
        Self::open_over(connection, at, path, None).await.expect("it opens")
    }

    async fn open_over(
        connection: TcpStream,
        at: SocketAddr,
        path: &str,
        origin: Option<&str>,
    ) -> Result<Self, u16> {
        let mut request = format!("ws://{at}{path}").into_client_request().unwrap();
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        match client_async(request, connection).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) async fn send(&mut self, message: impl Into<Message>) {
        self.0.send(message.into()).await.unwrap();
    }

    /// The next text as JSON, or the code that it is closed with.
    pub(crate) async fn next(&mut self) -> Result<Value, u16> {
        loop {
            match self.0.next().await.expect("an end in order").expect("a message") {
                Message::Text(text) => return Ok(serde_json::from_str(&text).expect("JSON")),
                Message::Close(frame) => return Err(frame.expect("a reason").code.into()),
                // Answered by the client itself, while it is read.
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next so many messages, without mere signs of life.
    pub(crate) async fn take(&mut self, messages: usize) -> Vec<Value> {
        let mut taken = Vec::new();
        while taken.len() < messages {
            let message = self.next().await.expect("it goes on");
            if message.as_object().is_some_and(|members| members.len() > 1) {
                taken.push(message);
            }
        }
        taken
    }

    /// The bodies of the next so many messages.
    pub(crate) async fn bodies(&mut self, messages: usize) -> Vec<String> {
        let taken = self.take(messages).await;
        taken.iter().map(|message| message["body"].as_str().expect("text").to_owned()).collect()
    }

    /// What it is closed with, whatever comes before.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }

    /// Reads where in the broadcast it is: from here on it misses nothing.
    pub(crate) async fn until_there(&mut self) -> String {
        let position = self.next().await.expect("it goes on");
        position["id"].as_str().expect("an id").to_owned()
    }

    pub(crate) async fn close(&mut self) -> u16 {
        self.0.close(None).await.unwrap();
        self.closed().await
    }
}
