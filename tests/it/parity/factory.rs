//! The factory: its end, by hand, by a signal, or both; and a whole program.

use std::time::Duration;

use actix_zmq::prelude::*;

use crate::support::process::{Process, role, tell};
use crate::support::{ANY_PORT, finish, inbox, inproc, ipc, open, raw, within};

/// How long a shutdown may take here.
const END: Shutdown = Shutdown::within(Duration::from_secs(10));

/// Runs a role of the ignored test below in a child.
fn child(what: &str, argument: &str) -> Process {
    Process::child_of("parity::factory::as_a_child", what, argument, "")
}

/// `txZMQ test_factory.test_shutdown`, also claws and oub.
#[actix::test]
async fn an_empty_factory_shuts_down() {
    within(async {
        assert!(finish(Factory::builder().start()).await.is_clean());
    })
    .await;
}

/// Opens two sockets, has one message cross, and shuts down twice, by hand.
async fn work() {
    let zmq = Factory::builder().shutdown_on_signal(END.within).start();
    let endpoint = inproc();
    let (fill, mut told) = inbox::<Pulled>();
    open(&zmq, PullSocket::bind(&*endpoint).on_message(fill)).await;
    let push = open(&zmq, PushSocket::connect(&*endpoint)).await;
    push.send(Push("x")).await.unwrap().unwrap();
    told.next().await;
    let by_hand = finish(zmq.clone()).await;
    // Once more changes nothing.
    assert_eq!(zmq.send(END).await.unwrap(), by_hand);
}

/// `txZMQ test_reactor_shutdown.test_reactor_and_factory_shutdown`: by hand
/// first, then with the system, which the factory had asked for as well. There
/// it runs with every reactor, here in both of the systems that actix has.
#[actix::test]
async fn a_factory_that_was_shut_down_does_not_mind_the_end_of_the_system() {
    within(async {
        for what in ["system", "local set"] {
            let seen = child(what, "").success().await;
            assert!(seen.iter().any(|line| line == "ended"), "{what}: {seen:#?}");
        }
    })
    .await;
}

/// `txZMQ test_reactor_shutdown.test_reactor_shutdown`: what is registered for
/// the end ends with the program.
///
/// There that is the reactor's end, whatever brings it about; here it is SIGINT
/// or SIGTERM, and the system ends when the factory has.
#[actix::test]
async fn a_factory_that_asked_for_it_ends_with_the_program() {
    within(async {
        for signal in ["INT", "TERM"] {
            let mut process = child("signal", "");
            process.line("ready").await;
            process.signal(signal);
            let seen = process.success().await;
            assert!(seen.iter().any(|line| line.contains("context terminated")), "{seen:#?}");
            assert!(seen.iter().any(|line| line == "ended"), "{seen:#?}");
        }
    })
    .await;
}

/// `txZMQ examples/integration_test.py`: a program that asks, gets `REP: REQ1`,
/// and exits with status 0.
#[actix::test]
async fn a_program_asks_itself_over_ipc_and_exits_with_success() {
    within(async {
        let seen = child("integration", &ipc()).success().await;
        assert!(seen.iter().any(|line| line == "answered REP: REQ1"), "{seen:#?}");
    })
    .await;
}

/// The other half of that check: a wrong answer is no success.
#[actix::test]
async fn a_program_that_gets_a_wrong_answer_exits_with_failure() {
    within(async {
        let (server, endpoint) = raw::bound(zmq::ROUTER);
        let process = child("integration client", &endpoint);
        let server = raw::thread(move || {
            let request = raw::receive(&server);
            raw::send(&server, [&request[0][..], &request[1], b"", b"nonsense"]);
            server
        })
        .await;
        let (status, seen) = process.end().await;
        assert!(!status.success(), "{seen:#?}");
        drop(server);
    })
    .await;
}

/// Asks for the answer of the integration test.
async fn integration(endpoint: &str) {
    let zmq = Factory::builder().start();
    let client = RequestSocket::connect(endpoint).timeout(Duration::from_secs(15));
    let client = open(&zmq, client).await;
    let reply = client.send(Request::new("REQ1")).await.unwrap().unwrap();
    assert_eq!(reply, "REP: REQ1".into());
    tell(format_args!("answered {}", reply[0].as_str().unwrap()));
    finish(zmq).await;
}

#[test]
#[ignore = "a part of other tests, in a process of its own"]
fn as_a_child() {
    let Some((role, argument)) = role() else { return };
    match role.as_str() {
        "system" => {
            let system = System::new();
            system.block_on(work());
            System::current().stop();
            system.run().unwrap();
            tell("ended");
        }
        "local set" => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.unwrap();
            tokio::task::LocalSet::new().block_on(&runtime, work());
            drop(runtime);
            tell("ended");
        }
        "signal" => {
            let system = System::new();
            system.block_on(async {
                let zmq = Factory::builder().shutdown_on_signal(END.within).start();
                open(&zmq, PullSocket::bind(ANY_PORT).on_message(|_: Pulled| {})).await;
                actix::spawn(async move { tell(zmq.send(Ended).await.unwrap()) });
            });
            tell("ready");
            system.run().unwrap();
            tell("ended");
        }
        "integration" => System::new().block_on(async {
            let zmq = Factory::builder().start();
            let server = ReplySocket::bind(&*argument).on_message(|request: IncomingRequest| {
                let mut reply = "REP: ".to_owned();
                reply.push_str(request.body[0].as_str().unwrap());
                request.reply(reply).unwrap();
            });
            open(&zmq, server).await;
            integration(&argument).await;
            finish(zmq).await;
        }),
        "integration client" => System::new().block_on(integration(&argument)),
        other => panic!("{other}?"),
    }
}
