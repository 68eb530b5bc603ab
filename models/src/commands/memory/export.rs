//! `aloe memory export`: everything that is kept, as one JSON object.

use std::io::Write;
use std::path::Path;

use super::Stores;
use crate::cli::ExportArgs;
use crate::error::{Error, Result};

pub(super) fn run(args: &ExportArgs, stores: &Stores<'_>) -> Result<()> {
    let export = stores.existing(&args.store)?.export()?;
    let Some(path) = &args.out else {
        stores.output.data(&serde_json::to_string_pretty(&export).map_err(Error::internal)?);
        return Ok(());
    };
    write_private(path, &export)?;
    let turns: usize = export.conversations.iter().map(|conversation| conversation.turns.len()).sum();
    let memories = export.memories.len();
    stores.output.note(&format!("{memories} memories and {turns} turns written to {}", path.display()));
    Ok(())
}

/// Writes JSON that only its owner may read.
pub(crate) fn write_private(path: &Path, value: &impl serde::Serialize) -> Result<()> {
    let mut options = std::fs::File::options();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(|error| Error::io(path, error))?;
    let mut buffered = std::io::BufWriter::new(&file);
    let written = serde_json::to_writer_pretty(&mut buffered, value).map_err(std::io::Error::from);
    let written = written.and_then(|()| buffered.flush()).and_then(|()| file.sync_all());
    written.map_err(|error| Error::io(path, error))
}
