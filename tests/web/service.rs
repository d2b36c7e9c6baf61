//! What is called: an actor, and messages of all kinds.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use actix_zmq::prelude::*;
use actix_zmq::web::Problem;
use futures::channel::{mpsc, oneshot};
use serde::{Deserialize, Serialize};

#[derive(Debug, Message, Serialize, Deserialize)]
#[rtype(result = "i64")]
pub(crate) struct Add(pub(crate) i64, pub(crate) i64);

#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
pub(crate) enum Refusal {
    #[error("by zero")]
    ByZero,
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        StatusCode::UNPROCESSABLE_ENTITY
    }

    fn error_response(&self) -> HttpResponse {
        Problem::new(self.status_code()).detail(self.to_string()).error_response()
    }
}

#[derive(Debug, Message, Serialize, Deserialize)]
#[rtype(result = "Result<i64, Refusal>")]
pub(crate) struct Divide(pub(crate) i64, pub(crate) i64);

/// Is answered when the test says so.
#[derive(Debug, Message, Serialize, Deserialize)]
#[rtype(result = "u32")]
pub(crate) struct Slow(pub(crate) u32);

#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Stop;

#[derive(Debug, Message, Serialize, Deserialize)]
#[rtype(result = "u8")]
#[serde(rename = "Shape")]
pub(crate) struct Narrow {}

#[derive(Debug, Message, Serialize, Deserialize)]
#[rtype(result = "String")]
#[serde(rename = "Shape")]
pub(crate) struct Wide {}

/// Cannot be written.
#[derive(Debug, Message, Deserialize)]
#[rtype(result = "()")]
pub(crate) struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("the secret cannot be written"))
    }
}

#[derive(Debug, Message, Serialize, Deserialize)]
#[rtype(result = "Unwritable")]
pub(crate) struct WantUnwritable;

/// A call of [`Slow`] under way.
pub(crate) type Held = oneshot::Sender<u32>;

pub(crate) struct Calculator(mpsc::UnboundedSender<Held>);

impl Actor for Calculator {
    type Context = Context<Self>;
}

impl Handler<Add> for Calculator {
    type Result = i64;

    fn handle(&mut self, Add(a, b): Add, _: &mut Context<Self>) -> i64 {
        a + b
    }
}

impl Handler<Divide> for Calculator {
    type Result = Result<i64, Refusal>;

    fn handle(&mut self, Divide(a, b): Divide, _: &mut Context<Self>) -> Self::Result {
        a.checked_div(b).ok_or(Refusal::ByZero)
    }
}

impl Handler<Slow> for Calculator {
    type Result = ResponseFuture<u32>;

    fn handle(&mut self, Slow(_): Slow, _: &mut Context<Self>) -> Self::Result {
        let (answer, answered) = oneshot::channel();
        self.0.unbounded_send(answer).unwrap();
        Box::pin(async move { answered.await.unwrap_or(u32::MAX) })
    }
}

impl Handler<Stop> for Calculator {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

/// An actor, and its calls of [`Slow`] as they come.
pub(crate) fn calculator() -> (Addr<Calculator>, mpsc::UnboundedReceiver<Held>) {
    let (keep, kept) = mpsc::unbounded();
    (Calculator(keep).start(), kept)
}

/// All that is served here, one call of [`Slow`] at a time.
pub(crate) fn service(actor: &Addr<Calculator>) -> Service {
    Service::new("calculator")
        .max_body(100)
        .route(actor.clone().recipient::<Add>())
        .route(actor.clone().recipient::<Divide>())
        .route(Route::to(actor.clone().recipient::<Slow>()).limit(1))
        .route(Route::inline(|_: Wide| "wide".to_owned()))
        .route(Route::inline(|_: WantUnwritable| Unwritable))
}
