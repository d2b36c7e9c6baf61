//! rzmq, on a multi-thread runtime of tokio's, without its adaptive throttle.

use std::time::Instant;

use anyhow::Result;
use bytes::Bytes;
use rzmq::socket::options::{LAST_ENDPOINT, RCVHWM, SNDHWM, SUBSCRIBE};
use rzmq::{Context, Msg, MsgFlags, Socket, SocketType};

use crate::endpoint::{self, Pacer};
use crate::task::{Role, TOPIC, Task};

#[tokio::main]
pub async fn run(task: &Task) -> Result<()> {
    let context = Context::new()?;
    let body = Bytes::from(task.body());
    match task.role {
        Role::Push => {
            let socket = open(&context, SocketType::Push, task).await?;
            socket.connect(&endpoint::hear()?).await?;
            let mut pacer = Pacer::new(task);
            while pacer.one() {
                socket.send(Msg::from_bytes(body.clone())).await?;
            }
            pacer.finish_async().await
        }
        Role::Pull => {
            let socket = open(&context, SocketType::Pull, task).await?;
            bind(&socket).await?;
            endpoint::watch_receiver(task);
            loop {
                socket.recv().await?;
                endpoint::count(1);
            }
        }
        Role::Pub => {
            let socket = open(&context, SocketType::Pub, task).await?;
            bind(&socket).await?;
            endpoint::hear_async().await?;
            let mut pacer = Pacer::new(task);
            while pacer.one() {
                let mut topic = Msg::from_static(TOPIC.as_bytes());
                topic.set_flags(MsgFlags::MORE);
                let frames = vec![topic, Msg::from_bytes(body.clone())];
                socket.send_multipart(frames).await?;
            }
            pacer.finish_async().await
        }
        Role::Sub => {
            let socket = open(&context, SocketType::Sub, task).await?;
            socket.set_option_raw(SUBSCRIBE, TOPIC.as_bytes()).await?;
            socket.connect(&endpoint::hear()?).await?;
            endpoint::ready()?;
            endpoint::watch_receiver(task);
            loop {
                socket.recv_multipart().await?;
                endpoint::count(1);
            }
        }
        Role::Server => {
            let socket = open(&context, SocketType::Router, task).await?;
            bind(&socket).await?;
            loop {
                let frames = socket.recv_multipart().await?;
                socket.send_multipart(frames).await?;
            }
        }
        Role::Client => {
            let socket = open(&context, SocketType::Dealer, task).await?;
            socket.connect(&endpoint::hear()?).await?;
            endpoint::watch_client(task);
            let mut began = Instant::now();
            for _ in 0..task.window {
                socket.send(Msg::from_bytes(body.clone())).await?;
            }
            loop {
                socket.recv_multipart().await?;
                if task.window == 1 {
                    endpoint::round_trip(began.elapsed());
                    began = Instant::now();
                }
                endpoint::count(1);
                socket.send(Msg::from_bytes(body.clone())).await?;
            }
        }
        Role::Service | Role::Caller => anyhow::bail!("it has no typed calls"),
    }
}

async fn open(context: &Context, kind: SocketType, task: &Task) -> Result<Socket> {
    let socket = context.socket(kind)?;
    // 0 is not "without a bound" here.
    let hwm = if task.hwm == 0 { 1_000_000 } else { task.hwm_i32() };
    socket.set_option(SNDHWM, hwm).await?;
    socket.set_option(RCVHWM, hwm).await?;
    Ok(socket)
}

async fn bind(socket: &Socket) -> Result<()> {
    socket.bind("tcp://127.0.0.1:0").await?;
    let endpoint = String::from_utf8(socket.get_option(LAST_ENDPOINT).await?)?;
    endpoint::announce(endpoint.trim_end_matches('\0'))
}
