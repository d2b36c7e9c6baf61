//! The context's settings.

/// What is set on the context before it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContextOptions {
    /// `ZMQ_IO_THREADS`
    pub(crate) io_threads: u16,
    /// `ZMQ_MAX_SOCKETS`
    pub(crate) max_sockets: u32,
}

impl Default for ContextOptions {
    fn default() -> Self {
        Self { io_threads: 1, max_sockets: 1023 }
    }
}
