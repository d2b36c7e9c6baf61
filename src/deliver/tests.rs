use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Wake, Waker};
use std::time::Duration;

use actix::fut::wrap_future;
use actix::{ActorContext, ActorFutureExt, Arbiter, AsyncContext, Context as ActorState};
use futures::StreamExt;
use futures::channel::mpsc;

use super::*;
use crate::codec::CodecError;
use crate::messages::Pulled;
use crate::shield::shielded;

/// By when anything must have happened; only a failing test ever waits for it.
const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Wakes {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Lets the others run until it is so.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, waiting).await.is_ok(), "never: {what}");
}

fn poll_ready(receiver: &mut Receiver<Pulled>, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
    receiver.poll_room(cx).map_ok(|room| assert!(room > 0, "ready without room"))
}

fn poll(receiver: &mut Receiver<Pulled>) -> Poll<Result<(), Gone>> {
    poll_ready(receiver, &mut Context::from_waker(Waker::noop()))
}

fn is_ready(receiver: &mut Receiver<Pulled>) -> bool {
    poll(receiver) == Poll::Ready(Ok(()))
}

fn deliver(receiver: &mut Receiver<Pulled>, body: impl ToString) {
    receiver.deliver(raw(body)).unwrap();
}

/// Delivers as the pump does: when the receiver is ready, not before.
async fn feed(receiver: &mut Receiver<Pulled>, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let ready = poll_fn(|cx| {
            let ready = poll_ready(receiver, cx);
            if ready.is_pending() {
                receiver.flush();
            }
            ready
        });
        assert_eq!(tokio::time::timeout(DEADLINE, ready).await, Ok(Ok(())));
        deliver(receiver, number);
    }
    receiver.flush();
}

fn raw(body: impl ToString) -> Pulled {
    Pulled(Multipart::from(body.to_string()))
}

fn text(message: &Multipart) -> String {
    message[0].as_str().unwrap_or_default().to_owned()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// Cannot decode "bad", and panics at "panic".
#[derive(Debug)]
struct Picky(String);

impl Message for Picky {
    type Result = ();
}

impl Delivery for Picky {
    type Raw = Pulled;

    fn from_raw(Pulled(frames): Pulled) -> Result<Self, Undecodable> {
        match frames[0].as_str() {
            Some("bad") => Err(Undecodable::new(frames, CodecError::Framing("bad".into()))),
            Some("panic") => panic!("as asked"),
            _ => Ok(Self(text(&frames))),
        }
    }
}

/// What an actor has handled, wherever it runs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn all(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap()
    }

    fn len(&self) -> usize {
        self.all().len()
    }
}

enum Permit {
    Handle,
    Stop,
}

/// Handles one message per permit, and any number once nobody gives permits.
struct Gated {
    permits: Rc<RefCell<mpsc::UnboundedReceiver<Permit>>>,
    log: Log,
    capacity: usize,
}

impl Gated {
    /// The receiver; each permit lets it handle one message.
    fn start(log: &Log) -> (Addr<Self>, mpsc::UnboundedSender<Permit>) {
        Self::with_mailbox(log, 16)
    }

    fn with_mailbox(log: &Log, capacity: usize) -> (Addr<Self>, mpsc::UnboundedSender<Permit>) {
        let (give, permits) = mpsc::unbounded();
        let permits = Rc::new(RefCell::new(permits));
        (Actor::start(Self { permits, log: log.clone(), capacity }), give)
    }

    fn wait(&self, ctx: &mut ActorState<Self>) {
        let permits = Rc::clone(&self.permits);
        let permit = poll_fn(move |cx| permits.borrow_mut().poll_next_unpin(cx));
        ctx.wait(wrap_future::<_, Self>(permit).map(|permit, _, ctx: &mut ActorState<Self>| {
            if matches!(permit, Some(Permit::Stop)) {
                ctx.stop();
            }
        }));
    }
}

impl Actor for Gated {
    type Context = ActorState<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(self.capacity);
        self.wait(ctx);
    }
}

impl Handler<Pulled> for Gated {
    type Result = ();

    fn handle(&mut self, Pulled(message): Pulled, ctx: &mut Self::Context) {
        self.log.all().push(text(&message));
        self.wait(ctx);
    }
}

impl Handler<Picky> for Gated {
    type Result = ();

    fn handle(&mut self, Picky(text): Picky, ctx: &mut Self::Context) {
        self.log.all().push(text);
        self.wait(ctx);
    }
}

/// Keeps its batches until the test drops them.
#[derive(Clone, Default)]
struct Keeper(Arc<Mutex<Vec<Batch<Pulled>>>>);

impl Keeper {
    fn sizes(&self) -> Vec<usize> {
        self.0.lock().unwrap().iter().map(|batch| batch.len()).collect()
    }

    fn take(&self) -> Batch<Pulled> {
        self.0.lock().unwrap().remove(0)
    }
}

impl Actor for Keeper {
    type Context = ActorState<Self>;
}

impl Handler<Batch<Pulled>> for Keeper {
    type Result = ();

    fn handle(&mut self, batch: Batch<Pulled>, _: &mut Self::Context) {
        self.0.lock().unwrap().push(batch);
    }
}

/// Handles its batches at once, and notes the largest.
#[derive(Clone, Default)]
struct Quick {
    log: Log,
    largest: Arc<AtomicUsize>,
}

impl Actor for Quick {
    type Context = ActorState<Self>;
}

impl Handler<Batch<Pulled>> for Quick {
    type Result = ();

    fn handle(&mut self, batch: Batch<Pulled>, _: &mut Self::Context) {
        self.largest.fetch_max(batch.len(), Ordering::SeqCst);
        self.log.all().extend(batch.into_iter().map(|Pulled(message)| text(&message)));
    }
}

impl Handler<Batch<Picky>> for Quick {
    type Result = ();

    fn handle(&mut self, batch: Batch<Picky>, _: &mut Self::Context) {
        self.log.all().extend(batch.into_iter().map(|Picky(text)| text));
    }
}

/// Ends an actor, whatever it is.
#[derive(Message)]
#[rtype(result = "()")]
struct Stop;

impl Handler<Stop> for Keeper {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

#[test]
fn a_closure_that_panics_loses_one_message_and_not_its_state() {
    let log = Log::default();
    let kept = log.clone();
    let mut count = 0;
    let mut receiver = Receiver::inline(move |Pulled(message): Pulled| {
        count += 1;
        assert!(text(&message) != "bad", "no good: {}", text(&message));
        kept.all().push(format!("{count} {}", text(&message)));
    });
    deliver(&mut receiver, "a");
    let broke = shielded(|| receiver.deliver(raw("bad")));
    assert!(broke.is_err_and(|text| text.contains("no good: bad")));
    assert!(is_ready(&mut receiver));
    deliver(&mut receiver, "b");
    assert_eq!(*log.all(), ["1 a", "3 b"]);
}

#[test]
fn a_closure_is_always_ready_and_takes_messages_in_order() {
    let log = Log::default();
    let kept = log.clone();
    let each = move |Pulled(message): Pulled| kept.all().push(text(&message));
    let mut receiver = Receiver::inline(each).window(1);
    for number in 0..10 {
        assert!(is_ready(&mut receiver));
        deliver(&mut receiver, number);
    }
    assert_eq!(*log.all(), numbers(0..10));
}

/// Whatever the way, a message that does not decode costs nothing but itself.
#[actix::test]
async fn what_does_not_decode_is_given_back_and_takes_no_credit() {
    let (gated, quick) = (Log::default(), Quick::default());
    let inline = Log::default();
    let kept = inline.clone();
    // Nobody gives permits, so nothing holds it up.
    let (one_by_one, _) = Gated::start(&gated);
    let receivers = [
        (Receiver::inline(move |Picky(text): Picky| kept.all().push(text)), &inline),
        (Recipient::<Picky>::into_receiver(one_by_one.recipient()), &gated),
        (Recipient::<Batch<Picky>>::into_receiver(quick.clone().start().recipient()), &quick.log),
    ];
    for (receiver, log) in receivers {
        let mut receiver = receiver.window(1);
        for _ in 0..3 {
            assert!(is_ready(&mut receiver));
            match receiver.deliver(raw("bad")) {
                Err(bad) => assert_eq!(*bad.frames(), raw("bad").0),
                Ok(()) => panic!("\"bad\" was decoded"),
            }
            let broke = shielded(|| receiver.deliver(raw("panic")));
            assert_eq!(broke.map(drop), Err("as asked".to_owned()));
        }
        feed(&mut receiver, 0..3).await;
        until("all handled", || log.len() == 3).await;
        assert_eq!(*log.all(), numbers(0..3));
    }
}

#[actix::test]
async fn one_by_one_no_more_than_the_window_is_ever_unhandled() {
    for window in [1, 2, 15, 16, 40, 100] {
        let log = Log::default();
        let (taker, give) = Gated::start(&log);
        let mut receiver = Recipient::<Pulled>::into_receiver(taker.recipient()).window(window);
        let mut delivered = 0;
        while delivered < 300 {
            if is_ready(&mut receiver) {
                deliver(&mut receiver, delivered);
                delivered += 1;
                assert!(delivered - log.len() <= window, "window {window}");
                continue;
            }
            if log.len() == 0 {
                assert_eq!(delivered, window, "it may use all of its credit");
            }
            let handled = log.len();
            assert!(delivered > handled, "window {window}: it waits for nothing");
            give.unbounded_send(Permit::Handle).unwrap();
            until("another one is handled", || log.len() > handled).await;
        }
        drop(give);
        until("all handled", || log.len() == delivered).await;
        assert_eq!(*log.all(), numbers(0..delivered));
        let ready =
            tokio::time::timeout(DEADLINE, poll_fn(|cx| poll_ready(&mut receiver, cx))).await;
        assert_eq!(ready, Ok(Ok(())));
    }
}

#[actix::test]
async fn one_by_one_the_task_is_woken_when_there_is_credit_again() {
    let log = Log::default();
    let (taker, give) = Gated::start(&log);
    let mut receiver = Recipient::<Pulled>::into_receiver(taker.recipient()).window(1);
    deliver(&mut receiver, 0);
    let wakes = Arc::<Wakes>::default();
    let waker = Waker::from(Arc::clone(&wakes));
    assert!(poll_ready(&mut receiver, &mut Context::from_waker(&waker)).is_pending());
    give.unbounded_send(Permit::Handle).unwrap();
    until("the waker fires", || wakes.count() > 0).await;
    assert_eq!(log.len(), 1);
    assert!(is_ready(&mut receiver));
}

#[actix::test]
async fn a_mailbox_smaller_than_the_window_loses_nothing_and_keeps_the_order() {
    let log = Log::default();
    let (taker, give) = Gated::with_mailbox(&log, 1);
    let mut receiver = Recipient::<Pulled>::into_receiver(taker.recipient()).window(64);
    for number in 0..64 {
        assert!(is_ready(&mut receiver));
        deliver(&mut receiver, number);
    }
    assert!(!is_ready(&mut receiver));
    drop(give);
    feed(&mut receiver, 64..500).await;
    until("all handled", || log.len() == 500).await;
    assert_eq!(*log.all(), numbers(0..500));
}

#[actix::test]
async fn a_receiver_that_is_replaced_leaves_its_messages_to_the_actor() {
    let log = Log::default();
    let (taker, give) = Gated::start(&log);
    let mut receiver = Recipient::<Pulled>::into_receiver(taker.clone().recipient()).window(40);
    for number in 0..30 {
        deliver(&mut receiver, number);
    }
    drop(receiver);
    drop(give);
    until("all handled", || log.len() == 30).await;
    assert_eq!(*log.all(), numbers(0..30));
}

#[actix::test]
async fn a_closed_mailbox_is_gone_with_what_was_not_handled() {
    let log = Log::default();
    let (taker, give) = Gated::start(&log);
    let mut receiver = Recipient::<Pulled>::into_receiver(taker.clone().recipient()).window(10);
    for number in 0..5 {
        deliver(&mut receiver, number);
    }
    for permit in [Permit::Handle, Permit::Handle, Permit::Stop] {
        give.unbounded_send(permit).unwrap();
    }
    until("the mailbox closes", || !taker.connected()).await;
    assert_eq!(log.len(), 2);
    assert_eq!(poll(&mut receiver), Poll::Ready(Err(Gone { unconfirmed: 3 })));
    // It may be asked again, and says the same.
    assert_eq!(poll(&mut receiver), Poll::Ready(Err(Gone { unconfirmed: 3 })));
}

#[actix::test]
async fn a_message_for_a_mailbox_that_has_just_closed_is_counted() {
    for window in [1, 100] {
        let (taker, give) = Gated::start(&Log::default());
        let recipient = taker.clone().recipient();
        let mut receiver = Recipient::<Pulled>::into_receiver(recipient).window(window);
        assert!(is_ready(&mut receiver));
        give.unbounded_send(Permit::Stop).unwrap();
        until("the mailbox closes", || !taker.connected()).await;
        deliver(&mut receiver, "late");
        assert_eq!(poll(&mut receiver), Poll::Ready(Err(Gone { unconfirmed: 1 })));
    }
}

#[actix::test]
async fn a_pump_that_waits_for_credit_is_told_when_the_mailbox_closes() {
    let (taker, give) = Gated::start(&Log::default());
    let mut receiver = Recipient::<Pulled>::into_receiver(taker.recipient()).window(2);
    deliver(&mut receiver, 0);
    deliver(&mut receiver, 1);
    assert!(!is_ready(&mut receiver));
    give.unbounded_send(Permit::Stop).unwrap();
    let told = tokio::time::timeout(DEADLINE, poll_fn(|cx| poll_ready(&mut receiver, cx))).await;
    assert_eq!(told, Ok(Err(Gone { unconfirmed: 2 })));
}

fn batches(keeper: &Keeper, window: usize) -> Receiver<Pulled> {
    let recipient = keeper.clone().start().recipient();
    Recipient::<Batch<Pulled>>::into_receiver(recipient).window(window)
}

#[actix::test]
async fn no_batch_is_larger_than_the_window_or_than_a_turn() {
    for (window, sizes) in [
        (1, vec![1]),
        (10, vec![10]),
        (256, vec![256]),
        (300, vec![256, 44]),
        (600, vec![256, 256, 88]),
    ] {
        let keeper = Keeper::default();
        let mut receiver = batches(&keeper, window);
        let mut delivered = 0;
        while is_ready(&mut receiver) {
            deliver(&mut receiver, delivered);
            delivered += 1;
        }
        assert_eq!(delivered, window, "it may use all of its credit");
        // Without a flush: whoever waits for credit must have handed over all.
        until("all handed over", || keeper.sizes() == sizes).await;
    }
}

#[actix::test]
async fn what_is_held_back_is_handed_over_by_a_flush() {
    let keeper = Keeper::default();
    let mut receiver = batches(&keeper, 10);
    receiver.flush();
    for number in 0..3 {
        deliver(&mut receiver, number);
    }
    tokio::task::yield_now().await;
    assert!(keeper.sizes().is_empty());
    receiver.flush();
    receiver.flush();
    until("the batch arrives", || !keeper.sizes().is_empty()).await;
    assert_eq!(keeper.sizes(), [3], "an empty batch is not worth a message");
    let texts = keeper.take().into_iter().map(|Pulled(message)| text(&message));
    assert_eq!(texts.collect::<Vec<_>>(), numbers(0..3));
}

/// A receiver that has spent its credit, and the waker that waits for more.
async fn spent(keeper: &Keeper, window: usize) -> (Receiver<Pulled>, Arc<Wakes>) {
    let mut receiver = batches(keeper, window);
    for number in 0..window {
        deliver(&mut receiver, number);
    }
    receiver.flush();
    until("the batch arrives", || keeper.sizes() == [window]).await;
    let wakes = Arc::<Wakes>::default();
    let waker = Waker::from(Arc::clone(&wakes));
    assert!(poll_ready(&mut receiver, &mut Context::from_waker(&waker)).is_pending());
    (receiver, wakes)
}

#[actix::test]
async fn credit_comes_back_when_the_batch_is_dropped() {
    let keeper = Keeper::default();
    let (mut receiver, wakes) = spent(&keeper, 4).await;
    let batch = keeper.take();
    assert_eq!(batch.iter().count(), 4);
    assert!(!is_ready(&mut receiver), "looking is not handling");
    // That poll left another waker behind.
    let waker = Waker::from(Arc::clone(&wakes));
    assert!(poll_ready(&mut receiver, &mut Context::from_waker(&waker)).is_pending());
    drop(batch);
    assert_eq!(wakes.count(), 1);
    assert!(is_ready(&mut receiver));
}

#[actix::test]
async fn credit_comes_back_when_the_iterator_is_dropped_even_half_way() {
    let keeper = Keeper::default();
    let (mut receiver, wakes) = spent(&keeper, 4).await;
    let mut iterator = keeper.take().into_iter();
    assert_eq!(iterator.len(), 4);
    assert!(iterator.next().is_some());
    assert_eq!(wakes.count(), 0);
    drop(iterator);
    assert_eq!(wakes.count(), 1);
    for number in 0..4 {
        assert!(is_ready(&mut receiver));
        deliver(&mut receiver, number);
    }
    assert!(!is_ready(&mut receiver), "all of it came back, and no more");
}

#[actix::test]
async fn credit_comes_back_from_another_thread() {
    let keeper = Keeper::default();
    let (mut receiver, wakes) = spent(&keeper, 4).await;
    let batch = keeper.take();
    let other = std::thread::spawn(move || drop(batch));
    until("the waker fires", || wakes.count() > 0).await;
    assert!(is_ready(&mut receiver));
    other.join().unwrap();
}

#[actix::test]
async fn batches_on_another_arbiter_keep_the_order_and_the_window() {
    let arbiter = Arbiter::new();
    for window in [1, 7, 64] {
        let quick = Quick::default();
        let actor = quick.clone();
        let address = Quick::start_in_arbiter(&arbiter.handle(), move |_| actor);
        let recipient = address.recipient();
        let mut receiver = Recipient::<Batch<Pulled>>::into_receiver(recipient).window(window);
        feed(&mut receiver, 0..1_000).await;
        until("all handled", || quick.log.len() == 1_000).await;
        assert_eq!(*quick.log.all(), numbers(0..1_000));
        assert!(quick.largest.load(Ordering::SeqCst) <= window);
    }
    arbiter.stop();
}

#[actix::test]
async fn one_by_one_on_another_arbiter_keeps_the_order() {
    let arbiter = Arbiter::new();
    let log = Log::default();
    let theirs = log.clone();
    let address = Gated::start_in_arbiter(&arbiter.handle(), move |_| {
        // Nobody gives permits.
        let permits = Rc::new(RefCell::new(mpsc::unbounded().1));
        Gated { permits, log: theirs, capacity: 2 }
    });
    let mut receiver = Recipient::<Pulled>::into_receiver(address.recipient()).window(50);
    feed(&mut receiver, 0..1_000).await;
    until("all handled", || log.len() == 1_000).await;
    assert_eq!(*log.all(), numbers(0..1_000));
    arbiter.stop();
}

#[actix::test]
async fn batches_for_a_closed_mailbox_are_counted_held_back_or_handed_over() {
    for handed_over in [false, true] {
        let keeper = Keeper::default();
        let address = keeper.clone().start();
        let recipient = address.clone().recipient();
        let mut receiver = Recipient::<Batch<Pulled>>::into_receiver(recipient).window(10);
        for number in 0..3 {
            deliver(&mut receiver, number);
        }
        address.do_send(Stop);
        until("the mailbox closes", || !address.connected()).await;
        if handed_over {
            receiver.flush();
        }
        assert_eq!(poll(&mut receiver), Poll::Ready(Err(Gone { unconfirmed: 3 })));
    }
}

#[actix::test]
async fn a_batch_that_outlives_its_actor_is_not_confirmed_until_it_is_dropped() {
    let keeper = Keeper::default();
    let address = keeper.clone().start();
    let recipient = address.clone().recipient();
    let mut receiver = Recipient::<Batch<Pulled>>::into_receiver(recipient).window(10);
    deliver(&mut receiver, 0);
    receiver.flush();
    until("the batch arrives", || keeper.sizes() == [1]).await;
    address.do_send(Stop);
    until("the mailbox closes", || !address.connected()).await;
    assert_eq!(poll(&mut receiver), Poll::Ready(Err(Gone { unconfirmed: 1 })));
    drop(keeper.take());
    assert_eq!(poll(&mut receiver), Poll::Ready(Err(Gone { unconfirmed: 0 })));
}

#[test]
fn a_window_is_at_least_one() {
    let system = actix::System::new();
    system.block_on(async {
        let log = Log::default();
        let (taker, _) = Gated::start(&log);
        let recipient = taker.recipient();
        let mut one_by_one = Recipient::<Pulled>::into_receiver(recipient).window(0);
        feed(&mut one_by_one, 0..3).await;
        let mut batches = batches(&Keeper::default(), 0);
        assert!(is_ready(&mut batches));
        deliver(&mut batches, 0);
        assert!(!is_ready(&mut batches));
    });
}
