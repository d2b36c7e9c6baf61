//! What must not compile: a message that a socket type cannot take, a setting
//! that it does not have, a second answer.
//!
//! `TRYBUILD=overwrite cargo test --test compile_fail` writes the expected
//! output anew; read it before it is committed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write;
use std::process::Command;

/// Whose words the expected output is in; every compiler has its own.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn what_a_socket_type_cannot_do_does_not_compile() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().unwrap();
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    if version.starts_with(COMPILER) {
        trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
    } else {
        // Past libtest's capture: nobody shall take this for passed.
        writeln!(
            std::io::stderr(),
            "\n*** WHAT MUST NOT COMPILE IS NOT CHECKED: the expected output is that of \
             {COMPILER}x, and this is {version} ***"
        )
        .unwrap();
    }
}
