//! Every call to libzmq, and every way for a message to go. `.ci/memory` runs
//! these under memcheck, which sees what no assertion can.

#[cfg(target_os = "linux")]
mod configured;

use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::option::OptionId;
use super::{Context, ContextSettings, Errno, Farewell, Message, Socket, SocketType};

type Outcome = Result<(), Errno>;

/// Nothing takes longer, not even under memcheck.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where every transport may be bound; the last takes a directory.
const TRANSPORTS: [&str; 4] =
    ["inproc://sys", "tcp://127.0.0.1:*", "ws://127.0.0.1:*/sys", "ipc://"];

/// With nothing but what must be said.
const fn settings(io_threads: i32, max_sockets: i32) -> ContextSettings {
    ContextSettings { io_threads, max_sockets, others: Vec::new() }
}

/// A context, and who is told when it is terminated.
fn context() -> Result<(Context, Receiver<()>), Errno> {
    let farewell = Farewell { may_wait: || false, at_most: Duration::ZERO };
    let context = Context::new(&settings(1, 100), farewell)?;
    let (ended, end) = mpsc::channel();
    context.on_terminated(move || ended.send(()).unwrap_or_default());
    Ok((context, end))
}

/// Drops the context and waits until libzmq has let go of everything.
fn terminated(context: Context, end: &Receiver<()>) {
    drop(context);
    assert_eq!(end.recv_timeout(PATIENCE), Ok(()), "the context is not terminated");
}

/// Waits on the descriptor, unless there is something to do already.
fn wait(socket: &Socket, wanted: impl Fn(super::Events) -> bool) -> Outcome {
    while !wanted(socket.events()?) {
        let mut poll = libc::pollfd { fd: socket.fd()?, events: libc::POLLIN, revents: 0 };
        let patience = libc::c_int::try_from(PATIENCE.as_millis()).unwrap();
        // SAFETY: one `pollfd`, which is alive; the descriptor is the socket's.
        let ready = unsafe { libc::poll(&raw mut poll, 1, patience) };
        assert_ne!(ready, 0, "no news from libzmq");
    }
    Ok(())
}

fn send(socket: &mut Socket, frames: impl IntoIterator<Item = Message>) -> Outcome {
    let mut frames = frames.into_iter().peekable();
    while let Some(mut frame) = frames.next() {
        let more = frames.peek().is_some();
        loop {
            match socket.send_frame(&mut frame, more) {
                Err(Errno::AGAIN) => wait(socket, super::Events::writable)?,
                sent => break sent?,
            }
        }
        assert!(frame.as_slice().is_empty(), "what is sent is libzmq's");
    }
    Ok(())
}

fn next_frame(socket: &mut Socket) -> Result<Message, Errno> {
    let mut frame = Message::blank();
    let size = socket.receive_into(&mut frame)?;
    assert_eq!(size, frame.as_slice().len());
    Ok(frame)
}

fn receive(socket: &mut Socket) -> Result<Vec<Message>, Errno> {
    let mut frames = Vec::new();
    loop {
        match next_frame(socket) {
            Ok(frame) => {
                let more = frame.more();
                frames.push(frame);
                if !more {
                    return Ok(frames);
                }
            }
            Err(Errno::AGAIN) => wait(socket, super::Events::readable)?,
            Err(other) => return Err(other),
        }
    }
}

/// A sender and a receiver that are connected over a transport.
fn pair(context: &Context, transport: &str, kinds: [SocketType; 2]) -> Result<[Socket; 2], Errno> {
    let directory = tempfile::tempdir().unwrap();
    let at = match transport {
        "ipc://" => format!("ipc://{}/s", directory.path().display()),
        other => other.to_owned(),
    };
    let [sender, receiver] = kinds.map(|kind| Socket::open(context, kind));
    let (sender, receiver) = (sender?, receiver?);
    receiver.bind(&at)?;
    sender.connect(&receiver.last_endpoint()?)?;
    if transport == "ipc://" {
        // The file is gone with the directory: nobody may still be about to connect.
        let (mut sender, mut receiver) = (sender, receiver);
        send(&mut sender, [Message::new("hello".into())?])?;
        receive(&mut receiver)?;
        return Ok([sender, receiver]);
    }
    Ok([sender, receiver])
}

/// Frames of every origin, around the sizes where libzmq and this room change
/// their way of keeping them.
fn frames() -> Vec<Bytes> {
    static LARGE: [u8; 3_000] = [5; 3_000];
    let sizes = [0, 1, 29, 30, 33, 34, 125, 126, 255, 256, 1_023, 1_024, 8_192, 65_536, 300_000];
    let mut frames: Vec<_> = sizes
        .into_iter()
        .map(|size: usize| Bytes::from((0..=250_u8).cycle().take(size).collect::<Vec<_>>()))
        .collect();
    let shared = frames.last().cloned().unwrap_or_default();
    frames.extend([shared.slice(3..2_003), shared.slice(5..9), shared]);
    frames.extend([Bytes::from_static(&LARGE), Bytes::from_static(b"short")]);
    frames
}

fn messages(frames: &[Bytes]) -> Result<Vec<Message>, Errno> {
    frames.iter().cloned().map(Message::new).collect()
}

#[test]
fn frames_of_every_size_and_origin_arrive_whole_and_are_released_over_every_transport() -> Outcome {
    for transport in TRANSPORTS {
        let (context, end) = context()?;
        let [mut push, mut pull] = pair(&context, transport, [SocketType::Push, SocketType::Pull])?;
        let frames = frames();
        let mut kept = Vec::new();
        for _ in 0..3 {
            send(&mut push, messages(&frames)?)?;
            let arrived = receive(&mut pull)?;
            assert_eq!(arrived.len(), frames.len());
            let more = arrived.iter().filter(|frame| frame.more()).count();
            assert_eq!(more, frames.len() - 1);
            for (arrived, sent) in arrived.iter().zip(&frames) {
                assert!(arrived.as_slice() == sent, "{transport}: {} bytes", sent.len());
            }
            // Received frames are kept beyond their socket and its context.
            kept.extend(arrived);
        }
        drop((push, pull));
        terminated(context, &end);
        assert_eq!(kept.iter().filter(|frame| frame.as_slice().len() == 8_192).count(), 3);
        drop(kept);
        let (single, shared): (Vec<_>, Vec<_>) =
            frames.into_iter().partition(|frame| frame.len() == 8_192 || frame.len() == 65_536);
        assert!(single.iter().all(Bytes::is_unique), "{transport}: a buffer is never released");
        drop(shared);
    }
    Ok(())
}

#[test]
fn a_copy_that_is_sent_leaves_the_original_and_its_bytes_as_they_were() -> Outcome {
    for transport in TRANSPORTS {
        let (context, end) = context()?;
        let [mut push, mut pull] = pair(&context, transport, [SocketType::Push, SocketType::Pull])?;
        for data in frames() {
            let mut original = Message::new(data.clone())?;
            for _ in 0..2 {
                send(&mut push, [original.duplicate()?])?;
                assert!(original.as_slice() == data);
            }
            drop(original);
            for _ in 0..2 {
                let [arrived] = &receive(&mut pull)?[..] else { panic!("one frame") };
                assert!(arrived.as_slice() == data, "{transport}: {} bytes", data.len());
            }
        }
        drop((push, pull));
        terminated(context, &end);
    }
    Ok(())
}

#[test]
fn what_is_received_is_sent_on_as_it_is() -> Outcome {
    let (context, end) = context()?;
    let kinds = [SocketType::Dealer, SocketType::Router];
    let [mut dealer, mut router] = pair(&context, "tcp://127.0.0.1:*", kinds)?;
    let frames = frames();
    send(&mut dealer, messages(&frames)?)?;
    let asked = receive(&mut router)?;
    assert_eq!(asked.len(), 1 + frames.len(), "the routing id in front");
    send(&mut router, asked)?;
    let back = receive(&mut dealer)?;
    assert!(back.iter().map(Message::as_slice).eq(frames.iter().map(|frame| &frame[..])));
    drop((dealer, router));
    terminated(context, &end);
    Ok(())
}

#[test]
fn a_refused_frame_is_untouched_and_released_with_its_owner() -> Outcome {
    let (context, end) = context()?;
    let mut push = Socket::open(&context, SocketType::Push)?;
    let mut router = Socket::open(&context, SocketType::Router)?;
    router.set_i32(OptionId::ROUTER_MANDATORY, 1)?;
    for size in [10, 10_000] {
        let data = Bytes::from(vec![1; size]);
        let mut frame = Message::new(data.clone())?;
        assert_eq!(push.send_frame(&mut frame, true), Err(Errno::AGAIN));
        assert_eq!(router.send_frame(&mut frame, true), Err(Errno::HOSTUNREACH));
        assert_eq!(frame.as_slice(), &data[..]);
        drop(frame);
        assert!(data.is_unique());
    }
    assert!(matches!(next_frame(&mut router), Err(Errno::AGAIN)));
    assert!(matches!(next_frame(&mut push), Err(error) if error != Errno::AGAIN));
    drop((push, router));
    terminated(context, &end);
    Ok(())
}

#[test]
fn a_socket_that_is_closed_with_unsent_messages_and_linger_0_releases_them() -> Outcome {
    // Nobody listens at the first; the peer at the second does not read, and is
    // there until all is released: its end must not break off meanwhile.
    for connected in [false, true] {
        let (context, end) = context()?;
        let pull = Socket::open(&context, SocketType::Pull)?;
        pull.set_i32(OptionId::RCVHWM, 1)?;
        pull.bind("tcp://127.0.0.1:*")?;
        let mut push = Socket::open(&context, SocketType::Push)?;
        let at = if connected { pull.last_endpoint()? } else { "tcp://127.0.0.1:9".to_owned() };
        push.connect(&at)?;
        push.set_i32(OptionId::LINGER, 0)?;
        // More than the kernel holds.
        let data = Bytes::from(vec![1; 1_000_000]);
        for _ in 0..50 {
            send(&mut push, messages(&[data.clone(), Bytes::from_static(b"end")])?)?;
        }
        if connected {
            wait(&pull, super::Events::readable)?;
        }
        assert!(!data.is_unique());
        drop(push);
        let closed = Instant::now();
        while !data.is_unique() {
            assert!(closed.elapsed() < PATIENCE, "never released");
            thread::yield_now();
        }
        drop(pull);
        terminated(context, &end);
    }
    Ok(())
}

#[test]
fn a_socket_that_is_closed_in_the_middle_of_a_message_releases_its_frames() -> Outcome {
    for transport in TRANSPORTS {
        let (context, end) = context()?;
        let [mut push, mut pull] = pair(&context, transport, [SocketType::Push, SocketType::Pull])?;
        let data = Bytes::from(vec![1; 20_000]);
        // One of two frames read, and one of two sent.
        send(&mut push, messages(&[data.clone(), data.clone()])?)?;
        wait(&pull, super::Events::readable)?;
        let first = next_frame(&mut pull)?;
        assert!(first.more());
        wait(&push, super::Events::writable)?;
        push.send_frame(&mut Message::new(data.clone())?, true)?;
        drop((first, push, pull));
        terminated(context, &end);
        assert!(data.is_unique(), "{transport}");
    }
    Ok(())
}

#[test]
fn a_context_ends_after_its_last_handle_and_its_last_socket() -> Outcome {
    let (context, end) = context()?;
    let clone = context.clone();
    let socket = Socket::open(&context, SocketType::Pair)?;
    drop(context);
    let other = Socket::open(&clone, SocketType::Pair)?;
    drop(clone);
    assert_eq!(end.try_recv(), Err(mpsc::TryRecvError::Empty), "a socket is open");
    // Sockets are told that it is about to end.
    while socket.events() != Err(Errno::TERM) {
        thread::yield_now();
    }
    drop(socket);
    // Another thread may close what this one has opened.
    thread::spawn(move || drop(other)).join().unwrap();
    assert_eq!(end.recv_timeout(PATIENCE), Ok(()));
    Ok(())
}

#[test]
fn whoever_may_wait_for_the_end_does() -> Outcome {
    let context =
        Context::new(&settings(1, 10), Farewell { may_wait: || true, at_most: PATIENCE })?;
    let (ended, end) = mpsc::channel();
    context.on_terminated(move || ended.send(()).unwrap_or_default());
    drop(context);
    assert_eq!(end.try_recv(), Ok(()));
    Ok(())
}

#[test]
fn after_a_shutdown_every_call_says_so_and_nothing_is_lost_to_memory() -> Outcome {
    let (context, end) = context()?;
    let [mut push, mut pull] =
        pair(&context, "inproc://sys", [SocketType::Push, SocketType::Pull])?;
    let data = Bytes::from(vec![1; 20_000]);
    send(&mut push, [Message::new(data.clone())?])?;
    context.shutdown();
    context.shutdown();
    // A send looks for such news now and then only; `events`, each time.
    assert_eq!(push.events(), Err(Errno::TERM));
    let mut frame = Message::new(data.clone())?;
    assert_eq!(push.send_frame(&mut frame, false), Err(Errno::TERM));
    assert_eq!(pull.events(), Err(Errno::TERM));
    assert_eq!(next_frame(&mut pull).err(), Some(Errno::TERM));
    assert_eq!(pull.fd().err(), Some(Errno::TERM));
    assert_eq!(pull.last_endpoint().err(), Some(Errno::TERM));
    assert_eq!(push.bind("inproc://other"), Err(Errno::TERM));
    assert_eq!(push.set_i32(OptionId::LINGER, 0), Err(Errno::TERM));
    assert_eq!(Socket::open(&context, SocketType::XPub).err(), Some(Errno::TERM));
    drop((push, pull, frame));
    terminated(context, &end);
    assert!(data.is_unique());
    Ok(())
}

#[test]
fn a_context_that_cannot_be_had_is_an_error_and_leaves_nothing() -> Outcome {
    let farewell = Farewell { may_wait: || true, at_most: PATIENCE };
    assert_eq!(Context::new(&settings(-1, 10), farewell).err(), Some(Errno::INVAL));
    let context = Context::new(&settings(1, 1), farewell)?;
    let mut sockets = Vec::new();
    let refused = loop {
        match Socket::open(&context, SocketType::Pair) {
            Ok(socket) => sockets.push(socket),
            Err(errno) => break errno,
        }
    };
    assert_eq!(refused, Errno::MFILE);
    assert!(sockets.len() > 1);
    drop(sockets);
    Ok(())
}

#[test]
fn every_type_opens_takes_its_options_and_gives_them_back() -> Outcome {
    use SocketType::{Dealer, Pair, Pull, Push, Req, Router, Stream, Sub, XPub, XSub};

    let (context, end) = context()?;
    for kind in [Pair, Req, XPub, XSub, Sub, Dealer, Router, Pull, Push, Stream] {
        let socket = Socket::open(&context, kind)?;
        for (option, value) in [
            (OptionId::LINGER, 0),
            (OptionId::RECONNECT_IVL, 7),
            (OptionId::RECONNECT_IVL_MAX, 70),
            (OptionId::BACKLOG, 9),
            (OptionId::SNDHWM, 11),
            (OptionId::RCVHWM, 12),
            (OptionId::IMMEDIATE, 1),
            (OptionId::IPV6, 1),
            (OptionId::HEARTBEAT_IVL, 1_000),
            (OptionId::HEARTBEAT_TIMEOUT, 3_000),
        ] {
            socket.set_i32(option, value)?;
            assert_eq!(socket.get_i32(option), Ok(value), "{kind:?} {option:?}");
        }
        socket.set_i64(OptionId::MAXMSGSIZE, 1 << 40)?;
        // An option of 8 bytes has no room in 4.
        assert_eq!(socket.get_i32(OptionId::MAXMSGSIZE), Err(Errno::INVAL));
        socket.set_bytes(OptionId::ROUTING_ID, b"\0\xffid")?;
        assert_eq!(socket.set_bytes(OptionId::ROUTING_ID, &[1; 300]), Err(Errno::INVAL));
        assert_eq!(socket.set_i32(OptionId(9_999), 1), Err(Errno::INVAL));
        assert_eq!(socket.get_i32(OptionId(9_999)), Err(Errno::INVAL));
        assert_eq!(
            socket.set_bytes(OptionId::SNDHWM, b"too long to be a number"),
            Err(Errno::INVAL)
        );
        assert!(format!("{socket:?} {context:?}").contains("Socket"));
    }
    let own = [
        (Router, OptionId::ROUTER_MANDATORY),
        (Router, OptionId::ROUTER_HANDOVER),
        (Dealer, OptionId::PROBE_ROUTER),
        (XPub, OptionId::XPUB_NODROP),
        (XPub, OptionId::XPUB_VERBOSE),
        (XPub, OptionId::XPUB_VERBOSER),
    ];
    for (kind, option) in own {
        Socket::open(&context, kind)?.set_i32(option, 1)?;
        assert!(Socket::open(&context, Pull)?.set_i32(option, 1).is_err(), "{option:?}");
    }
    Socket::open(&context, XPub)?.set_bytes(OptionId::XPUB_WELCOME_MSG, b"welcome")?;
    let sub = Socket::open(&context, Sub)?;
    for prefix in [&b""[..], b"a", &[0; 500]] {
        sub.set_bytes(OptionId::SUBSCRIBE, prefix)?;
        sub.set_bytes(OptionId::UNSUBSCRIBE, prefix)?;
    }
    drop(sub);
    terminated(context, &end);
    Ok(())
}

#[test]
fn endpoints_are_bound_told_and_left_and_the_wrong_ones_refused() -> Outcome {
    let (context, end) = context()?;
    let [push, pull] =
        [SocketType::Push, SocketType::Pull].map(|kind| Socket::open(&context, kind));
    let (push, pull) = (push?, pull?);
    assert_eq!(pull.last_endpoint().as_deref(), Ok(""));
    for transport in ["tcp://127.0.0.1:*", "ws://127.0.0.1:*/x", "inproc://sys"] {
        pull.bind(transport)?;
        let bound = pull.last_endpoint()?;
        assert!(!bound.contains('*') && !bound.is_empty());
        push.connect(&bound)?;
        push.disconnect(&bound)?;
        assert_eq!(push.disconnect(&bound), Err(Errno::NOENT), "{bound}");
        let again = pull.bind(&bound);
        assert_eq!(again, Err(Errno::ADDRINUSE), "{bound}");
        pull.unbind(&bound)?;
        assert_eq!(pull.unbind(&bound), Err(Errno::NOENT), "{bound}");
    }
    assert_eq!(push.connect("tcp://with\0nul:1"), Err(Errno::INVAL));
    assert_eq!(push.connect("nothing"), Err(Errno::INVAL));
    assert_eq!(push.connect("no://such"), Err(Errno::PROTONOSUPPORT));
    assert_eq!(push.bind("ipc:///etc/passwd/x"), Err(Errno::NOTDIR));
    let long = format!("ipc://{}", "x".repeat(500));
    assert_eq!(push.bind(&long), Err(Errno::NAMETOOLONG));
    let directory = tempfile::tempdir().unwrap();
    let path = format!("ipc://{}/s", directory.path().display());
    pull.bind(&path)?;
    assert_eq!(push.bind(&path), Err(Errno::ADDRINUSE));
    drop((push, pull));
    terminated(context, &end);
    Ok(())
}

#[test]
fn publishers_are_told_of_subscriptions_and_of_their_end() -> Outcome {
    let (context, end) = context()?;
    let [xsub, mut xpub] = pair(&context, "inproc://sys", [SocketType::XSub, SocketType::XPub])?;
    for (prefix, on) in [(vec![], true), (vec![b'x'; 400], true), (vec![b'x'; 400], false)] {
        xsub.tell(&prefix, on)?;
        let told = receive(&mut xpub)?;
        let [told] = &told[..] else { panic!("one frame") };
        assert_eq!(told.as_slice(), [&[u8::from(on)][..], &prefix].concat());
    }
    // With a subscription open: libzmq keeps the trie that it is in.
    xsub.tell(b"open", true)?;
    receive(&mut xpub)?;
    drop((xsub, xpub));
    terminated(context, &end);
    Ok(())
}

#[test]
fn the_last_error_number_is_that_of_the_call_that_failed() -> Outcome {
    let (context, end) = context()?;
    let socket = Socket::open(&context, SocketType::Pull)?;
    assert_eq!(socket.unbind("inproc://nothing"), Err(Errno::NOENT));
    assert_eq!(Errno::last(), Errno::NOENT);
    assert_eq!(Errno::check(-1), Err(Errno::NOENT));
    assert_eq!(Errno::check(3), Ok(3));
    drop(socket);
    terminated(context, &end);
    assert!(super::version() >= (4, 0, 0));
    Ok(())
}
