//! A message as browsers get it.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use bytestring::ByteString;
use serde_json::{Value, json};

use super::log::After;
use crate::messages::TopicMessage;

/// What browsers get for a message, by the closure that
/// [`BroadcastBuilder::render`](super::BroadcastBuilder::render) takes.
///
/// # Examples
/// ```
/// use actix_zmq::TopicMessage;
/// use actix_zmq::web::Event;
///
/// // `addEventListener("price", …)`, with the bare body as `data`; what is no
/// // text is left out.
/// fn render(message: &TopicMessage) -> Option<Event> {
///     let body = message.body.first()?.as_str()?;
///     Some(Event::new(body).named("price"))
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    name: Option<String>,
    data: String,
}

impl Event {
    /// An event with this text, of any number of lines. A page's `onmessage`
    /// gets it.
    pub fn new(data: impl Into<String>) -> Self {
        Self { name: None, data: data.into() }
    }

    /// An event that only listeners for this name get. Line breaks in it are
    /// left out; an empty name is none.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        let mut name = name.into();
        name.retain(|char| !matches!(char, '\n' | '\r'));
        self.name = (!name.is_empty()).then_some(name);
        self
    }
}

/// A message in the forms in which it leaves, each made once.
#[derive(Debug)]
pub(in crate::web) struct Entry {
    number: u64,
    topic: Bytes,
    sse: Bytes,
    websocket: ByteString,
}

impl Entry {
    /// As the closure wants it, or else as JSON.
    pub(super) fn new(
        number: u64,
        epoch: Epoch,
        message: TopicMessage,
        event: Option<Event>,
    ) -> Self {
        let id = epoch.id(number);
        let topic = shown(&message.topic);
        let (sse, websocket) = match event {
            Some(Event { name, data }) => {
                let sse = block(name.as_deref(), &id, &data);
                let mut members = json!({ "id": id, "topic": topic, "body": data });
                if let (Some(name), Value::Object(members)) = (name, &mut members) {
                    members.insert("event".to_owned(), name.into());
                }
                (sse, members.to_string())
            }
            None => {
                let mut frames: Vec<Value> = message.body.iter().map(|f| shown(f)).collect();
                let body = match frames.len() {
                    1 => frames.pop().unwrap_or_default(),
                    _ => Value::Array(frames),
                };
                let data = json!({ "topic": topic, "body": body }).to_string();
                // The same with the id, in which there is nothing to escape.
                let members = data.strip_prefix('{').unwrap_or_default();
                (block(None, &id, &data), format!("{{\"id\":\"{id}\",{members}"))
            }
        };
        let topic = message.topic.into_bytes();
        Self { number, topic, sse: sse.into(), websocket: websocket.into() }
    }

    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn matches(&self, wanted: &[Bytes]) -> bool {
        wanted.iter().any(|prefix| self.topic.starts_with(prefix))
    }

    pub(super) fn size(&self) -> usize {
        self.topic.len() + self.sse.len() + self.websocket.len()
    }

    pub(in crate::web) fn sse(&self) -> Bytes {
        self.sse.clone()
    }

    pub(in crate::web) fn websocket(&self) -> ByteString {
        self.websocket.clone()
    }

    #[cfg(test)]
    pub(super) fn plain(number: u64, topic: &'static str) -> Self {
        let message = TopicMessage { topic: topic.into(), body: "body".into() };
        Self::new(number, Epoch(0), message, None)
    }
}

/// Which broadcast it is whose messages are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Epoch(u64);

impl Epoch {
    pub(super) fn random() -> Self {
        Self(fastrand::u64(..))
    }

    /// The id of a message of this number.
    pub(super) fn id(self, number: u64) -> String {
        format!("{:016x}-{number}", self.0)
    }

    /// What somebody has read who says that this was the last; nothing if that
    /// makes no sense.
    pub(super) fn parse(self, id: &str) -> Option<After> {
        let (epoch, number) = id.split_once('-')?;
        let hexadecimal = |char: u8| matches!(char, b'0'..=b'9' | b'a'..=b'f');
        let digits = number.bytes().all(|char| char.is_ascii_digit());
        if epoch.len() != 16 || !epoch.bytes().all(hexadecimal) || !digits {
            return None;
        }
        let number = number.parse().ok()?;
        let is_this = u64::from_str_radix(epoch, 16) == Ok(self.0);
        Some(if is_this { After::Message(number) } else { After::Unknown })
    }
}

/// A frame as JSON: text as it is, other bytes in base64.
fn shown(frame: &[u8]) -> Value {
    match std::str::from_utf8(frame) {
        Ok(text) => text.into(),
        Err(_) => json!({ "base64": STANDARD.encode(frame) }),
    }
}

/// An event of an event stream. Whatever it has for a line break begins a new
/// line of data.
pub(super) fn block(name: Option<&str>, id: &str, data: &str) -> String {
    let data = if data.contains('\r') {
        Cow::Owned(data.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(data)
    };
    let name = name.map_or_else(String::new, |name| format!("event: {name}\n"));
    let lines: String = data.split('\n').map(|line| format!("data: {line}\n")).collect();
    format!("{name}id: {id}\n{lines}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(event: &Event) -> String {
        block(event.name.as_deref(), "i", &event.data)
    }

    #[test]
    fn every_line_break_begins_a_line_of_data() {
        for (data, lines) in [
            ("", "data: \n"),
            ("a", "data: a\n"),
            ("a\nb", "data: a\ndata: b\n"),
            ("a\r\nb", "data: a\ndata: b\n"),
            ("a\rb", "data: a\ndata: b\n"),
            ("a\n\r\n\rb\n", "data: a\ndata: \ndata: \ndata: b\ndata: \n"),
            (
                "x\nevent: evil\nid: 1\n\ndata: y",
                "data: x\ndata: event: evil\ndata: id: 1\ndata: \ndata: data: y\n",
            ),
        ] {
            assert_eq!(text(&Event::new(data)), format!("id: i\n{lines}\n"), "{data:?}");
        }
    }

    #[test]
    fn a_name_cannot_begin_a_line() {
        let event = Event::new("x").named("a\r\ndata: evil\nid: 1");
        assert_eq!(text(&event), "event: adata: evilid: 1\nid: i\ndata: x\n\n");
        assert_eq!(text(&Event::new("x").named("\n")), "id: i\ndata: x\n\n");
    }

    #[test]
    fn topics_and_bodies_are_json_whatever_is_in_them() {
        let entry = |topic: &[u8], body: crate::Multipart| {
            let entry =
                Entry::new(7, Epoch(0xab), TopicMessage { topic: topic.into(), body }, None);
            let sse = String::from_utf8(entry.sse().to_vec()).unwrap();
            let data = sse.strip_prefix("id: 00000000000000ab-7\ndata: ").unwrap();
            let data: Value = serde_json::from_str(data.strip_suffix("\n\n").unwrap()).unwrap();
            let message: Value = serde_json::from_str(&entry.websocket()).unwrap();
            assert_eq!(message["id"], "00000000000000ab-7");
            assert_eq!((&data["topic"], &data["body"]), (&message["topic"], &message["body"]));
            data
        };
        assert_eq!(entry(b"a", "b".into()), json!({ "topic": "a", "body": "b" }));
        let evil = entry(b"a\ndata: evil", "b\r\n\r\nevent: evil".into());
        assert_eq!(evil, json!({ "topic": "a\ndata: evil", "body": "b\r\n\r\nevent: evil" }));
        let bytes = entry(b"\xff", [&[0xfe_u8][..], &b"text"[..]].into());
        let base64 =
            json!({ "topic": { "base64": "/w==" }, "body": [{ "base64": "/g==" }, "text"] });
        assert_eq!(bytes, base64);
    }

    #[test]
    fn an_id_says_what_was_read_and_garbage_says_nothing() {
        let epoch = Epoch(1);
        let elsewhere = Epoch(2).id(3);
        for (id, last) in [
            (&*epoch.id(0), Some(After::Message(0))),
            (&*epoch.id(3), Some(After::Message(3))),
            (&*elsewhere, Some(After::Unknown)),
            ("", None),
            ("-", None),
            ("3", None),
            ("1-3", None),
            ("0000000000000001", None),
            ("0000000000000001-", None),
            ("0000000000000001-x", None),
            ("0000000000000001--1", None),
            ("0000000000000001-+1", None),
            ("+000000000000001-1", None),
            ("000000000000000A-1", None),
            ("0000000000000001-99999999999999999999", None),
            ("ÿÿÿÿÿÿÿÿ-1", None),
        ] {
            assert_eq!(epoch.parse(id), last, "{id:?}");
        }
    }
}
