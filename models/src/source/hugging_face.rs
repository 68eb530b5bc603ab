//! A file of a model repository: `{endpoint}/{repo}/resolve/{revision}/{file}`, resumed by range.
//!
//! A part is gone on with only where the answer is a 206 whose Content-Range starts exactly where the part
//! ends and whose entity tag is the part's; in every other case it starts again from the first byte.

use serde::{Deserialize, Serialize};

use super::address::Address;
use super::http::{Answer, Client, Outcome, Request};
use super::retry::Retry;
use crate::cache::{Part, Slot, remove_if_there};
use crate::error::{Error, Result};
use crate::output::{Output, Progress};
use crate::settings::Download;

/// The file that is wanted.
pub(crate) struct Wanted<'a> {
    pub(crate) repo: &'a str,
    pub(crate) revision: &'a str,
    pub(crate) file: &'a str,
    /// In bytes, where manifest or pin know it.
    pub(crate) size: Option<u64>,
}

/// What the server said of the file that arrived.
#[derive(Debug, Default)]
pub(crate) struct Arrived {
    /// The hub's own statement, worth comparing when nothing is pinned yet.
    pub(crate) stated_sha256: Option<String>,
    pub(crate) commit: Option<String>,
    /// Whether the part was put together from more than one answer.
    pub(crate) resumed: bool,
}

/// What a part on disk is a part of.
#[derive(Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
struct PartNotes {
    url: String,
    etag: String,
}

/// Fills `part` with the whole file, over as many connections as it takes.
pub(crate) fn fetch(
    wanted: &Wanted<'_>,
    slot: &Slot,
    part: &mut Part,
    download: &Download,
    output: Output,
) -> Result<Arrived> {
    let url = format!("{}/{}/resolve/{}/{}", download.endpoint, wanted.repo, wanted.revision, wanted.file);
    let mut fetch = Fetch {
        address: Address::parse(&url)?,
        url,
        client: Client::new(download.stall),
        wanted,
        slot,
        part,
        download,
        progress: output.bar(wanted.file, wanted.size),
        arrived: Arrived::default(),
    };
    let mut retry = Retry::new(download);
    loop {
        match fetch.attempt() {
            Ok(()) => return Ok(fetch.arrived),
            Err(error) => retry.wait(error, fetch.part.len(), output)?,
        }
    }
}

struct Fetch<'a> {
    url: String,
    address: Address,
    client: Client,
    wanted: &'a Wanted<'a>,
    slot: &'a Slot,
    part: &'a mut Part,
    download: &'a Download,
    progress: Progress,
    arrived: Arrived,
}

impl Fetch<'_> {
    fn attempt(&mut self) -> Result<()> {
        let etag = self.resumable_etag();
        if etag.is_none() && self.part.len() > 0 {
            self.part.restart()?;
        }
        match self.ask(etag.as_deref())? {
            Outcome::Content(answer) => self.receive(answer, etag.as_deref()),
            Outcome::RangeRefused => {
                self.part.restart()?;
                match self.ask(None)? {
                    Outcome::Content(answer) => self.receive(answer, None),
                    Outcome::RangeRefused => Err(Error::internal("a whole file was asked for and a range refused")),
                }
            }
        }
    }

    fn ask(&self, etag: Option<&str>) -> Result<Outcome> {
        self.client.get(&Request {
            address: &self.address,
            token: self.download.token.as_ref(),
            resume: etag.map(|etag| (self.part.len(), etag)),
            what: self.wanted.file,
        })
    }

    /// The tag of the part on disk, if it is a part of this very address.
    fn resumable_etag(&self) -> Option<String> {
        if self.part.len() == 0 {
            return None;
        }
        let notes: PartNotes = toml::from_str(&std::fs::read_to_string(self.slot.part_notes()).ok()?).ok()?;
        (notes.url == self.url && !notes.etag.is_empty()).then_some(notes.etag)
    }

    fn receive(&mut self, mut answer: Answer, etag: Option<&str>) -> Result<()> {
        if answer.start > 0 && answer.etag.as_deref() != etag {
            // Another file behind the same address: its second half does not fit our first.
            self.part.restart()?;
            return Err(Error::CutOff { host: answer.host().to_owned(), received: 0, expected: answer.total });
        }
        self.check_announced(&answer)?;
        if answer.start == 0 {
            self.part.restart()?;
            self.note(&answer)?;
        }
        self.arrived.resumed |= answer.start > 0;
        self.arrived.stated_sha256 = answer.stated_sha256.clone().or(self.arrived.stated_sha256.take());
        self.arrived.commit = answer.commit.clone().or(self.arrived.commit.take());
        self.copy(&mut answer)
    }

    fn check_announced(&mut self, answer: &Answer) -> Result<()> {
        let Some(total) = answer.total else { return Ok(()) };
        if let Some(expected) = self.wanted.size.filter(|expected| *expected != total) {
            return Err(Error::SizeMismatch { path: self.slot.path(), expected, got: total });
        }
        self.progress.set_total(total);
        self.slot.check_space(total - answer.start.min(total))
    }

    fn note(&self, answer: &Answer) -> Result<()> {
        let path = self.slot.part_notes();
        let Some(etag) = answer.etag.clone() else {
            remove_if_there(&path)?;
            return Ok(());
        };
        let text = toml::to_string(&PartNotes { url: self.url.clone(), etag }).map_err(Error::internal)?;
        std::fs::write(&path, text).map_err(|error| Error::io(path, error))
    }

    fn copy(&mut self, answer: &mut Answer) -> Result<()> {
        let expected = answer.total.or(self.wanted.size);
        let mut pace = Pace::new(self.download);
        let mut buffer = vec![0; 256 << 10];
        loop {
            let read = answer.read(&mut buffer, self.part.len())?;
            if read == 0 {
                break;
            }
            if self.part.len() == 0 {
                check_first_bytes(self.wanted.file, &buffer[..read], answer.host())?;
            }
            let longer = self.part.len() + read as u64;
            if let Some(expected) = expected.filter(|expected| longer > *expected) {
                self.part.restart()?;
                return Err(Error::SizeMismatch { path: self.slot.path(), expected, got: longer });
            }
            self.part.write(&buffer[..read])?;
            self.progress.set(self.part.len());
            pace.check(read, answer.host())?;
        }
        match expected {
            Some(expected) if self.part.len() < expected => Err(Error::CutOff {
                host: answer.host().to_owned(),
                received: self.part.len(),
                expected: Some(expected),
            }),
            _ => Ok(()),
        }
    }
}

/// Fewer bytes than this in one stall time is a drip and counts as silence.
const LEAST_BYTES: usize = 1 << 10;

/// Tells a slow connection from one that only pretends to be alive.
struct Pace {
    stall: std::time::Duration,
    since: std::time::Instant,
    bytes: usize,
}

impl Pace {
    fn new(download: &Download) -> Self {
        Self { stall: download.stall, since: std::time::Instant::now(), bytes: 0 }
    }

    fn check(&mut self, read: usize, host: &str) -> Result<()> {
        self.bytes += read;
        if self.since.elapsed() < self.stall {
            return Ok(());
        }
        if self.bytes < LEAST_BYTES {
            return Err(Error::Stalled { host: host.to_owned(), seconds: self.stall.as_secs() });
        }
        (self.since, self.bytes) = (std::time::Instant::now(), 0);
        Ok(())
    }
}

/// Pages and pointers that stand where the file should, told from their first bytes.
fn check_first_bytes(file: &str, bytes: &[u8], host: &str) -> Result<()> {
    let start = bytes.trim_ascii_start().get(..15).unwrap_or(bytes).to_ascii_lowercase();
    let page = start.starts_with(b"<!doctype html") || start.starts_with(b"<html");
    let pointer = bytes.starts_with(b"version https://git-lfs");
    let no_gguf = file.ends_with(".gguf") && bytes.len() >= 4 && !bytes.starts_with(b"GGUF");
    if page || pointer || no_gguf {
        return Err(Error::NotAFile { host: host.to_owned(), what: file.to_owned() });
    }
    Ok(())
}
