//! What depends on the libzmq that is linked: each test asks which one that is,
//! says what it found, and holds it to that.

use actix_zmq::prelude::*;
use actix_zmq::{CurveKeyPair, Topology};

use crate::support::{ANY_PORT, bound, finish, inbox, ipc, loudly, open, within};

/// The names of options, with commas between, that the linked libzmq must have.
/// `.ci/libzmq` says which, lest a test passes on another libzmq than it is meant for.
const MUST_HAVE: &str = "ACTIX_ZMQ_MUST_HAVE";

#[test]
fn the_linked_libzmq_is_the_one_that_is_meant() {
    let has = |name: OptionName| if name.is_supported() { "yes" } else { "no" };
    loudly(&format!(
        "LIBZMQ {:?}: CURVE {}, CONFIGURED {}, DRAFT {}",
        actix_zmq::libzmq_version(),
        has(OptionName::CurveServer),
        has(OptionName::TcpKeepalive),
        has(OptionName::OutBatchSize),
    ));
    let must_have = std::env::var(MUST_HAVE).unwrap_or_default();
    for name in must_have.split(',').filter(|name| !name.is_empty()) {
        assert!(name.parse::<OptionName>().unwrap().is_supported(), "no {name}");
    }
    assert_eq!(CurveKeyPair::generate().is_ok(), OptionName::CurveServer.is_supported());
    assert!(OptionName::SendHwm.is_supported());
}

#[actix::test]
async fn what_is_not_supported_is_refused_wherever_it_is_asked_for() {
    within(async {
        let zmq = Factory::builder().start();
        let push = open(&zmq, PushSocket::bind(ANY_PORT)).await;
        for name in OptionName::ALL.iter().filter(|name| !name.is_supported()) {
            let error = push.send(GetOption(*name)).await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}: {error}");
            assert!(error.to_string().contains(name.zmq_name()), "{error}");
        }
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn batch_sizes_are_kept_and_used_or_are_unsupported_with_the_remedy() {
    within(async {
        let zmq = Factory::builder().start();
        let supported = OptionName::OutBatchSize.is_supported();
        assert_eq!(OptionName::InBatchSize.is_supported(), supported);
        for bytes in [0, 8_191, (16 << 20) + 1] {
            for refused in [SocketOption::InBatchSize(bytes), SocketOption::OutBatchSize(bytes)] {
                let opened = zmq.send(Open(PushSocket::new().option(refused))).await.unwrap();
                assert_eq!(opened.unwrap_err().kind(), ErrorKind::InvalidOption);
            }
        }
        if !supported {
            loudly("THIS LIBZMQ HAS NO DRAFT API: BATCH SIZES ARE UNSUPPORTED, AND NOT TESTED");
            for lacking in
                [PushSocket::new().in_batch_size(9_000), PushSocket::new().out_batch_size(9_000)]
            {
                let error = zmq.send(Open(lacking)).await.unwrap().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unsupported);
                assert!(error.to_string().contains("README"), "{error}");
            }
            finish(zmq).await;
            return;
        }
        // From the least to more than any message here.
        for (name, bytes) in [("8 KiB", 8_192), ("64 KiB", 65_536), ("16 MiB", 16 << 20)] {
            for at in [ANY_PORT, &ipc(), "ws://127.0.0.1:*/batches"] {
                let (fill, mut told) = inbox();
                let pull = PullSocket::bind(at).in_batch_size(bytes).out_batch_size(bytes);
                let pull = open(&zmq, pull.name(name).on_message(fill)).await;
                let push = PushSocket::connect(bound(&zmq, name).await);
                let push = open(&zmq, push.in_batch_size(bytes).out_batch_size(bytes)).await;
                for option in [SocketOption::InBatchSize(bytes), SocketOption::OutBatchSize(bytes)]
                {
                    let read = push.send(GetOption(option.name())).await.unwrap().unwrap();
                    assert_eq!(read, option);
                }
                let message = |size: usize| -> Multipart {
                    [vec![1; size], vec![2; 300], vec![3; size / 2]].into_iter().collect()
                };
                let sizes = [0, 1, 33, 256, 8_192, 30_000, 300_000];
                for size in sizes {
                    push.send(Push(message(size))).await.unwrap().unwrap();
                }
                for size in sizes {
                    let Pulled(frames): Pulled = told.next().await;
                    assert_eq!(frames, message(size), "{name} over {at}");
                }
                pull.send(Close::new()).await.unwrap().unwrap();
                push.send(Close::new()).await.unwrap().unwrap();
            }
        }
        let change = SocketOption::OutBatchSize(32_768);
        let push = open(&zmq, PushSocket::bind(ANY_PORT)).await;
        let before = push.send(GetOption(change.name())).await.unwrap().unwrap();
        assert_eq!(before, SocketOption::OutBatchSize(8_192));
        push.send(SetOption(change.clone())).await.unwrap().unwrap();
        assert_eq!(push.send(GetOption(change.name())).await.unwrap().unwrap(), change);
        finish(zmq).await;
    })
    .await;
}

#[test]
fn a_batch_has_a_size_in_a_configuration_file() {
    let read = |value: &str| {
        toml::from_str::<Topology>(&format!(
            "[sockets.x]\ntype = 'push'\nconnect = 'tcp://127.0.0.1:5555'\nin_batch_size = {value}\n"
        ))
    };
    for wrong in ["0", "100", "'17 MiB'", "'5 GiB'", "'much'", "-1"] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
    assert_eq!(read("'64 KiB'").is_ok(), OptionName::InBatchSize.is_supported());
}
