//! Secrets that never print, and CURVE's keys (RFC 26/CURVEZMQ, RFC 32/Z85).

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::sys;

/// A password or another text that nobody shall read in a log: `Debug` shows
/// that there is one, the memory is wiped when it is dropped, and the only way
/// to the text is [`expose`](Self::expose).
///
/// # Examples
/// ```
/// use actix_zmq::Secret;
///
/// let secret = Secret::new("swordfish");
/// assert_eq!(format!("{secret:?}"), "Secret(…)");
/// assert_eq!(secret.expose(), "swordfish");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(Hush)
    }
}

/// Takes a text, and names nothing else that it finds.
struct Hush;

impl Visitor<'_> for Hush {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> std::result::Result<Secret, E> {
        Ok(Secret::new(text))
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> std::result::Result<Secret, E> {
        Err(E::custom("a secret is a text, not a number"))
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> std::result::Result<Secret, E> {
        Err(E::custom("a secret is a text, not a number"))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> std::result::Result<Secret, E> {
        Err(E::custom("a secret is a text, not a number"))
    }
}

/// A CURVE public key: 32 bytes. Its text is Z85, 40 characters (RFC 32/Z85).
///
/// # Examples
/// ```
/// use actix_zmq::{CurvePublicKey, ErrorKind};
///
/// let text = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
/// let key: CurvePublicKey = text.parse()?;
/// assert_eq!(key.to_string(), text);
/// let error = "too short".parse::<CurvePublicKey>().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidOption);
/// # Ok::<(), actix_zmq::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CurvePublicKey([u8; 32]);

/// A CURVE secret key: 32 bytes that never print and are wiped when dropped.
/// It is parsed from Z85, 40 characters (RFC 32/Z85).
#[derive(Clone, PartialEq, Eq)]
pub struct CurveSecretKey(Zeroizing<[u8; 32]>);

/// A CURVE public key with its secret key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CurveKeyPair {
    /// Goes to those who are to know this one.
    pub public: CurvePublicKey,
    /// Stays here.
    pub secret: CurveSecretKey,
}

impl CurveKeyPair {
    /// Makes a new pair (`zmq_curve_keypair(3)`).
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) when the linked libzmq has no CURVE,
    /// as the one that Cargo compiles: the text names the remedy.
    pub fn generate() -> Result<Self> {
        if let Some(remedy) = sys::Need::Curve.lacking() {
            return Err(Error::new(ErrorKind::Unsupported).detail(remedy));
        }
        let (public, secret) = sys::curve_keypair().map_err(Error::from_errno)?;
        Ok(Self { public: public.into(), secret: secret.into() })
    }
}

impl CurvePublicKey {
    /// The key's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl CurveSecretKey {
    /// The key's bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key as text, Z85, to be kept in a safe place.
    ///
    /// # Errors
    /// None that is known: libzmq encodes any 32 bytes.
    pub fn expose_z85(&self) -> Result<Secret> {
        sys::z85_encode(&*self.0).map(Secret::new).map_err(Error::from_errno)
    }
}

impl From<[u8; 32]> for CurvePublicKey {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl From<[u8; 32]> for CurveSecretKey {
    fn from(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

/// The 32 bytes of a key in Z85. The text itself is in no error.
fn parse(text: &str) -> Result<[u8; 32]> {
    let decoded = sys::z85_decode(text).map(Zeroizing::new);
    decoded.ok().and_then(|bytes| <[u8; 32]>::try_from(&bytes[..]).ok()).ok_or_else(|| {
        let error = Error::new(ErrorKind::InvalidOption);
        error.detail("a CURVE key is 40 characters of Z85 (RFC 32)")
    })
}

impl FromStr for CurvePublicKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text).map(Self)
    }
}

impl FromStr for CurveSecretKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text).map(Self::from)
    }
}

impl fmt::Display for CurvePublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&sys::z85_encode(&self.0).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for CurvePublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CurvePublicKey({self})")
    }
}

impl fmt::Debug for CurveSecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CurveSecretKey(…)")
    }
}

impl<'de> Deserialize<'de> for CurvePublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for CurveSecretKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Secret::deserialize(deserializer)?.expose().parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn secrets_do_not_print() {
        let secret = Secret::new("swordfish");
        let key = CurveSecretKey::from([7; 32]);
        let pair = CurveKeyPair { public: [1; 32].into(), secret: key.clone() };
        for text in [format!("{secret:?}"), format!("{key:?}"), format!("{pair:?}")] {
            assert!(!text.contains("swordfish") && !text.contains('7'), "{text}");
        }
    }

    #[test]
    fn a_text_that_is_no_key_is_refused() {
        let good = CurvePublicKey::from([255; 32]).to_string();
        assert_eq!(good.parse::<CurvePublicKey>().map(|key| key.0).ok(), Some([255; 32]));
        for text in ["", "abc", &good[1..], &format!("{good}{good}"), &"\"".repeat(40), "ü"] {
            assert!(text.parse::<CurvePublicKey>().is_err(), "{text:?}");
            assert!(text.parse::<CurveSecretKey>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_key_comes_back_from_its_text(bytes: [u8; 32]) {
            let public = CurvePublicKey::from(bytes);
            prop_assert_eq!(public.to_string().parse::<CurvePublicKey>().ok(), Some(public));
            let secret = CurveSecretKey::from(bytes);
            let text = secret.expose_z85().map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(text.expose().parse::<CurveSecretKey>().ok(), Some(secret));
        }
    }
}
