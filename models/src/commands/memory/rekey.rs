//! `aloe memory rekey`: an encrypted memory under another key.

use aloekit::memory::MemoryStore;

use super::Stores;
use crate::cli::RekeyArgs;
use crate::commands::{data_folder, store_key};
use crate::error::{Error, Result};

pub(super) fn run(args: &RekeyArgs, stores: &Stores<'_>) -> Result<()> {
    let path = stores.existing_path(&args.store)?;
    if !store_key::is_encrypted(&path) {
        let hint = "`aloe memory encrypt` puts it under its first";
        return Err(Error::usage(format!("{} is under no key", path.display()), hint));
    }
    // Opened before a new key is made: where the present one is wrong, none is.
    let params = store_key::params(path.clone(), args.store.key_file.as_deref())?;
    let present = params.key.clone();
    let store = MemoryStore::open(params, None)?;
    let next = store_key::Replacement::given_or_new(&path, args.new_key_file.as_deref())?;
    if present.as_ref() == Some(next.key()) {
        return Err(Error::usage("the new key is the present one", "name a file that is not there, to make another"));
    }
    store.rekey(next.key())?;
    drop(store);
    next.put_in_place(&path)?;
    // Sealed under the old key, they open no more.
    data_folder::forget_beside(&path)?;
    let name = path.display();
    stores.output.note(&format!("{name} is under the new key; copies made before still need the old one"));
    Ok(())
}
