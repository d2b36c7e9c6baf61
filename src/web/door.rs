//! Who may come in: by where the page is from, and how many at a time; and the
//! word that all have to go.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{HOST, ORIGIN};
use actix_web::http::uri::Authority;
use tokio::sync::watch;

use super::problem::Problem;

/// When to come back, for those who find no place.
const COME_BACK: Duration = Duration::from_secs(1);

/// Counts who is in, and wakes them: for news, or because it is the end.
#[derive(Debug)]
pub(super) struct Door {
    taken: AtomicUsize,
    ended: watch::Sender<bool>,
}

impl Door {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { taken: AtomicUsize::new(0), ended: watch::Sender::new(false) })
    }

    /// A place, if there is one and it is not the end.
    pub(super) fn enter(self: &Arc<Self>, most: usize) -> Result<Seat, Problem> {
        let bell = self.ended.subscribe();
        self.check_open()?;
        let more = |taken: usize| (taken < most).then_some(taken + 1);
        match self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => Ok(Seat { door: Arc::clone(self), bell }),
            Err(_) => Err(unavailable("As many are connected as may be.")),
        }
    }

    /// That it is not the end.
    pub(super) fn check_open(&self) -> Result<(), Problem> {
        if *self.ended.borrow() { Err(unavailable("It has ended.")) } else { Ok(()) }
    }

    /// Wakes all who are in.
    pub(super) fn ring(&self) {
        self.ended.send_modify(|_| {});
    }

    /// Lets nobody in any more, and has all leave.
    pub(super) fn end(&self) {
        self.ended.send_replace(true);
    }

    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    door: Arc<Door>,
    bell: watch::Receiver<bool>,
}

impl Seat {
    /// Whether it is the end. What rings from here on ends [`rung`](Self::rung).
    pub(super) fn has_ended(&mut self) -> bool {
        *self.bell.borrow_and_update()
    }

    /// Until the bell rings.
    ///
    /// Dropping the future loses no ring.
    pub(super) async fn rung(&mut self) {
        // The other end is in the door, which is held here.
        let _ = self.bell.changed().await;
    }

    /// Until the end, whoever is busy with the seat meanwhile.
    pub(super) fn ended(&self) -> impl Future<Output = ()> + use<> {
        let mut bell = self.bell.clone();
        async move {
            let _ = bell.wait_for(|ended| *ended).await;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.door.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Pages of which other origins may do what is not safe to let every page do.
#[derive(Clone, Debug, Default)]
pub(super) struct Origins {
    listed: Vec<String>,
    all: bool,
}

impl Origins {
    pub(super) fn allow(&mut self, origin: String) {
        self.listed.push(origin);
    }

    pub(super) const fn allow_all(&mut self) {
        self.all = true;
    }

    /// Refuses what a page of another origin has its browser ask. Programs that
    /// are no browsers send no `Origin`.
    pub(super) fn check(&self, request: &HttpRequest) -> Result<(), Problem> {
        let Some(origin) = request.headers().get(ORIGIN) else { return Ok(()) };
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        // Over HTTP/2 the host is in the target alone.
        let host = header(HOST).or_else(|| request.uri().authority().map(Authority::as_str));
        match (origin.to_str(), host) {
            _ if self.all => Ok(()),
            (Ok(origin), host) if self.admits(origin, host) => Ok(()),
            _ => Err(Problem::new(StatusCode::FORBIDDEN)
                .detail("Pages of this origin may not do this.")
                .not_retryable()),
        }
    }

    /// The scheme of one's own pages does not count: a proxy in front may have
    /// taken TLS off.
    fn admits(&self, origin: &str, host: Option<&str>) -> bool {
        let own = origin.split_once("://").map(|(_, authority)| authority);
        let same = |(own, host): (&str, &str)| own.eq_ignore_ascii_case(host);
        own.zip(host).is_some_and(same)
            || self.listed.iter().any(|listed| listed.eq_ignore_ascii_case(origin))
    }
}

fn unavailable(why: &'static str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE).detail(why).retry_after(COME_BACK)
}

/// A topic that is not allowed.
pub(super) fn forbidden_topic(topic: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN)
        .detail("This topic is not allowed.")
        .not_retryable()
        .member("topic", topic)
}

/// A request that cannot be understood.
pub(super) fn bad_request(why: &'static str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST).detail(why).not_retryable()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_page_of_another_origin_is_refused_unless_it_is_listed() {
        let mut origins = Origins::default();
        origins.allow("https://shop.example".to_owned());
        for (origin, admitted) in [
            (None, true),
            (Some("http://zmq.example:8080"), true),
            (Some("https://ZMQ.example:8080"), true),
            (Some("https://shop.example"), true),
            (Some("http://shop.example"), false),
            (Some("http://zmq.example"), false),
            (Some("http://zmq.example:8080.evil.example"), false),
            (Some("http://evil.example/zmq.example:8080"), false),
            (Some("zmq.example:8080"), false),
            (Some("null"), false),
            (Some(""), false),
        ] {
            let mut request = TestRequest::default().insert_header((HOST, "zmq.example:8080"));
            if let Some(origin) = origin {
                request = request.insert_header((ORIGIN, origin));
            }
            let request = request.to_http_request();
            assert_eq!(origins.check(&request).is_ok(), admitted, "{origin:?}");
            let mut all = origins.clone();
            all.allow_all();
            assert!(all.check(&request).is_ok());
        }
    }

    #[test]
    fn a_seat_that_is_left_is_free_again_until_the_end() {
        let door = Door::new();
        let first = door.enter(1).unwrap();
        assert!(door.enter(1).is_err());
        drop(first);
        assert_eq!(door.taken(), 0);
        drop(door.enter(1).unwrap());
        door.end();
        assert!(door.enter(1).is_err());
        assert_eq!(door.taken(), 0);
    }
}
