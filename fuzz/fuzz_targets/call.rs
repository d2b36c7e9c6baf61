//! Any bytes, as a call and as an answer. An input is what
//! `src/remote/trial.rs` says.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| actix_zmq::internals::calls::any_bytes(bytes));
