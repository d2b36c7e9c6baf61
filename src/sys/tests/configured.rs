//! That what counts as a configured build is one, and the other way round: what
//! the kernel says of connections and threads, beside what libzmq takes.

use std::fs;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, RawFd};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use super::super::{
    Context, ContextSettings, CtxOption, Errno, Farewell, Message, Need, Socket, SocketType,
    peer_address,
};
use super::{OptionId, Outcome, PATIENCE, receive, send};

fn context(others: Vec<(CtxOption, i32)>) -> Result<Context, Errno> {
    let settings = ContextSettings { io_threads: 1, max_sockets: 10, others };
    Context::new(&settings, Farewell { may_wait: || true, at_most: PATIENCE })
}

fn is_configured() -> bool {
    let configured = Need::Configured.lacking().is_none();
    println!("configured: {configured}");
    configured
}

/// Does something with each descriptor of this process that is connected with this address.
fn connections_with(address: SocketAddr, mut see: impl FnMut(SockRef<'_>)) -> usize {
    let fds = fs::read_dir("/proc/self/fd").unwrap().filter_map(Result::ok);
    let fds: Vec<RawFd> =
        fds.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let ours = fds.into_iter().filter(|fd| peer_address(*fd) == Some(address));
    // SAFETY: its peer is the socket of this test, and so is its owner, which is open.
    ours.map(|fd| see(SockRef::from(&unsafe { BorrowedFd::borrow_raw(fd) }))).count()
}

/// Two sockets between which a message has gone, and where the second one listens.
fn connected(
    context: &Context,
    set: impl Fn(&Socket) -> Outcome,
) -> Result<(Socket, Socket, SocketAddr), Errno> {
    let mut push = Socket::open(context, SocketType::Push)?;
    let mut pull = Socket::open(context, SocketType::Pull)?;
    set(&push)?;
    pull.bind("tcp://127.0.0.1:*")?;
    let at = pull.last_endpoint()?;
    push.connect(&at)?;
    send(&mut push, [Message::new("hello".into())?])?;
    receive(&mut pull)?;
    Ok((push, pull, at.trim_start_matches("tcp://").parse().unwrap()))
}

#[test]
fn keepalive_reaches_the_connection_exactly_where_the_build_is_configured() -> Outcome {
    let context = context(Vec::new())?;
    let (_push, _pull, at) = connected(&context, |push| {
        push.set_i32(OptionId::TCP_KEEPALIVE, 1)?;
        push.set_i32(OptionId::TCP_KEEPALIVE_CNT, 7)?;
        push.set_i32(OptionId::TCP_KEEPALIVE_IDLE, 77)?;
        push.set_i32(OptionId::TCP_KEEPALIVE_INTVL, 17)
    })?;
    let configured = is_configured();
    let seen = connections_with(at, |connection| {
        assert_eq!(connection.keepalive().unwrap(), configured);
        if configured {
            assert_eq!(connection.tcp_keepalive_retries().unwrap(), 7);
            assert_eq!(connection.tcp_keepalive_time().unwrap(), Duration::from_secs(77));
            assert_eq!(connection.tcp_keepalive_interval().unwrap(), Duration::from_secs(17));
        }
    });
    assert_eq!(seen, 1);
    Ok(())
}

#[test]
fn a_connection_is_bound_to_its_device_where_the_build_is_configured() -> Outcome {
    let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    if let Err(error) = SockRef::from(&probe).bind_device(Some(b"lo")) {
        println!("SKIPPED: this process may not bind to a device: {error}");
        return Ok(());
    }
    let context = context(Vec::new())?;
    if !is_configured() {
        let pull = Socket::open(&context, SocketType::Pull)?;
        pull.set_bytes(OptionId::BINDTODEVICE, b"lo")?;
        assert_eq!(pull.bind("tcp://127.0.0.1:*"), Err(Errno::NOTSUP));
        return Ok(());
    }
    let (_push, _pull, at) =
        connected(&context, |push| push.set_bytes(OptionId::BINDTODEVICE, b"lo"))?;
    let seen = connections_with(at, |connection| {
        assert_eq!(connection.device().unwrap(), Some(b"lo".to_vec()));
    });
    assert_eq!(seen, 1);
    Ok(())
}

#[test]
fn threads_have_their_name_and_processors_where_the_build_is_configured() -> Outcome {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let allowed = value_of(&status, "Cpus_allowed_list:");
    let first: i32 = allowed.split([',', '-']).next().unwrap().parse().unwrap();
    let context = context(vec![(CtxOption::ThreadNamePrefix, 4711), (CtxOption::ThreadCpu, first)]);
    let _context = context?;
    let configured = is_configured();
    // The threads name themselves once they run.
    let ours = loop {
        let tasks = fs::read_dir("/proc/self/task").unwrap().filter_map(Result::ok);
        let ours: Vec<_> = tasks
            .filter_map(|task| fs::read_to_string(task.path().join("status")).ok())
            .filter(|status| value_of(status, "Name:").starts_with("4711/ZMQbg/IO"))
            .collect();
        if !ours.is_empty() || !configured {
            break ours;
        }
        thread::yield_now();
    };
    assert_eq!(!ours.is_empty(), configured);
    for status in ours {
        assert_eq!(value_of(&status, "Cpus_allowed_list:"), first.to_string());
    }
    Ok(())
}

#[test]
fn an_interface_has_a_name_where_the_build_is_configured() -> Outcome {
    let context = context(Vec::new())?;
    let bound = Socket::open(&context, SocketType::Pull)?.bind("tcp://lo:*");
    assert_eq!(bound, if is_configured() { Ok(()) } else { Err(Errno::NODEV) });
    Ok(())
}

fn value_of<'a>(status: &'a str, key: &str) -> &'a str {
    status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().trim()
}
