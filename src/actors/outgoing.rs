//! What a socket sends: one message, many at once, or what a stream yields.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix::dev::{MessageResponse, OneshotSender};
use actix::{Actor, Context as ActorContext, Handler, Message, ResponseFuture};
use futures::Stream;
use futures::channel::oneshot;
use slab::Slab;

use super::pattern::{Inbound, Pattern, Surroundings, Ticket};
use super::shared::Shared;
use super::socket::Socket;
use crate::codec::{Encode, encoded};
use crate::counters::Counter;
use crate::error::{Error, ErrorKind, Result};
use crate::messages::{Feed, Many, Unsent};
use crate::multipart::Multipart;
use crate::shield::shielded;

/// Messages of one feed before the next one has its turn.
const TURN: usize = 64;

/// A message as its socket sends it.
#[derive(Debug)]
pub struct Outbound {
    pub(crate) frames: Multipart,
    /// The topic's length, in a publication.
    pub(crate) topic: usize,
}

/// A message that a socket of type `K` sends: [`Push`](crate::Push),
/// [`Publish`](crate::Publish), [`SendMessage`](crate::SendMessage),
/// [`SendTo`](crate::SendTo). Sealed.
#[diagnostic::on_unimplemented(
    message = "a `{K}` socket does not send `{Self}`",
    note = "`Many` and `Feed` take what the socket takes one by one"
)]
pub trait Outgoing<K: Pattern>: 'static {
    /// Encodes and frames it, for a socket that is set up so.
    ///
    /// # Errors
    /// For a message that cannot be sent, with the message in it.
    #[doc(hidden)]
    fn framed(self, inbound: &K::Inbound) -> Result<Outbound>;
}

/// Encodes a body that is sent as it is, unless something is wrong with it.
pub(crate) fn plain(
    body: impl Encode,
    mistake: impl FnOnce(&Multipart) -> Option<&'static str>,
) -> Result<Outbound> {
    let frames = encoded(body)?;
    let empty = frames.is_empty().then_some("a message has frames");
    match empty.or_else(|| mistake(&frames)) {
        Some(why) => Err(Error::new(ErrorKind::InvalidMessage).detail(why).with_message(frames)),
        None => Ok(Outbound { frames, topic: 0 }),
    }
}

/// Whoever waits for [`Many`] messages.
type Asker = OneshotSender<std::result::Result<(), Unsent>>;

#[derive(Debug)]
struct Batch {
    left: usize,
    unsent: Vec<Error>,
    asker: Option<Asker>,
}

/// The batches of which something waits in the queue.
#[derive(Clone, Debug)]
pub(crate) struct Batches {
    table: Rc<RefCell<Slab<Batch>>>,
    shared: Arc<Shared>,
}

impl Batches {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { table: Rc::default(), shared }
    }

    /// Whether somebody waits for what becomes of a batch.
    pub(crate) fn is_waiting(&self, key: usize) -> bool {
        let table = self.table.borrow();
        let asker = table.get(key).and_then(|batch| batch.asker.as_ref());
        asker.is_some_and(|asker| !asker.is_closed())
    }

    /// One message more waits in the queue, of a batch that is new or begun.
    fn wait(&self, key: Option<usize>) -> usize {
        let mut table = self.table.borrow_mut();
        let key =
            key.unwrap_or_else(|| table.insert(Batch { left: 0, unsent: Vec::new(), asker: None }));
        if let Some(batch) = table.get_mut(key) {
            batch.left += 1;
        }
        key
    }

    /// One message that waited is accepted, or refused with an error. `false`
    /// when nobody hears of it.
    pub(crate) fn ended(&self, key: usize, error: Option<Error>) -> bool {
        let is_heard = self.is_waiting(key);
        let mut table = self.table.borrow_mut();
        let Some(batch) = table.get_mut(key) else { return false };
        batch.left -= 1;
        batch.unsent.extend(error.filter(|_| is_heard));
        if batch.left == 0 {
            let Batch { unsent, asker, .. } = table.remove(key);
            tell(unsent, asker, &self.shared);
        }
        is_heard
    }
}

/// Answers a batch; what nobody hears of is counted as lost.
fn tell(unsent: Vec<Error>, asker: Option<Asker>, shared: &Shared) {
    let errors = unsent.len() as u64;
    let answer = if unsent.is_empty() { Ok(()) } else { Err(Unsent::new(unsent)) };
    let told = asker.is_some_and(|asker| asker.send(answer).is_ok());
    if !told && errors > 0 {
        shared.count(Counter::Lost, errors);
    }
}

/// The response to [`Many`]: now, or when the last of them has left the queue.
#[derive(Debug)]
pub struct AcceptingMany {
    unsent: Vec<Error>,
    waiting: Option<usize>,
    batches: Batches,
}

impl<A, M> MessageResponse<A, M> for AcceptingMany
where
    A: Actor,
    M: Message<Result = std::result::Result<(), Unsent>>,
{
    fn handle(self, _ctx: &mut A::Context, sender: Option<OneshotSender<M::Result>>) {
        let Self { unsent, waiting, batches } = self;
        let mut table = batches.table.borrow_mut();
        let Some(batch) = waiting.and_then(|key| table.get_mut(key)) else {
            return tell(unsent, sender, &batches.shared);
        };
        if sender.is_some() {
            batch.unsent = unsent;
            batch.asker = sender;
        } else {
            tell(unsent, None, &batches.shared);
        }
    }
}

impl<K: Pattern, M: Outgoing<K>> Handler<Many<M>> for Socket<K> {
    type Result = AcceptingMany;

    fn handle(&mut self, Many(messages): Many<M>, ctx: &mut ActorContext<Self>) -> AcceptingMany {
        self.breathe_after(messages.len(), ctx);
        let batches = self.batches().clone();
        let (mut unsent, mut waiting) = (Vec::new(), None);
        for message in messages {
            match self.framed(message) {
                Err(error) => unsent.push(error),
                Ok(mut framed) => {
                    if !self.send_now(&mut framed.frames) {
                        let batch = batches.wait(waiting);
                        waiting = Some(batch);
                        let ticket = Ticket::Part { batch, topic: framed.topic };
                        self.queue_mut().push(framed.frames, ticket);
                    }
                }
            }
        }
        AcceptingMany { unsent, waiting, batches }
    }
}

/// A stream that is asked for messages, whatever their type.
trait Source<K: Pattern> {
    fn poll(
        &mut self,
        inbound: &K::Inbound,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Outbound>>>;
}

struct Streaming<M>(Pin<Box<dyn Stream<Item = M> + Send>>);

impl<K: Pattern, M: Outgoing<K>> Source<K> for Streaming<M> {
    fn poll(
        &mut self,
        inbound: &K::Inbound,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Outbound>>> {
        self.0.as_mut().poll_next(cx).map(|next| next.map(|message| message.framed(inbound)))
    }
}

/// A stream that is being sent.
struct Feeding<K: Pattern> {
    source: Box<dyn Source<K>>,
    /// What it has yielded and libzmq has not accepted.
    held: Option<Outbound>,
    sent: u64,
    asker: oneshot::Sender<Result<u64>>,
}

/// The streams that a socket sends, in turns.
pub(crate) struct Feeds<K: Pattern> {
    list: VecDeque<Feeding<K>>,
    /// How many messages of the first one were sent in its turn.
    turn: usize,
    /// Those that ended, to be told.
    ended: Vec<(Feeding<K>, Result<()>)>,
}

impl<K: Pattern> Default for Feeds<K> {
    fn default() -> Self {
        Self { list: VecDeque::new(), turn: 0, ended: Vec::new() }
    }
}

impl<K: Pattern> Feeds<K> {
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The next message of the first stream that has one.
    pub(crate) fn next(
        &mut self,
        inbound: &K::Inbound,
        cx: &mut Context<'_>,
    ) -> Option<&mut Multipart> {
        if self.turn >= TURN {
            self.rotate();
        }
        for _ in 0..self.list.len() {
            let feed = self.list.front_mut()?;
            if feed.held.is_some() {
                break;
            }
            match shielded(|| feed.source.poll(inbound, cx)) {
                Ok(Poll::Ready(Some(Ok(framed)))) => {
                    feed.held = Some(framed);
                    break;
                }
                Ok(Poll::Pending) => self.rotate(),
                Ok(Poll::Ready(None)) => self.end(Ok(())),
                Ok(Poll::Ready(Some(Err(error)))) => self.end(Err(error)),
                Err(text) => self.end(Err(Error::new(ErrorKind::Panicked).detail(text))),
            }
        }
        self.list.front_mut()?.held.as_mut().map(|framed| &mut framed.frames)
    }

    /// libzmq has accepted it.
    pub(crate) fn accepted(&mut self) {
        if let Some(feed) = self.list.front_mut() {
            feed.held = None;
            feed.sent += 1;
            self.turn += 1;
        }
    }

    /// It has no way to its peer.
    pub(crate) fn unroutable(&mut self) {
        self.end(Err(Error::new(ErrorKind::Unroutable)));
    }

    /// The next one has its turn.
    pub(crate) fn rotate(&mut self) {
        self.turn = 0;
        if self.list.len() > 1 {
            self.list.rotate_left(1);
        }
    }

    fn end(&mut self, outcome: Result<()>) {
        self.turn = 0;
        self.ended.extend(self.list.pop_front().map(|feed| (feed, outcome)));
    }

    /// Nothing is sent any more.
    pub(crate) fn close(&mut self, kind: ErrorKind) {
        while !self.list.is_empty() {
            self.end(Err(Error::new(kind)));
        }
    }

    /// Tells those whose feeds have ended.
    pub(crate) fn tell(&mut self, inbound: &K::Inbound, around: &mut Surroundings) {
        for (Feeding { held, sent, asker, .. }, outcome) in self.ended.drain(..) {
            let answer = outcome.map(|()| sent).map_err(|mut error| {
                if let Some(Outbound { frames, topic }) = held {
                    if error.kind() == ErrorKind::Unroutable {
                        let peer = frames.first().cloned().unwrap_or_default();
                        error = error.with_peer(peer.into_bytes());
                    }
                    error = error.with_message(inbound.unframed(topic, frames));
                }
                error
            });
            if let Err(Err(error)) = asker.send(answer)
                && error.message().is_some()
            {
                around.lost(error.kind());
            }
        }
    }
}

impl<K: Pattern, M: Outgoing<K>> Handler<Feed<M>> for Socket<K> {
    type Result = ResponseFuture<Result<u64>>;

    fn handle(&mut self, feed: Feed<M>, ctx: &mut ActorContext<Self>) -> Self::Result {
        self.breathe(ctx);
        if let Err(error) = self.check_open() {
            return Box::pin(std::future::ready(Err(error)));
        }
        let (asker, told) = oneshot::channel();
        let source = Box::new(Streaming(feed.stream));
        self.feeds_mut().list.push_back(Feeding { source, held: None, sent: 0, asker });
        Box::pin(async move { told.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Closed))) })
    }
}
