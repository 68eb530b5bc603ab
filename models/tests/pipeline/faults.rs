//! Endpoints that misbehave: each way has its end, in bounded time, with the key nowhere.

use std::time::{Duration, Instant};

use crate::ended::Ended;
use crate::endpoint::{Act, Endpoint};
use crate::run::{CANARY, Run};

/// One conversation of one turn without a judge: four calls.
const ONE: &str = "trees --conversations 1 --rounds 1 --no-judge --json --set trees.attempts=1 --set provider.attempts=4 \
    --set provider.first_pause_ms=5 --set provider.idle_timeout_s=1 --set provider.call_timeout_s=3 --set provider.max_body_mib=1";

fn one(endpoint: &Endpoint) -> (Run, Ended) {
    let run = Run::with_personas(1);
    let ended = run.aloe(&format!("{ONE} --provider {}", endpoint.spec()));
    (run, ended)
}

/// Goes on after these acts, with so many requests in all.
#[track_caller]
fn goes_on_after(acts: Vec<Act>) -> Duration {
    let started = Instant::now();
    let count = acts.iter().filter(|act| !matches!(act, Act::Answer)).count();
    let endpoint = Endpoint::with(acts);
    let (run, ended) = one(&endpoint);
    assert_eq!(ended.succeeded().json()["trees"], 1);
    assert_eq!(endpoint.requests().len(), 4 + count);
    assert_eq!(run.lines("calls.jsonl").len(), 4);
    started.elapsed()
}

#[test]
fn a_server_that_is_busy_or_broken_for_a_while_is_asked_again() {
    goes_on_after(vec![Act::Status("429 Too Many Requests", ""), Act::Status("500 Internal Server Error", "")]);
    goes_on_after(vec![Act::Status("503 Service Unavailable", ""), Act::Answer, Act::Status("502 Bad Gateway", "")]);
}

#[test]
fn the_time_that_a_server_asks_for_is_kept() {
    let waited = goes_on_after(vec![Act::Status("429 Too Many Requests", "retry-after: 1\r\n")]);
    assert!(waited >= Duration::from_secs(1), "{waited:?}");
    let waited = goes_on_after(vec![Act::Status("429 Too Many Requests", "retry-after-ms: 300\r\n")]);
    assert!(waited >= Duration::from_millis(300), "{waited:?}");
}

#[test]
fn an_answer_that_broke_off_or_is_no_answer_is_asked_for_again() {
    goes_on_after(vec![Act::Cut, Act::Body("<html>busy</html>".into()), Act::Body("{\"choices\": [".into())]);
    let null = r#"{"choices": [{"message": {"content": null}}]}"#;
    goes_on_after(vec![Act::Body(r#"{"choices": []}"#.into()), Act::Body(null.into())]);
}

#[test]
fn silence_and_a_trickle_end_in_bounded_time() {
    assert!(goes_on_after(vec![Act::Stall]) < Duration::from_secs(20));
    assert!(goes_on_after(vec![Act::Drip]) < Duration::from_secs(20));
}

#[test]
fn a_body_without_end_is_given_up_at_its_limit() {
    for act in [Act::Giant, Act::Flood] {
        let started = Instant::now();
        let endpoint = Endpoint::with(vec![act]);
        let (run, ended) = one(&endpoint);
        assert_eq!(ended.succeeded().json()["trees"], 0);
        let rejected = &run.lines("trees/rejected.jsonl")[0]["rejection"];
        assert_eq!(rejected["check"], "call");
        assert!(rejected["reason"].as_str().expect("words").contains("larger than 1 MiB"), "{rejected}");
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}

#[test]
fn a_refused_key_an_unknown_model_and_a_redirect_end_the_run_at_once() {
    for (status, headers, words) in [
        ("401 Unauthorized", "", "refuses the key"),
        ("403 Forbidden", "", "refuses the key"),
        ("404 Not Found", "", "does not know"),
        ("302 Found", "location: http://127.0.0.1:9/other\r\n", "redirects"),
    ] {
        let endpoint = Endpoint::start(move |_, _| Act::Status(status, headers));
        let (_, ended) = one(&endpoint);
        ended.failed_with(words);
        assert_eq!(endpoint.requests().len(), 1, "{status}");
    }
}

#[test]
fn a_key_goes_to_its_own_host_alone() {
    let endpoint = Endpoint::with(Vec::new());
    let (_, ended) = one(&endpoint);
    ended.succeeded();
    assert!(endpoint.requests().iter().all(|r| r.key.as_deref() == Some(&format!("Bearer {CANARY}"))));
    let by_name = Endpoint::with(Vec::new());
    let run = Run::with_personas(1);
    run.aloe(&format!("{ONE} --provider http:gpt@http://localhost:{}/v1", by_name.port)).succeeded();
    assert!(by_name.requests().iter().all(|r| r.key.as_deref() == Some("Bearer sk-of-another-host")));
    for bad in ["http:gpt@http://hub.example/v1", "http:gpt@https://user:canary@hub.example/v1"] {
        let run = Run::with_personas(1);
        let ended = run.aloe(&format!("{ONE} --provider {bad}")).failed_with("is not an address");
        assert!(!ended.stderr.contains("canary"), "{ended:?}");
    }
}

#[test]
fn a_conversation_whose_answer_is_withheld_or_cut_is_kept_with_its_reason() {
    for (reason, words) in [("content_filter", "content filter"), ("length", "greatest length")] {
        let endpoint = Endpoint::start(move |number, _| if number == 0 { Act::Answer } else { Act::Finish(reason) });
        let (run, ended) = one(&endpoint);
        assert_eq!(ended.succeeded().json()["this_time"]["given_up"], 1);
        let rejected = &run.lines("trees/rejected.jsonl")[0];
        assert!(rejected["rejection"]["reason"].as_str().expect("words").contains(words), "{rejected}");
        assert_eq!(rejected["tree"]["nodes"].as_array().expect("a list").len(), 0, "a turn is added whole");
    }
}

#[test]
fn a_verdict_in_prose_is_no_verdict() {
    for said in ["The second one!", "N/A", "", "false", "NaN", "11/10", "{\"better\": \"both\"}"] {
        let said = said.to_owned();
        let endpoint = Endpoint::start(move |_, request| match request.form().as_str() {
            "verdict" => Act::Say(said.clone()),
            _ => Act::Answer,
        });
        let run = Run::with_personas(1);
        run.aloe(&format!("trees --conversations 1 --rounds 1 --provider {}", endpoint.spec())).succeeded();
        let node = &run.lines("trees/trees.jsonl")[0]["nodes"][0];
        assert_eq!((&node["verdict"]["hint_first"], &node["swapped"]), (&"unscored".into(), &false.into()));
    }
}

#[test]
fn a_server_without_structured_outputs_is_asked_without_them() {
    let endpoint = Endpoint::start(|_, request| match request.form().as_str() {
        "" => match String::from_utf8_lossy(&request.body).contains("Description:") {
            true => Act::Say("{\"profile\": null, \"personality\": null}".to_owned()),
            false => Act::Answer,
        },
        _ => Act::Status("400 Bad Request", ""),
    });
    let (run, ended) = one(&endpoint);
    ended.succeeded();
    assert_eq!(run.lines("trees/trees.jsonl")[0]["nodes"][0]["induced"]["profile"], serde_json::Value::Null);
}

#[test]
fn when_too_much_fails_the_run_stops_early_and_goes_on_later() {
    let broken = Endpoint::start(|number, _| match number {
        0..40 => Act::Answer,
        _ => Act::Status("500 Internal Server Error", ""),
    });
    let run = Run::with_personas(30);
    let line = "trees --conversations 200 --rounds 2 --no-judge --json --set provider.attempts=2 \
        --set provider.first_pause_ms=1 --set provider.failure_window=10 --provider";
    run.aloe(&format!("{line} {}", broken.spec())).failed_with("of the last 10 calls failed");
    assert!(broken.requests().len() < 200, "{} requests", broken.requests().len());
    let kept = run.lines("calls.jsonl").len();
    assert!(kept >= 30, "{kept}");
}

#[test]
fn a_server_that_is_gone_leaves_its_calls_to_the_other() {
    let endpoint = Endpoint::with(Vec::new());
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("bound").port()
    };
    let run = Run::with_personas(3);
    let spec = format!("http:gpt@http://127.0.0.1:{gone}/v1,http://127.0.0.1:{}/v1", endpoint.port);
    let line = "trees --conversations 6 --rounds 2 --json --set provider.first_pause_ms=20 --provider";
    let ended = run.aloe(&format!("{line} {spec}")).succeeded();
    assert_eq!(ended.json()["trees"], 6);
}
