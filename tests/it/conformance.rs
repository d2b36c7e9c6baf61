//! What every socket type has in common, once for each of them and each transport.

use actix_zmq::prelude::*;
use actix_zmq::{Blueprint, Pattern, SocketState, SocketType};

use crate::support::{
    ANY_PORT, bound, events, eventually, finish, inproc, ipc, ms, open, status, within,
};

/// A whole life: opened, bound to more, restarted at the same place, changed, closed, opened anew.
async fn lives<K: Pattern>(
    socket_type: SocketType,
    endpoints: Vec<String>,
    blueprint: impl Fn() -> Blueprint<K>,
) {
    for endpoint in endpoints {
        within(async {
            let zmq = Factory::builder().start();
            let (watcher, mut events) = events();
            let policy = RestartPolicy::default().initial(ms(5)).budget(100);
            let ours = || blueprint().name("ours").restart(policy.clone());
            let socket = open(&zmq, ours().bind(&*endpoint).watch(watcher)).await;
            events.up().await;
            let first = status(&zmq, "ours").await;
            assert_eq!((first.socket_type, first.state), (socket_type, SocketState::Up));
            assert_eq!(first.endpoints.len(), 1);
            let at = bound(&zmq, "ours").await;
            assert!(!at.contains('*'), "{at}");
            // Nobody takes its place, not even itself.
            let error = socket.send(Bind::new(&*at)).await.unwrap().unwrap_err();
            assert_eq!((error.kind(), error.endpoint()), (ErrorKind::AddressInUse, Some(&*at)));
            let error = socket.send(Unbind::new("tcp://127.0.0.1:1")).await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            socket.send(Restart).await.unwrap().unwrap();
            eventually("it is back", async || {
                let now = status(&zmq, "ours").await;
                now.restarts == 1 && now.state == SocketState::Up
            })
            .await;
            assert_eq!(status(&zmq, "ours").await.endpoints, first.endpoints);
            socket.send(Unbind::new(&*at)).await.unwrap().unwrap();
            assert!(status(&zmq, "ours").await.endpoints.is_empty());
            let report = socket.send(Close::new()).await.unwrap().unwrap();
            assert!(report.confirmed);
            assert_eq!((report.socket_type, report.still_queued), (socket_type, 0));
            events.event(|kind| matches!(kind, EventKind::Closed).then_some(())).await;
            let error = socket.send(Bind::new(&*at)).await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Closed);
            eventually("its place is free", async || {
                zmq.send(Open(ours().bind(&*at))).await.unwrap().is_ok()
            })
            .await;
            let report = finish(zmq).await;
            assert!(report.is_clean(), "{report}");
        })
        .await;
    }
}

fn every_transport() -> Vec<String> {
    vec![ANY_PORT.to_owned(), ipc(), inproc()]
}

macro_rules! every_type {
    ($($name:ident: $type:ident, $endpoints:expr, $blueprint:expr;)*) => {$(
        #[actix::test]
        async fn $name() {
            lives(SocketType::$type, $endpoints, || $blueprint).await;
        }
    )*};
}

every_type! {
    a_pub_socket_lives: Pub, every_transport(), PubSocket::new();
    an_xpub_socket_lives: XPub, every_transport(), XPubSocket::new().on_message(|_: Subscription| {});
    a_sub_socket_lives: Sub, every_transport(), SubSocket::new().on_message(|_: TopicMessage| {});
    an_xsub_socket_lives: XSub, every_transport(), XSubSocket::new().on_message(|_: TopicMessage| {});
    a_push_socket_lives: Push, every_transport(), PushSocket::new();
    a_pull_socket_lives: Pull, every_transport(), PullSocket::new().on_message(|_: Pulled| {});
    a_request_socket_lives: Request, every_transport(), RequestSocket::new();
    a_reply_socket_lives: Reply, every_transport(), ReplySocket::new().on_message(|_: IncomingRequest| {});
    a_req_socket_lives: Req, every_transport(), ReqSocket::new();
    a_rep_socket_lives: Rep, every_transport(), RepSocket::new().on_message(|_: IncomingRequest| {});
    a_dealer_socket_lives: Dealer, every_transport(), DealerSocket::new().on_message(|_: Received| {});
    a_router_socket_lives: Router, every_transport(), RouterSocket::new().on_message(|_: ReceivedFrom| {});
    a_pair_socket_lives: Pair, every_transport(), PairSocket::new().on_message(|_: Received| {});
    a_stream_socket_lives: Stream, vec![ANY_PORT.to_owned()], StreamSocket::new().on_message(|_: ReceivedFrom| {});
}
