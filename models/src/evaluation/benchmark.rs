//! The ALOE benchmark's conversations: a simulated user talks with the candidate, a judge scores each reply.
//!
//! A case is kept whole when it ends; one that a kill cut short is played again, and what its calls were answered is in
//! the run's journal. A judge that answers badly leaves its reply unscored and never ends a run. A candidate without an
//! answer has said nothing, which the rubric knows; a user simulator without one ends its case there.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{CallFault, Error, Result};
use crate::provider::{Answer, Asked, Gateway, Role, Schema, Task, in_lanes};
use crate::random::Draws;
use crate::record::{ChatMessage, Persona};
use crate::roleplay;
use crate::run_dir::AppendLog;

/// The files of this stage in the run directory.
pub(crate) const FOLDER: &str = "eval";
pub(crate) const TRANSCRIPTS: &str = "transcripts.jsonl";
pub(crate) const TIMINGS: &str = "timings.jsonl";
pub(crate) const REPORT: &str = "report.json";
pub(crate) const GAIN: &str = "gain.json";
pub(crate) const JUDGE: &str = "judge.json";

/// What the rubric gives to no reply at all; no judge is asked.
const NO_REPLY: Outcome = Outcome::Scored(1);
/// What a history has where nothing was said: endpoints refuse an empty message.
const SILENCE: &str = "…";

/// The scores that a judge may give.
const SCORES: std::ops::RangeInclusive<u8> = 1..=5;

static SCORE: Schema = Schema {
    name: "score",
    json: r#"{"type":"object","properties":{"score":{"type":"integer","enum":[1,2,3,4,5]}},"required":["score"],"additionalProperties":false}"#,
};

const RUBRIC: &str = "\
You score how well a reply in a chat suits the person who gets it. The person's profile and personality follow as JSON. \
Look at three things: whether its tone and manner suit the personality; whether its content suits the profile; whether it \
is human, engaging and short. \
5: all three hold, it could hardly suit this person better. 4: it suits the person well, one thing could be better. \
3: it is pleasant, but anybody might have got it. 2: it misses the person in tone or content. 1: it is out of place, \
wrong, empty, or no reply at all. \
Judge this reply alone, and do not reward length. Answer with one JSON object, {\"score\": 1} to {\"score\": 5}, and \
nothing else.";

/// What became of a reply before the judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It has this score, from 1 to 5.
    Scored(u8),
    /// The judge would not score it: its answer was withheld.
    Refused,
    /// The judge's answers were no scores.
    Unscored,
}

/// One turn of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Talk {
    pub(crate) user: String,
    pub(crate) reply: String,
    pub(crate) outcome: Outcome,
    /// What a candidate with memory had of the person: the words it recalled or knew.
    #[serde(default)]
    pub(crate) remembered: Vec<String>,
}

/// A case, played to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Transcript {
    /// Place of the case, from 0.
    pub(crate) case: usize,
    pub(crate) persona: Persona,
    pub(crate) seed: u64,
    pub(crate) turns: Vec<Talk>,
    /// The user simulator's answers were no messages, so that no further turn was played.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) ended_early: bool,
}

/// What a candidate says, and what it had of the person when it said so.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) remembered: Vec<String>,
}

/// A candidate in one conversation.
pub(crate) trait Talker {
    /// Its reply to the newest message of the history.
    ///
    /// # Errors
    /// Whatever hinders it. A fault that is final for the request is no reply; after any other the case is not finished.
    fn reply(&mut self, history: &[ChatMessage], seed: u32) -> Result<Said>;
}

/// A system that is measured.
pub(crate) trait Candidate: Sync {
    /// Meets a person of whom it knows nothing.
    ///
    /// # Errors
    /// Whatever hinders it.
    fn meet(&self) -> Result<Box<dyn Talker + '_>>;
}

/// What cases are played with.
pub(crate) struct Benchmark<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) candidate: &'a dyn Candidate,
    pub(crate) rounds: usize,
    pub(crate) seed: u64,
    pub(crate) cases: &'a [&'a Persona],
    /// Cases that are there already.
    pub(crate) done: BTreeSet<usize>,
    /// Conversations at once.
    pub(crate) lanes: usize,
}

/// Where cases go as they end.
pub(crate) struct Logs {
    pub(crate) transcripts: AppendLog,
    pub(crate) timings: AppendLog,
}

/// How long the candidate took for each reply of a case. A file of its own: transcripts are the same for a seed,
/// durations are not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Timing {
    pub(crate) case: usize,
    pub(crate) reply_ms: Vec<u64>,
}

/// Plays what is not there yet and keeps each case as it ends; answers with how many could not be finished.
///
/// # Errors
/// What stops all of them.
pub(crate) fn run_all(benchmark: &Benchmark<'_>, logs: &mut Logs, progress: &(dyn Fn(usize) + Sync)) -> Result<usize> {
    let open: Vec<usize> = (0..benchmark.cases.len()).filter(|case| !benchmark.done.contains(case)).collect();
    let (finished, logs) = (AtomicUsize::new(benchmark.done.len()), Mutex::new(logs));
    in_lanes(&open, benchmark.lanes, |case| {
        let (transcript, timing) = benchmark.play(*case)?;
        let mut logs = logs.lock().unwrap_or_else(PoisonError::into_inner);
        // The transcript is what says that a case is done.
        logs.timings.append(&timing)?;
        logs.transcripts.append(&transcript)?;
        progress(finished.fetch_add(1, Ordering::Relaxed) + 1);
        Ok(())
    })
}

impl Benchmark<'_> {
    fn play(&self, case: usize) -> Result<(Transcript, Timing)> {
        let persona = *self.cases.get(case).ok_or_else(|| Error::internal("a case that is not planned"))?;
        let mut draws = Draws::new(self.seed, "case", case as u64);
        let seed = draws.number();
        let mut talker = self.candidate.meet()?;
        let (mut history, mut turns, mut reply_ms) = (Vec::new(), Vec::new(), Vec::new());
        let mut ended_early = false;
        for _ in 0..self.rounds {
            let user = match self.user(persona, &history, draws.call_seed()) {
                Err(Error::Call { fault, .. }) if fault.final_for_request() && !turns.is_empty() => {
                    ended_early = true;
                    break;
                }
                said => said?,
            };
            history.push(ChatMessage::user(&user));
            let asked = Instant::now();
            let Said { text, remembered } = match talker.reply(&history, draws.call_seed()) {
                Err(Error::Call { fault, .. }) if fault.final_for_request() => Said::default(),
                said => said?,
            };
            reply_ms.push(u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX));
            let outcome = scored(self.gateway, persona, &history, &text, draws.call_seed())?;
            history.push(spoken(&text));
            turns.push(Talk { user, reply: text, outcome, remembered });
        }
        Ok((Transcript { case, persona: persona.clone(), seed, turns, ended_early }, Timing { case, reply_ms }))
    }

    fn user(&self, persona: &Persona, history: &[ChatMessage], seed: u32) -> Result<String> {
        let messages = roleplay::user(persona, history);
        let asked = Asked { role: Role::User, task: Task::User { persona, history }, messages, schema: None, seed };
        Ok(self.gateway.ask(&asked, roleplay::message)?.value)
    }
}

/// What the judge says of every reply when it is asked once more, a list a case, as if the case's replies were for the
/// person at its place in `people`.
///
/// # Errors
/// What stops a judge altogether; an answer that is no score is [`Outcome::Unscored`].
pub(crate) fn score_again(
    gateway: &Gateway,
    transcripts: &[Transcript],
    people: &[&Persona],
    seed: u64,
) -> Result<Vec<Vec<Outcome>>> {
    let outcomes: Vec<OnceLock<Vec<Outcome>>> = transcripts.iter().map(|_| OnceLock::new()).collect();
    let places: Vec<usize> = (0..transcripts.len()).collect();
    let unfinished = in_lanes(&places, gateway.lanes(), |place| {
        let again = transcripts[*place].score_again(gateway, people[*place], seed)?;
        outcomes[*place].set(again).map_err(|_| Error::internal("a case is scored by one thread"))
    })?;
    match unfinished {
        0 => Ok(outcomes.into_iter().filter_map(OnceLock::into_inner).collect()),
        missing => Err(Error::Unfinished { missing, of: transcripts.len() }),
    }
}

impl Outcome {
    /// The score, where there is one.
    pub(crate) fn score(self) -> Option<u8> {
        match self {
            Self::Scored(score) => Some(score),
            Self::Refused | Self::Unscored => None,
        }
    }
}

impl Transcript {
    fn score_again(&self, gateway: &Gateway, person: &Persona, seed: u64) -> Result<Vec<Outcome>> {
        let mut draws = Draws::new(seed, "second pass", self.case as u64);
        let (mut history, mut outcomes) = (Vec::new(), Vec::new());
        for turn in &self.turns {
            history.push(ChatMessage::user(&turn.user));
            outcomes.push(scored(gateway, person, &history, &turn.reply, draws.call_seed())?);
            history.push(spoken(&turn.reply));
        }
        Ok(outcomes)
    }
}

fn spoken(reply: &str) -> ChatMessage {
    ChatMessage::assistant(if reply.trim().is_empty() { SILENCE } else { reply })
}

fn scored(gateway: &Gateway, persona: &Persona, history: &[ChatMessage], reply: &str, seed: u32) -> Result<Outcome> {
    if reply.trim().is_empty() {
        return Ok(NO_REPLY);
    }
    let messages = judge(persona, history, reply);
    let task = Task::Score { persona, reply };
    let asked = Asked { role: Role::Judge, task, messages, schema: Some(&SCORE), seed };
    match gateway.ask(&asked, score) {
        Ok(told) => Ok(Outcome::Scored(told.value)),
        Err(Error::Call { fault: CallFault::Filtered, .. }) => Ok(Outcome::Refused),
        Err(Error::Call { fault, .. }) if fault.final_for_request() => Ok(Outcome::Unscored),
        Err(error) => Err(error),
    }
}

fn judge(persona: &Persona, history: &[ChatMessage], reply: &str) -> Vec<ChatMessage> {
    let ask = format!(
        "Person: {}\nChat: {}\nReply to score: {}",
        roleplay::described(persona),
        roleplay::transcript(history, "user", "friend"),
        Value::from(reply)
    );
    vec![ChatMessage::system(RUBRIC), ChatMessage::user(ask)]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    score: u8,
}

/// The judge's object, bare or in a fence; prose, a word or a number outside of the scale is no score. An object inside
/// of a sentence is none either: it may be one that the judge quotes from the reply.
fn score(answer: &Answer) -> Option<u8> {
    let text = answer.text.trim();
    let text = text.strip_prefix("```json").or_else(|| text.strip_prefix("```")).unwrap_or(text);
    let text = text.strip_suffix("```").unwrap_or(text).trim();
    serde_json::from_str::<Given>(text).ok().map(|given| given.score).filter(|score| SCORES.contains(score))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_object_with_a_score_of_the_scale_is_one() {
        let read = |text: &str| {
            let text = text.to_owned();
            score(&Answer { text, model: String::new(), prompt_tokens: 0, completion_tokens: 0, cut: false })
        };
        assert_eq!(read(r#"{"score": 4}"#), Some(4));
        assert_eq!(read("```json\n{\"score\": 1}\n```"), Some(1));
        for text in [
            "5",
            "Score: 5",
            r#"{"score": 0}"#,
            r#"{"score": 6}"#,
            r#"{"score": 4.5}"#,
            r#"{"score": "4"}"#,
            r#"{"score": null}"#,
            r#"{"score": 4, "why": "x"}"#,
            r#"{"score": 11/10}"#,
            r#"{"score": 4, "score": 2}"#,
            r#"{"score": 2} or {"score": 4}"#,
            r#"The reply says {"score": 5}"#,
            "N/A",
            "",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
