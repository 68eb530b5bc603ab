//! What is said to a batch API: a file goes up, a batch is begun, its state is asked, its answers come down.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Answered;
use crate::error::CallFault;
use crate::provider::http::{Sender, read_completion};
use crate::settings::Token;
use crate::source::address::Address;

/// Separates the parts of the upload; no JSON line holds it, since lines begin with a brace.
const BOUNDARY: &str = "aloekit-batch-boundary-7c1f0c5e";

/// A batch API.
pub(super) struct Exchange {
    sender: Sender,
    address: Address,
    key: Option<Token>,
}

/// How a batch stands.
pub(super) enum State {
    Running,
    Ended { output: String },
    Failed(String),
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

#[derive(Deserialize)]
struct List {
    data: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
    #[serde(default)]
    metadata: Option<Value>,
}

#[derive(Deserialize)]
struct Status {
    status: String,
    #[serde(default)]
    output_file_id: Option<String>,
}

#[derive(Deserialize)]
struct Line {
    custom_id: String,
    #[serde(default)]
    response: Option<Response>,
}

#[derive(Deserialize)]
struct Response {
    status_code: u16,
    body: Value,
}

impl Exchange {
    pub(super) fn new(sender: Sender, address: Address, key: Option<Token>) -> Self {
        Self { sender, address, key }
    }

    pub(super) fn host(&self) -> String {
        self.address.host()
    }

    /// Sends these requests under a name of ours; answers with the server's.
    pub(super) fn submit(&self, name: &str, requests: &[(String, Value)]) -> Result<String, CallFault> {
        let lines: String = requests
            .iter()
            .map(|(request, body)| {
                let line =
                    json!({ "custom_id": request, "method": "POST", "url": "/v1/chat/completions", "body": body });
                format!("{line}\n")
            })
            .collect();
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let file: Named = self.ask("/files", Some((&kind, upload(&lines))))?;
        let begin = json!({
            "input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "24h",
            "metadata": { "aloekit": name },
        });
        let batch: Named = self.ask("/batches", Some(("application/json", begin.to_string().into_bytes())))?;
        Ok(batch.id)
    }

    /// The batch that was begun under a name of ours, among the server's newest.
    pub(super) fn find(&self, name: &str) -> Result<Option<String>, CallFault> {
        let list: List = self.ask("/batches?limit=100", None)?;
        let ours = |batch: &Listed| batch.metadata.as_ref().is_some_and(|data| data["aloekit"] == name);
        Ok(list.data.into_iter().find(ours).map(|batch| batch.id))
    }

    pub(super) fn state(&self, batch: &str) -> Result<State, CallFault> {
        let status: Status = self.ask(&format!("/batches/{}", plain(batch)?), None)?;
        Ok(match (status.status.as_str(), status.output_file_id) {
            ("completed" | "expired" | "cancelled", Some(output)) => State::Ended { output },
            ("completed" | "expired" | "cancelled" | "failed", _) => State::Failed(status.status),
            _ => State::Running,
        })
    }

    /// Answers by request; a request that failed has its fault.
    pub(super) fn answers(&self, output: &str) -> Result<HashMap<String, Answered>, CallFault> {
        let path = format!("/files/{}/content", plain(output)?);
        let reply = self.sender.send(&self.address, self.key.as_ref(), &path, None)?;
        let lines = reply.body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        lines
            .map(|line| {
                let line: Line = serde_json::from_slice(line).map_err(|_| CallFault::Malformed("a line of a batch"))?;
                Ok((line.custom_id, answer(line.response)))
            })
            .collect()
    }

    fn ask<T: for<'de> Deserialize<'de>>(&self, path: &str, body: Option<(&str, Vec<u8>)>) -> Result<T, CallFault> {
        let reply = self.sender.send(&self.address, self.key.as_ref(), path, body)?;
        serde_json::from_slice(&reply.body).map_err(|_| CallFault::Malformed("no batch"))
    }
}

fn answer(response: Option<Response>) -> Answered {
    let response = response.ok_or_else(|| CallFault::Batch("failed for this request".to_owned()))?;
    if response.status_code != 200 {
        return Err(CallFault::Status { status: response.status_code, retry_after_ms: None });
    }
    read_completion(response.body.to_string().as_bytes())
}

/// A name goes into a path, and it comes from the server.
fn plain(name: &str) -> Result<&str, CallFault> {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if plain { Ok(name) } else { Err(CallFault::Malformed("a name that is none")) }
}

fn upload(lines: &str) -> Vec<u8> {
    format!(
        "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
         --{BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"calls.jsonl\"\r\n\
         content-type: application/jsonl\r\n\r\n{lines}\r\n--{BOUNDARY}--\r\n"
    )
    .into_bytes()
}
