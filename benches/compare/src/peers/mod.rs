//! Whose code the ends run. Each module has the six roles of [`Role`].

#[cfg(feature = "peers")]
mod async_zmq;
#[cfg(feature = "peers")]
mod omq;
pub mod ours;
pub mod raw;
#[cfg(feature = "peers")]
mod rzmq;
#[cfg(feature = "peers")]
mod tmq;
#[cfg(feature = "peers")]
mod zeromq;

use anyhow::{Result, bail};

use crate::task::{Peer, Task};

/// Runs one end; most end the process by themselves.
pub fn run(task: &Task) -> Result<()> {
    match task.peer {
        Peer::Raw | Peer::RawFrames => raw::run(task),
        Peer::Inline
        | Peer::Batch
        | Peer::BatchOther
        | Peer::Each
        | Peer::EachOther
        | Peer::Typed => ours::run(task),
        #[cfg(feature = "peers")]
        Peer::Tmq => tmq::run(task),
        #[cfg(feature = "peers")]
        Peer::AsyncZmq => async_zmq::run(task),
        #[cfg(feature = "peers")]
        Peer::Zeromq => zeromq::run(task),
        #[cfg(feature = "peers")]
        Peer::Rzmq => rzmq::run(task),
        #[cfg(feature = "peers")]
        Peer::Omq => omq::run(task),
        peer => bail!("`{peer}` does not run in this program"),
    }
}
