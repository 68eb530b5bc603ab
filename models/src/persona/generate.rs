//! Growing a pool out of itself: examples from it in each prompt, what comes back filtered against all of it.
//!
//! Iterations are asked in waves from one state of the pool, and a wave is one line of the log. So a run that was killed
//! goes on at a wave, and which texts are taken does not depend on which answer came first.

use std::collections::HashSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::neighbours::{Matrix, dot};
use super::rules::{Reason, bare, check};
use super::shingles::Shingles;
use super::{Embed, PoolReport, Text, answer, prompt};
use crate::error::{Error, Result};
use crate::preset::PersonaNumbers;
use crate::provider::{Asked, Gateway, Role, Task};
use crate::random::Draws;
use crate::record::{Origin, PoolKind};
use crate::run_dir::{AppendLog, read_lines};

/// A text that was proposed, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Candidate {
    pub(crate) text: String,
    /// Why it was not taken; taken where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refused: Option<Reason>,
}

/// What one prompt brought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Iteration {
    pub(crate) iteration: u64,
    pub(crate) model: String,
    pub(crate) seed: u32,
    pub(crate) candidates: Vec<Candidate>,
    /// Members after it.
    pub(crate) pool: usize,
}

/// A line of the log: iterations that were asked from the same state of the pool.
#[derive(Debug, Serialize, Deserialize)]
struct Wave {
    iterations: Vec<Iteration>,
}

/// Why a pool stopped growing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StopCause {
    Full,
    Saturated,
    MaxIterations,
}

/// What growing works with.
pub(crate) struct Growth<'a> {
    pub(crate) kind: PoolKind,
    pub(crate) target: usize,
    pub(crate) numbers: &'a PersonaNumbers,
    pub(crate) seed: u64,
    pub(crate) scripted: bool,
    pub(crate) gateway: &'a Gateway,
    pub(crate) embed: &'a Embed<'a>,
    pub(crate) log: &'a Path,
}

/// The pool as it grows.
struct Pool {
    members: Vec<Text>,
    matrix: Matrix,
    known: HashSet<String>,
    shingles: Shingles,
}

/// Grows `start` to the target; `progress` hears of each wave with the size of the pool.
pub(crate) fn grow(start: Vec<Text>, growth: &Growth<'_>, progress: &dyn Fn(usize)) -> Result<(Vec<Text>, PoolReport)> {
    let earlier: Vec<Wave> = read_lines(growth.log)?;
    let mut done: Vec<Iteration> = earlier.into_iter().flat_map(|wave| wave.iterations).collect();
    let mut pool = Pool::open(start, growth, &done)?;
    let mut log = AppendLog::open(growth.log)?;
    let stopped = loop {
        progress(pool.members.len());
        if let Some(cause) = stop(pool.members.len(), &done, growth) {
            break cause;
        }
        let wave = ask_wave(&pool, growth, done.len() as u64)?;
        let wave = Wave { iterations: take_wave(&mut pool, wave, growth)? };
        log.append(&wave)?;
        done.extend(wave.iterations);
    };
    let report = report(&pool, &done, growth, stopped);
    Ok((pool.members, report))
}

fn stop(members: usize, done: &[Iteration], growth: &Growth<'_>) -> Option<StopCause> {
    let numbers = growth.numbers;
    if members >= growth.target {
        return Some(StopCause::Full);
    }
    if done.len() as u64 >= numbers.max_iterations {
        return Some(StopCause::MaxIterations);
    }
    let window = done.len().checked_sub(numbers.saturation_window).and_then(|from| done.get(from..))?;
    let candidates: usize = window.iter().map(|iteration| iteration.candidates.len()).sum();
    let accepted: usize = window.iter().map(Iteration::accepted).sum();
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    let rate = accepted as f64 / candidates.max(1) as f64;
    (rate < numbers.saturation_accept_rate).then_some(StopCause::Saturated)
}

impl Iteration {
    fn accepted(&self) -> usize {
        self.candidates.iter().filter(|candidate| candidate.refused.is_none()).count()
    }
}

/// What the model proposed in one iteration.
struct Proposed {
    iteration: u64,
    seed: u32,
    texts: Vec<String>,
}

fn ask_wave(pool: &Pool, growth: &Growth<'_>, first: u64) -> Result<Vec<Proposed>> {
    let left = growth.numbers.max_iterations - first;
    let count = (growth.numbers.wave as u64).min(left);
    std::thread::scope(|scope| {
        let asked: Vec<_> =
            (first..first + count).map(|iteration| scope.spawn(move || ask(pool, growth, iteration))).collect();
        let joined = asked.into_iter().map(|thread| thread.join().map_err(|_| Error::internal("a thread panicked"))?);
        joined.collect()
    })
}

fn ask(pool: &Pool, growth: &Growth<'_>, iteration: u64) -> Result<Proposed> {
    let mut draws = Draws::new(growth.seed, growth.kind.as_str(), iteration);
    let examples: Vec<_> = draws
        .some_of(pool.members.len(), growth.numbers.pool_examples)
        .into_iter()
        .map(|at| pool.members[at].text.clone())
        .collect();
    let asked = Asked {
        role: role_of(growth.kind),
        task: Task::Pool { kind: growth.kind, count: growth.numbers.asked_for },
        messages: prompt::messages(growth.kind, &examples, growth.numbers.asked_for),
        schema: Some(&prompt::SCHEMA),
        seed: draws.call_seed(),
    };
    match growth.gateway.ask(&asked, answer::read) {
        Ok(told) => Ok(Proposed { iteration, seed: told.seed, texts: told.value }),
        // A model that cannot list texts brings nothing, and saturation ends the growth.
        Err(Error::Call { fault, .. }) if fault.final_for_request() => {
            Ok(Proposed { iteration, seed: asked.seed, texts: Vec::new() })
        }
        Err(error) => Err(error),
    }
}

/// Who writes texts of this kind.
pub(super) fn role_of(kind: PoolKind) -> Role {
    match kind {
        PoolKind::Profile => Role::Profiles,
        PoolKind::Personality => Role::Personalities,
    }
}

fn take_wave(pool: &mut Pool, wave: Vec<Proposed>, growth: &Growth<'_>) -> Result<Vec<Iteration>> {
    let model = growth.gateway.writer(role_of(growth.kind))?.model;
    let mut iterations = Vec::new();
    for proposed in wave {
        let origin = Origin::Generated { iteration: proposed.iteration, model: model.clone(), seed: proposed.seed };
        let candidates = pool.take(proposed.texts, &origin, growth)?;
        iterations.push(Iteration {
            iteration: proposed.iteration,
            model: model.clone(),
            seed: proposed.seed,
            candidates,
            pool: pool.members.len(),
        });
    }
    Ok(iterations)
}

impl Pool {
    /// The pool as the log left it.
    fn open(start: Vec<Text>, growth: &Growth<'_>, done: &[Iteration]) -> Result<Self> {
        let mut members = start;
        for iteration in done {
            let origin = Origin::Generated {
                iteration: iteration.iteration,
                model: iteration.model.clone(),
                seed: iteration.seed,
            };
            let taken = iteration.candidates.iter().filter(|candidate| candidate.refused.is_none());
            members.extend(taken.map(|candidate| Text {
                text: candidate.text.clone(),
                origin: origin.clone(),
                scripted: growth.scripted,
            }));
        }
        let known = members.iter().map(|member| bare(&member.text)).collect();
        // Where nothing more is to be found, nothing needs a vector.
        let texts: Vec<_> = members.iter().map(|member| member.text.clone()).collect();
        let full = stop(members.len(), done, growth).is_some();
        let matrix = if full { Matrix::default() } else { Matrix::of(&texts, growth.embed)? };
        let mut shingles = Shingles::default();
        texts.iter().for_each(|text| shingles.push(text));
        Ok(Self { members, matrix, known, shingles })
    }

    /// Takes what passes all filters, in order.
    fn take(&mut self, texts: Vec<String>, origin: &Origin, growth: &Growth<'_>) -> Result<Vec<Candidate>> {
        let judged: Vec<_> = texts.iter().map(|text| self.check(text, growth)).collect();
        let worth: Vec<_> =
            texts.iter().zip(&judged).filter(|(_, judged)| judged.is_ok()).map(|(text, _)| text.clone()).collect();
        let vectors = if worth.is_empty() { Matrix::default() } else { Matrix::of(&worth, growth.embed)? };
        let nearest = self.matrix.nearest(&vectors);
        self.matrix.embedded += vectors.embedded;
        let before = self.matrix.len();
        let mut next = 0;
        let mut candidates = Vec::new();
        for (text, judged) in texts.into_iter().zip(judged) {
            let refused = match judged {
                Err(reason) => Some(reason),
                Ok(()) => {
                    let row = vectors.row(next);
                    let far = self.check_distance(row, nearest[next].map(|n| (n.member, n.cosine)), before, growth);
                    next += 1;
                    // Once more, since the texts before it in the same answer are members by now.
                    far.err().or_else(|| self.check_wording(&text, growth).err())
                }
            };
            // What comes after the target is reached is not of this pool, and not refused either.
            if self.members.len() >= growth.target && refused.is_none() {
                break;
            }
            if refused.is_none() {
                self.matrix.push(vectors.row(next - 1));
                self.known.insert(bare(&text));
                self.shingles.push(&text);
                let scripted = growth.scripted;
                self.members.push(Text { text: text.clone(), origin: origin.clone(), scripted });
            }
            candidates.push(Candidate { text, refused });
        }
        Ok(candidates)
    }

    fn check(&self, text: &str, growth: &Growth<'_>) -> Result<(), Reason> {
        check(growth.kind, text, growth.numbers)?;
        self.check_wording(text, growth)
    }

    fn check_wording(&self, text: &str, growth: &Growth<'_>) -> Result<(), Reason> {
        if self.known.contains(&bare(text)) {
            return Err(Reason::Duplicate);
        }
        match self.shingles.nearest(text) {
            Some((member, share)) if share > growth.numbers.max_overlap => {
                Err(Reason::Overlap { share, neighbour: format!("{}-{:04}", growth.kind.as_str(), member + 1) })
            }
            _ => Ok(()),
        }
    }

    /// Compares with what was taken since the product was computed, too.
    fn check_distance(
        &self,
        row: &[f32],
        nearest: Option<(usize, f32)>,
        before: usize,
        growth: &Growth<'_>,
    ) -> Result<(), Reason> {
        let newer = (before..self.matrix.len()).map(|member| (member, dot(self.matrix.row(member), row)));
        let nearest = nearest.into_iter().chain(newer).max_by(|a, b| a.1.total_cmp(&b.1));
        // Rounded, since the last bits of a vector depend on what it was embedded beside, and a resumed run has other
        // neighbours in its batches.
        let nearest = nearest.map(|(member, cosine)| (member, (cosine * 1e4).round() / 1e4));
        match nearest {
            Some((member, cosine)) if cosine > growth.numbers.max_cosine => {
                Err(Reason::Near { cosine, neighbour: format!("{}-{:04}", growth.kind.as_str(), member + 1) })
            }
            _ => Ok(()),
        }
    }
}

fn report(pool: &Pool, done: &[Iteration], growth: &Growth<'_>, stopped: StopCause) -> PoolReport {
    PoolReport {
        kind: growth.kind,
        members: pool.members.len(),
        iterations: done.len(),
        candidates: done.iter().map(|iteration| iteration.candidates.len()).sum(),
        accepted: done.iter().map(Iteration::accepted).sum(),
        embedded: pool.matrix.embedded,
        stopped,
        curve: done.iter().map(|i| [i.candidates.len(), i.accepted(), i.pool]).collect(),
    }
}
