//! A publisher, a broadcast of what it says, and a server for it.

use std::sync::{Arc, Mutex};

use actix_zmq::prelude::*;
use actix_zmq::web::{Broadcast, BroadcastBuilder};

use crate::deadline::eventually;
use crate::http::{Server, serve, serve_narrowly};
use crate::{finish, ms, open};

pub(crate) struct Stage {
    pub(crate) zmq: Addr<Factory>,
    pub(crate) publisher: Addr<XPubSocket>,
    pub(crate) broadcast: Broadcast,
    pub(crate) server: Server,
    /// What the publisher was told of subscriptions.
    pub(crate) told: Arc<Mutex<Vec<Subscription>>>,
}

impl Stage {
    pub(crate) async fn new(configure: impl FnOnce(BroadcastBuilder) -> BroadcastBuilder) -> Self {
        Self::set(configure, false).await
    }

    /// Where the kernel keeps next to nothing for a client that does not read.
    pub(crate) async fn narrow(
        configure: impl FnOnce(BroadcastBuilder) -> BroadcastBuilder,
    ) -> Self {
        Self::set(configure, true).await
    }

    async fn set(
        configure: impl FnOnce(BroadcastBuilder) -> BroadcastBuilder,
        narrow: bool,
    ) -> Self {
        let zmq = Factory::builder().start();
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell = Arc::clone(&told);
        let publisher = XPubSocket::new().verboser(true).hwm(0);
        let publisher = publisher.on_message(move |subscription: Subscription| {
            tell.lock().unwrap().push(subscription);
        });
        let publisher = open(&zmq, publisher).await;
        let at = publisher.send(Bind::new("tcp://127.0.0.1:*")).await.unwrap().unwrap();
        let socket = SubSocket::connect(at).name("feed").hwm(0);
        let broadcast = configure(Broadcast::of(socket)).open(&zmq).await.unwrap();
        let served = broadcast.clone();
        let configure = move |config: &mut actix_web::web::ServiceConfig| {
            config.service(served.at("/feed"));
        };
        let server = if narrow { serve_narrowly(configure) } else { serve(configure) };
        Self { zmq, publisher, broadcast, server, told }
    }

    /// Until the broadcast gets what has this topic.
    pub(crate) async fn subscribed(&self, topic: &'static str) -> usize {
        let wait = WaitSubscribers { topic: topic.into(), count: 1, deadline: ms(10_000) };
        self.publisher.send(wait).await.unwrap().unwrap()
    }

    /// Until the broadcast has subscribed for the second time.
    pub(crate) async fn subscribed_again(&self, topic: &'static str) {
        let subscribed = Subscription::Subscribed(topic.into());
        eventually("it is subscribed again", async || {
            let told = self.told.lock().unwrap();
            told.iter().filter(|told| **told == subscribed).count() == 2
        })
        .await;
    }

    pub(crate) async fn publish(&self, topic: &str, body: impl Into<Multipart>) {
        self.publisher.send(Publish::new(topic, body.into())).await.unwrap().unwrap();
    }

    /// Publishes these numbers, and waits until the broadcast has them.
    pub(crate) async fn publish_numbers(&self, topic: &str, numbers: std::ops::Range<usize>) {
        let messages = self.broadcast.stats().messages + numbers.len() as u64;
        for number in numbers {
            self.publish(topic, number.to_string()).await;
        }
        self.received(messages).await;
    }

    /// Until the broadcast has so many messages.
    pub(crate) async fn received(&self, messages: u64) {
        let stats = || self.broadcast.stats();
        eventually("they arrive", async || stats().messages == messages).await;
    }

    /// Until so many are connected.
    pub(crate) async fn clients(&self, clients: usize) {
        let stats = || self.broadcast.stats();
        eventually("they come and go", async || stats().clients == clients).await;
    }

    pub(crate) async fn finish(self) {
        self.broadcast.end();
        self.server.stop().await;
        finish(self.zmq).await;
    }
}

/// The texts of numbers.
pub(crate) fn texts(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| number.to_string()).collect()
}
