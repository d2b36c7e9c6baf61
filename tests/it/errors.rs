//! Each failure that can be provoked: a clear error or event, and never a panic,
//! an abort or a silent loss.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use actix_zmq::prelude::*;
use actix_zmq::{Endpoint, IntoEndpoint, SocketState};

use crate::support::process::{Process, role, tell};
use crate::support::{
    ANY_PORT, bound, count, events, eventually, finish, inbox, inproc, ipc, ms, open, raw, status,
    within,
};

async fn refused<K: actix_zmq::Pattern>(
    zmq: &Addr<Factory>,
    blueprint: actix_zmq::Blueprint<K>,
) -> Error {
    zmq.send(Open(blueprint)).await.unwrap().map(|_| ()).unwrap_err()
}

#[actix::test]
async fn endpoints_that_are_none_are_told_at_the_opening_and_at_runtime() {
    within(async {
        let zmq = Factory::builder().start();
        let push = open(&zmq, PushSocket::new().name("push")).await;
        let cases = [
            ("tcp://h:99999", ErrorKind::InvalidEndpoint),
            ("tcp://127.0.0.1:0x50", ErrorKind::InvalidEndpoint),
            ("tcp://127.0.0.1", ErrorKind::InvalidEndpoint),
            ("tcp://", ErrorKind::InvalidEndpoint),
            ("tcp:/127.0.0.1:1", ErrorKind::InvalidEndpoint),
            ("127.0.0.1:1", ErrorKind::InvalidEndpoint),
            ("", ErrorKind::InvalidEndpoint),
            ("gopher://127.0.0.1:1", ErrorKind::InvalidEndpoint),
            ("inproc://with\0nul", ErrorKind::InvalidEndpoint),
            ("ipc://", ErrorKind::InvalidEndpoint),
            ("inproc://", ErrorKind::InvalidEndpoint),
        ];
        for (text, kind) in cases {
            for error in [
                refused(&zmq, PushSocket::connect(text)).await,
                refused(&zmq, PushSocket::bind(text)).await,
                push.send(Connect::new(text)).await.unwrap().unwrap_err(),
                push.send(Bind::new(text)).await.unwrap().map(|_| ()).unwrap_err(),
            ] {
                assert_eq!(error.kind(), kind, "{text:?}: {error}");
                assert_eq!(error.endpoint(), Some(text), "{error}");
                assert!(!error.is_retryable());
            }
        }
        let long = format!("ipc:///tmp/{}", "x".repeat(200));
        let error = refused(&zmq, PushSocket::connect(&*long)).await;
        assert_eq!((error.kind(), error.endpoint()), (ErrorKind::InvalidEndpoint, Some(&*long)));
        let error = refused(&zmq, PushSocket::connect("udp://127.0.0.1:1")).await;
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        // Wildcards are for binding.
        let error = refused(&zmq, PushSocket::connect("tcp://127.0.0.1:*")).await;
        assert_eq!(error.kind(), ErrorKind::InvalidEndpoint);
        assert!(status(&zmq, "push").await.endpoints.is_empty());
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn endpoints_that_cannot_be_had_here_are_told_with_their_reason() {
    within(async {
        let zmq = Factory::builder().start();
        let directory = tempfile::tempdir().unwrap();
        let directory = format!("ipc://{}", directory.path().display());
        let cases = [
            // An address that is not this machine's, and an interface that is not there.
            ("tcp://192.0.2.1:5555", ErrorKind::AddressUnavailable),
            ("tcp://no-such-interface:5555", ErrorKind::AddressUnavailable),
            ("ipc:///etc/passwd/x", ErrorKind::AddressUnavailable),
            ("ipc:///no/such/directory/x", ErrorKind::AddressUnavailable),
            (&*directory, ErrorKind::AddressInUse),
        ];
        for (text, kind) in cases {
            let error = refused(&zmq, PushSocket::bind(text)).await;
            assert_eq!(error.kind(), kind, "{text}: {error}");
            assert_eq!(error.endpoint(), Some(text), "{error}");
            assert!(error.errno().is_some_and(|number| number != 0), "{error}");
        }
        assert!(zmq.send(Status).await.unwrap().is_empty());
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn an_endpoint_that_is_taken_is_told_and_the_socket_keeps_its_others() {
    within(async {
        let zmq = Factory::builder().start();
        let push = open(&zmq, PushSocket::bind(ANY_PORT).bind(&*inproc()).name("push")).await;
        let endpoints = status(&zmq, "push").await.endpoints;
        for endpoint in &endpoints {
            let text = endpoint.endpoint().to_string();
            // By the socket itself, and by another.
            let own = push.send(Bind::new(&*text)).await.unwrap().map(|_| ()).unwrap_err();
            let other = refused(&zmq, PushSocket::bind(&*text)).await;
            for error in [own, other] {
                assert_eq!(error.kind(), ErrorKind::AddressInUse, "{error}");
                assert_eq!(error.endpoint(), Some(&*text));
            }
        }
        assert_eq!(status(&zmq, "push").await.endpoints, endpoints);
        assert_eq!(status(&zmq, "push").await.state, SocketState::Up);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_name_that_nobody_can_resolve_is_tried_on_by_libzmq_and_harms_nothing() {
    within(async {
        let zmq = Factory::builder().start();
        // libzmq resolves in the background, again and again.
        let push = PushSocket::connect("tcp://no-such-host.invalid:5555").immediate(true);
        let push = open(&zmq, push.overflow(Overflow::Reject, 0)).await;
        let error = push.send(Push("nowhere")).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Full);
        assert_eq!(error.into_message(), Some("nowhere".into()));
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn options_that_libzmq_refuses_are_told_at_the_opening() {
    within(async {
        let zmq = Factory::builder().io_threads(0).start();
        let error = refused(&zmq, PushSocket::bind(ANY_PORT)).await;
        // Nobody would ever move a byte (EMTHREAD); within the process nobody has to.
        assert_eq!(error.kind(), ErrorKind::InvalidOption, "{error}");
        open(&zmq, PushSocket::bind(&*inproc())).await;
        finish(zmq).await;
        let zmq = Factory::builder().start();
        let error = refused(&zmq, RequestSocket::new().routing_id(vec![])).await;
        assert_eq!(error.kind(), ErrorKind::InvalidOption, "{error}");
        let error = refused(&zmq, RequestSocket::new().routing_id(vec![1; 256])).await;
        assert_eq!(error.kind(), ErrorKind::InvalidOption, "{error}");
        let error = refused(&zmq, PullSocket::bind(ANY_PORT)).await;
        assert_eq!(error.kind(), ErrorKind::InvalidOption, "{error}");
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn one_socket_more_than_the_context_may_have_is_told_and_one_less_makes_room() {
    within(async {
        let zmq = Factory::builder().max_sockets(5).start();
        let mut sockets = Vec::new();
        let error = loop {
            match zmq.send(Open(PushSocket::new())).await.unwrap() {
                Ok(socket) => sockets.push(socket),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::TooManySockets, "{error}");
        assert!(error.is_retryable());
        assert_eq!((sockets.len(), error.limit()), (5, Some(5)));
        sockets.pop().unwrap().send(Close::new()).await.unwrap().unwrap();
        eventually("there is room again", async || {
            zmq.send(Open(PushSocket::new())).await.unwrap().is_ok()
        })
        .await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn garbage_on_the_wire_is_cut_off_and_disturbs_nobody() {
    within(async {
        let zmq = Factory::builder().start();
        let (fill, mut told) = inbox::<Pulled>();
        open(&zmq, PullSocket::bind(ANY_PORT).name("pull").on_message(fill)).await;
        let endpoint = bound(&zmq, "pull").await;
        let address = endpoint.strip_prefix("tcp://").unwrap().to_owned();
        raw::thread(move || {
            let streams: [&[u8]; 5] = [
                b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
                &[0xff; 4_096],
                &[0; 4_096],
                // A greeting that promises a mechanism that is none.
                b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0GARBAGE\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
                // A good greeting (ZMTP 3, NULL), then a frame of an absurd length.
                b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x06\xff\xff\xff\xff\xff\xff\xff\xff",
            ];
            for bytes in streams {
                let mut stream = TcpStream::connect(&address).unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
                let _ = stream.write_all(bytes);
                // Until it is cut off, or has nothing more to say.
                let _ = stream.read_to_end(&mut Vec::new());
            }
            // One that never says anything stays until the end.
            TcpStream::connect(&address).unwrap()
        })
        .await;
        let push = open(&zmq, PushSocket::connect(&*endpoint)).await;
        push.send(Push("still here")).await.unwrap().unwrap();
        assert_eq!(told.next().await.0[0], "still here");
        let pull = status(&zmq, "pull").await;
        assert_eq!((pull.state, pull.restarts), (SocketState::Up, 0));
        assert_eq!(pull.count(Counter::Received), 1);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_peer_that_hangs_up_is_tried_again_and_one_that_talks_nonsense_after_a_restart() {
    within(async {
        let zmq = Factory::builder().start();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
        let push = PushSocket::connect(&*endpoint).immediate(true).reconnect_interval(ms(1));
        let push = open(&zmq, push.name("push")).await;
        let waiting = push.send(Push("for a real one"));
        raw::thread(move || {
            for _ in 0..20 {
                drop(listener.accept().unwrap());
            }
            // libzmq gives an endpoint up whose peer breaks the protocol.
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(&[0xff; 64]).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        })
        .await;
        let (fill, mut told) = inbox::<Pulled>();
        let pull = PullSocket::bind(&*endpoint).open_with_retry().on_message(fill);
        open(&zmq, pull).await;
        push.send(Restart).await.unwrap().unwrap();
        assert_eq!(told.next().await.0[0], "for a real one");
        waiting.await.unwrap().unwrap();
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_peer_of_the_wrong_type_is_not_heard_and_the_right_one_is() {
    within(async {
        let zmq = Factory::builder().start();
        let (fill, mut told) = inbox::<Pulled>();
        open(&zmq, PullSocket::bind(ANY_PORT).name("pull").on_message(fill)).await;
        let endpoint = bound(&zmq, "pull").await;
        let wrong = raw::connected(zmq::PAIR, &endpoint);
        wrong.set_linger(0).unwrap();
        raw::send(&wrong, [b"wrong"]);
        let right = raw::connected(zmq::PUSH, &endpoint);
        raw::send(&right, [b"right"]);
        assert_eq!(told.next().await.0[0], "right");
        drop((wrong, right));
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn frames_that_are_no_request_are_told_counted_and_answered_by_nobody() {
    within(async {
        let zmq = Factory::builder().start();
        let (watcher, mut events) = events();
        let (fill, mut told) = inbox::<IncomingRequest>();
        let server = ReplySocket::bind(ANY_PORT).name("server").watch(watcher);
        open(&zmq, server.on_message(fill)).await;
        let peer = raw::connected(zmq::DEALER, &bound(&zmq, "server").await);
        // Without an empty delimiter, nobody knows where the body begins.
        raw::send(&peer, [b"no delimiter"]);
        raw::send(&peer, [b"a", b"b", b"c"]);
        raw::send(&peer, [b"id", b"", b"a request"]);
        let request = told.next().await;
        assert_eq!(request.body, "a request".into());
        request.reply("an answer").unwrap();
        let (peer, answer) = raw::thread(move || {
            let answer = raw::receive(&peer);
            (peer, answer)
        })
        .await;
        assert_eq!(answer, [&b"id"[..], b"", b"an answer"]);
        assert_eq!(count(&zmq, "server", Counter::Undecodable).await, 2);
        for last in ["no delimiter", "c"] {
            let frames = events
                .event(|kind| match kind {
                    EventKind::Undecodable { frames, .. } => Some(frames),
                    _ => None,
                })
                .await;
            // The route of the peer is among them.
            assert_eq!(frames.last().unwrap(), &last);
        }
        drop(peer);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_receiver_that_is_gone_is_told_once_and_its_socket_reads_no_more() {
    within(async {
        struct Mortal(futures::channel::mpsc::UnboundedSender<Pulled>);
        impl Actor for Mortal {
            type Context = Context<Self>;
        }
        impl Handler<Pulled> for Mortal {
            type Result = ();
            fn handle(&mut self, pulled: Pulled, ctx: &mut Context<Self>) {
                self.0.unbounded_send(pulled).unwrap();
                ctx.stop();
            }
        }

        let zmq = Factory::builder().start();
        let (watcher, mut events) = events();
        let (sender, _kept) = futures::channel::mpsc::unbounded();
        let mortal = Mortal(sender).start().recipient::<Pulled>();
        let endpoint = inproc();
        let pull = PullSocket::bind(&*endpoint).name("pull").watch(watcher).deliver_to(mortal);
        open(&zmq, pull).await;
        let push = open(&zmq, PushSocket::connect(&*endpoint)).await;
        push.send(Push("last")).await.unwrap().unwrap();
        let notified = events.event(|kind| match kind {
            EventKind::ReceiverGone { unconfirmed } => Some(unconfirmed),
            _ => None,
        });
        let sending = async {
            loop {
                push.do_send(Push("more"));
                tokio::task::yield_now().await;
            }
        };
        let unconfirmed = match futures::future::select(Box::pin(notified), Box::pin(sending)).await
        {
            futures::future::Either::Left((unconfirmed, _)) => unconfirmed,
            futures::future::Either::Right((never, _)) => never,
        };
        assert!(unconfirmed >= 1);
        let pull = status(&zmq, "pull").await;
        assert_eq!((pull.state, pull.restarts), (SocketState::Up, 0));
        assert_eq!(pull.count(Counter::Undelivered), unconfirmed as u64);
        zmq.send(Shutdown::within(ms(300))).await.unwrap();
    })
    .await;
}

#[actix::test]
async fn a_factory_whose_arbiter_has_stopped_is_a_mailbox_error_and_other_arbiters_go_on() {
    within(async {
        let arbiter = Arbiter::new();
        let (tell, told) = tokio::sync::oneshot::channel();
        arbiter.spawn_fn(move || drop(tell.send(Factory::builder().start())));
        let zmq = told.await.unwrap();
        let endpoint = inproc();
        let (fill, mut told) = inbox::<Pulled>();
        let pull = PullSocket::bind(&*endpoint).on(Arbiter::current()).on_message(fill);
        let _pull = open(&zmq, pull).await;
        let push = PushSocket::connect(&*endpoint).on(Arbiter::current());
        let push = open(&zmq, push).await;
        let theirs = open(&zmq, PushSocket::bind(ANY_PORT)).await;
        arbiter.stop();
        tokio::task::spawn_blocking(move || arbiter.join()).await.unwrap().unwrap();
        assert!(matches!(zmq.send(Status).await, Err(MailboxError::Closed)));
        assert!(matches!(theirs.send(Push("x")).await, Err(MailboxError::Closed)));
        push.send(Push("still here")).await.unwrap().unwrap();
        assert_eq!(told.next().await.0[0], "still here");
        push.send(Close::new()).await.unwrap().unwrap();
    })
    .await;
}

#[actix::test]
async fn a_peer_that_is_killed_and_returns_is_found_again() {
    within(async {
        let zmq = Factory::builder().start();
        let (fill, mut told) = inbox::<Pulled>();
        open(&zmq, PullSocket::bind(ANY_PORT).name("pull").on_message(fill)).await;
        let endpoint = bound(&zmq, "pull").await;
        for _ in 0..3 {
            let process = Process::child_of("errors::as_a_child", "sends for ever", &endpoint, "");
            told.next().await;
            // SIGKILL, in the middle of a send.
            drop(process);
            told.drain();
        }
        let pull = status(&zmq, "pull").await;
        assert_eq!((pull.state, pull.restarts), (SocketState::Up, 0));
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_process_without_descriptors_gets_an_error_for_its_first_socket_and_for_any_other() {
    within(async {
        // Every number of descriptors around the one that a context needs, of
        // which some make libzmq abort.
        let mut failed = 0;
        for limit in 16..48 {
            let before = format!("ulimit -n {limit};");
            let child = Process::child_of("errors::as_a_child", "few descriptors", "", &before);
            let (status, seen) = child.end().await;
            assert!(status.success(), "limit {limit}: {status}: {seen:#?}");
            let told = |what: &str| seen.iter().any(|line| line.starts_with(what));
            assert!(told("refused") || told("opened"), "limit {limit}: {seen:#?}");
            failed += usize::from(told("refused at 0"));
        }
        assert!(failed > 3, "the limits do not reach the first socket: {failed}");
    })
    .await;
}

#[actix::test]
async fn exhausted_descriptors_are_an_error_and_released_ones_make_room() {
    within(async {
        let before = "ulimit -n 100;";
        let child = Process::child_of("errors::as_a_child", "exhausted", "", before);
        let seen = child.success().await;
        assert!(seen.iter().any(|line| line == "recovered"), "{seen:#?}");
    })
    .await;
}

#[test]
#[ignore = "a part of other tests, in a process of its own"]
fn as_a_child() {
    let Some((role, argument)) = role() else { return };
    match role.as_str() {
        "sends for ever" => System::new().block_on(async {
            let zmq = Factory::builder().start();
            let push = open(&zmq, PushSocket::connect(argument)).await;
            loop {
                push.send(Push(vec![0_u8; 100_000])).await.unwrap().unwrap();
            }
        }),
        "few descriptors" => System::new().block_on(async {
            let zmq = Factory::builder().start();
            let mut sockets = Vec::new();
            for number in 0..20 {
                match zmq.send(Open(PushSocket::bind(&*inproc()))).await.unwrap() {
                    Ok(socket) => sockets.push(socket),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::TooManySockets, "{error}");
                        tell(format_args!("refused at {number}: {error}"));
                        break;
                    }
                }
            }
            tell(format_args!("opened {}", sockets.len()));
            let report = zmq.send(Shutdown::within(Duration::from_secs(5))).await.unwrap();
            assert!(report.terminated, "{report}");
        }),
        "exhausted" => System::new().block_on(async {
            let zmq = Factory::builder().start();
            let mut sockets = Vec::new();
            let error = loop {
                match zmq.send(Open(PushSocket::bind(&*inproc()))).await.unwrap() {
                    Ok(socket) => sockets.push(socket),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), ErrorKind::TooManySockets, "{error}");
            assert!(sockets.len() > 10, "{}", sockets.len());
            // Those that are open go on.
            let first = sockets.remove(0);
            assert!(first.send(Push(Multipart::new())).await.unwrap().is_err());
            for socket in sockets.drain(..10) {
                socket.send(Close::new()).await.unwrap().unwrap();
            }
            eventually("descriptors are released", async || {
                zmq.send(Open(PushSocket::bind(&*inproc()))).await.unwrap().is_ok()
            })
            .await;
            tell("recovered");
            finish(zmq).await;
        }),
        other => panic!("{other}?"),
    }
}

#[actix::test]
async fn an_endpoint_is_checked_once_and_then_taken_everywhere() {
    within(async {
        let zmq = Factory::builder().start();
        let endpoint = Endpoint::parse(&ipc()).unwrap();
        let again = endpoint.clone().into_endpoint().unwrap();
        assert_eq!(endpoint, again);
        open(&zmq, PushSocket::bind(endpoint.clone())).await;
        let push = open(&zmq, PushSocket::new()).await;
        push.send(Connect::new(&endpoint)).await.unwrap().unwrap();
        finish(zmq).await;
    })
    .await;
}
