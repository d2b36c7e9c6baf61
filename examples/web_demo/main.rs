//! A web service in front of ZeroMQ, in one process and with a page to try it on.
//!
//! ```console
//! $ cargo run --release --example web_demo
//! ready http://127.0.0.1:40123/
//! ```
//!
//! Behind the page are a broker with three workers, a price feed, a job queue,
//! and a stream of ticks whose reader may be slowed. `--smoke` does what a
//! person would do there, through HTTP, and ends with status 0 or 1.
//!
//! A service in Python joins, and gets its share of the divisions:
//!
//! ```console
//! $ python3 examples/python/server.py tcp://127.0.0.1:5555
//! $ cargo run --release --example web_demo -- --connect tcp://127.0.0.1:5555
//! ```

#![allow(clippy::print_stderr, reason = "diagnostics of a console program")]

mod routes;
mod smoke;
#[path = "../support/mod.rs"]
mod support;
mod world;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use actix::clock::timeout;
use actix_web::{App, HttpServer, web};
use actix_zmq::observability::Metrics;
use actix_zmq::prelude::*;
use actix_zmq::web::{Dashboard, Health, Intake, Reason, Serve, drop_stalled};
use clap::Parser;
use metrics_exporter_prometheus::PrometheusBuilder;
use support::{Outcome, print};
use tokio::sync::Notify;
use world::World;

/// A web service in front of ZeroMQ, with a page to try it on
#[derive(Parser)]
struct Args {
    /// The port of the web server, on this machine alone; 0 for any that is free
    #[arg(long, default_value = "0")]
    port: u16,
    /// Where else divisions are served, such as by examples/python/server.py
    #[arg(long, value_name = "ENDPOINT")]
    connect: Vec<String>,
    /// Do by itself what a person would do on the page, and end
    #[arg(long)]
    smoke: bool,
}

#[actix::main]
async fn main() -> Outcome<ExitCode> {
    let args = Args::parse();
    // Before the first report.
    let prometheus = web::Data::new(PrometheusBuilder::new().install_recorder()?);
    let zmq = Factory::builder().linger(Duration::from_millis(500)).start();
    let world = web::Data::new(World::open(&zmq, &args.connect).await?);

    let serve = Serve::new(zmq.clone()).http(Duration::from_secs(10));
    let ending = web::Data::new(serve.ending());
    let health = Health::of(zmq.clone()).needs_peers("caller").until(serve.ending());
    let metrics = web::Data::new(Metrics::of(&zmq));
    let dashboard = Dashboard::start(zmq).title("actix-zmq demo");
    let jobs = Intake::push("/jobs", world.jobs.clone()).limit(1024).acks(true);
    let prices = world.prices.clone();
    // Neither would end by itself.
    let serve = serve.ends({
        let (jobs, prices) = (jobs.clone(), prices.clone());
        move || {
            jobs.end();
            prices.end();
        }
    });

    let server = HttpServer::new(move || {
        App::new()
            .app_data(world.clone())
            .app_data(ending.clone())
            .app_data(metrics.clone())
            .app_data(prometheus.clone())
            .service(prices.at("/prices"))
            .service(jobs.clone())
            .service(health.clone())
            .service(dashboard.clone())
            .configure(routes::configure)
    });
    let server = server.workers(2).on_connect(drop_stalled(Duration::from_secs(15)));
    let server = match server.bind(("127.0.0.1", args.port)) {
        Ok(server) => server,
        Err(error) => {
            eprintln!("port {}: {error}", args.port);
            return Ok(ExitCode::FAILURE);
        }
    };
    let address = server.addrs().first().copied().ok_or("no address")?;
    print(&format!("ready http://{address}/"))?;

    let served = actix::spawn(serve.run(server));
    let smoked = if args.smoke { smoke::all(address, args.connect.len()).await } else { Ok(()) };
    if let Err(error) = &smoked {
        eprintln!("FAILED {error}");
        return Ok(ExitCode::FAILURE);
    }
    let report = served.await??;
    print(report.to_string().trim_end())?;
    if report.reason == Reason::Asked && !args.smoke {
        last_words(address, report.to_string()).await?;
    }
    if args.smoke && !report.is_clean() {
        eprintln!("FAILED not a clean end");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// For the page that asked for the end: the report, once, where the server was.
async fn last_words(address: SocketAddr, report: String) -> Outcome {
    let told = Arc::new(Notify::new());
    let tell = Arc::clone(&told);
    let server = HttpServer::new(move || {
        let (report, tell) = (report.clone(), Arc::clone(&tell));
        let say = move || {
            tell.notify_one();
            std::future::ready(report.clone())
        };
        App::new().route("/demo/report", web::get().to(say))
    });
    let server = server.workers(1).disable_signals().bind(address)?.run();
    let handle = server.handle();
    actix::spawn(server);
    // Nobody may have waited for it.
    let _ = timeout(Duration::from_secs(3), told.notified()).await;
    handle.stop(true).await;
    Ok(())
}
