//! Carries out the steps of one case.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use aloekit_ffi::{
    AloeError, Assistant, Persona, Recalled, Reply, ReplyListener, Result, ScriptParams, ScriptedReply, Session, Turn,
    UserMessage, encrypt_store, estimate_memory, open_assistant, open_scripted_assistant,
};
use serde_json::Value;

use crate::feedback::check_measured;
use crate::files::{files, holding};
use crate::parameters::{adapters, assistant_params, engine, key, message, script, session_params};
use crate::step::Step;

pub(crate) struct Interpreter {
    kept: HashMap<String, String>,
    assistant: Option<Arc<Assistant>>,
    session: Option<Arc<Session>>,
    pub(crate) last_turn: i64,
    folder: PathBuf,
    noted: BTreeMap<PathBuf, Vec<u8>>,
}

impl Interpreter {
    pub(crate) fn new(data: &Path, model: &Path) -> Self {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let kept = HashMap::from([("DIR".to_owned(), text(data)), ("MODEL".to_owned(), text(model))]);
        Self { kept, assistant: None, session: None, last_turn: 0, folder: data.into(), noted: BTreeMap::new() }
    }

    pub(crate) async fn run(&mut self, steps: &[Value]) {
        for fields in steps {
            self.expect(fields).await;
        }
    }

    async fn expect(&mut self, fields: &Value) {
        let outcome = Box::pin(self.perform(fields)).await;
        let Some(wanted) = fields["error"].as_str() else { return outcome.unwrap_or_else(|e| panic!("{fields}: {e}")) };
        let error = outcome.expect_err(&format!("{wanted} was expected: {fields}"));
        assert_eq!(name_of(&error), wanted, "{fields}");
        for (name, value) in fields["fields"].as_object().into_iter().flatten() {
            assert!(format!("{error:?}").contains(&format!("{name}: {value}")), "{name} of {error:?}");
        }
    }

    async fn perform(&mut self, fields: &Value) -> Result<()> {
        let kept = self.kept.clone();
        let step = Step { fields, kept: &kept };
        match step.text("do").as_str() {
            "open" => self.assistant = Some(open_assistant(assistant_params(&step), None).await?),
            "open_scripted" => self.assistant = Some(open_scripted_assistant(script(&step), key(&step)).await?),
            "session" => self.session = Some(self.assistant().session(session_params(&step)).await?),
            "send" => self.send(&step).await?,
            "send_to" => self.send_to(&step).await?,
            "cancel" => self.cancel(&step).await?,
            "busy" => self.busy(&step).await?,
            "kinds" => kinds(&step).await?,
            "background" => self.assistant().enter_background().await?,
            "foreground" => self.assistant().enter_foreground()?,
            "background_during" => self.background_during(&step).await?,
            "adapters" => self.session().set_adapters(adapters(&step, "paths")).await?,
            "estimate" => {
                let estimate = estimate_memory(engine(&step)).await?;
                assert!(estimate.required_mib > 0 && estimate.available_mib > 0, "{estimate:?}");
            }
            "write" => std::fs::write(step.text("path"), step.text("text")).expect("a file is written"),
            "write_bytes" => std::fs::write(step.text("path"), step.bytes("hex")).expect("a file is written"),
            "close_session" => self.session().finish_close().await?,
            "close" => self.assistant().finish_close().await?,
            "repeat" => {
                for _ in 0..step.number("times").expect("how often") {
                    for fields in step.steps("steps") {
                        self.expect(fields).await;
                    }
                }
            }
            "parallel" => self.parallel(&step),
            "settle" => self.assistant().settle().await?,
            "rekey" => self.assistant().rekey(key(&step).expect("a key")).await?,
            "encrypt" => encrypt_store(step.text("path"), key(&step).expect("a key")).await?,
            "note_files" => self.noted = files(&self.folder),
            "same_files" => assert!(self.noted == files(&self.folder), "bytes were changed: {fields}"),
            "hidden_in_files" => assert_eq!(holding(&self.folder, &step.text("text")), Vec::<PathBuf>::new()),
            _ => self.rights(&step).await?,
        }
        Ok(())
    }

    /// The user's rights over what is known of them.
    async fn rights(&mut self, step: &Step<'_>) -> Result<()> {
        let persona = self.assistant().persona();
        let id = || step.number("id").expect("an id");
        match step.text("do").as_str() {
            "learn" => {
                persona.learn(None).await?;
            }
            "facts" => {
                let facts = persona.facts().await?;
                if let (Some(name), Some(fact)) = (step.optional("keep"), facts.first()) {
                    self.kept.insert(name, fact.id.to_string());
                }
                step.check(&facts.into_iter().map(|fact| fact.text).collect::<Vec<_>>());
            }
            "memories" | "remember" => look(&persona, step).await?,
            "why" => {
                let memories = persona.why(self.last_turn).await?;
                step.check(&memories.into_iter().map(|memory| memory.text).collect::<Vec<_>>());
            }
            "edit" => assert_eq!(persona.edit(id(), step.text("text")).await?.text, step.text("text")),
            "pin" => persona.set_pinned(id(), step.flag("pinned")).await?,
            "forget" => assert!(persona.forget(id()).await?.wiped),
            "forget_topic" => {
                let found = persona.find_topic(step.text("text")).await?;
                persona.forget_all(found.into_iter().map(|memory| memory.id).collect()).await?;
            }
            "export" => persona.export_to(step.text("path")).await?,
            "import" => {
                persona.import_from(step.text("path")).await?;
            }
            "erase" => persona.erase_all().await?,
            _ => self.feedback(step).await?,
        }
        Ok(())
    }

    async fn send(&mut self, step: &Step<'_>) -> Result<()> {
        let reply = self.session().send(message(step)).await?;
        let pieces = read(&reply).await?;
        let turn = reply.finish().await?;
        assert_eq!(pieces, turn.reply, "{}", step.fields);
        check_turn(&turn, step);
        self.last_turn = turn.turn;
        Ok(())
    }

    async fn send_to(&mut self, step: &Step<'_>) -> Result<()> {
        let listener = Arc::new(Listener { text: Mutex::default(), throws: step.flag("throws") });
        let turn = self.session().send_to(message(step), Arc::<Listener>::clone(&listener), None).await?;
        assert_eq!(*listener.text.lock().expect("no panic"), turn.reply);
        check_turn(&turn, step);
        self.last_turn = turn.turn;
        Ok(())
    }

    async fn cancel(&mut self, step: &Step<'_>) -> Result<()> {
        let reply = self.session().send(message(step)).await?;
        for _ in 0..step.number("after_pieces").expect("how many") {
            reply.next().await?;
        }
        // Nobody waits for the end here: the next message of the session does.
        reply.cancel();
        Ok(())
    }

    async fn busy(&mut self, step: &Step<'_>) -> Result<()> {
        let reply = self.session().send(message(step)).await?;
        assert_eq!(self.session().send(typed("more")).await.err(), Some(AloeError::Busy));
        reply.cancel();
        reply.finish().await?;
        Ok(())
    }

    async fn background_during(&mut self, step: &Step<'_>) -> Result<()> {
        let reply = self.session().send(message(step)).await?;
        reply.next().await?;
        self.assistant().enter_background().await?;
        assert_eq!(reply.finish().await, Err(AloeError::Backgrounded));
        Ok(())
    }

    /// All at once, from threads of their own.
    fn parallel(&self, step: &Step<'_>) {
        let persona = self.assistant().persona();
        std::thread::scope(|scope| {
            for _ in 0..step.number("times").expect("how often") {
                let persona = &persona;
                scope.spawn(move || {
                    for fields in step.steps("steps") {
                        let step = Step { fields, kept: step.kept };
                        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                        runtime.block_on(look(persona, &step)).expect("the call is answered");
                    }
                });
            }
        });
    }

    pub(crate) fn assistant(&self) -> &Assistant {
        self.assistant.as_ref().expect("an assistant was opened")
    }

    pub(crate) fn session(&self) -> &Session {
        self.session.as_ref().expect("a session was opened")
    }
}

struct Listener {
    text: Mutex<String>,
    throws: bool,
}

impl ReplyListener for Listener {
    fn on_text(&self, text: String) -> Result<()> {
        if self.throws {
            return Err(AloeError::CallbackFailed { reason: "the app's own mistake".into() });
        }
        self.text.lock().expect("no panic").push_str(&text);
        Ok(())
    }
}

async fn read(reply: &Reply) -> Result<String> {
    let mut text = String::new();
    while let Some(piece) = reply.next().await? {
        text.push_str(&piece);
    }
    Ok(text)
}

async fn look(persona: &Persona, step: &Step<'_>) -> Result<()> {
    let texts: Vec<_> = match step.text("do").as_str() {
        "memories" => persona.memories().await?.into_iter().map(|memory| memory.text).collect(),
        _ => persona.search(step.text("text"), 8).await?.into_iter().map(|memory| memory.text).collect(),
    };
    step.check(&texts);
    Ok(())
}

async fn kinds(step: &Step<'_>) -> Result<()> {
    let reply = |pieces: &str, fails_with| ScriptedReply {
        pieces: vec![pieces.into()],
        piece_delay_ms: 0,
        fails_with,
        alignment_nats: 0.0,
    };
    for name in step.texts("fails_with") {
        let replies = vec![reply("so far", Some(make(&name))), reply("fine", None)];
        let assistant = open_scripted_assistant(ScriptParams { replies, ..script(step) }, None).await?;
        let session = assistant.session(session_params(step)).await?;
        let error = session.send(typed("go")).await?.finish().await.expect_err("the script says so");
        assert_eq!(name_of(&error), name);
        assert_eq!(session.send(typed("again")).await?.finish().await?.reply, "fine", "{name}");
    }
    Ok(())
}

fn check_turn(turn: &Turn, step: &Step<'_>) {
    assert!(!turn.reply.contains('\u{FFFD}'), "a character was broken: {}", step.fields);
    if let Some(reply) = step.optional("reply") {
        assert_eq!(turn.reply, reply);
    }
    if let Some(stop) = step.optional("stop") {
        assert_eq!(format!("{:?}", turn.stop), stop);
    }
    let says = |memories: &[Recalled], words: &str| memories.iter().any(|memory| memory.text.contains(words));
    if let Some(words) = step.optional("recalls") {
        assert!(says(&turn.facts, &words), "{:?}", turn.facts);
    }
    if let Some(words) = step.optional("stands") {
        assert!(says(&turn.persona, &words), "{:?}", turn.persona);
    }
    if let Some(words) = step.optional("stands_not") {
        assert!(!says(&turn.persona, &words), "{:?}", turn.persona);
    }
    if step.flag("cached") {
        assert!(turn.stats.cached_tokens > 0, "{:?}", turn.stats);
    }
    check_measured(turn, step);
}

fn typed(text: &str) -> UserMessage {
    UserMessage { text: text.into(), pasted: Vec::new() }
}

/// The variant's name, which is what the cases call an error by.
fn name_of(error: &AloeError) -> String {
    let text = format!("{error:?}");
    text.split([' ', '{']).next().unwrap_or_default().to_owned()
}

pub(crate) fn make(name: &str) -> AloeError {
    let (path, reason) = ("p".to_owned(), "r".to_owned());
    match name {
        "ModelMissing" => AloeError::ModelMissing { what: "model".into(), path },
        "ModelCorrupt" => AloeError::ModelCorrupt { path, reason },
        "ModelIncompatible" => AloeError::ModelIncompatible { path, reason },
        "AdapterMismatch" => AloeError::AdapterMismatch { path, reason },
        "NotEnoughMemory" => AloeError::NotEnoughMemory { required_mib: 2, available_mib: 1 },
        "ContextExceeded" => AloeError::ContextExceeded { required_tokens: 2, available_tokens: 1 },
        "Busy" => AloeError::Busy,
        "Cancelled" => AloeError::Cancelled,
        "Closed" => AloeError::Closed,
        "Backgrounded" => AloeError::Backgrounded,
        "StorageFull" => AloeError::StorageFull { path },
        "StorageLocked" => AloeError::StorageLocked { path },
        "StorageCorrupt" => AloeError::StorageCorrupt { path, reason },
        "StorageDenied" => AloeError::StorageDenied { path, reason },
        "WrongKey" => AloeError::WrongKey { path },
        "SchemaTooNew" => AloeError::SchemaTooNew { found: 2, supported: 1 },
        "ImportInvalid" => AloeError::ImportInvalid { line: Some(1), reason },
        "EmbedderChanged" => AloeError::EmbedderChanged { stored: "a".into(), given: "b".into() },
        "InvalidInput" => AloeError::InvalidInput { what: "script".into(), reason },
        "NotFound" => AloeError::NotFound { what: "memory".into(), id: 1 },
        "CallbackFailed" => AloeError::CallbackFailed { reason },
        "Internal" => AloeError::Internal { reason },
        other => panic!("the cases name an error that is none: {other}"),
    }
}
