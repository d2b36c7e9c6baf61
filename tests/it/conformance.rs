//! What every socket type has in common, once for each of them and each transport.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use actix_zmq::prelude::*;
use actix_zmq::{Blueprint, Socket, SocketState, kinds};

use crate::support::traffic::{Ear, Talks, ear};
use crate::support::{
    ANY_PORT, Inbox, bound, events, eventually, finish, inproc, ipc, ms, open, status, within,
};

/// Long enough for everything that happens.
const LONG: Duration = Duration::from_secs(15);

/// A socket of one type, and what it hears.
struct Side<K: Talks> {
    name: &'static str,
    socket: Addr<Socket<K>>,
    ear: Ear,
    told: Inbox<Multipart>,
}

impl<K: Talks> Side<K> {
    async fn open(
        zmq: &Addr<Factory>,
        name: &'static str,
        more: impl FnOnce(Blueprint<K>) -> Blueprint<K>,
    ) -> Self {
        let (ear, told) = ear();
        let policy = RestartPolicy::default().initial(ms(5)).budget(100);
        let blueprint = K::blueprint(&ear).reconnect_interval(ms(5)).restart(policy).name(name);
        Self { name, socket: open(zmq, more(blueprint)).await, ear, told }
    }

    async fn restart(&self, zmq: &Addr<Factory>) {
        let before = status(zmq, self.name).await.restarts;
        self.socket.send(Restart).await.unwrap().unwrap();
        eventually("it is back", async || {
            let now = status(zmq, self.name).await;
            now.restarts > before && now.state == SocketState::Up
        })
        .await;
    }

    async fn has_peers(&self, zmq: &Addr<Factory>, count: usize) {
        eventually("it knows how many peers it has", async || {
            status(zmq, self.name).await.peers == Some(count)
        })
        .await;
    }
}

/// A bound socket, and a partner that is connected to it.
async fn partners<A: Talks, B: Talks>(zmq: &Addr<Factory>, endpoint: &str) -> (Side<A>, Side<B>) {
    let ours = Side::open(zmq, "ours", |blueprint| blueprint.bind(endpoint)).await;
    let theirs = partner(zmq).await;
    (ours, theirs)
}

async fn partner<B: Talks>(zmq: &Addr<Factory>) -> Side<B> {
    let at = bound(zmq, "ours").await;
    Side::open(zmq, "theirs", |blueprint| blueprint.connect(at)).await
}

/// A message that there was not before.
fn news() -> Multipart {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("<{:09}>", NEXT.fetch_add(1, Ordering::Relaxed)).into()
}

/// Messages flow in every direction that there is between the two.
async fn talk<A: Talks, B: Talks>(ours: &mut Side<A>, theirs: &mut Side<B>) {
    if A::HEARS_FIRST {
        one_way(theirs, ours).await;
        one_way(ours, theirs).await;
    } else {
        one_way(ours, theirs).await;
        one_way(theirs, ours).await;
    }
}

/// What is said is heard, if this side says and the other one hears.
async fn one_way<F: Talks, T: Talks>(from: &mut Side<F>, to: &mut Side<T>) {
    if !(F::SAYS && T::HEARS) {
        return;
    }
    // Around a restart messages are lost, as the other side's death loses them.
    eventually("it is heard", async || {
        let said = F::say(&from.socket, &from.ear, news());
        // Who waits for an answer that is lost gives up.
        let _ = tokio::time::timeout(ms(500), said).await;
        to.told.drain().iter().any(|body| !body[0].is_empty())
    })
    .await;
    let body = news();
    F::say(&from.socket, &from.ear, body.clone()).await.unwrap();
    // STREAM knows no borders.
    let is_it = |heard: Multipart| heard[0].ends_with(&body[0]).then_some(());
    to.told.find(is_it).await;
    if F::ASKS {
        from.told.find(is_it).await;
    }
}

/// Traffic flows, whichever side restarts.
async fn talks<A: Talks, B: Talks>(zmq: &Addr<Factory>, endpoint: &str) {
    let (mut ours, mut theirs) = partners::<A, B>(zmq, endpoint).await;
    talk(&mut ours, &mut theirs).await;
    ours.restart(zmq).await;
    talk(&mut ours, &mut theirs).await;
    theirs.restart(zmq).await;
    talk(&mut ours, &mut theirs).await;
    for name in ["ours", "theirs"] {
        assert_eq!(status(zmq, name).await.state, SocketState::Up);
    }
}

/// The text of the error of a wait for peers that do not come.
async fn waits_in_vain<K: Talks>(side: &Side<K>, peers: usize) -> String {
    let error = side.socket.send(WaitConnected { peers, deadline: ms(20) }).await.unwrap();
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    error.to_string()
}

/// Peers are counted as they come and go, and waited for.
async fn knows_its_peers<A: Talks, B: Talks>(zmq: &Addr<Factory>, endpoint: &str) {
    let ours = Side::<A>::open(zmq, "ours", |blueprint| blueprint.bind(endpoint)).await;
    let told = waits_in_vain(&ours, 1).await;
    assert!(told.contains("0 of 1 peers"), "{told}");
    ours.has_peers(zmq, 0).await;
    for _ in 0..2 {
        let waiting = actix::spawn(ours.socket.send(WaitConnected::within(LONG)));
        let theirs = partner::<B>(zmq).await;
        assert_eq!(waiting.await.unwrap().unwrap().unwrap(), 1);
        assert_eq!(theirs.socket.send(WaitConnected::within(LONG)).await.unwrap().unwrap(), 1);
        let told = waits_in_vain(&ours, 2).await;
        assert!(told.contains("1 of 2 peers"), "{told}");
        ours.has_peers(zmq, 1).await;
        theirs.has_peers(zmq, 1).await;
        theirs.socket.send(Close::new()).await.unwrap().unwrap();
        ours.has_peers(zmq, 0).await;
    }
    let theirs = partner::<B>(zmq).await;
    theirs.has_peers(zmq, 1).await;
    ours.socket.send(Close::new()).await.unwrap().unwrap();
    theirs.has_peers(zmq, 0).await;
}

/// Without a monitor everything is as it was, but nobody knows of peers.
async fn needs_no_monitor<A: Talks, B: Talks>(zmq: &Addr<Factory>, endpoint: &str) {
    let blind = |blueprint: Blueprint<A>| blueprint.bind(endpoint).monitor(false);
    let mut ours = Side::open(zmq, "ours", blind).await;
    let mut theirs = partner::<B>(zmq).await;
    talk(&mut ours, &mut theirs).await;
    assert_eq!(status(zmq, "ours").await.peers, None);
    let error = ours.socket.send(WaitConnected::within(LONG)).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    ours.restart(zmq).await;
    assert_eq!(status(zmq, "ours").await.peers, None);
    talk(&mut ours, &mut theirs).await;
}

/// An option that every type has, and one that this type has not.
async fn keeps_options<A: Talks, B: Talks>(zmq: &Addr<Factory>, endpoint: &str) {
    let (mut ours, mut theirs) = partners::<A, B>(zmq, endpoint).await;
    let get = async |name| ours.socket.send(GetOption(name)).await.unwrap();
    let set = async |option| ours.socket.send(SetOption(option)).await.unwrap();
    assert_eq!(get(OptionName::ReceiveHwm).await.unwrap(), SocketOption::ReceiveHwm(1_000));
    set(SocketOption::ReceiveHwm(77)).await.unwrap();
    assert_eq!(get(OptionName::ReceiveHwm).await.unwrap(), SocketOption::ReceiveHwm(77));
    let foreign = || match A::TYPE {
        actix_zmq::SocketType::Stream => SocketOption::Conflate(true),
        _ => SocketOption::Notify(true),
    };
    for refused in [foreign(), SocketOption::RoutingId(vec![0])] {
        let error = set(refused).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidOption, "{error}");
    }
    let error = get(foreign().name()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidOption, "{error}");
    let blueprint = A::blueprint(&ours.ear).option(foreign());
    let error = zmq.send(Open(blueprint)).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidOption, "{error}");
    ours.restart(zmq).await;
    assert_eq!(get(OptionName::ReceiveHwm).await.unwrap(), SocketOption::ReceiveHwm(77));
    talk(&mut ours, &mut theirs).await;
}

/// A closed socket says what it said when it was closed, and gives back what it is given.
async fn stays_closed<A: Talks, B: Talks>(zmq: &Addr<Factory>, endpoint: &str) {
    let (mut ours, mut theirs) = partners::<A, B>(zmq, endpoint).await;
    talk(&mut ours, &mut theirs).await;
    let close = || ours.socket.send(Close::new());
    let (first, second) = futures::future::join(close(), close()).await;
    let report = first.unwrap().unwrap();
    assert_eq!((report.socket_type, report.confirmed), (A::TYPE, true));
    assert_eq!(report.sent > 0, A::SAYS || B::ASKS);
    assert_eq!(second.unwrap().unwrap(), report);
    assert_eq!(close().await.unwrap().unwrap(), report);
    if A::SAYS {
        let body = news();
        let error = A::say(&ours.socket, &ours.ear, body.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        // What an XSUB says here has a topic in front.
        assert_eq!(error.into_message().unwrap().last(), body.last());
    }
    let socket = &ours.socket;
    for error in [
        socket.send(Bind::new(endpoint)).await.unwrap().unwrap_err(),
        socket.send(Connect::new(endpoint.replace('*', "1"))).await.unwrap().unwrap_err(),
        socket.send(Restart).await.unwrap().unwrap_err(),
        socket.send(WaitConnected::within(LONG)).await.unwrap().unwrap_err(),
        socket.send(SetOption(SocketOption::ReceiveHwm(1))).await.unwrap().unwrap_err(),
        socket.send(GetOption(OptionName::ReceiveHwm)).await.unwrap().unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    }
    assert_eq!(status(zmq, "theirs").await.state, SocketState::Up);
}

/// A receiver that ends is told of, once, and is not the end of the socket.
async fn outlives_its_receiver<A: Talks, B: Talks>(zmq: &Addr<Factory>, endpoint: &str) {
    let (watcher, mut events) = events();
    let mortal = A::short_lived().name("ours").bind(endpoint).watch(watcher);
    let socket = open(zmq, mortal).await;
    let theirs = partner::<B>(zmq).await;
    if B::HEARS_FIRST {
        A::say(&socket, &theirs.ear, news()).await.unwrap();
    }
    let mut gone = 0;
    let mut look = async || {
        let is_it = |kind| matches!(kind, EventKind::ReceiverGone { .. });
        gone += events.drain().into_iter().filter(|event| is_it(event.kind.clone())).count();
        gone
    };
    eventually("it is told", async || {
        let said = B::say(&theirs.socket, &theirs.ear, news());
        let _ = tokio::time::timeout(ms(20), said).await;
        look().await > 0
    })
    .await;
    let said = B::say(&theirs.socket, &theirs.ear, news());
    let _ = tokio::time::timeout(ms(20), said).await;
    assert_eq!(status(zmq, "ours").await.state, SocketState::Up);
    let report = socket.send(Close::new()).await.unwrap().unwrap();
    assert!(report.confirmed);
    assert_eq!(look().await, 1);
}

/// A whole life: opened, bound to more, restarted at the same place, changed, closed, opened anew.
async fn lives<K: Talks, B: Talks>(zmq: &Addr<Factory>, endpoint: &str) {
    let (ear, _told) = ear();
    let (watcher, mut events) = events();
    let policy = RestartPolicy::default().initial(ms(5)).budget(100);
    let ours = || K::blueprint(&ear).name("ours").restart(policy.clone());
    let socket = open(zmq, ours().bind(endpoint).watch(watcher)).await;
    events.up().await;
    let first = status(zmq, "ours").await;
    assert_eq!((first.socket_type, first.state), (K::TYPE, SocketState::Up));
    assert_eq!(first.endpoints.len(), 1);
    let at = bound(zmq, "ours").await;
    assert!(!at.contains('*'), "{at}");
    // Nobody takes its place, not even itself.
    let error = socket.send(Bind::new(&*at)).await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.endpoint()), (ErrorKind::AddressInUse, Some(&*at)));
    let error = socket.send(Unbind::new("tcp://127.0.0.1:1")).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    socket.send(Restart).await.unwrap().unwrap();
    eventually("it is back", async || {
        let now = status(zmq, "ours").await;
        now.restarts == 1 && now.state == SocketState::Up
    })
    .await;
    assert_eq!(status(zmq, "ours").await.endpoints, first.endpoints);
    socket.send(Unbind::new(&*at)).await.unwrap().unwrap();
    assert!(status(zmq, "ours").await.endpoints.is_empty());
    let report = socket.send(Close::new()).await.unwrap().unwrap();
    assert!(report.confirmed);
    assert_eq!((report.socket_type, report.still_queued), (K::TYPE, 0));
    events.event(|kind| matches!(kind, EventKind::Closed).then_some(())).await;
    let error = socket.send(Bind::new(&*at)).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    eventually("its place is free", async || {
        zmq.send(Open(ours().bind(&*at))).await.unwrap().is_ok()
    })
    .await;
}

/// Runs a test on each transport, on a factory of its own, under the deadline.
async fn everywhere(endpoints: Vec<String>, test: impl AsyncFn(&Addr<Factory>, &str)) {
    for endpoint in endpoints {
        within(async {
            let zmq = Factory::builder().start();
            test(&zmq, &endpoint).await;
            let report = finish(zmq).await;
            assert!(report.is_clean(), "{report}");
        })
        .await;
    }
}

fn every_transport() -> Vec<String> {
    vec![ANY_PORT.to_owned(), ipc(), inproc()]
}

fn tcp() -> Vec<String> {
    vec![ANY_PORT.to_owned()]
}

/// One row for each type, with a partner for its traffic; what `receives` has a receiver.
macro_rules! every_type {
    ($($name:ident: $ours:ident with $theirs:ident, $endpoints:ident $(, $receives:ident)?;)*) => {$(
        mod $name {
            use super::{everywhere, kinds};

            every_type!(@ $ours $theirs $endpoints:
                lives
                talks
                knows_its_peers
                needs_no_monitor
                keeps_options
                stays_closed
                $($receives)?
            );
        }
    )*};
    (@ $ours:ident $theirs:ident $endpoints:ident: $($behaviour:ident)*) => {$(
        #[actix::test]
        async fn $behaviour() {
            let test = super::$behaviour::<kinds::$ours, kinds::$theirs>;
            everywhere(super::$endpoints(), async |zmq, endpoint| test(zmq, endpoint).await).await;
        }
    )*};
}

every_type! {
    a_pub_socket: Pub with Sub, every_transport;
    an_xpub_socket: XPub with XSub, every_transport, outlives_its_receiver;
    a_sub_socket: Sub with XPub, every_transport, outlives_its_receiver;
    an_xsub_socket: XSub with XPub, every_transport, outlives_its_receiver;
    a_push_socket: Push with Pull, every_transport;
    a_pull_socket: Pull with Push, every_transport, outlives_its_receiver;
    a_request_socket: Request with Reply, every_transport;
    a_reply_socket: Reply with Request, every_transport, outlives_its_receiver;
    a_req_socket: Req with Rep, every_transport;
    a_rep_socket: Rep with Req, every_transport, outlives_its_receiver;
    a_dealer_socket: Dealer with Router, every_transport, outlives_its_receiver;
    a_router_socket: Router with Dealer, every_transport, outlives_its_receiver;
    a_pair_socket: Pair with Pair, every_transport, outlives_its_receiver;
    a_stream_socket: Stream with Stream, tcp, outlives_its_receiver;
}
