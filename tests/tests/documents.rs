//! What keeps the documents true: links, paths, commands, flags, the example and the shapes they show.
//!
//! Reads files and asks `./dev help`; sets nothing up and loads no model.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Hosts that may be named: what a document cites, the model hub, the licence, and stand-ins in tests.
const HOSTS: &[&str] = &[
    "keepachangelog.com",
    "semver.org",
    "www.apache.org",
    "huggingface.co",
    "git-lfs",
    "git-lfs.github.com",
    "localhost",
    "127.0.0.1",
    "127.0.0.1.example",
    "hub.example",
    "cdn.example",
];

/// Endings that make a word in a document a host.
const DOMAINS: &[&str] = &[".com", ".org", ".net", ".io", ".internal", ".local"];

#[test]
fn every_link_leads_somewhere() {
    let mut wrong = Vec::new();
    for (path, text) in documents() {
        let folder = root().join(&path).parent().expect("a file has a folder").to_owned();
        for target in links(&text) {
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let there = if file.is_empty() { root().join(&path) } else { folder.join(file) };
            let found = there.exists() && (anchor.is_empty() || anchors(&there).contains(anchor));
            if !found {
                wrong.push(format!("{path}: {target}"));
            }
        }
    }
    assert!(wrong.is_empty(), "broken links:\n{}", wrong.join("\n"));
}

#[test]
fn the_paths_that_documents_name_exist() {
    let about_code =
        |path: &str| path == "ARCHITECTURE.md" || path == "CONTRIBUTING.md" || path.starts_with("docs/adr");
    let mut wrong = Vec::new();
    for (path, text) in documents().into_iter().filter(|(path, _)| about_code(path)) {
        for span in code_spans(&text).filter(|span| is_repository_path(span)) {
            // A module may be a folder or a file.
            if ![span.to_owned(), format!("{span}.rs")].iter().any(|name| root().join(name).exists()) {
                wrong.push(format!("{path}: {span}"));
            }
        }
    }
    assert!(wrong.is_empty(), "no such paths:\n{}", wrong.join("\n"));
}

#[test]
fn the_architecture_has_a_paragraph_for_every_room() {
    let text = read("ARCHITECTURE.md");
    let rooms = ["core/src", "core/src/engine"].into_iter().flat_map(|folder| {
        let entries = fs::read_dir(root().join(folder)).expect("the room can be read");
        let folders = entries.filter_map(Result::ok).filter(|entry| entry.path().is_dir());
        folders.map(move |entry| format!("`{folder}/{}`", entry.file_name().to_string_lossy()))
    });
    let missing: Vec<_> = rooms.filter(|room| !text.contains(room)).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md says nothing of {missing:?}");
}

#[test]
fn the_jobs_that_documents_name_are_jobs_of_dev() {
    let help = Command::new("bash").arg(root().join("dev")).arg("help").output().expect("bash runs");
    let help = String::from_utf8(help.stdout).expect("the help is text");
    let jobs: BTreeSet<_> = help.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
    assert!(jobs.contains("chat") && jobs.contains("test"), "{help}");
    let mut wrong = Vec::new();
    for path in ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md", ".github/workflows/test.yml"] {
        let text = read(path);
        let named = text.split("./dev ").skip(1).map(|rest| rest.split(|c: char| !c.is_ascii_lowercase()).next());
        wrong.extend(
            named.flatten().filter(|job| !job.is_empty() && !jobs.contains(job)).map(|job| format!("{path}: {job}")),
        );
    }
    assert!(wrong.is_empty(), "no such jobs: {wrong:?}");
}

#[test]
fn the_flags_and_commands_that_the_readme_names_are_in_the_grammar() {
    let readme = read("README.md");
    let rooms = fs::read_dir(root().join("models/src/cli")).expect("the grammar has rooms");
    let rooms = rooms.map(|room| fs::read_to_string(room.expect("an entry").path()).expect("a file"));
    let grammar = read("models/src/cli.rs") + &rooms.collect::<String>();
    let words = readme.split(|c: char| c.is_whitespace() || c == '`' || c == '(').filter_map(|w| w.strip_prefix("--"));
    let flags = words.map(|word| word.trim_end_matches(|c: char| !c.is_ascii_lowercase()));
    let ours = flags.filter(|flag| !["no-deps", "open", "logdir"].contains(flag)); // those are cargo's and TensorBoard's
    let unknown: Vec<_> = ours.filter(|flag| !grammar.contains(&format!(" {}:", flag.replace('-', "_")))).collect();
    assert!(unknown.is_empty(), "no such flags: {unknown:?}");
    let slash = read("models/src/commands/chat/slash.rs");
    let shown: BTreeSet<_> = code_spans(&readme).filter(|span| span.starts_with('/')).collect();
    let names = shown.iter().filter_map(|span| span.split(' ').next());
    let unknown: Vec<_> = names.filter(|name| !slash.contains(&format!("(\"{name}\","))).collect();
    assert!(unknown.is_empty(), "no such commands: {unknown:?}");
}

#[test]
fn the_example_in_the_readme_is_the_one_that_compiles() {
    let readme = read("README.md");
    let shown = fenced(&readme, "rust").next().expect("the README has an example");
    let compiled = read("core/examples/chat.rs");
    let indented: String = shown.lines().map(|line| format!("    {line}\n")).collect();
    assert!(compiled.contains(&indented), "core/examples/chat.rs does not hold what the README shows");
}

#[test]
fn the_line_in_the_readme_has_the_keys_of_a_turn() {
    let readme = read("README.md");
    let shown = fenced(&readme, "json").next().expect("the README shows a line");
    let line: serde_json::Value = serde_json::from_str(shown).expect("it is JSON");
    let stats = serde_json::to_value(aloekit::GenerationStats::default()).expect("numbers");
    assert_eq!(keys(&line["stats"]), keys(&stats));
    assert_eq!(keys(&line), ["facts", "persona", "reply", "stats", "stop", "turn", "user"]);
    assert_eq!(keys(&line["facts"][0]), ["kind", "score", "text", "turn", "words"]);
    assert!(serde_json::from_value::<aloekit::StopReason>(line["stop"].clone()).is_ok(), "{}", line["stop"]);
}

#[test]
fn the_readme_lists_the_models_that_there_are() {
    let readme = read("README.md");
    let section = readme.split("\n## ").find(|part| part.starts_with("Models")).expect("a section on models");
    let rows = section.lines().filter(|line| line.starts_with("| `")).flat_map(|line| {
        let name = line.trim_start_matches("| ").split(" |").next().unwrap_or_default().to_owned();
        code_spans(&name).map(str::to_owned).collect::<Vec<_>>()
    });
    let files = fs::read_dir(root().join("models/manifests")).expect("the manifests can be read");
    let files = files.filter_map(Result::ok).map(|entry| entry.path());
    let there: BTreeSet<_> = files.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect();
    assert_eq!(rows.collect::<BTreeSet<_>>(), there);
}

#[test]
fn no_host_is_named_that_need_not_be() {
    let mut wrong = Vec::new();
    for (path, text) in texts(&["md", "rs", "toml", "yml", "dev"]) {
        let addresses = text.split("://").skip(1).filter_map(|rest| rest.split(|c: char| !is_host(c)).next());
        let mut hosts: BTreeSet<&str> = addresses.filter(|host| host.contains(|c: char| c.is_alphanumeric())).collect();
        if !path.ends_with(".rs") {
            let words = text.split(|c: char| !is_host(c)).map(|word| word.trim_matches('.'));
            hosts.extend(words.filter(|word| DOMAINS.iter().any(|domain| word.ends_with(domain))));
        }
        let unknown = hosts.into_iter().filter(|host| !HOSTS.contains(host) && *host != "user");
        wrong.extend(unknown.map(|host| format!("{path}: {host}")));
    }
    assert!(wrong.is_empty(), "hosts:\n{}", wrong.join("\n"));
}

#[test]
fn no_document_names_a_path_of_one_machine_or_the_number_of_a_task() {
    let mut wrong = Vec::new();
    for (path, text) in texts(&["md", "toml", "yml"]) {
        for word in text.split(|c: char| c.is_whitespace() || "`'\"()[],;".contains(c)) {
            let absolute =
                word.strip_prefix('/').is_some_and(|rest| rest.starts_with(char::is_alphabetic) && rest.contains('/'));
            let numbered = word.strip_prefix('#').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            if absolute || numbered {
                wrong.push(format!("{path}: {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "these mean nothing to a reader elsewhere:\n{}", wrong.join("\n"));
}

#[test]
fn the_changelog_speaks_of_the_version_at_hand() {
    let (cargo, changelog) = (read("Cargo.toml"), read("CHANGELOG.md"));
    let version = cargo.lines().find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    let version = version.expect("the workspace has a version");
    assert!(changelog.lines().any(|line| line.starts_with("## [") && line.contains(version)), "{version}");
}

fn documents() -> Vec<(String, String)> {
    texts(&["md"])
}

/// Files of the repository with one of these endings, or these names: path from the root, and text.
fn texts(endings: &[&str]) -> Vec<(String, String)> {
    let mut files = Vec::new();
    collect(&root(), &mut files);
    files.sort();
    let wanted = |file: &Path| {
        let ending = file.extension().or(file.file_name()).unwrap_or_default();
        endings.iter().any(|wanted| ending == *wanted)
    };
    let name = |file: &Path| file.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/");
    let read = |file: PathBuf| (name(&file), fs::read_to_string(&file).expect("UTF-8"));
    files.into_iter().filter(|file| wanted(file)).map(read).collect()
}

/// Every file but what is built, fetched or hidden.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.expect("a folder that can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let hidden = name.starts_with('.') && name != ".github";
        if path.is_dir() && !hidden && name != "target" && name != "shared" {
            collect(&path, files);
        } else if path.is_file() {
            files.push(path);
        }
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the tests are a member of the workspace").to_owned()
}

/// Targets of links that stay in the repository.
fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://")).map(str::to_owned).collect()
}

/// The names by which headings can be linked to.
fn anchors(file: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).expect("a link with an anchor leads to a text");
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    headings.map(|heading| heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}

/// Text between single backticks; fenced blocks are left out.
fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    let outside = text.split("```").step_by(2);
    outside.flat_map(|part| part.split('`').skip(1).step_by(2))
}

/// Whether a span names something in this repository: it begins with one of its folders, and is one plain path.
fn is_repository_path(span: &str) -> bool {
    let plain = span.chars().all(|c| c.is_alphanumeric() || "._-/".contains(c)) && !span.contains("NAME");
    let tops = ["android/", "bindings/", "core/", "models/", "tests/", "docs/", ".github/"];
    plain && tops.iter().any(|top| span.starts_with(top))
}

fn fenced<'a>(text: &'a str, language: &str) -> impl Iterator<Item = &'a str> {
    text.split(&format!("```{language}\n"))
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect::<Vec<_>>()
        .into_iter()
}

fn is_host(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '.' || c == '-'
}

fn keys(value: &serde_json::Value) -> Vec<&str> {
    let mut keys: Vec<_> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}
