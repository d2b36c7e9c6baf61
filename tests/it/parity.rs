//! The tests of txZMQ, of tx0mq and of their forks, written anew on our actors.
//!
//! Each test names the case that it stands for. Where the behaviour here
//! differs by intention, its comment says what is shown instead. What several
//! of these libraries test in the same way is one test that names them all.
//!
//! | Module | Cases |
//! |---|---|
//! | [`connection`] | txZMQ's `test_connection` and its kin in tx0mq |
//! | [`factory`] | txZMQ's `test_factory`, `test_reactor_shutdown` and `integration_test` |
//! | [`pubsub`] | txZMQ's `test_pubsub`, txZMQ-ng's filter, tx0mq's publications |
//! | [`reqrep`] | txZMQ's `test_reqrep`, without the two factories |
//! | [`floods`] | the two `test_start` of txZMQ: 10,000 requests, 30,000 replies |
//! | [`tx0mq`] | what claws' tx0mq tests beyond txZMQ: PAIR, PUSH and PULL |
//! | [`connect_with_deferred`] | the fork in which every command has a result |
//! | [`victorlin`] | what that fork tests beyond txZMQ |

mod connect_with_deferred;
mod connection;
mod factory;
mod floods;
mod pubsub;
mod reqrep;
mod tx0mq;
mod victorlin;

use actix_zmq::prelude::*;

use crate::support::{Inbox, inbox, open};

/// A PULL socket that keeps what it receives.
async fn puller(
    zmq: &Addr<Factory>,
    blueprint: actix_zmq::Blueprint<actix_zmq::kinds::Pull>,
) -> (Addr<PullSocket>, Inbox<Pulled>) {
    let (fill, told) = inbox();
    (open(zmq, blueprint.on_message(fill)).await, told)
}
