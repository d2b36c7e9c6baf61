//! Routes behind one serving socket.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use serde::Serialize;

use super::DefaultFormat;
use super::body::{Bodies, FramesCall, Raw, Remote, Sendable};
use super::clock::{Clocks, microseconds};
use super::route::{Route, Serve, Taken, Typed, answer, expiry};
use super::stats::{Info, Ping, ServiceInfo, ServiceStats, Stats};
use super::trace::Trace;
use crate::codec::{CodecError, Format, Undecodable};
use crate::deliver::{Gone, IntoReceiver, Outlet, Receiver};
use crate::error::{Error, ErrorKind};
use crate::framing::call::{self, Answer, Failure, Malformed, failure};
use crate::messages::{IncomingRequest, Responder};
use crate::multipart::Multipart;
use crate::tally::{Served, Tally};

/// The largest body of a call, by default.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// Actors that are called over the wire: give it to a REPLY socket's
/// [`deliver_to`](crate::Blueprint::deliver_to), bound or connected.
///
/// Each call is answered once: with its result, or with why there is none. A
/// handler that is slow holds up nobody but those of its own
/// [limit](Route::limit). A call whose deadline is over is not started, and one
/// that waits in an actor's mailbox is taken back; how long it has been on its
/// way is told by its caller's clock, whatever time that shows.
///
/// Its calls are not given up by the socket's
/// [`answer_within`](crate::Blueprint::answer_within): a handler may take as long
/// as its caller waits.
///
/// Every service also answers [`Ping`], [`Info`] and [`Stats`], in any codec
/// that is compiled in.
///
/// The type parameter is the [`Format`] of the bodies; a call in another one
/// is refused as [`WrongCodec`](ErrorKind::WrongCodec).
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use actix_zmq::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Message, Serialize, Deserialize)]
/// #[rtype(result = "i64")]
/// struct Add(i64, i64);
///
/// struct Adder;
///
/// impl Actor for Adder {
///     type Context = Context<Self>;
/// }
///
/// impl Handler<Add> for Adder {
///     type Result = i64;
///
///     fn handle(&mut self, Add(a, b): Add, _: &mut Context<Self>) -> i64 {
///         a + b
///     }
/// }
///
/// #[actix::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let zmq = Factory::builder().start();
///     let adder = Adder.start();
///
///     let service = Service::new("calculator").route(adder.recipient::<Add>());
///     zmq.send(Open(ReplySocket::bind("inproc://calculator").deliver_to(service))).await??;
///
///     let client = RequestSocket::connect("inproc://calculator");
///     let calculator = zmq.send(Open(client)).await??;
///     let sum = calculator.send(Call::new(Add(20, 22)).timeout(Duration::from_secs(2))).await??;
///     assert_eq!(sum, 42);
///
///     zmq.send(Shutdown::within(Duration::from_secs(1))).await?;
///     Ok(())
/// }
/// ```
#[must_use = "a service does nothing until a socket delivers to it"]
pub struct Service<F: Format = DefaultFormat> {
    name: String,
    version: String,
    max_body: usize,
    routes: BTreeMap<String, Box<dyn Serve + Send>>,
    mistake: Option<Error>,
    format: PhantomData<fn(F)>,
}

impl Service {
    /// A service without routes, whose bodies are in [`MessagePack`](crate::MessagePack).
    /// The name is what [`Info`] tells.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: String::new(),
            max_body: MAX_BODY,
            routes: BTreeMap::new(),
            mistake: None,
            format: PhantomData,
        }
    }

    /// Has its bodies in another format. Comes before the routes.
    ///
    /// # Examples
    /// ```
    /// use actix_zmq::{Json, Service};
    ///
    /// let service = Service::new("calculator").codec::<Json>().version("1.2.0");
    /// ```
    pub fn codec<F: Format>(self) -> Service<F> {
        let mut mistake = self.mistake;
        if !self.routes.is_empty() {
            let late = Error::new(ErrorKind::InvalidOption).detail("a codec comes before routes");
            mistake.get_or_insert(late);
        }
        Service {
            name: self.name,
            version: self.version,
            max_body: self.max_body,
            routes: BTreeMap::new(),
            mistake,
            format: PhantomData,
        }
    }
}

impl<F: Format> Service<F> {
    /// What [`Info`] tells as the version, such as `env!("CARGO_PKG_VERSION")`.
    ///
    /// # Default
    /// Empty
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// How many bytes the body of a call may have; more are refused as
    /// [`TooLarge`](ErrorKind::TooLarge). What libzmq receives at all is bounded
    /// by [`max_message_size`](crate::Blueprint::max_message_size).
    ///
    /// # Default
    /// 16 MiB
    pub const fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Serves one more type. A mistake, such as a name that is served already,
    /// is told by [`Open`](crate::Open).
    pub fn route<M, R>(mut self, route: R) -> Self
    where
        M: Routed<F>,
        R: Into<Route<M>>,
    {
        let route: Route<M> = route.into();
        let name = route.name.clone().unwrap_or_else(M::Bodies::name);
        let wrong = match name.len() {
            0 => Some("a route has a name"),
            256.. => Some("a route's name has 255 bytes at most"),
            _ if name.starts_with('$') => Some("names that begin with $ are the library's"),
            _ if self.routes.contains_key(name.as_ref()) => Some("two routes have one name"),
            _ => None,
        };
        match wrong {
            None => {
                let route = Box::new(Typed::<M, M::Bodies>::new(route));
                self.routes.insert(name.into_owned(), route);
            }
            Some(why) => {
                let text = format!("{why}: {name:?}");
                let mistake = Error::new(ErrorKind::InvalidOption).detail(text);
                self.mistake.get_or_insert(mistake);
            }
        }
        self
    }
}

impl<F: Format> fmt::Debug for Service<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("name", &self.name)
            .field("codec", &F::NAME)
            .field("routes", &self.routes.keys())
            .finish_non_exhaustive()
    }
}

/// A message that a service with bodies in the format `F` serves: any
/// [`Remote`] one, and a [`FramesCall`]. Sealed.
pub trait Routed<F: Format>: Sendable + Sized {
    #[doc(hidden)]
    type Bodies: Bodies<Self>;
}

impl<F: Format, M: Remote> Routed<F> for M {
    type Bodies = F;
}

impl<F: Format> Routed<F> for FramesCall {
    type Bodies = Raw;
}

impl<F: Format> IntoReceiver<IncomingRequest> for Service<F> {
    fn into_receiver(mut self) -> Receiver<IncomingRequest> {
        let mistake = self.mistake.take();
        let serving = Serving::new(self);
        let served = serving.served();
        Receiver::of(serving).mistaken(mistake).serving(served)
    }
}

/// A service at work.
struct Serving<F> {
    name: String,
    version: String,
    max_body: usize,
    routes: BTreeMap<String, Box<dyn Serve + Send>>,
    clocks: Clocks,
    began: Instant,
    /// Calls that no route has heard of.
    strays: Arc<Tally>,
    waker: Option<Waker>,
    format: PhantomData<fn(F)>,
}

impl<F: Format> Serving<F> {
    fn new(service: Service<F>) -> Self {
        Self {
            name: service.name,
            version: service.version,
            max_body: service.max_body,
            routes: service.routes,
            clocks: Clocks::default(),
            began: Instant::now(),
            strays: Arc::default(),
            waker: None,
            format: PhantomData,
        }
    }

    fn served(&self) -> Served {
        let routes = self.routes.iter();
        Served {
            name: self.name.clone(),
            routes: routes.map(|(name, route)| (name.clone(), Arc::clone(route.tally()))).collect(),
            strays: Arc::clone(&self.strays),
        }
    }

    /// Answers a call that no route hears of.
    fn refuse(&self, responder: Responder, why: Failure, text: impl Into<String>) {
        self.strays.taken();
        self.strays.refused(why);
        answer(responder, failure(why, text.into()));
    }

    fn serve(&mut self, mut frames: Multipart, responder: Responder) {
        let Some(header) = frames.split_first() else {
            return self.refuse(responder, Failure::NoCall, "a call has a header");
        };
        let call = match call::Call::parse(&header) {
            Ok(call) => call,
            Err(Malformed::Version(version)) => {
                let text = format!("version {version}; version 1 is served");
                return self.refuse(responder, Failure::WrongVersion, text);
            }
            Err(Malformed::Header(why)) => return self.refuse(responder, Failure::NoCall, why),
        };
        let at = Instant::now();
        let age = self.clocks.age(call.caller, call.sent, microseconds(at));
        let expires = expiry(at, call.timeout, age);
        if expires.is_some_and(|expires| expires <= at) {
            let text =
                format!("sent {age:?} ago, and awaited for {:?}", call.timeout.unwrap_or_default());
            return self.refuse(responder, Failure::Expired, text);
        }
        let length = frames.byte_len();
        if length > self.max_body {
            let text = format!("a body of {length} bytes; {} are served", self.max_body);
            return self.refuse(responder, Failure::TooLarge, text);
        }
        if let Some(asked) = call.name.strip_prefix('$') {
            return self.tell(asked, call.codec, responder);
        }
        let Some(route) = self.routes.get_mut(call.name) else {
            let text = format!("{:?} is not served", call.name);
            return self.refuse(responder, Failure::Unknown, text);
        };
        if call.codec != route.codec() {
            let text = format!("in {:?}; {:?} is served", call.codec, route.codec());
            return self.refuse(responder, Failure::WrongCodec, text);
        }
        let trace = Trace::serve(call.fields, call.name, &self.name, length);
        route.take(Taken { body: frames, at, expires, responder, trace });
    }

    /// Answers what the service is asked of itself.
    fn tell(&self, asked: &str, codec: &str, responder: Responder) {
        let told = match asked {
            name if is::<Ping>(name) => written::<F, _>(codec, &()),
            name if is::<Info>(name) => written::<F, _>(codec, &self.info()),
            name if is::<Stats>(name) => written::<F, _>(codec, &self.stats()),
            _ => {
                let text = format!("\"${asked}\" is not served");
                return self.refuse(responder, Failure::Unknown, text);
            }
        };
        match told {
            None => {
                let text = format!("in {codec:?}, which is not compiled in");
                self.refuse(responder, Failure::WrongCodec, text);
            }
            Some(Err(error)) => self.refuse(responder, Failure::Unencodable, error.to_string()),
            Some(Ok(body)) => {
                answer(responder, [Answer::Result(codec).compose(), body.into()].into());
            }
        }
    }

    fn info(&self) -> ServiceInfo {
        ServiceInfo {
            name: self.name.clone(),
            version: self.version.clone(),
            codec: F::NAME.to_owned(),
            routes: self.routes.keys().cloned().collect(),
        }
    }

    fn stats(&self) -> ServiceStats {
        let routes: Vec<_> = self.routes.iter().map(|(name, route)| route.stats(name)).collect();
        let mut errors = BTreeMap::new();
        let tallies = self.routes.values().map(|route| route.tally());
        for (name, count) in tallies.chain([&self.strays]).flat_map(|tally| tally.errors()) {
            *errors.entry(name.to_owned()).or_default() += count;
        }
        ServiceStats {
            name: self.name.clone(),
            uptime: self.began.elapsed().as_secs_f64(),
            in_flight: routes.iter().map(|route| route.in_flight).sum(),
            requests: routes.iter().map(|route| route.requests).sum::<u64>()
                + self.strays.requests(),
            errors,
            routes,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) {
        for route in self.routes.values_mut() {
            route.poll(cx);
        }
    }
}

fn is<M: Remote>(asked: &str) -> bool {
    M::wire_name().strip_prefix('$') == Some(asked)
}

/// A value in the codec with this name; nothing for one that is not compiled in.
fn written<F: Format, T: Serialize>(codec: &str, value: &T) -> Option<Result<Vec<u8>, CodecError>> {
    if codec == F::NAME {
        return Some(F::to_bytes(value));
    }
    match codec {
        #[cfg(feature = "json")]
        <crate::Json as Format>::NAME => Some(crate::Json::to_bytes(value)),
        #[cfg(feature = "messagepack")]
        <crate::MessagePack as Format>::NAME => Some(crate::MessagePack::to_bytes(value)),
        #[cfg(feature = "postcard")]
        <crate::Postcard as Format>::NAME => Some(crate::Postcard::to_bytes(value)),
        _ => None,
    }
}

impl<F: Format> Outlet<IncomingRequest> for Serving<F> {
    fn poll_room(&mut self, _cx: &mut Context<'_>) -> Poll<Result<usize, Gone>> {
        // Those beyond the limits are refused.
        Poll::Ready(Ok(usize::MAX))
    }

    fn deliver(&mut self, request: IncomingRequest) -> Result<(), Undecodable> {
        self.serve(request.body, request.responder);
        Ok(())
    }

    fn flush(&mut self) {
        // What was taken in this turn, so that the actors are told and we are woken.
        if let Some(waker) = self.waker.clone() {
            self.poll(&mut Context::from_waker(&waker));
        }
    }

    fn tend(&mut self, cx: &mut Context<'_>) {
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
        if self.next_deadline().is_some() {
            let now = Instant::now();
            self.routes.values_mut().for_each(|route| route.expire(now));
        }
        self.poll(cx);
    }

    fn answers_all(&self) -> bool {
        true
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.routes.values().filter_map(|route| route.next_expiry()).min()
    }
}
