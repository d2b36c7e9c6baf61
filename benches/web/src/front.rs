//! The web server, with the same handler in three ways.

use std::cell::RefCell;

use actix_web::error::ErrorInternalServerError;
use actix_web::web::{Data, block, get};
use actix_web::{App, HttpServer};
use actix_zmq::prelude::*;
use anyhow::{Context as _, Result};

use crate::worker::{Add, Adder};

async fn local(adder: Data<Addr<Adder>>) -> actix_web::Result<String> {
    let sum = adder.send(Add(20, 22)).await.map_err(ErrorInternalServerError)?;
    Ok(sum.to_string())
}

async fn zmq(adder: Data<Client>) -> Result<String, Error> {
    Ok(adder.call(Add(20, 22)).await?.to_string())
}

/// Where the worker is for who blocks, and the context of these sockets.
struct Plain {
    context: zmq_raw::Context,
    endpoint: String,
}

thread_local! {
    static SOCKET: RefCell<Option<zmq_raw::Socket>> = const { RefCell::new(None) };
}

impl Plain {
    fn add(&self, a: i64, b: i64) -> Result<i64> {
        SOCKET.with_borrow_mut(|kept| {
            let socket = match kept {
                Some(socket) => socket,
                None => {
                    let socket = self.context.socket(zmq_raw::REQ)?;
                    socket.connect(&self.endpoint)?;
                    kept.insert(socket)
                }
            };
            socket.send(rmp_serde::to_vec(&Add(a, b))?, 0)?;
            Ok(rmp_serde::from_slice(&socket.recv_bytes(0)?)?)
        })
    }
}

async fn blocking(plain: Data<Plain>) -> actix_web::Result<String> {
    let sum = block(move || plain.add(20, 22)).await?.map_err(ErrorInternalServerError)?;
    Ok(sum.to_string())
}

pub(crate) fn run(typed: &str, plain: &str) -> Result<()> {
    let system = System::new();
    system.block_on(async {
        let factory = Factory::builder().start();
        let adder = Data::new(Adder.start());
        let client = Data::new(Client::new(factory.send(Open(Client::socket(typed))).await??));
        let plain = Plain { context: zmq_raw::Context::new(), endpoint: plain.to_owned() };
        let plain = Data::new(plain);
        let server = HttpServer::new(move || {
            App::new()
                .app_data(adder.clone())
                .app_data(client.clone())
                .app_data(plain.clone())
                .route("/local", get().to(local))
                .route("/zmq", get().to(zmq))
                .route("/block", get().to(blocking))
        })
        .workers(1)
        .bind(("127.0.0.1", 0))?;
        println!("{}", server.addrs().first().context("no address")?);
        server.run().await?;
        Ok(())
    })
}
