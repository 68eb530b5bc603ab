//! Looking at a run: one page with what all stages left, as a file or served to this machine alone with hand-rating.
//!
//! Reads records and never makes them; the one thing it writes are a person's ratings. A further stage is shown by a
//! field in `Contents` and a script in `page/` that registers a section.

mod contents;
mod conversations;
mod overview;
mod page;
mod ratings;
mod server;
mod training;

pub(crate) use contents::{Contents, Looked, pool_of};
pub(crate) use conversations::Conversations;
pub(crate) use page::{Mode, benchmark_page, page};
pub(crate) use ratings::{Choice, Ratings};
pub(crate) use server::{Server, is_run, secret};
