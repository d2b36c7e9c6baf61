//! zeromq, the pure Rust one, on a multi-thread runtime of tokio's.

use std::time::Instant;

use anyhow::Result;
use bytes::Bytes;
use zeromq::prelude::*;
use zeromq::{
    DealerSocket, PubSocket, PullSocket, PushSocket, RouterSocket, SubSocket, ZmqMessage,
};

use crate::endpoint::{self, Pacer};
use crate::task::{Role, TOPIC, Task};

// It has no option for a high-water mark.
#[tokio::main]
pub async fn run(task: &Task) -> Result<()> {
    let body = Bytes::from(task.body());
    match task.role {
        Role::Push => {
            let mut socket = PushSocket::new();
            socket.connect(&endpoint::hear()?).await?;
            let mut pacer = Pacer::new(task);
            while pacer.one() {
                socket.send(ZmqMessage::from(body.clone())).await?;
            }
            pacer.finish_async().await
        }
        Role::Pull => {
            let mut socket = PullSocket::new();
            bind(&mut socket).await?;
            endpoint::watch_receiver(task);
            loop {
                socket.recv().await?;
                endpoint::count(1);
            }
        }
        Role::Pub => {
            let mut socket = PubSocket::new();
            bind(&mut socket).await?;
            endpoint::hear_async().await?;
            let topic = Bytes::from_static(TOPIC.as_bytes());
            let mut pacer = Pacer::new(task);
            while pacer.one() {
                let mut message = ZmqMessage::from(topic.clone());
                message.push_back(body.clone());
                socket.send(message).await?;
            }
            pacer.finish_async().await
        }
        Role::Sub => {
            let mut socket = SubSocket::new();
            socket.connect(&endpoint::hear()?).await?;
            socket.subscribe(TOPIC).await?;
            endpoint::ready()?;
            endpoint::watch_receiver(task);
            loop {
                socket.recv().await?;
                endpoint::count(1);
            }
        }
        Role::Server => {
            let mut socket = RouterSocket::new();
            bind(&mut socket).await?;
            loop {
                let message = socket.recv().await?;
                socket.send(message).await?;
            }
        }
        Role::Client => {
            let mut socket = DealerSocket::new();
            socket.connect(&endpoint::hear()?).await?;
            endpoint::watch_client(task);
            let mut began = Instant::now();
            for _ in 0..task.window {
                socket.send(ZmqMessage::from(body.clone())).await?;
            }
            loop {
                socket.recv().await?;
                if task.window == 1 {
                    endpoint::round_trip(began.elapsed());
                    began = Instant::now();
                }
                endpoint::count(1);
                socket.send(ZmqMessage::from(body.clone())).await?;
            }
        }
        Role::Service | Role::Caller => anyhow::bail!("it has no typed calls"),
    }
}

async fn bind(socket: &mut impl Socket) -> Result<()> {
    let endpoint = socket.bind("tcp://127.0.0.1:0").await?;
    endpoint::announce(endpoint.to_string())
}
