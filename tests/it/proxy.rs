//! Proxies: a thread moves the messages, an actor steers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_zmq::prelude::*;
use actix_zmq::{ProxyBlueprint, SocketState, SocketType};

use crate::support::{
    ANY_PORT, bound_endpoints, events, eventually, finish, gated, inbox, inproc, ms, open, raw,
    status, within,
};

async fn start(zmq: &Addr<Factory>, proxy: ProxyBlueprint) -> (Addr<Proxy>, String, String) {
    let proxy = zmq.send(OpenProxy(proxy.name("proxy"))).await.unwrap().unwrap();
    let ends = bound_endpoints(&status(zmq, "proxy").await);
    (proxy, ends[0].clone(), ends[1].clone())
}

async fn echoing_worker(zmq: &Addr<Factory>, backend: &str) {
    let worker = ReplySocket::connect(backend).on_message(|request: IncomingRequest| {
        let IncomingRequest { body, responder } = request;
        responder.reply(body).unwrap();
    });
    open(zmq, worker).await;
}

#[actix::test]
async fn a_queue_spreads_requests_and_brings_replies_back() {
    for [frontend, backend] in [[ANY_PORT.to_owned(), ANY_PORT.to_owned()], [inproc(), inproc()]] {
        within(async {
            let zmq = Factory::builder().start();
            let queue = Proxy::queue(RouterSocket::bind(&*frontend), DealerSocket::bind(&*backend));
            let (proxy, frontend, backend) = start(&zmq, queue).await;
            let (fill, mut served) = inbox();
            for worker in 0..2 {
                let fill = fill.clone();
                let worker =
                    ReplySocket::connect(&*backend).on_message(move |request: IncomingRequest| {
                        let IncomingRequest { body, responder } = request;
                        fill(worker);
                        responder.reply(body).unwrap();
                    });
                let worker = open(&zmq, worker).await;
                worker.send(WaitConnected::within(ms(10_000))).await.unwrap().ok();
            }
            let clients = [
                open(&zmq, RequestSocket::connect(&*frontend)).await,
                open(&zmq, RequestSocket::connect(&*frontend)).await,
            ];
            for number in 0..100_u32 {
                for client in &clients {
                    let body = number.to_be_bytes().to_vec();
                    let reply = client.send(Request::new(body.clone())).await.unwrap().unwrap();
                    assert_eq!(reply, Multipart::from(body));
                }
            }
            let served = served.take(200).await;
            assert!(served.contains(&0) && served.contains(&1), "one worker does it all");
            let moved = proxy.send(Statistics).await.unwrap().unwrap();
            assert_eq!((moved.frontend.received, moved.frontend.sent), (200, 200));
            assert_eq!((moved.backend.received, moved.backend.sent), (200, 200));
            assert!(moved.frontend.received_bytes > 800);
            let report = finish(zmq).await;
            let proxy = report.sockets.iter().find(|one| one.socket_type == SocketType::Proxy);
            assert_eq!(proxy.unwrap().sent, 400);
        })
        .await;
    }
}

#[actix::test]
async fn a_forwarder_brings_subscriptions_to_publishers_and_publications_back() {
    within(async {
        let zmq = Factory::builder().start();
        let forwarder = Proxy::forwarder(XSubSocket::bind(ANY_PORT), XPubSocket::bind(ANY_PORT));
        let (_proxy, frontend, backend) = start(&zmq, forwarder).await;
        let publisher = open(&zmq, PubSocket::connect(frontend)).await;
        let (fill, mut told) = inbox();
        let subscriber = SubSocket::connect(backend).topic("news.");
        open(&zmq, subscriber.on_message(fill)).await;
        let wait = WaitSubscribers { topic: "news.de".into(), count: 1, deadline: ms(10_000) };
        assert_eq!(publisher.send(wait).await.unwrap().unwrap(), 1);
        publisher.send(Publish::new("sport", "no")).await.unwrap().unwrap();
        publisher.send(Publish::new("news.de", "yes")).await.unwrap().unwrap();
        let TopicMessage { topic, body }: TopicMessage = told.next().await;
        assert_eq!((&topic[..], body), (&b"news.de"[..], "yes".into()));
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_streamer_pauses_and_goes_on_without_a_loss() {
    within(async {
        let zmq = Factory::builder().start();
        let (copy, mut copies) = inbox();
        let streamer = Proxy::streamer(PullSocket::bind(ANY_PORT), PushSocket::bind(ANY_PORT))
            .capture(Receiver::inline(move |Captured(frames): Captured| copy(frames)));
        let (proxy, frontend, backend) = start(&zmq, streamer).await;
        let (fill, mut told) = inbox();
        open(
            &zmq,
            PullSocket::connect(backend).on_message(move |Pulled(frames): Pulled| fill(frames)),
        )
        .await;
        let push = open(&zmq, PushSocket::connect(frontend)).await;
        push.send(Push(["first", "of two"])).await.unwrap().unwrap();
        assert_eq!(told.next().await, ["first", "of two"].into());
        assert_eq!(copies.next().await, ["first", "of two"].into());
        proxy.send(Pause).await.unwrap().unwrap();
        // Steered in order: once it has answered, it has paused.
        let before = proxy.send(Statistics).await.unwrap().unwrap();
        assert_eq!(before.backend.sent, 1);
        for number in 0..100_u8 {
            push.send(Push(vec![number])).await.unwrap().unwrap();
        }
        assert_eq!(proxy.send(Statistics).await.unwrap().unwrap(), before);
        assert!(told.drain().is_empty());
        proxy.send(Resume).await.unwrap().unwrap();
        for number in 0..100_u8 {
            assert_eq!(told.next().await, Multipart::from(vec![number]));
            assert_eq!(copies.next().await, Multipart::from(vec![number]));
        }
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_slow_capture_slows_the_proxy_and_leaves_nothing_out() {
    within(async {
        let zmq = Factory::builder().start();
        let (slow, gate, mut copies) = gated::<Captured>();
        let receiver = actix_zmq::IntoReceiver::into_receiver(slow.recipient::<Captured>());
        let streamer = Proxy::streamer(PullSocket::bind(ANY_PORT), PushSocket::bind(ANY_PORT));
        let (_proxy, frontend, backend) = start(&zmq, streamer.capture(receiver.window(4))).await;
        let (fill, mut told) = inbox();
        let taken = Arc::new(AtomicUsize::new(0));
        let takes = Arc::clone(&taken);
        open(
            &zmq,
            PullSocket::connect(backend).on_message(move |Pulled(frames): Pulled| {
                takes.fetch_add(1, Ordering::Relaxed);
                fill(frames);
            }),
        )
        .await;
        let push = open(&zmq, PushSocket::connect(frontend)).await;
        let sending = actix::spawn(async move {
            for number in 0..20_000_u32 {
                push.send(Push(number.to_be_bytes().to_vec())).await.unwrap().unwrap();
            }
        });
        copies.next().await;
        // It takes no more than what has room beside the slow one.
        let mut before = None;
        eventually("it stands still", async || {
            let now = taken.load(Ordering::Relaxed);
            before.replace(now) == Some(now) && now > 0
        })
        .await;
        assert!(taken.load(Ordering::Relaxed) < 10_000, "{taken:?}");
        gate.open();
        sending.await.unwrap();
        for number in 0..20_000_u32 {
            assert_eq!(told.next().await, Multipart::from(number.to_be_bytes().to_vec()));
        }
        let last = copies.take(19_999).await.pop().unwrap();
        assert_eq!(last.0, Multipart::from(19_999_u32.to_be_bytes().to_vec()));
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_proxy_is_closed_while_it_is_busy_and_hears_nothing_after() {
    within(async {
        let zmq = Factory::builder().start();
        let (watcher, mut told) = events();
        let queue = Proxy::queue(RouterSocket::bind(ANY_PORT), DealerSocket::bind(ANY_PORT));
        let (proxy, frontend, backend) = start(&zmq, queue.watch(watcher)).await;
        echoing_worker(&zmq, &backend).await;
        let client = open(&zmq, RequestSocket::connect(frontend)).await;
        client.send(Request::new("hello")).await.unwrap().unwrap();
        let report = proxy.send(Close::within(Duration::from_secs(5))).await.unwrap().unwrap();
        assert!(report.confirmed);
        assert_eq!((report.socket_type, report.sent), (SocketType::Proxy, 2));
        told.event(|kind| matches!(kind, EventKind::Closed).then_some(())).await;
        let error = proxy.send(Statistics).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        let error = proxy.send(Pause).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert_eq!(proxy.send(Close::new()).await.unwrap().unwrap(), report);
        let timed_out = client.send(Request::new("gone").timeout(ms(20))).await.unwrap();
        assert_eq!(timed_out.unwrap_err().kind(), ErrorKind::TimedOut);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_proxy_that_cannot_open_says_why_and_leaves_nothing() {
    within(async {
        let zmq = Factory::builder().start();
        let (taken, at) = raw::bound(zmq::PULL);
        let queue = Proxy::queue(RouterSocket::bind(ANY_PORT), DealerSocket::bind(&*at));
        let error = zmq.send(OpenProxy(queue)).await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.endpoint()), (ErrorKind::AddressInUse, Some(&*at)));
        let wrong = Proxy::queue(RouterSocket::bind("tcp://nonsense"), DealerSocket::bind(&*at));
        let error = zmq.send(OpenProxy(wrong)).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidEndpoint);
        let elsewhere = RouterSocket::bind(ANY_PORT).arbiter("elsewhere");
        let wrong = Proxy::queue(elsewhere, DealerSocket::bind(ANY_PORT));
        let error = zmq.send(OpenProxy(wrong)).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidOption);
        assert!(zmq.send(Status).await.unwrap().is_empty());
        drop(taken);
        finish(zmq).await;
        let queue = Proxy::queue(RouterSocket::bind(ANY_PORT), DealerSocket::bind(ANY_PORT));
        let zmq = Factory::builder().start();
        finish(zmq.clone()).await;
        let error = zmq.send(OpenProxy(queue)).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
    })
    .await;
}

#[actix::test]
async fn a_proxy_that_nobody_drains_ends_by_the_shutdowns_deadline() {
    within(async {
        let zmq = Factory::builder().start();
        let streamer = Proxy::streamer(
            PullSocket::bind(ANY_PORT).receive_hwm(10),
            PushSocket::bind(ANY_PORT).send_hwm(10),
        );
        let (_proxy, frontend, backend) = start(&zmq, streamer).await;
        // It takes a few, and then no more.
        let lazy = raw::socket(zmq::PULL);
        lazy.set_rcvhwm(1).unwrap();
        lazy.connect(&backend).unwrap();
        let push = PushSocket::connect(frontend).send_hwm(1).name("push");
        let push = open(&zmq, push).await;
        for _ in 0..500 {
            push.do_send(Push(vec![0; 100_000]));
        }
        eventually("it waits", async || status(&zmq, "push").await.queued > 0).await;
        assert_eq!(status(&zmq, "proxy").await.state, SocketState::Up);
        let began = std::time::Instant::now();
        let report = zmq.send(Shutdown::within(ms(500))).await.unwrap();
        assert!(began.elapsed() < ms(2_000), "{report}");
        drop(lazy);
    })
    .await;
}

#[actix::test]
async fn a_proxy_without_room_hears_what_it_is_told_and_loses_nothing() {
    within(async {
        let zmq = Factory::builder().start();
        let streamer = Proxy::streamer(
            PullSocket::bind(ANY_PORT).receive_hwm(10),
            PushSocket::bind(ANY_PORT).send_hwm(10),
        );
        let (proxy, frontend, backend) = start(&zmq, streamer).await;
        let lazy = raw::socket(zmq::PULL);
        lazy.set_rcvhwm(1).unwrap();
        lazy.connect(&backend).unwrap();
        let push = PushSocket::connect(frontend).send_hwm(1).name("push");
        let push = open(&zmq, push).await;
        for number in 0..500_u32 {
            push.do_send(Push([number.to_be_bytes().to_vec(), vec![0; 100_000]]));
        }
        let mut before = None;
        eventually("it stands still", async || {
            let now = status(&zmq, "push").await.queued;
            before.replace(now) == Some(now) && now > 0
        })
        .await;
        let moved = proxy.send(Statistics).await.unwrap().unwrap();
        assert!(moved.backend.sent < 500, "{moved:?}");
        proxy.send(Pause).await.unwrap().unwrap();
        proxy.send(Resume).await.unwrap().unwrap();
        let drained = raw::thread(move || {
            for number in 0..500_u32 {
                let frames = raw::receive(&lazy);
                assert_eq!((&frames[0][..], frames.len()), (&number.to_be_bytes()[..], 2));
            }
        });
        drained.await;
        let moved = proxy.send(Statistics).await.unwrap().unwrap();
        assert_eq!((moved.frontend.received, moved.backend.sent), (500, 500));
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn plain_peers_work_through_a_proxy() {
    within(async {
        let zmq = Factory::builder().start();
        let queue = Proxy::queue(RouterSocket::bind(ANY_PORT), DealerSocket::bind(ANY_PORT));
        let (_proxy, frontend, backend) = start(&zmq, queue).await;
        let rep = raw::connected(zmq::REP, &backend);
        let served = raw::thread(move || {
            for _ in 0..10 {
                let request = raw::receive(&rep);
                rep.send_multipart(request, 0).unwrap();
            }
            rep
        });
        let req = raw::connected(zmq::REQ, &frontend);
        let asked = raw::thread(move || {
            for number in 0..10_u8 {
                raw::send(&req, [&[number][..], b"more"]);
                assert_eq!(raw::receive(&req), [&[number][..], b"more"]);
            }
        });
        asked.await;
        drop(served.await);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_proxy_that_is_closed_at_once_is_closed_all_the_same() {
    within(async {
        let zmq = Factory::builder().start();
        for _ in 0..20 {
            let queue = Proxy::queue(RouterSocket::bind(ANY_PORT), DealerSocket::bind(ANY_PORT));
            let (proxy, frontend, _) = start(&zmq, queue).await;
            proxy.send(Close::within(Duration::ZERO)).await.unwrap().unwrap();
            let address = frontend.trim_start_matches("tcp://").to_owned();
            eventually("its port is free", async || {
                std::net::TcpStream::connect(&address).is_err()
            })
            .await;
        }
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_proxy_finds_a_neighbour_again_that_was_opened_again() {
    within(async {
        let zmq = Factory::builder().start();
        let [clients, workers] = [inproc(), inproc()];
        let policy = RestartPolicy::default().initial(ms(1));
        let server =
            ReplySocket::bind(&*workers).restart(policy).on_message(|request: IncomingRequest| {
                let IncomingRequest { body, responder } = request;
                responder.reply(body).unwrap();
            });
        let server = open(&zmq, server).await;
        let queue = Proxy::queue(RouterSocket::bind(&*clients), DealerSocket::connect(&*workers));
        zmq.send(OpenProxy(queue.name("proxy"))).await.unwrap().unwrap();
        let client = open(&zmq, RequestSocket::connect(&*clients)).await;
        let ask = || client.send(Request::new("hello").timeout(ms(200)));
        ask().await.unwrap().unwrap();
        server.send(Restart).await.unwrap().unwrap();
        eventually("it is answered again", async || ask().await.unwrap().is_ok()).await;
        assert_eq!(status(&zmq, "proxy").await.restarts, 1);
        finish(zmq).await;
    })
    .await;
}
