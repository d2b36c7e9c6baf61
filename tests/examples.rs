//! The examples as their users run them: real processes, signals and pipes.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// No wait in this file is longer; most end within milliseconds.
const DEADLINE: Duration = Duration::from_secs(20);

const ANY_PORT: &str = "tcp://127.0.0.1:*";

#[test]
fn quickstart_tours_every_part_and_ends_by_itself() -> Outcome {
    let (out, _) = Example::start("quickstart", &[])?.success()?;
    let out = out.join("\n");
    for part in [
        "prices.EUR is at 1.08",
        "prices.USD is at 1.00",
        "worker: job 3 done",
        "20 + 22 = 42",
        "client: timed out",
        "PUSH is down",
        "PUSH restarts in",
        "PUSH is up again",
        "all 197 jobs done, none lost",
        "6 sockets closed",
        "context terminated",
    ] {
        assert!(out.contains(part), "no {part:?} in:\n{out}");
    }
    assert!(!out.contains("nobody asked for"), "a topic without subscription arrived:\n{out}");
    Ok(())
}

#[test]
fn quickstart_ends_cleanly_at_an_interrupt() -> Outcome {
    let quickstart = Example::start("quickstart", &[])?;
    quickstart.stdout_until(|line| line.starts_with("4."))?;
    quickstart.signal("INT")?;
    let (out, _) = quickstart.success()?;
    assert!(out.iter().any(|line| line.contains("context terminated")), "{out:?}");
    assert!(!out.iter().any(|line| line.contains("none lost")), "not interrupted: {out:?}");
    Ok(())
}

#[test]
fn subscriber_prints_tag_and_time_and_ends_at_its_count() -> Outcome {
    let publisher = ["-M", "publisher", "-m", "bind", "-e", ANY_PORT, "--topic", "news.de"];
    let publisher = Example::start("pub_sub", &[&publisher[..], &["--interval", "20"]].concat())?;
    let endpoint = publisher.ready()?;
    let subscriber = ["--mode", "subscriber", "--endpoint", &endpoint];
    let (out, _) = Example::start(
        "pub_sub",
        &[&subscriber[..], &["--topic", "news", "--count", "3"]].concat(),
    )?
    .success()?;
    assert_eq!(out.len(), 3);
    for line in &out {
        let (tag, time) = line.split_once('\t').ok_or("no tab")?;
        assert_eq!(tag, "news.de");
        assert!(time.parse::<f64>().is_ok(), "{line:?}");
    }
    publisher.interrupted()?;
    Ok(())
}

#[test]
fn publisher_ends_at_its_count_also_when_nobody_listens() -> Outcome {
    let publisher = ["-M", "publisher", "-m", "bind", "-e", ANY_PORT];
    let counted = ["--count", "2", "--interval", "0"];
    let (out, _) = Example::start("pub_sub", &[&publisher[..], &counted].concat())?.success()?;
    assert!(out.is_empty(), "{out:?}");
    Ok(())
}

#[test]
fn pusher_skips_without_counting_until_there_is_a_puller() -> Outcome {
    let pusher = ["-M", "push", "-m", "bind", "-e", ANY_PORT, "--count", "3", "--interval", "20"];
    let pusher = Example::start("push_pull", &pusher)?;
    let endpoint = pusher.ready()?;
    pusher.stderr_until(|line| line == "Skipping, no pull consumers...")?;
    let puller = ["-M", "pull", "-e", &endpoint, "--count", "3"];
    let (out, _) = Example::start("push_pull", &puller)?.success()?;
    assert_eq!(out.len(), 3);
    for line in &out {
        let (time, host) = line.split_once('\t').ok_or("no tab")?;
        assert!(time.parse::<f64>().is_ok() && !host.is_empty(), "{line:?}");
    }
    pusher.success()?;
    Ok(())
}

#[test]
fn pusher_that_connects_skips_too() -> Outcome {
    let directory = tempfile::tempdir()?;
    let endpoint = format!("ipc://{}", directory.path().join("later").display());
    let pusher = ["-M", "push", "-e", &endpoint, "--count", "2", "--interval", "20"];
    let pusher = Example::start("push_pull", &pusher)?;
    pusher.stderr_until(|line| line == "Skipping, no pull consumers...")?;
    let puller = ["-M", "pull", "-m", "bind", "-e", &endpoint, "--count", "2"];
    let (out, _) = Example::start("push_pull", &puller)?.success()?;
    assert_eq!(out.len(), 2);
    pusher.success()?;
    Ok(())
}

#[test]
fn requester_prints_the_echo_that_the_replier_printed() -> Outcome {
    let replier = ["-M", "rep", "-m", "bind", "-e", ANY_PORT, "--count", "3"];
    let replier = Example::start("req_rep", &replier)?;
    let endpoint = replier.ready()?;
    let requester = ["-M", "req", "-e", &endpoint, "--count", "3", "--interval", "0"];
    // A loaded machine shall not make a reply late.
    let patient = ["--timeout", "15000"];
    let (answered, _) =
        Example::start("req_rep", &[&requester[..], &patient].concat())?.success()?;
    let (asked, _) = replier.success()?;
    assert_eq!(answered.len(), 3);
    assert_eq!(answered, asked);
    Ok(())
}

#[test]
fn requester_prints_timeout_when_there_is_no_replier() -> Outcome {
    let directory = tempfile::tempdir()?;
    let endpoint = format!("ipc://{}", directory.path().join("nobody").display());
    for method in ["bind", "connect"] {
        let requester = ["-M", "req", "-m", method, "-e", &endpoint, "--count", "2"];
        let hasty = ["--interval", "0", "--timeout", "30"];
        let (out, _) = Example::start("req_rep", &[&requester[..], &hasty].concat())?.success()?;
        assert_eq!(out, ["timeout", "timeout"], "{method}");
    }
    Ok(())
}

#[test]
fn cameras_show_what_the_server_says() -> Outcome {
    let directory = tempfile::tempdir()?;
    let server = ["server", "-e", ANY_PORT, "-e", "ipc://./*:5567", "--interval", "20"];
    let server = Example::start_in(directory.path(), "waynes_world", &server)?;
    let first = server.ready()?;
    assert_eq!(server.ready()?, "ipc://./*:5567");
    let camera = ["camera1", "-e", &first, "--count", "2"];
    let camera1 = Example::start_in(directory.path(), "waynes_world", &camera)?;
    let camera2 =
        Example::start_in(directory.path(), "waynes_world", &["camera2", "--count", "2"])?;
    assert_eq!(camera1.success()?.0, ["MSG 1:  'Camera 1'"; 2]);
    assert_eq!(camera2.success()?.0, ["MSG 2:  'Camera 2'"; 2]);
    let (said, _) = server.interrupted()?;
    assert_eq!(said[..2], ["Camera 1?", "Camera 2?"]);
    Ok(())
}

#[test]
fn json_is_passed_as_soon_as_there_is_a_worker() -> Outcome {
    let directory = tempfile::tempdir()?;
    let server = ["server", "--count", "3", "--interval", "10"];
    let server = Example::start_in(directory.path(), "passing_json", &server)?;
    // It has said so once, and waits.
    server.stdout_until(|line| line == "Hello world?")?;
    let client = Example::start_in(directory.path(), "passing_json", &["client", "--count", "3"])?;
    assert_eq!(client.success()?.0, ["200 :: hello world"; 3]);
    assert_eq!(server.success()?.0, ["Hello world?"; 2], "after the first, which was read above");
    Ok(())
}

#[test]
fn echo_client_hears_its_own_words_five_times() -> Outcome {
    let directory = tempfile::tempdir()?;
    // The client comes first: without a timeout it waits for its server.
    let client = Example::start_in(directory.path(), "echo", &["client"])?;
    client.stderr_until(|line| line == "connecting ipc://127.0.0.1:5678")?;
    let server = Example::start_in(directory.path(), "echo", &["server"])?;
    assert_eq!(client.success()?.0, [r#"MSG: {"j2": "was here", "word": "up"}"#; 5]);
    assert_eq!(server.interrupted()?.0, [r#"{"j2": "was here", "word": "up"}"#; 5]);
    Ok(())
}

#[test]
fn both_ends_of_a_pair_hear_all_that_the_other_says() -> Outcome {
    let hasty = ["--count", "3", "--interval", "10"];
    let bound = ["-m", "bind", "-e", ANY_PORT];
    let bound = Example::start("pair", &[&bound[..], &hasty].concat())?;
    let endpoint = bound.ready()?;
    let connected = Example::start("pair", &[&["-e", &endpoint][..], &hasty].concat())?;
    assert_eq!(connected.success()?.0, ["bind\t1", "bind\t2", "bind\t3"]);
    assert_eq!(bound.success()?.0, ["connect\t1", "connect\t2", "connect\t3"]);
    Ok(())
}

#[test]
fn an_end_whose_lines_nobody_reads_stops_talking() -> Outcome {
    let bound = Example::start("pair", &["-m", "bind", "-e", ANY_PORT, "--interval", "10"])?;
    let mut unread = Example::start("pair", &["-e", &bound.ready()?, "--interval", "10"])?;
    // Its pipe is closed at the first line.
    unread.out = channel().1;
    let (_, err) = unread.success()?;
    assert!(err.iter().any(|line| line.starts_with("stdout: ")), "{err:?}");
    bound.interrupted()?;
    Ok(())
}

#[test]
fn router_gives_each_dealer_all_its_replies_and_tells_who_is_not_there() -> Outcome {
    let router = ["-M", "router", "-m", "bind", "-e", ANY_PORT, "--count", "4"];
    let router = Example::start("router_dealer", &router)?;
    assert_eq!(
        router.stdout_until(|line| line.starts_with("nobody"))?,
        "nobody\tpeer is not connected"
    );
    let endpoint = router.ready()?;
    let dealer = |id| {
        let named = ["-M", "dealer", "-e", &endpoint, "--id", id];
        let counted = ["--count", "2", "--interval", "10"];
        Example::start("router_dealer", &[&named[..], &counted].concat())
    };
    for dealer in [dealer("ada")?, dealer("bob")?] {
        let (replies, _) = dealer.success()?;
        assert_eq!(replies, ["1\t1/3", "1\t2/3", "1\t3/3", "2\t1/3", "2\t2/3", "2\t3/3"]);
    }
    let (mut asked, _) = router.success()?;
    asked.sort();
    assert_eq!(asked, ["ada\t1", "ada\t2", "bob\t1", "bob\t2"]);
    Ok(())
}

#[test]
fn router_goes_on_when_a_dealer_has_left() -> Outcome {
    let directory = tempfile::tempdir()?;
    let endpoint = format!("ipc://{}", directory.path().join("router").display());
    // libzmq keeps requests for a router that is still to come.
    let named = ["-M", "dealer", "-e", &endpoint, "--id"];
    let hasty = ["--count", "1", "--interval", "0"];
    let dealer = |id| Example::start("router_dealer", &[&named[..], &[id], &hasty].concat());
    let first = dealer("ada")?;
    let router = ["-M", "router", "-m", "bind", "-e", &endpoint, "--greet", "eve"];
    let router = Example::start("router_dealer", &router)?;
    assert_eq!(router.stdout_until(|_| true)?, "eve\tpeer is not connected");
    assert_eq!(first.success()?.0.len(), 3);
    assert_eq!(dealer("bob")?.success()?.0.len(), 3);
    assert_eq!(router.interrupted()?.0, ["ada\t1", "bob\t1"]);
    Ok(())
}

#[test]
fn broker_carries_requests_through_several_clients_and_servers() -> Outcome {
    let directory = tempfile::tempdir()?;
    let at = |name| format!("ipc://{}", directory.path().join(name).display());
    let (frontend, backend) = (at("frontend"), at("backend"));
    // The clients come first: their requests wait.
    let client = ["client", "-e", &frontend, "--interval", "10", "--name"];
    let patient = Example::start("broker", &[&client[..], &["ada"]].concat())?;
    let counted = Example::start("broker", &[&client[..], &["bob", "--count", "3"]].concat())?;
    let broker = Example::start("broker", &["broker", "-f", &frontend, "-b", &backend])?;
    assert_eq!((broker.ready()?, broker.ready()?), (frontend.clone(), backend.clone()));
    let server = |name| Example::start("broker", &["server", "-e", &backend, "--name", name]);
    let (first, second) = (server("first")?, server("second")?);
    // Everyone has a turn.
    first.stdout_until(|line| line.starts_with("ada"))?;
    second.stdout_until(|line| line.starts_with("ada"))?;
    broker.stdout_until(|line| line.starts_with("ada") && line.ends_with("first"))?;
    broker.stdout_until(|line| line.starts_with("ada") && line.ends_with("second"))?;
    let (replies, _) = counted.success()?;
    assert_eq!(replies.len(), 3);
    for (reply, number) in replies.iter().zip(1..) {
        assert!(reply.starts_with(&format!("bob\t{number}\t")), "{replies:?}");
    }
    let (replies, _) = patient.interrupted()?;
    assert!(replies.iter().all(|reply| reply.starts_with("ada\t")), "{replies:?}");
    first.interrupted()?;
    second.interrupted()?;
    broker.interrupted()?;
    Ok(())
}

#[test]
fn broker_ends_when_the_last_reply_that_counts_is_passed_back() -> Outcome {
    let broker = ["broker", "-f", ANY_PORT, "-b", ANY_PORT, "--count", "2"];
    let broker = Example::start("broker", &broker)?;
    let (frontend, backend) = (broker.ready()?, broker.ready()?);
    let server = ["server", "-e", &backend, "--name", "here", "--count", "2"];
    let server = Example::start("broker", &server)?;
    let client = ["client", "-e", &frontend, "--name", "ada", "--count", "2", "--interval", "0"];
    let client = Example::start("broker", &client)?;
    let replies = ["ada\t1\there", "ada\t2\there"];
    assert_eq!(client.success()?.0, replies);
    assert_eq!(broker.success()?.0, replies);
    assert_eq!(server.success()?.0, ["ada\t1", "ada\t2"]);
    Ok(())
}

#[test]
fn monitor_tells_of_a_peer_from_its_coming_to_its_going() -> Outcome {
    let monitor = Example::start("monitor", &["-m", "bind", "-e", ANY_PORT, "--count", "5"])?;
    let endpoint = monitor.ready()?;
    let pusher = Example::start("push_pull", &["-M", "push", "-e", &endpoint, "--interval", "0"])?;
    let mut out = Vec::new();
    while out.len() < 4 {
        out.push(monitor.stdout_until(|_| true)?);
    }
    // It stayed until here, so that the operating system knows its address.
    pusher.interrupted()?;
    out.extend(monitor.success()?.0);
    let rows: Vec<Vec<_>> = out.iter().map(|line| line.split('\t').collect()).collect();
    let peer = rows.get(2).and_then(|row| row.get(2)).ok_or("no peer")?;
    assert!(peer.starts_with("127.0.0.1:"), "{out:?}");
    let events = [
        ["up", &endpoint, "-", "1", "-"],
        ["listening", &endpoint, "-", "1", "-"],
        ["accepted", &endpoint, peer, "1", "-"],
        ["handshake-succeeded", &endpoint, peer, "1", "-"],
        ["disconnected", &endpoint, peer, "1", "-"],
    ];
    assert_eq!(rows[..5], events);
    assert_eq!(rows[5], ["peers", "0"]);
    Ok(())
}

#[test]
fn monitor_sums_up_after_its_last_event_at_a_signal() -> Outcome {
    let monitor = Example::start("monitor", &["-t", "reply", "-m", "bind", "-e", ANY_PORT])?;
    let requester = ["-M", "req", "-e", &monitor.ready()?, "--interval", "0"];
    let patient = ["--timeout", "15000"];
    let requester = Example::start("req_rep", &[&requester[..], &patient].concat())?;
    monitor.stdout_until(|line| line.starts_with("handshake-succeeded\t"))?;
    requester.stdout_until(|line| line != "timeout")?;
    let (out, _) = monitor.interrupted()?;
    assert_eq!(out[..2], ["closed\t-\t-\t1\t-", "peers\t1"]);
    for counter in ["sent\t", "received\t"] {
        assert!(out.iter().any(|line| line.starts_with(counter)), "{out:?}");
    }
    requester.interrupted()?;
    Ok(())
}

#[test]
fn monitor_watches_a_socket_of_every_type() -> Outcome {
    let types = ["pub", "sub", "push", "pull", "request", "reply", "req", "rep", "dealer"];
    for kind in types.iter().chain(&["router", "pair", "xpub", "xsub", "stream"]) {
        let bound = ["--type", kind, "-m", "bind", "-e", ANY_PORT, "--count", "2"];
        let (out, _) = Example::start("monitor", &bound)?.success()?;
        assert!(out[0].starts_with("up\ttcp://127.0.0.1:"), "{kind}: {out:?}");
        assert!(out[1].starts_with("listening\ttcp://127.0.0.1:"), "{kind}: {out:?}");
        assert_eq!(out[2], "peers\t0", "{kind}");
    }
    Ok(())
}

#[test]
fn monitor_tells_of_attempts_to_connect_and_of_strangers() -> Outcome {
    let monitor = Example::start("monitor", &["-m", "bind", "-e", ANY_PORT])?;
    let endpoint = monitor.ready()?;
    let address = endpoint.trim_start_matches("tcp://");
    // The greeting of a peer that wants CURVE (RFC 23/ZMTP).
    let mut stranger = TcpStream::connect(address)?;
    let greeting = [&b"\xff\0\0\0\0\0\0\0\0\x7f\x03\0CURVE"[..], &[0; 47]].concat();
    stranger.write_all(&greeting)?;
    let failed = monitor.stdout_until(|line| line.starts_with("handshake-failed\t"))?;
    assert!(failed.ends_with("\tmechanisms differ"), "{failed:?}");
    monitor.interrupted()?;
    // Nobody listens there any more.
    let monitor = Example::start("monitor", &["-e", &endpoint])?;
    let retried = monitor.stdout_until(|line| line.starts_with("connect-retried\t"))?;
    assert!(retried.contains("\tafter "), "{retried:?}");
    monitor.interrupted()?;
    Ok(())
}

/// A proxy, its frontend and its backend.
fn proxy(arguments: &[&str]) -> Outcome<(Example, String, String)> {
    let bound = ["-f", ANY_PORT, "-b", ANY_PORT];
    let proxy = Example::start("proxy", &[&bound[..], arguments].concat())?;
    let (frontend, backend) = (proxy.ready()?, proxy.ready()?);
    Ok((proxy, frontend, backend))
}

#[test]
fn proxy_carries_requests_and_shows_them_and_their_replies() -> Outcome {
    let quiet = ["--interval", "3600000"];
    let (proxy, frontend, backend) =
        proxy(&[&["--kind", "queue", "--capture", "--count", "4"][..], &quiet].concat())?;
    let server = Example::start("broker", &["server", "-e", &backend, "--name", "here"])?;
    let client = ["client", "-e", &frontend, "--name", "ada", "--count", "2", "--interval", "0"];
    let client = Example::start("broker", &client)?;
    assert_eq!(client.success()?.0, ["ada\t1\there", "ada\t2\there"]);
    let (out, _) = proxy.success()?;
    // Routing ids and the number of the request come first.
    for (line, end) in out.iter().zip(["\tada\t1", "\tada\t1\there", "\tada\t2", "\tada\t2\there"])
    {
        assert!(line.starts_with("message\t") && line.ends_with(end), "{out:?}");
    }
    assert_eq!(out[4..], ["statistics\t2\t2\t2\t2"]);
    server.interrupted()?;
    Ok(())
}

#[test]
fn proxy_shows_subscriptions_and_publications() -> Outcome {
    let (proxy, frontend, backend) = proxy(&["--kind", "forwarder", "--capture"])?;
    let subscriber = ["-e", &backend, "--topic", "news", "--count", "2"];
    let subscriber = Example::start("pub_sub", &subscriber)?;
    proxy.stdout_until(|line| line == "message\t\\u{1}news")?;
    let publisher = ["-M", "publisher", "-e", &frontend, "--topic", "news.de"];
    let publisher = Example::start("pub_sub", &[&publisher[..], &["--interval", "10"]].concat())?;
    proxy.stdout_until(|line| line.starts_with("message\tnews.de"))?;
    assert_eq!(subscriber.success()?.0.len(), 2);
    publisher.interrupted()?;
    proxy.interrupted()?;
    Ok(())
}

#[test]
fn proxy_is_steered_by_what_is_typed() -> Outcome {
    let quiet = ["--interval", "3600000"];
    let (mut proxy, frontend, backend) =
        proxy(&[&["-k", "streamer", "--capture", "--pause-after", "2"][..], &quiet].concat())?;
    let puller = Example::start("push_pull", &["-M", "pull", "-e", &backend])?;
    let pusher = ["-M", "push", "-e", &frontend, "--count", "20", "--interval", "1"];
    let pusher = Example::start("push_pull", &pusher)?;
    proxy.stdout_until(|line| line == "paused")?;
    // It takes them all, and keeps those that it has not moved yet.
    pusher.success()?;
    proxy.say("statistics")?;
    let before = proxy.stdout_until(|line| line.starts_with("statistics\t"))?;
    proxy.say("what?")?;
    proxy.stderr_until(|line| line == "pause, resume, statistics, or stop?")?;
    proxy.say("statistics")?;
    assert_eq!(proxy.stdout_until(|line| line.starts_with("statistics\t"))?, before);
    proxy.say("resume")?;
    for _ in 0..20 {
        puller.stdout_until(|_| true)?;
    }
    proxy.say("pause")?;
    proxy.stdout_until(|line| line == "paused")?;
    proxy.say("stop")?;
    let (out, _) = proxy.success()?;
    assert_eq!(out, ["statistics\t20\t0\t0\t20"]);
    puller.interrupted()?;
    Ok(())
}

#[test]
fn proxy_tells_statistics_and_goes_on_after_the_end_of_its_input() -> Outcome {
    let (mut proxy, frontend, backend) = proxy(&["--kind", "streamer", "--interval", "20"])?;
    proxy.child.stdin = None;
    proxy.stdout_until(|line| line == "statistics\t0\t0\t0\t0")?;
    let puller = Example::start("push_pull", &["-M", "pull", "-e", &backend, "--count", "3"])?;
    let pusher = ["-M", "push", "-e", &frontend, "--count", "3", "--interval", "0"];
    Example::start("push_pull", &pusher)?.success()?;
    assert_eq!(puller.success()?.0.len(), 3);
    proxy.stdout_until(|line| line == "statistics\t3\t0\t0\t3")?;
    proxy.interrupted()?;
    Ok(())
}

#[test]
fn display_shows_what_all_users_type() -> Outcome {
    let mut ada = Example::start("chat", &["prompt", "ada", "-e", ANY_PORT])?;
    let mut bob = Example::start("chat", &["prompt", "bob", "-e", ANY_PORT])?;
    let display = ["display", "-e", &ada.ready()?, "-e", &bob.ready()?];
    let display = Example::start("chat", &display)?;
    // What is said before the display has subscribed is lost: both repeat themselves.
    ada.say_until("Hello\u{7}!", || display.stdout_has("ada\tHello\\u{7}!"))?;
    bob.say_until("Party on, Ada.", || display.stdout_has("bob\tParty on, Ada."))?;
    display.interrupted()?;
    bob.interrupted()?;
    // The end of the input is an end, too.
    ada.child.stdin = None;
    ada.success()?;
    Ok(())
}

#[test]
fn prompt_and_display_end_at_their_counts() -> Outcome {
    let mut prompt = Example::start("chat", &["prompt", "ada", "-e", ANY_PORT, "--count", "2"])?;
    prompt.say("one")?;
    prompt.say("two")?;
    prompt.success()?;
    let mut prompt = Example::start("chat", &["prompt", "ada", "-e", ANY_PORT])?;
    let mut display = Example::start("chat", &["display", "-e", &prompt.ready()?, "--count", "2"])?;
    prompt.say_until("again", || Ok(display.child.try_wait()?.is_some()))?;
    assert_eq!(display.success()?.0, ["ada\tagain"; 2]);
    prompt.interrupted()?;
    Ok(())
}

#[test]
fn heartbeater_tells_of_new_live_and_failed_hearts() -> Outcome {
    let heartbeater = ["heartbeater", "-e", ANY_PORT, "-e", ANY_PORT, "--interval", "50"];
    let heartbeater = Example::start("heartbeat", &heartbeater)?;
    let (beats, echoes) = (heartbeater.ready()?, heartbeater.ready()?);
    let heart = |arguments: &[&str]| {
        let heart = ["heart", "-e", &beats, "-e", &echoes, "--id", "ada"];
        Example::start("heartbeat", &[&heart[..], arguments].concat())
    };
    let lasting = heart(&[])?;
    for event in ["new\tada", "alive\tada", "alive\tada"] {
        heartbeater.stdout_until(|line| line == event)?;
    }
    lasting.interrupted()?;
    heartbeater.stdout_until(|line| line == "failed\tada")?;
    // It comes back under its id.
    let (beaten, _) = heart(&["--count", "3"])?.success()?;
    assert_eq!(beaten.len(), 3);
    assert!(beaten.iter().all(|line| line.starts_with("beat\t")), "{beaten:?}");
    for event in ["new\tada", "failed\tada"] {
        heartbeater.stdout_until(|line| line == event)?;
    }
    heartbeater.interrupted()?;
    Ok(())
}

#[test]
fn heartbeater_ends_at_its_count_of_lines() -> Outcome {
    let heartbeater = ["heartbeater", "-e", ANY_PORT, "-e", ANY_PORT, "--count", "2"];
    let heartbeater =
        Example::start("heartbeat", &[&heartbeater[..], &["--interval", "50"]].concat())?;
    let (beats, echoes) = (heartbeater.ready()?, heartbeater.ready()?);
    let heart = Example::start("heartbeat", &["heart", "-e", &beats, "-e", &echoes])?;
    let (events, _) = heartbeater.success()?;
    assert_eq!(events.len(), 2);
    assert!(events[0].starts_with("new\theart-"), "{events:?}");
    heart.interrupted()?;
    Ok(())
}

#[test]
fn sink_prints_the_events_of_its_levels() -> Outcome {
    let source = ["source", "-e", ANY_PORT, "--interval", "5"];
    let source = Example::start("zmq_logger", &source)?;
    let endpoint = source.ready()?;
    let sink = |arguments: &[&str]| {
        let sink = ["sink", "-e", &endpoint];
        let (out, _) = Example::start("zmq_logger", &[&sink[..], arguments].concat())?.success()?;
        Outcome::Ok(out)
    };
    let all = sink(&["--count", "5"])?;
    for level in ["TRACE\tevent", "DEBUG\tanother event number=", "INFO\t", "WARN\t", "ERROR\t"] {
        assert_eq!(all.iter().filter(|line| line.starts_with(level)).count(), 1, "{all:?}");
    }
    let some = sink(&["--level", "warn", "--level", "error", "--count", "4"])?;
    for level in ["WARN\tevent ", "ERROR\tevent "] {
        assert_eq!(some.iter().filter(|line| line.starts_with(level)).count(), 2, "{some:?}");
    }
    source.interrupted()?;
    Ok(())
}

#[test]
fn source_publishes_all_it_logged_before_it_ends_at_its_count() -> Outcome {
    let source = ["source", "-e", ANY_PORT, "--count", "12", "--interval", "0"];
    let (_, err) = Example::start("zmq_logger", &source)?.success()?;
    assert!(err.iter().any(|line| line == "0 events lost"), "{err:?}");
    assert!(err.iter().any(|line| line.contains("PUB: 12 sent")), "{err:?}");
    Ok(())
}

/// What a tool of `perf` prints: `#` stands for a number.
const THROUGHPUT: [&str; 4] = [
    "message size: 16 [B]",
    "message count: 1000",
    "mean throughput: # [msg/s]",
    "mean throughput: # [Mb/s]",
];
const LATENCY: [&str; 3] =
    ["message size: 16 [B]", "roundtrip count: 1000", "average latency: # [us]"];
const REQUESTS: [&str; 4] = ["requests: # [req/s]", "p50: # [us]", "p99: # [us]", "p99.9: # [us]"];
const PROCESS: [&str; 2] = ["cpu per message: # [us]", "peak memory: # [KiB]"];

const WAYS: [&str; 3] = ["inline", "batch", "each"];
const ARBITERS: [&str; 2] = ["1", "2"];
const PATTERNS: [&str; 2] = ["push-pull", "pub-sub"];

#[track_caller]
fn assert_printed(out: &[String], lines: &[&[&str]]) {
    let lines = lines.concat();
    assert_eq!(out.len(), lines.len(), "{out:?}");
    for (line, wanted) in out.iter().zip(lines) {
        let is_so = match wanted.split_once('#') {
            None => line == wanted,
            Some((before, after)) => line
                .strip_prefix(before)
                .and_then(|rest| rest.strip_suffix(after))
                .is_some_and(|number| number.parse::<f64>().is_ok()),
        };
        assert!(is_so, "{line:?} is not {wanted:?}");
    }
}

fn perf(arguments: &[&[&str]]) -> Outcome<Example> {
    Example::start("perf", &arguments.concat())
}

/// Runs both ends of a pair; the result is what each prints.
fn perf_pair(
    (local, its): (&str, &[&str]),
    (remote, others): (&str, &[&str]),
) -> Outcome<(Vec<String>, Vec<String>)> {
    let local = perf(&[&[local, ANY_PORT, "16", "1000"], its])?;
    let endpoint = local.ready()?;
    let remote = perf(&[&[remote, &endpoint, "16", "1000"], others])?;
    let (there, _) = remote.success()?;
    let (here, _) = local.success()?;
    Ok((here, there))
}

#[test]
fn perf_measures_throughput_by_every_way_pattern_and_arbiter() -> Outcome {
    for (receive, send) in WAYS.iter().flat_map(|receive| WAYS.map(|send| (receive, send))) {
        for (pattern, arbiters) in PATTERNS.iter().zip(ARBITERS).chain([(&PATTERNS[0], "2")]) {
            let both = ["--pattern", pattern, "--arbiters", arbiters];
            let (here, there) = perf_pair(
                ("local_thr", &[&both[..], &["--delivery", receive]].concat()),
                ("remote_thr", &[&both[..], &["--send", send]].concat()),
            )?;
            assert_printed(&here, &[&THROUGHPUT, &PROCESS]);
            assert_printed(&there, &[&PROCESS]);
            let ways = ["--delivery", receive, "--send", send];
            let inproc = perf(&[&["inproc_thr", "16", "1000"], &both, &ways])?;
            assert_printed(&inproc.success()?.0, &[&THROUGHPUT, &PROCESS]);
        }
    }
    Ok(())
}

#[test]
fn perf_measures_latency_by_every_way_and_arbiter() -> Outcome {
    for (way, arbiters) in WAYS.iter().flat_map(|way| ARBITERS.map(|arbiters| (way, arbiters))) {
        let arbiters = ["--arbiters", arbiters];
        let server = [&arbiters[..], &["--delivery", way]].concat();
        let (here, there) = perf_pair(("local_lat", &server), ("remote_lat", &arbiters))?;
        assert_printed(&here, &[&PROCESS]);
        assert_printed(&there, &[&LATENCY, &REQUESTS, &PROCESS]);
        let inproc = perf(&[&["inproc_lat", "16", "1000"], &server])?;
        assert_printed(&inproc.success()?.0, &[&LATENCY, &REQUESTS, &PROCESS]);
        for window in ["1", "100"] {
            let client = [&arbiters[..], &["--window", window]].concat();
            let (here, there) = perf_pair(("req_srv", &server), ("req_cli", &client))?;
            assert_printed(&here, &[&PROCESS]);
            let window = format!("window: {window}");
            let load = ["message size: 16 [B]", "roundtrip count: 1000", &window];
            assert_printed(&there, &[&load, &REQUESTS, &PROCESS]);
        }
    }
    Ok(())
}

/// A socket of plain libzmq, as its own tools have; no call takes longer than
/// the deadline.
fn plain(kind: zmq::SocketType) -> Outcome<zmq::Socket> {
    let socket = zmq::Context::new().socket(kind)?;
    let deadline = i32::try_from(DEADLINE.as_millis())?;
    socket.set_rcvtimeo(deadline)?;
    socket.set_sndtimeo(deadline)?;
    socket.set_linger(deadline)?;
    Ok(socket)
}

fn bound(socket: &zmq::Socket) -> Outcome<String> {
    socket.bind(ANY_PORT)?;
    Ok(socket.get_last_endpoint()?.map_err(|_| "an endpoint that is no text")?)
}

#[test]
fn perf_gets_on_with_plain_libzmq_at_the_other_end() -> Outcome {
    let local = perf(&[&["local_thr", ANY_PORT, "16", "1000"]])?;
    let push = plain(zmq::PUSH)?;
    push.connect(&local.ready()?)?;
    for _ in 0..1000 {
        push.send(vec![0; 16], 0)?;
    }
    assert_printed(&local.success()?.0, &[&THROUGHPUT, &PROCESS]);

    let pull = plain(zmq::PULL)?;
    let remote = perf(&[&["remote_thr", &bound(&pull)?, "16", "1000"]])?;
    for _ in 0..1000 {
        assert_eq!(pull.recv_multipart(0)?, [[0; 16]]);
    }
    assert_printed(&remote.success()?.0, &[&PROCESS]);

    let local = perf(&[&["local_lat", ANY_PORT, "16", "1000"]])?;
    let req = plain(zmq::REQ)?;
    req.connect(&local.ready()?)?;
    for _ in 0..1000 {
        req.send(vec![7; 16], 0)?;
        assert_eq!(req.recv_multipart(0)?, [[7; 16]]);
    }
    assert_printed(&local.success()?.0, &[&PROCESS]);

    let rep = plain(zmq::REP)?;
    let remote = perf(&[&["remote_lat", &bound(&rep)?, "16", "1000"]])?;
    for _ in 0..1000 {
        let request = rep.recv_multipart(0)?;
        assert_eq!(request, [[0; 16]]);
        rep.send_multipart(request, 0)?;
    }
    assert_printed(&remote.success()?.0, &[&LATENCY, &REQUESTS, &PROCESS]);
    Ok(())
}

#[test]
fn perf_fails_when_messages_are_of_another_size_or_lost() -> Outcome {
    for (way, tool) in WAYS.iter().flat_map(|way| ["local_thr", "local_lat"].map(|it| (way, it))) {
        let local = perf(&[&[tool, ANY_PORT, "16", "1000", "--delivery", way]])?;
        let peer = plain(if tool == "local_thr" { zmq::PUSH } else { zmq::REQ })?;
        peer.connect(&local.ready()?)?;
        peer.send(vec![0; 15], 0)?;
        let (status, out, err) = local.end()?;
        assert_eq!((status.code(), out.len()), (Some(1), 0), "{tool} {way}");
        assert!(err.iter().any(|line| line.contains("incorrect size")), "{err:?}");
    }

    let local = perf(&[&["local_thr", ANY_PORT, "16", "1000"]])?;
    let push = plain(zmq::PUSH)?;
    push.connect(&local.ready()?)?;
    for _ in 0..999 {
        push.send(vec![0; 16], 0)?;
    }
    let (status, out, err) = local.end()?;
    assert_eq!((status.code(), out.len()), (Some(1), 0));
    assert!(err.iter().any(|line| line.contains("999 messages received")), "{err:?}");
    Ok(())
}

#[test]
fn perf_refuses_arguments_that_make_no_sense() -> Outcome {
    for arguments in [
        &["local_thr", ANY_PORT, "16"][..],
        &["local_thr", ANY_PORT, "16", "0"],
        &["local_thr", ANY_PORT, "-1", "10"],
        &["local_thr", ANY_PORT, "2147483648", "10"],
        &["local_thr", "tcp://127.0.0.1:99999", "16", "10"],
        &["local_thr", ANY_PORT, "16", "10", "--arbiters", "3"],
        &["local_thr", ANY_PORT, "16", "10", "--delivery", "some"],
        &["remote_thr", ANY_PORT, "16", "10"],
        &["inproc_thr", "16", "10", "--pattern", "pair"],
        &["inproc_lat", "16", "10", "--send", "each"],
        &["req_cli", "ipc://nobody", "16", "10", "--window", "0"],
        &[],
    ] {
        let (status, out, err) = Example::start("perf", arguments)?.end()?;
        assert!(!status.success() && !err.is_empty() && out.is_empty(), "{arguments:?}");
    }
    Ok(())
}

#[test]
fn every_role_ends_with_status_0_at_a_signal() -> Outcome {
    let directory = tempfile::tempdir()?;
    let roles: &[(&str, &[&str])] = &[
        ("pub_sub", &["-M", "publisher", "-m", "bind", "-e", ANY_PORT]),
        ("pub_sub", &["-M", "subscriber", "-m", "bind", "-e", ANY_PORT]),
        ("push_pull", &["-M", "push", "-m", "bind", "-e", ANY_PORT]),
        ("push_pull", &["-M", "pull", "-m", "bind", "-e", ANY_PORT]),
        ("req_rep", &["-M", "req", "-m", "bind", "-e", ANY_PORT, "--interval", "0"]),
        ("req_rep", &["-M", "rep", "-m", "bind", "-e", ANY_PORT]),
        ("waynes_world", &["server", "-e", ANY_PORT]),
        ("waynes_world", &["camera1", "-e", "ipc://nobody"]),
        ("waynes_world", &["camera2", "-e", "ipc://nobody"]),
        ("passing_json", &["server"]),
        ("passing_json", &["client", "-e", "ipc://nobody"]),
        ("echo", &["server"]),
        ("echo", &["client", "-e", "ipc://nobody"]),
        ("pair", &["-m", "bind", "-e", ANY_PORT, "--interval", "0"]),
        ("pair", &["-e", "ipc://nobody", "--interval", "0"]),
        ("router_dealer", &["-M", "router", "-m", "bind", "-e", ANY_PORT]),
        ("router_dealer", &["-M", "dealer", "-m", "bind", "-e", ANY_PORT, "--interval", "0"]),
        ("broker", &["broker", "-f", ANY_PORT, "-b", ANY_PORT]),
        ("broker", &["client", "-e", "ipc://nobody", "--interval", "0"]),
        ("broker", &["server", "-e", "ipc://nobody"]),
        ("proxy", &["-f", ANY_PORT, "-b", ANY_PORT, "--interval", "0"]),
        ("proxy", &["-k", "forwarder", "-f", ANY_PORT, "-b", ANY_PORT, "--capture"]),
        ("monitor", &["-m", "bind", "-e", ANY_PORT]),
        ("monitor", &["-t", "sub", "-e", "ipc://nobody"]),
        ("chat", &["display", "-e", "ipc://nobody", "-e", "ipc://nobody-else"]),
        ("chat", &["prompt", "ada", "-e", ANY_PORT]),
        ("heartbeat", &["heartbeater", "-e", ANY_PORT, "-e", ANY_PORT, "--interval", "0"]),
        ("heartbeat", &["heart", "-e", "ipc://nobody", "-e", "ipc://nobody-else"]),
        ("zmq_logger", &["source", "-e", ANY_PORT]),
        ("zmq_logger", &["sink", "-e", "ipc://nobody"]),
        ("perf", &["local_thr", ANY_PORT, "16", "10"]),
        ("perf", &["remote_thr", "ipc://nobody", "16", "10"]),
        ("perf", &["local_lat", ANY_PORT, "16", "10"]),
        ("perf", &["remote_lat", "ipc://nobody", "16", "10"]),
        ("perf", &["req_srv", ANY_PORT, "16", "10"]),
        ("perf", &["req_cli", "ipc://nobody", "16", "10"]),
        // In the middle of it.
        ("perf", &["inproc_thr", "16", "4000000000", "--send", "inline"]),
        ("perf", &["inproc_thr", "16", "4000000000", "--send", "batch"]),
        ("perf", &["inproc_thr", "16", "4000000000", "--send", "each"]),
        ("perf", &["inproc_lat", "16", "4000000000"]),
    ];
    for signal in ["INT", "TERM"] {
        for (name, arguments) in roles {
            let example = Example::start_in(directory.path(), name, arguments)?;
            example.stderr_until(|line| {
                line.starts_with("ready ") || line.starts_with("connecting ")
            })?;
            example.signal(signal)?;
            let ended = example.success();
            ended.map_err(|error| format!("{name} {arguments:?} at SIG{signal}: {error}"))?;
        }
    }
    Ok(())
}

#[test]
fn an_endpoint_that_is_none_is_told_with_status_1() -> Outcome {
    let subscriber = ["-M", "subscriber", "-e", "tcp://127.0.0.1:99999"];
    let (status, _, err) = Example::start("pub_sub", &subscriber)?.end()?;
    assert_eq!(status.code(), Some(1));
    assert!(err.iter().any(|line| line.contains("99999")), "{err:?}");
    Ok(())
}

#[test]
fn help_names_the_flags_and_the_default_endpoint() -> Outcome {
    for name in ["pub_sub", "push_pull", "req_rep", "router_dealer", "pair"] {
        let (out, _) = Example::start(name, &["--help"])?.success()?;
        let out = out.join("\n");
        for word in ["--method", "--endpoint", "--count", "--interval", "ipc://"] {
            assert!(out.contains(word), "{name}: no {word} in:\n{out}");
        }
        // The ends of a PAIR are alike.
        assert_eq!(out.contains("--mode"), name != "pair", "{name}:\n{out}");
    }
    for (name, flags) in [
        ("monitor", &["--type", "--method", "--endpoint"][..]),
        (
            "proxy",
            &["--kind", "--frontend", "--backend", "--capture", "--pause-after", "--interval"],
        ),
    ] {
        let (out, _) = Example::start(name, &["--help"])?.success()?;
        let out = out.join("\n");
        for word in flags.iter().chain(&["--count", "ipc://"]) {
            assert!(out.contains(word), "{name}: no {word} in:\n{out}");
        }
    }
    for (name, role, default) in [
        ("waynes_world", "server", "ipc://"),
        ("passing_json", "server", "ipc://"),
        ("echo", "server", "ipc://"),
        ("broker", "broker", "ipc:///tmp/broker_backend.ipc"),
        ("broker", "client", "ipc:///tmp/broker_frontend.ipc"),
        ("broker", "server", "ipc:///tmp/broker_backend.ipc"),
        ("chat", "display", "ipc://"),
        ("chat", "prompt", "ipc://"),
        ("heartbeat", "heartbeater", "tcp://127.0.0.1:5556"),
        ("heartbeat", "heart", "tcp://127.0.0.1:5556"),
        ("zmq_logger", "source", "ipc://"),
        ("zmq_logger", "sink", "ipc://"),
    ] {
        let (out, _) = Example::start(name, &[role, "--help"])?.success()?;
        let out = out.join("\n");
        for word in [default, "--count"] {
            assert!(out.contains(word), "{name} {role}: no {word} in:\n{out}");
        }
    }
    Ok(())
}

/// A running example. Dropped before its end, it is killed.
struct Example {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
    deadline: Instant,
}

impl Example {
    fn start(name: &str, arguments: &[&str]) -> Outcome<Self> {
        Self::start_in(&std::env::temp_dir(), name, arguments)
    }

    fn start_in(directory: &Path, name: &str, arguments: &[&str]) -> Outcome<Self> {
        let mut child = Command::new(built(name)?)
            .args(arguments)
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let out = lines(child.stdout.take().ok_or("no stdout")?);
        let err = lines(child.stderr.take().ok_or("no stderr")?);
        Ok(Self { child, out, err, deadline: Instant::now() + DEADLINE })
    }

    /// The endpoint of its next socket that listens.
    fn ready(&self) -> Outcome<String> {
        let line = self.stderr_until(|line| line.starts_with("ready "))?;
        Ok(line.trim_start_matches("ready ").to_owned())
    }

    fn stdout_until(&self, wanted: impl Fn(&str) -> bool) -> Outcome<String> {
        self.until(&self.out, wanted)
    }

    fn stderr_until(&self, wanted: impl Fn(&str) -> bool) -> Outcome<String> {
        self.until(&self.err, wanted)
    }

    /// Whether it has printed this line by now, among those not read yet.
    fn stdout_has(&self, line: &str) -> Outcome<bool> {
        Ok(self.out.try_iter().any(|printed| printed == line))
    }

    /// Types a line.
    fn say(&mut self, line: &str) -> Outcome {
        let stdin = self.child.stdin.as_mut().ok_or("no stdin")?;
        Ok(writeln!(stdin, "{line}")?)
    }

    /// Types a line again and again, until it has had its effect.
    fn say_until(&mut self, line: &str, mut done: impl FnMut() -> Outcome<bool>) -> Outcome {
        while !done()? {
            if Instant::now() > self.deadline {
                return Err(format!("no effect of {line:?}").into());
            }
            self.say(line)?;
            // Not to wait for anything: to type no faster than it is read.
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn until(&self, lines: &Receiver<String>, wanted: impl Fn(&str) -> bool) -> Outcome<String> {
        let mut passed = Vec::new();
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            match lines.recv_timeout(left) {
                Ok(line) if wanted(&line) => return Ok(line),
                Ok(line) => passed.push(line),
                Err(error) => return Err(format!("{error} after {passed:?}").into()),
            }
        }
    }

    fn signal(&self, name: &str) -> Outcome {
        let sent =
            Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status()?;
        if sent.success() { Ok(()) } else { Err(format!("kill -s {name}: {sent}").into()) }
    }

    /// Ends it with Ctrl-C, as its user does.
    fn interrupted(self) -> Outcome<(Vec<String>, Vec<String>)> {
        self.signal("INT")?;
        self.success()
    }

    /// Waits for its end with status 0; the result is what it printed since.
    fn success(self) -> Outcome<(Vec<String>, Vec<String>)> {
        let (status, out, err) = self.end()?;
        if status.success() {
            Ok((out, err))
        } else {
            Err(format!("{status}, stdout {out:?}, stderr {err:?}").into())
        }
    }

    fn end(mut self) -> Outcome<(ExitStatus, Vec<String>, Vec<String>)> {
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if Instant::now() > self.deadline {
                let (out, err): (Vec<_>, Vec<_>) =
                    (self.out.try_iter().collect(), self.err.try_iter().collect());
                return Err(format!("still running, stdout {out:?}, stderr {err:?}").into());
            }
            // There is no descriptor to wait for without another dependency.
            thread::sleep(Duration::from_millis(5));
        };
        // Its pipes are closed with it: both end.
        Ok((status, self.out.iter().collect(), self.err.iter().collect()))
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of a pipe, as they come.
fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Where Cargo built an example: beside the directory of this test.
fn built(name: &str) -> Outcome<PathBuf> {
    let test = std::env::current_exe()?;
    let profile = test.parent().and_then(Path::parent).ok_or("no profile directory")?;
    let program = profile.join("examples").join(name);
    if program.is_file() {
        Ok(program)
    } else {
        let program = program.display();
        Err(format!("{program} is not built: run `cargo build --examples` with this profile")
            .into())
    }
}

#[test]
fn an_actor_is_called_from_another_process() -> Outcome {
    let server = Example::start("remote_actor", &["-M", "serve", "-e", ANY_PORT])?;
    let endpoint = server.ready()?;
    let caller = ["--mode", "call", "--endpoint", &endpoint, "--count", "6", "--interval", "1"];
    let (out, _) = Example::start("remote_actor", &caller)?.success()?;
    let refused = |dividend: &str| format!("refused\tDivisionByZero {{ dividend: {dividend} }}");
    assert_eq!(out, ["1", "1", &refused("3.0"), "4", "2.5", &refused("6.0")]);
    server.interrupted()?;
    let nobody = ["-M", "call", "-e", &endpoint, "--count", "1", "--interval", "1"];
    let patience = ["--timeout", "200"];
    let (out, _) = Example::start("remote_actor", &[&nobody[..], &patience].concat())?.success()?;
    assert_eq!(out.len(), 1);
    assert!(out[0].starts_with("failed\t"), "{out:?}");
    Ok(())
}

#[test]
fn a_pool_loses_no_call_with_a_worker_that_is_killed() -> Outcome {
    let all = ["all", "--workers", "3", "--count", "1000", "--work", "2"];
    let (out, err) = Example::start("worker_pool", &all)?.success()?;
    assert!(err.iter().any(|line| line.starts_with("a worker is killed: Ok")), "{err:?}");
    let figure = |name: &str| {
        let line = out.iter().find_map(|line| line.strip_prefix(&format!("{name}\t")));
        line.map(str::to_owned).unwrap_or_default()
    };
    assert_eq!((&*figure("sent"), &*figure("answered"), &*figure("lost")), ("1000", "1000", "0"));
    assert_eq!(figure("workers left"), "2");
    for name in ["retried", "p50", "p99", "max", "resent by the broker"] {
        assert!(!figure(name).is_empty(), "no {name} in {out:?}");
    }
    Ok(())
}

#[test]
fn a_pool_is_a_program_each_too() -> Outcome {
    let broker = ["broker", "--clients", ANY_PORT, "--workers", ANY_PORT];
    let broker = Example::start("worker_pool", &broker)?;
    // The workers' side is opened first.
    let (workers, clients) = (broker.ready()?, broker.ready()?);
    let one = Example::start("worker_pool", &["worker", "--workers", &workers])?;
    let load = ["--count", "100", "--work", "1"];
    let client = ["client", "--clients", &clients];
    let (out, _) = Example::start("worker_pool", &[&client[..], &load].concat())?.success()?;
    assert!(out.contains(&"answered\t100".to_owned()), "{out:?}");
    one.interrupted()?;
    broker.interrupted()?;
    Ok(())
}
