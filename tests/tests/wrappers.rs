//! `bindings/WRAPPERS.md` names every public type of the core, and no others; every error of the core is translated.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The front files: what they declare or hand on is public.
const FRONTS: &[&str] = &[
    "lib.rs",
    "error.rs",
    "message.rs",
    "engine/mod.rs",
    "engine/estimate.rs",
    "engine/threads.rs",
    "engine/gguf/mod.rs",
    "engine/template/mod.rs",
    "memory/mod.rs",
    "prompt/mod.rs",
    "session/mod.rs",
];

#[test]
fn the_table_names_every_public_type_of_the_core_and_no_other() {
    let public: BTreeSet<_> = FRONTS.iter().flat_map(|front| names(&read(&format!("core/src/{front}")))).collect();
    assert!(public.contains("Assistant") && public.contains("MemoryStore"), "the front files were not understood");
    let table = read("bindings/WRAPPERS.md");
    let rows: Vec<_> = table.lines().filter_map(|line| line.strip_prefix("| `")).collect();
    let named: BTreeSet<_> = rows.iter().filter_map(|row| row.split('`').next().map(str::to_owned)).collect();
    let missing: Vec<_> = public.difference(&named).collect();
    let gone: Vec<_> = named.difference(&public).collect();
    assert!(missing.is_empty() && gone.is_empty(), "missing in WRAPPERS.md: {missing:?}; gone from the core: {gone:?}");
    let wrong: Vec<_> = rows
        .iter()
        .filter(|row| !["| wrapped |", "| re-exported |", "| hidden |"].iter().any(|word| row.contains(word)))
        .collect();
    assert!(wrong.is_empty(), "say wrapped, re-exported or hidden: {wrong:?}");
}

/// The core's error may grow, so the compiler demands a last arm; this sees to it that nothing falls into it.
#[test]
fn every_error_of_the_core_is_translated() {
    let (errors, translation) = (read("core/src/error.rs"), read("bindings/src/error.rs"));
    let names = variants(&errors, "pub enum Error {");
    assert!(names.contains(&"Backgrounded"), "the enum was not understood: {names:?}");
    let left_out: Vec<_> = names.iter().filter(|name| !translation.contains(&format!("Error::{name} "))).collect();
    assert!(left_out.is_empty(), "add to bindings/src/error.rs: {left_out:?}");
}

/// The cases make each of them cross the border; a language that lacks one fails there.
#[test]
fn every_error_of_the_bindings_is_in_the_cases() {
    let (errors, cases) = (read("bindings/src/error.rs"), read("tests/conformance/errors.json"));
    let names = variants(&errors, "pub enum AloeError {");
    assert!(names.contains(&"Backgrounded"), "the enum was not understood: {names:?}");
    let left_out: Vec<_> = names.iter().filter(|name| !cases.contains(&format!("\"{name}\""))).collect();
    assert!(left_out.is_empty(), "add to the kinds of tests/conformance/errors.json: {left_out:?}");
}

/// Names of the variants of an enum.
fn variants<'a>(text: &'a str, head: &str) -> Vec<&'a str> {
    let declared = text.split(head).nth(1).and_then(|rest| rest.split("\n}").next()).expect("the enum");
    let lines = declared.lines().filter_map(|line| line.strip_prefix("    "));
    let names = lines.filter(|line| line.starts_with(char::is_uppercase));
    names.filter_map(|line| line.split([' ', ',', '{']).next()).collect()
}

fn names(text: &str) -> Vec<String> {
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut names = Vec::new();
    for statement in code.split("\npub use ").skip(1) {
        let path = statement.split(';').next().unwrap_or_default();
        let (_, handed_on) = path.split_once("::").expect("a re-export names its room");
        let words = handed_on.split(|c: char| !c.is_alphanumeric() && c != '_');
        names.extend(words.filter(|word| !word.is_empty()).map(str::to_owned));
    }
    for keyword in ["struct", "enum", "trait", "type", "const", "fn"] {
        for item in code.split(&format!("\npub {keyword} ")).skip(1) {
            names.extend(item.split(|c: char| !c.is_alphanumeric() && c != '_').next().map(str::to_owned));
        }
    }
    names
}

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a member of the workspace").to_owned();
    fs::read_to_string(root.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}
