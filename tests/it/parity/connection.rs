//! Connections: interfaces, endpoints, their text, single messages and many.

use actix_zmq::prelude::*;
use actix_zmq::{Blueprint, Pattern, SocketState};

use super::puller;
use crate::support::{
    ANY_PORT, bound, bound_endpoints, events, finish, inbox, inproc, open, status, within,
};

/// Opens a socket and has it do what every socket does.
async fn behaves<K: Pattern>(zmq: &Addr<Factory>, blueprint: Blueprint<K>) {
    fn goes_anywhere<A: Actor>(_: &Addr<A>)
    where
        Addr<A>: Clone + Send + Sync,
    {
    }

    let (watcher, mut events) = events();
    let socket = open(zmq, blueprint).await;
    goes_anywhere(&socket);
    socket.send(Watch(watcher)).await.unwrap();
    let endpoint = socket.send(Bind::new(ANY_PORT)).await.unwrap().unwrap();
    socket.send(Unbind::new(endpoint)).await.unwrap().unwrap();
    let nowhere = inproc();
    socket.send(Connect::new(&*nowhere)).await.unwrap().unwrap();
    socket.send(Disconnect::new(&*nowhere)).await.unwrap().unwrap();
    socket.send(Restart).await.unwrap().unwrap();
    events.up().await;
    assert!(socket.send(Close::new()).await.unwrap().unwrap().confirmed);
}

/// `txZMQ test_connection.test_interfaces`, also claws and oub.
///
/// There a connection has the interfaces of Twisted's reactor; here it is an
/// actor, which takes the commands that are common to all sockets.
#[actix::test]
async fn every_socket_is_an_actor_that_takes_the_common_commands() {
    within(async {
        let zmq = Factory::builder().start();
        behaves(&zmq, PubSocket::new()).await;
        behaves(&zmq, SubSocket::new().topic("").on_message(|_: TopicMessage| {})).await;
        behaves(&zmq, PushSocket::new()).await;
        behaves(&zmq, PullSocket::new().on_message(|_: Pulled| {})).await;
        behaves(&zmq, RequestSocket::new()).await;
        behaves(&zmq, ReplySocket::new().on_message(|_: IncomingRequest| {})).await;
        behaves(&zmq, DealerSocket::new().on_message(|_: Received| {})).await;
        behaves(&zmq, RouterSocket::new().on_message(|_: ReceivedFrom| {})).await;
        behaves(&zmq, PairSocket::new().on_message(|_: Received| {})).await;
        behaves(&zmq, XPubSocket::new().on_message(|_: Subscription| {})).await;
        behaves(&zmq, XSubSocket::new().on_message(|_: TopicMessage| {})).await;
        finish(zmq).await;
    })
    .await;
}

/// `txZMQ test_connection.test_init`, also oub.
#[actix::test]
async fn a_bound_and_a_connected_socket_open_without_an_error() {
    within(async {
        let zmq = Factory::builder().start();
        let endpoint = inproc();
        let (_pull, _told) = puller(&zmq, PullSocket::bind(&*endpoint).name("pull")).await;
        open(&zmq, PushSocket::connect(&*endpoint).name("push")).await;
        for name in ["pull", "push"] {
            let status = status(&zmq, name).await;
            assert_eq!(status.state, SocketState::Up);
            assert_eq!(status.endpoints[0].endpoint().as_str(), endpoint);
        }
        finish(zmq).await;
    })
    .await;
}

/// `claws test_connection.test_init`: no socket before `connect` or `listen`.
#[actix::test]
async fn a_blueprint_is_no_socket_until_it_is_opened() {
    within(async {
        let zmq = Factory::builder().start();
        let endpoint = inproc();
        let first = PullSocket::bind(&*endpoint).on_message(|_: Pulled| {});
        let second = PullSocket::bind(&*endpoint).on_message(|_: Pulled| {});
        assert!(zmq.send(Status).await.unwrap().is_empty());
        drop(first);
        // The first one did not take the name.
        open(&zmq, second).await;
        assert_eq!(zmq.send(Status).await.unwrap().len(), 1);
        finish(zmq).await;
    })
    .await;
}

/// `txZMQ test_connection.test_addEndpoints`, also oub.
#[actix::test]
async fn endpoints_are_added_to_an_open_socket() {
    within(async {
        let zmq = Factory::builder().start();
        let (one, two, three) = (inproc(), inproc(), inproc());
        let (pull, mut told) = puller(&zmq, PullSocket::bind(&*one).name("pull")).await;
        for endpoint in [&two, &three] {
            pull.send(Bind::new(&**endpoint)).await.unwrap().unwrap();
        }
        assert_eq!(bound_endpoints(&status(&zmq, "pull").await), [one, two, three.clone()]);
        let push = open(&zmq, PushSocket::connect(&*three)).await;
        push.send(Push("abcd")).await.unwrap().unwrap();
        assert_eq!(told.next().await, Pulled("abcd".into()));
        finish(zmq).await;
        assert!(told.drain().is_empty());
    })
    .await;
}

/// `txZMQ test_connection.test_repr`, also claws (where there is no factory
/// yet) and oub.
///
/// Here it is the blueprint that shows its type and endpoints; of an open
/// socket, the status does.
#[actix::test]
async fn the_text_of_a_socket_names_its_type_and_endpoints() {
    within(async {
        let zmq = Factory::builder().start();
        let endpoint = inproc();
        let blueprint = PullSocket::bind(&*endpoint).name("pull").on_message(|_: Pulled| {});
        let text = format!("{blueprint:?}");
        assert!(text.contains("Pull") && text.contains(&endpoint), "{text}");
        open(&zmq, blueprint).await;
        let status = status(&zmq, "pull").await;
        let text = format!("{status:?}");
        assert!(text.contains("Pull") && text.contains(&endpoint), "{text}");
        assert_eq!(status.socket_type.to_string(), "PULL");
        assert_eq!(status.endpoints[0].endpoint().to_string(), endpoint);
        finish(zmq).await;
    })
    .await;
}

/// `txZMQ test_connection.test_send_recv`, also claws and oub.
#[actix::test]
async fn a_message_crosses_within_the_process() {
    within(async {
        let zmq = Factory::builder().start();
        let endpoint = inproc();
        let (_pull, mut told) = puller(&zmq, PullSocket::bind(&*endpoint)).await;
        let push = open(&zmq, PushSocket::connect(&*endpoint)).await;
        push.send(Push("abcd")).await.unwrap().unwrap();
        assert_eq!(told.next().await, Pulled("abcd".into()));
        finish(zmq).await;
        assert!(told.drain().is_empty());
    })
    .await;
}

/// `txZMQ test_connection.test_send_recv_tcp`, also claws and oub: 100
/// messages, in order, each of one frame.
#[actix::test]
async fn a_hundred_messages_cross_tcp_in_order() {
    within(async {
        let zmq = Factory::builder().start();
        let (_pull, mut told) = puller(&zmq, PullSocket::bind(ANY_PORT).name("pull")).await;
        let push = open(&zmq, PushSocket::connect(bound(&zmq, "pull").await)).await;
        for number in 0..100 {
            push.send(Push(number.to_string())).await.unwrap().unwrap();
        }
        for (number, Pulled(frames)) in told.take(100).await.into_iter().enumerate() {
            assert_eq!(frames, number.to_string().into());
        }
        finish(zmq).await;
        assert!(told.drain().is_empty());
    })
    .await;
}

/// `txZMQ test_connection.test_send_recv_tcp_large`, also claws and oub: one
/// message of two frames of 10,000 bytes.
#[actix::test]
async fn a_large_message_of_two_frames_arrives_as_one() {
    within(async {
        let zmq = Factory::builder().start();
        let (fill, mut told) = inbox::<Pulled>();
        open(&zmq, PullSocket::bind(ANY_PORT).name("pull").on_message(fill)).await;
        let push = open(&zmq, PushSocket::connect(bound(&zmq, "pull").await)).await;
        let large = [vec![b'0'; 10_000], vec![b'1'; 10_000]];
        push.send(Push(large.clone())).await.unwrap().unwrap();
        assert_eq!(told.next().await, Pulled(large.into()));
        finish(zmq).await;
        assert!(told.drain().is_empty());
    })
    .await;
}
