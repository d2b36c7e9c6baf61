//! What HTTP's handlers do.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Instant;

use actix_web::error::ErrorServiceUnavailable;
use actix_web::guard::{GuardContext, fn_guard};
use actix_web::http::StatusCode;
use actix_web::http::header::{HOST, ORIGIN};
use actix_web::web::{Data, Json, Path, ServiceConfig, get, post, scope};
use actix_web::{HttpResponse, Responder, ResponseError};
use actix_zmq::Info;
use actix_zmq::observability::Metrics;
use actix_zmq::prelude::{Call, Restart};
use actix_zmq::web::{Ending, Problem};
use futures::future::join_all;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::world::{Divide, DivisionError, World};

pub(crate) fn configure(config: &mut ServiceConfig) {
    config
        .route("/", get().to(async || file("text/html", include_str!("page/index.html"))))
        .route("/demo.css", get().to(async || file("text/css", include_str!("page/demo.css"))))
        .route("/demo.js", get().to(async || file("text/javascript", include_str!("page/demo.js"))))
        .route("/metrics", get().to(metrics))
        .service(
            scope("/demo")
                .guard(fn_guard(from_here))
                .route("/divide", post().to(divide))
                .route("/who", get().to(who))
                .route("/state", get().to(state))
                .route("/kill/{socket}", post().to(kill))
                .route("/slow", post().to(slow))
                .route("/end", post().to(end)),
        );
}

/// Pages of others may not press our buttons.
fn from_here(asked: &GuardContext<'_>) -> bool {
    let header = |name| asked.head().headers().get(name).and_then(|value| value.to_str().ok());
    let host = |origin: &str| origin.split_once("://").map(|(_, host)| host.to_owned());
    header(ORIGIN).is_none_or(|origin| host(origin).as_deref() == header(HOST))
}

fn file(content_type: &str, text: &'static str) -> impl Responder + use<> {
    let content_type = format!("{content_type}; charset=utf-8");
    HttpResponse::Ok().insert_header(("content-type", content_type)).body(text)
}

/// For Prometheus.
async fn metrics(metrics: Data<Metrics>, prometheus: Data<PrometheusHandle>) -> String {
    metrics.report().await;
    prometheus.render()
}

/// A division by a worker; dividing twice does no harm.
async fn divide(world: Data<World>, divide: Json<Divide>) -> actix_web::Result<impl Responder> {
    let began = Instant::now();
    let Json(divide) = divide;
    let mut told = None;
    for client in world.clients() {
        let result = client.send(Call::new(divide).idempotent()).await;
        // Whoever is away leaves it to the others.
        if told.insert(result).is_ok() {
            break;
        }
    }
    let quotient = told.ok_or_else(|| ErrorServiceUnavailable("nobody divides"))???;
    let took = began.elapsed().as_secs_f64() * 1_000.0;
    Ok(Json(json!({ "quotient": quotient, "took_ms": took })))
}

impl std::fmt::Display for DivisionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::ByZero { dividend } = self;
        write!(f, "{dividend} cannot be divided by zero.")
    }
}

impl ResponseError for DivisionError {
    fn status_code(&self) -> StatusCode {
        StatusCode::UNPROCESSABLE_ENTITY
    }

    fn error_response(&self) -> HttpResponse {
        Problem::new(self.status_code()).detail(self.to_string()).error_response()
    }
}

/// The names of those who answer, by asking a few times.
async fn who(world: Data<World>) -> impl Responder {
    let asked = world.clients().flat_map(|client| (0..12).map(|_| client.call(Info {})));
    let mut names = BTreeMap::new();
    for info in join_all(asked).await.into_iter().flatten() {
        *names.entry(info.name).or_insert(0) += 1;
    }
    Json(names)
}

async fn state(world: Data<World>) -> impl Responder {
    let gauges = &world.gauges;
    let sockets: Vec<&str> = world.sockets.iter().map(|(name, _)| &**name).collect();
    Json(json!({
        "jobs_done": gauges.jobs_done.load(Ordering::Relaxed),
        "ticks_sent": gauges.ticks_sent.load(Ordering::Relaxed),
        "ticks_read": gauges.ticks_read.load(Ordering::Relaxed),
        "pace_ms": gauges.pace.load(Ordering::Relaxed),
        "prices": world.prices.stats(),
        "sockets": sockets,
    }))
}

async fn kill(world: Data<World>, socket: Path<String>) -> actix_web::Result<impl Responder> {
    let found = world.sockets.iter().find(|(name, _)| *name == *socket);
    let Some((_, socket)) = found else {
        return Ok(Problem::new(StatusCode::NOT_FOUND).detail("no such socket").error_response());
    };
    socket.send(Restart).await.map_err(ErrorServiceUnavailable)??;
    Ok(HttpResponse::Accepted().finish())
}

#[derive(Serialize, Deserialize)]
struct Pace {
    ms: u64,
}

async fn slow(world: Data<World>, pace: Json<Pace>) -> impl Responder {
    world.gauges.pace.store(pace.ms.min(1_000), Ordering::Relaxed);
    HttpResponse::NoContent()
}

/// The end, after this response.
async fn end(ending: Data<Ending>) -> impl Responder {
    ending.begin();
    HttpResponse::Accepted()
}
