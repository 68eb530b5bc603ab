//! Where llama.cpp put layers and caches, read from its log: it has no call that tells.

use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What was logged while a model was loaded.
pub(crate) struct Landing(Vec<String>);

/// Does the work and hands out what llama.cpp logged meanwhile.
pub(crate) fn watch<T>(work: impl FnOnce() -> T) -> (T, Landing) {
    // The second call finds the subscriber in place already.
    let _ = tracing::subscriber::set_global_default(Collector);
    lines().clear();
    let done = work();
    (done, Landing(std::mem::take(&mut lines())))
}

fn lines() -> std::sync::MutexGuard<'static, Vec<String>> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Landing {
    /// Whether anything was placed on a Vulkan device.
    pub(crate) fn mentions_device(&self) -> bool {
        self.0.iter().any(|line| line.contains("Vulkan") && line.contains("buffer size"))
    }

    /// All layers, the output layer too, and the KV cache are on the device.
    pub(crate) fn expect_all(&self, n_layers: u32) {
        let all = format!("offloaded {0}/{0} layers to GPU", n_layers + 1);
        for words in [[all.as_str(), ""], ["Vulkan", "model buffer size"], ["Vulkan", "KV buffer size"]] {
            let found = self.0.iter().find(|line| words.iter().all(|word| line.contains(word)));
            match found {
                Some(line) => println!("{}", line.trim()),
                None => panic!(
                    "no line of llama.cpp's log says {words:?}; is there a driver, and GGML_VK_VISIBLE_DEVICES=0 for a \
                     software device?\n{}",
                    self.0.concat()
                ),
            }
        }
    }
}

/// Keeps the messages of llama.cpp and nothing else.
struct Collector;

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "llama-cpp-2"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Message);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Message;

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            lines().push(format!("{value:?}\n"));
        }
    }
}
