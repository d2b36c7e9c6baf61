//! omq-tokio: its blocking sockets, which have a thread for I/O beside the caller's.

use std::collections::VecDeque;
use std::time::Instant;

use anyhow::Result;
use bytes::Bytes;
use omq_tokio::blocking::Socket;
use omq_tokio::{Context, Message, Options, SocketType};

use crate::endpoint::{self, Pacer};
use crate::task::{Role, TOPIC, Task};

/// How many messages are received at a time.
const LOT: usize = 256;

pub fn run(task: &Task) -> Result<()> {
    let context = Context::new();
    let body = Bytes::from(task.body());
    let one = || Message::single(body.clone());
    let mut lot = Vec::with_capacity(LOT);
    match task.role {
        Role::Push => {
            let socket = open(&context, SocketType::Push, task);
            socket.connect(endpoint::hear()?.as_str())?;
            let mut pacer = Pacer::new(task);
            while pacer.one() {
                socket.send(one())?;
            }
            pacer.finish_and_wait()
        }
        Role::Pull => {
            let socket = open(&context, SocketType::Pull, task);
            bind(&socket)?;
            endpoint::watch_receiver(task);
            loop {
                endpoint::count(socket.recv_many_into(LOT, &mut lot)?);
                lot.clear();
            }
        }
        Role::Pub => {
            let socket = open(&context, SocketType::Pub, task);
            bind(&socket)?;
            endpoint::hear()?;
            let topic = Bytes::from_static(TOPIC.as_bytes());
            let mut pacer = Pacer::new(task);
            while pacer.one() {
                socket.send(Message::multipart([topic.clone(), body.clone()]))?;
            }
            pacer.finish_and_wait()
        }
        Role::Sub => {
            let socket = open(&context, SocketType::Sub, task);
            socket.connect(endpoint::hear()?.as_str())?;
            socket.subscribe(TOPIC)?;
            endpoint::ready()?;
            endpoint::watch_receiver(task);
            loop {
                endpoint::count(socket.recv_many_into(LOT, &mut lot)?);
                lot.clear();
            }
        }
        Role::Server => {
            let socket = open(&context, SocketType::Router, task);
            bind(&socket)?;
            loop {
                socket.recv_many_into(LOT, &mut lot)?;
                for message in lot.drain(..) {
                    socket.send(message)?;
                }
            }
        }
        Role::Client => {
            let socket = open(&context, SocketType::Dealer, task);
            socket.connect(endpoint::hear()?.as_str())?;
            endpoint::watch_client(task);
            if task.window == 1 {
                loop {
                    let began = Instant::now();
                    socket.send(one())?;
                    socket.recv()?;
                    endpoint::round_trip(began.elapsed());
                    endpoint::count(1);
                }
            }
            let mut requests: VecDeque<Message> = VecDeque::new();
            for _ in 0..task.window {
                socket.send(one())?;
            }
            loop {
                let replies = socket.recv_many_into(LOT, &mut lot)?;
                lot.clear();
                requests.extend((0..replies).map(|_| one()));
                for request in requests.drain(..) {
                    socket.send(request)?;
                }
                endpoint::count(replies);
            }
        }
        Role::Service | Role::Caller => anyhow::bail!("it has no typed calls"),
    }
}

fn open(context: &Context, kind: SocketType, task: &Task) -> Socket {
    // Its queues are allocated at once, and end here.
    let hwm = if task.hwm == 0 { 1 << 20 } else { task.hwm };
    context.blocking_socket(kind, Options::new().send_hwm(hwm).recv_hwm(hwm).linger_forever())
}

fn bind(socket: &Socket) -> Result<()> {
    endpoint::announce(socket.bind("tcp://127.0.0.1:0")?.to_string())
}
