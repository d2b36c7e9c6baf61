//! Many messages at once, and streams.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_zmq::prelude::*;
use futures::{StreamExt, stream};

use crate::support::{ANY_PORT, bound, eventually, finish, inbox, inproc, ms, open, status, within};

fn numbered(range: std::ops::Range<u32>) -> impl Iterator<Item = Push<Vec<u8>>> + Send {
    range.map(|number| Push(number.to_be_bytes().to_vec()))
}

fn number(Pulled(frames): Pulled) -> u32 {
    u32::from_be_bytes(frames[0][..].try_into().unwrap())
}

#[actix::test]
async fn many_arrive_in_order_among_those_that_are_sent_alone() {
    for endpoint in [ANY_PORT.to_owned(), inproc()] {
        within(async {
            let zmq = Factory::builder().start();
            let (fill, mut told) = inbox::<Pulled>();
            open(&zmq, PullSocket::bind(&*endpoint).name("pull").on_message(fill)).await;
            // So little that most of it has to wait in our queue.
            let push = PushSocket::connect(bound(&zmq, "pull").await).send_hwm(10);
            let push = open(&zmq, push).await;
            numbered(0..1).for_each(|message| push.do_send(message));
            let many = push.send(Many::from_iter(numbered(1..700)));
            let between = push.send(Push(700_u32.to_be_bytes().to_vec()));
            let more = push.send(Many::from_iter(numbered(701..1_000)));
            let (many, between, more) = futures::join!(many, between, more);
            many.unwrap().unwrap();
            between.unwrap().unwrap();
            more.unwrap().unwrap();
            let got: Vec<_> = told.take(1_000).await.into_iter().map(number).collect();
            assert_eq!(got, (0..1_000).collect::<Vec<_>>());
            let status = status(&zmq).await;
            let sent = status.iter().map(|one| one.counters[Counter::Sent].value()).sum::<u64>();
            assert_eq!(sent, 1_000);
            finish(zmq).await;
        })
        .await;
    }
}
