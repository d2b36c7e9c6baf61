//! A socket and its descriptor, scripted: libzmq as far as the readiness
//! contract can see it.
//!
//! What matters is modelled as in libzmq 4.3, not simplified away:
//!
//! - What a peer does reaches the socket as a *command* in its mailbox. The
//!   descriptor is signalled only when a command finds the mailbox asleep.
//! - Whoever empties the mailbox takes the signal along, for both directions.
//! - A pipe announces messages only to a reader that has found it empty.
//! - `ZMQ_EVENTS` and a `recv` that finds nothing empty the mailbox; a `recv`
//!   that finds something does so every hundredth time; a `send` does so
//!   unless it is throttled, and then refuses without having looked.
//! - The reactor reports an edge late, and only if the descriptor is still
//!   readable by then.

use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::rc::Rc;
use std::task::{Context, Waker};

use super::fd::Wakeup;
use super::port::{Port, Sends, Sent};
use crate::multipart::Multipart;
use crate::sys::{Errno, Events};

/// How many successful reads pass between two looks into the mailbox.
const INBOUND_POLL_RATE: u32 = 100;

/// A call of the pump, in the order in which they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Arm,
    Events,
    Receive,
    Send,
}

/// What a peer or the context tells a socket.
enum Command {
    ActivateRead,
    /// So many messages more may be written to this peer, or to any.
    ActivateWrite(Option<Vec<u8>>, usize),
    Stop,
}

type Hook = Box<dyn FnMut(&mut Net, Call)>;

/// The other side of the socket, for the test to pull at.
pub(crate) struct Net {
    sends: Sends,
    mailbox: VecDeque<Command>,
    /// The reader found the mailbox empty: the next command must signal.
    mailbox_asleep: bool,
    /// The descriptor is readable.
    signaled: bool,
    /// The descriptor became readable, and the reactor has not looked yet.
    edge: bool,
    /// The reactor has told, and nobody has cleared it.
    ready: bool,
    waker: Option<Waker>,
    terminated: bool,
    pipe: VecDeque<Multipart>,
    /// The reader found the pipe empty: the next message must be announced.
    reader_asleep: bool,
    /// The socket believes that the pipe may have messages.
    in_active: bool,
    ticks: u32,
    /// Room for messages, as far as the socket knows.
    pub(crate) room: usize,
    rooms: BTreeMap<Vec<u8>, usize>,
    /// The next send looks into the mailbox no more than libzmq does within a millisecond.
    pub(crate) throttled: bool,
    /// What `arm` answers, before it answers `true`.
    pub(crate) arms: VecDeque<io::Result<bool>>,
    pub(crate) sent: Vec<Multipart>,
    pub(crate) calls: Vec<Call>,
    hook: Option<Hook>,
}

impl Net {
    fn post(&mut self, command: Command) {
        self.mailbox.push_back(command);
        if std::mem::take(&mut self.mailbox_asleep) {
            self.signaled = true;
            self.edge = true;
        }
    }

    /// A peer sends a message.
    pub(crate) fn peer_sends(&mut self, message: Multipart) {
        self.pipe.push_back(message);
        if std::mem::take(&mut self.reader_asleep) {
            self.post(Command::ActivateRead);
        }
    }

    /// The peer dies: what it sent and nobody has read is gone, unannounced.
    pub(crate) fn lose_pipe(&mut self) -> impl Iterator<Item = Multipart> {
        std::mem::take(&mut self.pipe).into_iter()
    }

    /// The peers take so many messages, so that there is room for as many.
    pub(crate) fn peer_reads(&mut self, messages: usize) {
        self.post(Command::ActivateWrite(None, messages));
    }

    /// One peer, which thereby is connected, has room for so many more messages.
    pub(crate) fn peer_reads_from(&mut self, peer: &str, messages: usize) {
        self.post(Command::ActivateWrite(Some(peer.as_bytes().to_vec()), messages));
    }

    /// Room that the socket knows about already.
    pub(crate) fn connect(&mut self, peer: &str, room: usize) {
        self.rooms.insert(peer.as_bytes().to_vec(), room);
    }

    pub(crate) fn disconnect(&mut self, peer: &str) {
        self.rooms.remove(peer.as_bytes());
    }

    /// The context is shut down.
    pub(crate) fn stop(&mut self) {
        self.post(Command::Stop);
    }

    /// The reactor looks: an edge is reported if the descriptor is still readable.
    pub(crate) fn deliver_edge(&mut self) {
        if std::mem::take(&mut self.edge) && self.signaled {
            self.ready = true;
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
    }

    /// Whether the reactor will wake the task, sooner or later.
    pub(crate) fn will_wake(&self) -> bool {
        self.edge && self.signaled && self.waker.is_some()
    }

    /// Whether the reactor has something to look at.
    pub(crate) fn has_edge(&self) -> bool {
        self.edge
    }

    /// Whether a message could be read, known to the socket or not.
    pub(crate) fn could_receive(&self) -> bool {
        !self.pipe.is_empty()
    }

    /// Whether a message could be sent, known to the socket or not.
    pub(crate) fn could_send(&self) -> bool {
        self.room > 0 || self.mailbox.iter().any(|it| matches!(it, Command::ActivateWrite(..)))
    }

    /// How often a call was made.
    pub(crate) fn count(&self, call: Call) -> usize {
        self.calls.iter().filter(|made| **made == call).count()
    }

    fn process_commands(&mut self) {
        self.signaled = false;
        for command in std::mem::take(&mut self.mailbox) {
            match command {
                Command::ActivateRead => self.in_active = true,
                Command::ActivateWrite(None, messages) => self.room += messages,
                Command::ActivateWrite(Some(peer), messages) => {
                    *self.rooms.entry(peer).or_default() += messages;
                }
                Command::Stop => self.terminated = true,
            }
        }
        self.mailbox_asleep = true;
    }

    fn check(&self) -> Result<(), Errno> {
        if self.terminated { Err(Errno::TERM) } else { Ok(()) }
    }

    fn has_in(&mut self) -> bool {
        if self.in_active && self.pipe.is_empty() {
            self.in_active = false;
            self.reader_asleep = true;
        }
        self.in_active
    }

    fn take_in(&mut self) -> Option<Multipart> {
        if self.has_in() { self.pipe.pop_front() } else { None }
    }
}

/// One socket and its descriptor; clones are the same socket.
#[derive(Clone)]
pub(crate) struct Fake(Rc<RefCell<Net>>);

impl Fake {
    pub(crate) fn new(sends: Sends) -> Self {
        Self(Rc::new(RefCell::new(Net {
            sends,
            mailbox: VecDeque::new(),
            mailbox_asleep: true,
            signaled: false,
            edge: false,
            ready: false,
            waker: None,
            terminated: false,
            pipe: VecDeque::new(),
            reader_asleep: true,
            in_active: false,
            ticks: 0,
            room: 0,
            rooms: BTreeMap::new(),
            throttled: false,
            arms: VecDeque::new(),
            sent: Vec::new(),
            calls: Vec::new(),
            hook: None,
        })))
    }

    pub(crate) fn net(&self) -> RefMut<'_, Net> {
        self.0.borrow_mut()
    }

    /// Runs before every call from now on: what happens in other threads meanwhile.
    pub(crate) fn before_calls(&self, hook: impl FnMut(&mut Net, Call) + 'static) {
        self.net().hook = Some(Box::new(hook));
    }

    /// Runs once, right before the next call of a kind.
    pub(crate) fn before_next(&self, call: Call, act: impl FnOnce(&mut Net) + 'static) {
        let mut act = Some(act);
        self.before_calls(move |net, made| {
            if made == call
                && let Some(act) = act.take()
            {
                act(net);
            }
        });
    }

    fn called(&self, call: Call) -> RefMut<'_, Net> {
        let mut net = self.net();
        if let Some(mut hook) = net.hook.take() {
            hook(&mut net, call);
            net.hook = Some(hook);
        }
        net.calls.push(call);
        net
    }
}

impl Port for Fake {
    fn events(&mut self) -> Result<Events, Errno> {
        let mut net = self.called(Call::Events);
        net.check()?;
        net.process_commands();
        net.check()?;
        // Where it is not exact it says "writable" all the time.
        let writable = match net.sends {
            Sends::Never => false,
            Sends::WhenWritable | Sends::InStep => net.room > 0,
            Sends::Always | Sends::PerPeer => true,
        };
        Ok(Events::new(net.has_in(), writable))
    }

    fn receive(&mut self, place: &mut Multipart) -> Result<Option<usize>, Errno> {
        let mut net = self.called(Call::Receive);
        net.check()?;
        net.ticks += 1;
        if net.ticks == INBOUND_POLL_RATE {
            net.process_commands();
            net.ticks = 0;
            net.check()?;
        }
        let mut received = net.take_in();
        if received.is_none() {
            net.process_commands();
            net.ticks = 0;
            net.check()?;
            received = net.take_in();
        }
        Ok(received.map(|message| {
            *place = message;
            place.byte_len()
        }))
    }

    fn send(&mut self, message: &mut Multipart) -> Result<Sent, Errno> {
        let mut net = self.called(Call::Send);
        net.check()?;
        if !net.throttled {
            net.process_commands();
            net.check()?;
        }
        let peer = (net.sends == Sends::PerPeer)
            .then(|| message.first().map(|frame| frame.to_vec()).unwrap_or_default());
        let room = match peer {
            Some(peer) => match net.rooms.get_mut(&peer) {
                Some(room) => room,
                None => return Ok(Sent::Unroutable),
            },
            None => &mut net.room,
        };
        if *room == 0 {
            return Ok(Sent::Refused);
        }
        *room -= 1;
        // What is accepted is libzmq's: the caller must not look at it again.
        net.sent.push(std::mem::take(message));
        Ok(Sent::Accepted)
    }
}

impl Wakeup for Fake {
    fn arm(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut net = self.called(Call::Arm);
        match net.arms.pop_front() {
            None | Some(Ok(true)) => {
                net.ready = false;
                net.waker = Some(cx.waker().clone());
                Ok(true)
            }
            other => {
                // As with a descriptor whose readiness does not clear: nobody is registered.
                net.waker = None;
                other.unwrap_or(Ok(false))
            }
        }
    }
}
