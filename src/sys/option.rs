//! The numbers of libzmq's socket options, under the names of `zmq_setsockopt(3)`.

/// A socket option's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OptionId(pub(super) u32);

macro_rules! numbers {
    ($($name:ident = $zmq:ident),+ $(,)?) => {
        impl OptionId {
            $(pub(crate) const $name: Self = Self(zmq_sys::$zmq);)+
        }
    };
}

numbers! {
    ROUTING_ID = ZMQ_ROUTING_ID,
    SUBSCRIBE = ZMQ_SUBSCRIBE,
    UNSUBSCRIBE = ZMQ_UNSUBSCRIBE,
    LINGER = ZMQ_LINGER,
    RECONNECT_IVL = ZMQ_RECONNECT_IVL,
    RECONNECT_IVL_MAX = ZMQ_RECONNECT_IVL_MAX,
    BACKLOG = ZMQ_BACKLOG,
    MAXMSGSIZE = ZMQ_MAXMSGSIZE,
    SNDHWM = ZMQ_SNDHWM,
    RCVHWM = ZMQ_RCVHWM,
    ROUTER_MANDATORY = ZMQ_ROUTER_MANDATORY,
    ROUTER_HANDOVER = ZMQ_ROUTER_HANDOVER,
    PROBE_ROUTER = ZMQ_PROBE_ROUTER,
    REQ_CORRELATE = ZMQ_REQ_CORRELATE,
    REQ_RELAXED = ZMQ_REQ_RELAXED,
    IMMEDIATE = ZMQ_IMMEDIATE,
    IPV6 = ZMQ_IPV6,
    XPUB_NODROP = ZMQ_XPUB_NODROP,
    XPUB_VERBOSE = ZMQ_XPUB_VERBOSE,
    XPUB_VERBOSER = ZMQ_XPUB_VERBOSER,
    XPUB_WELCOME_MSG = ZMQ_XPUB_WELCOME_MSG,
    HEARTBEAT_IVL = ZMQ_HEARTBEAT_IVL,
    HEARTBEAT_TIMEOUT = ZMQ_HEARTBEAT_TIMEOUT,
}
