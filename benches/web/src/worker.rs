//! What is asked: an actor here, and in a process of its own.

use actix_zmq::EndpointStatus;
use actix_zmq::prelude::*;
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

#[derive(Message, Serialize, Deserialize)]
#[rtype(result = "i64")]
pub(crate) struct Add(pub(crate) i64, pub(crate) i64);

pub(crate) struct Adder;

impl Actor for Adder {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(1_024);
    }
}

impl Handler<Add> for Adder {
    type Result = i64;

    fn handle(&mut self, Add(a, b): Add, _: &mut Context<Self>) -> i64 {
        a + b
    }
}

/// Serves typed calls at one endpoint, and bare values at another, for who blocks.
pub(crate) fn run() -> Result<()> {
    let system = System::new();
    system.block_on(async {
        let zmq = Factory::builder().start();
        let adder = Adder.start();
        let typed = Service::new("adder").route(adder.recipient::<Add>());
        let typed = ReplySocket::bind("tcp://127.0.0.1:*").deliver_to(typed);
        let plain = RepSocket::bind("tcp://127.0.0.1:*").on_message(
            |IncomingRequest { body, responder }: IncomingRequest<MessagePack<Add>>| {
                let MessagePack(Add(a, b)) = body;
                // It fails when the socket is closed.
                let _ = responder.reply(MessagePack(a + b));
            },
        );
        zmq.send(Open(typed)).await??;
        zmq.send(Open(plain)).await??;
        for socket in zmq.send(Status).await? {
            let bound = socket.endpoints.first().map(EndpointStatus::endpoint).context("bound")?;
            println!("{bound}");
        }
        std::future::pending().await
    })
}
