//! "Camera one! Camera two!": one server, two publishers, two cameras.
//!
//! After `waynes_world` of j2labs' `zmq_examples`; its Python programs and
//! this one understand each other. In three terminals:
//!
//! ```console
//! $ cargo run --example waynes_world -- server
//! $ cargo run --example waynes_world -- camera1
//! $ cargo run --example waynes_world -- camera2
//! ```

mod support;

use std::time::Duration;

use actix::clock::sleep;
use actix_zmq::prelude::*;
use clap::{Parser, Subcommand};
use support::{Lines, Outcome, announce, millis, print, up_to};

/// Camera 1 is looked at over TCP.
const CAMERA_1: &str = "tcp://127.0.0.1:5566";
/// Camera 2 is a file in the working directory.
const CAMERA_2: &str = "ipc://./*:5567";

/// Switches between two cameras, a publisher each
///
/// Cameras that nobody looks at lose what they show. Start one camera twice:
/// both see everything. Camera 2 is the file `*:5567` in the working directory:
/// the original's `ipc://*:5567` is written `ipc://./*:5567` here, because
/// libzmq 4 takes a leading `*` for a wildcard and drops the rest.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Publish to camera 1 and camera 2 in turn
    Server {
        /// Where camera 1 listens, and, given again, camera 2
        #[arg(short, long, default_values = [CAMERA_1, CAMERA_2])]
        endpoint: Vec<String>,
        /// End after so many messages, over both cameras, instead of at Ctrl-C
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
        /// Milliseconds between two messages
        #[arg(long, value_parser = millis, value_name = "MS", default_value = "1000")]
        interval: Duration,
    },
    /// Print what camera 1 shows
    Camera1 {
        /// Where camera 1 is
        #[arg(short, long, default_value = CAMERA_1)]
        endpoint: String,
        /// End after so many messages instead of at Ctrl-C
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
    },
    /// Print what camera 2 shows
    Camera2 {
        /// Where camera 2 is
        #[arg(short, long, default_value = CAMERA_2)]
        endpoint: String,
        /// End after so many messages instead of at Ctrl-C
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
    },
}

#[actix::main]
async fn main() -> Outcome {
    let args = Args::parse();
    support::run(async |zmq| match args.role {
        Role::Server { endpoint, count, interval } => serve(zmq, endpoint, count, interval).await,
        Role::Camera1 { endpoint, count } => look(zmq, 1, endpoint, count).await,
        Role::Camera2 { endpoint, count } => look(zmq, 2, endpoint, count).await,
    })
    .await
}

async fn serve(
    zmq: Addr<Factory>,
    endpoints: Vec<String>,
    count: Option<u64>,
    interval: Duration,
) -> Outcome {
    let mut endpoints = endpoints.into_iter();
    let first = endpoints.next().unwrap_or_else(|| CAMERA_1.to_owned());
    let second = endpoints.next().unwrap_or_else(|| CAMERA_2.to_owned());
    // The original sends one frame without a topic.
    let first = zmq.send(Open(PubSocket::bind(first).framing(TopicFraming::Whole))).await??;
    let second = zmq.send(Open(PubSocket::bind(second).framing(TopicFraming::Whole))).await??;
    announce(&zmq).await?;
    for number in up_to(count) {
        let (camera, name) =
            if number % 2 == 1 { (&first, "Camera 1") } else { (&second, "Camera 2") };
        print(&format!("{name}?"))?;
        camera.send(Publish::new("", name)).await??;
        sleep(interval).await;
    }
    Ok(())
}

async fn look(zmq: Addr<Factory>, number: u8, endpoint: String, count: Option<u64>) -> Outcome {
    let (lines, enough) = Lines::new(count);
    let viewer = Viewer { number, lines }.start();
    let camera = SubSocket::connect(endpoint)
        .framing(TopicFraming::Whole)
        // The empty prefix: everything.
        .topic("")
        .deliver_to(viewer.recipient());
    zmq.send(Open(camera)).await??;
    announce(&zmq).await?;
    enough.wait().await;
    Ok(())
}

/// Prints what a camera shows.
struct Viewer {
    number: u8,
    lines: Lines,
}

impl Actor for Viewer {
    type Context = Context<Self>;
}

impl Handler<TopicMessage> for Viewer {
    type Result = ();

    fn handle(&mut self, message: TopicMessage, _ctx: &mut Context<Self>) {
        let shown = message.body.into_first();
        self.lines.print(&format!("MSG {}:  '{}'", self.number, shown.escape_ascii()));
    }
}
