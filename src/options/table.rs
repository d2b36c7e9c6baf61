//! One row for each option of a libzmq socket that users set: its name here and
//! in ZeroMQ, its type and how that is written, when a change takes effect, what
//! the linked libzmq must have, and whose it is.
//!
//! `option_table!` hands the rows to another macro. What an option *is* (its
//! value, its name in a configuration file) is made of them in this room, the
//! setters of [`Blueprint`](crate::Blueprint) in `blueprint`.

macro_rules! option_table {
    ($callback:ident) => {
        $callback! {
            /// Takes the options that every socket type has.
            Configured [Pub, XPub, Sub, XSub, Push, Pull, Request, Reply, Req, Rep, Dealer, Router, Pair, Stream] {
                /// How long libzmq goes on sending what it has accepted after the socket is
                /// closed. It always has an end, and is 20 ms at least: with less, libzmq
                /// aborts the process when the peer's end is closed at the same moment.
                ///
                /// # Default
                /// As the factory says: 100 ms
                Linger(Duration) as Millis, linger(Duration), LINGER "ZMQ_LINGER", AtOnce, Nothing;
                /// How many messages libzmq holds per peer before it takes no more; 0 is no
                /// limit.
                ///
                /// # Default
                /// 1,000 (txZMQ sets 0)
                SendHwm(u32) as Count, send_hwm(u32), SNDHWM "ZMQ_SNDHWM", AtOnce, Nothing;
                /// How many messages libzmq holds per peer before it reads no more; 0 is no
                /// limit.
                ///
                /// # Default
                /// 1,000 (txZMQ sets 0)
                ReceiveHwm(u32) as Count, receive_hwm(u32), RCVHWM "ZMQ_RCVHWM", AtOnce, Nothing;
                /// The name under which a ROUTER peer knows this socket: 1 to 255 bytes, not
                /// starting with NUL.
                ///
                /// # Default
                /// The peer makes one up.
                RoutingId(Vec<u8>) as Id, routing_id(impl Into<Vec<u8>>), ROUTING_ID "ZMQ_ROUTING_ID", NextEndpoint, Nothing;
                /// Waits so long before libzmq reconnects.
                ///
                /// # Default
                /// 100 ms
                ReconnectInterval(Duration) as Millis, reconnect_interval(Duration), RECONNECT_IVL "ZMQ_RECONNECT_IVL", NextEndpoint, Nothing;
                /// Doubles the reconnect interval at each attempt up to this; zero keeps it the
                /// same.
                ///
                /// # Default
                /// Zero
                ReconnectIntervalMax(Duration) as Millis, reconnect_interval_max(Duration), RECONNECT_IVL_MAX "ZMQ_RECONNECT_IVL_MAX", NextEndpoint, Nothing;
                /// Gives an attempt to connect up after this time, and tries again; zero leaves
                /// it to the system.
                ///
                /// # Default
                /// Zero
                ConnectTimeout(Duration) as Millis, connect_timeout(Duration), CONNECT_TIMEOUT "ZMQ_CONNECT_TIMEOUT", NextEndpoint, Nothing;
                /// Cuts a peer off that has not finished its handshake within this time; zero
                /// waits for ever.
                ///
                /// # Default
                /// 30 s
                HandshakeInterval(Duration) as Millis, handshake_interval(Duration), HANDSHAKE_IVL "ZMQ_HANDSHAKE_IVL", NextEndpoint, Nothing;
                /// Sends a heartbeat so often, and takes a peer for gone that does not answer
                /// within the heartbeat timeout. Works where TCP keepalive does not; zero sends
                /// none.
                ///
                /// # Default
                /// Zero
                Heartbeat(Duration) as Millis, heartbeat(Duration), HEARTBEAT_IVL "ZMQ_HEARTBEAT_IVL", NextEndpoint, Nothing;
                /// Takes a peer for gone that does not answer a heartbeat within this time.
                ///
                /// # Default
                /// The heartbeat's interval
                HeartbeatTimeout(Duration) as MillisOrInterval, heartbeat_timeout(Duration), HEARTBEAT_TIMEOUT "ZMQ_HEARTBEAT_TIMEOUT", NextEndpoint, Nothing;
                /// Tells the peer to take this side for gone when it hears nothing for this
                /// time: at most 6,553.5 s, in steps of 0.1 s; zero tells it nothing.
                ///
                /// # Default
                /// Zero
                HeartbeatTtl(Duration) as Ttl, heartbeat_ttl(Duration), HEARTBEAT_TTL "ZMQ_HEARTBEAT_TTL", NextEndpoint, Nothing;
                /// Disconnects a peer that sends a larger message, in bytes.
                ///
                /// # Default
                /// No limit
                MaxMessageSize(Option<u64>) as Limit, max_message_size(u64), MAXMSGSIZE "ZMQ_MAXMSGSIZE", NextEndpoint, Nothing;
                /// Allows IPv6 addresses beside IPv4.
                ///
                /// # Default
                /// Off
                Ipv6(bool) as Flag, ipv6(bool), IPV6 "ZMQ_IPV6", NextEndpoint, Nothing;
                /// How many connections may wait to be accepted.
                ///
                /// # Default
                /// 100
                Backlog(u32) as Count, backlog(u32), BACKLOG "ZMQ_BACKLOG", NextEndpoint, Nothing;
                /// The size of the system's own buffer for sending, in bytes.
                ///
                /// # Default
                /// As the system says
                SendBuffer(Option<u32>) as SizeOrSystem, send_buffer(u32), SNDBUF "ZMQ_SNDBUF", NextEndpoint, Nothing;
                /// The size of the system's own buffer for receiving, in bytes.
                ///
                /// # Default
                /// As the system says
                ReceiveBuffer(Option<u32>) as SizeOrSystem, receive_buffer(u32), RCVBUF "ZMQ_RCVBUF", NextEndpoint, Nothing;
                /// How many bytes libzmq reads from a connection at once, 8 KiB to 16 MiB: fewer and
                /// larger system calls, and a buffer of this size for each connection. What is
                /// received lies in that buffer, and keeps all of it while it is kept itself.
                ///
                /// An option of libzmq's draft API, which a build must be asked for.
                ///
                /// # Default
                /// 8,192
                InBatchSize(u32) as Batch, in_batch_size(u32), IN_BATCH_SIZE "ZMQ_IN_BATCH_SIZE", NextEndpoint, BatchSizes;
                /// How many bytes libzmq writes to a connection at once, 8 KiB to 16 MiB, and a
                /// buffer of this size for each connection.
                ///
                /// An option of libzmq's draft API, which a build must be asked for.
                ///
                /// # Default
                /// 8,192
                OutBatchSize(u32) as Batch, out_batch_size(u32), OUT_BATCH_SIZE "ZMQ_OUT_BATCH_SIZE", NextEndpoint, BatchSizes;
                /// The type of service in the head of IP packets: the differentiated services
                /// and the congestion bits.
                ///
                /// # Default
                /// 0
                TypeOfService(u32) as Count, type_of_service(u32), TOS "ZMQ_TOS", NextEndpoint, Nothing;
                /// Talks over this network interface alone. The process needs the right to do
                /// so.
                ///
                /// # Default
                /// Over any
                BindToDevice(String) as Text, bind_to_device(impl Into<String>), BINDTODEVICE "ZMQ_BINDTODEVICE", NextEndpoint, Configured;
                /// Connects over tcp through the SOCKS 5 proxy at this `host:port`; an empty
                /// text uses none.
                ///
                /// # Default
                /// None
                SocksProxy(String) as Text, socks_proxy(impl Into<String>), SOCKS_PROXY "ZMQ_SOCKS_PROXY", NextEndpoint, Nothing;
                /// Which I/O threads serve the connections, one bit each from the lowest; 0 is
                /// all of them.
                ///
                /// # Default
                /// 0
                Affinity(u64) as Mask, affinity(u64), AFFINITY "ZMQ_AFFINITY", NextEndpoint, Nothing;
                /// Has the system look for dead connections. The three values beside it keep
                /// what the system says until they are set (in txZMQ they become 0, and no
                /// connection is made).
                ///
                /// # Default
                /// As the system says
                TcpKeepalive(Option<bool>) as FlagOrSystem, tcp_keepalive(bool), TCP_KEEPALIVE "ZMQ_TCP_KEEPALIVE", NextEndpoint, Configured;
                /// After so many probes without an answer a connection is dead.
                ///
                /// # Default
                /// As the system says
                TcpKeepaliveCount(Option<u32>) as CountOrSystem, tcp_keepalive_count(u32), TCP_KEEPALIVE_CNT "ZMQ_TCP_KEEPALIVE_CNT", NextEndpoint, Configured;
                /// The first probe goes out after this silence, in whole seconds.
                ///
                /// # Default
                /// As the system says
                TcpKeepaliveIdle(Option<Duration>) as SecondsOrSystem, tcp_keepalive_idle(Duration), TCP_KEEPALIVE_IDLE "ZMQ_TCP_KEEPALIVE_IDLE", NextEndpoint, Configured;
                /// The time between two probes, in whole seconds.
                ///
                /// # Default
                /// As the system says
                TcpKeepaliveInterval(Option<Duration>) as SecondsOrSystem, tcp_keepalive_interval(Duration), TCP_KEEPALIVE_INTVL "ZMQ_TCP_KEEPALIVE_INTVL", NextEndpoint, Configured;
                /// A connection is dead when what was sent is not acknowledged within this
                /// time; zero leaves it to the system.
                ///
                /// # Default
                /// Zero
                TcpMaxRetransmit(Duration) as Millis, tcp_max_retransmit(Duration), TCP_MAXRT "ZMQ_TCP_MAXRT", NextEndpoint, Nothing;
                /// Listens at a descriptor that is bound already, such as one of a service
                /// manager's, instead of opening one. The endpoint must be the one it is bound
                /// to; it is the first that the socket binds. libzmq gets a duplicate: the
                /// descriptor stays yours.
                ///
                /// # Default
                /// None
                UseFd(Option<i32>) as Descriptor, use_fd(i32), USE_FD "ZMQ_USE_FD", NextEndpoint, Nothing;
                /// The domain that an authenticator is asked about (RFC 27/ZAP).
                ///
                /// # Default
                /// None
                ZapDomain(String) as Text, zap_domain(impl Into<String>), ZAP_DOMAIN "ZMQ_ZAP_DOMAIN", NextEndpoint, Nothing;
                /// Asks peers for a user name and a password (RFC 24/ZMTP-PLAIN). Who is let in
                /// is the authenticator's to say, a REPLY, REP or ROUTER at
                /// `inproc://zeromq.zap.01` (RFC 27/ZAP); without one, nobody is.
                ///
                /// # Default
                /// Off
                PlainServer(bool) as Flag, plain_server(bool), PLAIN_SERVER "ZMQ_PLAIN_SERVER", NextEndpoint, Nothing;
                /// The name to give to a PLAIN server: 1 to 255 bytes.
                ///
                /// # Default
                /// None
                PlainUsername(String) as Text, plain_username(impl Into<String>), PLAIN_USERNAME "ZMQ_PLAIN_USERNAME", NextEndpoint, Nothing;
                /// The password to give to a PLAIN server: 1 to 255 bytes, sent as they are, so
                /// that whoever listens on the way can read them.
                ///
                /// # Default
                /// None
                PlainPassword(Secret) as Password, plain_password(impl Into<Secret>), PLAIN_PASSWORD "ZMQ_PLAIN_PASSWORD", NextEndpoint, Nothing;
                /// Takes only peers that know this socket's public key (RFC 26/CURVEZMQ). Needs
                /// the secret key.
                ///
                /// # Default
                /// Off
                CurveServer(bool) as Flag, curve_server(bool), CURVE_SERVER "ZMQ_CURVE_SERVER", NextEndpoint, Curve;
                /// This client's own public key.
                ///
                /// # Default
                /// None
                CurvePublicKey(CurvePublicKey) as PublicKey, curve_public_key(CurvePublicKey), CURVE_PUBLICKEY "ZMQ_CURVE_PUBLICKEY", NextEndpoint, Curve;
                /// This socket's own secret key.
                ///
                /// # Default
                /// None
                CurveSecretKey(CurveSecretKey) as SecretKey, curve_secret_key(CurveSecretKey), CURVE_SECRETKEY "ZMQ_CURVE_SECRETKEY", NextEndpoint, Curve;
                /// The public key of the server that this client connects to.
                ///
                /// # Default
                /// None
                CurveServerKey(CurvePublicKey) as PublicKey, curve_server_key(CurvePublicKey), CURVE_SERVERKEY "ZMQ_CURVE_SERVERKEY", NextEndpoint, Curve;
                /// Takes only peers that GSSAPI vouches for.
                ///
                /// # Default
                /// Off
                GssapiServer(bool) as Flag, gssapi_server(bool), GSSAPI_SERVER "ZMQ_GSSAPI_SERVER", NextEndpoint, Gssapi;
                /// This socket's own name in GSSAPI.
                ///
                /// # Default
                /// None
                GssapiPrincipal(String) as Text, gssapi_principal(impl Into<String>), GSSAPI_PRINCIPAL "ZMQ_GSSAPI_PRINCIPAL", NextEndpoint, Gssapi;
                /// The server's name in GSSAPI.
                ///
                /// # Default
                /// None
                GssapiServicePrincipal(String) as Text, gssapi_service_principal(impl Into<String>), GSSAPI_SERVICE_PRINCIPAL "ZMQ_GSSAPI_SERVICE_PRINCIPAL", NextEndpoint, Gssapi;
                /// Sends as plain text what is vouched for.
                ///
                /// # Default
                /// Off
                GssapiPlaintext(bool) as Flag, gssapi_plaintext(bool), GSSAPI_PLAINTEXT "ZMQ_GSSAPI_PLAINTEXT", NextEndpoint, Gssapi;
                /// What the own principal's name is.
                ///
                /// # Default
                /// Host-based
                GssapiPrincipalNameType(GssapiName) as NameType, gssapi_principal_name_type(GssapiName), GSSAPI_PRINCIPAL_NAMETYPE "ZMQ_GSSAPI_PRINCIPAL_NAMETYPE", NextEndpoint, Gssapi;
                /// What the service principal's name is.
                ///
                /// # Default
                /// Host-based
                GssapiServicePrincipalNameType(GssapiName) as NameType, gssapi_service_principal_name_type(GssapiName), GSSAPI_SERVICE_PRINCIPAL_NAMETYPE "ZMQ_GSSAPI_SERVICE_PRINCIPAL_NAMETYPE", NextEndpoint, Gssapi;
                /// How much multicast may send, in kilobits a second.
                ///
                /// # Default
                /// 100
                MulticastRate(u32) as Count, multicast_rate(u32), RATE "ZMQ_RATE", NextEndpoint, Multicast;
                /// How long a receiver may be gone without losing multicast messages for good.
                ///
                /// # Default
                /// 10 s
                MulticastRecovery(Duration) as Millis, multicast_recovery(Duration), RECOVERY_IVL "ZMQ_RECOVERY_IVL", NextEndpoint, Multicast;
                /// How many hops a multicast packet may go.
                ///
                /// # Default
                /// 1
                MulticastHops(u32) as Count, multicast_hops(u32), MULTICAST_HOPS "ZMQ_MULTICAST_HOPS", NextEndpoint, Multicast;
                /// The largest multicast packet, in bytes.
                ///
                /// # Default
                /// 1,500
                MulticastMaxPacket(u32) as Count, multicast_max_packet(u32), MULTICAST_MAXTPDU "ZMQ_MULTICAST_MAXTPDU", NextEndpoint, Multicast;
                /// The size of VMCI's buffer, in bytes.
                ///
                /// # Default
                /// 65,546
                VmciBufferSize(u64) as Bytes64, vmci_buffer_size(u64), VMCI_BUFFER_SIZE "ZMQ_VMCI_BUFFER_SIZE", NextEndpoint, Vmci;
                /// The least size of VMCI's buffer, in bytes.
                ///
                /// # Default
                /// 128
                VmciBufferMinSize(u64) as Bytes64, vmci_buffer_min_size(u64), VMCI_BUFFER_MIN_SIZE "ZMQ_VMCI_BUFFER_MIN_SIZE", NextEndpoint, Vmci;
                /// The greatest size of VMCI's buffer, in bytes.
                ///
                /// # Default
                /// 262,144
                VmciBufferMaxSize(u64) as Bytes64, vmci_buffer_max_size(u64), VMCI_BUFFER_MAX_SIZE "ZMQ_VMCI_BUFFER_MAX_SIZE", NextEndpoint, Vmci;
                /// Gives an attempt to connect over VMCI up after this time.
                ///
                /// # Default
                /// As the system says
                VmciConnectTimeout(Duration) as Millis, vmci_connect_timeout(Duration), VMCI_CONNECT_TIMEOUT "ZMQ_VMCI_CONNECT_TIMEOUT", NextEndpoint, Vmci;
            }
            /// Has libzmq queue messages for its peers.
            QueuesInZmq [Push, Request, Reply, Req, Rep, Dealer, Router, Pair, Pub, XPub, XSub, Stream] {
                /// Sends only to peers that are connected, so that messages wait in our queue,
                /// where they can be withdrawn, and not in libzmq's.
                ///
                /// It is for sockets that send alone. Where one that receives connects,
                /// libzmq forgets, when a connection ends, what had arrived over it and was
                /// not read yet; and if that is in the middle of a message of several
                /// frames, libzmq 4.3 ends the *process* (`Assertion failed: !_more`). A
                /// requester keeps its requests in its own queue with
                /// [`unreachable_after`](crate::Blueprint::unreachable_after), without any of this.
                ///
                /// # Default
                /// Off: libzmq queues for a peer that it is still connecting to.
                Immediate(bool) as Flag, immediate(bool), IMMEDIATE "ZMQ_IMMEDIATE", NextEndpoint, Nothing;
            }
            /// Can keep the newest message alone.
            Conflates [Push, Pull, Sub, Dealer] {
                /// Keeps only the newest message for each peer, or from each; the others are
                /// dropped, uncounted. libzmq does this to single frames only, and mixes up
                /// messages of several: a SUB needs
                /// [`TopicFraming::Tagged`](crate::TopicFraming::Tagged) or
                /// [`TopicFraming::Whole`](crate::TopicFraming::Whole), and publishers that use
                /// it.
                ///
                /// # Default
                /// Off
                Conflate(bool) as Flag, conflate(bool), CONFLATE "ZMQ_CONFLATE", NextEndpoint, Nothing;
            }
            /// Knows its peers by routing ids that they may choose.
            HandsOver [Router, Reply, Rep] {
                /// Lets a peer take over the routing id of another: after a client with a set
                /// routing id was cut off, its next connection is served at once.
                ///
                /// # Default
                /// Off: the second peer with one routing id is not heard
                Handover(bool) as Flag, handover(bool), ROUTER_HANDOVER "ZMQ_ROUTER_HANDOVER", AtOnce, Nothing;
            }
            /// Can greet the peers that it is connected with.
            Probes [Router, Dealer, Request, Req] {
                /// Greets every peer that it is connected with by a message of one empty frame,
                /// so that a ROUTER on the other side learns of this socket.
                ///
                /// # Default
                /// Off
                Probe(bool) as Flag, probe(bool), PROBE_ROUTER "ZMQ_PROBE_ROUTER", AtOnce, Nothing;
            }
            /// Tells of connections as messages.
            Notifies [Stream] {
                /// Delivers an empty frame when a peer connects and when it is gone.
                ///
                /// # Default
                /// On
                Notify(bool) as Flag, notify(bool), STREAM_NOTIFY "ZMQ_STREAM_NOTIFY", NextEndpoint, Nothing;
            }
            /// Matches topics.
            Matches [Pub, XPub, Sub, XSub] {
                /// Sends, or takes, what was *not* subscribed to. Both sides must agree: set it
                /// on the publisher, on the subscriber, and on every proxy between them.
                ///
                /// # Default
                /// Off
                InvertMatching(bool) as Flag, invert_matching(bool), INVERT_MATCHING "ZMQ_INVERT_MATCHING", NextEndpoint, Nothing;
            }
            /// Drops messages for slow subscribers.
            Drops [Pub, XPub] {
                /// Keeps messages in our queue, under its overflow policy, instead of dropping
                /// them for a subscriber that is at its high-water mark. The slowest subscriber
                /// then sets the pace.
                ///
                /// # Default
                /// Off, as libzmq
                NoDrop(bool) as Flag, no_drop(bool), XPUB_NODROP "ZMQ_XPUB_NODROP", AtOnce, Nothing;
            }
            /// Greets its subscribers.
            Welcomes [Pub, XPub] {
                /// Sends this frame to each new subscriber that has subscribed to a prefix of
                /// it; an empty one greets nobody.
                ///
                /// # Default
                /// None
                Welcome(Vec<u8>) as Blob, welcome(impl Into<Vec<u8>>), XPUB_WELCOME_MSG "ZMQ_XPUB_WELCOME_MSG", AtOnce, Nothing;
            }
        }
    };
}

pub(crate) use option_table;
