//! tmq, on a current-thread runtime of tokio's.

use std::iter;
use std::time::Instant;

use anyhow::Result;
use futures::{SinkExt, StreamExt};
use tmq::{Context, Message, Multipart};

use super::raw;
use crate::endpoint::{self, Pacer};
use crate::task::{Role, TOPIC, Task};

#[tokio::main(flavor = "current_thread")]
pub async fn run(task: &Task) -> Result<()> {
    let context = Context::new();
    let hwm = task.hwm_i32();
    let body = task.body();
    let one = || Multipart::from(iter::once(Message::from(&body[..])).collect::<Vec<_>>());
    match task.role {
        Role::Push => {
            let builder = tmq::push(&context).set_sndhwm(hwm);
            let mut socket = builder.connect(&endpoint::hear()?)?;
            let mut pacer = Pacer::new(task);
            while pacer.one() {
                socket.feed(one()).await?;
            }
            SinkExt::<Multipart>::flush(&mut socket).await?;
            pacer.finish_async().await
        }
        Role::Pull => {
            let mut socket = tmq::pull(&context).set_rcvhwm(hwm).bind("tcp://127.0.0.1:*")?;
            announce(&socket)?;
            endpoint::watch_receiver(task);
            while let Some(message) = socket.next().await {
                message?;
                endpoint::count(1);
            }
            Ok(())
        }
        Role::Pub => {
            let mut socket = tmq::publish(&context).set_sndhwm(hwm).bind("tcp://127.0.0.1:*")?;
            announce(&socket)?;
            endpoint::hear_async().await?;
            let mut pacer = Pacer::new(task);
            while pacer.one() {
                let frames = vec![Message::from(TOPIC), Message::from(&body[..])];
                socket.feed(Multipart::from(frames)).await?;
            }
            SinkExt::<Multipart>::flush(&mut socket).await?;
            pacer.finish_async().await
        }
        Role::Sub => {
            let builder = tmq::subscribe(&context).set_rcvhwm(hwm);
            let socket = builder.connect(&endpoint::hear()?)?;
            let mut socket = socket.subscribe(TOPIC.as_bytes())?;
            endpoint::ready()?;
            endpoint::watch_receiver(task);
            while let Some(message) = socket.next().await {
                message?;
                endpoint::count(1);
            }
            Ok(())
        }
        Role::Server => {
            let builder = tmq::router(&context).set_sndhwm(hwm).set_rcvhwm(hwm);
            let mut socket = builder.bind("tcp://127.0.0.1:*")?;
            announce(&socket)?;
            while let Some(message) = socket.next().await {
                socket.send(message?).await?;
            }
            Ok(())
        }
        Role::Client => {
            let builder = tmq::dealer(&context).set_sndhwm(hwm).set_rcvhwm(hwm);
            let mut socket = builder.connect(&endpoint::hear()?)?;
            endpoint::watch_client(task);
            let mut began = Instant::now();
            for _ in 0..task.window {
                socket.send(one()).await?;
            }
            while let Some(reply) = socket.next().await {
                reply?;
                if task.window == 1 {
                    endpoint::round_trip(began.elapsed());
                    began = Instant::now();
                }
                endpoint::count(1);
                socket.send(one()).await?;
            }
            Ok(())
        }
        Role::Service | Role::Caller => anyhow::bail!("it has no typed calls"),
    }
}

fn announce(socket: &impl tmq::AsZmqSocket) -> Result<()> {
    endpoint::announce(raw::last_endpoint(socket.get_socket())?)
}
