//! A device by its name: looked for in burn's list before burn creates it, and tried before anything depends on it.

use burn::tensor::{Device, DeviceType, Tensor};

use super::arithmetic::read;
use super::border::{at_border, failed};
use crate::error::{Error, Result};
use crate::train::device::DeviceName;

/// A device that has computed something.
#[derive(Debug, Clone)]
pub(crate) struct Gpu {
    pub(super) device: Device,
    name: String,
}

impl Gpu {
    /// Looks for it.
    ///
    /// # Errors
    /// [`Error::DeviceNotBuilt`]; [`Error::DeviceMissing`]; [`Error::DeviceFailed`] where it is there and does not work.
    pub(in crate::train) fn find(name: DeviceName) -> Result<Self> {
        let (kind, number) = listed_as(name)?;
        let told = name.to_string();
        let found = at_border(&told, || Ok(Device::enumerate(kind).into_vec()))?;
        let count = found.len();
        let device = found.into_iter().nth(number).ok_or(Error::DeviceMissing { device: told.clone(), count })?;
        let maker = at_border(&told, || tried(&device))?;
        let kind = told.split(':').next().unwrap_or(&told);
        Ok(Self { device, name: format!("{kind}, {maker}") })
    }

    /// The kind of device, and its maker's name for it.
    pub(in crate::train) fn name(&self) -> &str {
        &self.name
    }
}

/// burn's list that has the device, and the place in it.
fn listed_as(name: DeviceName) -> Result<(DeviceType, usize)> {
    match name {
        #[cfg(feature = "train-cuda")]
        DeviceName::Cuda(number) => Ok((DeviceType::Cuda, number)),
        #[cfg(feature = "train-metal")]
        DeviceName::Metal => Ok((DeviceType::Metal, 0)),
        #[cfg(feature = "train-vulkan")]
        DeviceName::Vulkan(number) => Ok((DeviceType::Wgpu, number)),
        _ => Err(name.not_built()),
    }
}

/// Adds two numbers there; answers with the device's name.
fn tried(device: &Device) -> Result<String> {
    let sum = Tensor::<1>::ones([3], device) + Tensor::<1>::ones([3], device);
    if read(sum)? != [2.0; 3] {
        return Err(failed("the device", "one and one are not two there"));
    }
    Ok(device.identity().map_or_else(|| "unnamed".to_owned(), |identity| identity.name.to_string()))
}
