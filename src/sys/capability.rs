//! What the linked libzmq can do, beyond what every build can.

use std::sync::OnceLock;
use std::time::Duration;

use super::{Context, ContextSettings, Farewell, Socket};

/// Something that a build of libzmq may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Every libzmq 4.3 has it.
    Nothing,
    /// CURVE, which needs libsodium.
    Curve,
    /// GSSAPI.
    Gssapi,
    /// PGM or NORM: multicast.
    Multicast,
    /// VMware's VMCI.
    Vmci,
    /// The draft API, with the sizes of batches, which libzmq has since 4.3.3.
    BatchSizes,
    /// A build that looked at the operating system before it compiled. The one
    /// that the `zmq-sys` crate brings did not: it takes the options of TCP
    /// keepalive and of threads, and ignores them.
    Configured,
}

/// Whether the build was configured: known once a socket was opened.
static CONFIGURED: OnceLock<bool> = OnceLock::new();

/// Looks at an open socket, once in a process.
pub(super) fn look_at(socket: &Socket) {
    CONFIGURED.get_or_init(|| {
        // A configured build on Linux signals through an eventfd, one that was
        // not through a pair of sockets. Elsewhere there is nothing to see, and
        // the benefit of the doubt.
        let link = socket.fd().map(|fd| std::fs::read_link(format!("/proc/self/fd/{fd}")));
        match link {
            Ok(Ok(target)) => target.to_string_lossy().contains("eventfd"),
            Ok(Err(_)) | Err(_) => true,
        }
    });
}

impl Need {
    /// What is missing and what to do about it; nothing when it is there.
    pub(crate) fn lacking(self) -> Option<&'static str> {
        let (there, remedy) = match self {
            Self::Nothing => return None,
            Self::Curve => (
                has("curve"),
                "this libzmq was built without CURVE: link one that has it, two lines of Cargo \
                 configuration (see the README)",
            ),
            Self::Gssapi => (
                has("gssapi"),
                "this libzmq was built without GSSAPI: link one that has it, two lines of Cargo \
                 configuration (see the README)",
            ),
            Self::Multicast => (
                has("pgm") || has("norm"),
                "this libzmq was built without multicast (PGM, NORM): link one that has it, and \
                 note that this crate has no multicast endpoints",
            ),
            Self::Vmci => (has("vmci"), "this libzmq was built without VMCI"),
            Self::BatchSizes => (
                has("draft") && zmq::version() >= (4, 3, 3),
                "this libzmq was built without its draft API, as most are: have Cargo compile \
                 the vendored one with it, two lines of Cargo configuration (see the README)",
            ),
            Self::Configured => (
                is_configured(),
                "this libzmq takes the option and ignores it, as the one that Cargo compiles \
                 does by default: link the system's, or compile the vendored one with what it \
                 leaves out, two lines of Cargo configuration (see the README); instead of TCP \
                 keepalive, `heartbeat` works everywhere",
            ),
        };
        (!there).then_some(remedy)
    }
}

fn is_configured() -> bool {
    if CONFIGURED.get().is_none() {
        // Nobody has opened a socket yet: opening a context opens one.
        let settings = ContextSettings { io_threads: 0, max_sockets: 1, others: Vec::new() };
        let farewell = Farewell { may_wait: || false, at_most: Duration::ZERO };
        drop(Context::new(&settings, farewell));
    }
    CONFIGURED.get().copied().unwrap_or(true)
}

fn has(capability: &str) -> bool {
    zmq::has(capability) == Some(true)
}
