//! Supervision: what comes back after a failure, what does not, and who hears of it.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use actix_zmq::prelude::*;
use actix_zmq::{Receiver, SocketState};

use crate::support::{
    ANY_PORT, bound, count, events, eventually, finish, inbox, inproc, ipc, ms, open, raw, status,
    within, within_time,
};

/// Opens again at once, as often as a test wants.
fn at_once() -> RestartPolicy {
    RestartPolicy::default().initial(ms(1)).max(ms(5)).budget(10_000)
}

async fn up_again(zmq: &Addr<Factory>, name: &str, restarts: u64) {
    eventually("it is up again", async || {
        let status = status(zmq, name).await;
        status.restarts == restarts && status.state == SocketState::Up
    })
    .await;
}

#[actix::test]
async fn a_bound_socket_comes_back_at_its_port_while_peers_go_on_sending() {
    for endpoint in [ANY_PORT.to_owned(), ipc()] {
        within_time(Duration::from_secs(60), async {
            let zmq = Factory::builder().start();
            let last = Arc::new(AtomicU32::new(0));
            let seen = Arc::clone(&last);
            let pull = PullSocket::bind(&*endpoint).name("pull").restart(at_once());
            let pull = pull.on_message(move |Pulled(frames): Pulled| {
                let number = u32::from_be_bytes(frames[0][..].try_into().unwrap());
                // Some may be lost with the connection; none comes twice or out of order.
                let before = seen.swap(number, Ordering::SeqCst);
                assert!(before < number, "{number} after {before}");
            });
            let pull = open(&zmq, pull).await;
            let endpoint = bound(&zmq, "pull").await;
            let stop = Arc::new(AtomicBool::new(false));
            let told = Arc::clone(&stop);
            let at = endpoint.clone();
            let sending = raw::thread(move || {
                let peer = raw::socket(zmq::PUSH);
                peer.set_reconnect_ivl(1).unwrap();
                peer.set_linger(0).unwrap();
                peer.connect(&at).unwrap();
                let mut number = 1_u32;
                while !told.load(Ordering::SeqCst) {
                    raw::send(&peer, [&number.to_be_bytes()]);
                    number += 1;
                }
            });
            for round in 1..=20 {
                let before = last.load(Ordering::SeqCst);
                let traffic = async || last.load(Ordering::SeqCst) > before + 100;
                eventually("traffic flows", traffic).await;
                pull.send(Restart).await.unwrap().unwrap();
                up_again(&zmq, "pull", round).await;
                assert_eq!(bound(&zmq, "pull").await, endpoint, "the same port");
            }
            let before = last.load(Ordering::SeqCst);
            eventually("traffic flows", async || last.load(Ordering::SeqCst) > before).await;
            stop.store(true, Ordering::SeqCst);
            sending.await;
            finish(zmq).await;
        })
        .await;
    }
}

#[actix::test]
async fn subscriptions_come_back_with_their_number_and_receivers_while_traffic_flows() {
    within(async {
        let zmq = Factory::builder().start();
        let (publisher, endpoint) = raw::bound(zmq::PUB);
        let (fill, mut news) = inbox::<TopicMessage>();
        let (rest, mut others) = inbox::<TopicMessage>();
        let subscriber = SubSocket::connect(endpoint).name("sub").topic("weather").topic("weather");
        let subscriber = subscriber.restart(at_once()).reconnect_interval(ms(1)).on_message(rest);
        let subscriber = open(&zmq, subscriber).await;
        let own = Subscribe::new(Topic::exact("news")).deliver_to(Receiver::inline(fill));
        subscriber.send(own).await.unwrap().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let sending = raw::thread(move || {
            while !told.load(Ordering::SeqCst) {
                for topic in ["news", "newsletter", "weather"] {
                    raw::send(&publisher, [topic.as_bytes(), b"x"]);
                }
                std::thread::yield_now();
            }
        });
        for round in 1..=10 {
            assert_eq!(news.next().await.topic, "news");
            assert_eq!(others.next().await.topic, "weather");
            subscriber.send(Restart).await.unwrap().unwrap();
            up_again(&zmq, "sub", round).await;
            drop((news.drain(), others.drain()));
        }
        assert_eq!(news.next().await.topic, "news");
        // Two references came back: the first one less changes nothing.
        subscriber.send(Unsubscribe::new("weather")).await.unwrap().unwrap();
        others.drain();
        assert_eq!(others.next().await.topic, "weather");
        subscriber.send(Unsubscribe::new("weather")).await.unwrap().unwrap();
        let error = subscriber.send(Unsubscribe::new("weather")).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        stop.store(true, Ordering::SeqCst);
        sending.await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn unsent_messages_come_back_in_order_and_are_accepted_once() {
    within(async {
        let zmq = Factory::builder().start();
        let push = PushSocket::bind(ANY_PORT).name("push").restart(at_once());
        let push = open(&zmq, push).await;
        let sends: Vec<_> = (0..100_u8).map(|number| push.send(Push(vec![number]))).collect();
        let sent = actix::spawn(futures::future::join_all(sends));
        eventually("all wait", async || status(&zmq, "push").await.queued == 100).await;
        for round in 1..=3 {
            push.send(Restart).await.unwrap().unwrap();
            up_again(&zmq, "push", round).await;
            assert_eq!(status(&zmq, "push").await.queued, 100);
        }
        let (fill, mut told) = inbox::<Pulled>();
        open(&zmq, PullSocket::connect(bound(&zmq, "push").await).on_message(fill)).await;
        for number in 0..100_u8 {
            assert_eq!(told.next().await.0[0], &[number]);
        }
        assert!(sent.await.unwrap().into_iter().all(|sent| sent.unwrap().is_ok()));
        assert_eq!(count(&zmq, "push", Counter::Sent).await, 100);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn messages_may_be_sent_and_topics_subscribed_while_the_socket_is_down() {
    within(async {
        let zmq = Factory::builder().start();
        let slow = RestartPolicy::default().initial(ms(50));
        let (fill, mut told) = inbox::<TopicMessage>();
        let publisher = open(&zmq, PubSocket::bind(ANY_PORT).name("pub")).await;
        let subscriber = SubSocket::connect(bound(&zmq, "pub").await).name("sub");
        let subscriber = open(&zmq, subscriber.restart(slow.clone()).on_message(fill)).await;
        subscriber.send(Restart).await.unwrap().unwrap();
        assert_eq!(status(&zmq, "sub").await.state, SocketState::Down);
        subscriber.send(Subscribe::new("late")).await.unwrap().unwrap();
        let refused = subscriber.send(Bind::new(ANY_PORT)).await.unwrap().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Restarting);
        eventually("the subscription is there", async || {
            publisher.send(Publish::new("late", "x")).await.unwrap().unwrap();
            !told.drain().is_empty()
        })
        .await;
        let (fill, mut pulled) = inbox::<Pulled>();
        open(&zmq, PullSocket::bind(ANY_PORT).name("pull").on_message(fill)).await;
        let push = PushSocket::connect(bound(&zmq, "pull").await).restart(slow);
        let push = open(&zmq, push).await;
        push.send(Restart).await.unwrap().unwrap();
        push.send(Push("while down")).await.unwrap().unwrap();
        assert_eq!(pulled.next().await.0[0], "while down");
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn endpoints_made_at_runtime_come_back_and_those_taken_away_do_not() {
    within(async {
        let zmq = Factory::builder().start();
        let (fill, mut told) = inbox::<Pulled>();
        let pull = PullSocket::bind(ANY_PORT).name("pull").restart(at_once()).on_message(fill);
        let pull = open(&zmq, pull).await;
        let first = bound(&zmq, "pull").await;
        let second = pull.send(Bind::new(ANY_PORT)).await.unwrap().unwrap();
        pull.send(Unbind::new(&*first)).await.unwrap().unwrap();
        pull.send(Restart).await.unwrap().unwrap();
        up_again(&zmq, "pull", 1).await;
        let endpoints = status(&zmq, "pull").await.endpoints;
        assert_eq!(endpoints.len(), 1);
        assert_eq!(endpoints[0].endpoint(), &second);
        let push = open(&zmq, PushSocket::connect(second)).await;
        push.send(Push("here")).await.unwrap().unwrap();
        assert_eq!(told.next().await.0[0], "here");
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn watchers_hear_of_a_restart_in_order_and_with_the_reason() {
    within(async {
        let zmq = Factory::builder().start();
        let (watcher, mut all) = events();
        zmq.send(Watch(watcher)).await.unwrap();
        let (watcher, mut own) = events();
        let push = PushSocket::bind(ANY_PORT).restart(at_once()).watch(watcher);
        let push = open(&zmq, push).await;
        push.send(Restart).await.unwrap().unwrap();
        for told in [&mut own, &mut all] {
            let EventKind::Up { endpoints: first } = told.life().await else { panic!() };
            let EventKind::Down { reason } = told.life().await else { panic!() };
            assert_eq!(reason.kind(), ErrorKind::Restarting);
            let EventKind::Restarting { attempt: 0, .. } = told.life().await else { panic!() };
            // The port may need a moment to be free: then it is tried again.
            let second = told
                .event(|kind| match kind {
                    EventKind::Up { endpoints } => Some(endpoints),
                    EventKind::Down { reason } => {
                        assert_eq!(reason.kind(), ErrorKind::AddressInUse);
                        None
                    }
                    _ => None,
                })
                .await;
            assert_eq!(first, second);
        }
        push.send(Close::new()).await.unwrap().unwrap();
        for told in [&mut own, &mut all] {
            assert!(matches!(told.life().await, EventKind::Closed));
        }
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_panic_in_a_closure_restarts_its_socket_and_harms_no_other() {
    within(async {
        let zmq = Factory::builder().start();
        let (watcher, mut events) = events();
        let endpoint = inproc();
        let push = open(&zmq, PushSocket::bind(&*endpoint).name("push")).await;
        let beside = inproc();
        let (fill, mut beside_told) = inbox::<Pulled>();
        open(&zmq, PullSocket::bind(&*beside).name("beside").on_message(fill)).await;
        let beside = open(&zmq, PushSocket::connect(&*beside)).await;
        for number in 0..6_u8 {
            push.do_send(Push(vec![number]));
            beside.do_send(Push(vec![number]));
        }
        // All at once, so that none is under way when the connection ends.
        eventually("all wait", async || status(&zmq, "push").await.queued == 6).await;
        let (fill, mut told) = inbox::<u8>();
        let pull = PullSocket::connect(&*endpoint).name("panics").watch(watcher);
        let pull = pull.restart(at_once()).on_message(move |Pulled(frames): Pulled| {
            assert_ne!(frames[0], &[3], "a number that this closure does not like");
            fill(frames[0][0]);
        });
        open(&zmq, pull).await;
        // What libzmq had received besides is rescued: the one message is lost, alone.
        assert_eq!(told.take(5).await, [0, 1, 2, 4, 5]);
        assert_eq!(beside_told.take(6).await.len(), 6);
        let reason = events
            .event(|kind| match kind {
                EventKind::Down { reason } => Some(reason),
                _ => None,
            })
            .await;
        assert_eq!(reason.kind(), ErrorKind::Panicked);
        assert!(reason.to_string().contains("does not like"), "{reason}");
        let panics = status(&zmq, "panics").await;
        assert_eq!((panics.restarts, panics.count(Counter::Undelivered)), (1, 1));
        assert_eq!(status(&zmq, "beside").await.restarts, 0);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_socket_that_fails_too_often_is_given_up() {
    within(async {
        let zmq = Factory::builder().start();
        let (watcher, mut events) = events();
        let endpoint = inproc();
        let push = open(&zmq, PushSocket::bind(&*endpoint)).await;
        let policy = RestartPolicy::default().initial(ms(1)).budget(2);
        let pull = PullSocket::connect(&*endpoint).restart(policy).watch(watcher);
        let pull = open(&zmq, pull.on_message(|_: Pulled| panic!("every time"))).await;
        for number in 0..5_u8 {
            push.do_send(Push(vec![number]));
        }
        let reason = events
            .event(|kind| match kind {
                EventKind::GaveUp { reason } => Some(reason),
                _ => None,
            })
            .await;
        assert_eq!(reason.kind(), ErrorKind::Panicked);
        events.event(|kind| matches!(kind, EventKind::Closed).then_some(())).await;
        let error = pull.send(Restart).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::GaveUp);
        finish(zmq).await;
    })
    .await;
}

/// A socket whose endpoint was taken while it was down, and that may not fail.
async fn given_up<K: actix_zmq::Pattern>(
    zmq: &Addr<Factory>,
    socket: &Addr<actix_zmq::Socket<K>>,
    endpoint: &str,
) {
    socket.send(Restart).await.unwrap().unwrap();
    open(zmq, PushSocket::bind(endpoint)).await;
    eventually("given up", async || {
        let again = socket.send(Restart).await.unwrap();
        again.is_err_and(|error| error.kind() == ErrorKind::GaveUp)
    })
    .await;
}

#[actix::test]
async fn a_socket_that_is_given_up_gives_its_messages_back() {
    within(async {
        let zmq = Factory::builder().start();
        let endpoint = inproc();
        let policy = RestartPolicy::default().initial(ms(50)).budget(0);
        let push = open(&zmq, PushSocket::bind(&*endpoint).restart(policy)).await;
        let waiting = push.send(Push("waits"));
        given_up(&zmq, &push, &endpoint).await;
        let error = waiting.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::GaveUp);
        assert_eq!(error.into_message(), Some("waits".into()));
        let error = push.send(Push("late")).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::GaveUp);
        assert_eq!(error.into_message(), Some("late".into()));
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn an_idempotent_request_that_had_left_is_not_given_back_as_unsent() {
    within(async {
        let zmq = Factory::builder().start();
        let (fill, mut held) = inbox::<IncomingRequest>();
        let endpoint = inproc();
        let policy = RestartPolicy::default().initial(ms(50)).budget(0);
        let client = open(&zmq, RequestSocket::bind(&*endpoint).restart(policy)).await;
        open(&zmq, ReplySocket::connect(&*endpoint).name("server").on_message(fill)).await;
        let asked = client.send(Request::new("left").idempotent());
        let unanswered = held.next().await;
        given_up(&zmq, &client, &endpoint).await;
        let error = asked.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::GaveUp);
        assert_eq!(error.into_message(), None, "it may have been served");
        drop(unanswered);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn restarts_on_demand_are_no_failures() {
    within(async {
        let zmq = Factory::builder().start();
        let policy = RestartPolicy::default().initial(ms(1)).budget(1);
        let push = open(&zmq, PushSocket::new().name("push").restart(policy)).await;
        for round in 1..=30 {
            push.send(Restart).await.unwrap().unwrap();
            up_again(&zmq, "push", round).await;
        }
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_bind_that_fails_is_reported_to_the_opener_and_leaves_nothing() {
    within(async {
        let zmq = Factory::builder().start();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("tcp://{}", taken.local_addr().unwrap());
        let opened = zmq.send(Open(PushSocket::bind(&*endpoint))).await.unwrap();
        let error = opened.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddressInUse);
        assert_eq!(error.endpoint(), Some(&*endpoint));
        assert!(error.is_retryable() && error.errno().is_some());
        assert!(zmq.send(Status).await.unwrap().is_empty());
        drop(taken);
        open(&zmq, PushSocket::bind(&*endpoint)).await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_bind_that_fails_is_tried_again_if_asked() {
    within(async {
        let zmq = Factory::builder().start();
        let (watcher, mut events) = events();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("tcp://{}", taken.local_addr().unwrap());
        let (fill, mut told) = inbox::<Pulled>();
        let pull = PullSocket::bind(&*endpoint).name("pull").open_with_retry().watch(watcher);
        open(&zmq, pull.restart(at_once()).on_message(fill)).await;
        let reason = events
            .event(|kind| match kind {
                EventKind::Down { reason } => Some(reason),
                _ => None,
            })
            .await;
        assert_eq!((reason.kind(), reason.endpoint()), (ErrorKind::AddressInUse, Some(&*endpoint)));
        assert_eq!(status(&zmq, "pull").await.state, SocketState::Down);
        drop(taken);
        events.up().await;
        let push = open(&zmq, PushSocket::connect(&*endpoint)).await;
        push.send(Push("at last")).await.unwrap().unwrap();
        assert_eq!(told.next().await.0[0], "at last");
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn an_endpoint_that_cannot_be_is_reported_even_if_retries_were_asked_for() {
    within(async {
        let zmq = Factory::builder().start();
        let push = PushSocket::bind("tcp://127.0.0.1:99999").open_with_retry();
        let error = zmq.send(Open(push)).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidEndpoint);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn messages_read_before_a_restart_are_delivered_after_it_and_before_new_ones() {
    use actix_zmq::IntoReceiver;

    within(async {
        let zmq = Factory::builder().start();
        let (worker, gate, mut arrived) = crate::support::gated::<Pulled>();
        let endpoint = inproc();
        let receiver = worker.recipient::<Pulled>().into_receiver().window(1);
        let pull = PullSocket::bind(&*endpoint).name("pull").deliver_to(receiver);
        let pull = open(&zmq, pull.restart(at_once())).await;
        let push = open(&zmq, PushSocket::connect(&*endpoint)).await;
        for number in 0..50_u8 {
            push.send(Push(vec![number])).await.unwrap().unwrap();
        }
        pull.send(Restart).await.unwrap().unwrap();
        up_again(&zmq, "pull", 1).await;
        push.send(Push(vec![50])).await.unwrap().unwrap();
        gate.open();
        for number in 0..=50_u8 {
            assert_eq!(arrived.next().await.0[0], &[number]);
        }
        finish(zmq).await;
    })
    .await;
}
