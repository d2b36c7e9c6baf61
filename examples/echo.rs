//! A server that echoes, and a client that hears itself.
//!
//! After `eventloop` of j2labs' `zmq_examples`; its Python programs and this
//! one understand each other. In two terminals:
//!
//! ```console
//! $ cargo run --example echo -- server
//! $ cargo run --example echo -- client
//! ```

#![allow(clippy::print_stderr, reason = "diagnostics of a console program")]

mod support;

use std::collections::BTreeMap;

use actix_zmq::prelude::*;
use clap::{Parser, Subcommand};
use support::{Lines, Outcome, announce, fields, print, up_to};

/// Not an address: a file of this name in the working directory.
const ENDPOINT: &str = "ipc://127.0.0.1:5678";

/// What the client says.
const WORDS: &str = r#"{"j2": "was here", "word": "up"}"#;

/// Echoes what it is told
///
/// They meet at the file `127.0.0.1:5678` in the working directory, as in the
/// original.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Print JSON and send it back
    Server {
        /// Where to listen
        #[arg(short, long, default_value = ENDPOINT)]
        endpoint: String,
        /// End after so many requests instead of at Ctrl-C
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
    },
    /// Send JSON and print what comes back
    Client {
        /// Where the server listens
        #[arg(short, long, default_value = ENDPOINT)]
        endpoint: String,
        /// How many requests to make
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..), default_value = "5")]
        count: u64,
    },
}

#[actix::main]
async fn main() -> Outcome {
    let args = Args::parse();
    support::run(async |zmq| match args.role {
        Role::Server { endpoint, count } => serve(zmq, endpoint, count).await,
        Role::Client { endpoint, count } => ask(zmq, endpoint, count).await,
    })
    .await
}

async fn serve(zmq: Addr<Factory>, endpoint: String, count: Option<u64>) -> Outcome {
    let (lines, enough) = Lines::new(count);
    let echo = Echo(lines).start();
    zmq.send(Open(ReplySocket::bind(endpoint).deliver_to(echo.recipient()))).await??;
    announce(&zmq).await?;
    enough.wait().await;
    Ok(())
}

async fn ask(zmq: Addr<Factory>, endpoint: String, count: u64) -> Outcome {
    // Without a timeout, as the original: this waits until there is a server.
    let client = zmq.send(Open(RequestSocket::connect(endpoint))).await??;
    announce(&zmq).await?;
    for _ in up_to(Some(count)) {
        let reply = client.send(Request::new(WORDS)).await??;
        print(&format!("MSG: {}", fields(reply.iter())))?;
    }
    Ok(())
}

/// Prints what it is told, and says the same.
struct Echo(Lines);

impl Actor for Echo {
    type Context = Context<Self>;
}

impl Handler<IncomingRequest> for Echo {
    type Result = ();

    fn handle(&mut self, request: IncomingRequest, _ctx: &mut Context<Self>) {
        let IncomingRequest { body, responder } = request;
        // An echo is the same bytes, not the same value: hence the frames.
        match Json::<BTreeMap<String, String>>::decode(body.clone()) {
            Ok(Json(words)) => {
                if self.0.print(&format!("{words:?}")) {
                    // It fails only when the socket is closed, and then nobody waits.
                    let _ = responder.reply(body);
                }
            }
            Err(error) => eprintln!("not echoed: {error}"),
        }
    }
}
