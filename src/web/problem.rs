//! Failures as HTTP responses: problem details after RFC 9457.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Map, Value};

use super::table::{Again, row};
use crate::error::Error;

/// When to ask again, if nobody says otherwise.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(1);

/// A failure as an HTTP client gets to see it: `application/problem+json`
/// after RFC 9457.
///
/// An [`Error`] becomes one by itself when a handler returns it. Make one by
/// hand to change what is told, or to tell of failures of your own in the same
/// form.
///
/// What it tells of an [`Error`] depends on the [kind](Error::kind) alone: no
/// frames, no endpoint and no text of the service or the codec gets out.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use actix_web::http::StatusCode;
/// use actix_web::{HttpResponse, ResponseError, web};
/// use actix_zmq::web::Problem;
/// use actix_zmq::{Client, Info};
///
/// // With another time to come back, and its own words.
/// async fn about(service: web::Data<Client>) -> actix_web::Result<String> {
///     let info = service.call(Info {}).await.map_err(|error| {
///         Problem::of(&error).detail("The adder is down.").retry_after(Duration::from_secs(30))
///     })?;
///     Ok(info.name)
/// }
///
/// // A failure of one's own.
/// let problem = Problem::new(StatusCode::CONFLICT).detail("The seat is taken.");
/// assert_eq!(problem.error_response().status(), StatusCode::CONFLICT);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a problem does nothing until it is returned"]
pub struct Problem {
    kind: Cow<'static, str>,
    title: Cow<'static, str>,
    status: StatusCode,
    detail: Option<Cow<'static, str>>,
    retryable: Option<bool>,
    retry_after: Option<Duration>,
    more: Map<String, Value>,
}

impl Problem {
    /// A problem of no type but its status (`about:blank`).
    pub fn new(status: StatusCode) -> Self {
        Self {
            kind: Cow::Borrowed("about:blank"),
            title: Cow::Borrowed(status.canonical_reason().unwrap_or("Unknown")),
            status,
            detail: None,
            retryable: None,
            retry_after: None,
            more: Map::new(),
        }
    }

    /// What an error is by the table of [this module](super).
    pub fn of(error: &Error) -> Self {
        let row = row(error.kind());
        Self {
            kind: Cow::Owned(format!("urn:actix-zmq:{}", row.name)),
            title: Cow::Owned(error.kind().to_string()),
            status: row.status,
            detail: Some(Cow::Borrowed(row.detail)),
            retryable: Some(row.again != Again::Never),
            retry_after: (row.again == Again::Later).then_some(RETRY_AFTER_DEFAULT),
            more: Map::new(),
        }
    }

    /// The URI of the problem's type, which programs tell problems apart by.
    ///
    /// # Default
    /// `urn:actix-zmq:` and the name in the table for an [`Error`], `about:blank` otherwise
    pub fn kind(mut self, uri: impl Into<Cow<'static, str>>) -> Self {
        self.kind = uri.into();
        self
    }

    /// What all problems of the type have in common, in a few words.
    ///
    /// # Default
    /// The text of the [`ErrorKind`](crate::ErrorKind) for an [`Error`], that of the status otherwise
    pub fn title(mut self, title: impl Into<Cow<'static, str>>) -> Self {
        self.title = title.into();
        self
    }

    /// What happened this time, for people.
    ///
    /// # Default
    /// A sentence for each kind of [`Error`], nothing otherwise
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Another status.
    pub const fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Has the client come back after this time, in the header `Retry-After`,
    /// rounded up to seconds, and marks the problem as retryable.
    ///
    /// # Default
    /// A second for those that the table says so of, otherwise none
    pub const fn retry_after(mut self, time: Duration) -> Self {
        self.retryable = Some(true);
        self.retry_after = Some(time);
        self
    }

    /// Says that asking again does not help, and no time for it.
    pub const fn not_retryable(mut self) -> Self {
        self.retryable = Some(false);
        self.retry_after = None;
        self
    }

    /// A further member of the body. The members of RFC 9457 and `retryable`
    /// have their own setters, and go before one of the same name.
    pub fn member(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.more.insert(name.into(), value.into());
        self
    }

    /// The members of the body.
    pub(super) fn to_json(&self) -> Value {
        let mut members = self.more.clone();
        let mut set = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
        set("type", (*self.kind).into());
        set("title", (*self.title).into());
        set("status", self.status.as_u16().into());
        if let Some(detail) = &self.detail {
            set("detail", (**detail).into());
        }
        if let Some(retryable) = self.retryable {
            set("retryable", retryable.into());
        }
        Value::Object(members)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.title, self.status.as_u16())?;
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response
            .insert_header((CONTENT_TYPE, HeaderValue::from_static("application/problem+json")));
        if let Some(time) = self.retry_after {
            let seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
            response.insert_header((RETRY_AFTER, HeaderValue::from(seconds)));
        }
        response.body(self.to_json().to_string())
    }
}

/// As [`Problem::of`]; the whole error is logged, as a warning where the server
/// is to blame.
impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        row(self.kind()).status
    }

    fn error_response(&self) -> HttpResponse {
        let problem = Problem::of(self);
        let status = problem.status.as_u16();
        if problem.status.is_server_error() {
            tracing::warn!(error = %self, status, "a call of an HTTP handler failed");
        } else {
            tracing::debug!(error = %self, status, "a call of an HTTP handler failed");
        }
        problem.error_response()
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody;

    use super::*;
    use crate::error::ErrorKind;

    fn body(response: HttpResponse) -> Value {
        let bytes = response.into_body().try_into_bytes().unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn nothing_of_the_message_or_the_place_gets_out() {
        let error = Error::new(ErrorKind::Full)
            .at("tcp://10.1.2.3:4567")
            .detail("secret")
            .with_peer("secret".into())
            .with_message("secret".into())
            .caused_by(std::io::Error::other("secret"));
        let response = error.error_response();
        assert_eq!(response.headers().get(RETRY_AFTER).unwrap(), "1");
        assert_eq!(response.headers().get(CONTENT_TYPE).unwrap(), "application/problem+json");
        let text = body(response).to_string();
        assert!(!text.contains("secret") && !text.contains("10.1.2.3"), "{text}");
    }

    #[test]
    fn members_of_the_standard_are_not_overwritten() {
        let problem = Problem::new(StatusCode::CONFLICT).member("status", 1).member("seat", "12A");
        let told = body(problem.error_response());
        assert_eq!(told["status"], 409);
        assert_eq!(told["type"], "about:blank");
        assert_eq!(told["title"], "Conflict");
        assert_eq!(told["seat"], "12A");
        assert_eq!(told.get("retryable"), None);
    }

    #[test]
    fn the_time_to_come_back_is_in_whole_seconds_and_never_too_early() {
        let times = [(0, "0"), (1, "1"), (1_000, "1"), (1_001, "2")];
        for (milliseconds, header) in times {
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE)
                .retry_after(Duration::from_millis(milliseconds));
            assert_eq!(problem.error_response().headers().get(RETRY_AFTER).unwrap(), header);
            let response = problem.not_retryable().error_response();
            assert!(response.headers().get(RETRY_AFTER).is_none());
        }
        let _ = Problem::new(StatusCode::OK).retry_after(Duration::MAX).error_response();
    }
}
