//! A local actor that stands for one elsewhere.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::pin::pin;
use std::rc::Rc;

use actix::dev::{MessageResponse, OneshotSender};
use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, MessageResult, Recipient, fut,
};
use futures::channel::oneshot;
use futures::future::{Either, poll_fn, select};

use super::body::Remote;
use super::client::{RemoteRecipient, answer_of};
use crate::actors::{Pattern, Socket};
use crate::codec::Format;
use crate::error::Error;
use crate::kinds;
use crate::shield::shielded;

/// How many calls of a relay are under way before it takes no more messages.
const WINDOW: usize = 1_024;

type ResultOf<M> = Box<dyn FnMut(Error) -> <M as Message>::Result + Send>;

/// Starts a relay beside the socket.
pub struct OpenRelay<M: Remote, F: Format> {
    pub(super) recipient: RemoteRecipient<M, F>,
    pub(super) result_of: Option<ResultOf<M>>,
}

impl<M: Remote, F: Format> fmt::Debug for OpenRelay<M, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenRelay").field("recipient", &self.recipient).finish_non_exhaustive()
    }
}

impl<M: Remote, F: Format> Message for OpenRelay<M, F> {
    type Result = Recipient<M>;
}

impl<M: Remote, F: Format> Handler<OpenRelay<M, F>> for Socket<kinds::Request>
where
    kinds::Request: Pattern,
{
    type Result = MessageResult<OpenRelay<M, F>>;

    fn handle(&mut self, open: OpenRelay<M, F>, _: &mut Context<Self>) -> Self::Result {
        let relay = Relay {
            recipient: open.recipient,
            result_of: Rc::new(RefCell::new(open.result_of)),
            under_way: Rc::default(),
        };
        MessageResult(relay.start().recipient())
    }
}

struct Relay<M: Remote, F: Format> {
    recipient: RemoteRecipient<M, F>,
    result_of: Rc<RefCell<Option<ResultOf<M>>>>,
    under_way: Rc<UnderWay>,
}

/// How many calls there are, and who waits for one to end.
#[derive(Default)]
struct UnderWay {
    calls: Cell<usize>,
    waiting: RefCell<Option<oneshot::Sender<()>>>,
}

/// One of them, until it is dropped.
struct One(Rc<UnderWay>);

impl Drop for One {
    fn drop(&mut self) {
        self.0.calls.set(self.0.calls.get() - 1);
        if let Some(waiting) = self.0.waiting.borrow_mut().take() {
            let _ = waiting.send(());
        }
    }
}

impl<M: Remote, F: Format> Actor for Relay<M, F> {
    type Context = Context<Self>;
}

impl<M: Remote, F: Format> Handler<M> for Relay<M, F> {
    type Result = Relaying<M, F>;

    fn handle(&mut self, message: M, ctx: &mut Context<Self>) -> Relaying<M, F> {
        self.under_way.calls.set(self.under_way.calls.get() + 1);
        if self.under_way.calls.get() >= WINDOW {
            let (one_ended, wait) = oneshot::channel();
            *self.under_way.waiting.borrow_mut() = Some(one_ended);
            ctx.wait(fut::wrap_future::<_, Self>(wait).map(|_, _, _| ()));
        }
        Relaying {
            message,
            recipient: self.recipient.clone(),
            result_of: Rc::clone(&self.result_of),
            one: One(Rc::clone(&self.under_way)),
        }
    }
}

struct Relaying<M: Remote, F: Format> {
    message: M,
    recipient: RemoteRecipient<M, F>,
    result_of: Rc<RefCell<Option<ResultOf<M>>>>,
    one: One,
}

impl<M: Remote, F: Format> MessageResponse<Relay<M, F>, M> for Relaying<M, F> {
    fn handle(self, _: &mut Context<Relay<M, F>>, asker: Option<OneshotSender<M::Result>>) {
        let Self { message, recipient, result_of, one } = self;
        let answer = recipient.socket().send(recipient.call(message));
        actix_rt::spawn(async move {
            let _one = one;
            let Some(mut asker) = asker else {
                // Its result is nobody's business, whether it got there is.
                if let Err(error) = answer_of(answer.await) {
                    tracing::warn!(%error, "a message to a remote actor was lost");
                }
                return;
            };
            // Whoever drops its future drops the call.
            let gone = poll_fn(|cx| asker.poll_closed(cx));
            let outcome = match select(pin!(answer), pin!(gone)).await {
                Either::Left((outcome, _)) => answer_of(outcome),
                Either::Right(_) => return,
            };
            match (outcome, &mut *result_of.borrow_mut()) {
                (Ok(result), _) => drop(asker.send(result)),
                (Err(error), Some(result_of)) => match shielded(|| result_of(error)) {
                    Ok(result) => drop(asker.send(result)),
                    Err(text) => tracing::warn!(text, "what makes results of errors panicked"),
                },
                (Err(error), None) => tracing::warn!(%error, "a call through a recipient failed"),
            }
        });
    }
}
