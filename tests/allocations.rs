//! How often this crate allocates: libzmq has an allocator of its own, which is
//! not counted here.

#![expect(unsafe_code, reason = "a global allocator is")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that fails panics")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::thread;
use std::time::Duration;

use actix::Recipient;
use actix_zmq::prelude::*;
use futures::channel::oneshot;
use futures::{StreamExt, stream};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: the system's allocator does the work. The count is of the thread, has
// no destructor and is initialised by a constant, so that it allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are those that the system wants.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const MESSAGES: u64 = 20_000;
/// Until then everything is allocated that is needed at all.
const WARM: u64 = 2_000;
/// A turn allocates a little, and has many messages.
const PER_TURNS: u64 = (MESSAGES - WARM) / 10;

/// Counts from the message number `WARM` on, and tells at the last one.
struct Meter {
    messages: u64,
    at: u64,
    done: Option<oneshot::Sender<u64>>,
}

impl Meter {
    fn new() -> (Self, oneshot::Receiver<u64>) {
        let (done, told) = oneshot::channel();
        (Self { messages: 0, at: 0, done: Some(done) }, told)
    }

    fn count(&mut self) {
        self.messages += 1;
        if self.messages == WARM {
            self.at = ALLOCATIONS.get();
        } else if self.messages == MESSAGES
            && let Some(done) = self.done.take()
        {
            let _ = done.send(ALLOCATIONS.get() - self.at);
        }
    }
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    actix::clock::timeout(Duration::from_secs(60), work).await.expect("done in time")
}

async fn bound(socket: Recipient<Bind>) -> String {
    socket.send(Bind::new("tcp://127.0.0.1:*")).await.unwrap().unwrap().to_string()
}

#[actix::test]
async fn messages_of_one_frame_are_received_without_an_allocation() {
    let zmq = Factory::builder().start();
    let (mut meter, told) = Meter::new();
    let pull = PullSocket::new().on_message(move |Pulled(body): Pulled| {
        assert_eq!(body[0].len(), 64);
        meter.count();
    });
    let pull = zmq.send(Open(pull)).await.unwrap().unwrap();
    let endpoint = bound(pull.recipient()).await;
    let push = thread::spawn(move || {
        let push = zmq::Context::new().socket(zmq::PUSH).unwrap();
        push.connect(&endpoint).unwrap();
        (0..MESSAGES).try_for_each(|_| push.send(&[7_u8; 64][..], 0)).unwrap();
    });
    let allocations = within(told).await.unwrap();

    assert!(allocations < PER_TURNS, "{allocations} for {} messages", MESSAGES - WARM);
    push.join().unwrap();
}

#[actix::test]
async fn a_request_that_is_answered_at_once_takes_the_server_one_list_of_frames() {
    let zmq = Factory::builder().start();
    let (mut meter, told) = Meter::new();
    let reply = ReplySocket::new().on_message(move |request: IncomingRequest| {
        let IncomingRequest { body, responder } = request;
        responder.reply(body).unwrap();
        meter.count();
    });
    let reply = zmq.send(Open(reply)).await.unwrap().unwrap();
    let endpoint = bound(reply.recipient()).await;
    let asker = thread::spawn(move || {
        let dealer = zmq::Context::new().socket(zmq::DEALER).unwrap();
        dealer.connect(&endpoint).unwrap();
        let ask = || dealer.send_multipart([&[9_u8; 16][..], &[], &[7; 64]], 0);
        for _ in 0..64 {
            ask().unwrap();
        }
        for _ in 64..MESSAGES {
            dealer.recv_multipart(0).unwrap();
            ask().unwrap();
        }
    });
    let allocations = within(told).await.unwrap();
    let lists = MESSAGES - WARM;

    assert!(allocations < lists + PER_TURNS, "{allocations} for {lists} requests");
    asker.join().unwrap();
}

#[actix::test]
async fn a_request_takes_the_client_no_more_than_its_frames_and_what_actix_allocates() {
    const WINDOW: usize = 64;
    // Actix has an envelope, a place in the mailbox and a channel for the reply;
    // `buffer_unordered` has a task. The others are the lists of frames.
    const EACH: u64 = 3 + 1 + 2;
    let zmq = Factory::builder().start();
    let reply = ReplySocket::new().arbiter("server").on_message(|request: IncomingRequest| {
        let IncomingRequest { body, responder } = request;
        responder.reply(body).unwrap();
    });
    let reply = zmq.send(Open(reply)).await.unwrap().unwrap();
    let endpoint = bound(reply.recipient()).await;
    let client = RequestSocket::connect(endpoint.as_str()).timeout(Duration::from_secs(60));
    let client = zmq.send(Open(client)).await.unwrap().unwrap();
    let (mut meter, told) = Meter::new();
    let body = Frame::from_static(&[7; 64]);
    let mut replies = stream::iter(0..MESSAGES)
        .map(|_| client.send(Request::new(Multipart::from(body.clone()))))
        .buffer_unordered(WINDOW);
    within(async {
        while let Some(reply) = replies.next().await {
            reply.unwrap().unwrap();
            meter.count();
        }
    })
    .await;
    let (allocations, requests) = (told.await.unwrap(), MESSAGES - WARM);

    assert!(allocations < EACH * requests + PER_TURNS, "{allocations} for {requests} requests");
}
