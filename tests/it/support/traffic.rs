//! One way to talk for every socket type: what one side says, the other hears.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::Addr;
use actix_zmq::prelude::*;
use actix_zmq::{Blueprint, Pattern, Result, Socket, kinds};
use futures::future::{LocalBoxFuture, ready};

use super::actors::ShortLived;
use super::{Inbox, inbox};

/// Under which publishers publish, and subscribers send upstream.
pub(crate) const TOPIC: &str = "t";

/// Hears what arrives, and remembers who said it last.
#[derive(Clone)]
pub(crate) struct Ear {
    fill: Arc<dyn Fn(Multipart) + Send + Sync>,
    peer: Arc<Mutex<Frame>>,
}

/// An ear, and what it hears.
pub(crate) fn ear() -> (Ear, Inbox<Multipart>) {
    let (fill, told) = inbox();
    let peer = Arc::new(Mutex::new("nobody".into()));
    (Ear { fill: Arc::new(fill), peer }, told)
}

impl Ear {
    fn hear(&self, body: Multipart) {
        (self.fill)(body);
    }

    fn hear_from(&self, peer: Frame, body: Multipart) {
        *self.peer.lock().unwrap() = peer;
        self.hear(body);
    }

    /// Has the next message go to this peer, whoever was heard last.
    pub(crate) fn expect(&self, peer: &str) {
        *self.peer.lock().unwrap() = peer.into();
    }

    /// Whom the next message of a ROUTER or STREAM is for.
    pub(crate) fn peer(&self) -> Frame {
        self.peer.lock().unwrap().clone()
    }
}

/// A socket type that can be talked with.
pub(crate) trait Talks: Pattern + Sized {
    /// Whether it says anything by itself.
    const SAYS: bool = true;
    /// Whether it hears anything.
    const HEARS: bool = true;
    /// Whether what it says is answered.
    const ASKS: bool = false;
    /// Whether it must have heard from a peer before it says anything.
    const HEARS_FIRST: bool = false;

    /// A socket with this ear; it echoes where it must answer.
    fn blueprint(ear: &Ear) -> Blueprint<Self>;

    /// A socket whose receiver ends at the first message.
    fn short_lived() -> Blueprint<Self> {
        panic!("it has no receiver");
    }

    /// Says something, a ROUTER or STREAM to whom it has heard last. Who asks hears the reply.
    fn say(socket: &Addr<Socket<Self>>, ear: &Ear, body: Multipart) -> Saying;

    /// Waits until what is said will be heard.
    fn joined(_socket: &Addr<Socket<Self>>) -> LocalBoxFuture<'static, ()> {
        Box::pin(ready(()))
    }
}

type Saying = LocalBoxFuture<'static, Result<()>>;

/// With some frames in front.
pub(crate) fn after(front: &[&str], body: &Multipart) -> Multipart {
    front.iter().map(|frame| Frame::from(*frame)).chain(body.iter().cloned()).collect()
}

fn sending<K, M>(socket: &Addr<Socket<K>>, message: M) -> Saying
where
    K: Pattern,
    Socket<K>: Actor<Context = Context<Socket<K>>> + Handler<M>,
    M: Message<Result = Result<()>> + Send + 'static,
{
    let sent = socket.send(message);
    Box::pin(async move { sent.await.expect("a socket") })
}

macro_rules! talks {
    ($($kind:ident { $($part:tt)* })*) => {$(
        impl Talks for kinds::$kind { $($part)* }
    )*};
}

macro_rules! says {
    (|$body:ident, $ear:ident| $message:expr) => {
        fn say(socket: &Addr<Socket<Self>>, $ear: &Ear, $body: Multipart) -> Saying {
            sending(socket, $message)
        }
    };
}

macro_rules! says_nothing {
    () => {
        const SAYS: bool = false;

        fn say(_socket: &Addr<Socket<Self>>, _ear: &Ear, _body: Multipart) -> Saying {
            panic!("it says nothing by itself");
        }
    };
}

macro_rules! hears_nothing {
    () => {
        const HEARS: bool = false;

        fn blueprint(_ear: &Ear) -> Blueprint<Self> {
            Socket::<Self>::new()
        }
    };
}

macro_rules! hears {
    (|$message:ident: $type:ty, $ear:ident| $hear:expr $(, $setter:ident($value:expr))?) => {
        fn blueprint(ear: &Ear) -> Blueprint<Self> {
            let $ear = ear.clone();
            Socket::<Self>::new()$(.$setter($value))?.on_message(move |$message: $type| $hear)
        }

        fn short_lived() -> Blueprint<Self> {
            let receiver = ShortLived.start().recipient::<$type>();
            Socket::<Self>::new()$(.$setter($value))?.deliver_to(receiver)
        }
    };
}

macro_rules! joined_by_subscribers {
    () => {
        fn joined(socket: &Addr<Socket<Self>>) -> LocalBoxFuture<'static, ()> {
            let deadline = Duration::from_secs(15);
            let there = socket.send(WaitSubscribers { topic: TOPIC.into(), count: 1, deadline });
            Box::pin(async move { assert!(there.await.unwrap().unwrap() >= 1) })
        }
    };
}

macro_rules! asks {
    () => {
        const ASKS: bool = true;

        fn blueprint(_ear: &Ear) -> Blueprint<Self> {
            Socket::<Self>::new()
        }

        fn say(socket: &Addr<Socket<Self>>, ear: &Ear, body: Multipart) -> Saying {
            let (asked, ear) = (socket.send(Request::new(body)), ear.clone());
            Box::pin(async move { asked.await.expect("a socket").map(|reply| ear.hear(reply)) })
        }
    };
}

macro_rules! answers {
    () => {
        hears!(|request: IncomingRequest, ear| {
            ear.hear(request.body.clone());
            let IncomingRequest { body, responder } = request;
            responder.reply(body).unwrap();
        });
        says_nothing!();
    };
}

talks! {
    Pub {
        hears_nothing!();
        says!(|body, _ear| Publish { topic: TOPIC.into(), body });
        joined_by_subscribers!();
    }
    XPub {
        hears!(|heard: Subscription, ear| if let Subscription::Message(frames) = heard {
            ear.hear(frames.iter().skip(1).cloned().collect());
        });
        says!(|body, _ear| Publish { topic: TOPIC.into(), body });
        joined_by_subscribers!();
    }
    Sub {
        hears!(|heard: TopicMessage, ear| ear.hear(heard.body), topic(""));
        says_nothing!();
    }
    XSub {
        hears!(|heard: TopicMessage, ear| ear.hear(heard.body), topic(""));
        says!(|body, _ear| SendMessage(after(&[TOPIC], &body)));
    }
    Push {
        hears_nothing!();
        says!(|body, _ear| Push(body));
    }
    Pull {
        hears!(|heard: Pulled, ear| ear.hear(heard.0));
        says_nothing!();
    }
    Request { asks!(); }
    Reply { answers!(); }
    Req { asks!(); }
    Rep { answers!(); }
    Dealer {
        hears!(|heard: Received, ear| ear.hear(heard.0));
        says!(|body, _ear| SendMessage(body));
    }
    Router {
        const HEARS_FIRST: bool = true;
        hears!(|heard: ReceivedFrom, ear| ear.hear_from(heard.peer, heard.body));
        says!(|body, ear| SendTo { peer: ear.peer(), body });
    }
    Pair {
        hears!(|heard: Received, ear| ear.hear(heard.0));
        says!(|body, _ear| SendMessage(body));
    }
    Stream {
        hears!(|heard: ReceivedFrom, ear| ear.hear_from(heard.peer, heard.body));
        says!(|body, ear| SendTo { peer: ear.peer(), body });
    }
}
