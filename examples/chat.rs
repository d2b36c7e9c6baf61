//! A chat: everyone has a prompt to publish at, and a display of all the others.
//!
//! After `chat` of tx0mq's `pyzmq` examples, in JSON. In two terminals, or more:
//!
//! ```console
//! $ cargo run --example chat -- display
//! $ cargo run --example chat -- prompt ada
//! ```

mod support;

use actix_zmq::prelude::*;
use clap::{Parser, Subcommand};
use serde::{Deserialize, Serialize};
use support::{Lines, Outcome, announce, fields, stdin_lines, temporary};

/// Chats: says what is typed, or shows what is said
///
/// The display prints one line per message: user and text, separated by a tab.
/// A line that no display shows yet is lost. Everything else goes to stderr,
/// where `ready ENDPOINT` tells the port that a wildcard became.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Print what the users of any number of prompts say
    Display {
        /// Where a prompt listens; may be given several times
        #[arg(short, long, default_values_t = [temporary("actix-zmq-chat")])]
        endpoint: Vec<String>,
        /// End after so many messages instead of at Ctrl-C
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
    },
    /// Say each line of the standard input, until it ends
    Prompt {
        /// Who says it
        user: String,
        /// Where to listen for displays
        #[arg(short, long, default_value_t = temporary("actix-zmq-chat"))]
        endpoint: String,
        /// End after so many lines instead of at the input's end or Ctrl-C
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
    },
}

/// What is said. Received, it is an Actix message like any other.
#[derive(Serialize, Deserialize, Message)]
#[rtype(result = "()")]
struct Said {
    user: String,
    text: String,
}

#[actix::main]
async fn main() -> Outcome {
    let args = Args::parse();
    support::run(async |zmq| match args.role {
        Role::Display { endpoint, count } => display(zmq, endpoint, count).await,
        Role::Prompt { user, endpoint, count } => prompt(zmq, user, endpoint, count).await,
    })
    .await
}

async fn display(zmq: Addr<Factory>, endpoints: Vec<String>, count: Option<u64>) -> Outcome {
    let (lines, enough) = Lines::new(count);
    let display = Display(lines).start();
    let mut prompts =
        SubSocket::new().topic(Topic::all()).deliver_to(Json::<Said>::recipient(&display));
    for prompt in endpoints {
        prompts = prompts.connect(prompt);
    }
    zmq.send(Open(prompts)).await??;
    announce(&zmq).await?;
    enough.wait().await;
    Ok(())
}

/// Shows what is said.
struct Display(Lines);

impl Actor for Display {
    type Context = Context<Self>;
}

impl Handler<Said> for Display {
    type Result = ();

    fn handle(&mut self, Said { user, text }: Said, _ctx: &mut Context<Self>) {
        // They come from others: frames are printed without what would break a line.
        self.0.print(&fields(&[Frame::from(user), Frame::from(text)]));
    }
}

async fn prompt(zmq: Addr<Factory>, user: String, endpoint: String, count: Option<u64>) -> Outcome {
    let displays = zmq.send(Open(PubSocket::bind(endpoint))).await??;
    announce(&zmq).await?;
    let mut typed = stdin_lines()?;
    let mut left = count;
    while left != Some(0)
        && let Some(text) = typed.recv().await
    {
        let said = Said { user: user.clone(), text: text? };
        // The topic is the user, for displays that do not want to hear them all.
        displays.send(Publish::new(user.as_str(), Json(said))).await??;
        left = left.map(|left| left - 1);
    }
    Ok(())
}
