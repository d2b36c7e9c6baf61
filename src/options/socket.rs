//! libzmq's socket options as data: a number and a value, applied in order at every opening.

use std::time::Duration;

use crate::sys::option::OptionId;

/// A value in the form that `zmq_setsockopt(3)` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OptionValue {
    Int(i32),
    Int64(i64),
    Bytes(Vec<u8>),
}

/// The options that differ from libzmq's defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SocketOptions(Vec<(OptionId, OptionValue)>);

impl SocketOptions {
    /// Sets or replaces an option.
    pub(crate) fn set(&mut self, option: OptionId, value: OptionValue) {
        match self.0.iter_mut().find(|(known, _)| *known == option) {
            Some((_, old)) => *old = value,
            None => self.0.push((option, value)),
        }
    }

    pub(crate) fn set_int(&mut self, option: OptionId, value: impl TryInto<i32>) {
        self.set(option, OptionValue::Int(value.try_into().unwrap_or(i32::MAX)));
    }

    pub(crate) fn set_flag(&mut self, option: OptionId, value: bool) {
        self.set_int(option, i32::from(value));
    }

    /// Whole milliseconds, rounded up, so that a short time never becomes "none".
    pub(crate) fn set_millis(&mut self, option: OptionId, value: Duration) {
        self.set_int(option, millis(value));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(OptionId, OptionValue)> {
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
        options.set_int(OptionId::SNDHWM, 1);
        options.set_int(OptionId::RCVHWM, 2);
        options.set_int(OptionId::SNDHWM, 3);
        let set: Vec<_> = options.iter().cloned().collect();
        assert_eq!(
            set,
            [(OptionId::SNDHWM, OptionValue::Int(3)), (OptionId::RCVHWM, OptionValue::Int(2)),]
        );
    }
}
