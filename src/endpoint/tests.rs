use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Endpoints, the port they report, and whether they bind and connect.
const ACCEPTED: &[(&str, Option<u16>, bool, bool)] = &[
    ("tcp://127.0.0.1:5555", Some(5555), true, true),
    ("tcp://127.0.0.1:1", Some(1), true, true),
    ("tcp://0.0.0.0:65535", Some(65535), true, true),
    ("tcp://[::1]:5555", Some(5555), true, true),
    ("tcp://[fe80::1%eth0]:5555", Some(5555), true, true),
    ("tcp://[fe80::1%2]:5555", Some(5555), true, true),
    ("tcp://[::ffff:10.0.0.1]:5555", Some(5555), true, true),
    ("tcp://localhost:5555", Some(5555), true, true),
    ("tcp://my-host.example.org.:5555", Some(5555), true, true),
    ("tcp://job_1:5555", Some(5555), true, true),
    ("tcp://3com.example:5555", Some(5555), true, true),
    ("tcp://eth0.100:5555", Some(5555), true, true),
    ("tcp://*:5555", Some(5555), true, false),
    ("tcp://*:*", None, true, false),
    ("tcp://127.0.0.1:*", None, true, false),
    ("tcp://127.0.0.1:0", None, true, false),
    ("tcp://127.0.0.1:0;127.0.0.2:5555", Some(5555), false, true),
    ("tcp://eth0:*;example.org:5555", Some(5555), false, true),
    ("tcp://[::1]:80;[::2]:5555", Some(5555), false, true),
    ("ipc:///tmp/jobs.sock", None, true, true),
    ("ipc://relative/path with space", None, true, true),
    ("ipc://@abstract", None, true, true),
    ("ipc://./*", None, true, true),
    ("ipc://naïve://path;*", None, true, true),
    ("ipc://*", None, true, false),
    ("inproc://jobs", None, true, true),
    ("inproc://*", None, true, true),
    ("ws://127.0.0.1:80", Some(80), true, true),
    ("ws://127.0.0.1:80/", Some(80), true, true),
    ("ws://localhost:80/jobs?x=1", Some(80), true, true),
    ("ws://[::1]:80/jobs", Some(80), true, true),
    ("ws://*:*/jobs", None, true, false),
    ("ws://127.0.0.1:0/jobs", None, true, false),
];

#[test]
fn accepts() -> Outcome {
    for (text, port, binds, connects) in ACCEPTED {
        let endpoint = Endpoint::parse(text).map_err(|e| format!("{text}: {e}"))?;
        assert_eq!(endpoint.to_string(), *text);
        assert_eq!(endpoint.port(), *port, "{text}");
        assert_eq!(endpoint.check_bind().is_ok(), *binds, "{text}");
        assert_eq!(endpoint.check_connect().is_ok(), *connects, "{text}");
        assert_eq!(endpoint.is_wildcard(), *binds && !connects, "{text}");
        let scheme = format!("{}://", endpoint.transport());
        assert!(text.starts_with(&scheme), "{text}");
    }
    Ok(())
}

/// Texts and the variant that each is refused with.
const REJECTED: &[(&str, &str)] = &[
    ("", "Empty"),
    ("tcp://a\0b:1", "NulByte"),
    ("inproc://\0", "NulByte"),
    ("\0", "NulByte"),
    ("tcp", "MissingScheme"),
    ("tcp:/h:1", "MissingScheme"),
    ("127.0.0.1:5555", "MissingScheme"),
    ("héllo", "MissingScheme"),
    ("://h:1", "UnknownScheme"),
    ("TCP://h:1", "UnknownScheme"),
    (" tcp://h:1", "UnknownScheme"),
    ("http://h:1", "UnknownScheme"),
    ("a;b://c", "UnknownScheme"),
    ("udp://h:1", "UnsupportedTransport"),
    ("pgm://h:1", "UnsupportedTransport"),
    ("epgm://h:1", "UnsupportedTransport"),
    ("norm://h:1", "UnsupportedTransport"),
    ("tipc://h:1", "UnsupportedTransport"),
    ("vmci://h:1", "UnsupportedTransport"),
    ("wss://h:1", "UnsupportedTransport"),
    ("udp://", "UnsupportedTransport"),
    ("tcp://", "MissingAddress"),
    ("ipc://", "MissingAddress"),
    ("inproc://", "MissingAddress"),
    ("ws://", "MissingAddress"),
    ("ipc://@", "MissingAddress"),
    ("tcp://localhost", "MissingPort"),
    ("tcp://[::1]", "MissingPort"),
    ("tcp://*", "MissingPort"),
    ("ws://h/path", "MissingPort"),
    ("tcp://h;h:1", "MissingPort"),
    ("tcp://:5555", "InvalidHost"),
    ("tcp://::1:5555", "InvalidHost"),
    ("tcp://[]:1", "InvalidHost"),
    ("tcp://[*]:1", "InvalidHost"),
    ("tcp://[::g]:1", "InvalidHost"),
    ("tcp://[127.0.0.1]:1", "InvalidHost"),
    ("tcp://[::1:1", "InvalidHost"),
    ("tcp://a b:1", "InvalidHost"),
    ("tcp://-h:1", "InvalidHost"),
    ("tcp://_h:1", "InvalidHost"),
    ("tcp://.:1", "InvalidHost"),
    ("tcp://h%1:1", "InvalidHost"),
    ("tcp://256.0.0.1:1", "InvalidHost"),
    ("tcp://127.1:1", "InvalidHost"),
    ("tcp://7:1", "InvalidHost"),
    ("tcp://010.0.0.1:1", "InvalidHost"),
    ("tcp://**:1", "InvalidHost"),
    ("tcp://ünï:1", "InvalidHost"),
    ("tcp://h/x:1", "InvalidHost"),
    ("tcp://h@x:1", "InvalidHost"),
    ("tcp://[fe80::1%]:1", "InvalidHost"),
    ("tcp://[fe80::1%0]:1", "InvalidHost"),
    ("tcp://[fe80::1%1a]:1", "InvalidHost"),
    ("tcp://[fe80::1%-a]:1", "InvalidHost"),
    ("tcp://[fe80::1%4294967296]:1", "InvalidHost"),
    ("tcp://a:1;b:2;c:3", "InvalidHost"),
    ("ws://a:1;b:2", "InvalidHost"),
    ("ws://:80", "InvalidHost"),
    ("tcp://h:", "InvalidPort"),
    ("tcp://h:99999", "InvalidPort"),
    ("tcp://h:65536", "InvalidPort"),
    ("tcp://h:-1", "InvalidPort"),
    ("tcp://h:+1", "InvalidPort"),
    ("tcp://h:00", "InvalidPort"),
    ("tcp://h:080", "InvalidPort"),
    ("tcp://h:http", "InvalidPort"),
    ("tcp://h:80x", "InvalidPort"),
    ("tcp://h: 80", "InvalidPort"),
    ("tcp://h:80 ", "InvalidPort"),
    ("tcp://h:80/", "InvalidPort"),
    ("tcp://h:0x50", "InvalidPort"),
    ("tcp://h:٨٠", "InvalidPort"),
    ("tcp://h:**", "InvalidPort"),
    ("ws://h:99999/x", "InvalidPort"),
    ("ws://h:/x", "InvalidPort"),
    ("tcp://h:1;g:99999", "InvalidPort"),
    ("tcp://h:99999;g:1", "InvalidPort"),
    ("ws://h:80/a/b", "InvalidPath"),
    ("ws://h:80/a:1", "InvalidPath"),
    ("ws://h:80/a b", "InvalidPath"),
    ("ws://h:80/\r\n", "InvalidPath"),
    ("ws://h:80/é", "InvalidPath"),
    ("ipc://*jobs", "WildcardPath"),
    ("ipc://**", "WildcardPath"),
    ("tcp://*:1;h:1", "WildcardSource"),
    ("tcp://h:1;*:1", "WildcardSource"),
    ("tcp://h:1;h:*", "WildcardSource"),
    ("tcp://h:1;h:0", "WildcardSource"),
];

#[test]
fn rejects() {
    for (text, variant) in REJECTED {
        let refused = Endpoint::parse(text).err();
        let shown = refused.as_ref().map(|e| format!("{e:?}"));
        let name = shown.as_deref().and_then(|s| s.split(' ').next());
        assert_eq!(name, Some(*variant), "{text:?}");
        assert_eq!(refused.as_ref().map(EndpointError::endpoint), Some(*text));
    }
}

#[test]
fn limits_are_exact() {
    for (prefix, max) in [("ipc://", 107), ("ipc://@", 106), ("inproc://", 255)] {
        let text = |length| format!("{prefix}{}", "x".repeat(length));
        assert!(Endpoint::parse(&text(max)).is_ok(), "{prefix}");
        let over = Endpoint::parse(&text(max + 1));
        assert!(matches!(over, Err(EndpointError::TooLong { .. })), "{prefix}");
    }
    for (prefix, suffix, max) in [("tcp://", ":1", 253), ("ws://h:1/", "", 255)] {
        let text = |length| format!("{prefix}{}{suffix}", "x".repeat(length));
        assert!(Endpoint::parse(&text(max)).is_ok(), "{prefix}");
        assert!(Endpoint::parse(&text(max + 1)).is_err(), "{prefix}");
    }
    // Bytes count, not characters.
    assert!(Endpoint::parse(&format!("ipc://{}", "é".repeat(54))).is_err());
}

#[test]
fn messages_say_what_is_wrong_and_what_is_right() {
    for (text, message) in [
        (
            "tcp://h:99999",
            r#"endpoint "tcp://h:99999" has the invalid port "99999": use a decimal number from 1 to 65535, or `*` to bind any free port"#,
        ),
        (
            "udp://h:1",
            r#"endpoint "udp://h:1" needs the transport "udp", which is not built into this libzmq: use `tcp`, `ipc`, `inproc` or `ws`"#,
        ),
        ("", "the endpoint is empty: write one such as `tcp://127.0.0.1:5555`"),
    ] {
        let said = Endpoint::parse(text).map_err(|e| e.to_string());
        assert_eq!(said, Err(message.to_owned()));
    }
}

#[test]
fn conversions_agree() -> Outcome {
    fn take<E>(endpoint: E) -> Result<Endpoint, EndpointError>
    where
        E: TryInto<Endpoint>,
        EndpointError: From<E::Error>,
    {
        Ok(endpoint.try_into()?)
    }
    let text = String::from("tcp://localhost:5555");
    let endpoint = Endpoint::parse(&text)?;
    assert_eq!(take(text.as_str())?, endpoint);
    assert_eq!(take(&text)?, endpoint);
    assert_eq!(take(text.clone())?, endpoint);
    assert_eq!(take(&endpoint)?, endpoint);
    assert_eq!(take(endpoint.clone())?, endpoint);
    assert_eq!(text.parse::<Endpoint>()?, endpoint);
    assert_eq!(String::from(endpoint.clone()), text);
    assert_eq!(format!("{endpoint:>22}"), "  tcp://localhost:5555");
    assert_eq!(format!("{endpoint:?}"), r#"Endpoint("tcp://localhost:5555")"#);

    let map = HashMap::from([(endpoint.clone(), 1)]);
    assert_eq!(map.get(&Endpoint::parse(&text)?), Some(&1));

    let json = serde_json::to_string(&endpoint)?;
    assert_eq!(json, r#""tcp://localhost:5555""#);
    assert_eq!(serde_json::from_str::<Endpoint>(&json)?, endpoint);
    let refused = serde_json::from_str::<Endpoint>(r#""tcp://h:99999""#);
    assert!(refused.is_err_and(|e| e.to_string().contains("invalid port")));
    Ok(())
}

/// What may be bound, libzmq binds, and what it then calls itself parses and
/// may be connected to. `ipc://*` is left out because this libzmq makes its
/// file in the working directory, where it stays.
#[test]
fn libzmq_binds_what_check_bind_passes() -> Outcome {
    let context = zmq::Context::new();
    let directory = tempfile::tempdir()?;
    let path = format!("ipc://{}/s", directory.path().display());
    let abstract_name = format!("ipc://@{}", directory.path().display());
    for text in [
        "tcp://127.0.0.1:*",
        "tcp://127.0.0.1:0",
        "ws://127.0.0.1:*",
        "ws://127.0.0.1:*/jobs",
        &path,
        &abstract_name,
        "inproc://jobs",
    ] {
        let endpoint = Endpoint::parse(text)?;
        endpoint.check_bind()?;
        let (server, client) = (context.socket(zmq::REP)?, context.socket(zmq::REQ)?);
        server.bind(text).map_err(|e| format!("{text}: {e}"))?;
        let Ok(bound) = server.get_last_endpoint()? else {
            return Err(format!("{text}: bound to what is not text").into());
        };
        let bound = Endpoint::parse(&bound)?;
        bound.check_connect()?;
        assert_eq!(bound.transport(), endpoint.transport());
        client.connect(bound.as_str())?;
        client.set_rcvtimeo(10_000)?;
        client.set_linger(0)?;
        client.send("hi", 0)?;
        server.set_rcvtimeo(10_000)?;
        assert_eq!(server.recv_bytes(0)?, b"hi", "{text}");
    }
    Ok(())
}

/// What may be connected to, libzmq takes. It is loopback alone: whatever else
/// were named here, libzmq would look up or dial.
#[test]
fn libzmq_connects_to_what_check_connect_passes() -> Outcome {
    let context = zmq::Context::new();
    let connect = |text: &str| -> zmq::Result<()> {
        let socket = context.socket(zmq::DEALER)?;
        socket.set_linger(0)?;
        socket.connect(text)
    };
    for text in [
        "tcp://127.0.0.1:1",
        "tcp://localhost:65535",
        "tcp://[::1]:5555",
        "tcp://127.0.0.1:0;127.0.0.1:5555",
        "tcp://127.0.0.1:*;127.0.0.1:5555",
        "tcp://[::1]:80;[::1]:5555",
        "ws://127.0.0.1:80/jobs",
        "ipc://./*",
        "inproc://*",
    ] {
        Endpoint::parse(text)?.check_connect()?;
        connect(text).map_err(|e| format!("{text}: {e}"))?;
    }
    // The hole that the port rule closes; once this fails, libzmq closed it.
    assert_eq!(connect("tcp://127.0.0.1:99999"), Ok(()));
    Ok(())
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<Ipv4Addr>().prop_map(|ip| ip.to_string()),
        any::<Ipv6Addr>().prop_map(|ip| format!("[{ip}]")),
        (any::<Ipv6Addr>(), "[a-z][a-z0-9]{0,9}|[1-9][0-9]{0,8}")
            .prop_map(|(ip, zone)| format!("[{ip}%{zone}]")),
        "[a-zA-Z][a-zA-Z0-9_-]{0,20}(\\.[a-zA-Z0-9][a-zA-Z0-9-]{0,20}){0,3}",
    ]
}

fn host_port() -> impl Strategy<Value = String> {
    (host(), 1..=u16::MAX).prop_map(|(host, port)| format!("{host}:{port}"))
}

fn bindable() -> impl Strategy<Value = String> {
    let host = prop_oneof![3 => host(), 1 => Just("*".to_owned())];
    let port = prop_oneof![3 => (0..=u16::MAX).prop_map(|p| p.to_string()), 1 => Just("*".into())];
    (host, port).prop_map(|(host, port)| format!("{host}:{port}"))
}

fn valid() -> impl Strategy<Value = String> {
    prop_oneof![
        bindable().prop_map(|address| format!("tcp://{address}")),
        (bindable(), "(/[!-.0-9;-~]{0,40})?")
            .prop_map(|(address, path)| format!("ws://{address}{path}")),
        (
            host(),
            prop_oneof![Just("*".to_owned()), Just("0".to_owned()), Just("7".to_owned())],
            host_port()
        )
            .prop_map(|(host, port, to)| format!("tcp://{host}:{port};{to}")),
        "ipc://[^\\x00*@][^\\x00]{0,25}",
        "ipc://@[^\\x00]{1,25}",
        "inproc://[^\\x00]{1,60}",
    ]
}

proptest! {
    #[test]
    fn valid_endpoints_round_trip(text in valid()) {
        let endpoint = Endpoint::parse(&text);
        prop_assert!(endpoint.is_ok(), "{:?}", endpoint);
        let endpoint = endpoint?;
        prop_assert_eq!(endpoint.as_str(), &text);
        let shown = endpoint.to_string();
        prop_assert_eq!(Endpoint::parse(&shown), Ok(endpoint.clone()));
        let json = serde_json::to_string(&endpoint).and_then(|json| serde_json::from_str(&json));
        prop_assert_eq!(json.ok(), Some(endpoint.clone()));
        // Every endpoint is good for something.
        prop_assert!(endpoint.check_bind().is_ok() || endpoint.check_connect().is_ok());
        if endpoint.is_wildcard() {
            prop_assert!(endpoint.check_connect().is_err());
        }
    }

    #[test]
    fn only_ports_of_16_bits_are_taken(port in any::<u32>()) {
        let parsed = Endpoint::parse(&format!("tcp://h:{port}")).ok();
        let expected = u16::try_from(port).ok();
        prop_assert_eq!(parsed.is_some(), expected.is_some());
        prop_assert_eq!(parsed.and_then(|e| e.port()), expected.filter(|p| *p != 0));
    }

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        if let Ok(endpoint) = Endpoint::parse(&text) {
            prop_assert_eq!(endpoint.as_str(), text);
        }
    }

    #[test]
    fn text_that_is_nearly_an_endpoint_never_panics(
        scheme in "(tcp|ws|ipc|inproc)",
        address in "[\\[\\]:;*%/@.0-9a-f\\x00é -]{0,24}",
    ) {
        let text = format!("{scheme}://{address}");
        match Endpoint::parse(&text) {
            Ok(endpoint) => prop_assert_eq!(endpoint.to_string(), text),
            Err(error) => {
                prop_assert_eq!(error.endpoint(), &text);
                let message = error.to_string();
                prop_assert!(!message.ends_with('.') && message.is_ascii() | !text.is_ascii());
            }
        }
    }
}

#[test]
fn a_name_that_ws_would_look_up_on_the_arbiter_cannot_be_connected_to() -> Result<(), EndpointError>
{
    for text in
        ["ws://127.0.0.1:80/x", "ws://[::1]:80", "ws://localhost:80", "tcp://host.example:80"]
    {
        Endpoint::parse(text)?.check_connect()?;
    }
    let endpoint = Endpoint::parse("ws://host.example:80")?;
    assert!(matches!(endpoint.check_connect(), Err(EndpointError::BlockingLookup { .. })));
    assert!(!endpoint.is_wildcard());
    Ok(())
}
