//! Downloads as users meet them: the tool itself, against servers and packages that misbehave to order.

mod hub;
mod hugging_face;
#[cfg(unix)]
mod wheels;
