//! A WebSocket into a socket.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, Session};
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
    let (response, session, stream) = websocket::open(request, payload)?;
    let limit = settings.limit;
    let stream =
        stream.max_frame_size(limit).aggregate_continuations().max_continuation_size(limit);
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
    mut stream: AggregatedMessageStream,
    mut session: Session,
    outlet: &Outlet,
    settings: &Settings,
    heard: &Heard,
) -> End {
    let mut number = 0_u64;
    while let Some(message) = stream.recv().await {
        heard.again();
        let body = match message {
            Ok(AggregatedMessage::Text(text)) => text.into_bytes(),
            Ok(AggregatedMessage::Binary(bytes)) => bytes,
            Ok(AggregatedMessage::Ping(bytes)) => match session.pong(&bytes).await {
                Ok(()) => continue,
                Err(_) => return End::Gone,
            },
            Ok(AggregatedMessage::Pong(_)) => continue,
            Ok(AggregatedMessage::Close(_)) => return End::Left,
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
