//! The page for people, as far as it is known without a browser.

use actix_web::web;
use actix_web::web::ServiceConfig;
use actix_zmq::prelude::*;
use actix_zmq::web::Dashboard;
use serde_json::{Value, json};

use crate::deadline::{eventually_some, within};
use crate::http::{Server, serve};
use crate::{finish, inproc, ms, open};

fn serve_page(zmq: &Addr<Factory>) -> Server {
    let page = Dashboard::start(zmq.clone()).title("tests");
    serve(move |config: &mut ServiceConfig| {
        config.service(page.clone()).service(web::scope("/deeper").service(page.clone()));
    })
}

#[actix::test]
async fn page_style_and_script_come_from_here_and_name_nobody_else() {
    within(async {
        let zmq = Factory::builder().start();
        let server = serve_page(&zmq);
        for base in ["", "/deeper"] {
            for (path, content_type) in [
                ("/zmq", "text/html"),
                ("/zmq/page.css", "text/css"),
                ("/zmq/page.js", "text/javascript"),
            ] {
                let response = server.get(&format!("{base}{path}")).await;
                assert_eq!(response.status, 200, "{response:?}");
                assert_eq!(
                    response.header("content-type"),
                    Some(&*format!("{content_type}; charset=utf-8"))
                );
                let policy = response.header("content-security-policy").unwrap();
                assert!(policy.starts_with("default-src 'self';"), "{policy}");
                for foreign in ["http:", "https:", "=\"//", "@import", "eval(", "innerHTML"] {
                    assert!(!response.body.contains(foreign), "{foreign} in {path}");
                }
            }
        }
        server.stop().await;
        finish(zmq).await;
    })
    .await;
}

#[actix::test]
async fn what_is_live_is_the_status_and_the_events_since() {
    within(async {
        let zmq = Factory::builder().start();
        let server = serve_page(&zmq);
        let quickly = RestartPolicy::default().initial(ms(1));
        let jobs = PushSocket::bind(inproc()).name("jobs").restart(quickly);
        let jobs = open(&zmq, jobs).await;
        jobs.send(Restart).await.unwrap().unwrap();

        let live = async |after: u64| server.get(&format!("/zmq/live?after={after}")).await.json();
        let texts = |live: &Value| -> Vec<String> {
            let events = live["events"].as_array().unwrap();
            events.iter().map(|event| event["text"].as_str().unwrap().to_owned()).collect()
        };
        let told = eventually_some("it is up again", async || {
            let live = live(0).await;
            let ups =
                texts(&live).iter().filter(|text| text.starts_with("up at inproc://")).count();
            // The status is a moment older than the events.
            let is_up = live["sockets"][0]["state"] == "up";
            (ups == 2 && is_up).then_some(live)
        })
        .await;
        assert_eq!(told["title"], "tests");
        assert_eq!(told["sockets"][0]["name"], "jobs");
        assert_eq!(told["sockets"][0]["restarts"], 1);
        let events = told["events"].as_array().unwrap();
        let down = events.iter().find(|event| event["text"].as_str().unwrap().starts_with("down"));
        let down = down.unwrap();
        assert_eq!((&down["tone"], &down["type"]), (&json!("bad"), &json!("PUSH")));
        assert!(down["at_ms"].as_u64().unwrap() <= told["now_ms"].as_u64().unwrap());

        // Only what is new, and all of it after the program has begun anew.
        let last = told["last_event"].as_u64().unwrap();
        assert_eq!(events.last().unwrap()["number"], last);
        assert_eq!(texts(&live(last).await), Vec::<String>::new());
        assert_eq!(texts(&live(last - 1).await).len(), 1);
        assert_eq!(texts(&live(last + 1).await), texts(&told));
        assert_eq!(server.get("/zmq/live?after=x").await.status, 400);

        finish(zmq).await;
        let ended = server.get("/zmq/live").await;
        assert_eq!((ended.status, &ended.json()["status"]), (200, &Value::Null));
        server.stop().await;
    })
    .await;
}
