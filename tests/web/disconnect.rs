//! What becomes of a call when the HTTP client does not wait for it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use actix_web::web::{Bytes, Data, ServiceConfig, get, post};
use actix_web::{App, HttpResponse, HttpServer};
use actix_zmq::prelude::*;
use actix_zmq::web::drop_stalled;
use futures::StreamExt;
use futures::channel::{mpsc, oneshot};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::deadline::{eventually, within};
use crate::http::{Server, answer, serve_with};
use crate::service::{Held, Slow, calculator, service};
use crate::{finish, inproc, ms, open, status};

/// Tells that a response is dropped.
struct Told(Option<oneshot::Sender<()>>);

impl Drop for Told {
    fn drop(&mut self) {
        // It fails when the test is over.
        let _ = self.0.take().map(|tell| tell.send(()));
    }
}

#[cfg(target_os = "linux")]
#[actix::test]
async fn a_client_that_does_not_read_is_dropped_where_that_is_asked_for() {
    within(async {
        let (tell, told) = oneshot::channel();
        let told_by = Data::new(Mutex::new(Some(Told(Some(tell)))));
        // More than the kernel holds, for as long as somebody reads.
        let endless = async |told_by: Data<Mutex<Option<Told>>>| {
            let guard = told_by.lock().unwrap().take();
            let chunks = futures::stream::repeat_with(move || {
                let _kept = &guard;
                Ok::<_, Error>(Bytes::from(vec![b'x'; 64 * 1024]))
            });
            HttpResponse::Ok().streaming(chunks)
        };
        let server = HttpServer::new(move || {
            App::new().app_data(told_by.clone()).route("/", get().to(endless))
        })
        .workers(1)
        .disable_signals()
        .on_connect(drop_stalled(ms(1_000)))
        .bind(("127.0.0.1", 0))
        .unwrap();
        let at = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        actix::spawn(server);
        let asked = Server::at(at).ask("/").await;
        assert_eq!(told.await, Ok(()));
        drop(asked);
        handle.stop(true).await;
    })
    .await;
}

/// How many handlers ran to their end.
#[derive(Clone, Default)]
struct Ended(Arc<AtomicUsize>);

async fn slow(client: Data<Client>, ended: Data<Ended>) -> Result<String, Error> {
    let told = client.call(Slow(1)).await;
    ended.0.fetch_add(1, Ordering::SeqCst);
    Ok(told?.to_string())
}

async fn ping(client: Data<Client>) -> Result<&'static str, Error> {
    client.ping().await.map(|_| "pong")
}

struct Setting {
    zmq: Addr<Factory>,
    server: Server,
    kept: mpsc::UnboundedReceiver<Held>,
    ended: Ended,
}

impl Setting {
    async fn new(half_closed: bool) -> Self {
        let zmq = Factory::builder().start();
        let (actor, kept) = calculator();
        let endpoint = inproc();
        open(&zmq, ReplySocket::bind(&*endpoint).deliver_to(service(&actor))).await;
        let socket = open(&zmq, Client::socket(&*endpoint).name("client")).await;
        let client = Data::new(Client::new(socket));
        let ended = Ended::default();
        let shown = Data::new(ended.clone());
        let routes = move |config: &mut ServiceConfig| {
            config
                .app_data(client.clone())
                .app_data(shown.clone())
                .route("/slow", get().to(slow))
                .route("/slow", post().to(slow))
                .route("/ping", get().to(ping));
        };
        // One worker, so that what it has heard of by the next answer is known.
        let server = serve_with(1, half_closed, routes);
        Self { zmq, server, kept, ended }
    }

    async fn in_flight(&self) -> usize {
        status(&self.zmq, "client").await.in_flight
    }

    async fn is_cancelled(&self, times: u64) {
        eventually("the call is given up", async || {
            let client = status(&self.zmq, "client").await;
            client.in_flight == 0 && client.count(Counter::Cancelled) == times
        })
        .await;
        assert_eq!(self.ended.0.load(Ordering::SeqCst), 0, "the handler was dropped");
    }

    async fn finish(self) {
        self.server.stop().await;
        finish(self.zmq).await;
    }
}

#[actix::test]
async fn without_half_closed_connections_a_client_that_goes_ends_its_call() {
    within(async {
        let mut it = Setting::new(false).await;
        let asked = it.server.ask("/slow").await;
        let held = it.kept.next().await.unwrap();
        assert_eq!(it.in_flight().await, 1);
        drop(asked);
        it.is_cancelled(1).await;
        // The service is not told, and its answer is late.
        held.send(1).unwrap();
        eventually("the answer is late", async || {
            status(&it.zmq, "client").await.count(Counter::LateReplies) == 1
        })
        .await;
        // Who closes one direction only goes, too.
        let mut asked = it.server.ask("/slow").await;
        let held = it.kept.next().await.unwrap();
        asked.shutdown().await.unwrap();
        it.is_cancelled(2).await;
        drop(held);
        assert!(answer(asked).await.is_none(), "nothing is answered");
        // Who waits is served as ever.
        assert_eq!(it.server.get("/ping").await.body, "pong");
        it.finish().await;
    })
    .await;
}

#[actix::test]
async fn by_default_a_handler_runs_on_when_the_client_has_closed() {
    within(async {
        let mut it = Setting::new(true).await;
        let asked = it.server.ask("/slow").await;
        let held = it.kept.next().await.unwrap();
        drop(asked);
        // The same worker answers others meanwhile.
        for _ in 0..10 {
            assert_eq!(it.server.get("/ping").await.body, "pong");
        }
        assert_eq!(it.in_flight().await, 1);
        held.send(1).unwrap();
        eventually("the handler ends", async || it.ended.0.load(Ordering::SeqCst) == 1).await;
        assert_eq!(status(&it.zmq, "client").await.count(Counter::Cancelled), 0);
        // What it is good for: a client that closes one direction and waits.
        let mut asked = it.server.ask("/slow").await;
        let held = it.kept.next().await.unwrap();
        asked.shutdown().await.unwrap();
        held.send(5).unwrap();
        assert_eq!(answer(asked).await.unwrap().body, "5");
        it.finish().await;
    })
    .await;
}

#[actix::test]
async fn a_long_body_that_nobody_reads_hides_that_the_client_has_closed() {
    within(async {
        let mut it = Setting::new(false).await;
        for (length, is_seen) in [(1_000, true), (1_000_000, false)] {
            let mut asked = TcpStream::connect(it.server.at).await.unwrap();
            let head =
                format!("POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
            asked.write_all(head.as_bytes()).await.unwrap();
            // What does not fit into the buffers of the connection stays here.
            let body = vec![b'x'; length];
            let _ = tokio::time::timeout(ms(100), asked.write_all(&body)).await;
            let held = it.kept.next().await.unwrap();
            drop(asked);
            if is_seen {
                it.is_cancelled(1).await;
                drop(held);
                continue;
            }
            for _ in 0..10 {
                assert_eq!(it.server.get("/ping").await.body, "pong");
            }
            assert_eq!(it.in_flight().await, 1);
            held.send(1).unwrap();
            eventually("the handler ends", async || it.ended.0.load(Ordering::SeqCst) == 1).await;
        }
        it.finish().await;
    })
    .await;
}

#[actix::test]
async fn a_connection_that_is_reset_ends_its_call_with_either_setting() {
    for half_closed in [false, true] {
        within(async {
            let mut it = Setting::new(half_closed).await;
            let asked = it.server.ask("/slow").await;
            let held = it.kept.next().await.unwrap();
            // Without a linger, closing is a reset.
            let asked = socket2::Socket::from(asked.into_std().unwrap());
            asked.set_linger(Some(std::time::Duration::ZERO)).unwrap();
            drop(asked);
            it.is_cancelled(1).await;
            drop(held);
            it.finish().await;
        })
        .await;
    }
}
