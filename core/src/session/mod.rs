//! One turn of a conversation, end to end: recall, compose, generate, record.
//!
//! Joins engine, memory and prompt, which do not know each other. The user's words are durable before generation
//! starts; what comes of the reply is recorded whether or not anybody reads it.

mod alignment;
mod assistant;
mod background;
mod best_of;
mod generate;
mod learning;
mod occupancy;
mod params;
mod persona;
mod rating;
mod record;
mod reply;
mod seal;
mod snapshots;
mod summarise;
mod transcript;
mod user_message;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use alignment::Alignment;
pub use assistant::{Assistant, AssistantParams};
pub use best_of::MOST_CANDIDATES;
pub use learning::Induction;
pub use params::{Conversation, DEFAULT_SYSTEM_PROMPT, Overflow, SessionParams};
pub use reply::{Reply, Turn};
pub use snapshots::erase_snapshots;
pub use user_message::UserMessage;

use crate::engine::{AdapterId, Engine, SamplingParams, Sequence};
use crate::error::{Error, Result};
use crate::memory::{ConversationId, Origin, Recalled, RetrieveLimits, TurnOptions};
use crate::prompt::{Costs, Plan, PromptParts, Quoted, TokenBudget, recalled_block};
use assistant::Shared;
use best_of::check_best_of;
use occupancy::{Occupancy, Occupied};
use params::check_scales;
use persona::Persona;
use record::Recorder;
use reply::Given;
use summarise::PendingSummary;
use transcript::Transcript;
use user_message::Composed;

/// A conversation that can be continued. One reply at a time; several sessions can talk at once.
pub struct Session {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    /// Changes only when everything was erased, this conversation too: then the next message begins a new one.
    conversation: AtomicI64,
    sequence: Sequence,
    /// Whether a reply is being generated or recorded.
    occupancy: Arc<Occupancy>,
    state: Mutex<State>,
}

struct State {
    params: SessionParams,
    adapters: Vec<(AdapterId, f32)>,
    transcript: Transcript,
    persona: Persona,
    pending_summary: Option<PendingSummary>,
    /// The count of erasures that `transcript` reflects.
    erasures: u64,
}

/// Nothing of what was said: handles are what apps log.
impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("conversation", &self.conversation()).finish_non_exhaustive()
    }
}

impl Session {
    pub(crate) fn open(assistant: &Assistant, params: SessionParams) -> Result<Self> {
        params.check(assistant.engine().n_ctx())?;
        let shared = Arc::clone(&assistant.shared);
        let sequence = shared.engine.sequence();
        let inner = shared.clone().background.run_blocking(move || Inner::open(shared, sequence, params))?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The conversation that is continued.
    #[must_use]
    pub fn conversation(&self) -> ConversationId {
        self.inner.conversation()
    }

    /// Sends a message; the reply comes as a stream. When this returns, the message is durable.
    ///
    /// A text is what the user typed; a [`UserMessage`] tells apart what they pasted with it. A reply that was cancelled
    /// or dropped is waited for until it is recorded, which takes about a token.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for an empty message, [`Error::Busy`] while another reply is under way,
    /// [`Error::ContextExceeded`] when the message does not fit (it is not stored then); those of the store.
    pub async fn send(&mut self, message: impl Into<UserMessage>) -> Result<Reply> {
        let occupied = self.inner.occupancy.take().await?;
        let mut starting = Starting { inner: Arc::clone(&self.inner), done: false };
        let message = message.into().compose();
        let started = self.inner.shared.background.run(move || {
            let started = Inner::start(&starting.inner, message, occupied);
            if started.is_ok() {
                starting.settle();
            }
            started
        });
        started.await
    }

    /// Whether what the user says is remembered beyond this conversation.
    #[must_use]
    pub fn remembers(&self) -> bool {
        self.inner.state().params.remember
    }

    /// Whether what the user says from now on is remembered beyond this conversation. The conversation keeps it across
    /// launches, unlike [`SessionParams::remember`], which is this session's alone.
    ///
    /// # Errors
    /// Those of the store.
    pub fn set_remember(&mut self, remember: bool) -> Result<()> {
        let inner = Arc::clone(&self.inner);
        self.inner.shared.background.run_blocking(move || {
            inner.shared.memory.set_remembers(inner.conversation(), remember)?;
            inner.state().params.remember = remember;
            Ok(())
        })
    }

    /// Whether memories are recalled for what the user says from now on.
    pub fn set_recall(&mut self, recall: bool) {
        self.inner.state().params.recall = recall;
    }

    /// Draws the tokens of the next replies this way.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a value out of range.
    pub fn set_sampling(&mut self, sampling: SamplingParams) -> Result<()> {
        sampling.check()?;
        self.inner.state().params.sampling = sampling;
        Ok(())
    }

    /// Draws this many replies to each message from now on, and gives the one that the adapters lean towards most; see
    /// [`SessionParams::best_of`].
    ///
    /// # Errors
    /// [`Error::InvalidInput`] outside 1 to [`MOST_CANDIDATES`].
    pub fn set_best_of(&mut self, best_of: usize) -> Result<()> {
        check_best_of(best_of)?;
        self.inner.state().params.best_of = best_of;
        Ok(())
    }

    /// Uses these adapters, each with its scale, from the next reply on; none clears them.
    ///
    /// # Errors
    /// [`Error::Busy`] while a reply is under way; [`Error::InvalidInput`] for a scale that is no number,
    /// [`Error::AdapterMismatch`] and file errors leave the old ones on.
    pub fn set_adapters(&mut self, adapters: Vec<(PathBuf, f32)>) -> Result<()> {
        check_scales(&adapters)?;
        if self.inner.occupancy.is_taken() {
            return Err(Error::Busy);
        }
        let inner = Arc::clone(&self.inner);
        self.inner.shared.background.run_blocking(move || {
            let loaded = load_adapters(&inner.shared, &adapters)?;
            let mut state = inner.state();
            state.params.adapters = adapters;
            state.adapters = loaded;
            Ok(())
        })
    }

    /// Saves the KV snapshot, so that the next launch needs no prefill. Waits for a reply that is being recorded.
    ///
    /// # Errors
    /// [`Error::StorageFull`] or [`Error::Io`] when the file cannot be written, [`Error::Closed`].
    pub fn save_snapshot(&self) -> Result<()> {
        let inner = Arc::clone(&self.inner);
        self.inner.shared.background.run_blocking(move || inner.save_snapshot())
    }

    /// Saves the snapshot and frees the KV cache.
    ///
    /// # Errors
    /// As [`Session::save_snapshot`]; the session is closed all the same.
    pub fn close(self) -> Result<()> {
        self.save_snapshot()
    }
}

impl State {
    fn costs(&mut self, engine: &Engine, text: &str) -> Result<Costs> {
        self.transcript.costs(engine, &self.params.system_prompt, self.persona.block(), text)
    }
}

/// Lets idle reading go on when no reply came of a message, be it that the job was never run: the end of a reply does so
/// otherwise.
struct Starting {
    inner: Arc<Inner>,
    done: bool,
}

impl Starting {
    /// A method, so that a closure takes the whole and not the flag alone.
    fn settle(&mut self) {
        self.done = true;
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if !self.done {
            self.inner.shared.learning.resume();
        }
    }
}

impl Inner {
    fn open(shared: Arc<Shared>, sequence: Sequence, mut params: SessionParams) -> Result<Self> {
        let conversation = match params.conversation {
            Conversation::New => shared.memory.create_conversation()?,
            Conversation::Id(id) => id,
            Conversation::Latest => match shared.memory.latest_conversation()? {
                Some(id) => id,
                None => shared.memory.create_conversation()?,
            },
        };
        params.remember &= shared.memory.remembers(conversation)?;
        let erasures = shared.erasures.load(Ordering::SeqCst);
        let transcript = Transcript::load(&shared.memory, conversation)?;
        let adapters = load_adapters(&shared, &params.adapters)?;
        if let Some(snapshot) = shared.snapshots.as_ref().and_then(|s| s.load(conversation.0)) {
            let restored = sequence.blocking_restore(snapshot, adapters.clone())?;
            tracing::debug!(restored, "tokens of KV cache restored");
        }
        let state = Mutex::new(State {
            params,
            adapters,
            transcript,
            persona: Persona::default(),
            pending_summary: None,
            erasures,
        });
        let conversation = AtomicI64::new(conversation.0);
        Ok(Self { shared, conversation, sequence, occupancy: Arc::default(), state })
    }

    fn conversation(&self) -> ConversationId {
        ConversationId(self.conversation.load(Ordering::SeqCst))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the message, composes the prompt and starts the reply. Runs on the background thread.
    fn start(self: &Arc<Self>, message: Composed, occupied: Occupied) -> Result<Reply> {
        let Composed { text, pasted } = message;
        if text.is_empty() {
            return Err(Error::InvalidInput { what: "message", reason: "it is empty".into() });
        }
        let mut guard = self.state();
        let state = &mut *guard;
        state.check_choice()?;
        self.reload_if_erased(state)?;
        self.shared.learning.pause();
        let budget = self.budget(&state.params);
        let costs = self.costs(state, &text, &budget)?;
        let plan = budget.plan(&costs)?;
        state.params.overflow.check(&plan, &costs, &budget)?;
        let may_outgrow = plan.prompt_tokens + budget.memory_room() > budget.prompt_room();
        state.settle_summary(plan.history_from > 0 || may_outgrow);

        let (turn, mut facts) = self.record_message(state, &text, pasted, &budget)?;
        let room = state.params.overflow.room_beside(&costs, &budget);
        let (recalled, quoted) = self.quote(state, turn, &mut facts, room)?;
        let plan = self.make_room(state, costs, recalled.as_deref(), &budget)?;
        let parts = PromptParts {
            system: &state.params.system_prompt,
            persona: state.persona.block(),
            summary: state.transcript.summary(),
            history: state.transcript.turns(),
            recalled: recalled.as_deref(),
            user: &text,
        };
        let messages = parts.messages();
        state.transcript.begin(turn, recalled, text.clone(), quoted);
        let (recorder, recorded) = Recorder::new(Arc::clone(self), turn, plan.prompt_tokens, occupied);
        let (stream, measuring) = self.generate(state, messages, recorder)?;
        let held = self.occupancy.answered_by(stream.cancel_handle());
        let given = Given { persona: state.persona.facts().to_vec(), facts };
        Ok(Reply::new(stream, recorded, turn, text, given, measuring, held))
    }

    /// What the prompt would take, with the facts of the system prompt up to date. They go before the message does.
    fn costs(&self, state: &mut State, text: &str, budget: &TokenBudget) -> Result<Costs> {
        self.settle_persona(state, budget)?;
        let costs = state.costs(&self.shared.engine, text)?;
        if costs.fixed <= budget.prompt_room() || state.persona.block().is_none() {
            return Ok(costs);
        }
        state.persona = Persona::default();
        state.costs(&self.shared.engine, text)
    }

    /// Makes the message durable; answers with its turn and the memories that matter to it, as many as are affordable.
    fn record_message(
        &self,
        state: &State,
        text: &str,
        pasted: Vec<Range<usize>>,
        budget: &TokenBudget,
    ) -> Result<(i64, Vec<Recalled>)> {
        let params = &state.params;
        let max_count = if params.recall { params.max_recalled } else { 0 };
        let options = TurnOptions {
            remember: params.remember.into(),
            pasted,
            recall: RetrieveLimits { max_count, ..RetrieveLimits::default() },
            ..TurnOptions::default()
        };
        let begun = self.shared.memory.begin_turn(self.conversation(), text, &options)?;
        if let Some(error) = begun.embedding_failure {
            // An embedder of the app may quote the text in its error.
            tracing::warn!("the turn is stored without its vector");
            tracing::debug!(%error, "why it has none");
        }
        let mut room = budget.memory_room().saturating_sub(self.cost(state, state.persona.block()));
        let fits = |fact: &Recalled| {
            let cost = self.shared.engine.count_tokens(&as_quoted(fact).line());
            room.checked_sub(cost).map(|rest| room = rest).is_some()
        };
        Ok((begun.turn, begun.recalled.into_iter().take_while(fits).collect()))
    }

    /// The block that quotes memories which do not stand in the prompt already, and their ids; noted with the turn.
    /// The weakest go until it takes no more than `room` tokens.
    fn quote(
        &self,
        state: &State,
        turn: i64,
        facts: &mut Vec<Recalled>,
        room: usize,
    ) -> Result<(Option<String>, Vec<i64>)> {
        let is_fresh = |fact: &Recalled| !state.transcript.shows(fact) && !state.persona.shows(fact);
        let block = loop {
            let fresh = facts.iter().filter(|fact| is_fresh(fact));
            let quoted: Vec<_> = fresh.map(as_quoted).collect();
            let block = recalled_block(&quoted);
            match facts.iter().rposition(is_fresh).filter(|_| self.cost(state, block.as_deref()) > room) {
                Some(weakest) => drop(facts.remove(weakest)),
                None => break block,
            }
        };
        let ids: Vec<_> = facts.iter().filter(|fact| is_fresh(fact)).map(|fact| fact.id).collect();
        if let Some(block) = &block {
            self.shared.memory.attach_recalled(turn, block, &ids)?;
        }
        Ok((block, ids))
    }

    /// Tokens that a block takes as a message of its own.
    fn cost(&self, state: &State, block: Option<&str>) -> usize {
        block.map_or(0, |block| self.shared.engine.count_tokens(block) + state.transcript.message_overhead())
    }

    /// Takes the oldest turns out of the prompt when the newest, with what is quoted for it, does not fit beside them.
    fn make_room(
        &self,
        state: &mut State,
        mut costs: Costs,
        recalled: Option<&str>,
        budget: &TokenBudget,
    ) -> Result<Plan> {
        costs.fixed += self.cost(state, recalled);
        let plan = budget.plan(&costs)?;
        if plan.history_from > 0 {
            state.transcript.drop_oldest(plan.history_from, &self.shared.memory, self.conversation())?;
            self.renew_persona(state, budget.prompt_room() - plan.prompt_tokens, budget)?;
        }
        Ok(plan)
    }

    fn budget(&self, params: &SessionParams) -> TokenBudget {
        TokenBudget {
            n_ctx: self.shared.engine.n_ctx(),
            reply_reserve: params.max_reply_tokens,
            memory_share: params.memory_share,
        }
    }

    fn reload_if_erased(&self, state: &mut State) -> Result<()> {
        let erasures = self.shared.erasures.load(Ordering::SeqCst);
        if erasures == state.erasures {
            return Ok(());
        }
        state.pending_summary = None; // it may tell what was forgotten
        state.transcript = match Transcript::load(&self.shared.memory, self.conversation()) {
            Err(Error::NotFound { .. }) => {
                let new = self.shared.memory.create_conversation()?;
                self.conversation.store(new.0, Ordering::SeqCst);
                Transcript::default()
            }
            transcript => transcript?,
        };
        state.erasures = erasures;
        Ok(())
    }

    fn save_snapshot(&self) -> Result<()> {
        let Some(snapshots) = &self.shared.snapshots else { return Ok(()) };
        match self.sequence.blocking_snapshot()? {
            Some(bytes) => snapshots.save(self.conversation().0, bytes),
            None => Ok(()),
        }
    }
}

fn as_quoted(fact: &Recalled) -> Quoted<'_> {
    Quoted { words: &fact.text, turn: fact.turn, pasted: fact.origin != Origin::Said }
}

fn load_adapters(shared: &Shared, adapters: &[(PathBuf, f32)]) -> Result<Vec<(AdapterId, f32)>> {
    adapters.iter().map(|(path, scale)| shared.adapter(path).map(|id| (id, *scale))).collect()
}
