//! oubiwann's fork of txZMQ, whose every command has a result, of which it
//! tests the good and the bad one. There the bad ones are brought about by replaced methods; here
//! they happen.

use actix_zmq::prelude::*;
use actix_zmq::{Endpoint, EndpointError, Transport};

use super::puller;
use crate::support::{ANY_PORT, eventually, finish, inbox, inproc, ipc, open, raw, status, within};

/// `test_connection.test_connect_success`.
#[actix::test]
async fn connecting_succeeds_and_is_told() {
    within(async {
        let zmq = Factory::builder().start();
        let endpoint = inproc();
        let (_pull, mut told) = puller(&zmq, PullSocket::bind(&*endpoint)).await;
        let push = open(&zmq, PushSocket::new().name("push")).await;
        assert!(status(&zmq, "push").await.endpoints.is_empty());
        push.send(Connect::new(&*endpoint)).await.unwrap().unwrap();
        let connected = status(&zmq, "push").await.endpoints;
        assert_eq!(connected.len(), 1);
        push.send(Push("connected")).await.unwrap().unwrap();
        assert_eq!(told.next().await, Pulled("connected".into()));
        finish(zmq).await;
    })
    .await;
}

/// `test_connection.test_connect_fail`: there a `ConnectionError` with a text.
#[actix::test]
async fn connecting_fails_with_a_kind_the_endpoint_and_a_text() {
    within(async {
        let zmq = Factory::builder().start();
        let push = open(&zmq, PushSocket::new().name("push")).await;
        let error = push.send(Connect::new(ANY_PORT)).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidEndpoint);
        assert_eq!(error.endpoint(), Some(ANY_PORT));
        assert!(error.to_string().starts_with("invalid endpoint"), "{error}");
        assert!(error.to_string().contains(ANY_PORT), "{error}");
        assert!(status(&zmq, "push").await.endpoints.is_empty());
        finish(zmq).await;
    })
    .await;
}

/// `test_connection.test_listen_success`.
#[actix::test]
async fn listening_succeeds_with_the_endpoint_as_resolved() {
    within(async {
        let zmq = Factory::builder().start();
        let (pull, mut told) = puller(&zmq, PullSocket::new().name("pull")).await;
        let endpoint = pull.send(Bind::new(ANY_PORT)).await.unwrap().unwrap();
        assert!(endpoint.port().is_some_and(|port| port != 0));
        let push = open(&zmq, PushSocket::connect(endpoint)).await;
        push.send(Push("heard")).await.unwrap().unwrap();
        assert_eq!(told.next().await, Pulled("heard".into()));
        finish(zmq).await;
    })
    .await;
}

/// `test_connection.test_listen_fail`: there a `ListenError` with a text.
#[actix::test]
async fn listening_fails_with_a_kind_the_endpoint_and_a_text() {
    within(async {
        let zmq = Factory::builder().start();
        let (taken, endpoint) = raw::bound(zmq::PULL);
        let (pull, _told) = puller(&zmq, PullSocket::new().name("pull")).await;
        let error = pull.send(Bind::new(&*endpoint)).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddressInUse);
        assert_eq!(error.endpoint(), Some(&*endpoint));
        assert!(error.to_string().starts_with("address in use"), "{error}");
        assert!(error.is_retryable());
        assert!(status(&zmq, "pull").await.endpoints.is_empty());
        drop(taken);
        finish(zmq).await;
    })
    .await;
}

/// A subscriber that has ended.
async fn ended_subscriber(zmq: &Addr<Factory>) -> Addr<SubSocket> {
    let subscriber = SubSocket::new().topic("topic").on_message(|_: TopicMessage| {});
    let subscriber = open(zmq, subscriber).await;
    subscriber.send(Close::new()).await.unwrap().unwrap();
    subscriber
}

/// `test_pubsub.test_subscribe_success`.
#[actix::test]
async fn subscribing_succeeds() {
    within(async {
        let zmq = Factory::builder().start();
        let (publisher, endpoint) = raw::bound(zmq::XPUB);
        let subscriber = SubSocket::connect(endpoint).on_message(|_: TopicMessage| {});
        let subscriber = open(&zmq, subscriber).await;
        subscriber.send(Subscribe::new("topic")).await.unwrap().unwrap();
        let publisher = raw::thread(move || {
            assert_eq!(raw::receive(&publisher), [b"\x01topic"]);
            publisher
        });
        drop(publisher.await);
        finish(zmq).await;
    })
    .await;
}

/// `test_pubsub.test_subscribe_fail`: there a `SubscribingError`.
#[actix::test]
async fn subscribing_fails_where_the_socket_has_ended() {
    within(async {
        let zmq = Factory::builder().start();
        let subscriber = ended_subscriber(&zmq).await;
        let error = subscriber.send(Subscribe::new("topic")).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        finish(zmq).await;
    })
    .await;
}

/// `test_pubsub.test_unsubscribe_success`.
#[actix::test]
async fn unsubscribing_succeeds() {
    within(async {
        let zmq = Factory::builder().start();
        let (publisher, endpoint) = raw::bound(zmq::XPUB);
        let subscriber = SubSocket::connect(endpoint).topic("topic");
        let subscriber = open(&zmq, subscriber.on_message(|_: TopicMessage| {})).await;
        let publisher = raw::thread(move || {
            assert_eq!(raw::receive(&publisher), [b"\x01topic"]);
            publisher
        })
        .await;
        subscriber.send(Unsubscribe::new("topic")).await.unwrap().unwrap();
        let publisher = raw::thread(move || {
            assert_eq!(raw::receive(&publisher), [b"\x00topic"]);
            publisher
        });
        drop(publisher.await);
        finish(zmq).await;
    })
    .await;
}

/// `test_pubsub.test_unsubscribe_fail`: there an `UnsubscribingError`. A topic that nobody
/// subscribed to is one as well, which libzmq passes over.
#[actix::test]
async fn unsubscribing_fails_where_there_is_no_subscription_or_no_socket() {
    within(async {
        let zmq = Factory::builder().start();
        let ended = ended_subscriber(&zmq).await;
        let error = ended.send(Unsubscribe::new("topic")).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        let subscriber = SubSocket::new().topic("topic").on_message(|_: TopicMessage| {});
        let subscriber = open(&zmq, subscriber).await;
        let error = subscriber.send(Unsubscribe::new("other")).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        subscriber.send(Unsubscribe::new("topic")).await.unwrap().unwrap();
        finish(zmq).await;
    })
    .await;
}

/// Publishes to a plain subscriber until something arrives, and tells what that is.
async fn on_the_wire(topic: &'static str, body: &'static str) -> Vec<Vec<u8>> {
    let zmq = Factory::builder().start();
    let (subscriber, endpoint) = raw::bound(zmq::SUB);
    subscriber.set_subscribe(b"").unwrap();
    let publisher = PubSocket::connect(endpoint).framing(TopicFraming::tagged());
    let publisher = open(&zmq, publisher).await;
    eventually("it arrives", async || {
        publisher.send(Publish::new(topic, body)).await.unwrap().unwrap();
        subscriber.poll(zmq::POLLIN, 0).unwrap() == 1
    })
    .await;
    let frames = raw::receive(&subscriber);
    drop(subscriber);
    finish(zmq).await;
    frames
}

/// `test_pubsub.test_publish_fail`: there a `PublishingError`; here the message comes back.
#[actix::test]
async fn publishing_fails_and_gives_the_message_back() {
    within(async {
        let zmq = Factory::builder().start();
        let publisher = PubSocket::bind(&*inproc()).framing(TopicFraming::tagged());
        let publisher = open(&zmq, publisher).await;
        let error = publisher.send(Publish::new("a\0b", "body")).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidMessage);
        assert_eq!(error.into_message(), Some("body".into()));
        publisher.send(Close::new()).await.unwrap().unwrap();
        let error = publisher.send(Publish::new("tag", "body")).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert_eq!(error.into_message(), Some("body".into()));
        finish(zmq).await;
    })
    .await;
}

/// `test_pubsub.test_publish_success`, where the message has no tag: its
/// separator is sent all the same.
#[actix::test]
async fn publishing_succeeds_with_a_tag_and_without_one() {
    within(async {
        assert_eq!(on_the_wire("tag", "a message").await, [b"tag\0a message"]);
        let frames = on_the_wire("", "a really special message").await;
        assert_eq!(frames, [b"\0a really special message"]);
    })
    .await;
}

/// `test_connection.ZmqAddressTestCase.test_init`: there scheme, host and port; here the whole text,
/// the transport and the port.
#[actix::test]
async fn an_endpoint_tells_its_transport_and_port() {
    within(async {
        let zmq = Factory::builder().start();
        let endpoint = Endpoint::parse("tcp://127.0.0.1:5555").unwrap();
        assert_eq!((endpoint.transport(), endpoint.port()), (Transport::Tcp, Some(5555)));
        assert_eq!(endpoint.as_str(), "tcp://127.0.0.1:5555");
        let endpoint = Endpoint::parse(&inproc()).unwrap();
        assert_eq!((endpoint.transport(), endpoint.port()), (Transport::Inproc, None));
        // A parsed one is taken wherever a text is.
        let (fill, mut told) = inbox::<Pulled>();
        open(&zmq, PullSocket::bind(&endpoint).on_message(fill)).await;
        let push = open(&zmq, PushSocket::connect(endpoint)).await;
        push.send(Push("x")).await.unwrap().unwrap();
        told.next().await;
        finish(zmq).await;
    })
    .await;
}

/// `test_connection.test_init_multiple_addresses`.
///
/// There the third address is `tpc://…`, and nobody minds; here it is refused.
#[actix::test]
async fn a_blueprint_keeps_several_endpoints_in_order_and_refuses_a_misspelt_one() {
    within(async {
        let zmq = Factory::builder().start();
        let endpoints = [ipc(), inproc(), "tcp://127.0.0.1:9".to_owned()];
        let mut push = PushSocket::new().name("push");
        for endpoint in &endpoints {
            push = push.connect(endpoint);
        }
        open(&zmq, push).await;
        let kept = status(&zmq, "push").await.endpoints;
        assert!(kept.iter().map(|kept| kept.endpoint().as_str()).eq(&endpoints), "{kept:?}");
        let push = PushSocket::connect(&endpoints[1]).connect("tpc://localhost:5555");
        let error = zmq.send(Open(push)).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidEndpoint);
        assert_eq!(error.endpoint(), Some("tpc://localhost:5555"));
        finish(zmq).await;
    })
    .await;
}

/// `test_connection.test_init_bad_connection_type`.
///
/// There is no type to misspell here: `bind` and `connect` are functions. What
/// remains to be refused is an endpoint that is made for the other one.
#[actix::test]
async fn an_endpoint_that_is_for_binding_alone_cannot_be_connected_nor_the_reverse() {
    within(async {
        let zmq = Factory::builder().start();
        let source = "tcp://127.0.0.1:0;127.0.0.1:9";
        for (blueprint, endpoint) in
            [(PushSocket::connect(ANY_PORT), ANY_PORT), (PushSocket::bind(source), source)]
        {
            let error = zmq.send(Open(blueprint)).await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidEndpoint, "{error}");
            assert_eq!(error.endpoint(), Some(endpoint));
        }
        finish(zmq).await;
    })
    .await;
}

/// Texts that are no endpoints, at the parser and at the factory.
async fn no_endpoints(texts: &[&str], wanted: fn(&EndpointError) -> bool) {
    let zmq = Factory::builder().start();
    for text in texts {
        let error = Endpoint::parse(text).unwrap_err();
        assert!(wanted(&error), "{text:?}: {error:?}");
        assert_eq!(error.endpoint(), *text);
        let error = zmq.send(Open(PushSocket::connect(*text))).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidEndpoint, "{text:?}: {error}");
    }
    finish(zmq).await;
}

/// `test_connection.ZmqAddressTestCase.test_parse_no_port`: no port at all.
///
/// There a missing port is `None`; ZeroMQ has no default port, and here it is
/// an error.
#[actix::test]
async fn a_tcp_endpoint_without_a_port_is_none() {
    within(no_endpoints(&["tcp://1.2.3.4", "tcp://host"], |error| {
        matches!(error, EndpointError::MissingPort { .. })
    }))
    .await;
}

/// `test_connection.ZmqAddressTestCase.test_parse_no_port`: nothing after the colon.
#[actix::test]
async fn a_tcp_endpoint_with_an_empty_port_is_none() {
    within(no_endpoints(&["tcp://1.2.3.4:", "tcp://h:"], |error| {
        matches!(error, EndpointError::MissingPort { .. } | EndpointError::InvalidPort { .. })
    }))
    .await;
}

/// `test_connection.ZmqAddressTestCase.test_bad_scheme`.
#[actix::test]
async fn a_scheme_that_nobody_knows_is_none() {
    within(no_endpoints(
        &["icmp://1.2.3.4", "http://127.0.0.1:80", "TCP://127.0.0.1:80"],
        |error| matches!(error, EndpointError::UnknownScheme { .. }),
    ))
    .await;
}
