//! A WebSocket into a socket.

use std::mem;
use std::str::from_utf8;
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use actix_ws::{Item, Message, MessageStream, Session};
use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};

use super::door::Seat;
use super::intake::{Outlet, Settings};
use super::problem::Problem;
use super::websocket::{self, End, Heard};

/// A WebSocket whose messages go where the outlet leads.
pub(super) fn response(
    request: &HttpRequest,
    payload: web::Payload,
    seat: Seat,
    outlet: Outlet,
    settings: Settings,
) -> Result<HttpResponse, Problem> {
    let (response, session, stream) = websocket::open(request, payload, settings.limit)?;
    actix_rt::spawn(async move {
        let heard = Heard::now();
        // A client that has to wait for the socket is not heard of for so long.
        let silence = (settings.heartbeat * 2).saturating_add(settings.within);
        let end = tokio::select! {
            end = take(stream, session.clone(), &outlet, &settings, &heard) => end,
            end = ping(session.clone(), settings.heartbeat) => end,
            end = heard.nothing_for(silence) => end,
            () = seat.ended() => End::Away,
        };
        drop(seat);
        end.tell(session).await;
    });
    Ok(response)
}

/// One message after the other, so that a socket without room slows the client down.
async fn take(
    mut stream: MessageStream,
    mut session: Session,
    outlet: &Outlet,
    settings: &Settings,
    heard: &Heard,
) -> End {
    let mut number = 0_u64;
    let mut pieces = Pieces::default();
    while let Some(message) = stream.recv().await {
        heard.again();
        // Copied: each would keep all the memory that it was received in.
        let body = match message {
            Ok(Message::Text(text)) => Bytes::copy_from_slice(text.as_bytes()),
            Ok(Message::Binary(bytes)) => Bytes::copy_from_slice(&bytes),
            Ok(Message::Continuation(piece)) => match pieces.add(piece) {
                Ok(Some(bytes)) => bytes,
                Ok(None) => continue,
                Err(end) => return end,
            },
            Ok(Message::Ping(bytes)) => match session.pong(&bytes).await {
                Ok(()) => continue,
                Err(_) => return End::Gone,
            },
            Ok(Message::Pong(_) | Message::Nop) => continue,
            Ok(Message::Close(_)) => return End::Left,
            Err(error) => return End::of(&error),
        };
        let told = match outlet.send(body, settings.within).await {
            Ok(()) if settings.acks => Some(json!({ "message": number, "accepted": true })),
            Ok(()) => None,
            Err(problem) => Some(refused(number, &problem)),
        };
        number += 1;
        heard.again();
        if let Some(told) = told
            && session.text(told.to_string()).await.is_err()
        {
            return End::Gone;
        }
    }
    End::Gone
}

fn refused(number: u64, problem: &Problem) -> Value {
    json!({ "message": number, "problem": problem.to_json() })
}

async fn ping(mut session: Session, interval: Duration) -> End {
    loop {
        actix_rt::time::sleep(interval).await;
        if session.ping(&[]).await.is_err() {
            return End::Gone;
        }
    }
}

/// A message in pieces, copied for the same reason.
#[derive(Debug, Default)]
struct Pieces {
    text: bool,
    bytes: BytesMut,
}

impl Pieces {
    /// The message, if this is its last piece.
    fn add(&mut self, piece: Item) -> Result<Option<Bytes>, End> {
        let (bytes, last) = match piece {
            Item::FirstText(bytes) => {
                self.text = true;
                (bytes, false)
            }
            Item::FirstBinary(bytes) => {
                self.text = false;
                (bytes, false)
            }
            Item::Continue(bytes) => (bytes, false),
            Item::Last(bytes) => (bytes, true),
        };
        self.bytes.extend_from_slice(&bytes);
        if !last {
            return Ok(None);
        }
        let message = mem::take(&mut self.bytes).freeze();
        if self.text && from_utf8(&message).is_err() {
            return Err(End::Malformed);
        }
        Ok(Some(message))
    }
}
