//! Reads GGUF headers in Rust and refuses damaged ones, before any C++ sees the file.
//!
//! llama.cpp aborts the process, throws through its C interface, or loads nonsense in silence on a number of broken
//! files; each check here that is not plain structure stands for one of these. Memory stays bounded whatever a file
//! claims: no length is allocated before it is known to fit into what is left of the file, and no more than 16 MiB of text
//! is kept. The weights themselves are not read: that they are those that were published is the business of the
//! checksum at download.

mod adapter;
mod defect;
mod fingerprint;
mod header;
mod hyperparameters;
mod layout;
mod source;
mod tensor;
mod tokens;
mod value;
mod vocabulary;
mod weights;

pub use adapter::AdapterHeader;
pub use fingerprint::fingerprint;
pub use header::Header;
pub use hyperparameters::Hyperparameters;
pub use tensor::{GgmlType, Tensor};
pub use tokens::Tokens;
pub use value::{Array, Metadata, Value, ValueType};
