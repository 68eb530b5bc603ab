//! TensorBoard's event files: scalars by step, so that its own tools show a run's curves.
//!
//! A file is a row of records (length, its checksum, data, its checksum; CRC-32C, rotated and offset), each one message
//! `Event` of protocol buffers. Five fields of it are written here; the crates that know the whole format bring an image
//! library or a generated tree of TensorFlow's messages for them.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::error::{Error, Result};
use crate::run_dir::remove_if_there;

const PREFIX: &str = "events.out.tfevents.";

/// One file of a run; a run that goes on begins another.
#[derive(Debug)]
pub(super) struct EventFile {
    path: PathBuf,
    file: BufWriter<File>,
}

impl EventFile {
    /// Begins a file after `step` steps. Where a run goes on, TensorBoard is told to forget the steps after that one.
    pub(super) fn open(folder: &Path, step: usize, resume: bool) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        let before = existing(folder)?;
        if !resume {
            before.iter().try_for_each(|path| remove_if_there(path))?;
        }
        // TensorBoard reads files in the order of their names, and two may begin within a second.
        let seconds = now_s();
        let path = folder.join(format!("{PREFIX}{:010}.aloe.{:05}", seconds as u64, before.len()));
        let file = File::create(&path).map_err(|error| Error::io(&path, error))?;
        let mut events = Self { path, file: BufWriter::new(file) };
        events.record(&event(seconds, 0, &field(3, b"brain.Event:2")))?;
        if resume && !before.is_empty() {
            // SessionLog with the status START.
            events.record(&event(seconds, step + 1, &field(7, &[0x08, 1])))?;
        }
        Ok(events)
    }

    /// Appends every number of `figures`, under `part/` and the name that other trainers give it.
    pub(super) fn write(&mut self, part: &str, step: usize, figures: &Value) -> Result<()> {
        let numbers = figures.as_object().into_iter().flatten();
        let mut summary = Vec::new();
        for (name, number) in numbers.filter_map(|(name, value)| Some((name, value.as_f64()?))) {
            if name != "step" {
                summary.extend(field(1, &scalar(&format!("{part}/{}", tag(name)), number)));
            }
        }
        self.record(&event(now_s(), step, &field(5, &summary)))
    }

    fn record(&mut self, data: &[u8]) -> Result<()> {
        let length = (data.len() as u64).to_le_bytes();
        let (of_length, of_data) = (masked_crc(&length).to_le_bytes(), masked_crc(data).to_le_bytes());
        let mut put = || {
            self.file.write_all(&length)?;
            self.file.write_all(&of_length)?;
            self.file.write_all(data)?;
            self.file.write_all(&of_data)?;
            // So that it is seen while the run is under way.
            self.file.flush()
        };
        put().map_err(|error| Error::io(&self.path, error))
    }
}

fn existing(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| Error::io(folder, error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn tag(name: &str) -> &str {
    match name {
        "lr" => "learning_rate",
        "tokens_per_s" => "tokens_per_second",
        "peak_mib" => "peak_memory_mib",
        "step_s" => "step_seconds",
        name => name.strip_prefix("eval_").unwrap_or(name),
    }
}

/// `Event { wall_time = 1, step = 2, … }`
fn event(seconds: f64, step: usize, rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1 << 3 | 1];
    bytes.extend(seconds.to_le_bytes());
    bytes.push(2 << 3);
    varint(&mut bytes, step as u64);
    bytes.extend(rest);
    bytes
}

/// `Summary.Value { tag = 1, simple_value = 2 }`
fn scalar(tag: &str, number: f64) -> Vec<u8> {
    let mut bytes = field(1, tag.as_bytes());
    bytes.push(2 << 3 | 5);
    #[expect(clippy::cast_possible_truncation, reason = "the format has single precision")]
    bytes.extend((number as f32).to_le_bytes());
    bytes
}

/// A field of bytes, text or a message.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    varint(&mut bytes, content.len() as u64);
    bytes.extend(content);
    bytes
}

fn varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// A checksum over data that holds checksums would be weak, so the format rotates and offsets it.
fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn now_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests;
