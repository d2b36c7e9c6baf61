//! CURVE's keys, and the text that they are written in.

use super::Errno;

/// A public key and its secret key.
///
/// # Errors
/// `ENOTSUP` when libzmq was built without CURVE.
pub(crate) fn curve_keypair() -> Result<([u8; 32], [u8; 32]), Errno> {
    let pair = zmq::CurveKeyPair::new().map_err(|error| Errno(error.to_raw()))?;
    Ok((pair.public_key, pair.secret_key))
}

/// Bytes as Z85; their number must be a multiple of 4.
///
/// # Errors
/// `EINVAL` for another number of bytes.
pub(crate) fn z85_encode(bytes: &[u8]) -> Result<String, Errno> {
    zmq::z85_encode(bytes).map_err(|_| Errno::INVAL)
}

/// The bytes of a text in Z85.
///
/// # Errors
/// `EINVAL` for a text that is none.
pub(crate) fn z85_decode(text: &str) -> Result<Vec<u8>, Errno> {
    let bytes = zmq::z85_decode(text).map_err(|_| Errno::INVAL)?;
    // The call does not say whether libzmq knew all characters.
    if zmq::z85_encode(&bytes).is_ok_and(|again| again == text) {
        Ok(bytes)
    } else {
        Err(Errno::INVAL)
    }
}
