//! A broadcast over a WebSocket.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use actix_ws::{Closed, Message, MessageStream, Session};
use bytestring::ByteString;
use serde_json::json;

use super::broadcast::{Reader, Said};
use super::problem::Problem;
use super::websocket::{self, End, Heard};

/// How long a message may be to be told that none is taken.
const MAX_MESSAGE: usize = 125;

/// A WebSocket of what the reader reads.
pub(super) fn response(
    request: &HttpRequest,
    payload: web::Payload,
    mut reader: Reader,
    heartbeat: Duration,
) -> Result<HttpResponse, Problem> {
    let (response, session, stream) = websocket::open(request, payload, MAX_MESSAGE)?;
    actix_rt::spawn(async move {
        let heard = Heard::now();
        let ended = reader.ended();
        let end = tokio::select! {
            end = tell(&mut reader, session.clone()) => end,
            end = listen(stream, session.clone(), &heard) => end,
            () = ended => End::Away,
            end = heard.nothing_for(heartbeat * 2) => end,
        };
        drop(reader);
        end.tell(session).await;
    });
    Ok(response)
}

async fn tell(reader: &mut Reader, mut session: Session) -> End {
    while let Some(said) = reader.next().await {
        let told = match said {
            Said::Message(entry) => session.text(entry.websocket()).await,
            Said::Missed(messages, id) => session.text(missed(messages, &id)).await,
            Said::Pulse(id) => pulse(&mut session, &id).await,
        };
        if told.is_err() {
            return End::Gone;
        }
    }
    if reader.was_too_slow() { End::Slow } else { End::Away }
}

fn missed(messages: Option<u64>, id: &str) -> ByteString {
    json!({ "id": id, "missed": messages }).to_string().into()
}

async fn pulse(session: &mut Session, id: &str) -> Result<(), Closed> {
    session.text(json!({ "id": id }).to_string()).await?;
    session.ping(&[]).await
}

async fn listen(mut stream: MessageStream, mut session: Session, heard: &Heard) -> End {
    while let Some(message) = stream.recv().await {
        heard.again();
        match message {
            Ok(Message::Ping(bytes)) => {
                if session.pong(&bytes).await.is_err() {
                    return End::Gone;
                }
            }
            Ok(Message::Pong(_) | Message::Nop) => {}
            Ok(Message::Close(_)) => return End::Left,
            Ok(Message::Text(_) | Message::Binary(_) | Message::Continuation(_)) => {
                return End::NotTaken;
            }
            Err(error) => return End::of(&error),
        }
    }
    End::Gone
}
