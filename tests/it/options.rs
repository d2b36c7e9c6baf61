//! Options: typed, changed and read at runtime, kept over a restart, and never
//! taken in silence where libzmq ignores them.

use std::time::Duration;

use actix_zmq::prelude::*;
use actix_zmq::{
    ConnectionChange, CurveKeyPair, CurveSecretKey, Effect, HandshakeFailure, SocketState,
    SocketType,
};

use crate::support::{
    ANY_PORT, bound, collector, events, eventually, finish, inbox, inproc, ms, open, status, within,
};

/// Reads every option that this type has; those that cannot be read say why.
async fn read_all<K: actix_zmq::Pattern>(blueprint: actix_zmq::Blueprint<K>) -> usize {
    let zmq = Factory::builder().start();
    let socket = open(&zmq, blueprint.name("all")).await;
    let socket_type = status(&zmq, "all").await.socket_type;
    let mut read = 0;
    for name in OptionName::ALL {
        match socket.send(GetOption(*name)).await.unwrap() {
            Ok(option) => {
                assert_eq!(option.name(), *name);
                assert!(name.applies_to(socket_type), "{name}");
                // What it has can be set.
                let set = socket.send(SetOption(option.clone())).await.unwrap();
                if let Err(error) = set {
                    // Nothing is a value that some refuse.
                    assert_eq!(error.kind(), ErrorKind::InvalidOption, "{option:?}: {error}");
                }
                read += 1;
            }
            Err(error) if name.applies_to(socket_type) => {
                let kinds = [ErrorKind::Unsupported, ErrorKind::PermissionDenied];
                assert!(kinds.contains(&error.kind()), "{name}: {error}");
                assert!(error.to_string().contains(name.as_str()), "{error}");
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidOption, "{name}: {error}"),
        }
    }
    finish(zmq).await;
    read
}

#[actix::test]
async fn every_option_is_read_or_says_why_not() {
    within(async {
        assert!(read_all(PushSocket::bind(&*inproc())).await > 20);
        assert!(
            read_all(RouterSocket::bind(&*inproc()).on_message(|_: ReceivedFrom| {})).await > 20
        );
        assert!(read_all(XPubSocket::bind(&*inproc()).on_message(|_: Subscription| {})).await > 20);
        assert!(read_all(StreamSocket::bind(ANY_PORT).on_message(|_: ReceivedFrom| {})).await > 20);
    })
    .await;
}

#[actix::test]
async fn an_option_is_changed_at_runtime_and_kept_over_a_restart() {
    within(async {
        let zmq = Factory::builder().start();
        let policy = RestartPolicy::default().initial(ms(1));
        let push = PushSocket::bind(&*inproc()).name("push").send_hwm(7).restart(policy);
        let push = open(&zmq, push.heartbeat(ms(1_500)).max_message_size(1 << 20)).await;
        let options = [
            SocketOption::SendHwm(7),
            SocketOption::Heartbeat(ms(1_500)),
            SocketOption::MaxMessageSize(Some(1 << 20)),
        ];
        for option in options {
            let read = push.send(GetOption(option.name())).await.unwrap().unwrap();
            assert_eq!(read, option);
        }
        let changes = [
            SocketOption::SendHwm(9),
            SocketOption::MaxMessageSize(None),
            SocketOption::HeartbeatTtl(ms(2_500)),
            SocketOption::HeartbeatTimeout(ms(700)),
            SocketOption::SendBuffer(Some(65_536)),
            SocketOption::RoutingId(b"me".to_vec()),
            SocketOption::Affinity(1),
            SocketOption::Ipv6(true),
            SocketOption::ZapDomain("office".to_owned()),
        ];
        for change in &changes {
            push.send(SetOption(change.clone())).await.unwrap().unwrap();
        }
        for restarts in 0..2 {
            for change in &changes {
                let read = push.send(GetOption(change.name())).await.unwrap().unwrap();
                assert_eq!(&read, change);
            }
            if restarts == 0 {
                push.send(Restart).await.unwrap().unwrap();
                eventually("it is back", async || {
                    let push = status(&zmq, "push").await;
                    push.restarts == 1 && push.state == SocketState::Up
                })
                .await;
            }
        }
        assert_eq!(OptionName::SendHwm.effect(), Effect::AtOnce);
        assert_eq!(OptionName::Heartbeat.effect(), Effect::NextEndpoint);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_value_out_of_its_range_or_of_another_type_is_refused_and_changes_nothing() {
    within(async {
        let zmq = Factory::builder().start();
        let push = open(&zmq, PushSocket::bind(&*inproc())).await;
        let before = push.send(GetOption(OptionName::HeartbeatTtl)).await.unwrap().unwrap();
        let wrong = [
            SocketOption::Handover(true),
            SocketOption::RoutingId(Vec::new()),
            SocketOption::HeartbeatTtl(Duration::from_secs(10_000)),
            SocketOption::PlainPassword("".into()),
            SocketOption::TcpKeepaliveCount(Some(0)),
            SocketOption::TcpKeepaliveIdle(Some(Duration::ZERO)),
        ];
        for option in wrong {
            let name = option.name();
            let error = push.send(SetOption(option.clone())).await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidOption);
            assert!(error.to_string().contains(name.as_str()), "{error}");
            let opened = zmq.send(Open(PushSocket::new().option(option))).await.unwrap();
            assert_eq!(opened.unwrap_err().kind(), ErrorKind::InvalidOption);
        }
        let after = push.send(GetOption(OptionName::HeartbeatTtl)).await.unwrap().unwrap();
        assert_eq!(before, after);
        push.send(Close::new()).await.unwrap().unwrap();
        let error = push.send(SetOption(SocketOption::SendHwm(1))).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn what_the_linked_libzmq_ignores_is_unsupported_and_names_the_remedy() {
    within(async {
        let zmq = Factory::builder().start();
        let configured = OptionName::TcpKeepalive.is_supported();
        let kept = PushSocket::bind(ANY_PORT).tcp_keepalive(true);
        let kept = zmq.send(Open(kept.tcp_keepalive_idle(Duration::from_secs(30)))).await.unwrap();
        match kept {
            Err(error) => {
                assert!(!configured, "{error}");
                assert_eq!(error.kind(), ErrorKind::Unsupported);
                let text = error.to_string();
                assert!(text.contains("ZMQ_TCP_KEEPALIVE") && text.contains("README"), "{text}");
            }
            Ok(push) => {
                assert!(configured);
                // The others stay what the system says: in txZMQ they became 0.
                let read = async |name| push.send(GetOption(name)).await.unwrap().unwrap();
                assert_eq!(
                    read(OptionName::TcpKeepalive).await,
                    SocketOption::TcpKeepalive(Some(true))
                );
                assert_eq!(
                    read(OptionName::TcpKeepaliveCount).await,
                    SocketOption::TcpKeepaliveCount(None)
                );
            }
        }
        let gssapi = zmq.send(Open(PushSocket::new().gssapi_server(true))).await.unwrap();
        let unsupported = gssapi.is_err_and(|error| error.kind() == ErrorKind::Unsupported);
        assert_eq!(unsupported, !OptionName::GssapiServer.is_supported());
        let threads = Factory::builder().thread_name_prefix(7).start();
        let opened = threads.send(Open(PushSocket::bind(&*inproc()))).await.unwrap();
        assert_eq!(opened.is_ok(), configured);
        if let Err(error) = opened {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("README"), "{error}");
        }
        finish(threads).await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_secret_is_not_given_away() {
    within(async {
        let zmq = Factory::builder().start();
        let blueprint = PushSocket::bind(ANY_PORT).plain_username("me").plain_password("swordfish");
        assert!(!format!("{blueprint:?}").contains("swordfish"));
        let push = open(&zmq, blueprint).await;
        let read = push.send(GetOption(OptionName::PlainPassword)).await.unwrap();
        assert_eq!(read.unwrap_err().kind(), ErrorKind::PermissionDenied);
        let name = push.send(GetOption(OptionName::PlainUsername)).await.unwrap().unwrap();
        assert_eq!(name, SocketOption::PlainUsername("me".to_owned()));
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn plain_lets_in_who_has_a_name_and_nobody_else() {
    within(async {
        let zmq = Factory::builder().start();
        let (watcher, mut events) = events();
        let (fill, mut told) = inbox();
        let pull = PullSocket::bind(ANY_PORT).name("pull").plain_server(true).watch(watcher);
        open(&zmq, pull.on_message(fill)).await;
        let at = bound(&zmq, "pull").await;
        let stranger = open(&zmq, PushSocket::connect(&*at).name("stranger")).await;
        let failed = events.event(|kind| match kind {
            EventKind::Connection(event) => match event.change {
                ConnectionChange::HandshakeFailed { reason } => Some((reason, event.peer)),
                _ => None,
            },
            _ => None,
        });
        let (reason, peer) = failed.await;
        assert_eq!(reason, HandshakeFailure::MechanismMismatch);
        assert!(peer.is_none_or(|peer| peer.ip().is_loopback()), "{peer:?}");
        assert_eq!(status(&zmq, "pull").await.peers, Some(0));
        // Who is let in is an authenticator's to say.
        let authenticator = ReplySocket::bind("inproc://zeromq.zap.01");
        let authenticator = authenticator.on_message(|request: IncomingRequest| {
            let IncomingRequest { body, responder } = request;
            // Version, id, domain, address, routing id, mechanism, name, password.
            let known = &body[5][..] == b"PLAIN" && &body[7][..] == b"swordfish";
            let (code, text) = if known { ("200", "OK") } else { ("400", "no") };
            let (version, id) = (body[0].clone(), body[1].clone());
            let answer: Multipart =
                [version, id, code.into(), text.into(), "".into(), "".into()].into_iter().collect();
            responder.reply(answer).unwrap();
        });
        open(&zmq, authenticator).await;
        let as_me =
            |password| PushSocket::connect(&*at).plain_username("me").plain_password(password);
        let impostor = open(&zmq, as_me("guess")).await;
        let denied = events.event(|kind| match kind {
            EventKind::Connection(event) => match event.change {
                ConnectionChange::HandshakeFailed {
                    reason: HandshakeFailure::Denied { status },
                } => Some(status),
                _ => None,
            },
            _ => None,
        });
        assert_eq!(denied.await, 400);
        impostor.send(Close::new()).await.unwrap().unwrap();
        let push = open(&zmq, as_me("swordfish")).await;
        assert_eq!(push.send(WaitConnected::within(ms(10_000))).await.unwrap().unwrap(), 1);
        push.send(Push("let in")).await.unwrap().unwrap();
        let Pulled(frames): Pulled = told.next().await;
        assert_eq!(frames, "let in".into());
        let waited = stranger.send(WaitConnected::within(ms(1))).await.unwrap();
        assert_eq!(waited.unwrap_err().kind(), ErrorKind::TimedOut);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn curve_works_or_is_unsupported_with_the_remedy() {
    within(async {
        let zmq = Factory::builder().start();
        let (server, client) = match (CurveKeyPair::generate(), CurveKeyPair::generate()) {
            (Ok(server), Ok(client)) => (server, client),
            (Err(error), _) | (_, Err(error)) => {
                assert_eq!(error.kind(), ErrorKind::Unsupported);
                assert!(error.to_string().contains("README"), "{error}");
                let secret = CurveSecretKey::from([7; 32]);
                let pull = PullSocket::bind(ANY_PORT).curve_server(true).curve_secret_key(secret);
                let pull = zmq.send(Open(pull.on_message(|_: Pulled| {}))).await.unwrap();
                assert_eq!(pull.unwrap_err().kind(), ErrorKind::Unsupported);
                finish(zmq).await;
                return;
            }
        };
        assert_ne!(server, client);
        let text = server.secret.expose_z85().unwrap();
        assert_eq!(text.expose().parse::<CurveSecretKey>().unwrap(), server.secret);
        let (collect, mut told) = collector::<Pulled>();
        let pull = PullSocket::bind(ANY_PORT).name("pull").curve_server(true);
        let pull =
            pull.curve_secret_key(server.secret.clone()).deliver_to(collect.recipient::<Pulled>());
        let pull = open(&zmq, pull).await;
        let at = bound(&zmq, "pull").await;
        let connect = |server_key| {
            PushSocket::connect(&*at)
                .curve_public_key(client.public)
                .curve_secret_key(client.secret.clone())
                .curve_server_key(server_key)
        };
        let stranger = open(&zmq, connect(client.public)).await;
        let push = open(&zmq, connect(server.public)).await;
        push.send(Push("sealed")).await.unwrap().unwrap();
        let Pulled(frames) = told.next().await;
        assert_eq!(frames, "sealed".into());
        let waited = stranger.send(WaitConnected::within(ms(1))).await.unwrap();
        assert_eq!(waited.unwrap_err().kind(), ErrorKind::TimedOut);
        let key = push.send(GetOption(OptionName::CurveServerKey)).await.unwrap().unwrap();
        assert_eq!(key, SocketOption::CurveServerKey(server.public));
        let secret = pull.send(GetOption(OptionName::CurveSecretKey)).await.unwrap();
        assert_eq!(secret.unwrap_err().kind(), ErrorKind::PermissionDenied);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn only_single_frames_are_conflated() {
    within(async {
        let zmq = Factory::builder().start();
        let (fill, mut told) = inbox();
        let mixed_up = SubSocket::bind(ANY_PORT).conflate(true).topic("").on_message(fill.clone());
        let refused = zmq.send(Open(mixed_up)).await.unwrap();
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidOption);
        let tagged = || TopicFraming::tagged();
        let sub = SubSocket::bind(ANY_PORT).name("sub").framing(tagged()).conflate(true).topic("");
        let sub = open(&zmq, sub.on_message(fill)).await;
        let publisher = PubSocket::connect(bound(&zmq, "sub").await).framing(tagged());
        let publisher = open(&zmq, publisher).await;
        let wait = WaitSubscribers { topic: "t".into(), count: 1, deadline: ms(10_000) };
        publisher.send(wait).await.unwrap().unwrap();
        for number in 0..1_000_u32 {
            let publish = Publish::new("t", number.to_string());
            publisher.send(publish).await.unwrap().unwrap();
        }
        // Whatever was left out, the newest came, and none came twice.
        let mut last = None;
        while last != Some(999) {
            let TopicMessage { body, .. }: TopicMessage = told.next().await;
            let number = std::str::from_utf8(&body[0]).unwrap().parse::<u32>().unwrap();
            assert!(last < Some(number), "{last:?} {number}");
            last = Some(number);
        }
        let late = sub.send(SetOption(SocketOption::Conflate(false))).await.unwrap();
        assert_eq!(late.unwrap_err().kind(), ErrorKind::InvalidOption);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_descriptor_that_listens_is_used_and_survives_a_restart() {
    use std::os::fd::AsRawFd;

    within(async {
        let zmq = Factory::builder().start();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let at = format!("tcp://{}", listener.local_addr().unwrap());
        let (fill, mut told) = inbox();
        let policy = RestartPolicy::default().initial(ms(1));
        let pull = PullSocket::bind(&*at).use_fd(listener.as_raw_fd()).name("pull").restart(policy);
        let pull = open(&zmq, pull.on_message(fill)).await;
        let push = open(&zmq, PushSocket::connect(&*at)).await;
        push.send(Push("hello")).await.unwrap().unwrap();
        let Pulled(frames): Pulled = told.next().await;
        assert_eq!(frames, "hello".into());
        pull.send(Restart).await.unwrap().unwrap();
        eventually("it is back", async || {
            let pull = status(&zmq, "pull").await;
            pull.restarts == 1 && pull.state == SocketState::Up
        })
        .await;
        // What was under way when the connection ended is lost with it.
        eventually("it is heard again", async || {
            push.send(Push("again")).await.unwrap().unwrap();
            told.drain().iter().any(|Pulled(frames)| *frames == "again".into())
        })
        .await;
        for wrong in [0, 9_999] {
            let pull = PullSocket::bind(ANY_PORT).use_fd(wrong).on_message(|_: Pulled| {});
            let refused = zmq.send(Open(pull)).await.unwrap();
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidOption);
        }
        let late = pull.send(SetOption(SocketOption::UseFd(Some(0)))).await.unwrap();
        assert_eq!(late.unwrap_err().kind(), ErrorKind::InvalidOption);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn what_cannot_be_is_told_also_while_the_socket_is_down() {
    within(async {
        let zmq = Factory::builder().start();
        let policy = RestartPolicy::default().initial(ms(100));
        let push = open(&zmq, PushSocket::bind(&*inproc()).name("push").restart(policy)).await;
        push.send(Restart).await.unwrap().unwrap();
        let set = push.send(SetOption(SocketOption::GssapiServer(true))).await.unwrap();
        if let Err(error) = set {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
        }
        push.send(SetOption(SocketOption::Linger(ms(70)))).await.unwrap().unwrap();
        eventually("it is back", async || status(&zmq, "push").await.state == SocketState::Up)
            .await;
        let linger = push.send(GetOption(OptionName::Linger)).await.unwrap().unwrap();
        assert_eq!(linger, SocketOption::Linger(ms(70)));
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn ipv6_for_all_sockets_is_the_factorys_to_say() {
    within(async {
        let zmq = Factory::builder().ipv6(true).max_message_size(1 << 20).start();
        let pull = PullSocket::bind("tcp://[::1]:*").name("pull").on_message(|_: Pulled| {});
        open(&zmq, pull).await;
        assert!(bound(&zmq, "pull").await.contains("[::1]"));
        finish(zmq).await;
    })
    .await;
}

/// The stable options of libzmq 4.3, without deprecated names, as its `zmq.h` lists them.
const OF_LIBZMQ: &str = "
    IO_THREADS MAX_SOCKETS SOCKET_LIMIT THREAD_PRIORITY THREAD_SCHED_POLICY MAX_MSGSZ MSG_T_SIZE
    THREAD_AFFINITY_CPU_ADD THREAD_AFFINITY_CPU_REMOVE THREAD_NAME_PREFIX
    AFFINITY ROUTING_ID SUBSCRIBE UNSUBSCRIBE RATE RECOVERY_IVL SNDBUF RCVBUF RCVMORE FD EVENTS
    TYPE LINGER RECONNECT_IVL BACKLOG RECONNECT_IVL_MAX MAXMSGSIZE SNDHWM RCVHWM MULTICAST_HOPS
    RCVTIMEO SNDTIMEO LAST_ENDPOINT ROUTER_MANDATORY TCP_KEEPALIVE TCP_KEEPALIVE_CNT
    TCP_KEEPALIVE_IDLE TCP_KEEPALIVE_INTVL IMMEDIATE XPUB_VERBOSE ROUTER_RAW IPV6 MECHANISM
    PLAIN_SERVER PLAIN_USERNAME PLAIN_PASSWORD CURVE_SERVER CURVE_PUBLICKEY CURVE_SECRETKEY
    CURVE_SERVERKEY PROBE_ROUTER REQ_CORRELATE REQ_RELAXED CONFLATE ZAP_DOMAIN ROUTER_HANDOVER TOS
    CONNECT_ROUTING_ID GSSAPI_SERVER GSSAPI_PRINCIPAL GSSAPI_SERVICE_PRINCIPAL GSSAPI_PLAINTEXT
    HANDSHAKE_IVL SOCKS_PROXY XPUB_NODROP BLOCKY XPUB_MANUAL XPUB_WELCOME_MSG STREAM_NOTIFY
    INVERT_MATCHING HEARTBEAT_IVL HEARTBEAT_TTL HEARTBEAT_TIMEOUT XPUB_VERBOSER CONNECT_TIMEOUT
    TCP_MAXRT THREAD_SAFE MULTICAST_MAXTPDU VMCI_BUFFER_SIZE VMCI_BUFFER_MIN_SIZE
    VMCI_BUFFER_MAX_SIZE VMCI_CONNECT_TIMEOUT USE_FD GSSAPI_PRINCIPAL_NAMETYPE
    GSSAPI_SERVICE_PRINCIPAL_NAMETYPE BINDTODEVICE
    TCP_ACCEPT_FILTER IPC_FILTER_PID IPC_FILTER_UID IPC_FILTER_GID";

#[test]
fn the_table_in_the_documents_names_every_option() {
    let document = include_str!("../../docs/options.md");
    for name in OptionName::ALL {
        let begin = format!("| `{}` | `{name}` |", name.zmq_name());
        let row = document.lines().find(|line| line.starts_with(&begin));
        let row = row.unwrap_or_else(|| panic!("no row begins with {begin:?}"));
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let effect = match name.effect() {
            Effect::AtOnce => "at once",
            Effect::NextEndpoint => "next endpoint",
            other => panic!("{name}: no word for {other:?}"),
        };
        assert_eq!(cells[5], effect, "{name}");
        for socket_type in SocketType::ALL {
            let listed = cells[6].split(", ").any(|one| one == socket_type.to_string());
            let applies = cells[6] == "all" || listed;
            assert_eq!(applies, name.applies_to(*socket_type), "{name} and {socket_type}");
        }
    }
    for name in OF_LIBZMQ.split_whitespace() {
        assert!(document.contains(&format!("`ZMQ_{name}`")), "ZMQ_{name}");
    }
}
