//! `aloe memory export`: everything that is kept, as one JSON object.

use super::Stores;
use crate::cli::ExportArgs;
use crate::error::{Error, Result};

pub(super) fn run(args: &ExportArgs, stores: &Stores<'_>) -> Result<()> {
    let export = stores.existing(&args.store)?.export()?;
    let Some(path) = &args.out else {
        stores.output.data(&serde_json::to_string_pretty(&export).map_err(Error::internal)?);
        return Ok(());
    };
    export.write(path)?;
    let turns: usize = export.conversations.iter().map(|conversation| conversation.turns.len()).sum();
    let memories = export.memories.len();
    stores.output.note(&format!("{memories} memories and {turns} turns written to {}", path.display()));
    Ok(())
}
