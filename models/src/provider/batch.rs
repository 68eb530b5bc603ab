//! The provider's batch API: half the price for answers within a day.
//!
//! Calls wait until nobody adds more, then go up together as one file. A batch is written down before it is sent, under
//! a name that goes along with it, and again when the server has named it. So a run that was killed goes on waiting for
//! what it sent, also when it was killed in the middle of sending, and pays nothing twice.

mod exchange;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::exchange::{Exchange, State};
use super::http::{HttpParams, Sender, body_of};
use super::journal::request_hash;
use super::{Answer, Call, Provider};
use crate::error::{CallFault, Error, Result};
use crate::preset::ProviderNumbers;
use crate::run_dir::{AppendLog, read_lines};

/// Questions for a batch's state that may fail in a row; the batch itself is not lost by that.
const MOST_FAILURES: u32 = 20;

type Answered = Result<Answer, CallFault>;

/// A batch under way: which requests it holds.
#[derive(Debug, Clone)]
struct Sent {
    batch: String,
    requests: Vec<String>,
}

/// A line of the log of batches.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// These requests are about to be sent under this name.
    Sending { name: String, requests: Vec<String> },
    /// The server has them as this batch.
    Sent { name: String, batch: String },
}

/// A model behind a batch API.
pub(super) struct Batch {
    model: String,
    exchange: Arc<Exchange>,
    shared: Arc<Shared>,
    numbers: ProviderNumbers,
}

struct Shared {
    desk: Mutex<Desk>,
    changed: Condvar,
    /// Batches that were sent, for a run that goes on after a kill; and the lines of it.
    sent: Mutex<(AppendLog, usize)>,
}

#[derive(Default)]
struct Desk {
    /// Requests that wait to be sent: hash → body.
    waiting: Vec<(String, Value)>,
    newest: Option<Instant>,
    answers: HashMap<String, Answered>,
    /// Requests that are in a batch.
    under_way: HashMap<String, String>,
}

impl Batch {
    /// A batch API at the first address; batches sent by an earlier process are waited for again.
    pub(super) fn open(params: HttpParams, sent: &Path) -> Result<Self> {
        let HttpParams { model, addresses, numbers } = params;
        let earlier: Vec<Line> = read_lines(sent)?;
        let (address, key) = addresses.into_iter().next().ok_or_else(|| Error::internal("no address"))?;
        // The answers of thousands of calls come down as one file.
        let roomy = ProviderNumbers { max_body_mib: numbers.max_body_mib.max(1024), ..numbers.clone() };
        let exchange = Arc::new(Exchange::new(Sender::new(&roomy), address, key));
        let log = AppendLog::open(sent)?;
        let sent = Mutex::new((log, earlier.len()));
        let shared = Arc::new(Shared { desk: Mutex::default(), changed: Condvar::new(), sent });
        for batch in under_way(earlier, &exchange)? {
            shared.watch(&exchange, &batch, Duration::from_secs(numbers.batch_poll_s));
        }
        Ok(Self { model, exchange, shared, numbers })
    }

    /// Sends what waits, once nobody has added to it for a while or it is full.
    fn send_if_due(&self, desk: &mut MutexGuard<'_, Desk>) -> Result<(), CallFault> {
        let linger = Duration::from_secs(self.numbers.batch_linger_s);
        let due = desk.newest.is_some_and(|newest| newest.elapsed() >= linger);
        if desk.waiting.is_empty() || !(due || desk.waiting.len() >= self.numbers.batch_max_calls) {
            return Ok(());
        }
        let requests = std::mem::take(&mut desk.waiting);
        desk.newest = None;
        let names: Vec<String> = requests.iter().map(|(request, _)| request.clone()).collect();
        match self.send(&requests, &names) {
            Ok(sent) => {
                desk.under_way.extend(names.into_iter().map(|request| (request, sent.batch.clone())));
                let (shared, exchange) = (Arc::clone(&self.shared), Arc::clone(&self.exchange));
                let poll = Duration::from_secs(self.numbers.batch_poll_s);
                std::thread::spawn(move || shared.wait_for(&exchange, &sent, poll));
                Ok(())
            }
            Err(fault) => {
                desk.answers.extend(names.into_iter().map(|request| (request, Err(fault.clone()))));
                self.shared.changed.notify_all();
                Err(fault)
            }
        }
    }
}

impl Batch {
    fn send(&self, requests: &[(String, Value)], names: &[String]) -> Result<Sent, CallFault> {
        let mut sent = self.shared.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let (log, lines) = &mut *sent;
        let hash = blake3::hash(names.concat().as_bytes()).to_hex();
        let name = format!("{}-{lines}", &hash[..24]);
        let unwritten = |_| CallFault::Batch("not written down".to_owned());
        log.append(&Line::Sending { name: name.clone(), requests: names.to_vec() }).map_err(unwritten)?;
        let batch = self.exchange.submit(&name, requests)?;
        log.append(&Line::Sent { name, batch: batch.clone() }).map_err(unwritten)?;
        *lines += 2;
        Ok(Sent { batch, requests: names.to_vec() })
    }
}

/// The batches of an earlier process; one that it was sending when it was killed is looked for at the server.
fn under_way(lines: Vec<Line>, exchange: &Exchange) -> Result<Vec<Sent>> {
    let mut sending: HashMap<String, Vec<String>> = HashMap::new();
    let mut sent = Vec::new();
    for line in lines {
        match line {
            Line::Sending { name, requests } => {
                sending.insert(name, requests);
            }
            Line::Sent { name, batch } => {
                sent.extend(sending.remove(&name).map(|requests| Sent { batch, requests }));
            }
        }
    }
    for (name, requests) in sending {
        let found = exchange.find(&name).map_err(|fault| Error::Call { host: exchange.host(), fault })?;
        sent.extend(found.map(|batch| Sent { batch, requests }));
    }
    Ok(sent)
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(self: &Arc<Self>, exchange: &Arc<Exchange>, sent: &Sent, poll: Duration) {
        let under_way = sent.requests.iter().map(|request| (request.clone(), sent.batch.clone()));
        self.desk().under_way.extend(under_way);
        let (shared, exchange, sent) = (Arc::clone(self), Arc::clone(exchange), sent.clone());
        std::thread::spawn(move || shared.wait_for(&exchange, &sent, poll));
    }

    /// Asks for the batch's state until it has ended, then hands out its answers.
    fn wait_for(&self, exchange: &Exchange, sent: &Sent, poll: Duration) {
        let mut failures = 0;
        let outcome = loop {
            match exchange.state(&sent.batch) {
                Ok(State::Running) => {
                    failures = 0;
                    std::thread::sleep(poll);
                }
                Ok(State::Ended { output }) => break exchange.answers(&output),
                Ok(State::Failed(status)) => break Err(CallFault::Batch(status)),
                Err(fault) if fault.retryable() && failures < MOST_FAILURES => {
                    failures += 1;
                    std::thread::sleep(poll);
                }
                Err(fault) => break Err(fault),
            }
        };
        let mut desk = self.desk();
        for request in &sent.requests {
            let missing = || Err(CallFault::Batch("ended without this answer".to_owned()));
            let answer = match &outcome {
                Ok(answers) => answers.get(request).cloned().unwrap_or_else(missing),
                Err(fault) => Err(fault.clone()),
            };
            desk.under_way.remove(request);
            desk.answers.insert(request.clone(), answer);
        }
        self.changed.notify_all();
    }
}

impl Provider for Batch {
    fn kind(&self) -> &'static str {
        "batch"
    }

    fn model(&self) -> &str {
        &self.model
    }

    /// A conversation waits for a whole batch at each turn, so very many must go side by side.
    fn lanes(&self) -> usize {
        self.numbers.batch_max_calls.min(1000)
    }

    fn complete(&self, call: &Call<'_>) -> Result<Answer> {
        let request = request_hash(call);
        let failed = |fault| Error::Call { host: self.exchange.host(), fault };
        let mut desk = self.shared.desk();
        let known = desk.under_way.contains_key(&request) || desk.answers.contains_key(&request);
        if !known {
            desk.waiting.push((request.clone(), body_of(&self.model, call, call.schema.is_some())));
            desk.newest = Some(Instant::now());
        }
        loop {
            if let Some(answer) = desk.answers.remove(&request) {
                return answer.map(|answer| Answer { model: self.model.clone(), ..answer }).map_err(failed);
            }
            self.send_if_due(&mut desk).map_err(failed)?;
            let waited = self.shared.changed.wait_timeout(desk, Duration::from_millis(200));
            desk = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
