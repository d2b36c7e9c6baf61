//! What `benches/` measure of the private rooms, `engine` and `framing`, and what
//! `fuzz/` feeds.
//!
//! This is no API. It exists with the feature `internals` alone, and may change
//! or go with any release.

#![allow(missing_debug_implementations, reason = "nobody prints what is being measured")]

use std::future::poll_fn;
use std::io;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::{Duration, Instant};

use crate::engine::deadlines::{Deadlines, Due};
use crate::engine::entries::{Entries, Key};
use crate::engine::fd::{Fd, Wakeup};
use crate::engine::port::{Port, Sends, Sent};
use crate::engine::pump::{Inlet, Moved, Pump, Turn};
use crate::engine::queue::{Outcome, Queue};
use crate::multipart::{Frame, Multipart};
use crate::options::QueueLimits;
use crate::sys::{Context, ContextSettings, Errno, Events, Farewell, Socket, SocketType};

pub mod calls;
pub mod framing;

/// A pump between a queue, a receiver that takes everything, and a socket that
/// costs nothing: it takes and gives whatever it is asked for.
pub struct FreePump {
    pump: Pump<Free, Always>,
    queue: Queue<()>,
    moved: Moved,
}

impl FreePump {
    /// With messages of so many bytes.
    #[must_use]
    pub fn new(size: usize) -> Self {
        let free = Free { body: Frame::from(vec![0; size]), left: 0 };
        Self {
            pump: Pump::new(free, Always, Sends::WhenWritable, true),
            queue: Queue::new(QueueLimits::default()),
            moved: Moved::default(),
        }
    }

    /// Receives so many messages.
    ///
    /// # Errors
    /// When the pump stops: there is a mistake in the bench.
    pub fn receive(&mut self, messages: usize) -> io::Result<()> {
        self.pump.port().left = messages;
        self.turn()
    }

    /// Sends so many messages.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn send(&mut self, messages: usize) -> io::Result<()> {
        let body = self.pump.port().body.clone();
        for _ in 0..messages {
            self.queue.push(body.clone().into(), ());
        }
        self.turn()
    }

    fn turn(&mut self) -> io::Result<()> {
        let mut cx = TaskContext::from_waker(Waker::noop());
        loop {
            let turn = self.pump.turn(&mut cx, &mut Sink, &mut self.queue, &mut self.moved);
            let done = self.queue.take_done();
            self.queue.recycle(done);
            match turn {
                Turn::Parked => return Ok(()),
                Turn::Yielded => {}
                Turn::Interrupted => return Err(io::Error::other("the receiver failed")),
                Turn::Failed(errno) => return Err(failed(errno)),
            }
        }
    }
}

/// A socket that costs nothing.
struct Free {
    body: Frame,
    left: usize,
}

impl Port for Free {
    fn events(&mut self) -> Result<Events, Errno> {
        Ok(Events::new(self.left > 0, true))
    }

    fn receive(&mut self, place: &mut Multipart) -> Result<Option<usize>, Errno> {
        let left = self.left.checked_sub(1);
        self.left = left.unwrap_or(0);
        Ok(left.map(|_| {
            *place = self.body.clone().into();
            self.body.len()
        }))
    }

    fn send(&mut self, message: &mut Multipart) -> Result<Sent, Errno> {
        drop(std::mem::take(message));
        Ok(Sent::Accepted)
    }
}

/// A descriptor that nobody waits for.
struct Always;

impl Wakeup for Always {
    fn arm(&mut self, _cx: &mut TaskContext<'_>) -> io::Result<bool> {
        Ok(true)
    }
}

/// A receiver that takes everything.
struct Sink;

impl Inlet<()> for Sink {
    fn room(&mut self, _cx: &mut TaskContext<'_>) -> usize {
        usize::MAX
    }

    fn shielded<R>(&mut self, work: impl FnOnce(&mut Self) -> R) -> Option<R> {
        Some(work(self))
    }

    fn accept(&mut self, message: Multipart) {
        drop(message);
    }
}

/// Two pumps on PUSH and PULL, connected within the process, on one task.
pub struct InprocPumps {
    push: Pump<Socket, Fd>,
    pull: Pump<Socket, Fd>,
    queue: Queue<()>,
    idle: Queue<()>,
    body: Frame,
    // Dropped last: libzmq waits for the sockets.
    _context: Context,
}

impl InprocPumps {
    /// With messages of so many bytes; in a tokio runtime.
    ///
    /// # Errors
    /// What libzmq and the reactor report.
    pub fn new(size: usize) -> io::Result<Self> {
        let settings = ContextSettings { io_threads: 1, max_sockets: 100, others: Vec::new() };
        let farewell = Farewell { may_wait: || false, at_most: Duration::ZERO };
        let context = Context::new(&settings, farewell).map_err(failed)?;
        let pull = Socket::open(&context, SocketType::Pull).map_err(failed)?;
        pull.bind("inproc://pumps").map_err(failed)?;
        let push = Socket::open(&context, SocketType::Push).map_err(failed)?;
        push.connect("inproc://pumps").map_err(failed)?;
        let (of_push, of_pull) = (push.fd().map_err(failed)?, pull.fd().map_err(failed)?);
        Ok(Self {
            push: Pump::new(push, Fd::new(of_push)?, Sends::WhenWritable, false),
            pull: Pump::new(pull, Fd::new(of_pull)?, Sends::Never, true),
            queue: Queue::new(QueueLimits::default()),
            idle: Queue::new(QueueLimits::default()),
            body: Frame::from(vec![0; size]),
            _context: context,
        })
    }

    /// Sends so many messages, and receives them.
    ///
    /// # Errors
    /// What libzmq reports.
    pub async fn pass(&mut self, messages: usize) -> io::Result<()> {
        for _ in 0..messages {
            self.queue.push(self.body.clone().into(), ());
        }
        let mut moved = Moved::default();
        poll_fn(|cx| {
            let mut ignored = Moved::default();
            let sent = self.push.turn(cx, &mut Sink, &mut self.queue, &mut ignored);
            let done = self.queue.take_done();
            self.queue.recycle(done);
            let received = self.pull.turn(cx, &mut Sink, &mut self.idle, &mut moved);
            match (sent, received) {
                (Turn::Failed(errno), _) | (_, Turn::Failed(errno)) => {
                    Poll::Ready(Err(failed(errno)))
                }
                _ if moved.received == messages as u64 => Poll::Ready(Ok(())),
                _ => Poll::Pending,
            }
        })
        .await
    }
}

/// The outbound queue, as a socket uses it.
pub struct Outbox {
    queue: Queue<usize>,
    body: Frame,
    peers: Vec<Frame>,
}

impl Outbox {
    /// For messages of so many bytes, and for so many peers of a ROUTER.
    #[must_use]
    pub fn new(size: usize, peers: usize) -> Self {
        let peers = (0..peers).map(|peer| Frame::from(peer.to_be_bytes())).collect();
        Self { queue: Queue::new(QueueLimits::default()), body: Frame::from(vec![0; size]), peers }
    }

    /// Queues so many messages, has all accepted, and tells what became of
    /// them. The result is how many were accepted.
    pub fn accept(&mut self, messages: usize) -> usize {
        self.push(messages);
        for _ in 0..messages {
            self.queue.accepted();
        }
        self.settle()
    }

    /// Queues so many messages, and takes them back.
    pub fn withdraw(&mut self, messages: usize) -> usize {
        let places: Vec<_> =
            (0..messages).map(|number| self.queue.push(self.body.clone().into(), number)).collect();
        places.into_iter().filter(|place| self.queue.withdraw(*place).is_some()).count()
    }

    /// Queues so many messages, of which each peer refuses the first one at
    /// first. The result is how many were accepted.
    pub fn lanes(&mut self, messages: usize) -> usize {
        for (number, peer) in (0..messages).zip(self.peers.iter().cycle()) {
            let frames = [peer.clone(), self.body.clone()];
            self.queue.push(frames.into(), number);
        }
        while self.queue.has_ready() {
            self.queue.block_lane();
        }
        for lane in self.queue.blocked_lanes() {
            let mut budget = messages;
            let Ok(()) = self.queue.try_lane(&lane, &mut budget, |_| {
                Ok::<_, std::convert::Infallible>(Sent::Accepted)
            });
        }
        self.settle()
    }

    fn push(&mut self, messages: usize) {
        for number in 0..messages {
            self.queue.push(self.body.clone().into(), number);
        }
    }

    fn settle(&mut self) -> usize {
        self.queue.enforce(|_| true);
        let mut done = self.queue.take_done();
        let accepted = |(_, outcome): &(usize, Outcome)| matches!(outcome, Outcome::Accepted(_));
        let accepted = done.drain(..).filter(accepted).count();
        self.queue.recycle(done);
        accepted
    }
}

/// The deadlines of requests, and the requests themselves.
pub struct Table {
    deadlines: Deadlines<u32>,
    requests: Entries<Due>,
    start: Instant,
    next: u64,
}

impl Table {
    /// With so many entries that stay.
    #[must_use]
    pub fn new(entries: u64) -> Self {
        let (deadlines, requests) = (Deadlines::new(), Entries::counting_from(0));
        let mut table = Self { deadlines, requests, start: Instant::now(), next: 0 };
        for _ in 0..entries {
            table.insert(LATER);
        }
        table
    }

    fn insert(&mut self, from: Duration) -> Option<Key> {
        self.next += 1;
        let due = self.deadlines.due(self.start, from + Duration::from_nanos(self.next))?;
        let key = self.requests.insert(due);
        self.deadlines.insert(due, key.place);
        Some(key)
    }

    /// So many requests whose replies come. The result is how many were found.
    pub fn replies(&mut self, requests: usize) -> usize {
        let entered: Vec<_> = (0..requests).filter_map(|_| self.insert(LATER)).collect();
        let Self { deadlines, requests, .. } = self;
        let found = entered.into_iter().filter(|key| {
            let found = requests.remove(*key).is_some();
            deadlines.removed(|due, place| has(requests, due, place));
            found
        });
        found.count()
    }

    /// So many requests whose time is up. The result is how many those were.
    pub fn timeouts(&mut self, requests: usize) -> usize {
        for _ in 0..requests {
            self.insert(Duration::ZERO);
        }
        let now = self.start + Duration::from_nanos(self.next);
        let Self { deadlines, requests, .. } = self;
        let due = std::iter::from_fn(|| {
            let place = deadlines.pop_due(now, |due, place| has(requests, due, place))?;
            let key = requests.at(place).map(|(key, _)| key)?;
            requests.remove(key)
        });
        due.count()
    }
}

fn has(requests: &Entries<Due>, due: Due, place: u32) -> bool {
    requests.at(place).is_some_and(|(_, entered)| *entered == due)
}

/// Later than any deadline that a bench lets pass.
const LATER: Duration = Duration::from_secs(60 * 60 * 24);

fn failed(errno: Errno) -> io::Error {
    io::Error::from_raw_os_error(errno.0)
}
