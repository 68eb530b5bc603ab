//! A corpus of texts that try to plant memories, rights or instructions, through the real path and the real models.
//!
//! `tests/data/poison.jsonl` says of each text how it arrives and as what it may be stored. Three things are checked:
//! what becomes of it in the store (`stored`), that it does not rise when it is moved or edited (`moved`), and what a
//! model reads of it (`prompts`).

mod corpus;
mod moved;
mod prompts;
mod stored;

#[path = "../session_fixture/mod.rs"]
mod session_fixture;
