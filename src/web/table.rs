//! Which failure is which answer over HTTP, written once.

use actix_web::http::StatusCode;

use crate::error::ErrorKind;

/// What an HTTP client is told about a failure.
pub(super) struct Row {
    /// The last part of the problem's type.
    pub(super) name: &'static str,
    pub(super) status: StatusCode,
    pub(super) again: Again,
    pub(super) detail: &'static str,
}

/// Whether asking again may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// The same will happen.
    Never,
    /// It may, but nobody can say when.
    Perhaps,
    /// It may, after a moment.
    Later,
}

macro_rules! rows {
    ($($kind:ident $name:literal $status:ident $again:ident $detail:literal;)+) => {
        /// The row of a kind. A new kind does not compile without one.
        pub(super) const fn row(kind: ErrorKind) -> Row {
            match kind {
                $(ErrorKind::$kind => Row {
                    name: $name,
                    status: StatusCode::$status,
                    again: Again::$again,
                    detail: $detail,
                },)+
            }
        }

        #[cfg(test)]
        const ALL: &[ErrorKind] = &[$(ErrorKind::$kind,)+];
    };
}

rows! {
    TimedOut "timed-out" GATEWAY_TIMEOUT Perhaps "No answer came in time. The call may have been served.";
    Unreachable "unreachable" SERVICE_UNAVAILABLE Later "Nobody is there who serves this. Nothing was done.";
    PeerLost "peer-lost" SERVICE_UNAVAILABLE Later "Whoever had the call went away. It may have been served.";
    Restarting "restarting" SERVICE_UNAVAILABLE Later "The way to the service is being opened again. Nothing was done.";
    Restarted "restarted" SERVICE_UNAVAILABLE Later "The way to the service was opened again while the call was under way. It may have been served.";
    Unroutable "unroutable" SERVICE_UNAVAILABLE Later "Whom the message is for is not connected.";
    Stopped "stopped" SERVICE_UNAVAILABLE Later "The handler behind the service has stopped.";
    Overloaded "overloaded" SERVICE_UNAVAILABLE Later "The service has as many calls under way as it takes. Nothing was done.";
    Full "queue-full" SERVICE_UNAVAILABLE Later "Too much waits to be sent. Nothing was done.";
    PeerFull "peer-full" SERVICE_UNAVAILABLE Later "Too much waits to be sent to this peer. Nothing was done.";
    Dropped "dropped" SERVICE_UNAVAILABLE Later "The message was dropped, because too much waits to be sent.";
    TooManySockets "too-many-sockets" SERVICE_UNAVAILABLE Later "The server has as many connections open as it may.";
    Closed "closed" SERVICE_UNAVAILABLE Never "The way to the service is closed.";
    GaveUp "gave-up" SERVICE_UNAVAILABLE Never "The way to the service failed too often.";
    UnknownMessage "unknown-message" BAD_GATEWAY Never "The service does not know this message.";
    WrongCodec "wrong-codec" BAD_GATEWAY Never "The service takes another codec.";
    Incompatible "incompatible" BAD_GATEWAY Never "The service does not speak this protocol.";
    Decode "decode" BAD_GATEWAY Never "The answer of the service cannot be read.";
    RemoteDecode "remote-decode" BAD_GATEWAY Never "The service cannot read the message.";
    RemoteEncode "remote-encode" BAD_GATEWAY Never "The service cannot write its answer.";
    TooLarge "too-large" PAYLOAD_TOO_LARGE Never "The message is longer than the service takes.";
    Encode "encode" INTERNAL_SERVER_ERROR Never "The message cannot be written.";
    InvalidMessage "invalid-message" INTERNAL_SERVER_ERROR Never "The message cannot be sent as it is.";
    Panicked "panicked" INTERNAL_SERVER_ERROR Never "A handler of the server panicked.";
    InvalidEndpoint "invalid-endpoint" INTERNAL_SERVER_ERROR Never "The server is misconfigured.";
    InvalidOption "invalid-option" INTERNAL_SERVER_ERROR Never "The server is misconfigured.";
    AddressInUse "address-in-use" INTERNAL_SERVER_ERROR Never "The server is misconfigured.";
    AddressUnavailable "address-unavailable" INTERNAL_SERVER_ERROR Never "The server is misconfigured.";
    PermissionDenied "permission-denied" INTERNAL_SERVER_ERROR Never "The server is misconfigured.";
    NotFound "not-found" INTERNAL_SERVER_ERROR Never "The server is misconfigured.";
    Unsupported "unsupported" INTERNAL_SERVER_ERROR Never "The server is misconfigured.";
    RoutingIdInUse "routing-id-in-use" INTERNAL_SERVER_ERROR Never "The server is misconfigured.";
    System "system" INTERNAL_SERVER_ERROR Never "The server's system reports an error.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// A row as it is written in docs/web.md.
    fn written(kind: ErrorKind) -> String {
        let row = row(kind);
        let again = match row.again {
            Again::Never => "no",
            Again::Perhaps => "yes",
            Again::Later => "yes, `Retry-After`",
        };
        format!("| `{kind:?}` | `{}` | {} | {again} |", row.name, row.status.as_u16())
    }

    #[test]
    fn the_document_has_the_rows_of_the_code_and_no_others() {
        let document = include_str!("../../docs/web.md");
        let rows: Vec<String> = ALL.iter().map(|kind| written(*kind)).collect();
        let in_document: Vec<&str> = document
            .lines()
            .skip_while(|line| !line.starts_with("| `ErrorKind`"))
            .skip(2)
            .take_while(|line| line.starts_with('|'))
            .collect();
        assert_eq!(in_document.len(), rows.len(), "docs/web.md should have\n{}", rows.join("\n"));
        for (document, code) in in_document.iter().zip(&rows) {
            assert!(document.starts_with(code.as_str()), "{document}\nis not\n{code}");
        }
    }

    #[test]
    fn no_two_kinds_have_one_name() {
        let names: HashSet<_> = ALL.iter().map(|kind| row(*kind).name).collect();
        assert_eq!(names.len(), ALL.len());
    }

    /// Differences from what the kind itself says are few and written down.
    #[test]
    fn what_may_be_asked_again_is_what_may_be_repeated_but_for_these() {
        let differs = |kind: &ErrorKind| kind.is_retryable() != (row(*kind).again != Again::Never);
        let different: HashSet<_> = ALL.iter().copied().filter(differs).collect();
        let expected = [
            ErrorKind::Dropped,
            ErrorKind::AddressInUse,
            ErrorKind::AddressUnavailable,
            ErrorKind::RoutingIdInUse,
            ErrorKind::System,
        ];
        assert_eq!(different, expected.into());
    }

    #[test]
    fn only_who_is_unavailable_says_when_to_come_back() {
        for row in ALL.iter().map(|kind| row(*kind)) {
            let unavailable = row.status == StatusCode::SERVICE_UNAVAILABLE;
            assert!(unavailable || row.again != Again::Later, "{}", row.name);
        }
    }
}
