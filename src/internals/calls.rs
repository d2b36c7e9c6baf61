//! Typed calls, for strangers' bytes.

/// Any bytes, as a call and as an answer, through all that reads them.
///
/// # Panics
/// When something is not read as it should be.
pub fn any_bytes(bytes: &[u8]) {
    crate::remote::trial::any_bytes(bytes);
}
