//! async_zmq, whose reactor has a thread of its own, on a current-thread
//! runtime of tokio's.

use std::time::Instant;

use anyhow::{Result, anyhow};
use async_zmq::{Dealer, Message, MultipartIter, Publish, Pull, Push, Router, Subscribe};
use futures::{SinkExt, StreamExt};
use zmq::Context;

use super::raw;
use crate::endpoint::{self, Pacer};
use crate::task::{Role, TOPIC, Task};

type Frames = std::vec::IntoIter<Message>;

#[tokio::main(flavor = "current_thread")]
pub async fn run(task: &Task) -> Result<()> {
    // Its own builders know no options.
    let context = Context::new();
    let body = task.body();
    let one = || MultipartIter::from(vec![Message::from(&body[..])]);
    match task.role {
        Role::Push => {
            let socket = raw::connect(&context, zmq::PUSH, task)?;
            let mut socket = Push::<Frames, Message>::from(socket);
            let mut pacer = Pacer::new(task);
            while pacer.one() {
                socket.send(one()).await.map_err(|error| anyhow!("{error:?}"))?;
            }
            pacer.finish_async().await
        }
        Role::Pull => {
            let mut socket = Pull::from(raw::bind(&context, zmq::PULL, task)?);
            endpoint::watch_receiver(task);
            while let Some(message) = socket.next().await {
                message?;
                endpoint::count(1);
            }
            Ok(())
        }
        Role::Pub => {
            let socket = raw::bind(&context, zmq::PUB, task)?;
            let mut socket = Publish::<Frames, Message>::from(socket);
            endpoint::hear_async().await?;
            let mut pacer = Pacer::new(task);
            while pacer.one() {
                let frames = vec![Message::from(TOPIC), Message::from(&body[..])];
                socket.send(frames.into()).await.map_err(|error| anyhow!("{error:?}"))?;
            }
            pacer.finish_async().await
        }
        Role::Sub => {
            let mut socket = Subscribe::from(raw::connect(&context, zmq::SUB, task)?);
            socket.set_subscribe(TOPIC)?;
            endpoint::ready()?;
            endpoint::watch_receiver(task);
            while let Some(message) = socket.next().await {
                message?;
                endpoint::count(1);
            }
            Ok(())
        }
        Role::Server => {
            let socket = raw::bind(&context, zmq::ROUTER, task)?;
            let mut socket = Router::<Frames, Message>::from(socket);
            while let Some(message) = socket.next().await {
                socket.send(message?.into()).await.map_err(|error| anyhow!("{error:?}"))?;
            }
            Ok(())
        }
        Role::Client => {
            let socket = raw::connect(&context, zmq::DEALER, task)?;
            let mut socket = Dealer::<Frames, Message>::from(socket);
            endpoint::watch_client(task);
            let mut began = Instant::now();
            for _ in 0..task.window {
                socket.send(one()).await.map_err(|error| anyhow!("{error:?}"))?;
            }
            while let Some(reply) = socket.next().await {
                reply?;
                if task.window == 1 {
                    endpoint::round_trip(began.elapsed());
                    began = Instant::now();
                }
                endpoint::count(1);
                socket.send(one()).await.map_err(|error| anyhow!("{error:?}"))?;
            }
            Ok(())
        }
        Role::Service | Role::Caller => anyhow::bail!("it has no typed calls"),
    }
}
