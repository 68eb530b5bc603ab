//! JSON lines of turns, read one after the other: what a line says, or what is wrong with it.
//!
//! A bad line is named by its number and a fixed reason, never by its text.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::instant;
use crate::memory::{ExternalId, MAX_TURN_BYTES, Speaker};
use crate::{Error, Result};

/// JSON may write a letter in six bytes.
const MAX_LINE_BYTES: u64 = 6 * MAX_TURN_BYTES as u64 + 65_536;
const MAX_ID_BYTES: usize = 1024;

/// A line that was not imported, or not all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadLine {
    /// Its number, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub fault: LineFault,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LineFault {
    /// It is no JSON object, or no UTF-8.
    #[error("it is not a JSON object")]
    NotAnObject,
    /// It has no `id` that is a text or a whole number.
    #[error("`id` is not a text of at most 1024 bytes or a whole number")]
    Id,
    /// It has no `text` with something in it.
    #[error("`text` has nothing in it")]
    Text,
    /// Its text is longer than a turn may be.
    #[error("`text` is longer than 4 MiB")]
    TooLong,
    /// Its `role` is neither `user` nor `assistant`.
    #[error("`role` is neither user nor assistant")]
    Role,
    /// Its `time` cannot be read. The line is imported all the same, with the time of the line before.
    #[error("`time` is neither ISO 8601 nor milliseconds since 1970")]
    Time,
    /// It is a reply with no message of the user before it.
    #[error("a reply has no message before it")]
    ReplyToNothing,
}

/// One line as it is to be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) id: ExternalId,
    pub(super) text: String,
    pub(super) speaker: Speaker,
    pub(super) at_ms: Option<i64>,
    pub(super) time_is_bad: bool,
}

/// The keys that are looked at; others are left alone. Values, because one of the wrong type has its own reason.
#[derive(Deserialize)]
struct Fields {
    id: Option<Value>,
    text: Option<Value>,
    role: Option<Value>,
    time: Option<Value>,
}

/// The lines of a file.
pub(super) struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    number: u64,
    /// Bytes read so far.
    pub(super) read: u64,
    /// Bytes there are, where the file knows.
    pub(super) total: Option<u64>,
}

impl Lines {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io(path, error))?;
        let total = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|file| file.len());
        Ok(Self { path: path.to_owned(), reader: BufReader::new(file), number: 0, read: 0, total })
    }

    /// The next line that is not empty.
    pub(super) fn next(&mut self) -> Result<Option<Result<Line, BadLine>>> {
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let read = (&mut self.reader).take(MAX_LINE_BYTES).read_until(b'\n', &mut bytes);
            let read = read.map_err(|error| Error::io(&self.path, error))?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            self.read += read as u64;
            let line = self.number;
            if read as u64 == MAX_LINE_BYTES && bytes.last() != Some(&b'\n') {
                self.skip_rest()?;
                return Ok(Some(Err(BadLine { line, fault: LineFault::TooLong })));
            }
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").filter(|_| line == 1).unwrap_or(&bytes);
            if !bytes.trim_ascii().is_empty() {
                return Ok(Some(parse(line, bytes).map_err(|fault| BadLine { line, fault })));
            }
        }
    }

    /// Goes on to the end of an endless line without keeping it.
    fn skip_rest(&mut self) -> Result<()> {
        let skipped = self.reader.skip_until(b'\n').map_err(|error| Error::io(&self.path, error))?;
        self.read += skipped as u64;
        Ok(())
    }
}

fn parse(number: u64, bytes: &[u8]) -> Result<Line, LineFault> {
    let fields: Fields = serde_json::from_slice(bytes).map_err(|_| LineFault::NotAnObject)?;
    let time = fields.time.filter(|time| !time.is_null());
    let at_ms = time.as_ref().and_then(instant::read);
    Ok(Line {
        number,
        id: fields.id.as_ref().and_then(id).ok_or(LineFault::Id)?,
        text: text(fields.text)?,
        speaker: speaker(fields.role.as_ref())?,
        time_is_bad: time.is_some() && at_ms.is_none(),
        at_ms,
    })
}

fn id(value: &Value) -> Option<ExternalId> {
    match value {
        Value::String(text) if text.len() <= MAX_ID_BYTES => Some(ExternalId::Text(text.clone())),
        _ => value.as_i64().map(ExternalId::Number),
    }
}

fn text(value: Option<Value>) -> Result<String, LineFault> {
    match value {
        Some(Value::String(text)) if text.len() > MAX_TURN_BYTES => Err(LineFault::TooLong),
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(text),
        _ => Err(LineFault::Text),
    }
}

/// A line that does not say is the user's.
fn speaker(role: Option<&Value>) -> Result<Speaker, LineFault> {
    match role {
        None | Some(Value::Null) => Ok(Speaker::User),
        Some(Value::String(role)) if role.eq_ignore_ascii_case("user") => Ok(Speaker::User),
        Some(Value::String(role)) if role.eq_ignore_ascii_case("assistant") => Ok(Speaker::Assistant),
        Some(_) => Err(LineFault::Role),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(line: &str) -> LineFault {
        parse(1, line.as_bytes()).expect_err("it is bad")
    }

    #[test]
    fn a_line_is_read_and_what_it_has_beside_is_left_alone() {
        let line =
            r#"{"id": "a", "text": " hi there ", "role": "assistant", "time": "1970-01-02", "session": {"x": 1}}"#;
        let read = parse(3, line.as_bytes()).expect("it is sound");
        assert_eq!((read.number, read.speaker, read.at_ms), (3, Speaker::Assistant, Some(86_400_000)));
        assert_eq!((read.id, read.text.as_str()), (ExternalId::Text("a".into()), " hi there "));
        let bare = parse(1, br#"{"id": 7, "text": "x", "role": null, "time": null}"#).expect("it is sound");
        assert_eq!((bare.id, bare.speaker, bare.at_ms), (ExternalId::Number(7), Speaker::User, None));
        assert!(!bare.time_is_bad);
    }

    #[test]
    fn what_is_wrong_with_a_line_has_a_name() {
        for (line, expected) in [
            ("[]", LineFault::NotAnObject),
            ("{\"id\": 1", LineFault::NotAnObject),
            ("nonsense", LineFault::NotAnObject),
            (r#"{"text": "x"}"#, LineFault::Id),
            (r#"{"id": 1.5, "text": "x"}"#, LineFault::Id),
            (r#"{"id": true, "text": "x"}"#, LineFault::Id),
            (r#"{"id": 1}"#, LineFault::Text),
            (r#"{"id": 1, "text": " \n"}"#, LineFault::Text),
            (r#"{"id": 1, "text": 5}"#, LineFault::Text),
            (r#"{"id": 1, "text": "x", "role": "system"}"#, LineFault::Role),
            (r#"{"id": 1, "text": "x", "role": 3}"#, LineFault::Role),
        ] {
            assert_eq!(fault(line), expected, "{line}");
        }
        let line = parse(1, br#"{"id": 1, "text": "x", "time": "tomorrow"}"#).expect("it is kept");
        assert!(line.time_is_bad && line.at_ms.is_none());
        let long = format!(r#"{{"id": 1, "text": "{}"}}"#, "x".repeat(MAX_TURN_BYTES + 1));
        assert_eq!(fault(&long), LineFault::TooLong);
    }
}
