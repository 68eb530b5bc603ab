//! What the chat learns of its user: facts from their own sentences, in the instructions of the next conversation, without
//! moving the prompt of the present one.

mod session_fixture;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aloekit::engine::Engine;
use aloekit::memory::{Candidate, Inducer, MemoryKind, PromptedInducer, UserTurn};
use aloekit::{Assistant, Induction, Session, SessionParams, Turn};
use aloekit_tests::fixtures::engine_params;
use session_fixture::{brief, brief_new, launch, memory, say, session, try_say};

const TOLD: [&str; 3] = ["I live in Ghent with my wife.", "I hate mushrooms.", "I play the cello in a quartet."];

fn engine() -> Engine {
    Engine::open(&engine_params(1024)).expect("the engine opens")
}

fn tell(assistant: &Assistant) -> Session {
    let mut talk = session(assistant, brief(8));
    TOLD.iter().for_each(|text| drop(say(&mut talk, text)));
    assistant.settle().expect("it settles");
    talk
}

fn persona(turn: &Turn) -> Vec<&str> {
    turn.persona.iter().map(|fact| fact.text.as_str()).collect()
}

#[test]
fn what_was_told_stands_in_the_instructions_of_the_next_conversation_and_stays_there_over_a_restart() {
    let (data, engine) = (tempfile::tempdir().expect("a folder"), engine());
    let known = {
        let assistant = launch(data.path(), &engine);
        drop(tell(&assistant));
        let mut next = session(&assistant, brief_new(8));
        let first = say(&mut next, "Good morning!");
        assert_eq!(persona(&first), TOLD);
        assert!(first.facts.is_empty(), "small talk recalls nothing: {:?}", first.facts);
        assert!(first.persona.iter().all(|fact| fact.why.contains("instructions") && fact.score > 0.5));
        let second = say(&mut next, "I work as a nurse.");
        let third = say(&mut next, "What a day.");
        assert_eq!(persona(&third), TOLD, "what is learnt now stands in the history");
        for (later, earlier) in [(&second, &first), (&third, &second)] {
            let known = earlier.stats.prompt_tokens + earlier.stats.reply_tokens;
            assert!(later.stats.cached_tokens + 1 >= known, "{:?} after {known}", later.stats);
        }
        next.close().expect("closes");
        third.stats.prompt_tokens + third.stats.reply_tokens
    };
    let assistant = launch(data.path(), &engine);
    let fourth = say(&mut session(&assistant, brief(8)), "Really.");
    assert_eq!(persona(&fourth), TOLD);
    assert!(fourth.stats.cached_tokens + 1 >= known, "{:?} after {known}", fourth.stats);
    let fresh = say(&mut session(&assistant, brief_new(8)), "Hello again!");
    assert!(persona(&fresh).contains(&"I work as a nurse."), "{:?}", persona(&fresh));
}

#[test]
fn a_fact_that_changed_or_was_forgotten_leaves_the_instructions_at_once() {
    let (data, engine) = (tempfile::tempdir().expect("a folder"), engine());
    let assistant = launch(data.path(), &engine);
    drop(tell(&assistant));
    let mut next = session(&assistant, brief_new(8));
    say(&mut next, "Good morning!");
    say(&mut next, "I moved to Porto.");
    let moved = say(&mut next, "Thanks.");
    assert_eq!(persona(&moved), ["I moved to Porto.", TOLD[1], TOLD[2]], "in the place of the one it took");

    let mushrooms = moved.persona.iter().find(|fact| fact.text == TOLD[1]).expect("it stands there").id;
    assistant.memory().edit(mushrooms, "I dislike mushrooms a little.").expect("edited");
    assert!(persona(&say(&mut next, "Thanks again.")).contains(&"I dislike mushrooms a little."));

    let cello = moved.persona.iter().find(|fact| fact.text == TOLD[2]).expect("it stands there").id;
    assistant.forget(cello).expect("forgotten");
    let after = say(&mut next, "Thanks a lot.");
    assert_eq!(persona(&after), ["I moved to Porto.", "I dislike mushrooms a little."]);
    next.close().expect("closes");
    for file in files(data.path()) {
        let bytes = std::fs::read(&file).expect("it can be read");
        assert!(!bytes.windows(5).any(|five| five == b"cello"), "{}", file.display());
    }
}

#[test]
fn a_reply_given_with_a_fact_in_view_is_forgotten_with_it_when_it_repeats_it() {
    let (data, engine) = (tempfile::tempdir().expect("a folder"), engine());
    let assistant = launch(data.path(), &engine);
    drop(tell(&assistant));
    let repeat = aloekit::engine::Constraint::Gbnf("root ::= \"Your cello misses you.\"".into());
    let mut next = session(&assistant, SessionParams { constraint: repeat, ..brief_new(16) });
    let told = say(&mut next, "Good morning!");
    assert_eq!(told.reply, "Your cello misses you.");
    let cello = told.persona.iter().find(|fact| fact.text == TOLD[2]).expect("it stands there").id;
    let report = assistant.forget(cello).expect("forgotten");
    assert!(report.replies_of.contains(&told.turn), "{report:?}");
    assert!(report.conversations.contains(&next.conversation()), "{report:?}");
}

#[test]
fn with_memory_switched_off_nothing_of_the_user_stands_in_the_instructions() {
    let (data, engine) = (tempfile::tempdir().expect("a folder"), engine());
    let assistant = launch(data.path(), &engine);
    drop(tell(&assistant));
    let mut off = session(&assistant, SessionParams { recall: false, remember: false, ..brief_new(8) });
    assert!(say(&mut off, "I keep bees on the roof.").persona.is_empty());
    assistant.settle().expect("it settles");
    assert!(!assistant.memory().facts().expect("facts").iter().any(|fact| fact.text.contains("bees")));
}

#[test]
fn facts_give_way_to_a_message_that_needs_their_room_and_are_renewed_when_old_turns_leave() {
    let (data, engine) = (tempfile::tempdir().expect("a folder"), engine());
    let assistant = launch(data.path(), &engine);
    drop(tell(&assistant));
    let mut next = session(&assistant, brief_new(8));
    say(&mut next, "Good morning!");
    say(&mut next, "I work as a nurse.");
    let room = engine.n_ctx() - 8;
    let text = |words: usize| "tide ".repeat(words);
    let largest = (1..room).rev().find(|words| {
        let messages = [aloekit::Message::system(session_fixture::SYSTEM), aloekit::Message::user(text(*words).trim())];
        engine.count_prompt_tokens(&messages).is_ok_and(|tokens| tokens <= room)
    });
    let long = say(&mut next, &text(largest.expect("something fits")));
    assert!(long.persona.is_empty(), "{:?}", persona(&long));
    let later = say(&mut next, "So?");
    let later = if later.persona.is_empty() { say(&mut next, "So then?") } else { later };
    assert!(persona(&later).contains(&"I work as a nurse."), "{:?}", persona(&later));
}

struct Counting(AtomicUsize);

impl Inducer for Counting {
    fn name(&self) -> &str {
        "counting-1"
    }

    fn induce(&self, turns: &[UserTurn<'_>]) -> aloekit::Result<Vec<Candidate>> {
        self.0.fetch_add(turns.len(), Ordering::SeqCst);
        let fact = |turn: &UserTurn<'_>| Candidate {
            turn: turn.turn,
            kind: MemoryKind::Profile,
            text: turn.text.into(),
            words: turn.text.into(),
            confidence: 0.8,
        };
        Ok(turns.iter().map(fact).collect())
    }
}

fn with(data: &std::path::Path, engine: &Engine, induction: Induction) -> Assistant {
    Assistant::from_parts(engine.clone(), memory(data), None, induction).expect("the assistant starts")
}

#[test]
fn an_app_can_bring_its_own_inducer_or_none() {
    let (data, engine) = (tempfile::tempdir().expect("a folder"), engine());
    let off = with(data.path(), &engine, Induction::Off);
    drop(tell(&off));
    assert!(off.memory().facts().expect("facts").is_empty());
    drop(off);
    let counting = Arc::new(Counting(AtomicUsize::new(0)));
    let own = with(data.path(), &engine, Induction::Own(counting.clone()));
    own.settle().expect("it settles");
    assert_eq!(counting.0.load(Ordering::SeqCst), TOLD.len(), "what is unread is read after opening");
    assert_eq!(own.memory().facts().expect("facts").len(), TOLD.len());
}

#[test]
fn the_model_reads_while_nobody_talks_and_stops_when_somebody_does() {
    // Room for what it reads and for the talk, whose cache it never evicts.
    let (data, engine) = (tempfile::tempdir().expect("a folder"), Engine::open(&engine_params(2048)).expect("opens"));
    let prompted = Induction::Prompted { idle_after: Duration::from_millis(20) };
    let assistant = with(data.path(), &engine, prompted);
    let mut talk = tell(&assistant);
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(60)); // it reads now
        assert!(try_say(&mut talk, "Hello?").is_ok(), "a message is answered all the same");
    }
    let model = engine.info().fingerprint.clone();
    let unread = PromptedInducer::new(&model, |_| Err(aloekit::Error::Cancelled));
    let limit = Instant::now() + Duration::from_secs(120);
    while assistant.memory().induce(&unread, 8).is_err() {
        assert!(Instant::now() < limit, "the model never finished reading");
        std::thread::sleep(Duration::from_millis(100));
    }
    for fact in assistant.memory().facts().expect("facts") {
        assert!(TOLD.iter().any(|told| told.contains(&fact.words)), "{fact:?}");
    }
    assistant.close();
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
