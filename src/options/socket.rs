//! A socket's options as values: made of the rows of the table.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{DeserializeSeed, Deserializer};

use super::table::option_table;
use super::value::{self, Encoding, GssapiName};
use crate::error::{Error, ErrorKind, Result};
use crate::keys::{CurvePublicKey, CurveSecretKey, Secret};
use crate::kinds::SocketType;
use crate::sys::option::OptionId;
use crate::sys::{self, Errno, Need};

/// When a change of an option takes effect on a socket that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// For everything that follows.
    AtOnce,
    /// For endpoints that are bound or connected after it, and for all of them
    /// after a restart.
    NextEndpoint,
}

macro_rules! define {
    ($(
        $(#[$group_doc:meta])*
        $group:ident [$($kind:ident),+] {$(
            $(#[$doc:meta])*
            $variant:ident($value:ty) as $encoding:ident,
            $setter:ident($argument:ty),
            $id:ident $zmq:literal,
            $effect:ident, $need:ident;
        )+}
    )+) => {
        /// An option of a socket with its value.
        ///
        /// [`Blueprint`](crate::Blueprint) has a setter for each, by the same name;
        /// [`SetOption`](crate::SetOption) and [`GetOption`](crate::GetOption)
        /// change and read them on a socket that runs.
        ///
        /// All of them in one table, and what there is instead of libzmq's other
        /// options, are in `docs/options.md` of the repository.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum SocketOption {$($(
            $(#[$doc])*
            #[doc(alias = $zmq)]
            $variant($value),
        )+)+}

        /// The name of a socket's option.
        ///
        /// Its text is the setter's name, which is the key in a configuration
        /// file; ZeroMQ's own name is understood as well.
        ///
        /// # Examples
        /// ```
        /// use actix_zmq::OptionName;
        ///
        /// let name: OptionName = "heartbeat".parse()?;
        /// assert_eq!(name.zmq_name(), "ZMQ_HEARTBEAT_IVL");
        /// assert_eq!("ZMQ_HEARTBEAT_IVL".parse(), Ok(name));
        /// # Ok::<(), actix_zmq::UnknownOption>(())
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum OptionName {$($(
            #[doc = concat!("`", stringify!($setter), "`, ", $zmq, ".")]
            #[doc(alias = $zmq)]
            $variant,
        )+)+}

        impl OptionName {
            /// All of them.
            pub const ALL: &[Self] = &[$($(Self::$variant),+),+];

            /// Its name here.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {$($(Self::$variant => stringify!($setter),)+)+}
            }

            /// Its name in ZeroMQ.
            #[must_use]
            pub const fn zmq_name(self) -> &'static str {
                match self {$($(Self::$variant => $zmq,)+)+}
            }

            /// When a change takes effect on a socket that is open.
            #[must_use]
            pub const fn effect(self) -> Effect {
                match self {$($(Self::$variant => Effect::$effect,)+)+}
            }

            /// Whether a socket of this type has it.
            #[must_use]
            pub const fn applies_to(self, socket_type: SocketType) -> bool {
                match self {$(
                    $(Self::$variant)|+ => matches!(socket_type, $(SocketType::$kind)|+),
                )+}
            }

            const fn need(self) -> Need {
                match self {$($(Self::$variant => Need::$need,)+)+}
            }

            fn read(self, socket: &sys::Socket) -> std::result::Result<SocketOption, Errno> {
                match self {$($(
                    Self::$variant => value::$encoding::get(socket, OptionId::$id)
                        .map(SocketOption::$variant),
                )+)+}
            }
        }

        impl SocketOption {
            /// Its name.
            #[must_use]
            pub const fn name(&self) -> OptionName {
                match self {$($(Self::$variant(_) => OptionName::$variant,)+)+}
            }

            fn mistake(&self) -> std::result::Result<(), &'static str> {
                match self {$($(Self::$variant(value) => value::$encoding::check(value),)+)+}
            }

            fn write(&self, socket: &sys::Socket) -> std::result::Result<(), Errno> {
                match self {$($(
                    Self::$variant(value) => {
                        value::$encoding::set(socket, OptionId::$id, value)
                    }
                )+)+}
            }
        }

        impl<'de> DeserializeSeed<'de> for OptionName {
            type Value = SocketOption;

            /// Reads the option's value.
            fn deserialize<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> std::result::Result<SocketOption, D::Error> {
                match self {$($(
                    Self::$variant => {
                        value::$encoding::parse(deserializer).map(SocketOption::$variant)
                    }
                )+)+}
            }
        }
    };
}

option_table!(define);

impl OptionName {
    /// # Errors
    /// [`InvalidOption`](ErrorKind::InvalidOption) when the type does not have it.
    fn check_type(self, socket_type: SocketType) -> Result<()> {
        if self.applies_to(socket_type) {
            return Ok(());
        }
        let error = Error::new(ErrorKind::InvalidOption);
        Err(error.detail(format!("a {socket_type} socket has no `{self}`")))
    }

    /// Whether the linked libzmq has it, and does more than take it.
    ///
    /// The first call for an option that needs a configured build opens a context
    /// for a moment, unless a socket was opened before.
    ///
    /// # Examples
    /// ```
    /// use actix_zmq::OptionName;
    ///
    /// assert!(OptionName::Heartbeat.is_supported());
    /// for name in [OptionName::CurveServer, OptionName::TcpKeepalive, OptionName::OutBatchSize] {
    ///     println!("{name}: {}", name.is_supported());
    /// }
    /// ```
    #[must_use]
    pub fn is_supported(self) -> bool {
        self.need().lacking().is_none()
    }

    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) when the linked libzmq lacks it.
    pub(crate) fn check_support(self) -> Result<()> {
        let Some(remedy) = self.need().lacking() else { return Ok(()) };
        let error = Error::new(ErrorKind::Unsupported);
        Err(error.detail(format!("{self} ({}): {remedy}", self.zmq_name())))
    }

    /// Reads it from a socket that is open.
    ///
    /// # Errors
    /// As [`GetOption`](crate::GetOption).
    pub(crate) fn get(self, socket: &sys::Socket, of: SocketType) -> Result<SocketOption> {
        self.check_type(of)?;
        self.check_support()?;
        self.read(socket).map_err(|errno| match errno {
            Errno::ACCES => Error::new(ErrorKind::PermissionDenied)
                .detail(format!("{self} is a secret, which is not given away")),
            Errno::INVAL | Errno::NOTSUP => Error::new(ErrorKind::Unsupported)
                .detail(format!("libzmq does not tell {self} ({})", self.zmq_name())),
            errno => Error::from_errno(errno),
        })
    }
}

impl SocketOption {
    /// What is wrong with it before libzmq sees it.
    ///
    /// # Errors
    /// [`InvalidOption`](ErrorKind::InvalidOption) for a type that does not have
    /// it or a value out of its range.
    pub(crate) fn check(&self, socket_type: SocketType) -> Result<()> {
        self.name().check_type(socket_type)?;
        self.check_value()
    }

    /// # Errors
    /// [`InvalidOption`](ErrorKind::InvalidOption) for a value out of its range.
    pub(crate) fn check_value(&self) -> Result<()> {
        let is_zero = match self {
            Self::TcpKeepaliveCount(count) => *count == Some(0),
            Self::TcpKeepaliveIdle(time) | Self::TcpKeepaliveInterval(time) => {
                time.is_some_and(|time| time.is_zero())
            }
            _ => false,
        };
        // The kernel refuses it, and no connection is ever made.
        let zero = if is_zero { Err("zero is no value for it") } else { Ok(()) };
        self.mistake().and(zero).map_err(|why| {
            Error::new(ErrorKind::InvalidOption).detail(format!("{}: {why}", self.name()))
        })
    }

    /// Sets it on an open socket.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) when the linked libzmq lacks it,
    /// [`InvalidOption`](ErrorKind::InvalidOption) when libzmq refuses it.
    pub(crate) fn set(&self, socket: &sys::Socket) -> Result<()> {
        self.name().check_support()?;
        self.write(socket).map_err(|errno| match errno {
            Errno::TERM => Error::from_errno(errno),
            _ => Error::new(ErrorKind::InvalidOption)
                .detail(format!("libzmq refuses {self:?} ({}): {errno}", self.name().zmq_name()))
                .caused_by(errno),
        })
    }
}

impl fmt::Display for OptionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that is no option's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no option is called {0:?}")]
pub struct UnknownOption(String);

impl FromStr for OptionName {
    type Err = UnknownOption;

    fn from_str(text: &str) -> std::result::Result<Self, UnknownOption> {
        let found = Self::ALL.iter().find(|name| name.as_str() == text || name.zmq_name() == text);
        found.copied().ok_or_else(|| UnknownOption(text.to_owned()))
    }
}

/// The options that differ from libzmq's defaults, in the order in which they were first set.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SocketOptions(Vec<SocketOption>);

impl SocketOptions {
    /// Sets or replaces an option.
    pub(crate) fn set(&mut self, option: SocketOption) {
        match self.0.iter_mut().find(|known| known.name() == option.name()) {
            Some(old) => *old = option,
            None => self.0.push(option),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &SocketOption> {
        self.0.iter()
    }
}

/// Whole milliseconds, rounded up, at most what an `int` holds.
pub(crate) fn millis(value: Duration) -> i32 {
    let micros = value.as_micros();
    i32::try_from(micros.div_ceil(1000)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_time_is_not_rounded_to_none() {
        assert_eq!(millis(Duration::from_micros(1)), 1);
        assert_eq!(millis(Duration::ZERO), 0);
        assert_eq!(millis(Duration::MAX), i32::MAX);
    }

    #[test]
    fn the_last_setting_wins_in_its_first_place() {
        let mut options = SocketOptions::default();
        options.set(SocketOption::SendHwm(1));
        options.set(SocketOption::ReceiveHwm(2));
        options.set(SocketOption::SendHwm(3));
        let set: Vec<_> = options.iter().cloned().collect();
        assert_eq!(set, [SocketOption::SendHwm(3), SocketOption::ReceiveHwm(2)]);
    }

    #[test]
    fn every_name_is_found_by_both_of_its_texts_and_by_nothing_else() {
        for name in OptionName::ALL {
            assert_eq!(name.as_str().parse(), Ok(*name));
            assert_eq!(name.zmq_name().parse(), Ok(*name));
        }
        let mut texts: Vec<_> = OptionName::ALL.iter().map(|name| name.as_str()).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), OptionName::ALL.len());
        assert!("ZMQ_NOTHING".parse::<OptionName>().is_err());
    }

    #[test]
    fn secrets_do_not_print() {
        let option = SocketOption::PlainPassword("swordfish".into());
        assert!(!format!("{option:?}").contains("swordfish"));
        let option = SocketOption::CurveSecretKey([7; 32].into());
        assert_eq!(format!("{option:?}"), "CurveSecretKey(CurveSecretKey(…))");
    }
}
