//! The one thread that owns the contexts: takes requests, batches sequences together, samples.
//!
//! Every step decodes one batch: the next token of each running reply, and as much prompt as still fits. So several
//! sessions share one pass over the weights, and a long prompt never stops another session's stream.
//!
//! Drop order: requests are ended, adapters leave the context, the context goes, then adapters and model.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use tokio::sync::oneshot;

use super::generation::{Generation, Placement, Request};
use super::gguf;
use super::governor::ThreadGovernor;
use super::native::{Adapter, BatchRow, Context, Decoded, SequenceNumber, Token};
use super::scoring::{self, ScoreRequest};
use super::slots::{AdapterId, AdapterSet, SequenceId, Slots};
use super::snapshot::{Fingerprint, Snapshot};
use super::stream::{Generated, StopReason};
use super::tokens::{MovedRun, common_prefix, moved_run, tokenize};
use crate::error::{Error, Result};

/// A shorter moved run is not worth the bookkeeping: prefilling it takes less than the rotation of its keys.
const LEAST_MOVED_RUN: usize = 64;
/// A donor must spare at least this many tokens of prefill.
const LEAST_DONATION: usize = 16;

/// What the engine's handles ask of the worker.
pub(super) enum Command {
    Generate(Box<Request>),
    Score(Box<ScoreRequest>),
    LoadAdapter { path: PathBuf, reply: oneshot::Sender<Result<AdapterId>> },
    UnloadAdapter { id: AdapterId, reply: oneshot::Sender<Result<()>> },
    Snapshot { sequence: SequenceId, reply: oneshot::Sender<Option<Vec<u8>>> },
    Restore { sequence: SequenceId, adapters: AdapterSet, bytes: Vec<u8>, reply: oneshot::Sender<usize> },
    Release(SequenceId),
    ReleaseIdle,
    Wake,
    Close,
}

/// Gets the worker's attention from another thread.
#[derive(Debug, Clone)]
pub(super) struct Waker {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) abort: Arc<AtomicBool>,
}

impl Waker {
    /// Lets the worker look at paused replies again.
    pub(super) fn wake(&self) {
        let _ = self.commands.send(Command::Wake);
    }

    /// Ends the decode under way, so that a cancelled flag is seen now. What it had computed is done again.
    pub(super) fn interrupt(&self) {
        self.abort.store(true, Ordering::SeqCst);
        self.wake();
    }
}

/// State of the engine's thread.
pub(super) struct Worker {
    commands: mpsc::Receiver<Command>,
    queue: VecDeque<Request>,
    scores: VecDeque<ScoreRequest>,
    running: Vec<Generation>,
    slots: Slots,
    /// The sequence where the tail of a shifted conversation waits; `None` while it is taken.
    spare: Option<SequenceNumber>,
    governor: Option<ThreadGovernor>,
    current_adapters: AdapterSet,
    // Fields drop in this order: the context before the adapters it may have in its set.
    context: Context,
    adapters: HashMap<AdapterId, (Adapter, [u8; 32])>,
    next_adapter: u64,
    base: Arc<gguf::Header>,
    fingerprint: [u8; 32],
    closing: bool,
}

/// One sequence's rows in a batch.
struct Share {
    running: usize,
    rows: std::ops::Range<usize>,
}

impl Worker {
    /// `governor` is given where the number of threads is the engine's to choose.
    pub(super) fn new(
        context: Context,
        commands: mpsc::Receiver<Command>,
        base: Arc<gguf::Header>,
        fingerprint: [u8; 32],
        governor: Option<ThreadGovernor>,
    ) -> Self {
        let n_seq_max = context.params().n_seq_max;
        Self {
            commands,
            queue: VecDeque::new(),
            scores: VecDeque::new(),
            running: Vec::new(),
            slots: Slots::new(n_seq_max - 1),
            spare: i32::try_from(n_seq_max - 1).ok(),
            governor,
            current_adapters: AdapterSet::default(),
            context,
            adapters: HashMap::new(),
            next_adapter: 1,
            base,
            fingerprint,
            closing: false,
        }
    }

    /// Works until the engine is closed or all its handles are gone.
    pub(super) fn run(mut self) {
        loop {
            while let Ok(command) = self.commands.try_recv() {
                self.handle(command);
            }
            if self.closing {
                break;
            }
            self.end_cancelled();
            self.admit();
            self.score_waiting();
            if self.is_ready() {
                self.step();
            } else if let Ok(command) = self.commands.recv() {
                self.handle(command);
            } else {
                break;
            }
        }
        let _ = self.context.set_adapters(&[]);
    }

    /// Whether some reply can be continued now.
    fn is_ready(&self) -> bool {
        self.running.iter().any(Generation::is_ready)
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::Generate(request) => self.queue.push_back(*request),
            Command::Score(request) => self.scores.push_back(*request),
            Command::LoadAdapter { path, reply } => {
                let _ = reply.send(self.load_adapter(path));
            }
            Command::UnloadAdapter { id, reply } => {
                let _ = reply.send(self.unload_adapter(id));
            }
            Command::Snapshot { sequence, reply } => {
                let _ = reply.send(self.snapshot(sequence));
            }
            Command::Restore { sequence, adapters, bytes, reply } => {
                let _ = reply.send(self.restore(sequence, adapters, &bytes));
            }
            Command::Release(sequence) => self.release(sequence),
            Command::ReleaseIdle => {
                while let Some(idle) = self.slots.oldest_idle(None) {
                    self.evict(idle);
                }
            }
            Command::Wake => self.running.iter_mut().for_each(Generation::flush),
            Command::Close => self.closing = true,
        }
    }

    /// Ends cancelled replies, and reports those whose reader has everything.
    fn end_cancelled(&mut self) {
        // Lowered before the flags are read: a cancel from now on raises it again and is seen by the decode.
        self.context.abort_flag().store(false, Ordering::SeqCst);
        for request in &mut self.queue {
            if request.reply.is_cancelled() {
                request.reply.end(Ok(Generated::cancelled()));
            }
        }
        self.queue.retain(|request| !request.reply.is_cancelled());
        for generation in &mut self.running {
            if generation.sink.is_cancelled() && !generation.is_stopped() {
                generation.stop(StopReason::Cancelled);
            }
        }
        self.report_ended();
    }

    fn report_ended(&mut self) {
        let mut index = 0;
        while index < self.running.len() {
            if self.running[index].is_over() {
                let generation = self.running.swap_remove(index);
                self.vacate(&generation);
                generation.report();
            } else {
                index += 1;
            }
        }
    }

    /// Gives back what a reply held; its KV cells stay for the conversation's next turn.
    fn vacate(&mut self, generation: &Generation) {
        self.slots.get_mut(generation.slot).reserved = 0;
        if generation.parked.is_some() {
            self.unpark_for_good();
        }
    }

    fn unpark_for_good(&mut self) {
        let spare = self.spare_number();
        self.context.truncate(spare, 0);
        self.spare = Some(spare);
    }

    fn spare_number(&self) -> SequenceNumber {
        i32::try_from(self.context.params().n_seq_max - 1).unwrap_or(0)
    }

    /// Begins waiting requests, oldest first, as far as places and KV cells allow. A request that waits for room
    /// holds up those behind it, or a large one would wait for ever; one that waits for its own turn does not.
    fn admit(&mut self) {
        let (mut waiting, mut full) = (VecDeque::new(), false);
        while let Some(request) = self.queue.pop_front() {
            if full || self.is_answering(request.sequence) {
                waiting.push_back(request);
                continue;
            }
            match self.begin(request) {
                Ok(begun) => self.running.extend(begun),
                Err(request) => {
                    full = true;
                    waiting.push_back(*request);
                }
            }
        }
        self.queue = waiting;
    }

    fn is_answering(&self, sequence: SequenceId) -> bool {
        self.slots.find(sequence).is_some_and(|index| self.slots.get(index).reserved > 0)
    }

    /// Begins one request; gives it back when there is no place for it yet.
    fn begin(&mut self, mut request: Request) -> Result<Option<Generation>, Box<Request>> {
        let Some(slot) = self.slots.place_for(request.sequence) else { return Err(Box::new(request)) };
        let n_ctx = self.context.params().n_ctx as usize;
        let reusable = self.reusable_tokens(slot, &request);
        let prompt = tokenize(self.context.model(), &request.segments, reusable);
        if prompt.is_empty() || prompt.len() >= n_ctx {
            let error = match prompt.len() {
                0 => Error::InvalidInput { what: "prompt", reason: "it has no tokens".into() },
                required_tokens => Error::ContextExceeded { required_tokens, available_tokens: n_ctx - 1 },
            };
            request.reply.end(Err(error));
            return Ok(None);
        }
        let room = n_ctx - prompt.len();
        let reserve = prompt.len() + request.max_tokens.min(room);
        if !self.make_room(slot, reserve) {
            return Err(Box::new(request));
        }
        self.occupy(slot, request.sequence, &request.adapters);
        let (cached_tokens, parked) = self.reuse(slot, &prompt);
        let placed = &mut self.slots.get_mut(slot);
        placed.reserved = reserve;
        self.slots.touch(slot);
        let placement = Placement { slot, prompt, cached_tokens, parked, room };
        let model = Arc::clone(self.context.model());
        let begun = Generation::begin(&model, request, placement);
        if begun.is_none() {
            self.slots.get_mut(slot).reserved = 0;
        }
        Ok(begun)
    }

    fn reusable_tokens(&self, slot: usize, request: &Request) -> &[Token] {
        let slot = self.slots.get(slot);
        let same = slot.owner == Some(request.sequence) && slot.adapters == request.adapters;
        if same { &slot.tokens } else { &[] }
    }

    /// Evicts idle conversations until `reserve` cells are free for this place.
    fn make_room(&mut self, slot: usize, reserve: usize) -> bool {
        let n_ctx = self.context.params().n_ctx as usize;
        while self.slots.cells_in_use(slot) + reserve > n_ctx {
            let Some(idle) = self.slots.oldest_idle(Some(slot)) else { return false };
            self.evict(idle);
        }
        true
    }

    fn evict(&mut self, index: usize) {
        let slot = self.slots.get_mut(index);
        slot.owner = None;
        slot.tokens.clear();
        self.context.truncate(slot.number, 0);
    }

    /// Makes a place a conversation's own; what was computed otherwise is dropped.
    fn occupy(&mut self, index: usize, sequence: SequenceId, adapters: &AdapterSet) {
        let slot = self.slots.get(index);
        if slot.owner != Some(sequence) || slot.adapters != *adapters {
            self.evict(index);
        }
        let slot = self.slots.get_mut(index);
        slot.owner = Some(sequence);
        slot.adapters = adapters.clone();
    }

    /// Keeps of the KV cache all that serves this prompt: the common beginning, own or another conversation's, and
    /// the tail of a conversation whose oldest turns were dropped. Answers with the tokens that need no prefill.
    fn reuse(&mut self, index: usize, prompt: &[Token]) -> (usize, Option<MovedRun>) {
        let number = self.slots.get(index).number;
        let adapters = self.slots.get(index).adapters.clone();
        // Logits come from decoding: at least the last token of the prompt is always decoded.
        let most = prompt.len() - 1;
        let mut prefix = common_prefix(&self.slots.get(index).tokens, prompt).min(most);
        let parked = self.park_moved_run(index, prompt, prefix);
        self.context.truncate(number, prefix);
        self.slots.get_mut(index).tokens.truncate(prefix);
        if parked.is_none()
            && let Some((donor, len)) = self.slots.donor(index, prompt, &adapters, prefix + LEAST_DONATION)
        {
            let len = len.min(most);
            self.context.share(self.slots.get(donor).number, number, prefix..len);
            self.slots.get_mut(index).tokens.extend_from_slice(&prompt[prefix..len]);
            prefix = len;
        }
        (prefix + parked.map_or(0, |run| run.len), parked)
    }

    fn park_moved_run(&mut self, index: usize, prompt: &[Token], prefix: usize) -> Option<MovedRun> {
        let spare = self.spare.filter(|_| self.context.can_shift())?;
        let slot = self.slots.get(index);
        let usable = &prompt[..prompt.len() - 1];
        let run = moved_run(&slot.tokens, usable, prefix, LEAST_MOVED_RUN)?;
        // Moving a cell moves it for every sequence that shares it.
        if self.slots.shares_from(index, run.cached_at) {
            return None;
        }
        self.context.share(slot.number, spare, run.cached_at..run.cached_at + run.len);
        self.spare = None;
        Some(run)
    }

    /// Puts the parked tail where the prompt has it, once the prefill has come there.
    fn unpark(&mut self, running: usize) {
        let generation = &mut self.running[running];
        let Some(run) = generation.parked.take() else { return };
        let slot = self.slots.get_mut(generation.slot);
        slot.tokens.extend_from_slice(&generation.prompt[run.prompt_at..run.prompt_at + run.len]);
        let (number, spare) = (slot.number, self.spare_number());
        self.context.shift(spare, run.prompt_at as i64 - run.cached_at as i64);
        self.context.share(spare, number, run.prompt_at..run.prompt_at + run.len);
        self.unpark_for_good();
    }

    /// Decodes one batch and samples for every sequence that is ready.
    fn step(&mut self) {
        let Some(adapters) = self.next_adapters() else { return };
        if let Err(error) = self.apply_adapters(&adapters) {
            return self.fail_all(&adapters, &error);
        }
        let (rows, shares) = self.batch(&adapters);
        if rows.is_empty() {
            return;
        }
        let started = Instant::now();
        match self.context.decode(&rows) {
            Ok(Decoded::Done) => {
                self.note_speed(&rows, &shares, started);
                self.advance(&rows, &shares);
            }
            Ok(Decoded::Aborted) => self.roll_back(&shares),
            Ok(Decoded::NoRoom) => self.recover_cells(&shares),
            Ok(Decoded::Failed(code)) => {
                self.roll_back(&shares);
                self.fail_all(&adapters, &Error::internal(format_args!("llama_decode answered {code}")));
            }
            Err(error) => self.fail_all(&adapters, &error),
        }
        self.report_ended();
    }

    /// The adapters of the first runnable reply; sets take turns, since a context has one set at a time.
    fn next_adapters(&mut self) -> Option<AdapterSet> {
        let mut ready = self.running.iter().filter(|generation| generation.is_ready()).peekable();
        let first = ready.peek()?.adapters.clone();
        Some(ready.find(|g| g.adapters != self.current_adapters).map_or(first, |other| other.adapters.clone()))
    }

    fn apply_adapters(&mut self, adapters: &AdapterSet) -> Result<()> {
        if *adapters == self.current_adapters {
            return Ok(());
        }
        let set: Option<Vec<_>> =
            adapters.0.iter().map(|(id, scale)| self.adapters.get(id).map(|(adapter, _)| (adapter, *scale))).collect();
        let set = set.ok_or(Error::InvalidInput { what: "adapters", reason: "an adapter was unloaded".into() })?;
        self.context.set_adapters(&set)?;
        self.current_adapters = adapters.clone();
        Ok(())
    }

    /// Rows for the next decode: running replies first, prompts with what room is left.
    fn batch(&mut self, adapters: &AdapterSet) -> (Vec<BatchRow>, Vec<Share>) {
        let n_batch = self.context.params().n_batch as usize;
        let (mut rows, mut shares) = (Vec::with_capacity(n_batch), Vec::new());
        let ready: Vec<usize> = (0..self.running.len())
            .filter(|&i| {
                let generation = &self.running[i];
                generation.is_ready() && generation.adapters == *adapters
            })
            .collect();
        let (decoding, prefilling): (Vec<_>, Vec<_>) =
            ready.into_iter().partition(|&i| self.running[i].next_token.is_some());
        for running in decoding.into_iter().chain(prefilling) {
            let start = rows.len();
            self.add_rows(running, n_batch, &mut rows);
            if rows.len() > start {
                shares.push(Share { running, rows: start..rows.len() });
            }
        }
        (rows, shares)
    }

    fn add_rows(&mut self, running: usize, n_batch: usize, rows: &mut Vec<BatchRow>) {
        let at_parked = |generation: &Generation, done: usize| generation.parked.is_some_and(|r| r.prompt_at == done);
        if at_parked(&self.running[running], self.slots.get(self.running[running].slot).tokens.len()) {
            self.unpark(running);
        }
        let generation = &self.running[running];
        let slot = self.slots.get(generation.slot);
        let (done, sequence) = (slot.tokens.len(), slot.number);
        if let Some(token) = generation.next_token {
            if rows.len() < n_batch {
                rows.push(BatchRow { token, position: done, sequence, logits: true });
            }
            return;
        }
        let until = generation.parked.map_or(generation.prompt.len(), |run| run.prompt_at);
        let until = until.min(done + (n_batch - rows.len()));
        let last = generation.prompt.len() - 1;
        rows.extend((done..until).map(|position| BatchRow {
            token: generation.prompt[position],
            position,
            sequence,
            logits: position == last,
        }));
    }

    /// Takes note of what is in the KV cache now and draws the next tokens.
    fn advance(&mut self, rows: &[BatchRow], shares: &[Share]) {
        let model = Arc::clone(self.context.model());
        for share in shares {
            let generation = &mut self.running[share.running];
            let decoded = &rows[share.rows.clone()];
            self.slots.get_mut(generation.slot).tokens.extend(decoded.iter().map(|row| row.token));
            generation.next_token = None;
            let last = share.rows.end - 1;
            if !rows[last].logits {
                continue;
            }
            let drawn = match self.context.logits(last) {
                Some(logits) => generation.advance(&model, logits),
                None => Err(Error::internal("no logits for a row that asked for them")),
            };
            match drawn {
                Ok(None) => {}
                Ok(Some(reason)) => generation.stop(reason),
                Err(error) => generation.fail_with(error),
            }
        }
    }

    /// Drops from the KV cache what an unfinished decode may have left there.
    fn roll_back(&mut self, shares: &[Share]) {
        for share in shares {
            let slot = self.slots.get(self.running[share.running].slot);
            self.context.truncate(slot.number, slot.tokens.len());
        }
    }

    /// The reservation keeps this from happening; if it does, idle conversations go first, then the youngest reply.
    fn recover_cells(&mut self, shares: &[Share]) {
        self.roll_back(shares);
        if let Some(idle) = self.slots.oldest_idle(None) {
            return self.evict(idle);
        }
        if let Some(share) = shares.last() {
            self.running[share.running].stop(StopReason::ContextFull);
        }
    }

    fn note_speed(&mut self, rows: &[BatchRow], shares: &[Share], started: Instant) {
        // Only single-token steps compare with each other.
        let (Some(governor), true) = (&mut self.governor, shares.len() == 1 && rows.len() == 1) else { return };
        if let Some(threads) = governor.record(started.elapsed()) {
            tracing::info!(threads, "number of compute threads changed");
            self.context.set_threads(threads);
        }
    }

    fn fail_all(&mut self, adapters: &AdapterSet, error: &Error) {
        for generation in self.running.iter_mut().filter(|g| g.adapters == *adapters) {
            generation.fail_with(Error::internal(error));
        }
        self.report_ended();
    }

    fn load_adapter(&mut self, path: PathBuf) -> Result<AdapterId> {
        gguf::AdapterHeader::read(&path, &self.base)?;
        let fingerprint = gguf::fingerprint(&path)?;
        let adapter = Adapter::load(self.context.model(), &path)?;
        let id = AdapterId(self.next_adapter);
        self.next_adapter += 1;
        self.adapters.insert(id, (adapter, fingerprint));
        Ok(id)
    }

    fn unload_adapter(&mut self, id: AdapterId) -> Result<()> {
        let holds = |set: &AdapterSet| set.0.iter().any(|(held, _)| *held == id);
        if self.running.iter().any(|g| holds(&g.adapters)) || self.queue.iter().any(|r| holds(&r.adapters)) {
            return Err(Error::Busy);
        }
        if holds(&self.current_adapters) {
            self.context.set_adapters(&[])?;
            self.current_adapters = AdapterSet::default();
        }
        self.adapters.remove(&id);
        Ok(())
    }

    fn snapshot(&mut self, sequence: SequenceId) -> Option<Vec<u8>> {
        let slot = self.slots.get(self.slots.find(sequence)?);
        if slot.reserved > 0 || slot.tokens.is_empty() {
            return None;
        }
        let (number, tokens) = (slot.number, slot.tokens.clone());
        let fingerprint = self.state_fingerprint(&slot.adapters)?;
        let state = self.context.state(number)?;
        Some(Snapshot { tokens, state }.seal(&fingerprint))
    }

    /// Puts a saved state into a place for the conversation; answers with the tokens restored, 0 if it is unusable.
    fn restore(&mut self, sequence: SequenceId, adapters: AdapterSet, bytes: &[u8]) -> usize {
        let restored = self.try_restore(sequence, adapters, bytes);
        restored.unwrap_or_else(|reason| {
            tracing::info!(reason, "KV snapshot not used, the prompt will be prefilled from text");
            0
        })
    }

    fn try_restore(&mut self, sequence: SequenceId, adapters: AdapterSet, bytes: &[u8]) -> Result<usize, &'static str> {
        let fingerprint = self.state_fingerprint(&adapters).ok_or("an adapter was unloaded")?;
        let snapshot = Snapshot::open(bytes, &fingerprint)?;
        let index = self.slots.place_for(sequence).ok_or("every place is busy")?;
        if self.slots.get(index).reserved > 0 || !self.make_room(index, snapshot.tokens.len()) {
            return Err("no room");
        }
        self.evict(index);
        self.occupy(index, sequence, &adapters);
        let slot = self.slots.get_mut(index);
        if !self.context.set_state(slot.number, &snapshot.state) {
            return Err("llama.cpp refused the state");
        }
        slot.tokens = snapshot.tokens;
        self.slots.touch(index);
        Ok(self.slots.get(index).tokens.len())
    }

    fn state_fingerprint(&self, adapters: &AdapterSet) -> Option<Fingerprint> {
        let params = self.context.params();
        let mut hash = blake3::Hasher::new();
        hash.update(&self.fingerprint);
        hash.update(params.kv_type.as_str().as_bytes());
        hash.update(&[u8::from(params.offload)]);
        for (id, scale) in adapters.0.iter() {
            hash.update(&self.adapters.get(id)?.1);
            hash.update(&scale.to_le_bytes());
        }
        Some(*hash.finalize().as_bytes())
    }

    fn release(&mut self, sequence: SequenceId) {
        if let Some(index) = self.slots.find(sequence).filter(|&i| self.slots.get(i).reserved == 0) {
            self.evict(index);
        }
    }

    /// Scores continuations between two steps of the running replies, once there is room beside them.
    fn score_waiting(&mut self) {
        while let Some(request) = self.scores.pop_front() {
            match self.score(&request) {
                Err(Error::Busy) if !self.running.is_empty() => return self.scores.push_front(request),
                outcome => drop(request.reply.send(outcome)),
            }
        }
    }

    fn score(&mut self, request: &ScoreRequest) -> Result<Vec<scoring::Score>> {
        let sequence = self.spare.ok_or(Error::Busy)?;
        self.evict_for_score(request)?;
        self.apply_adapters(&request.adapters)?;
        scoring::score(&mut self.context, sequence, request)
    }

    fn evict_for_score(&mut self, request: &ScoreRequest) -> Result<()> {
        let n_ctx = self.context.params().n_ctx as usize;
        let need = scoring::cells_needed(self.context.model(), request);
        if need > n_ctx {
            return Err(Error::ContextExceeded { required_tokens: need, available_tokens: n_ctx });
        }
        while self.slots.cells_in_use(usize::MAX) + need > n_ctx {
            let idle = self.slots.oldest_idle(None).ok_or(Error::Busy)?;
            self.evict(idle);
        }
        Ok(())
    }
}
