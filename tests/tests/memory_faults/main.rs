//! The persona memory under faults: killed at any moment, refused by the disk at any call, out of room, locked out, and
//! with the clock set back. No acknowledged memory is lost and none is half there.

#[cfg(target_os = "linux")]
mod clock;
mod contents;
#[cfg(target_os = "linux")]
mod every_call;
mod kill;
mod leftovers;
#[cfg(target_os = "linux")]
mod locked;
mod operation;
#[cfg(target_os = "linux")]
mod small_disk;
#[cfg(target_os = "linux")]
mod system_calls;
