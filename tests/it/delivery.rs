//! Who gets what was received: every way, everything, in order.

use std::time::Duration;

use actix_zmq::prelude::*;
use actix_zmq::{IntoReceiver, Receiver};
use futures::StreamExt;

use crate::support::{
    Inbox, collector, count, eventually, finish, gated, inbox, inproc, open, within, within_time,
};

/// Enough for many windows and many batches.
const MESSAGES: u32 = 20_000;

/// Pushes numbers to a receiver, and sees them arrive complete and in order.
async fn all_in_order(arbiter: Option<&str>, receiver: Receiver<Pulled>, told: &mut Inbox<Pulled>) {
    within_time(Duration::from_secs(60), async {
        let zmq = Factory::builder().start();
        let endpoint = inproc();
        let mut pull = PullSocket::bind(&*endpoint).name("pull").deliver_to(receiver.window(512));
        if let Some(arbiter) = arbiter {
            pull = pull.arbiter(arbiter);
        }
        open(&zmq, pull).await;
        let push = open(&zmq, PushSocket::connect(&*endpoint)).await;
        let sends = (0..MESSAGES).map(|number| push.send(Push(number.to_be_bytes().to_vec())));
        let sending = actix::spawn(
            futures::stream::iter(sends.collect::<Vec<_>>())
                .buffered(64)
                .for_each(|sent| async { sent.unwrap().unwrap() }),
        );
        for number in 0..MESSAGES {
            assert_eq!(told.next().await.0[0], &number.to_be_bytes());
        }
        sending.await.unwrap();
        assert_eq!(count(&zmq, "pull", Counter::Received).await, u64::from(MESSAGES));
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_closure_gets_everything_in_order() {
    for arbiter in [None, Some("far")] {
        let (fill, mut told) = inbox::<Pulled>();
        all_in_order(arbiter, Receiver::inline(fill), &mut told).await;
    }
}

#[actix::test]
async fn an_actor_gets_everything_one_by_one_in_order() {
    for arbiter in [None, Some("far")] {
        let (address, mut told) = collector::<Pulled>();
        let receiver = address.recipient::<Pulled>().into_receiver();
        all_in_order(arbiter, receiver, &mut told).await;
    }
}

#[actix::test]
async fn an_actor_gets_everything_in_batches_in_order() {
    for arbiter in [None, Some("far")] {
        let (address, mut told) = collector::<Pulled>();
        let receiver = address.recipient::<Batch<Pulled>>().into_receiver();
        all_in_order(arbiter, receiver, &mut told).await;
    }
}

#[actix::test]
async fn a_lone_message_is_not_held_back_to_fill_a_batch() {
    within(async {
        let zmq = Factory::builder().start();
        let (address, mut told) = collector::<Pulled>();
        let endpoint = inproc();
        let pull = PullSocket::bind(&*endpoint);
        open(&zmq, pull.deliver_to(address.recipient::<Batch<Pulled>>())).await;
        let push = open(&zmq, PushSocket::connect(&*endpoint)).await;
        for number in 0..3_u8 {
            push.send(Push(vec![number])).await.unwrap().unwrap();
            assert_eq!(told.next().await.0[0], &[number]);
        }
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_slow_receiver_of_one_socket_does_not_slow_another() {
    within(async {
        let zmq = Factory::builder().start();
        let (slow, gate, mut arrived) = gated::<Pulled>();
        let (quick, mut told) = collector::<Pulled>();
        let (one, two) = (inproc(), inproc());
        let receiver = slow.recipient::<Pulled>().into_receiver().window(1);
        open(&zmq, PullSocket::bind(&*one).name("slow").hwm(1).deliver_to(receiver)).await;
        open(&zmq, PullSocket::bind(&*two).deliver_to(quick.recipient::<Pulled>())).await;
        let stuck = PushSocket::connect(&*one).hwm(1).overflow(Overflow::Reject, 0);
        let stuck = open(&zmq, stuck).await;
        let push = open(&zmq, PushSocket::connect(&*two)).await;
        eventually("it is full", async || stuck.send(Push("x")).await.unwrap().is_err()).await;
        for number in 0..1_000_u32 {
            push.send(Push(number.to_be_bytes().to_vec())).await.unwrap().unwrap();
            assert_eq!(told.next().await.0[0], &number.to_be_bytes());
        }
        assert_eq!(count(&zmq, "slow", Counter::Received).await, 1);
        gate.permit(1);
        arrived.take(2).await;
        gate.open();
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn values_of_a_codec_reach_a_closure_without_their_wrapping() {
    within(async {
        let zmq = Factory::builder().start();
        let endpoint = inproc();
        let (fill, mut told) = inbox::<(u32, String)>();
        let receiver = MessagePack::<(u32, String)>::each(fill);
        open(&zmq, PullSocket::bind(&*endpoint).deliver_to(receiver)).await;
        let push = open(&zmq, PushSocket::connect(&*endpoint)).await;
        push.send(Push(MessagePack((7, "seven")))).await.unwrap().unwrap();
        assert_eq!(told.next().await, (7, "seven".to_owned()));
        finish(zmq).await;
    })
    .await;
}
