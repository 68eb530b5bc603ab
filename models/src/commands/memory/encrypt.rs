//! `aloe memory encrypt`: a plain memory under a key, and nothing readable left beside it.

use aloekit::memory::encrypt_store;

use super::Stores;
use crate::cli::StoreArgs;
use crate::commands::{data_folder, store_key};
use crate::error::{Error, Result};

pub(super) fn run(args: &StoreArgs, stores: &Stores<'_>) -> Result<()> {
    let path = stores.existing_path(args)?;
    if store_key::is_encrypted(&path) {
        return Err(Error::usage(format!("{} is encrypted already", path.display()), "there is nothing to do"));
    }
    let key = store_key::given_or_new(&path, args.key_file.as_deref())?;
    encrypt_store(&path, &key)?;
    data_folder::forget_beside(&path)?;
    stores.output.note(&format!("{} is encrypted; without its key nobody can read it", path.display()));
    Ok(())
}
