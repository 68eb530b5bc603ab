//! How a store is kept: under which key, how safely, and what opening does when it is damaged.

use std::path::Path;
use std::sync::Arc;

use aloekit::memory::{self, MemoryParams, StorePath};

use crate::secret::SecretBytes;
use crate::{Result, calls};

/// The key of an encrypted store: 32 random bytes that the app keeps in the system's keeper of secrets.
///
/// An object, so that printing parameters shows no byte of it. Wiped from this library's memory when nobody holds it any
/// more, and so is the buffer in which it came; the bytes that it was made of are the app's to wipe.
#[derive(Debug, uniffi::Object)]
pub struct StoreKey(Result<memory::StoreKey>);

#[uniffi::export]
impl StoreKey {
    /// A key of these bytes, which are the key itself and no password. Where they are not 32, every call that takes it
    /// ends with [`AloeError::InvalidInput`](crate::AloeError::InvalidInput).
    // Refused there and not here: the Swift of a constructor that throws names the error as it was before it was renamed
    // (uniffi 0.32).
    #[uniffi::constructor]
    #[must_use]
    pub fn new(bytes: SecretBytes) -> Self {
        Self(memory::StoreKey::from_slice(bytes.as_slice()).map_err(Into::into))
    }
}

impl StoreKey {
    pub(crate) fn core(&self) -> Result<&memory::StoreKey> {
        self.0.as_ref().map_err(Clone::clone)
    }
}

/// Encrypts a plain store that is closed: for an app that has users from before it had keys. The encrypted store takes
/// the plain one's place whole, or not at all.
///
/// # Errors
/// [`AloeError::WrongKey`](crate::AloeError::WrongKey) for a store that is encrypted already,
/// [`AloeError::StorageLocked`](crate::AloeError::StorageLocked) while it is open; those of storage.
#[uniffi::export]
pub async fn encrypt_store(path: String, key: Arc<StoreKey>) -> Result<()> {
    calls::run(None, move || Ok(memory::encrypt_store(Path::new(&path), key.core()?)?)).await
}

/// What opening does with a damaged store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum OnDamage {
    /// Fails and changes nothing.
    Fail,
    /// Renames the damaged files aside and begins a new store.
    Quarantine,
}

/// What an acknowledged write survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Durability {
    /// The end of the process.
    ProcessCrash,
    /// A power cut as well.
    PowerLoss,
}

/// The parameters of a store.
pub(crate) fn memory_params(
    path: Option<String>,
    key: Option<&StoreKey>,
    on_damage: Option<OnDamage>,
    durability: Option<Durability>,
) -> Result<MemoryParams> {
    Ok(MemoryParams {
        path: path.map_or(StorePath::InMemory, |path| StorePath::File(path.into())),
        key: key.map(StoreKey::core).transpose()?.cloned(),
        on_damage: match on_damage {
            Some(OnDamage::Fail) | None => memory::OnDamage::Fail,
            Some(OnDamage::Quarantine) => memory::OnDamage::Quarantine,
        },
        durability: match durability {
            Some(Durability::ProcessCrash) | None => memory::Durability::ProcessCrash,
            Some(Durability::PowerLoss) => memory::Durability::PowerLoss,
        },
        ..MemoryParams::in_memory()
    })
}
