//! Tells watchers what happens, in order, one event at a time.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};

use actix::Recipient;
use actix::dev::RecipientRequest;

use super::shared::Shared;
use crate::counters::Counter;
use crate::deliver::let_go;
use crate::messages::{EventKind, SocketEvent};

/// How many events wait for a busy watcher before the oldest are left out.
const BACKLOG: usize = 256;

/// The watchers of one socket.
pub(crate) struct Events {
    shared: Arc<Shared>,
    watchers: Vec<Watcher>,
    /// The factory's watchers up to this version have joined.
    seen: usize,
}

struct Watcher {
    recipient: Recipient<SocketEvent>,
    under_way: Option<Pin<Box<RecipientRequest<SocketEvent>>>>,
    backlog: VecDeque<SocketEvent>,
    missed: u64,
}

impl Events {
    pub(crate) fn new(shared: Arc<Shared>, watchers: Vec<Recipient<SocketEvent>>) -> Self {
        let watchers = watchers.into_iter().map(Watcher::new).collect();
        Self { shared, watchers, seen: 0 }
    }

    pub(crate) fn watch(&mut self, recipient: Recipient<SocketEvent>) {
        self.watchers.push(Watcher::new(recipient));
    }

    /// Whether anybody listens, so that costly events need not be made in vain.
    pub(crate) fn is_watched(&mut self) -> bool {
        self.join_factory_watchers();
        !self.watchers.is_empty()
    }

    pub(crate) fn emit(&mut self, kind: EventKind) {
        self.join_factory_watchers();
        let event =
            SocketEvent { socket: self.shared.id, socket_type: self.shared.socket_type, kind };
        tracing::debug!(
            socket = %event.socket, socket_type = %event.socket_type, event = ?event.kind,
            "socket event"
        );
        for watcher in &mut self.watchers {
            let missed = watcher.tell(event.clone());
            self.shared.count(Counter::MissedEvents, missed);
        }
    }

    fn join_factory_watchers(&mut self) {
        let version = self.shared.family.version.load(Ordering::Acquire);
        if version == self.seen {
            return;
        }
        let list = self.shared.family.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        let new = list.iter().filter(|(since, _)| *since > self.seen);
        self.watchers.extend(new.map(|(_, recipient)| Watcher::new(recipient.clone())));
        self.seen = list.last().map_or(version, |(since, _)| version.max(*since));
    }

    /// Goes on with what waits; the task is woken when there is more to do.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) {
        self.watchers.retain_mut(|watcher| {
            watcher.poll(cx);
            watcher.recipient.connected()
        });
    }

    /// Hands over everything that waits: the last chance of a closing socket.
    pub(crate) fn finish(&mut self) {
        for watcher in &mut self.watchers {
            if let Some(request) = watcher.under_way.take() {
                let_go(request);
            }
            // Bounded by the backlog; the mailbox's capacity is not asked.
            while let Some(event) = watcher.next() {
                watcher.recipient.do_send(event);
            }
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Watcher {
    const fn new(recipient: Recipient<SocketEvent>) -> Self {
        Self { recipient, under_way: None, backlog: VecDeque::new(), missed: 0 }
    }

    /// Tells an event or keeps it; the result is how many had to be left out.
    fn tell(&mut self, event: SocketEvent) -> u64 {
        let mut left_out = 0;
        if self.backlog.len() >= BACKLOG {
            self.backlog.pop_front();
            self.missed += 1;
            left_out = 1;
        }
        self.backlog.push_back(event);
        // The first poll puts it into the mailbox; the turn registers the waker.
        self.poll(&mut Context::from_waker(Waker::noop()));
        left_out
    }

    fn poll(&mut self, cx: &mut Context<'_>) {
        loop {
            if let Some(request) = &mut self.under_way {
                if request.as_mut().poll(cx).is_pending() {
                    return;
                }
                self.under_way = None;
            }
            let Some(event) = self.next() else { return };
            self.under_way = Some(Box::pin(self.recipient.send(event)));
        }
    }
    /// What it is to be told next: what it missed, before what follows that.
    fn next(&mut self) -> Option<SocketEvent> {
        if self.missed == 0 {
            return self.backlog.pop_front();
        }
        let next = self.backlog.front()?;
        let (socket, socket_type) = (next.socket, next.socket_type);
        let kind = EventKind::Missed { events: std::mem::take(&mut self.missed) };
        Some(SocketEvent { socket, socket_type, kind })
    }
}
