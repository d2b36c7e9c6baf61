//! The `zmq` crate: blocking calls on the main thread.

use std::mem;
use std::time::Instant;

use anyhow::{Result, anyhow};
use zmq::{Context, DONTWAIT, Message, SNDMORE, Socket, SocketType};

use crate::endpoint::{self, Pacer};
use crate::task::{LARGE_BATCH, Role, TOPIC, Task};

/// Draft options of libzmq, which the `zmq` crate leaves out.
const BATCH_SIZES: [i32; 2] = [101, 102];

pub fn run(task: &Task) -> Result<()> {
    let context = Context::new();
    match task.role {
        Role::Push => {
            let socket = connect(&context, zmq::PUSH, task)?;
            let body = task.body();
            let mut pacer = Pacer::new(task);
            while pacer.one() {
                socket.send(&body[..], 0)?;
            }
            pacer.finish_and_wait()
        }
        Role::Pull => {
            let socket = bind(&context, zmq::PULL, task)?;
            endpoint::watch_receiver(task);
            let mut message = Message::new();
            loop {
                socket.recv(&mut message, 0)?;
                endpoint::count(1);
            }
        }
        Role::Pub => {
            let socket = bind(&context, zmq::PUB, task)?;
            let body = task.body();
            endpoint::hear()?;
            let mut pacer = Pacer::new(task);
            while pacer.one() {
                socket.send(TOPIC, SNDMORE)?;
                socket.send(&body[..], 0)?;
            }
            pacer.finish_and_wait()
        }
        Role::Sub => {
            let socket = connect(&context, zmq::SUB, task)?;
            socket.set_subscribe(TOPIC.as_bytes())?;
            endpoint::ready()?;
            endpoint::watch_receiver(task);
            let mut message = Message::new();
            loop {
                socket.recv(&mut message, 0)?;
                socket.recv(&mut message, 0)?;
                endpoint::count(1);
            }
        }
        Role::Server | Role::Service if task.has_envelope() => {
            let socket = bind(&context, zmq::ROUTER, task)?;
            let mut frame = Message::new();
            loop {
                socket.recv(&mut frame, 0)?;
                let more = if frame.get_more() { SNDMORE } else { 0 };
                socket.send(mem::replace(&mut frame, Message::new()), more)?;
            }
        }
        Role::Server | Role::Service => {
            let socket = bind(&context, zmq::ROUTER, task)?;
            let (mut peer, mut body) = (Message::new(), Message::new());
            loop {
                socket.recv(&mut peer, 0)?;
                socket.recv(&mut body, 0)?;
                socket.send(mem::replace(&mut peer, Message::new()), SNDMORE)?;
                socket.send(mem::replace(&mut body, Message::new()), 0)?;
            }
        }
        Role::Client | Role::Caller => {
            let socket = connect(&context, zmq::DEALER, task)?;
            let request = task.request();
            endpoint::watch_client(task);
            let mut message = Message::new();
            if task.window == 1 {
                loop {
                    let began = Instant::now();
                    ask(&socket, &request)?;
                    receive(&socket, &mut message, 0)?;
                    endpoint::round_trip(began.elapsed());
                    endpoint::count(1);
                }
            }
            for _ in 0..task.window {
                ask(&socket, &request)?;
            }
            loop {
                // All replies that are here, then as many requests.
                receive(&socket, &mut message, 0)?;
                let mut replies = 1;
                while receive(&socket, &mut message, DONTWAIT).is_ok() {
                    replies += 1;
                }
                for _ in 0..replies {
                    ask(&socket, &request)?;
                }
                endpoint::count(replies);
            }
        }
    }
}

fn ask(socket: &Socket, request: &[Vec<u8>]) -> zmq::Result<()> {
    let Some((last, before)) = request.split_last() else { return Ok(()) };
    for frame in before {
        socket.send(&frame[..], SNDMORE)?;
    }
    socket.send(&last[..], 0)
}

/// A message, of which the last frame stays.
fn receive(socket: &Socket, message: &mut Message, flags: i32) -> zmq::Result<()> {
    socket.recv(message, flags)?;
    while message.get_more() {
        socket.recv(message, 0)?;
    }
    Ok(())
}

pub fn bind(context: &Context, kind: SocketType, task: &Task) -> Result<Socket> {
    let socket = open(context, kind, task)?;
    socket.bind("tcp://127.0.0.1:*")?;
    endpoint::announce(last_endpoint(&socket)?)?;
    Ok(socket)
}

pub fn connect(context: &Context, kind: SocketType, task: &Task) -> Result<Socket> {
    let socket = open(context, kind, task)?;
    socket.connect(&endpoint::hear()?)?;
    Ok(socket)
}

/// A socket of libzmq's with the task's options, for everybody who takes one.
pub fn open(context: &Context, kind: SocketType, task: &Task) -> Result<Socket> {
    let mut socket = context.socket(kind)?;
    socket.set_sndhwm(task.hwm_i32())?;
    socket.set_rcvhwm(task.hwm_i32())?;
    if task.large_batches {
        for option in BATCH_SIZES {
            set(&mut socket, option, i32::try_from(LARGE_BATCH)?)?;
        }
    }
    Ok(socket)
}

pub fn last_endpoint(socket: &Socket) -> Result<String> {
    socket.get_last_endpoint()?.map_err(|_| anyhow!("an endpoint that is no text"))
}

fn set(socket: &mut Socket, option: i32, value: i32) -> Result<()> {
    // SAFETY: the socket is open for as long as `socket` lives, and libzmq reads
    // `size_of::<i32>()` bytes from a live `i32` before it returns.
    let rc = unsafe {
        zmq_sys::zmq_setsockopt(
            socket.as_mut_ptr(),
            option,
            (&raw const value).cast(),
            size_of::<i32>(),
        )
    };
    anyhow::ensure!(
        rc == 0,
        "libzmq does not know option {option}: {}",
        std::io::Error::last_os_error()
    );
    Ok(())
}
