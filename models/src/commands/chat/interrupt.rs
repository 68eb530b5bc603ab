//! Ctrl-C: stops the reply that is being made; pressed again and again, or with none, it ends the program.

use std::sync::{Arc, Mutex, PoisonError};

use aloekit::CancelHandle;

use crate::error::{Error, Result};

/// The exit status that shells give to a program ended by Ctrl-C.
const INTERRUPTED: i32 = 130;

/// Presses on one reply after which the program itself is meant.
const PRESSES_TO_LEAVE: u32 = 3;

/// What Ctrl-C stops now.
#[derive(Clone, Default)]
pub(crate) struct Interrupts {
    current: Arc<Mutex<Option<(CancelHandle, u32)>>>,
}

impl Interrupts {
    /// Takes over Ctrl-C for the rest of the process.
    pub(crate) fn install() -> Result<Self> {
        let interrupts = Self::default();
        let heard = interrupts.clone();
        ctrlc::set_handler(move || heard.pressed()).map_err(Error::internal)?;
        Ok(interrupts)
    }

    /// Ctrl-C stops this reply until the guard is dropped.
    pub(crate) fn stops(&self, handle: CancelHandle) -> Guard<'_> {
        self.set(Some((handle, 0)));
        Guard(self)
    }

    fn pressed(&self) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match current.as_mut() {
            Some((handle, presses)) if *presses + 1 < PRESSES_TO_LEAVE => {
                *presses += 1;
                handle.cancel();
            }
            // Every acknowledged turn is durable: there is nothing to save on the way out.
            _ => std::process::exit(INTERRUPTED),
        }
    }

    fn set(&self, current: Option<(CancelHandle, u32)>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = current;
    }
}

/// Gives Ctrl-C back when dropped.
pub(crate) struct Guard<'a>(&'a Interrupts);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.set(None);
    }
}
