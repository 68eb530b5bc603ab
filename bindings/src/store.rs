//! How a store is kept: under which key, how safely, and what opening does when it is damaged.

use std::path::Path;
use std::sync::Arc;

use aloekit::memory::{self, MemoryParams, StorePath};
use zeroize::Zeroizing;

use crate::{Result, calls};

/// The key of an encrypted store: 32 random bytes that the app keeps in the system's keeper of secrets.
///
/// An object, so that printing parameters shows no byte of it. Wiped from this library's memory when nobody holds it any
/// more; the bytes that it was made of are the app's to wipe.
#[derive(Debug, uniffi::Object)]
pub struct StoreKey(memory::StoreKey);

#[uniffi::export]
impl StoreKey {
    /// A key of these bytes, which are the key itself and no password.
    ///
    /// # Errors
    /// [`AloeError::InvalidInput`](crate::AloeError::InvalidInput) when they are not 32.
    #[uniffi::constructor]
    pub fn new(bytes: Vec<u8>) -> Result<Self> {
        Ok(Self(memory::StoreKey::from_slice(&Zeroizing::new(bytes))?))
    }
}

impl StoreKey {
    pub(crate) fn core(&self) -> &memory::StoreKey {
        &self.0
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
    calls::run(None, move || Ok(memory::encrypt_store(Path::new(&path), key.core())?)).await
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
) -> MemoryParams {
    MemoryParams {
        path: path.map_or(StorePath::InMemory, |path| StorePath::File(path.into())),
        key: key.map(|key| key.core().clone()),
        on_damage: match on_damage {
            Some(OnDamage::Fail) | None => memory::OnDamage::Fail,
            Some(OnDamage::Quarantine) => memory::OnDamage::Quarantine,
        },
        durability: match durability {
            Some(Durability::ProcessCrash) | None => memory::Durability::ProcessCrash,
            Some(Durability::PowerLoss) => memory::Durability::PowerLoss,
        },
        ..MemoryParams::in_memory()
    }
}
