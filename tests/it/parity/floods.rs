//! The two long conversations of txZMQ's tests: a dealer asks 10,000 times, and
//! a router sends one event at once and two a moment later for each.

use std::time::Duration;

use actix_zmq::prelude::*;
use actix_zmq::{Blueprint, kinds};

use crate::support::{count, finish, inbox, ipc, open, raw, within_time};

/// How often the dealer asks.
const REQUESTS: usize = 10_000;
/// What the router sends for each.
const EVENTS: usize = 3;
/// What a slow machine may need.
const DEADLINE: Duration = Duration::from_secs(60);

/// Serves the requests of a dealer.
struct Server {
    router: Option<Addr<RouterSocket>>,
    requests: usize,
    peer: &'static str,
}

impl Actor for Server {
    type Context = Context<Self>;
}

/// Where to send from.
#[derive(Message)]
#[rtype(result = "()")]
struct Use(Addr<RouterSocket>);

impl Handler<Use> for Server {
    type Result = ();

    fn handle(&mut self, Use(router): Use, _ctx: &mut Context<Self>) {
        self.router = Some(router);
    }
}

/// Something to be sent in a later turn.
#[derive(Message)]
#[rtype(result = "()")]
struct Later(&'static str);

impl Handler<Later> for Server {
    type Result = ();

    fn handle(&mut self, Later(body): Later, _ctx: &mut Context<Self>) {
        self.tell(body);
    }
}

impl Handler<ReceivedFrom> for Server {
    type Result = ();

    fn handle(&mut self, received: ReceivedFrom, ctx: &mut Context<Self>) {
        assert_eq!(received.peer, self.peer);
        if received.body == "req".into() {
            self.requests += 1;
            self.tell("event");
            ctx.address().do_send(Later("event"));
            ctx.address().do_send(Later("event"));
        } else {
            assert_eq!(received.body, "stop".into());
            // Behind all that was put off.
            ctx.address().do_send(Later("exit"));
        }
    }
}

impl Server {
    fn tell(&self, body: &'static str) {
        self.router.as_ref().unwrap().do_send(SendTo::new(self.peer, body));
    }
}

#[derive(Message)]
#[rtype(result = "usize")]
struct Requests;

impl Handler<Requests> for Server {
    type Result = usize;

    fn handle(&mut self, _: Requests, _ctx: &mut Context<Self>) -> usize {
        self.requests
    }
}

/// Has a dealer in one factory talk with a router in another; the dealer
/// connects first.
async fn conversation(
    dealer: Blueprint<kinds::Dealer>,
    router: Blueprint<kinds::Router>,
    peer: &'static str,
) {
    let (here, there) = (Factory::builder().start(), Factory::builder().start());
    let (events, mut exit) = inbox();
    let mut heard = 0;
    let dealer = dealer.name("dealer").routing_id(peer).hwm(0).on_message(
        move |Received(body): Received| {
            if body == "event".into() {
                heard += 1;
            } else {
                assert_eq!(body, "exit".into());
                events(heard);
            }
        },
    );
    let dealer = open(&here, dealer).await;
    let server = Server { router: None, requests: 0, peer }.start();
    // Nobody awaits the server's sends, so that the queue must have room for all.
    let router = router.name("router").hwm(0).overflow(Overflow::Wait, REQUESTS * EVENTS + 1);
    let router = router.open_with_retry().deliver_to(server.clone().recipient::<ReceivedFrom>());
    let router = open(&there, router).await;
    server.send(Use(router)).await.unwrap();
    for _ in 0..REQUESTS {
        dealer.send(SendMessage("req")).await.unwrap().unwrap();
    }
    dealer.send(SendMessage("stop")).await.unwrap().unwrap();
    assert_eq!(exit.next().await, REQUESTS * EVENTS);
    assert_eq!(server.send(Requests).await.unwrap(), REQUESTS);
    assert_eq!(count(&there, "router", Counter::Lost).await, 0);
    for zmq in [here, there] {
        assert!(finish(zmq).await.is_clean());
    }
}

/// `txZMQ test_reqrep.ZmqREQREPTwoFactoryConnectionTestCase.test_start`: over
/// tcp, `master` and `slave`.
#[actix::test]
async fn ten_thousand_requests_over_tcp_have_thirty_thousand_replies() {
    within_time(DEADLINE, async {
        let (free, endpoint) = raw::bound(zmq::ROUTER);
        drop(free);
        let dealer = DealerSocket::connect(&*endpoint);
        let router = RouterSocket::bind(&*endpoint).routing_id("slave");
        conversation(dealer, router, "master").await;
    })
    .await;
}

/// `txZMQ test_router_dealer.test_start`: over ipc, each sender known as `dealer`.
#[actix::test]
async fn ten_thousand_requests_over_ipc_have_thirty_thousand_replies() {
    within_time(DEADLINE, async {
        let endpoint = ipc();
        let dealer = DealerSocket::connect(&*endpoint);
        let router = RouterSocket::bind(&*endpoint).routing_id("router");
        conversation(dealer, router, "dealer").await;
    })
    .await;
}
