//! A broadcast as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, HeaderValue, UPGRADE};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use futures::stream;

use super::broadcast::{Reader, Said};

/// Whether the client would rather have a WebSocket.
pub(super) fn wants_websocket(request: &HttpRequest) -> bool {
    let upgrade = request.headers().get(UPGRADE).and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket"))
}

/// An event stream of what the reader reads.
pub(super) fn response(reader: Reader, retry: Duration) -> HttpResponse {
    let first = Bytes::from(format!("retry: {}\n\n", retry.as_millis()));
    let events = stream::unfold((reader, Some(first)), |(mut reader, first)| async move {
        let chunk = match first {
            Some(first) => first,
            None => text(reader.next().await?),
        };
        Some((Ok::<_, Infallible>(chunk), (reader, None)))
    });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-cache")))
        // Otherwise nginx collects some before it passes them on.
        .insert_header(("x-accel-buffering", "no"))
        .streaming(events)
}

fn text(said: Said) -> Bytes {
    match said {
        Said::Message(entry) => entry.sse(),
        Said::Missed(messages, id) => {
            let messages = messages.map_or_else(|| "null".to_owned(), |count| count.to_string());
            format!("event: missed\nid: {id}\ndata: {{\"missed\":{messages}}}\n\n").into()
        }
        // Without data it is no event, but the id counts.
        Said::Pulse(id) => format!(":\nid: {id}\n\n").into(),
    }
}
