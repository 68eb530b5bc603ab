//! Bringing in turns from JSON lines: found again by their ids, nothing twice, bad lines named.

use std::path::PathBuf;

use aloekit::Error;
use aloekit::memory::{
    ExternalId, LineFault, MemoryStore, OnBadLine, ReplyState, RetrieveLimits, SearchBy, TurnImport, VectorStatus,
};

use crate::memory_fixture::Scratch;
use crate::{CANARY, everything, noise};

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn with(&self, lines: &str) -> PathBuf {
        let path = self.0.path().join("lines.jsonl");
        std::fs::write(&path, lines).expect("written");
        path
    }
}

fn import_lines(store: &MemoryStore, lines: &str) -> TurnImport {
    let files = Files::new();
    store.import_turns(&files.with(lines), OnBadLine::Skip, &mut |_| {}).expect("imported")
}

#[test]
fn lines_become_turns_and_replies_and_are_found_again_by_their_ids() {
    let store = Scratch::new().open();
    let report = import_lines(
        &store,
        concat!(
            r#"{"id": "u1", "text": "I play the cello.", "role": "user", "time": "2024-05-30T23:40:00Z", "x": [1]}"#,
            "\n",
            r#"{"id": "a1", "text": "I play the tuba in Trondheim.", "role": "assistant"}"#,
            "\n\n",
            r#"{"id": "a2", "text": "And you?", "role": "assistant"}"#,
            "\r\n",
            r#"{"id": 7, "text": "I keep bees."}"#,
            "\n",
            r#"{"id": "u3", "text": "Thanks!", "time": 1717200000000}"#,
        ),
    );
    assert_eq!((report.lines, report.turns, report.replies, report.memories), (5, 3, 2, 2));
    assert!(report.bad_lines.is_empty() && report.embedding_failure.is_none());
    let transcript = store.transcript(store.latest_conversation().expect("read").expect("one")).expect("a transcript");
    let times: Vec<_> = transcript.iter().map(|turn| turn.at_ms).collect();
    assert_eq!(times, [1_717_112_400_000, 1_717_112_400_000, 1_717_200_000_000]);
    let reply = transcript[0].reply.as_ref().expect("a reply");
    assert_eq!((reply.text.as_str(), reply.state), ("I play the tuba in Trondheim.\n\nAnd you?", ReplyState::Complete));
    assert!(
        store
            .retrieve("tuba in Trondheim", &RetrieveLimits { by: SearchBy::Words, ..everything() })
            .expect("a search")
            .is_empty()
    );
    let found = store.retrieve_many(&["Which bees do I keep?", "hi", "my cello"], &everything()).expect("a search");
    let turns: Vec<_> = [0, 2].map(|at: usize| found[at][0].turn).into();
    let ids = store.external_ids(&turns).expect("ids");
    assert_eq!(ids[&turns[0]], ExternalId::Number(7));
    assert_eq!(ids[&turns[1]], ExternalId::Text("u1".into()));
    assert!(found[1].is_empty());
}

#[test]
fn many_queries_find_what_each_finds_alone() {
    let store = Scratch::new().open();
    noise(&store);
    let queries: Vec<String> = (0..70).map(|n| format!("what is in chapter {n} of the saga?")).collect();
    let queries: Vec<&str> = queries.iter().map(String::as_str).collect();
    let together = store.retrieve_many(&queries, &everything()).expect("a search");
    for (query, together) in queries.iter().zip(together) {
        assert_eq!(together, store.retrieve(query, &everything()).expect("a search"));
    }
}

#[test]
fn an_import_run_again_or_cut_short_adds_nothing_twice() {
    let store = Scratch::new().open();
    let line = |n: usize| match n % 2 {
        0 => format!("{{\"id\": {n}, \"text\": \"story {n} of the sea\", \"role\": \"user\"}}\n"),
        _ => format!("{{\"id\": {n}, \"text\": \"answer {n}\", \"role\": \"assistant\"}}\n"),
    };
    let whole: String = (0..300).map(line).collect();
    let cut: String = (0..137).map(line).collect();
    let first = import_lines(&store, &cut);
    assert_eq!((first.turns, first.replies), (69, 68));
    let second = import_lines(&store, &whole);
    assert_eq!((second.already_there, second.turns, second.replies), (137, 81, 82));
    let third = import_lines(&store, &whole);
    assert_eq!((third.already_there, third.turns + third.replies + third.memories), (300, 0));
    assert_eq!(store.conversations().expect("a list").len(), 1);
    let transcript = store.transcript(store.latest_conversation().expect("read").expect("one")).expect("a transcript");
    for (n, turn) in transcript.iter().enumerate() {
        assert_eq!(turn.user, format!("story {} of the sea", 2 * n));
        assert_eq!(turn.reply.as_ref().expect("a reply").text, format!("answer {}", 2 * n + 1));
    }
    assert_eq!(store.vector_status().expect("a status"), VectorStatus { current: 150, stale: 0, missing: 0 });
}

#[test]
fn an_id_that_comes_twice_in_one_file_is_stored_once() {
    let store = Scratch::new().open();
    let report = import_lines(&store, "{\"id\":1,\"text\":\"the sea\"}\n{\"id\":1,\"text\":\"the lake\"}\n");
    assert_eq!((report.turns, report.already_there), (1, 1));
}

const WITH_BAD_LINES: &str = concat!(
    "{\"id\": \"r\", \"text\": \"Hello, how can I help?\", \"role\": \"assistant\"}\n",
    "{\"id\": \"u1\", \"text\": \"I play the cello.\"}\n",
    "Zanzibarquokka\n",
    "{\"id\": \"u2\", \"text\": \"I keep bees.\", \"time\": \"last Zanzibarquokka\"}\n",
    "{\"id\": \"u3\", \"text\": \"x\", \"role\": \"Zanzibarquokka\"}\n",
);

#[test]
fn bad_lines_are_named_and_skipped() {
    let store = Scratch::new().open();
    let report = import_lines(&store, WITH_BAD_LINES);
    let bad: Vec<_> = report.bad_lines.iter().map(|bad| (bad.line, bad.fault)).collect();
    assert_eq!(
        bad,
        [(1, LineFault::ReplyToNothing), (3, LineFault::NotAnObject), (4, LineFault::Time), (5, LineFault::Role)]
    );
    assert_eq!(report.turns, 2, "a line whose time cannot be read is kept");
}

#[test]
fn with_refuse_one_bad_line_keeps_the_whole_file_out() {
    let files = Files::new();
    let store = Scratch::new().open();
    let lines: Vec<_> = WITH_BAD_LINES.lines().collect();
    for (bad, number) in [(lines[0], 1), (lines[2], 41), (lines[3], 41), (lines[4], 41)] {
        let good: String = (0..40).map(|n| format!("{{\"id\": {n}, \"text\": \"story {n} of the sea\"}}\n")).collect();
        let file = if number == 1 { format!("{bad}\n{good}") } else { format!("{good}{bad}\n") };
        let refused = store.import_turns(&files.with(&file), OnBadLine::Refuse, &mut |_| {});
        let Err(error @ Error::ImportInvalid { line, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!(line, Some(number));
        assert!(!error.to_string().contains(CANARY), "{error}");
    }
    assert!(store.conversations().expect("a list").is_empty());
}

#[test]
fn an_endless_line_is_skipped_without_being_kept() {
    let store = Scratch::new().open();
    let endless =
        format!("{{\"id\": 1, \"text\": \"{}\"}}\n{{\"id\": 2, \"text\": \"the sea\"}}", "x".repeat(30_000_000));
    let report = import_lines(&store, &endless);
    assert_eq!((report.turns, report.bad_lines[0].line, report.bad_lines[0].fault), (1, 1, LineFault::TooLong));
}

#[test]
fn progress_grows_to_the_whole_file() {
    let files = Files::new();
    let lines: String = (0..200).map(|n| format!("{{\"id\": {n}, \"text\": \"story {n} of the sea\"}}\n")).collect();
    let mut seen = Vec::new();
    let store = Scratch::new().open();
    store.import_turns(&files.with(&lines), OnBadLine::Skip, &mut |at| seen.push(at)).expect("imported");
    assert!(seen.len() >= 6 && seen.is_sorted_by_key(|at| at.done));
    assert_eq!((seen[seen.len() - 1].done, seen[0].total), (lines.len() as u64, Some(lines.len() as u64)));
    let export = store.export().expect("an export");
    let mut seen = Vec::new();
    Scratch::new().open().import(&export, &mut |at| seen.push(at.done)).expect("imported");
    assert_eq!(seen, [32, 64, 96, 128, 160, 192, 200]);
}

#[test]
fn a_missing_file_is_an_error_that_names_it() {
    let refused = Scratch::new().open().import_turns("/no/such.jsonl".as_ref(), OnBadLine::Skip, &mut |_| {});
    assert!(matches!(refused, Err(Error::Io { .. })), "{refused:?}");
}
