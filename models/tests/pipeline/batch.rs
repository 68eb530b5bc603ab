//! The batch API: calls go up as one file, and a killed run waits for the batch that it had sent.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::endpoint::{Request, answer, completion, send};
use crate::run::Run;

#[derive(Default)]
struct Api {
    /// Uploaded files, one a batch.
    files: Vec<String>,
    /// What the batches are called: name of the server, name that came along.
    named: Vec<(String, Value)>,
    polls: usize,
}

/// A batch API whose batches end after some questions for their state.
fn start(polls_until_done: usize) -> (u16, Arc<Mutex<Api>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let api = Arc::new(Mutex::new(Api::default()));
    let shared = Arc::clone(&api);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut api = shared.lock().expect("not poisoned");
            serve(&mut api, stream, polls_until_done);
        }
    });
    (port, api)
}

fn serve(api: &mut Api, mut stream: TcpStream, polls_until_done: usize) {
    let mut reader = BufReader::new(stream.try_clone().expect("cloned"));
    let (mut line, mut len) = (String::new(), 0);
    reader.read_line(&mut line).expect("read");
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).expect("read");
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        if name.eq_ignore_ascii_case("content-length") {
            len = value.parse().expect("a number");
        }
    }
    let mut body = vec![0; len];
    reader.read_exact(&mut body).expect("read");
    let reply = match path.trim_start_matches("/v1/").split('/').collect::<Vec<_>>()[..] {
        ["files"] => {
            api.files.push(String::from_utf8(body).expect("UTF-8"));
            json!({ "id": format!("file-{}", api.files.len() - 1) }).to_string()
        }
        ["batches?limit=100"] => {
            let listed: Vec<_> = api.named.iter().map(|(id, data)| json!({ "id": id, "metadata": data })).collect();
            json!({ "data": listed }).to_string()
        }
        ["batches"] => {
            let asked: Value = serde_json::from_slice(&body).expect("JSON");
            let file = asked["input_file_id"].as_str().expect("a name").trim_start_matches("file-");
            api.named.push((format!("batch-{file}"), asked["metadata"].clone()));
            json!({ "id": format!("batch-{file}"), "status": "validating" }).to_string()
        }
        ["batches", batch] => {
            api.polls += 1;
            let done = api.polls % (polls_until_done + 1) == polls_until_done;
            let output = format!("out-{}", batch.trim_start_matches("batch-"));
            match done {
                true => json!({ "status": "completed", "output_file_id": output }).to_string(),
                false => json!({ "status": "in_progress" }).to_string(),
            }
        }
        ["files", file, "content"] => {
            let number: usize = file.trim_start_matches("out-").parse().expect("a number");
            answers(&api.files[number])
        }
        _ => "{}".to_owned(),
    };
    send(&mut stream, "200 OK", "", &reply);
}

fn answers(file: &str) -> String {
    let lines = file.lines().filter(|line| line.starts_with('{'));
    lines
        .map(|line| {
            let line: Value = serde_json::from_str(line).expect("JSON");
            let request = Request { key: None, body: line["body"].to_string().into_bytes() };
            let body: Value = serde_json::from_str(&completion(&answer(&request), "stop")).expect("JSON");
            let response = json!({ "status_code": 200, "body": body });
            format!("{}\n", json!({ "custom_id": line["custom_id"], "response": response }))
        })
        .collect()
}

const LINE: &str = "trees --conversations 5 --rounds 1 --no-judge --json --set provider.batch_linger_s=0 \
    --set provider.batch_poll_s=0 --provider";

#[test]
fn calls_go_up_together() {
    let (port, api) = start(1);
    let run = Run::with_personas(5);
    let summary = run.aloe(&format!("{LINE} batch:gpt@http://127.0.0.1:{port}/v1")).succeeded().json();
    assert_eq!(summary["trees"], 5);
    let api = api.lock().expect("not poisoned");
    let calls: usize = api.files.iter().map(|file| file.matches("custom_id").count()).sum();
    assert_eq!(calls, 20);
}

#[test]
fn a_batch_that_was_sent_before_a_kill_is_waited_for_and_not_sent_again() {
    let (port, api) = start(40);
    let run = Run::with_personas(5);
    let line = format!("{LINE} batch:gpt@http://127.0.0.1:{port}/v1");
    let mut child = run.command(&line).spawn().expect("started");
    while api.lock().expect("not poisoned").polls < 3 {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    child.kill().expect("SIGKILL");
    child.wait().expect("ended");
    assert_eq!(run.aloe(&line).succeeded().json()["trees"], 5);
    let api = api.lock().expect("not poisoned");
    // A file that was uploaded and never became a batch costs nothing.
    let begun = api.named.iter().map(|(id, _)| id.trim_start_matches("batch-").parse::<usize>().expect("a number"));
    let ids: Vec<_> =
        begun.flat_map(|file| api.files[file].lines().filter_map(custom_id).collect::<Vec<_>>()).collect();
    let unique: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(ids.len(), unique.len(), "a request was sent twice");
}

fn custom_id(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    Some(line["custom_id"].as_str()?.to_owned())
}
