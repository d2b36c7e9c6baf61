//! The end, in every order.

use std::thread;
use std::time::{Duration, Instant};

use actix_zmq::prelude::*;
use actix_zmq::{IntoReceiver, SocketState};
use futures::future::join;

use crate::support::process::{Process, role, tell};
use crate::support::{
    ANY_PORT, bound, events, eventually, finish, gated, inbox, inproc, ms, open, raw, status,
    within,
};

#[actix::test]
async fn a_factory_without_sockets_ends_at_once() {
    within(async {
        let report = finish(Factory::builder().start()).await;
        assert!(report.is_clean() && report.sockets.is_empty(), "{report}");
    })
    .await;
}

#[actix::test]
async fn two_shutdowns_at_once_and_one_afterwards_have_the_same_report() {
    within(async {
        let zmq = Factory::builder().start();
        open(&zmq, PushSocket::bind(ANY_PORT)).await;
        let within = Duration::from_secs(5);
        let (one, two) =
            join(zmq.send(Shutdown::within(within)), zmq.send(Shutdown::within(within))).await;
        let (one, two) = (one.unwrap(), two.unwrap());
        assert!(one.is_clean(), "{one}");
        assert_eq!(one, two);
        assert_eq!(zmq.send(Shutdown::within(Duration::ZERO)).await.unwrap(), one);
        assert_eq!(zmq.send(Ended).await.unwrap(), one);
    })
    .await;
}

#[actix::test]
async fn everything_asked_of_an_ended_factory_or_socket_is_closed_and_given_back() {
    within(async {
        let zmq = Factory::builder().start();
        let push = open(&zmq, PushSocket::bind(ANY_PORT)).await;
        let request = open(&zmq, RequestSocket::bind(ANY_PORT)).await;
        let publisher = open(&zmq, PubSocket::bind(ANY_PORT)).await;
        finish(zmq.clone()).await;
        let error = zmq.send(Open(PushSocket::new())).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert!(zmq.send(Status).await.unwrap().is_empty());
        let mut errors = vec![
            push.send(Push("message")).await.unwrap().unwrap_err(),
            request.send(Request::new("message")).await.unwrap().unwrap_err(),
            publisher.send(Publish::new("topic", "message")).await.unwrap().unwrap_err(),
        ];
        for error in errors.drain(..) {
            assert_eq!(error.kind(), ErrorKind::Closed);
            assert_eq!(error.into_message(), Some("message".into()));
        }
        for error in [
            push.send(Bind::new(ANY_PORT)).await.unwrap().unwrap_err(),
            push.send(Restart).await.unwrap().unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Closed);
        }
        // Closing again tells the same.
        let report = push.send(Close::new()).await.unwrap().unwrap();
        assert!(report.confirmed);
    })
    .await;
}

#[actix::test]
async fn what_was_sent_before_is_flushed_even_if_it_was_in_the_mailbox_still() {
    within(async {
        let zmq = Factory::builder().linger(Duration::from_secs(2)).start();
        let (peer, endpoint) = raw::bound(zmq::PULL);
        let push = PushSocket::connect(endpoint).hwm(1).overflow(Overflow::Wait, 10_000);
        let push = open(&zmq, push).await;
        for number in 0..1_000_u32 {
            push.do_send(Push(number.to_be_bytes().to_vec()));
        }
        let received = raw::thread(move || {
            (0..1_000).for_each(|number: u32| {
                assert_eq!(raw::receive(&peer), [number.to_be_bytes()]);
            });
        });
        let report = finish(zmq).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(report.sockets[0].sent, 1_000, "{report}");
        received.await;
    })
    .await;
}

#[actix::test]
async fn what_was_sent_before_the_last_address_is_dropped_is_flushed() {
    within(async {
        let zmq = Factory::builder().linger(Duration::from_secs(5)).start();
        let (peer, endpoint) = raw::bound(zmq::PULL);
        let push = PushSocket::connect(endpoint).overflow(Overflow::Wait, 10_000);
        let push = open(&zmq, push).await;
        for number in 0..1_000_u32 {
            push.do_send(Push(number.to_be_bytes().to_vec()));
        }
        drop((zmq, push));
        raw::thread(move || {
            (0..1_000).for_each(|number: u32| {
                assert_eq!(raw::receive(&peer), [number.to_be_bytes()]);
            });
        })
        .await;
    })
    .await;
}

#[actix::test]
async fn what_is_flushed_within_a_factory_is_delivered() {
    within(async {
        for arbiter in ["same", "other"] {
            let zmq = Factory::builder().start();
            let endpoint = inproc();
            let (fill, mut told) = inbox::<Pulled>();
            let mut pull = PullSocket::bind(&*endpoint).hwm(1).on_message(fill);
            if arbiter == "other" {
                pull = pull.arbiter("other");
            }
            open(&zmq, pull).await;
            let push = PushSocket::connect(&*endpoint).hwm(1).overflow(Overflow::Wait, 10_000);
            let push = open(&zmq, push).await;
            for number in 0..5_000_u32 {
                push.do_send(Push(number.to_be_bytes().to_vec()));
            }
            let report = finish(zmq).await;
            assert!(report.is_clean(), "{report}");
            assert_eq!(report.sockets[1].sent, 5_000, "{report}");
            // libzmq's queue holds one, and its reader another.
            let delivered = told.drain().len();
            assert_eq!(delivered, 5_000, "{report}");
        }
    })
    .await;
}

#[actix::test]
async fn a_puller_that_is_closed_delivers_what_it_has_received() {
    within(async {
        let zmq = Factory::builder().start();
        let endpoint = inproc();
        let push = PushSocket::bind(&*endpoint).hwm(0).overflow(Overflow::Wait, 10_000);
        let push = open(&zmq, push).await;
        let (fill, mut told) = inbox::<Pulled>();
        let pull = PullSocket::connect(&*endpoint).hwm(0).name("pull").on_message(fill);
        let pull = open(&zmq, pull).await;
        for number in 0..5_000_u32 {
            push.do_send(Push(number.to_be_bytes().to_vec()));
        }
        push.send(Close::within(Duration::from_secs(5))).await.unwrap().unwrap();
        pull.send(Close::within(Duration::from_secs(5))).await.unwrap().unwrap();
        assert_eq!(told.drain().len(), 5_000);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_puller_under_a_flood_that_never_ends_is_closed_all_the_same() {
    within(async {
        let zmq = Factory::builder().start();
        open(&zmq, PullSocket::bind(ANY_PORT).name("pull").on_message(|_: Pulled| {})).await;
        let endpoint = bound(&zmq, "pull").await;
        let flooding = raw::thread(move || {
            let peer = raw::connected(zmq::PUSH, &endpoint);
            peer.set_linger(0).unwrap();
            peer.set_sndtimeo(300).unwrap();
            while peer.send("flood", 0).is_ok() {}
        });
        eventually("flooded", async || status(&zmq, "pull").await.count(Counter::Received) > 1_000)
            .await;
        let report = zmq.send(Shutdown::within(Duration::from_secs(10))).await.unwrap();
        assert!(report.is_clean(), "{report}");
        assert!(report.took < Duration::from_secs(5), "{report}");
        flooding.await;
    })
    .await;
}

#[actix::test]
async fn a_flooded_mailbox_does_not_hold_the_end_up_beyond_its_deadline() {
    within(async {
        let zmq = Factory::builder().start();
        let arbiter = Arbiter::new();
        let push = open(&zmq, PushSocket::bind(ANY_PORT).on(arbiter.handle())).await;
        let address = push.clone();
        let flooding = raw::thread(move || {
            for _ in 0..300_000 {
                address.do_send(Push(vec![0_u8; 16]));
            }
        });
        eventually("flooded", async || {
            zmq.send(Status).await.unwrap()[0].count(Counter::Lost) > 1_000
        })
        .await;
        let report = zmq.send(Shutdown::within(ms(500))).await.unwrap();
        assert!(report.took < Duration::from_secs(5), "{report}");
        assert!(report.sockets[0].confirmed, "{report}");
        flooding.await;
        let error = push.send(Push("late")).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        arbiter.stop();
    })
    .await;
}

#[actix::test]
async fn a_peer_that_never_reads_holds_the_end_up_to_its_deadline_and_everything_is_accounted_for()
{
    within(async {
        let zmq = Factory::builder().start();
        let peer = raw::socket(zmq::PULL);
        peer.set_rcvhwm(1).unwrap();
        peer.set_linger(0).unwrap();
        peer.bind(ANY_PORT).unwrap();
        let endpoint = peer.get_last_endpoint().unwrap().unwrap();
        let push = PushSocket::connect(endpoint).name("push").hwm(1);
        let push = open(&zmq, push).await;
        for _ in 0..50 {
            push.do_send(Push(vec![0_u8; 500_000]));
        }
        let waiting = (0..10).map(|_| push.send(Push(vec![1_u8; 500_000])));
        let waiting = actix::spawn(futures::future::join_all(waiting));
        eventually("ten wait behind the others", async || {
            let status = status(&zmq, "push").await;
            status.queued as u64 + status.count(Counter::Sent) == 60
        })
        .await;
        let began = Instant::now();
        let report = zmq.send(Shutdown::within(ms(600))).await.unwrap();
        assert!(began.elapsed() >= ms(300), "it flushes as long as it may");
        assert!(report.terminated, "{report}");
        assert!(!report.is_clean(), "{report}");
        let mut returned = 0;
        for sent in waiting.await.unwrap() {
            if let Err(error) = sent.unwrap() {
                assert_eq!(error.kind(), ErrorKind::Closed);
                assert_eq!(error.into_message().map(|frames| frames.byte_len()), Some(500_000));
                returned += 1;
            }
        }
        let push = &report.sockets[0];
        assert_eq!(push.returned, returned, "{report}");
        assert_eq!(push.sent + push.returned + push.still_queued, 60, "{report}");
        assert!(push.still_queued > 0, "{report}");
        drop(peer);
    })
    .await;
}

#[actix::test]
async fn a_server_may_still_answer_what_it_has_received() {
    within(async {
        let zmq = Factory::builder().linger(Duration::from_secs(2)).start();
        let (hoard, mut held) = inbox::<IncomingRequest>();
        open(&zmq, ReplySocket::bind(ANY_PORT).name("server").on_message(hoard)).await;
        let peer = raw::connected(zmq::REQ, &bound(&zmq, "server").await);
        raw::send(&peer, [b"question"]);
        let request = held.next().await;
        let ended = zmq.send(Shutdown::within(Duration::from_secs(5)));
        let answered = async {
            eventually("it closes", async || {
                status(&zmq, "server").await.state == SocketState::Closing
            })
            .await;
            request.reply("answer").unwrap();
        };
        let (report, ()) = join(ended, answered).await;
        assert!(report.as_ref().unwrap().is_clean(), "{report:?}");
        assert_eq!(raw::receive(&peer), [b"answer"]);
    })
    .await;
}

#[actix::test]
async fn a_blocked_arbiter_does_not_hold_up_the_end_of_the_others() {
    within(async {
        let zmq = Factory::builder().start();
        let endpoint = inproc();
        let (entered, mut told) = inbox();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let pull = PullSocket::bind(&*endpoint).name("blocks").arbiter("blocked");
        let pull = pull.on_message(move |_: Pulled| {
            entered(());
            // What no closure should ever do.
            let _ = released.recv();
        });
        open(&zmq, pull).await;
        let push = open(&zmq, PushSocket::connect(&*endpoint)).await;
        push.send(Push("block")).await.unwrap().unwrap();
        told.next().await;
        let report = zmq.send(Shutdown::within(ms(500))).await.unwrap();
        assert!(report.took < Duration::from_secs(5), "{report}");
        assert!(!report.terminated, "{report}");
        let confirmed: Vec<_> = report.sockets.iter().map(|socket| socket.confirmed).collect();
        assert_eq!(confirmed, [false, true], "{report}");
        release.send(()).unwrap();
    })
    .await;
}

#[actix::test]
async fn sockets_may_be_closed_before_the_factory_each_with_its_report() {
    within(async {
        let zmq = Factory::builder().start();
        let endpoint = inproc();
        let (watcher, mut events) = events();
        let (fill, mut told) = inbox::<Pulled>();
        open(&zmq, PullSocket::bind(&*endpoint).on_message(fill)).await;
        let push = open(&zmq, PushSocket::connect(&*endpoint).name("push").watch(watcher)).await;
        push.send(Push("one")).await.unwrap().unwrap();
        let report = push.send(Close::within(Duration::from_secs(5))).await.unwrap().unwrap();
        assert_eq!((report.sent, report.name.as_deref()), (1, Some("push")));
        assert_eq!(push.send(Close::new()).await.unwrap().unwrap(), report);
        told.next().await;
        events.event(|kind| matches!(kind, EventKind::Closed).then_some(())).await;
        let report = finish(zmq).await;
        assert_eq!(report.sockets.len(), 1, "{report}");
    })
    .await;
}

#[actix::test]
async fn a_shutdown_amid_openings_restarts_and_sends_ends_them_all() {
    within(async {
        for round in 0..30_u64 {
            let zmq = Factory::builder().start();
            let endpoint = inproc();
            let pull = PullSocket::bind(&*endpoint).on_message(|_: Pulled| {}).arbiter("far");
            let pull = open(&zmq, pull).await;
            let push = open(&zmq, PushSocket::connect(&*endpoint)).await;
            pull.do_send(Restart);
            let sends: Vec<_> = (0..20_u8).map(|number| push.send(Push(vec![number]))).collect();
            push.do_send(Restart);
            let openings: Vec<_> =
                (0..5).map(|_| zmq.send(Open(PushSocket::bind(ANY_PORT).arbiter("far")))).collect();
            // At another moment each time.
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            let report = zmq.send(Shutdown::within(Duration::from_secs(2))).await.unwrap();
            assert!(report.terminated, "round {round}: {report}");
            for sent in sends {
                let sent: Result<_, Error> = sent.await.unwrap();
                assert!(sent.is_ok() || sent.is_err_and(|error| error.kind() == ErrorKind::Closed));
            }
            for opened in openings {
                let opened: Result<_, Error> = opened.await.unwrap();
                assert!(
                    opened.is_ok() || opened.is_err_and(|error| error.kind() == ErrorKind::Closed)
                );
            }
        }
    })
    .await;
}

#[actix::test]
async fn a_shutdown_without_any_time_ends_at_once_and_tells_what_it_knows() {
    within(async {
        let zmq = Factory::builder().start();
        open(&zmq, PushSocket::bind(ANY_PORT)).await;
        let report = zmq.send(Shutdown::within(Duration::ZERO)).await.unwrap();
        assert_eq!(report.sockets.len(), 1);
        assert!(report.took < Duration::from_secs(2), "{report}");
    })
    .await;
}

// The orders that end a process, each in a process of its own.

/// Runs a role of the ignored test below in a child.
fn child(what: &str) -> Process {
    Process::child_of("shutdown::as_a_child", what, "", "")
}

#[actix::test]
async fn dropping_everything_never_hangs_the_process_nor_blocks_beyond_the_linger() {
    within(async {
        for order in ["factory first", "sockets first", "system stop", "runtime first", "forget"] {
            let seen = child(order).success().await;
            let told = seen.iter().find_map(|line| line.strip_prefix("took ")).unwrap_or_default();
            let took: u64 = told.parse().unwrap_or_else(|_| panic!("{order}: {seen:#?}"));
            // The linger is 300 ms. A hang is what this is about, not a slow machine.
            assert!(took < 5_000, "{order}: {took} ms");
        }
    })
    .await;
}

#[actix::test]
async fn what_was_accepted_leaves_within_the_linger_when_everything_is_dropped() {
    within(async {
        let (peer, endpoint) = raw::bound(zmq::PULL);
        let process = Process::child_of("shutdown::as_a_child", "last words", &endpoint, "");
        let words = raw::thread(move || {
            (0..100).for_each(|_| assert_eq!(raw::receive(&peer), [b"last words"]));
        });
        words.await;
        process.success().await;
    })
    .await;
}

#[actix::test]
async fn sigint_and_sigterm_shut_down_where_asked_for_and_end_the_system_with_status_0() {
    within(async {
        for signal in ["INT", "TERM"] {
            let mut process = child("signal");
            process.line("ready").await;
            process.signal(signal);
            let seen = process.success().await;
            assert!(seen.iter().any(|line| line.contains("1 sent")), "{seen:#?}");
            assert!(seen.iter().any(|line| line == "the system has ended"), "{seen:#?}");
        }
    })
    .await;
}

#[actix::test]
async fn of_two_factories_that_end_with_a_signal_neither_cuts_the_other_short() {
    within(async {
        let (peer, endpoint) = raw::bound(zmq::PULL);
        peer.set_rcvhwm(1).unwrap();
        let mut process = Process::child_of("shutdown::as_a_child", "two factories", &endpoint, "");
        process.line("ready").await;
        process.signal("TERM");
        // Taken slowly, while the other factory has nothing to wait for.
        let words = raw::thread(move || {
            (0..1_000).for_each(|_| assert_eq!(raw::receive(&peer)[0].len(), 10_000));
        });
        words.await;
        process.success().await;
    })
    .await;
}

#[actix::test]
async fn without_asking_for_it_a_signal_ends_the_process_as_ever() {
    within(async {
        let mut process = child("no signal");
        process.line("ready").await;
        process.signal("TERM");
        let (status, seen) = process.end().await;
        assert!(!status.success(), "{seen:#?}");
    })
    .await;
}

/// A message that has nowhere to go, a request in flight, and a receiver.
async fn busy(zmq: &Addr<Factory>) -> (Addr<PushSocket>, Addr<RequestSocket>) {
    let push = open(zmq, PushSocket::connect("tcp://127.0.0.1:9")).await;
    push.send(Push("accepted, and never delivered")).await.unwrap().unwrap();
    let request = open(zmq, RequestSocket::connect("tcp://127.0.0.1:9")).await;
    actix::spawn(request.send(Request::new("never answered")));
    let pull = PullSocket::bind(ANY_PORT).on_message(|_: Pulled| {}).arbiter("far");
    open(zmq, pull).await;
    (push, request)
}

#[actix::test]
async fn both_ends_of_a_busy_connection_may_be_closed_at_once() {
    // libzmq aborted: `Resource temporarily unavailable (session_base.cpp:260)`.
    within(async {
        child("both ends").success().await;
    })
    .await;
}

/// Connections with more under way than their readers take, both ends of which
/// are closed together, the reader's first.
async fn both_ends_at_once() {
    let zmq = Factory::builder().linger(Duration::ZERO).start();
    let mut pairs = Vec::new();
    let mut gates = Vec::new();
    for number in 0..5 {
        let (reader, gate, mut arrived) = gated::<Pulled>();
        gates.push(gate);
        let name = format!("pull {number}");
        let receiver = reader.recipient::<Pulled>().into_receiver().window(1);
        let pull = PullSocket::bind(ANY_PORT).name(&*name).hwm(1).deliver_to(receiver);
        let pull = open(&zmq, pull).await;
        let push = open(&zmq, PushSocket::connect(bound(&zmq, &name).await)).await;
        let message = || Push(Multipart::from([&[0_u8; 20_000][..], &b"end"[..]]));
        push.send(message()).await.unwrap().unwrap();
        arrived.next().await;
        for _ in 0..500 {
            push.send(message()).await.unwrap().unwrap();
        }
        pairs.push((pull, push));
    }
    for (pull, push) in pairs {
        pull.do_send(Close::within(Duration::ZERO));
        push.do_send(Close::within(Duration::ZERO));
    }
    finish(zmq).await;
}

#[test]
#[ignore = "a part of other tests, in a process of its own"]
fn as_a_child() {
    let Some((role, argument)) = role() else { return };
    let began = Instant::now();
    let system = System::new();
    let linger = ms(300);
    match role.as_str() {
        "signal" | "no signal" => {
            system.block_on(async {
                let builder = Factory::builder();
                let builder = if role == "signal" {
                    builder.shutdown_on_signal(Duration::from_secs(2))
                } else {
                    builder
                };
                let zmq = builder.start();
                let endpoint = inproc();
                let (fill, mut told) = inbox::<Pulled>();
                open(&zmq, PullSocket::bind(&*endpoint).on_message(fill)).await;
                let push = open(&zmq, PushSocket::connect(&*endpoint)).await;
                push.send(Push("x")).await.unwrap().unwrap();
                told.next().await;
                actix::spawn(async move {
                    let report = zmq.send(Ended).await.unwrap();
                    tell(report);
                });
            });
            tell("ready");
            system.run().unwrap();
            tell("the system has ended");
            return;
        }
        "both ends" => {
            system.block_on(async {
                for _ in 0..10 {
                    both_ends_at_once().await;
                }
            });
            return;
        }
        "two factories" => {
            system.block_on(async {
                let start = || {
                    let builder = Factory::builder().linger(Duration::from_secs(5));
                    builder.shutdown_on_signal(Duration::from_secs(15)).start()
                };
                let _idle = start();
                let busy = start();
                let push = PushSocket::connect(argument).hwm(1).overflow(Overflow::Wait, 10_000);
                let push = open(&busy, push.arbiter("far")).await;
                for _ in 0..1_000 {
                    push.do_send(Push(vec![0_u8; 10_000]));
                }
            });
            tell("ready");
            system.run().unwrap();
            return;
        }
        "last words" => {
            system.block_on(async {
                let zmq = Factory::builder().linger(Duration::from_secs(10)).start();
                let push = open(&zmq, PushSocket::connect(argument)).await;
                for _ in 0..100 {
                    push.send(Push("last words")).await.unwrap().unwrap();
                }
            });
            drop(system);
            return;
        }
        _ => {}
    }
    let zmq = system.block_on(async { Factory::builder().linger(linger).start() });
    let (push, request) = system.block_on(busy(&zmq));
    // The pauses are no waiting for something: they let what was dropped go on
    // alone for a moment, in which it may do something wrong.
    match role.as_str() {
        "factory first" => {
            drop(zmq);
            system.block_on(async { tokio::time::sleep(ms(50)).await });
            drop((push, request));
            system.block_on(async { tokio::time::sleep(ms(50)).await });
            drop(system);
        }
        "sockets first" => {
            drop((push, request));
            system.block_on(async { tokio::time::sleep(ms(50)).await });
            drop(zmq);
            drop(system);
        }
        "system stop" => {
            System::current().stop();
            system.run().unwrap();
            drop((zmq, push, request));
        }
        "runtime first" => {
            drop(system);
            thread::sleep(ms(50));
            drop((zmq, push, request));
        }
        "forget" => {
            std::mem::forget((zmq, push, request));
            drop(system);
        }
        other => panic!("{other}?"),
    }
    tell(format_args!("took {}", began.elapsed().as_millis()));
}
