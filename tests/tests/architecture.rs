//! The rules of the house, read out of the source: who may import whom, where `unsafe` may stand, how files begin.
//!
//! Reads text and runs nothing. A rule that fails is answered in the code it names, or in ARCHITECTURE.md and here
//! together, never here alone.

mod rooms;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rooms::{BINDINGS, CORE, MODELS};

/// The only places in which `unsafe` may stand: the C API of llama.cpp, the functions that SQLCipher calls, the buffer in
/// which a key crosses the border, and the call of the matrix kernels.
const UNSAFE_ROOMS: [&str; 4] = [
    "core/src/engine/native/",
    "core/sqlcipher/src/provider.rs",
    "bindings/src/secret.rs",
    "models/src/train/ops/matmul.rs",
];

const MOST_LINES: usize = 450;

/// Words that say a file has no idea of its own.
const SHAPELESS: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc", "manager"];

/// Paths by which Rust code would reach a network.
const NETWORK_PATHS: &[&str] = &["std::net", "tokio::net", "std::os::unix::net", "rustix::net", "libc::socket"];

/// Crates by which it would; none may be reachable from the core, its build and its tests included.
const NETWORK_CRATES: &[&str] = &[
    "attohttpc",
    "curl",
    "h2",
    "hf-hub",
    "http",
    "hyper",
    "isahc",
    "mio",
    "minreq",
    "native-tls",
    "openssl",
    "quinn",
    "reqwest",
    "rustls",
    "socket2",
    "surf",
    "tungstenite",
    "ureq",
];

/// A source file.
struct Source {
    /// From the root of the repository, with slashes.
    path: String,
    text: String,
    /// The text without comments, contents of literals and test modules; lines are kept.
    code: String,
}

#[test]
fn in_the_core_imports_point_one_way() {
    check_edges("core/src", CORE, "lib");
}

#[test]
fn in_the_desktop_tool_imports_point_one_way() {
    check_edges("models/src", MODELS, "main");
}

#[test]
fn in_the_bindings_every_room_knows_only_what_it_needs() {
    check_edges("bindings/src", BINDINGS, "lib");
    let manifest = fs::read_to_string(root().join("core/Cargo.toml")).expect("the core has a manifest");
    assert!(!manifest.contains("aloekit-ffi") && !manifest.contains("uniffi"), "the core knows its bindings");
}

#[test]
fn the_core_does_not_know_the_desktop_tool_and_few_of_its_rooms_know_the_core() {
    let manifest = fs::read_to_string(root().join("core/Cargo.toml")).expect("the core has a manifest");
    assert!(!manifest.contains("aloekit-models"), "the core depends on the desktop tool");
    let allowed = |path: &str| {
        let single = ["models/src/error.rs", "models/src/provider/local.rs"];
        // What measures the core asks it, its headers of model files are the only ones, and so are the words in which
        // its prompts quote what memory keeps.
        let rooms = ["models/src/commands/", "models/src/dataset/", "models/src/evaluation/", "models/src/weights/"];
        rooms.iter().any(|room| path.starts_with(room)) || single.contains(&path)
    };
    let knowing: Vec<_> = sources("models/src").into_iter().filter(|s| has_word(&s.code, "aloekit")).collect();
    let wrong: Vec<_> = knowing.iter().map(|s| &s.path).filter(|path| !allowed(path)).collect();
    assert!(
        wrong.is_empty(),
        "commands, datasets, evaluation, the local provider and the weights may use the core: {wrong:?}"
    );
}

#[test]
fn unsafe_stands_where_c_or_the_border_forces_it() {
    let wrong = offenders(&["core/src", "bindings/src", "models/src", "core/sqlcipher/src"], |s| {
        has_word(&s.code, "unsafe") && !UNSAFE_ROOMS.iter().any(|room| s.path.starts_with(room))
    });
    assert!(wrong.is_empty(), "unsafe belongs in {UNSAFE_ROOMS:?}: {wrong:?}");
}

#[test]
fn every_file_opens_by_saying_what_it_owns() {
    let wrong = offenders(&ALL, |s| !s.text.starts_with("//!"));
    assert!(wrong.is_empty(), "these do not begin with `//!`: {wrong:?}");
}

#[test]
fn nothing_is_unwrapped_outside_tests() {
    let wrong =
        offenders(&["core/src", "core/examples", "bindings/src", "models/src"], |s| s.code.contains(".unwrap()"));
    assert!(wrong.is_empty(), "say the invariant with `expect`, or return an error: {wrong:?}");
}

#[test]
fn no_file_grows_beyond_one_idea() {
    let wrong = offenders(&ALL, |s| s.text.lines().count() > MOST_LINES);
    assert!(wrong.is_empty(), "these are longer than {MOST_LINES} lines: {wrong:?}");
}

#[test]
fn no_room_has_a_name_without_an_idea() {
    let wrong = offenders(&ALL, |s| {
        let named = s.path.trim_end_matches(".rs").split('/').any(|part| SHAPELESS.contains(&part));
        named || words_after(&s.code, "mod").iter().any(|name| SHAPELESS.contains(&name.as_str()))
    });
    assert!(wrong.is_empty(), "a missing room shows: {wrong:?}");
}

#[test]
fn the_core_has_no_way_to_a_network() {
    let wrong = offenders(&["core/src", "bindings/src"], |s| NETWORK_PATHS.iter().any(|path| s.code.contains(path)));
    assert!(wrong.is_empty(), "the core opens no socket: {wrong:?}");
    let reachable = locked_dependencies("aloekit");
    assert!(reachable.contains("llama-cpp-sys-2"), "Cargo.lock was not understood");
    let wrong: Vec<_> = NETWORK_CRATES.iter().filter(|name| reachable.contains(**name)).collect();
    assert!(wrong.is_empty(), "the core depends on crates that open sockets: {wrong:?}");
}

/// Turning it off through its API is not enough: a library that has a collector asked for its address all the same
/// (seen with strace, ONNX Runtime 1.32). So the library must be one that has none.
#[test]
fn the_onnx_runtime_behind_memory_has_nowhere_to_report_to() {
    let library = fs::read(aloekit_tests::fixtures::ort_library()).expect("the library can be read");
    let holds = |text: &str| library.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(holds("OrtGetApiBase"), "this is not ONNX Runtime");
    assert!(!holds("OneCollector"), "this ONNX Runtime sends telemetry: pin a version without a collector");
}

#[test]
fn the_reader_of_source_is_not_fooled_by_comments_and_literals() {
    let text = "// crate::a\n/* /* crate::b */ */ let s = \"crate::c \\\" \"; let r = r#\"crate::d\"#; 'x'; '\"'; fn f<'a>() {}\n\
                use crate::{Error, engine::{Engine, native}, memory};\n#[cfg(test)]\nmod tests { use crate::session; }\nuse super::x;";
    let code = without_tests(&blank(text));
    assert_eq!(code.lines().count(), text.lines().count());
    assert_eq!(from_root(&code, &["engine"]), ["Error", "engine", "memory", "x"].map(String::from).into());
    assert_eq!(from_root("use super::super::Error; use super::db;", &["memory", "db"]), ["Error".to_owned()].into());
}

const ALL: [&str; 7] =
    ["core/src", "core/examples", "bindings/src", "models/src", "models/tests", "tests/src", "tests/tests"];

fn check_edges(folder: &str, rules: &[(&str, &[&str])], front: &str) {
    let reexports = reexports(&root().join(folder).join(format!("{front}.rs")));
    let mut wrong = Vec::new();
    for source in sources(folder) {
        let module = module_path(&source.path, folder);
        let room = module.first().copied().unwrap_or(front);
        if room == front {
            continue;
        }
        let Some((_, allowed)) = rules.iter().find(|(name, _)| *name == room) else {
            wrong
                .push(format!("{} is in no known room: add `{room}` to the rules and to ARCHITECTURE.md", source.path));
            continue;
        };
        for name in from_root(&source.code, &module) {
            let target = reexports.get(&name).unwrap_or(&name).as_str();
            if target != room && !allowed.contains(&target) {
                wrong.push(format!("{} imports {target}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "forbidden edges:\n{}", wrong.join("\n"));
}

/// Names directly under the crate's root that code in `module` reaches, by `crate::` or by climbing with `super::`.
fn from_root(code: &str, module: &[&str]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices("crate::").filter(|(at, _)| is_path_start(code, *at)) {
        names.extend(heads(&code[at + "crate::".len()..]));
    }
    for (at, _) in code.match_indices("super::").filter(|(at, _)| is_path_start(code, *at)) {
        let rest = code[at..].trim_start_matches("super::");
        let climbed = (code.len() - at - rest.len()) / "super::".len();
        if climbed == module.len() {
            names.extend(heads(rest));
        }
    }
    names
}

/// Whether a path begins here and does not go on from before, as `super::super::` and `my_crate::` do.
fn is_path_start(code: &str, at: usize) -> bool {
    !code[..at].ends_with(|c: char| c == ':' || c == '$' || is_word(c))
}

/// The first names of a path or of a group of paths in braces.
fn heads(path: &str) -> Vec<String> {
    let Some(group) = path.strip_prefix('{') else {
        return vec![path.chars().take_while(|c| is_word(*c)).collect()];
    };
    let (mut depth, mut heads, mut head) = (0, Vec::new(), Some(String::new()));
    for c in group.chars() {
        match (c, &mut head) {
            ('{', _) => depth += 1,
            ('}', _) if depth == 0 => break,
            ('}', _) => depth -= 1,
            (',', _) if depth == 0 => heads.extend(head.replace(String::new())),
            (c, Some(name)) if is_word(c) => name.push(c),
            (c, Some(name)) if !c.is_whitespace() || !name.is_empty() => heads.extend(head.take()),
            _ => {}
        }
    }
    heads.extend(head);
    heads.retain(|name| !name.is_empty() && name != "self");
    heads
}

/// What the front file hands on: from each name to the room that it comes from.
fn reexports(front: &Path) -> BTreeMap<String, String> {
    let code = blank(&fs::read_to_string(front).expect("the crate has a front file"));
    let mut rooms = BTreeMap::new();
    for statement in code.split(';').filter_map(|s| s.trim().strip_prefix("pub use ")) {
        let (room, names) = statement.split_once("::").expect("a re-export names its room");
        rooms.extend(heads(names).into_iter().map(|name| (name, room.to_owned())));
    }
    rooms
}

fn module_path<'a>(path: &'a str, folder: &str) -> Vec<&'a str> {
    let inner = path[folder.len() + 1..].trim_end_matches(".rs");
    inner.split('/').filter(|part| *part != "mod").collect()
}

/// The crates that `package` reaches in Cargo.lock, whatever features are on.
fn locked_dependencies(package: &str) -> BTreeSet<String> {
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("the workspace is locked");
    let mut needs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for block in lock.split("[[package]]").skip(1) {
        let quoted: Vec<_> = block.lines().filter_map(|line| line.split('"').nth(1).map(|word| (line, word))).collect();
        let name = quoted.iter().find(|(line, _)| line.starts_with("name")).expect("a package has a name").1;
        let listed = quoted.iter().filter(|(line, _)| line.starts_with(" \""));
        let listed = listed.filter_map(|(_, word)| word.split(' ').next().map(str::to_owned));
        needs.entry(name.to_owned()).or_default().extend(listed);
    }
    let (mut reached, mut open) = (BTreeSet::new(), vec![package.to_owned()]);
    while let Some(name) = open.pop() {
        if reached.insert(name.clone()) {
            open.extend(needs.get(&name).into_iter().flatten().cloned());
        }
    }
    reached
}

fn offenders(folders: &[&str], is_wrong: impl Fn(&Source) -> bool) -> Vec<String> {
    let all = folders.iter().flat_map(|folder| sources(folder));
    all.filter(is_wrong).map(|source| source.path).collect()
}

fn sources(folder: &str) -> Vec<Source> {
    let mut files = Vec::new();
    collect(&root().join(folder), &mut files);
    assert!(!files.is_empty(), "{folder} holds no Rust file");
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &Path) -> Source {
    let path = file.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/");
    let text = fs::read_to_string(file).expect("source is UTF-8");
    let code = without_tests(&blank(&text));
    Source { path, text, code }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.expect("a folder that can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the tests are a member of the workspace").to_owned()
}

/// The code with comments and the contents of literals taken out, line breaks kept.
fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => comment_len(rest),
            'r' if !code.ends_with(is_word) || code.ends_with('b') => raw_string_len(rest),
            '"' => 1 + quoted_len(&rest[1..], '"'),
            '\'' => character_len(rest),
            _ => 0,
        };
        if skipped == 0 {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            code.extend(rest[..skipped].chars().filter(|c| *c == '\n'));
            code.push(' ');
            rest = &rest[skipped..];
        }
    }
    code
}

fn comment_len(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    loop {
        match rest.as_bytes().get(at..at + 2) {
            None => return rest.len(),
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") if depth == 1 => return at + 2,
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            Some(_) => at += 1,
        }
    }
}

fn raw_string_len(rest: &str) -> usize {
    let hashes = rest[1..].len() - rest[1..].trim_start_matches('#').len();
    if !rest[1 + hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let body = 2 + hashes;
    rest[body..].find(&end).map_or(rest.len(), |at| body + at + end.len())
}

/// Length up to and with the closing quote.
fn quoted_len(body: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    body.len()
}

/// Length of a character literal; 0 for a lifetime.
fn character_len(rest: &str) -> usize {
    let mut next = rest[1..].chars();
    match (next.next(), next.next()) {
        (Some('\\'), _) => 1 + quoted_len(&rest[1..], '\''),
        (Some(c), Some('\'')) => 2 + c.len_utf8(),
        _ => 0,
    }
}

/// The code without items under `#[cfg(test)]`, line breaks kept.
fn without_tests(code: &str) -> String {
    let (mut kept, mut rest) = (String::new(), code);
    while let Some(at) = rest.find("#[cfg(test)]") {
        let item = &rest[at..];
        let len = item_len(item);
        kept.push_str(&rest[..at]);
        kept.extend(item[..len].chars().filter(|c| *c == '\n'));
        rest = &item[len..];
    }
    kept + rest
}

fn item_len(item: &str) -> usize {
    let mut depth = 0;
    for (at, c) in item.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 && matches!(c, '}' | ';') {
            return at + 1;
        }
    }
    item.len()
}

fn has_word(code: &str, word: &str) -> bool {
    code.split(|c| !is_word(c)).any(|part| part == word)
}

fn words_after(code: &str, keyword: &str) -> Vec<String> {
    let words: Vec<_> = code.split(|c| !is_word(c)).filter(|word| !word.is_empty()).collect();
    words.windows(2).filter(|pair| pair[0] == keyword).map(|pair| pair[1].to_owned()).collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
