//! Calls between two network namespaces, over a pair of virtual cables.
//!
//! It takes the right to make them (`CAP_SYS_ADMIN`, `CAP_NET_ADMIN`), and
//! `unshare`, `nsenter` and `ip`; without, the test says so and does nothing.

use std::process::Command;
use std::time::Duration;

use actix_rt::System;
use actix_zmq::prelude::*;
use serde::{Deserialize, Serialize};

use crate::support::process::{Process, role, tell};
use crate::support::{loudly, ms, open, within_time};

/// Four processes to start, on a slow machine.
const DEADLINE: Duration = Duration::from_secs(60);

#[derive(Debug, Message, Serialize, Deserialize)]
#[rtype(result = "String")]
struct Greet(String);

/// Two namespaces, `10.213.0.1` in one and `10.213.0.2` in the other; gone when dropped.
struct Namespaces {
    /// What holds them: their processes.
    holders: [Process; 2],
}

impl Namespaces {
    async fn new() -> Option<Self> {
        let holder = || {
            let script = "echo ready $$; exec sleep 120";
            Process::start(Command::new("unshare").args(["--net", "sh", "-c", script]))
        };
        let allowed = Command::new("unshare").args(["--net", "ip", "link"]).output();
        let nsenter = Command::new("nsenter").arg("--version").output();
        if !allowed.is_ok_and(|tried| tried.status.success()) || nsenter.is_err() {
            loudly("NO RIGHT TO MAKE NETWORK NAMESPACES: NO CALL BETWEEN TWO IS TESTED");
            return None;
        }
        let mut holders = [holder(), holder()];
        let one = holders[0].line("ready ").await;
        let two = holders[1].line("ready ").await;
        let commands = [
            format!("ip link add left type veth peer name right netns {two}"),
            "ip address add 10.213.0.1/24 dev left".to_owned(),
            "ip link set left up".to_owned(),
        ];
        run_in(&one, &commands);
        let commands = [
            "ip address add 10.213.0.2/24 dev right".to_owned(),
            "ip link set right up".to_owned(),
        ];
        run_in(&two, &commands);
        Some(Self { holders })
    }

    /// Runs a part of the test in one of them.
    fn child(&self, which: usize, part: &str, argument: &str) -> Process {
        // The network alone is another's.
        let target = self.holders[which].id();
        let before = format!("set -- nsenter --target {target} --net \"$@\";");
        Process::child_of("namespaces::as_a_child", part, argument, &before)
    }
}

fn run_in(process: &str, commands: &[String]) {
    for command in commands {
        let words = command.split_whitespace();
        let nsenter = ["--target", process, "--net"];
        let ran = Command::new("nsenter").args(nsenter).args(words).output().unwrap();
        assert!(ran.status.success(), "{command}: {}", String::from_utf8_lossy(&ran.stderr));
    }
}

#[actix::test]
async fn calls_cross_two_networks_and_outlive_a_cable_that_is_pulled() {
    within_time(DEADLINE, async {
        let Some(namespaces) = Namespaces::new().await else { return };
        let mut server = namespaces.child(0, "serve", "tcp://10.213.0.1:5555");
        server.line("ready").await;
        let mut caller = namespaces.child(1, "call", "tcp://10.213.0.1:5555");
        assert_eq!(caller.line("greeted ").await, "hello 1");
        // Nothing arrives any more, and nobody is told.
        let one = namespaces.holders[0].id().to_string();
        run_in(&one, &["ip link set left down".to_owned()]);
        caller.write("again");
        assert_eq!(caller.line("failed ").await, "TimedOut");
        run_in(&one, &["ip link set left up".to_owned()]);
        caller.write("again");
        assert_eq!(caller.line("greeted ").await, "hello 3");
        caller.write("end");
        caller.success().await;
    })
    .await;
}

#[test]
#[ignore = "a part of other tests, in a process of its own"]
fn as_a_child() {
    let Some((part, endpoint)) = role() else { return };
    System::new().block_on(async {
        let zmq = Factory::builder().start();
        if part == "serve" {
            let service =
                Service::new("greeter").route(Route::inline(|Greet(who)| format!("hello {who}")));
            open(&zmq, ReplySocket::bind(&*endpoint).deliver_to(service)).await;
            tell("ready");
            return std::future::pending().await;
        }
        // A cable that is pulled does not end a connection, until its heartbeats are missed.
        let socket = Client::socket(&*endpoint).unreachable_after(Duration::from_secs(20));
        let client = Client::new(open(&zmq, socket).await);
        for number in 1.. {
            let patience = if number == 2 { ms(300) } else { ms(20_000) };
            let call = Call::new(Greet(number.to_string())).timeout(patience);
            match client.send(call).await {
                Ok(greeting) => tell(format!("greeted {greeting}")),
                Err(error) => tell(format!("failed {:?}", error.kind())),
            }
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).unwrap();
            if line.trim() == "end" {
                break;
            }
        }
    });
}
