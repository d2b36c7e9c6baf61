//! Brokers and their workers: who gets what, and that nothing is lost with them.

use std::time::Duration;

use actix_rt::System;
use actix_zmq::prelude::*;
use actix_zmq::{AskBroker, Broker, BrokerBuilder, BrokerReport, Received, StopBroker};
use futures::channel::oneshot;
use futures::future::join_all;
use serde::{Deserialize, Serialize};

use crate::support::process::{Process, role, tell};
use crate::support::python::{Peer, interpreter};
use crate::support::{
    ANY_PORT, Inbox, bound, eventually, finish, inbox, inproc, ms, open, raw, status, within,
    within_time,
};

/// Heartbeats as fast as a slow machine still keeps up with.
const BEAT: Duration = Duration::from_millis(200);
/// Processes to start and to end, on a slow machine.
const DEADLINE: Duration = Duration::from_secs(60);

#[derive(Debug, Message, Serialize, Deserialize)]
#[rtype(result = "u32")]
struct Work(u32);

/// Work that the test itself does: what to do, and where the result goes.
type Held = (u32, oneshot::Sender<u32>);

struct Holder(Box<dyn Fn(Held)>);

impl Actor for Holder {
    type Context = Context<Self>;
}

impl Handler<Work> for Holder {
    type Result = ResponseFuture<u32>;

    fn handle(&mut self, Work(number): Work, _: &mut Context<Self>) -> Self::Result {
        let (done, result) = oneshot::channel();
        (self.0)((number, done));
        Box::pin(async move { result.await.unwrap_or(u32::MAX) })
    }
}

/// A worker whose work the test does.
async fn holder(zmq: &Addr<Factory>, workers: &str, capacity: u32) -> Inbox<Held> {
    let (keep, kept) = inbox();
    let holder = Holder(Box::new(keep)).start();
    let service = Service::new("holder").route(holder.recipient::<Work>());
    let worker = ReplySocket::join(workers).capacity(capacity).worker_heartbeat(BEAT);
    open(zmq, worker.deliver_to(service)).await;
    kept
}

/// A broker over TCP, and where its clients and workers go.
async fn broker(
    zmq: &Addr<Factory>,
    set: impl FnOnce(BrokerBuilder) -> BrokerBuilder,
) -> (Addr<Broker>, String, String) {
    let clients = RouterSocket::bind(ANY_PORT).name("clients");
    let workers = RouterSocket::bind(ANY_PORT).name("workers");
    let builder = Broker::over(clients, workers).heartbeat(BEAT);
    let broker = set(builder).start(zmq).await.unwrap();
    (broker, bound(zmq, "clients").await, bound(zmq, "workers").await)
}

async fn client(zmq: &Addr<Factory>, endpoint: &str) -> Client {
    let socket = Client::socket(endpoint).unreachable_after(ms(10_000)).name("client");
    Client::new(open(zmq, socket).await)
}

type Asked = tokio::task::JoinHandle<Result<u32, Error>>;

fn ask(client: &Client, call: Call<Work>) -> Asked {
    let client = client.clone();
    actix::spawn(async move { client.send(call).await })
}

async fn report(broker: &Addr<Broker>) -> BrokerReport {
    broker.send(AskBroker).await.unwrap()
}

/// Waits until there are so many workers that take no less than this.
async fn workers(broker: &Addr<Broker>, count: usize, capacity: u64) {
    eventually("the workers are there", async || {
        let there = report(broker).await.workers;
        there.len() == count && there.iter().all(|worker| worker.capacity >= capacity)
    })
    .await;
}

#[actix::test]
async fn work_goes_to_whoever_has_least_of_it_and_the_rest_waits() {
    within(async {
        let zmq = Factory::builder().start();
        let (broker, clients, at) = broker(&zmq, |builder| builder.max_waiting(1)).await;
        let mut one = holder(&zmq, &at, 1).await;
        let mut two = holder(&zmq, &at, 3).await;
        workers(&broker, 2, 1).await;
        eventually("both say how much they take", async || {
            report(&broker).await.workers.iter().any(|worker| worker.capacity == 3)
        })
        .await;
        let client = client(&zmq, &clients).await;
        let asked: Vec<_> = (0..5).map(|number| ask(&client, Call::new(Work(number)))).collect();
        let mut held = two.take(3).await;
        held.extend(one.take(1).await);
        eventually("the fifth waits", async || report(&broker).await.waiting == 1).await;
        let refused = client.call(Work(5)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Overloaded);
        let (number, done) = held.pop().unwrap();
        done.send(number).unwrap();
        held.extend(one.take(1).await);
        for (number, done) in held {
            done.send(number).unwrap();
        }
        for (asked, number) in asked.into_iter().zip(0..) {
            assert_eq!(asked.await.unwrap().unwrap(), number);
        }
        let report = broker.send(StopBroker::within(ms(5_000))).await.unwrap();
        assert_eq!((report.requests, report.answered, report.refused), (6, 5, 1));
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_call_whose_time_is_over_is_not_given_out() {
    within(async {
        let zmq = Factory::builder().start();
        let (broker, clients, at) = broker(&zmq, |builder| builder).await;
        let client = client(&zmq, &clients).await;
        client.addr().send(WaitConnected::within(ms(10_000))).await.unwrap().unwrap();
        let late = client.send(Call::new(Work(1)).timeout(ms(100))).await.unwrap_err();
        assert_eq!(late.kind(), ErrorKind::TimedOut);
        let patient = ask(&client, Call::new(Work(2)));
        eventually("it is there", async || report(&broker).await.requests == 2).await;
        let mut kept = holder(&zmq, &at, 1).await;
        let (number, done) = kept.next().await;
        done.send(number).unwrap();
        assert_eq!(patient.await.unwrap().unwrap(), 2);
        assert!(kept.drain().is_empty());
        assert_eq!(report(&broker).await.expired, 1);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_worker_that_closes_answers_what_it_has_and_gets_nothing_new() {
    within(async {
        let zmq = Factory::builder().start();
        let (leaving, staying) = (Factory::builder().start(), Factory::builder().start());
        let (broker, clients, at) = broker(&zmq, |builder| builder).await;
        let mut first = holder(&leaving, &at, 8).await;
        workers(&broker, 1, 8).await;
        let client = client(&zmq, &clients).await;
        let had: Vec<_> = (0..3).map(|number| ask(&client, Call::new(Work(number)))).collect();
        let held = first.take(3).await;
        let mut second = holder(&staying, &at, 8).await;
        workers(&broker, 2, 8).await;
        let closing = actix::spawn(finish(leaving));
        eventually("it says so", async || {
            report(&broker).await.workers.iter().any(|worker| worker.is_leaving)
        })
        .await;
        let new: Vec<_> = (10..14).map(|number| ask(&client, Call::new(Work(number)))).collect();
        for (number, done) in second.take(4).await {
            done.send(number).unwrap();
        }
        for (number, done) in held {
            done.send(number).unwrap();
        }
        for (asked, number) in had.into_iter().chain(new).zip([0, 1, 2, 10, 11, 12, 13]) {
            assert_eq!(asked.await.unwrap().unwrap(), number);
        }
        let ended = closing.await.unwrap();
        assert_eq!(ended.sockets[0].unanswered, 0, "{ended}");
        assert_eq!(ended.sockets[0].still_queued, 0, "{ended}");
        let report = broker.send(StopBroker::within(ms(5_000))).await.unwrap();
        assert_eq!((report.answered, report.resent, report.lost, report.late), (7, 0, 0, 0));
        finish(staying).await;
        finish(zmq).await;
    })
    .await;
}

/// For longer than a worker may be silent.
#[actix::test]
async fn a_worker_that_takes_its_time_to_close_says_that_it_is_there() {
    within(async {
        let (zmq, leaving) = (Factory::builder().start(), Factory::builder().start());
        let (broker, clients, at) = broker(&zmq, |builder| builder.heartbeat(ms(20))).await;
        let (keep, mut kept) = inbox();
        let service =
            Service::new("slow").route(Holder(Box::new(keep)).start().recipient::<Work>());
        let worker = ReplySocket::join(&*at).worker_heartbeat(ms(20)).deliver_to(service);
        open(&leaving, worker).await;
        let client = client(&zmq, &clients).await;
        let asked = ask(&client, Call::new(Work(1)));
        let (number, done): Held = kept.next().await;
        let closing = actix::spawn(finish(leaving));
        eventually("it says so", async || {
            report(&broker).await.workers.iter().any(|worker| worker.is_leaving)
        })
        .await;
        let before = status(&zmq, "workers").await.count(Counter::Received);
        eventually("it is heard many times", async || {
            status(&zmq, "workers").await.count(Counter::Received) > before + 20
        })
        .await;
        done.send(number).unwrap();
        assert_eq!(asked.await.unwrap().unwrap(), 1);
        assert_eq!(report(&broker).await.lost, 0);
        closing.await.unwrap();
        finish(zmq).await;
    })
    .await;
}

/// Worker processes of this test binary.
async fn processes(count: usize, at: &str) -> Vec<Process> {
    let mut started = Vec::new();
    for _ in 0..count {
        let mut process = Process::child_of("workers::as_a_child", "worker", at, "");
        process.line("ready").await;
        started.push(process);
    }
    started
}

#[test]
#[ignore = "a part of other tests, in a process of its own"]
fn as_a_child() {
    let Some((part, at)) = role() else { return };
    System::new().block_on(async {
        let zmq = Factory::builder().start();
        if part == "service" {
            let service = Service::new("double").route(Route::inline(|Work(number)| number * 2));
            open(&zmq, ReplySocket::bind(&*at).deliver_to(service)).await;
            tell("ready");
            return std::future::pending().await;
        }
        let mut kept = holder(&zmq, &at, 16).await;
        tell("ready");
        loop {
            let (number, done) = kept.next().await;
            actix::spawn(async move {
                actix::clock::sleep(ms(2)).await;
                let _ = done.send(number * 2);
            });
        }
    });
}

/// Keeps calls under way until `so_many` were answered, each with its own result.
async fn load(client: Client, so_many: u32, meanwhile: impl AsyncFnOnce()) {
    let call = |number| Call::new(Work(number)).idempotent().timeout(Duration::from_secs(30));
    let lanes = (0..20_u32).map(|lane| {
        let client = client.clone();
        async move {
            for number in (lane..so_many).step_by(20) {
                let answer = client.send(call(number)).await;
                assert_eq!(answer.unwrap(), number * 2, "its own result");
            }
        }
    });
    futures::future::join(join_all(lanes), meanwhile()).await;
}

#[actix::test]
async fn workers_that_are_killed_and_started_again_lose_no_call() {
    within_time(DEADLINE, async {
        let zmq = Factory::builder().start();
        let (broker, clients, at) = broker(&zmq, |builder| builder).await;
        let mut pool = processes(3, &at).await;
        workers(&broker, 3, 16).await;
        let client = client(&zmq, &clients).await;
        load(client, 4_000, async || {
            for answered in [500, 1_500, 2_500] {
                eventually("so many are answered", async || {
                    report(&broker).await.answered >= answered
                })
                .await;
                // SIGKILL, in the middle of its work. The last one is not replaced.
                drop(pool.remove(0));
                if answered < 2_500 {
                    pool.extend(processes(1, &at).await);
                }
            }
        })
        .await;
        eventually("two are left", async || report(&broker).await.workers.len() == 2).await;
        let report = broker.send(StopBroker::within(ms(5_000))).await.unwrap();
        assert_eq!((report.answered, report.lost, report.late), (4_000, 0, 0), "{report:?}");
        assert!(report.resent > 0, "they had something: {report:?}");
        finish(zmq).await;
    })
    .await;
}

/// Without a broker: the service itself, at one endpoint.
#[actix::test]
async fn a_service_that_is_killed_again_and_again_costs_time_and_no_call() {
    within_time(DEADLINE, async {
        let zmq = Factory::builder().start();
        let vacant = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = format!("tcp://{}", vacant.local_addr().unwrap());
        drop(vacant);
        let start = async || {
            let mut process = Process::child_of("workers::as_a_child", "service", &at, "");
            process.line("ready").await;
            process
        };
        let mut process = start().await;
        let client = client(&zmq, &at).await;
        let answered = std::cell::Cell::new(0_u32);
        let is_over = std::cell::Cell::new(false);
        let lanes = (0..100_u32).map(|lane| {
            let (client, answered, is_over) = (client.clone(), &answered, &is_over);
            async move {
                while !is_over.get() {
                    let number = lane * 1_000 + answered.get() % 1_000;
                    let call = Call::new(Work(number)).idempotent().timeout(ms(20_000));
                    assert_eq!(client.send(call).await.unwrap(), number * 2, "its own result");
                    answered.set(answered.get() + 1);
                }
            }
        });
        let kill = async {
            for _ in 0..6 {
                let before = answered.get();
                eventually("it is under way", async || answered.get() > before + 500).await;
                // SIGKILL, in the middle of a message maybe.
                drop(process);
                process = start().await;
            }
            is_over.set(true);
            // Until the last call is answered.
            process
        };
        let (_, _process) = futures::future::join(join_all(lanes), kill).await;
        assert!(status(&zmq, "client").await.count(Counter::Resent) > 0);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_worker_that_is_stopped_loses_no_call_and_is_welcome_back() {
    within_time(DEADLINE, async {
        let zmq = Factory::builder().start();
        let (broker, clients, at) = broker(&zmq, |builder| builder).await;
        let processes = processes(2, &at).await;
        workers(&broker, 2, 16).await;
        let calls = client(&zmq, &clients).await;
        load(calls.clone(), 2_000, async || {
            eventually("it is under way", async || report(&broker).await.answered >= 300).await;
            processes[0].signal("STOP");
            eventually("it is missed", async || report(&broker).await.workers.len() == 1).await;
        })
        .await;
        let before = report(&broker).await;
        assert_eq!((before.answered, before.lost), (2_000, 0), "{before:?}");
        assert!(before.resent > 0, "it had something: {before:?}");
        processes[0].signal("CONT");
        workers(&broker, 2, 16).await;
        eventually("what it had is answered twice, and passed on once", async || {
            report(&broker).await.late > 0
        })
        .await;
        load(calls, 200, async || {}).await;
        let after = report(&broker).await;
        assert_eq!((after.answered, after.lost), (2_200, 0), "{after:?}");
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn the_callers_of_what_may_not_be_repeated_are_told_at_once() {
    within_time(DEADLINE, async {
        let zmq = Factory::builder().start();
        let (broker, clients, at) = broker(&zmq, |builder| builder.heartbeat(ms(5_000))).await;
        let processes = processes(1, &at).await;
        workers(&broker, 1, 16).await;
        let client = client(&zmq, &clients).await;
        processes[0].signal("STOP");
        eventually("it is stopped", async || processes[0].state() == 'T').await;
        let once = ask(&client, Call::new(Work(1)));
        let again = ask(&client, Call::new(Work(2)).idempotent());
        eventually("it has both", async || report(&broker).await.workers[0].in_flight == 2).await;
        drop(processes);
        // Long before any heartbeat is missed.
        assert_eq!(once.await.unwrap().unwrap_err().kind(), ErrorKind::PeerLost);
        let mut kept = holder(&zmq, &at, 1).await;
        let (number, done) = kept.next().await;
        done.send(number).unwrap();
        assert_eq!(again.await.unwrap().unwrap(), 2);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn workers_find_a_broker_that_was_started_again() {
    within_time(DEADLINE, async {
        let (zmq, others) = (Factory::builder().start(), Factory::builder().start());
        let (first, clients, at) = broker(&zmq, |builder| builder).await;
        let mut kept = holder(&others, &at, 5).await;
        workers(&first, 1, 5).await;
        first.send(StopBroker::within(ms(100))).await.unwrap();
        finish(zmq).await;
        let zmq = Factory::builder().start();
        let second = Broker::between(&*clients, &*at).heartbeat(BEAT).start(&zmq).await.unwrap();
        let client = client(&zmq, &clients).await;
        let asked = ask(&client, Call::new(Work(7)));
        let (number, done) = kept.next().await;
        done.send(number).unwrap();
        assert_eq!(asked.await.unwrap().unwrap(), 7);
        workers(&second, 1, 5).await;
        finish(others).await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_broker_that_stops_waits_for_answers_until_its_deadline() {
    within(async {
        let zmq = Factory::builder().start();
        let (broker, clients, at) = broker(&zmq, |builder| builder).await;
        let mut kept = holder(&zmq, &at, 5).await;
        workers(&broker, 1, 5).await;
        let client = client(&zmq, &clients).await;
        let asked: Vec<_> = (0..2).map(|number| ask(&client, Call::new(Work(number)))).collect();
        let mut held = kept.take(2).await;
        let stopped = actix::spawn(broker.send(StopBroker::within(ms(500))));
        let refused = eventually_refused(&client).await;
        assert_eq!(refused.kind(), ErrorKind::Overloaded, "it takes nothing new");
        let (number, done) = held.remove(0);
        done.send(number).unwrap();
        let report = stopped.await.unwrap().unwrap();
        let kinds: Vec<_> = join_all(asked).await.into_iter().map(|asked| asked.unwrap()).collect();
        assert_eq!(*kinds[0].as_ref().unwrap(), 0);
        assert_eq!(kinds[1].as_ref().unwrap_err().kind(), ErrorKind::PeerLost);
        assert_eq!((report.answered, report.lost), (1, 1));
        finish(zmq).await;
    })
    .await;
}

async fn eventually_refused(client: &Client) -> Error {
    client.send(Call::new(Work(9)).timeout(ms(5_000))).await.unwrap_err()
}

#[actix::test]
async fn hostile_words_harm_nobody() {
    within(async {
        let zmq = Factory::builder().start();
        let (broker, clients, at) = broker(&zmq, |builder| builder).await;
        let (heard, _hears) = inbox::<Received>();
        let stranger = open(&zmq, DealerSocket::connect(&*at).on_message(heard)).await;
        let other = open(&zmq, DealerSocket::connect(&*clients).on_message(|_: Received| {})).await;
        for frames in [
            Multipart::from(""),
            "\u{6}".into(),
            ["12345678", "", "answer to nobody"].into(),
            ["short", "", "answer"].into(),
            ["", "", ""].into(),
            Multipart::from(vec![3, 0xff, 0xff, 0xff, 0xff]),
            Multipart::from(vec![3, 0, 0, 0, 0]),
            Multipart::from(vec![5]),
            Multipart::from(vec![4]),
        ] {
            stranger.send(SendMessage(frames.clone())).await.unwrap().unwrap();
            other.send(SendMessage(frames)).await.unwrap().unwrap();
        }
        eventually("all is read", async || {
            let report = report(&broker).await;
            report.requests == 9 && report.workers.iter().any(|worker| worker.is_leaving)
        })
        .await;
        assert_eq!(status(&zmq, "workers").await.restarts, 0);
        let mut kept = holder(&zmq, &at, 1).await;
        let client = client(&zmq, &clients).await;
        // The three that look like requests are given out like any other, and
        // answered as what they are not; then it is ours.
        let asked = ask(&client, Call::new(Work(1)));
        let (number, done) = kept.next().await;
        done.send(number).unwrap();
        assert_eq!(asked.await.unwrap().unwrap(), 1);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_worker_of_rfc_6_in_python_joins_and_plain_clients_ask() {
    if tokio::task::spawn_blocking(interpreter).await.unwrap().is_none() {
        return;
    }
    within_time(DEADLINE, async {
        let zmq = Factory::builder().start();
        let (broker, clients, at) = broker(&zmq, |builder| builder.resend_untyped(true)).await;
        let seconds = BEAT.as_secs_f64().to_string();
        let mut first = Peer::script("ppp_worker.py", &[&at, &seconds]);
        first.line("ready").await;
        workers(&broker, 1, 1).await;
        let asker = raw::connected(zmq::REQ, &clients);
        let (asker, words) = raw::thread(move || {
            let words: Vec<_> = ["one", "two", "three"]
                .into_iter()
                .map(|word| {
                    raw::send(&asker, [word.as_bytes()]);
                    raw::receive(&asker)
                })
                .collect();
            (asker, words)
        })
        .await;
        assert_eq!(words, [[b"ONE".to_vec()], [b"TWO".to_vec()], [b"THREE".to_vec()]]);
        // It outlives many heartbeats, and is killed with a request that another gets.
        eventually("it is alive", async || report(&broker).await.workers.len() == 1).await;
        first.signal("STOP");
        let answer = raw::thread(move || {
            raw::send(&asker, [b"four"]);
            raw::receive(&asker)
        });
        eventually("it has it", async || {
            report(&broker).await.workers.first().is_some_and(|worker| worker.in_flight == 1)
        })
        .await;
        drop(first);
        let mut second = Peer::script("ppp_worker.py", &[&at, &seconds]);
        second.line("request four").await;
        assert_eq!(answer.await, [b"FOUR"]);
        assert_eq!(report(&broker).await.resent, 1);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_worker_that_has_all_it_takes_still_says_that_it_is_there() {
    within(async {
        let zmq = Factory::builder().start();
        let (broker, clients, at) = broker(&zmq, |builder| builder.heartbeat(ms(20))).await;
        let (keep, mut kept) = inbox();
        let service =
            Service::new("busy").route(Holder(Box::new(keep)).start().recipient::<Work>());
        let worker = ReplySocket::join(&*at).capacity(1).max_unanswered(1).worker_heartbeat(ms(20));
        open(&zmq, worker.name("worker").deliver_to(service)).await;
        let client = client(&zmq, &clients).await;
        let asked = ask(&client, Call::new(Work(1)));
        let (number, done): Held = kept.next().await;
        let before = status(&zmq, "worker").await.count(Counter::Received);
        eventually("it hears of the broker many times", async || {
            status(&zmq, "worker").await.count(Counter::Received) > before + 10
        })
        .await;
        assert_eq!(report(&broker).await.lost, 0);
        done.send(number).unwrap();
        assert_eq!(asked.await.unwrap().unwrap(), 1);
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn a_broker_within_the_process_serves_too() {
    within(async {
        let zmq = Factory::builder().start();
        let (clients, at) = (inproc(), inproc());
        let broker = Broker::between(&*clients, &*at).start(&zmq).await.unwrap();
        let service = Service::new("double").route(Route::inline(|Work(number)| number * 2));
        open(&zmq, ReplySocket::join(&*at).deliver_to(service)).await;
        let client = client(&zmq, &clients).await;
        let answers = join_all((0..2_000).map(|number| client.call(Work(number)))).await;
        assert!(answers.into_iter().zip(0..).all(|(answer, n)| answer.unwrap() == 2 * n));
        assert_eq!(report(&broker).await.answered, 2_000);
        finish(zmq).await;
    })
    .await;
}
