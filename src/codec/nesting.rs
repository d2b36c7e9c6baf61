//! Bounds on how deep a value may nest, and how much may be in it, for formats
//! that have none.
//!
//! A type that contains itself is read by recursion, and a peer's message says
//! how often: without a bound it exhausts the stack, which aborts the process.
//! Where elements take no bytes, as those of a `Vec<()>` may, a few bytes say
//! that there are more of them than anybody has the time to count.

use std::cell::Cell;
use std::fmt;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

/// How deep values may nest in the formats of this crate: what serde_json allows.
pub const MAX_NESTING: usize = 128;

/// Elements and fields for each byte of the input, and some for a short one.
const ELEMENTS_PER_BYTE: usize = 16;
const ELEMENTS: usize = 1_024;

/// Reads a value that nests [`MAX_NESTING`] levels at most (sequences, structs,
/// maps and enums are one each), in as many options at most, and that has no more elements and
/// fields in all than 1,024 and 16 for each of the input's `bytes`.
///
/// # Errors
/// The format's own, and one for a value beyond these bounds.
pub fn nested<'de, T, D>(reader: D, bytes: usize) -> Result<T, D::Error>
where
    T: DeserializeOwned,
    D: Deserializer<'de>,
{
    let elements = Cell::new(bytes.saturating_mul(ELEMENTS_PER_BYTE).saturating_add(ELEMENTS));
    let left = (MAX_NESTING, MAX_NESTING);
    T::deserialize(Level { inner: reader, left, elements: &elements })
}

/// Anything of serde's, with the levels, the options and the elements that are left.
struct Level<'a, T> {
    inner: T,
    left: (usize, usize),
    elements: &'a Cell<usize>,
}

impl<'a, T> Level<'a, T> {
    const fn same<U>(&self, inner: U) -> Level<'a, U> {
        Level { inner, left: self.left, elements: self.elements }
    }

    fn below<U, E: Error>(&self, inner: U) -> Result<Level<'a, U>, E> {
        let (levels, options) = self.left;
        self.deeper(inner, levels.checked_sub(1).map(|levels| (levels, options)))
    }

    fn option<U, E: Error>(&self, inner: U) -> Result<Level<'a, U>, E> {
        let (levels, options) = self.left;
        self.deeper(inner, options.checked_sub(1).map(|options| (levels, options)))
    }

    fn deeper<U, E: Error>(
        &self,
        inner: U,
        left: Option<(usize, usize)>,
    ) -> Result<Level<'a, U>, E> {
        let deep = || E::custom(format_args!("nested deeper than {MAX_NESTING} levels"));
        Ok(Level { inner, left: left.ok_or_else(deep)?, elements: self.elements })
    }

    fn element<U, E: Error>(&self, inner: U) -> Result<Level<'a, U>, E> {
        let left = self.elements.get().checked_sub(1);
        self.elements.set(left.ok_or_else(|| E::custom("more elements than bytes account for"))?);
        Ok(self.same(inner))
    }
}

macro_rules! forward {
    ($($method:ident($($argument:ident: $type:ty),*);)+) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            let visitor = self.same(visitor);
            self.inner.$method($($argument,)* visitor)
        }
    )+};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Level<'_, D> {
    type Error = D::Error;

    forward! {
        deserialize_any(); deserialize_bool(); deserialize_i8(); deserialize_i16();
        deserialize_i32(); deserialize_i64(); deserialize_i128(); deserialize_u8();
        deserialize_u16(); deserialize_u32(); deserialize_u64(); deserialize_u128();
        deserialize_f32(); deserialize_f64(); deserialize_char(); deserialize_str();
        deserialize_string(); deserialize_bytes(); deserialize_byte_buf();
        deserialize_option(); deserialize_unit(); deserialize_seq(); deserialize_map();
        deserialize_identifier(); deserialize_ignored_any();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_tuple(length: usize);
        deserialize_tuple_struct(name: &'static str, length: usize);
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! visit {
    ($($method:ident($type:ty);)+) => {$(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )+};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Level<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    visit! {
        visit_bool(bool); visit_i8(i8); visit_i16(i16); visit_i32(i32); visit_i64(i64);
        visit_i128(i128); visit_u8(u8); visit_u16(u16); visit_u32(u32); visit_u64(u64);
        visit_u128(u128); visit_f32(f32); visit_f64(f64); visit_char(char); visit_str(&str);
        visit_borrowed_str(&'de str); visit_string(String); visit_bytes(&[u8]);
        visit_borrowed_bytes(&'de [u8]); visit_byte_buf(Vec<u8>);
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, reader: D) -> Result<V::Value, D::Error> {
        let reader = self.option(reader)?;
        self.inner.visit_some(reader)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, reader: D) -> Result<V::Value, D::Error> {
        // Its content recurses through one of the others, or not at all.
        let reader = self.same(reader);
        self.inner.visit_newtype_struct(reader)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let access = self.below(access)?;
        self.inner.visit_seq(access)
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let access = self.below(access)?;
        self.inner.visit_map(access)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let access = self.below(access)?;
        self.inner.visit_enum(access)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Level<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<S::Value, D::Error> {
        let reader = self.same(reader);
        self.inner.deserialize(reader)
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Level<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let seed = self.element(seed)?;
        self.inner.next_element_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Level<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let seed = self.element(seed)?;
        self.inner.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.same(seed);
        self.inner.next_value_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, 'a, A: EnumAccess<'de>> EnumAccess<'de> for Level<'a, A> {
    type Error = A::Error;
    type Variant = Level<'a, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let Self { inner, left, elements } = self;
        let (value, variant) = inner.variant_seed(Level { inner: seed, left, elements })?;
        Ok((value, Level { inner: variant, left, elements }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Level<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.same(seed);
        self.inner.newtype_variant_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let visitor = self.same(visitor);
        self.inner.tuple_variant(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let visitor = self.same(visitor);
        self.inner.struct_variant(fields, visitor)
    }
}
