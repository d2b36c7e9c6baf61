//! What all WebSockets here have in common: that they are opened, kept alive
//! and closed.

use std::cell::Cell;
use std::future::pending;
use std::io::ErrorKind;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use actix_ws::{CloseCode, CloseReason, MessageStream, ProtocolError, Session};
use tokio::time::{Instant, sleep_until, timeout};

use super::frames::{self, Fault};
use super::problem::Problem;

/// How long a closing word may wait for room.
const FAREWELL: Duration = Duration::from_secs(1);

/// An interval that clocks can tell, and that leaves time for anything else.
pub(super) fn heartbeat(interval: Duration) -> Duration {
    interval.clamp(Duration::from_millis(10), Duration::from_secs(24 * 60 * 60))
}

/// Answers the handshake. A message may have so many bytes.
pub(super) fn open(
    request: &HttpRequest,
    payload: web::Payload,
    limit: usize,
) -> Result<(HttpResponse, Session, MessageStream), Problem> {
    let mut payload: Payload =
        Payload::Stream { payload: Box::pin(frames::bounded(payload, limit)) };
    let opened = web::Payload::from_request(request, &mut payload)
        .into_inner()
        .and_then(|payload| actix_ws::handle(request, payload));
    let (response, session, stream) = opened.map_err(|error| {
        Problem::new(error.error_response().status())
            .detail("This is no request for a WebSocket.")
            .not_retryable()
    })?;
    Ok((response, session, stream.max_frame_size(limit)))
}

/// Why a WebSocket ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The server ends it.
    Away,
    /// The client did not read fast enough.
    Slow,
    /// The client sent what it may not send.
    NotTaken,
    /// The client sent more at once than it may.
    TooLong,
    /// The client sent what is no WebSocket, or text that is no UTF-8.
    Malformed,
    /// The client closes it.
    Left,
    /// Nobody is there any more.
    Gone,
}

impl End {
    /// Why what was received makes no sense.
    pub(super) fn of(error: &ProtocolError) -> Self {
        match error {
            ProtocolError::Overflow => Self::TooLong,
            ProtocolError::Io(error) if error.kind() == ErrorKind::InvalidData => Self::Malformed,
            ProtocolError::Io(error) => {
                let payload = error.get_ref().and_then(|error| error.downcast_ref());
                match payload.and_then(|error: &PayloadError| Fault::of(error)) {
                    Some(Fault::TooLong) => Self::TooLong,
                    Some(Fault::Malformed) => Self::Malformed,
                    None => Self::Gone,
                }
            }
            _ => Self::Malformed,
        }
    }

    /// Says so to the client, if it has room to be told.
    pub(super) async fn tell(self, session: Session) {
        let (code, why) = match self {
            Self::Gone => return,
            Self::Left => (CloseCode::Normal, ""),
            Self::Away => (CloseCode::Away, "the server ends it"),
            Self::Slow => (CloseCode::Again, "too slow"),
            Self::NotTaken => (CloseCode::Policy, "nothing is taken here"),
            Self::TooLong => (CloseCode::Size, "too long"),
            Self::Malformed => (CloseCode::Protocol, "malformed"),
        };
        let description = (!why.is_empty()).then(|| why.to_owned());
        let close = session.close(Some(CloseReason { code, description }));
        // Whoever does not take it is gone anyway.
        drop(timeout(FAREWELL, close).await);
    }
}

/// When something was heard of the client last.
#[derive(Debug)]
pub(super) struct Heard(Cell<Instant>);

impl Heard {
    pub(super) fn now() -> Self {
        Self(Cell::new(Instant::now()))
    }

    pub(super) fn again(&self) {
        self.0.set(Instant::now());
    }

    /// Until nothing was heard for so long.
    pub(super) async fn nothing_for(&self, time: Duration) -> End {
        loop {
            // What the clock cannot tell never comes.
            let Some(due) = self.0.get().checked_add(time) else { return pending().await };
            if due <= Instant::now() {
                return End::Gone;
            }
            sleep_until(due).await;
        }
    }
}
