//! Codecs, on values and on garbage.

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Price {
    symbol: String,
    cents: i64,
    tags: Vec<Option<u8>>,
}

/// The value comes back from its frames, in every format.
fn comes_back(price: &Price) -> Result<(), Box<dyn std::error::Error>> {
    #[cfg(feature = "json")]
    assert_eq!(Json::<Price>::decode(Json(price.clone()).encode()?)?.0, *price);
    #[cfg(feature = "messagepack")]
    assert_eq!(MessagePack::<Price>::decode(MessagePack(price.clone()).encode()?)?.0, *price);
    #[cfg(feature = "postcard")]
    assert_eq!(Postcard::<Price>::decode(Postcard(price.clone()).encode()?)?.0, *price);
    Ok(())
}

fn given_back<C: Decode>(frames: &Multipart) {
    if let Err(undecodable) = C::decode(frames.clone()) {
        assert!(!undecodable.error().to_string().is_empty());
        assert_eq!(undecodable.into_frames(), *frames);
    }
}

proptest! {
    #[test]
    fn decode_of_encode_is_the_value(
        symbol in ".*", cents: i64, tags in prop::collection::vec(any::<Option<u8>>(), 0..5),
    ) {
        let told = comes_back(&Price { symbol, cents, tags });
        prop_assert!(told.is_ok(), "{told:?}");
    }

    #[test]
    fn garbage_is_given_back_and_never_panics(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..4),
    ) {
        let frames: Multipart = frames.into_iter().collect();
        #[cfg(feature = "json")]
        given_back::<Json<Price>>(&frames);
        #[cfg(feature = "messagepack")]
        given_back::<MessagePack<Price>>(&frames);
        #[cfg(feature = "postcard")]
        given_back::<Postcard<Price>>(&frames);
    }
}

/// A value that is read by recursion, as deep as the bytes say, or where an
/// option takes no bytes, without end.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Chain(Option<Box<Self>>);

impl Chain {
    #[cfg(feature = "postcard")]
    fn of(links: usize) -> Self {
        (0..links).fold(Self::default(), |chain, _| Self(Some(Box::new(chain))))
    }
}

#[test]
#[cfg(feature = "json")]
fn deeply_nested_json_is_an_error() {
    let bomb: Multipart = "[".repeat(100_000).into();
    assert!(Json::<serde_json::Value>::decode(bomb).is_err());
    assert!(Json::<Chain>::decode("1".into()).is_err(), "an option takes no bytes");
    assert!(Json::<u8>::decode("1 2".into()).is_err(), "a number is left over");
}

#[test]
#[cfg(feature = "messagepack")]
fn deeply_nested_messagepack_is_an_error() {
    let bomb: Multipart = vec![0x91_u8; 100_000].into();
    assert!(MessagePack::<serde_json::Value>::decode(bomb).is_err());
    assert!(MessagePack::<Chain>::decode(vec![5_u8].into()).is_err(), "an option takes no bytes");
    let trailing: Multipart = vec![0x01_u8, 0x02].into();
    assert!(MessagePack::<u8>::decode(trailing).is_err(), "a byte is left over");
}

#[test]
#[cfg(feature = "postcard")]
fn deeply_nested_postcard_is_an_error() -> Result<(), CodecError> {
    let fits = Postcard(Chain::of(MAX_NESTING)).encode()?;
    assert!(Postcard::<Chain>::decode(fits).is_ok());
    let deeper = Postcard(Chain::of(MAX_NESTING + 1)).encode()?;
    let told = Postcard::<Chain>::decode(deeper).map_err(|error| error.to_string());
    assert!(told.is_err());
    // As many links as would exhaust any stack.
    let bomb: Multipart = vec![0x01_u8; 10_000_000].into();
    assert!(Postcard::<Chain>::decode(bomb).is_err());
    let trailing: Multipart = vec![0x01_u8, 0x02].into();
    assert!(Postcard::<u8>::decode(trailing).is_err(), "a byte is left over");
    Ok(())
}

#[test]
#[cfg(feature = "messagepack")]
fn half_a_value_after_a_messagepack_value_is_an_error() {
    // An array, a map, a string: of each no more than its beginning.
    for rest in [&b"\x91"[..], b"\x81", b"\xa1", b"\xdc\x00\x01", b"\xc0", b"\xc1", b"\x91\x91"] {
        let frames: Multipart = [b"\x07", rest].concat().into();
        assert!(MessagePack::<u8>::decode(frames).is_err(), "{rest:?} is left over");
    }
}

#[test]
#[cfg(feature = "postcard")]
fn elements_without_bytes_are_bounded() -> Result<(), CodecError> {
    let some = Postcard(vec![(); 1_000]).encode()?;
    assert!(Postcard::<Vec<()>>::decode(some).is_ok());
    // More than anybody counts to, in ten bytes.
    let mut bytes = vec![0xff_u8; 9];
    bytes.push(1);
    assert!(Postcard::<Vec<()>>::decode(bytes.into()).is_err());
    let many = Postcard(vec![(1_u8, (), Some(2_u8)); 100_000]).encode()?;
    assert!(Postcard::<Vec<(u8, (), Option<u8>)>>::decode(many).is_ok());
    Ok(())
}

#[test]
#[cfg(feature = "json")]
fn a_number_in_json_is_read_as_it_was_written() {
    // The last bit of some is lost by readers that are in a hurry.
    for number in [1_795_307_706.256_360_5, 0.1 + 0.2, f64::MAX, f64::MIN_POSITIVE, 5e-324] {
        let written = Json(number).encode().unwrap();
        let Json(read) = Json::<f64>::decode(written).unwrap();
        assert_eq!(read.to_bits(), number.to_bits(), "{number:?} became {read:?}");
    }
}
