//! What a person would do on the page, done through HTTP.

#![allow(clippy::indexing_slicing, reason = "what a JSON value does not have is Null")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use actix::clock::{sleep, timeout};
use awc::Client;
use futures::StreamExt;
use futures::stream::iter;
use serde_json::{Value, json};

use crate::support::{Outcome, print};
use crate::world::TICKS_QUEUED;

/// How long each part may take.
const PATIENCE: Duration = Duration::from_secs(20);
const JOBS: u64 = 1_000;

pub(crate) async fn all(at: SocketAddr, others: usize) -> Outcome {
    let demo = Demo { http: Client::builder().timeout(PATIENCE).finish(), at };
    demo.pages().await?;
    demo.divisions().await?;
    demo.others(others).await?;
    demo.prices().await?;
    demo.jobs().await?;
    demo.kills().await?;
    demo.slow_subscriber().await?;
    demo.metrics().await?;
    demo.post("/demo/end", &Value::Null).await?;
    print("ok   the end is asked for")?;
    Ok(())
}

struct Demo {
    http: Client,
    at: SocketAddr,
}

impl Demo {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.at)
    }

    /// A text, of an answer that must be 200.
    async fn get(&self, path: &str) -> Outcome<String> {
        let mut answer = self.http.get(self.url(path)).send().await?;
        let body = answer.body().limit(10_000_000).await?;
        let text = String::from_utf8_lossy(&body).into_owned();
        if answer.status() != 200 {
            return Err(format!("GET {path}: {}: {text}", answer.status()).into());
        }
        Ok(text)
    }

    async fn json(&self, path: &str) -> Outcome<Value> {
        Ok(serde_json::from_str(&self.get(path).await?)?)
    }

    async fn post(&self, path: &str, body: &Value) -> Outcome<(u16, Value)> {
        let mut answer = self.http.post(self.url(path)).send_json(body).await?;
        let told = answer.body().await?;
        let told = if told.is_empty() { Value::Null } else { serde_json::from_slice(&told)? };
        Ok((answer.status().as_u16(), told))
    }

    /// A socket's status, by its name.
    async fn socket(&self, name: &str) -> Outcome<Option<Value>> {
        let mut status = self.json("/zmq/status").await?;
        let sockets = status["sockets"].as_array_mut().ok_or("no sockets")?;
        Ok(sockets.iter().find(|socket| socket["name"] == name).cloned())
    }

    async fn pages(&self) -> Outcome {
        for path in ["/", "/demo.css", "/demo.js", "/zmq", "/zmq/page.css", "/zmq/page.js"] {
            self.get(path).await?;
        }
        self.get("/healthz").await?;
        until("it is ready", async || Ok(self.get("/readyz").await.is_ok())).await?;
        print("ok   pages, health and readiness")?;
        Ok(())
    }

    async fn divisions(&self) -> Outcome {
        let divide = json!({ "dividend": 84.0, "divisor": 2.0 });
        let (status, told) = self.post("/demo/divide", &divide).await?;
        check(status == 200 && told["quotient"] == 42.0, "84 / 2", &told)?;
        let by_zero = json!({ "dividend": 1.0, "divisor": 0.0 });
        let (status, refused) = self.post("/demo/divide", &by_zero).await?;
        check(status == 422 && refused["detail"].is_string(), "1 / 0", &refused)?;
        let took = told["took_ms"].as_f64().unwrap_or_default();
        print(&format!("ok   84 / 2 = 42 in {took:.2} ms, 1 / 0 is refused"))?;
        Ok(())
    }

    /// Who answers: several workers, and services that joined.
    async fn others(&self, number: usize) -> Outcome {
        let mut all = Vec::new();
        until("all that serve have answered", async || {
            let names = self.json("/demo/who").await?;
            let names = names.as_object().ok_or("no names")?;
            all = names.keys().cloned().collect();
            let workers = all.iter().filter(|name| name.starts_with("worker ")).count();
            Ok(workers >= 2 && all.len() - workers >= number)
        })
        .await?;
        all.retain(|name| !name.starts_with("worker "));
        let among = if all.is_empty() { "" } else { &format!(", {} among them", all.join(", ")) };
        print(&format!("ok   several workers answer{among}"))?;
        Ok(())
    }

    /// Three events, and those after them on another connection.
    async fn prices(&self) -> Outcome {
        let first = self.events(None, 3).await?;
        let last = first.last().ok_or("no events")?;
        let more = self.events(Some(last), 3).await?;
        let number = |id: &str| id.rsplit_once('-').and_then(|(_, n)| n.parse::<u64>().ok());
        let numbers: Vec<_> = first.iter().chain(&more).filter_map(|id| number(id)).collect();
        let in_order = numbers.windows(2).all(|pair| matches!(pair, [a, b] if a + 1 == *b));
        check(numbers.len() == 6 && in_order, "prices without a gap", &numbers)?;
        print("ok   prices, and again from where they were left")?;
        Ok(())
    }

    /// The ids of so many events.
    async fn events(&self, after: Option<&str>, number: usize) -> Outcome<Vec<String>> {
        let mut request = self.http.get(self.url("/prices?topic=price."));
        if let Some(id) = after {
            request = request.insert_header(("last-event-id", id));
        }
        let mut answer = request.send().await?;
        let mut text = String::new();
        loop {
            let chunk = timeout(PATIENCE, answer.next()).await?.ok_or("the stream ended")??;
            text.push_str(&String::from_utf8_lossy(&chunk));
            let (whole, _) = text.rsplit_once("\n\n").unwrap_or_default();
            let events = whole.split("\n\n").filter(|event| event.contains("data:"));
            let id = |event: &str| {
                event
                    .lines()
                    .find_map(|line| line.strip_prefix("id:"))
                    .map(str::trim)
                    .map(str::to_owned)
            };
            let ids: Vec<String> = events.filter_map(id).take(number).collect();
            if ids.len() == number {
                return Ok(ids);
            }
        }
    }

    async fn jobs(&self) -> Outcome {
        let before = self.gauge("jobs_done").await?;
        let began = Instant::now();
        let pushed = iter(1..=JOBS).map(async |number| {
            let body = json!({ "number": number });
            let answer = self.http.post(self.url("/jobs")).send_json(&body).await;
            answer.is_ok_and(|answer| answer.status() == 202)
        });
        let accepted =
            pushed.buffer_unordered(16).filter(|ok| std::future::ready(*ok)).count().await;
        check(accepted as u64 == JOBS, "all jobs accepted", &accepted)?;
        until("all jobs are done", async || Ok(self.gauge("jobs_done").await? - before == JOBS))
            .await?;
        print(&format!("ok   {JOBS} jobs done in {:.1?}", began.elapsed()))?;
        Ok(())
    }

    async fn gauge(&self, name: &str) -> Outcome<u64> {
        Ok(self.json("/demo/state").await?[name].as_u64().ok_or("no such gauge")?)
    }

    async fn kills(&self) -> Outcome {
        let state = self.json("/demo/state").await?;
        for name in state["sockets"].as_array().ok_or("no sockets")? {
            let name = name.as_str().ok_or("no name")?;
            let restarts = |socket: &Value| socket["restarts"].as_u64();
            let before = self.socket(name).await?.as_ref().and_then(restarts);
            let path = format!("/demo/kill/{}", name.replace(' ', "%20"));
            let (status, told) = self.post(&path, &Value::Null).await?;
            check(status == 202, name, &told)?;
            until(&format!("{name} is up again"), async || {
                let Some(socket) = self.socket(name).await? else { return Ok(false) };
                Ok(restarts(&socket) > before && socket["state"] == "up")
            })
            .await?;
        }
        let divide = json!({ "dividend": 84.0, "divisor": 2.0 });
        let (status, told) = self.post("/demo/divide", &divide).await?;
        check(status == 200, "84 / 2 after all that", &told)?;
        print("ok   every socket was killed, and came back")?;
        Ok(())
    }

    async fn metrics(&self) -> Outcome {
        let text = self.get("/metrics").await?;
        for name in ["messaging_client_operation_duration", "zmq_socket_restarts"] {
            check(text.contains(name), name, &text)?;
        }
        print(&format!("ok   {} lines of metrics", text.lines().count()))?;
        Ok(())
    }

    async fn slow_subscriber(&self) -> Outcome {
        let queued = async || -> Outcome<u64> {
            let socket = self.socket("ticks: publisher").await?;
            Ok(socket.and_then(|socket| socket["queued"].as_u64()).unwrap_or(0))
        };
        self.post("/demo/slow", &json!({ "ms": 100 })).await?;
        until("the queue is full", async || Ok(queued().await? >= TICKS_QUEUED as u64)).await?;
        self.post("/demo/slow", &json!({ "ms": 0 })).await?;
        until("the queue is empty", async || Ok(queued().await? == 0)).await?;
        let (sent, read) = (self.gauge("ticks_sent").await?, self.gauge("ticks_read").await?);
        print(&format!(
            "ok   a slow subscriber: {sent} ticks sent, {read} read, the queue bounded"
        ))?;
        Ok(())
    }
}

fn check(holds: bool, what: &str, told: &impl std::fmt::Debug) -> Outcome {
    if holds { Ok(()) } else { Err(format!("{what}: {told:?}").into()) }
}

/// Looks until it holds.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> Outcome<bool>) -> Outcome {
    let looked = timeout(PATIENCE, async {
        while !holds().await? {
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    });
    looked.await.unwrap_or_else(|_| Err(format!("never: {what}").into()))
}
