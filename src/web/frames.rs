//! What a client may send over a WebSocket, judged by what its frames declare.
//!
//! `actix_ws` looks at the length of a frame once all of it is there, and until
//! then keeps whatever comes.

use actix_web::error::PayloadError;
use actix_web::web::{self, Bytes};
use futures::stream::{self, Stream, StreamExt};
use tokio::task::yield_now;

/// The payload up to the first frame that may not be; then the error.
pub(super) fn bounded(
    payload: web::Payload,
    limit: usize,
) -> impl Stream<Item = Result<Bytes, PayloadError>> {
    let read = (payload, Frames::new(limit), None);
    stream::unfold(Some(read), |read| async move {
        let (mut payload, mut frames, fault) = read?;
        if let Some(fault) = fault {
            // An error overtakes the messages that `actix_ws` reads in one go with it.
            yield_now().await;
            return Some((Err(PayloadError::from(fault)), None));
        }
        let mut bytes = match payload.next().await? {
            Ok(bytes) => bytes,
            Err(error) => return Some((Err(error), None)),
        };
        let fault = frames.follow(&bytes).err().map(|(start, fault)| {
            bytes.truncate(start);
            fault
        });
        Some((Ok(bytes), Some((payload, frames, fault))))
    })
}

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Its message is longer than the limit.
    TooLong,
    /// It is a control frame, and longer than these may be.
    Malformed,
}

impl Fault {
    /// The one that a payload has ended with.
    pub(super) const fn of(error: &PayloadError) -> Option<Self> {
        match error {
            PayloadError::Overflow => Some(Self::TooLong),
            PayloadError::EncodingCorrupted => Some(Self::Malformed),
            _ => None,
        }
    }
}

impl From<Fault> for PayloadError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TooLong => Self::Overflow,
            Fault::Malformed => Self::EncodingCorrupted,
        }
    }
}

/// Follows the frames of RFC 6455, section 5.2, however they are cut into chunks.
#[derive(Debug)]
struct Frames {
    limit: u64,
    /// What the frames so far of a message in pieces have declared.
    message: u64,
    at: At,
}

/// What the next byte is.
#[derive(Clone, Copy, Debug)]
enum At {
    First,
    Second {
        first: u8,
    },
    /// One of so many bytes of a length, of which this is known.
    Length {
        first: u8,
        mask: u64,
        bytes: u8,
        known: u64,
    },
    /// One of so many of the mask and the payload.
    Rest(u64),
}

impl Frames {
    fn new(limit: usize) -> Self {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        Self { limit, message: 0, at: At::First }
    }

    /// Goes on through a chunk. The error has where in it the frame begins that
    /// is at fault: at 0 if that was in an earlier one.
    fn follow(&mut self, chunk: &[u8]) -> Result<(), (usize, Fault)> {
        let (mut start, mut left) = (0, chunk);
        while let Some((&byte, after)) = left.split_first() {
            self.at = match self.at {
                At::First => {
                    start = chunk.len() - left.len();
                    left = after;
                    At::Second { first: byte }
                }
                At::Second { first } => {
                    left = after;
                    self.second(first, byte).map_err(|fault| (start, fault))?
                }
                At::Length { first, mask, bytes, known } => {
                    left = after;
                    let known = known << 8 | u64::from(byte);
                    match bytes {
                        ..=1 => self.rest(first, mask, known).map_err(|fault| (start, fault))?,
                        _ => At::Length { first, mask, bytes: bytes - 1, known },
                    }
                }
                At::Rest(rest) => {
                    let here = usize::try_from(rest).unwrap_or(usize::MAX).min(left.len());
                    left = left.get(here..).unwrap_or_default();
                    At::rest(rest - here as u64)
                }
            };
        }
        Ok(())
    }

    fn second(&mut self, first: u8, second: u8) -> Result<At, Fault> {
        let mask = if second & MASKED == 0 { 0 } else { 4 };
        match second & !MASKED {
            126.. if first & CONTROL != 0 => Err(Fault::Malformed),
            126 => Ok(At::Length { first, mask, bytes: 2, known: 0 }),
            127.. => Ok(At::Length { first, mask, bytes: 8, known: 0 }),
            length => self.rest(first, mask, length.into()),
        }
    }

    fn rest(&mut self, first: u8, mask: u64, length: u64) -> Result<At, Fault> {
        if first & CONTROL == 0 {
            let before = if first & OPCODE == CONTINUED { self.message } else { 0 };
            let message = before.saturating_add(length);
            if message > self.limit {
                return Err(Fault::TooLong);
            }
            self.message = if first & LAST == 0 { message } else { 0 };
        }
        Ok(At::rest(length.saturating_add(mask)))
    }
}

impl At {
    const fn rest(rest: u64) -> Self {
        if rest == 0 { Self::First } else { Self::Rest(rest) }
    }
}

/// In the first byte of a frame.
const LAST: u8 = 0x80;
const OPCODE: u8 = 0x0f;
const CONTROL: u8 = 0x08;
/// The opcode of all frames of a message but its first.
const CONTINUED: u8 = 0;
/// In the second byte of a frame.
const MASKED: u8 = 0x80;

#[cfg(test)]
mod tests;
