//! Where files come from. Each source fills a `Part`; checking it and putting it in its place is the store's.

pub(crate) mod address;
pub(crate) mod agents;
pub(crate) mod http;
pub(crate) mod hugging_face;
pub(crate) mod retry;
pub(crate) mod wheel;
