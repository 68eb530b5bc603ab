//! What a case finds in its folder: every byte as it was, and nothing readable of what was said.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Every file below a folder, with its bytes.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| {
            let inside = if path.is_dir() { files(&path) } else { BTreeMap::new() };
            let itself = path.is_file().then(|| (path.clone(), fs::read(&path).expect("a readable file")));
            inside.into_iter().chain(itself)
        })
        .collect()
}

/// The files that hold these words, in any case.
pub(crate) fn holding(folder: &Path, words: &str) -> Vec<PathBuf> {
    let holds = |bytes: &[u8]| bytes.windows(words.len()).any(|window| window.eq_ignore_ascii_case(words.as_bytes()));
    files(folder).into_iter().filter(|(_, bytes)| holds(bytes)).map(|(path, _)| path).collect()
}
