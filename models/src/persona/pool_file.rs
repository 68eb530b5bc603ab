//! The paper's profile.jsonl and personality.jsonl: a JSON string a line, mended where that is safe, else reported.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::Text;
use super::rules::bare;
use crate::error::Result;
use crate::record::{Origin, PoolKind};
use crate::run_dir::Lines;

/// What a file held.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PoolFile {
    pub(crate) kind: PoolKind,
    pub(crate) texts: Vec<Text>,
    /// Lines that were mended: two glued together, not quoted, space around.
    pub(crate) mended: Vec<BadLine>,
    pub(crate) left_out: Vec<BadLine>,
}

/// A line that was not as it should be. Says nothing of what stands there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct BadLine {
    pub(crate) file: String,
    pub(crate) line: u64,
    pub(crate) reason: &'static str,
}

/// Reads a pool; the file's name says its kind, or else most of its texts do.
pub(crate) fn read_pool_file(path: &Path) -> Result<PoolFile> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (mut texts, mut mended, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    let mut known = std::collections::HashSet::new();
    let mut lines: Lines<Value> = Lines::open(path)?;
    while let Some(line) = lines.next_line() {
        let (number, bytes) = line?;
        let bad = |reason| BadLine { file: name.clone(), line: number, reason };
        let (found, note) = match read_line(&bytes) {
            Ok(found) => found,
            Err(reason) => {
                left_out.push(bad(reason));
                continue;
            }
        };
        mended.extend(note.map(bad));
        for text in found {
            if !known.insert(bare(&text)) {
                left_out.push(bad("it is there twice"));
                continue;
            }
            texts.push(Text { text, origin: Origin::File { name: name.clone(), line: number }, scripted: false });
        }
    }
    let kind = kind_of(&name, &texts);
    Ok(PoolFile { kind, texts, mended, left_out })
}

type Read = (Vec<String>, Option<&'static str>);

fn read_line(bytes: &[u8]) -> Result<Read, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8")?;
    let values: Vec<_> = serde_json::Deserializer::from_str(text).into_iter::<Value>().collect();
    let whole = values.iter().all(Result::is_ok);
    if !whole {
        // A bare line of prose is what its writer forgot to quote; anything else is damage.
        let prose = !text.contains(['{', '}', '[', ']', '"']) && text.split_whitespace().count() >= 10;
        return if prose { Ok((vec![tidy(text)], Some("it was not quoted"))) } else { Err("it is not JSON") };
    }
    let texts: Option<Vec<String>> = values.into_iter().map(|value| text_of(value.ok()?)).collect();
    let texts = texts.ok_or("it is no text")?;
    if texts.iter().any(|text| text.split_whitespace().count() < 5) {
        return Err("it is too short to be one");
    }
    let note = (texts.len() > 1).then_some("two records were glued together");
    Ok((texts, note))
}

fn text_of(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(tidy(&text)),
        Value::Object(mut map) => {
            let named = ["text", "profile", "personality"].into_iter().find_map(|name| map.remove(name))?;
            named.as_str().map(tidy)
        }
        _ => None,
    }
}

/// White space and quotes that were written twice.
fn tidy(text: &str) -> String {
    let text = text.trim();
    let inner: Option<String> = text.starts_with('"').then(|| serde_json::from_str(text).ok()).flatten();
    inner.as_deref().unwrap_or(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn kind_of(name: &str, texts: &[Text]) -> PoolKind {
    match (name.contains("profile"), name.contains("personalit")) {
        (true, false) => PoolKind::Profile,
        (false, true) => PoolKind::Personality,
        _ => {
            let lives = texts.iter().filter(|text| text.text.contains("year-old") || text.text.contains("works as"));
            if 2 * lives.count() > texts.len() { PoolKind::Profile } else { PoolKind::Personality }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_lines_are_mended_or_reported_and_never_end_the_reading() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("profile.jsonl");
        let good = "\"Jo is a baker in a small town with a big oven.\"";
        let lines = [
            good,
            "",
            "\"Al is a sailor with a wooden boat.\"\"Bo is a smith with a heavy hammer.\"",
            "{broken",
            "Cy is a teacher in a school at the edge of town and likes it",
            "42",
            good,
            "\"  Di is   a pilot of very small planes. \"",
        ];
        std::fs::write(&path, lines.join("\n")).expect("written");
        let file = read_pool_file(&path).expect("read");
        assert_eq!(file.kind, PoolKind::Profile);
        assert_eq!(file.texts.len(), 5);
        assert_eq!(file.texts[4].text, "Di is a pilot of very small planes.");
        let at = |bad: &[BadLine]| bad.iter().map(|bad| bad.line).collect::<Vec<_>>();
        assert_eq!((at(&file.mended), at(&file.left_out)), (vec![3, 5], vec![4, 6, 7]));
    }
}
