//! What lies in the folder of a chat's data: the store, and beside it what else holds the user's words.

use std::path::{Path, PathBuf};

use aloekit::session::erase_snapshots;

use crate::error::Result;

const STORE: &str = "memory.db";

/// Memory and conversations.
pub(crate) fn store(data: &Path) -> PathBuf {
    data.join(STORE)
}

/// The KV state of conversations between launches.
pub(crate) fn snapshots(data: &Path) -> PathBuf {
    data.join("snapshots")
}

/// The lines that were typed.
pub(crate) fn history(data: &Path) -> PathBuf {
    data.join("history.txt")
}

/// Removes what holds the words of a store beside it: the snapshots, and the lines typed in the chat that it belongs
/// to. Another program's history may lie beside a store of another name.
pub(crate) fn forget_beside(store: &Path) -> Result<()> {
    let folder = store.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    erase_snapshots(&snapshots(folder))?;
    if store.file_name().is_some_and(|name| name == STORE) {
        crate::cache::remove_if_there(&history(folder))?;
    }
    Ok(())
}
