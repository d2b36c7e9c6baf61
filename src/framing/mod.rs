//! How each pattern looks on the wire: pure functions, both directions of one
//! message side by side.

pub(crate) mod call;
pub(crate) mod pubsub;
pub(crate) mod reqrep;
pub(crate) mod routed;
pub(crate) mod workers;

pub use pubsub::TopicFraming;
