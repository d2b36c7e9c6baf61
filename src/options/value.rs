//! How an option's value is written for libzmq, read from it, and read from a
//! configuration file.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error as _, Visitor};

use super::millis;
use crate::keys::{CurvePublicKey, CurveSecretKey, Secret};
use crate::sys::option::OptionId;
use crate::sys::{self, Errno, Socket};

/// One way to write a value.
pub(super) trait Encoding {
    type Value;

    /// What is wrong with a value, before libzmq sees it.
    fn check(_value: &Self::Value) -> Result<(), &'static str> {
        Ok(())
    }

    fn set(socket: &Socket, option: OptionId, value: &Self::Value) -> Result<(), Errno>;
    fn get(socket: &Socket, option: OptionId) -> Result<Self::Value, Errno>;
    fn parse<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self::Value, D::Error>;
}

macro_rules! int_encoding {
    ($($(#[$doc:meta])* $name:ident($value:ty): $to:expr, $from:expr, $parse:expr;)+) => {$(
        $(#[$doc])*
        pub(super) enum $name {}

        impl Encoding for $name {
            type Value = $value;

            fn set(socket: &Socket, option: OptionId, value: &$value) -> Result<(), Errno> {
                let to: fn(&$value) -> i32 = $to;
                socket.set_i32(option, to(value))
            }

            fn get(socket: &Socket, option: OptionId) -> Result<$value, Errno> {
                let from: fn(i32) -> $value = $from;
                socket.get_i32(option).map(from)
            }

            fn parse<'de, D: Deserializer<'de>>(deserializer: D) -> Result<$value, D::Error> {
                let parse: fn(D) -> Result<$value, D::Error> = $parse;
                parse(deserializer)
            }
        }
    )+};
}

/// A number that an `int` holds; a larger one becomes the largest.
fn int(value: impl TryInto<i32>) -> i32 {
    value.try_into().unwrap_or(i32::MAX)
}

fn natural(int: i32) -> u32 {
    u32::try_from(int).unwrap_or(0)
}

int_encoding! {
    /// 0 or 1.
    Flag(bool): |on| i32::from(*on), |int| int != 0, bool::deserialize;
    /// 0 or 1, and -1 for the system's own choice.
    FlagOrSystem(Option<bool>):
        |on| on.map_or(-1, i32::from), |int| (int >= 0).then_some(int > 0), or_none;
    /// A number from 0.
    Count(u32): |count| int(*count), natural, u32::deserialize;
    /// A number from 0, and -1 for the system's own choice.
    CountOrSystem(Option<u32>):
        |count| count.map_or(-1, int), |int| u32::try_from(int).ok(), or_none;
    /// Bytes, and -1 for the system's own choice.
    SizeOrSystem(Option<u32>):
        |count| count.map_or(-1, int), |int| u32::try_from(int).ok(), size_or_none;
    /// Milliseconds, rounded up.
    Millis(Duration):
        |time| millis(*time), |int| Duration::from_millis(natural(int).into()), duration;
    /// Seconds, rounded up, and -1 for the system's own choice.
    SecondsOrSystem(Option<Duration>):
        |time| time.map_or(-1, |time| int(time.as_millis().div_ceil(1000))),
        |int| u64::try_from(int).ok().map(Duration::from_secs),
        duration_or_none;
    /// A kind of name in GSSAPI.
    NameType(GssapiName): |name| name.number(), GssapiName::from_number, GssapiName::deserialize;
}

/// What a GSSAPI principal's name is (`ZMQ_GSSAPI_PRINCIPAL_NAMETYPE`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GssapiName {
    /// A service at a host.
    #[default]
    HostBased,
    /// A user of this machine.
    UserName,
    /// A Kerberos principal.
    Krb5Principal,
}

impl GssapiName {
    const fn number(self) -> i32 {
        match self {
            Self::HostBased => 0,
            Self::UserName => 1,
            Self::Krb5Principal => 2,
        }
    }

    const fn from_number(number: i32) -> Self {
        match number {
            1 => Self::UserName,
            2 => Self::Krb5Principal,
            _ => Self::HostBased,
        }
    }
}

/// As [`Millis`], up to what a heartbeat can carry.
pub(super) enum Ttl {}

impl Encoding for Ttl {
    type Value = Duration;

    fn check(value: &Duration) -> Result<(), &'static str> {
        if *value > Duration::from_millis(6_553_599) {
            return Err("at most 6,553,599 ms fit into a heartbeat");
        }
        Ok(())
    }

    fn set(socket: &Socket, option: OptionId, value: &Duration) -> Result<(), Errno> {
        Millis::set(socket, option, value)
    }

    fn get(socket: &Socket, option: OptionId) -> Result<Duration, Errno> {
        Millis::get(socket, option)
    }

    fn parse<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        duration(deserializer)
    }
}

/// How many bytes go through one system call.
///
/// libzmq takes any number from 1. With less than its default it aborts in the
/// middle of messages, with much more where so large a buffer is not to be had:
/// the limits are this crate's.
pub(super) enum Batch {}

impl Batch {
    const LEAST: u32 = 8 << 10;
    const MOST: u32 = 16 << 20;
}

impl Encoding for Batch {
    type Value = u32;

    fn check(value: &u32) -> Result<(), &'static str> {
        if !(Self::LEAST..=Self::MOST).contains(value) {
            return Err("a batch has 8 KiB to 16 MiB");
        }
        Ok(())
    }

    fn set(socket: &Socket, option: OptionId, value: &u32) -> Result<(), Errno> {
        Count::set(socket, option, value)
    }

    fn get(socket: &Socket, option: OptionId) -> Result<u32, Errno> {
        Count::get(socket, option)
    }

    fn parse<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
        small(size(deserializer)?)
    }
}

/// As [`Millis`]; libzmq's own value is -1, for that of the heartbeat's interval.
pub(super) enum MillisOrInterval {}

impl Encoding for MillisOrInterval {
    type Value = Duration;

    fn set(socket: &Socket, option: OptionId, value: &Duration) -> Result<(), Errno> {
        Millis::set(socket, option, value)
    }

    fn get(socket: &Socket, option: OptionId) -> Result<Duration, Errno> {
        let same = socket.get_i32(option)? < 0;
        Millis::get(socket, if same { OptionId::HEARTBEAT_IVL } else { option })
    }

    fn parse<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        duration(deserializer)
    }
}

/// A descriptor that listens, -1 for none. libzmq is given a duplicate, which it closes.
pub(super) enum Descriptor {}

impl Encoding for Descriptor {
    type Value = Option<i32>;

    fn set(socket: &Socket, option: OptionId, value: &Option<i32>) -> Result<(), Errno> {
        let fd = value.map(sys::descriptors::listening).transpose()?;
        socket.set_i32(option, fd.unwrap_or(-1))
    }

    fn get(socket: &Socket, option: OptionId) -> Result<Option<i32>, Errno> {
        socket.get_i32(option).map(|fd| (fd >= 0).then_some(fd))
    }

    fn parse<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i32>, D::Error> {
        or_none(deserializer)
    }
}

/// Bytes as an `int64_t`, and -1 for no limit.
pub(super) enum Limit {}

impl Encoding for Limit {
    type Value = Option<u64>;

    fn set(socket: &Socket, option: OptionId, value: &Option<u64>) -> Result<(), Errno> {
        let limit = value.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        socket.set_i64(option, limit)
    }

    fn get(socket: &Socket, option: OptionId) -> Result<Option<u64>, Errno> {
        socket.get_i64(option).map(|limit| u64::try_from(limit).ok())
    }

    fn parse<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
        deserializer.deserialize_any(OrNone(Size))
    }
}

/// 64 bits as they are.
pub(super) enum Mask {}

impl Encoding for Mask {
    type Value = u64;

    fn set(socket: &Socket, option: OptionId, value: &u64) -> Result<(), Errno> {
        socket.set_i64(option, i64::from_ne_bytes(value.to_ne_bytes()))
    }

    fn get(socket: &Socket, option: OptionId) -> Result<u64, Errno> {
        socket.get_i64(option).map(|mask| u64::from_ne_bytes(mask.to_ne_bytes()))
    }

    fn parse<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        u64::deserialize(deserializer)
    }
}

/// An `uint64_t` that counts bytes.
pub(super) enum Bytes64 {}

impl Encoding for Bytes64 {
    type Value = u64;

    fn set(socket: &Socket, option: OptionId, value: &u64) -> Result<(), Errno> {
        Mask::set(socket, option, value)
    }

    fn get(socket: &Socket, option: OptionId) -> Result<u64, Errno> {
        Mask::get(socket, option)
    }

    fn parse<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_any(Size)
    }
}

/// Bytes as they are; a text in a configuration file.
pub(super) enum Blob {}

impl Encoding for Blob {
    type Value = Vec<u8>;

    fn set(socket: &Socket, option: OptionId, value: &Vec<u8>) -> Result<(), Errno> {
        socket.set_bytes(option, value)
    }

    fn get(socket: &Socket, option: OptionId) -> Result<Vec<u8>, Errno> {
        socket.get_bytes(option)
    }

    fn parse<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        String::deserialize(deserializer).map(String::into_bytes)
    }
}

/// A routing id.
pub(super) enum Id {}

impl Encoding for Id {
    type Value = Vec<u8>;

    fn check(id: &Vec<u8>) -> Result<(), &'static str> {
        if id.is_empty() || id.len() > 255 || id.first() == Some(&0) {
            return Err("a routing id has 1 to 255 bytes and does not start with NUL");
        }
        Ok(())
    }

    fn set(socket: &Socket, option: OptionId, value: &Vec<u8>) -> Result<(), Errno> {
        Blob::set(socket, option, value)
    }

    fn get(socket: &Socket, option: OptionId) -> Result<Vec<u8>, Errno> {
        Blob::get(socket, option)
    }

    fn parse<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        Blob::parse(deserializer)
    }
}

/// A text, which libzmq gives back with a NUL at its end.
pub(super) enum Text {}

impl Encoding for Text {
    type Value = String;

    fn check(value: &String) -> Result<(), &'static str> {
        if value.len() > 255 || value.contains('\0') {
            return Err("a text has at most 255 bytes, none of which is NUL");
        }
        Ok(())
    }

    fn set(socket: &Socket, option: OptionId, value: &String) -> Result<(), Errno> {
        socket.set_bytes(option, value.as_bytes())
    }

    fn get(socket: &Socket, option: OptionId) -> Result<String, Errno> {
        let mut bytes = socket.get_bytes(option)?;
        while bytes.last() == Some(&0) {
            bytes.pop();
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn parse<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        String::deserialize(deserializer)
    }
}

/// A text that must not be empty, and that nobody reads back.
pub(super) enum Password {}

impl Encoding for Password {
    type Value = Secret;

    fn check(value: &Secret) -> Result<(), &'static str> {
        if value.expose().is_empty() || value.expose().len() > 255 {
            return Err("a password has 1 to 255 bytes");
        }
        Ok(())
    }

    fn set(socket: &Socket, option: OptionId, value: &Secret) -> Result<(), Errno> {
        socket.set_bytes(option, value.expose().as_bytes())
    }

    fn get(_socket: &Socket, _option: OptionId) -> Result<Secret, Errno> {
        Err(Errno::ACCES)
    }

    fn parse<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        Secret::deserialize(deserializer)
    }
}

/// A CURVE public key.
pub(super) enum PublicKey {}

impl Encoding for PublicKey {
    type Value = CurvePublicKey;

    fn set(socket: &Socket, option: OptionId, value: &CurvePublicKey) -> Result<(), Errno> {
        socket.set_bytes(option, value.as_bytes())
    }

    fn get(socket: &Socket, option: OptionId) -> Result<CurvePublicKey, Errno> {
        socket.get_key(option).map(Into::into)
    }

    fn parse<'de, D: Deserializer<'de>>(deserializer: D) -> Result<CurvePublicKey, D::Error> {
        CurvePublicKey::deserialize(deserializer)
    }
}

/// A CURVE secret key, which nobody reads back.
pub(super) enum SecretKey {}

impl Encoding for SecretKey {
    type Value = CurveSecretKey;

    fn set(socket: &Socket, option: OptionId, value: &CurveSecretKey) -> Result<(), Errno> {
        socket.set_bytes(option, value.expose())
    }

    fn get(_socket: &Socket, _option: OptionId) -> Result<CurveSecretKey, Errno> {
        Err(Errno::ACCES)
    }

    fn parse<'de, D: Deserializer<'de>>(deserializer: D) -> Result<CurveSecretKey, D::Error> {
        CurveSecretKey::deserialize(deserializer)
    }
}

/// `"500ms"`, `"2s"`, `"1m 30s"`.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(Time)
}

fn duration_or_none<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    deserializer.deserialize_any(OrNone(Time))
}

fn size_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let size = deserializer.deserialize_any(OrNone(Size))?;
    size.map(small).transpose()
}

fn small<E: serde::de::Error>(size: u64) -> Result<u32, E> {
    u32::try_from(size).map_err(|_| E::custom("more than 4 GiB"))
}

/// A size in bytes: a number, or a text like `"64 KiB"`.
pub(super) fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    deserializer.deserialize_any(Size)
}

/// A value, or `"none"`.
fn or_none<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Either<T> {
        Value(T),
        Text(String),
    }
    match Either::deserialize(deserializer)? {
        Either::Value(value) => Ok(Some(value)),
        Either::Text(text) if text == "none" => Ok(None),
        Either::Text(text) => {
            Err(D::Error::custom(format!("{text:?} is neither a value nor \"none\"")))
        }
    }
}

/// Reads what a text says.
trait Words {
    type Value;
    const EXPECTED: &'static str;
    fn words<E: serde::de::Error>(&self, text: &str) -> Result<Self::Value, E>;
    fn number<E: serde::de::Error>(&self, number: u64) -> Result<Self::Value, E>;
}

#[derive(Clone, Copy)]
struct Time;

impl Words for Time {
    type Value = Duration;
    const EXPECTED: &'static str = "a time with its unit, such as \"500ms\" or \"2s\"";

    fn words<E: serde::de::Error>(&self, text: &str) -> Result<Duration, E> {
        humantime::parse_duration(text)
            .map_err(|error| E::custom(format!("{text:?} is no time ({error})")))
    }

    fn number<E: serde::de::Error>(&self, number: u64) -> Result<Duration, E> {
        Err(E::custom(format!("the time {number} needs a unit, such as \"{number}ms\"")))
    }
}

#[derive(Clone, Copy)]
struct Size;

impl Words for Size {
    type Value = u64;
    const EXPECTED: &'static str = "a size in bytes, such as 65536 or \"64 KiB\"";

    fn words<E: serde::de::Error>(&self, text: &str) -> Result<u64, E> {
        let size = text.parse::<bytesize::ByteSize>();
        size.map(|size| size.as_u64()).map_err(|_| E::custom(format!("{text:?} is no size")))
    }

    fn number<E: serde::de::Error>(&self, number: u64) -> Result<u64, E> {
        Ok(number)
    }
}

macro_rules! words_visitor {
    ($($name:ident),+) => {$(
        impl Visitor<'_> for $name {
            type Value = <Self as Words>::Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(Self::EXPECTED)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                self.words(text)
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Self::Value, E> {
                self.number(number)
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Self::Value, E> {
                match u64::try_from(number) {
                    Ok(number) => self.number(number),
                    Err(_) => Err(E::custom(format!("{number} is negative"))),
                }
            }
        }
    )+};
}

words_visitor!(Time, Size);

/// As the inner one, or `"none"`.
struct OrNone<W>(W);

impl<W: Words> Visitor<'_> for OrNone<W> {
    type Value = Option<W::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, or \"none\"", W::EXPECTED)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        if text == "none" { Ok(None) } else { self.0.words(text).map(Some) }
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Self::Value, E> {
        self.0.number(number).map(Some)
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Self::Value, E> {
        match u64::try_from(number) {
            Ok(number) => self.0.number(number).map(Some),
            Err(_) => Err(E::custom(format!("{number} is negative"))),
        }
    }
}
