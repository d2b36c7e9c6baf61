//! The name that a message type goes by on the wire.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

/// The name of a type: what serde calls it, so that `#[serde(rename = "…")]`
/// sets it, or else its own without the path to it.
pub(crate) fn wire_name<T: DeserializeOwned>() -> Cow<'static, str> {
    let mut found = None;
    // It always fails: there is nothing to read.
    let _ = T::deserialize(Probe(&mut found));
    found.map_or_else(|| without_paths(std::any::type_name::<T>()).into(), Cow::Borrowed)
}

/// `a::b::Wrapper<c::Inner>` as `Wrapper<Inner>`.
fn without_paths(name: &str) -> String {
    let mut short = String::with_capacity(name.len());
    let mut word = 0;
    let mut rest = name.chars().peekable();
    while let Some(letter) = rest.next() {
        if letter == ':' && rest.peek() == Some(&':') {
            rest.next();
            short.truncate(word);
            continue;
        }
        short.push(letter);
        if !letter.is_alphanumeric() && letter != '_' {
            word = short.len();
        }
    }
    short
}

/// A deserializer that learns what it is asked for, and has nothing to give.
struct Probe<'a>(&'a mut Option<&'static str>);

/// What every probe ends with. It has no text: names are asked for with each call.
#[derive(Debug, thiserror::Error)]
#[error("a probe")]
struct Nothing;

impl serde::de::Error for Nothing {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl Probe<'_> {
    fn learn<T>(self, name: &'static str) -> Result<T, Nothing> {
        *self.0 = Some(name);
        Err(Nothing)
    }
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Nothing;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Nothing> {
        Err(Nothing)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Nothing> {
        self.learn(name)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _visitor: V,
    ) -> Result<V::Value, Nothing> {
        self.learn(name)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _visitor: V,
    ) -> Result<V::Value, Nothing> {
        self.learn(name)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _length: usize,
        _visitor: V,
    ) -> Result<V::Value, Nothing> {
        self.learn(name)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        _variants: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Nothing> {
        self.learn(name)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string
        bytes byte_buf option unit seq tuple map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Unit;
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its name is asked for")]
    struct Newtype(u8);
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its name is asked for")]
    struct Tuple(u8, u8);
    #[derive(Deserialize)]
    #[serde(rename = "math.add")]
    #[expect(dead_code, reason = "only its name is asked for")]
    struct Renamed {
        a: u8,
    }
    #[derive(Deserialize)]
    enum Either {
        One,
    }
    #[derive(Deserialize)]
    #[serde(transparent)]
    #[expect(dead_code, reason = "only its name is asked for")]
    struct Transparent(u8);

    #[test]
    fn serde_names_it_and_else_its_type_does() {
        let Either::One = Either::One;
        assert_eq!(wire_name::<Unit>(), "Unit");
        assert_eq!(wire_name::<Newtype>(), "Newtype");
        assert_eq!(wire_name::<Tuple>(), "Tuple");
        assert_eq!(wire_name::<Renamed>(), "math.add");
        assert_eq!(wire_name::<Either>(), "Either");
        assert_eq!(wire_name::<Transparent>(), "Transparent");
        assert_eq!(
            wire_name::<HashMap<String, Vec<Transparent>>>(),
            "HashMap<String, Vec<Transparent>>"
        );
        assert_eq!(wire_name::<(u8, String)>(), "(u8, String)");
    }
}
