//! Makes prompts of conversations with the model's own chat template, which is code of whoever made the file.
//!
//! Two rules. A template never sees what people say: sentinels stand in for it, and the words are put in afterwards
//! as segments that are tokenized as plain text, so that neither a template nor a message can forge a control token.
//! And it cannot harm: it runs with limits on steps, memory, depth and output (see `sandbox` and `bounded`).
//!
//! What a template does not take, such as a system message for Gemma, is found out when the model is loaded, and
//! messages are folded to fit. Tokenizing is not done here.

mod bounded;
mod builtin;
mod capabilities;
mod chat_template;
mod date;
mod probe;
mod sandbox;
mod segment;
mod turns;

pub use builtin::{BuiltIn, TemplateSource};
pub use capabilities::Capabilities;
pub use chat_template::{ChatTemplate, RenderOptions};
pub use date::CivilDate;
pub use segment::Segment;
