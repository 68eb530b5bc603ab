//! How what the user says becomes facts, as an app sets it.

use std::time::Duration;

/// How what the user says becomes facts.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum Induction {
    /// Only when the app calls `Persona.learn`; what was said is still remembered word for word.
    Off,
    /// By grammar and meaning, after each reply, in some milliseconds: for every device.
    Extractive,
    /// As `Extractive`, and where the model has a billion parameters or more, it reads too while nobody talks.
    Automatic,
    /// As `Extractive`, and the model reads too, of whatever size, when nobody has talked for so long.
    Prompted {
        /// Milliseconds for which nobody has to talk.
        idle_after_ms: u64,
    },
    /// As `Prompted`, with an adapter that was trained for induction alone on the model while it reads.
    Adapted {
        /// Path of the LoRA adapter, a GGUF file.
        adapter: String,
        /// Milliseconds for which nobody has to talk.
        idle_after_ms: u64,
    },
}

impl Induction {
    /// The core's; its default where the app says nothing.
    pub(crate) fn into_core(induction: Option<Self>) -> aloekit::Induction {
        match induction {
            None => aloekit::Induction::default(),
            Some(Self::Off) => aloekit::Induction::Off,
            Some(Self::Extractive) => aloekit::Induction::Extractive,
            Some(Self::Automatic) => aloekit::Induction::Automatic,
            Some(Self::Prompted { idle_after_ms }) => {
                aloekit::Induction::Prompted { idle_after: Duration::from_millis(idle_after_ms) }
            }
            Some(Self::Adapted { adapter, idle_after_ms }) => aloekit::Induction::Adapted {
                adapter: adapter.into(),
                idle_after: Duration::from_millis(idle_after_ms),
            },
        }
    }
}
