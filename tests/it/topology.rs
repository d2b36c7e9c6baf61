//! Sockets from a configuration file, checked before anything starts.

use actix_zmq::kinds;
use actix_zmq::prelude::*;
use actix_zmq::{SocketType, Topology};

use crate::support::{bound_endpoints, finish, inbox, ms, status, within};

const TOML: &str = r#"
[context]
io_threads = 1
linger = "500ms"
max_sockets = 20

[sockets.collector]
type = "pull"
endpoint = "tcp://127.0.0.1:*"
heartbeat = "500ms"
receive_hwm = 10
max_message_size = "1 MiB"

[sockets.clock]
type = "pub"
bind = ["inproc://clock", "inproc://watch"]
framing = "tagged"
no_drop = true
queue = { messages = 5, bytes = "64 KiB", overflow = "drop_oldest" }
restart = { initial = "5ms", budget = 3 }

[sockets.reader]
connect = "inproc://clock"
topics = ["time."]
framing = "tagged"
ZMQ_RCVHWM = 7
type = "sub"

[sockets.asker]
type = "request"
connect = "ipc:///tmp/nobody-listens-here"
timeout = "30s"
unreachable_after = "50ms"
max_in_flight = 10
send_buffer = "none"
"#;

const YAML: &str = r#"
sockets:
  collector:
    type: pull
    endpoint: "tcp://127.0.0.1:*"
    heartbeat: 500ms
    ipv6: false
"#;

const JSON: &str = r#"{
  "context": {"linger": "1s"},
  "sockets": {
    "collector": {"type": "pull", "method": "bind", "endpoint": "tcp://127.0.0.1:0", "heartbeat": "500ms"}
  }
}"#;

#[actix::test]
async fn a_whole_topology_is_read_opened_and_works() {
    within(async {
        let topology: Topology = toml::from_str(TOML).unwrap();
        let types: Vec<_> = topology.sockets().collect();
        let expected = [
            ("asker", SocketType::Request),
            ("clock", SocketType::Pub),
            ("collector", SocketType::Pull),
            ("reader", SocketType::Sub),
        ];
        assert_eq!(types, expected);
        let zmq = topology.factory().start();
        let clock = topology.blueprint::<kinds::Pub>("clock").unwrap();
        let clock = zmq.send(Open(clock)).await.unwrap().unwrap();
        let (fill, mut told) = inbox();
        let reader = topology.blueprint::<kinds::Sub>("reader").unwrap();
        zmq.send(Open(reader.on_message(fill))).await.unwrap().unwrap();
        let collector = topology.blueprint::<kinds::Pull>("collector").unwrap();
        let collector =
            zmq.send(Open(collector.on_message(|_: Pulled| {}))).await.unwrap().unwrap();
        let asker = topology.blueprint::<kinds::Request>("asker").unwrap();
        let asker = zmq.send(Open(asker)).await.unwrap().unwrap();
        let alone = asker.send(Request::new("?")).await.unwrap().unwrap_err();
        assert_eq!(alone.kind(), ErrorKind::Unreachable);

        let wait = WaitSubscribers { topic: "time.now".into(), count: 1, deadline: ms(10_000) };
        assert_eq!(clock.send(wait).await.unwrap().unwrap(), 1);
        clock.send(Publish::new("time.now", "12:00")).await.unwrap().unwrap();
        let TopicMessage { topic, body }: TopicMessage = told.next().await;
        assert_eq!((&topic[..], body), (&b"time.now"[..], "12:00".into()));

        let limits = status(&zmq, "clock").await.limits;
        assert_eq!((limits.messages, limits.bytes), (5, 65_536));
        assert_eq!(limits.overflow, Overflow::DropOldest);
        assert_eq!(bound_endpoints(&status(&zmq, "clock").await).len(), 2);
        let read = async |name| collector.send(GetOption(name)).await.unwrap().unwrap();
        assert_eq!(read(OptionName::Heartbeat).await, SocketOption::Heartbeat(ms(500)));
        assert_eq!(read(OptionName::ReceiveHwm).await, SocketOption::ReceiveHwm(10));
        assert_eq!(
            read(OptionName::MaxMessageSize).await,
            SocketOption::MaxMessageSize(Some(1 << 20))
        );
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn yaml_and_json_say_the_same() {
    within(async {
        let topologies: [Topology; 2] =
            [serde_yaml_ng::from_str(YAML).unwrap(), serde_json::from_str(JSON).unwrap()];
        for topology in topologies {
            let zmq = topology.factory().start();
            let collector = topology.blueprint::<kinds::Pull>("collector").unwrap();
            let collector = collector.on_message(|_: Pulled| {});
            let collector = zmq.send(Open(collector)).await.unwrap().unwrap();
            let heartbeat = collector.send(GetOption(OptionName::Heartbeat)).await.unwrap();
            assert_eq!(heartbeat.unwrap(), SocketOption::Heartbeat(ms(500)));
            finish(zmq).await;
        }
    })
    .await;
}

#[test]
fn a_socket_is_had_by_its_name_and_its_type() {
    let topology: Topology = toml::from_str(TOML).unwrap();
    let error = topology.blueprint::<kinds::Pull>("nobody").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = topology.blueprint::<kinds::Push>("collector").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidOption);
}

/// A mistake in the fourth line, and a word that its error has to name.
const MISTAKES: &[(&str, &str)] = &[
    ("type = 'push'\nheartbeet = '1s'", "heartbeet"),
    ("type = 'push'\nheartbeat = 500", "unit"),
    ("type = 'push'\nheartbeat = 'soon'", "soon"),
    ("type = 'push'\nsend_hwm = 'many'", "many"),
    ("type = 'push'\nsend_hwm = -1", "-1"),
    ("type = 'push'\nbind = 'tcp://127.0.0.1:99999'", "99999"),
    ("type = 'push'\nbind = 'udp://127.0.0.1:5555'", "udp"),
    ("type = 'push'\nconnect = 'tcp://*:5555'", "*"),
    ("type = 'push'\nbind = ['inproc://a', 'inproc://a']", "two sockets"),
    ("type = 'push'\nbind = ['tcp://*:5555', 'tcp://*:5555']", "two sockets"),
    ("type = 'push'\nplain_password = 31337", "a text"),
    ("type = 'push'\ntcp_max_retransmit = 'x'", "x"),
    ("type = 'push'\ntopics = ['a']", "PUSH"),
    ("type = 'push'\nhandover = true", "PUSH"),
    ("handover = true\ntype = 'push'", "PUSH"),
    ("type = 'pull'\nqueue = { messages = 1 }", "queue"),
    ("type = 'push'\nqueue = { massages = 1 }", "massages"),
    ("type = 'push'\nqueue = { overflow = 'explode' }", "explode"),
    ("type = 'push'\nrouting_id = ''", "routing id"),
    ("bind = 'inproc://x'\ntype = 'pushh'", "pushh"),
];

#[test]
fn a_mistake_is_told_with_its_line_in_every_format() {
    for (lines, word) in MISTAKES {
        let text = format!("\n[sockets.x]\n{lines}\n");
        let error = toml::from_str::<Topology>(&text).unwrap_err().to_string();
        // Which of two lines that contradict each other comes first is the format's to say.
        let places =
            ["line 4", if *word == "PUSH" || *word == "queue" { "line 3" } else { "line 4" }];
        let placed = places.iter().any(|place| error.contains(place));
        assert!(placed && error.contains(word), "{text}\n{error}");
    }
    let yaml = "sockets:\n  x:\n    type: push\n    heartbeat: 500\n";
    let error = serde_yaml_ng::from_str::<Topology>(yaml).unwrap_err().to_string();
    assert!(error.contains("line 4") && error.contains("unit"), "{error}");
    let json = "{\"sockets\":\n {\"x\":\n {\"type\": \"push\",\n \"heartbeat\": 500}}}";
    let error = serde_json::from_str::<Topology>(json).unwrap_err().to_string();
    assert!(error.contains("line 4") && error.contains("unit"), "{error}");
    let json = "{\"sockets\":\n {\"x\":{\"type\":\"push\"},\n \"x\":{\"type\":\"push\"}}}";
    let error = serde_json::from_str::<Topology>(json).unwrap_err().to_string();
    assert!(error.contains("twice"), "{error}");
    let error = toml::from_str::<Topology>("[sockets.x]\nbind = 'inproc://x'").unwrap_err();
    assert!(error.to_string().contains("no `type`"), "{error}");
    let error = toml::from_str::<Topology>("\n[contexts]\nx = 1").unwrap_err().to_string();
    assert!(error.contains("contexts") && error.contains("line 2"), "{error}");
    let error = toml::from_str::<Topology>("[context]\n\nmax_socket = 1").unwrap_err().to_string();
    assert!(error.contains("max_socket") && error.contains("line 3"), "{error}");
    let error = toml::from_str::<Topology>("[context]\nmax_sockets = 0").unwrap_err().to_string();
    assert!(error.contains("max_sockets") && error.contains("line 1"), "{error}");
}

#[test]
fn a_key_that_is_said_twice_is_a_mistake() {
    for twice in [
        r#"{"sockets": {"x": {"type": "push", "send_hwm": 1, "send_hwm": 2}}}"#,
        r#"{"sockets": {"x": {"type": "push"}, "x": {"type": "pull"}}}"#,
        r#"{"sockets": {}, "sockets": {}}"#,
    ] {
        let error = serde_json::from_str::<Topology>(twice).unwrap_err().to_string();
        assert!(error.contains("twice"), "{twice}: {error}");
    }
}

#[test]
fn a_secret_of_the_wrong_kind_is_not_named() {
    let json = r#"{"sockets": {"x": {"type": "push", "plain_password": 31337}}}"#;
    let error = serde_json::from_str::<Topology>(json).unwrap_err().to_string();
    assert!(error.contains("a text") && !error.contains("31337"), "{error}");
    let json = r#"{"sockets": {"x": {"type": "push", "curve_secret_key": "swordfish"}}}"#;
    let error = serde_json::from_str::<Topology>(json).unwrap_err().to_string();
    assert!(error.contains("Z85") && !error.contains("swordfish"), "{error}");
}

#[actix::test]
async fn whether_to_bind_may_be_said_before_or_after_the_endpoint() {
    within(async {
        let toml = "[sockets.x]\ntype = 'push'\nmethod = 'bind'\nendpoint = 'inproc://method'";
        let json = r#"{"sockets": {"x":
            {"endpoint": "inproc://method", "method": "bind", "type": "push"}}}"#;
        let topologies: [Topology; 2] =
            [toml::from_str(toml).unwrap(), serde_json::from_str(json).unwrap()];
        for topology in topologies {
            let zmq = topology.factory().start();
            let push = topology.blueprint::<kinds::Push>("x").unwrap();
            zmq.send(Open(push)).await.unwrap().unwrap();
            assert_eq!(bound_endpoints(&status(&zmq, "x").await), ["inproc://method"]);
            finish(zmq).await;
        }
    })
    .await;
}

#[test]
fn what_the_linked_libzmq_lacks_is_told_before_anything_starts() {
    for (name, value) in [
        (OptionName::TcpKeepalive, "true"),
        (OptionName::CurveServer, "true"),
        (OptionName::GssapiServer, "true"),
        (OptionName::InBatchSize, "'64 KiB'"),
        (OptionName::OutBatchSize, "65536"),
    ] {
        let text = format!("\n[sockets.x]\ntype = 'push'\n{name} = {value}\n");
        match toml::from_str::<Topology>(&text) {
            Ok(_) => assert!(name.is_supported(), "{name}"),
            Err(error) => {
                assert!(!name.is_supported(), "{name}: {error}");
                let error = error.to_string();
                assert!(error.contains("line 4") && error.contains("README"), "{error}");
            }
        }
    }
    if OptionName::TcpKeepalive.is_supported() {
        return;
    }
    let error = toml::from_str::<Topology>("[context]\nthread_priority = 1").unwrap_err();
    assert!(error.to_string().contains("README"), "{error}");
}
