//! The border to burn: its panics become errors here and nowhere else.
//!
//! burn and wgpu panic where a device is lost, out of memory or refuses a kernel. A panic unwinds in every profile of this
//! workspace, so it is caught and named; whatever was being computed is gone, and the checkpoint before it is whole.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, Result};

/// Runs `work`; a panic in it is a failure of the device.
pub(super) fn at_border<R>(device: &str, work: impl FnOnce() -> Result<R>) -> Result<R> {
    // Nothing that `work` reaches is used after a panic: the caller gives up the pass.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| Err(failed(device, words(payload.as_ref()))))
}

/// A failure that burn told in words.
pub(super) fn failed(device: &str, reason: impl std::fmt::Display) -> Error {
    let reason = reason.to_string().lines().next().unwrap_or("it did not say why").to_owned();
    Error::DeviceFailed { device: device.to_owned(), reason }
}

fn words(payload: &(dyn Any + Send)) -> &str {
    let literal = payload.downcast_ref::<&str>().copied();
    literal.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("it did not say why")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_behind_the_border_is_an_error_that_names_the_device() {
        let answer: Result<()> = at_border("vulkan", || panic!("device lost\nand more"));
        let Err(Error::DeviceFailed { device, reason }) = answer else { panic!("{answer:?}") };
        assert_eq!((device.as_str(), reason.as_str()), ("vulkan", "device lost"));
    }
}
