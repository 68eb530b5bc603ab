//! Where a run computes: the name that a flag gives, what of it this build and this machine have, and a base placed there.
//!
//! The one file that knows both the CPU and the GPU, and whether the latter is in the build; everything else knows
//! [`Model`].

use super::llama::{self, Base, Keep, Lora, Target};
use super::model::{Model, Predicted};
use super::token_tree::Packed;
use crate::error::{Error, Result};

/// A device as a user names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceName {
    Cpu,
    Cuda(usize),
    Metal,
    Vulkan(usize),
}

impl DeviceName {
    /// `cpu`, `cuda`, `metal` or `vulkan`; of the second and the last `:N` says which.
    ///
    /// # Errors
    /// [`Error::Usage`] for anything else.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let (kind, number) = text.split_once(':').map_or((text, Ok(0)), |(kind, number)| (kind, number.parse()));
        match (kind, number) {
            ("cpu", _) if text == "cpu" => Ok(Self::Cpu),
            ("metal", _) if text == "metal" => Ok(Self::Metal),
            ("cuda", Ok(number)) => Ok(Self::Cuda(number)),
            ("vulkan", Ok(number)) => Ok(Self::Vulkan(number)),
            _ => Err(Error::usage(format!("{text} is no device"), "cpu, cuda, cuda:N, metal, vulkan or vulkan:N")),
        }
    }

    /// The feature of the crate that has it.
    fn feature(self) -> &'static str {
        match self {
            Self::Cpu => "default",
            Self::Cuda(_) => "train-cuda",
            Self::Metal => "train-metal",
            Self::Vulkan(_) => "train-vulkan",
        }
    }

    /// That this build cannot compute there.
    pub(super) fn not_built(self) -> Error {
        Error::DeviceNotBuilt { device: self.to_string(), feature: self.feature() }
    }
}

impl std::fmt::Display for DeviceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::Metal => f.write_str("metal"),
            Self::Vulkan(number) => write!(f, "vulkan:{number}"),
        }
    }
}

/// A device that is there.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Cpu,
    #[cfg(feature = "train-gpu")]
    Gpu(super::gpu::Gpu),
}

/// A base where it is computed with.
#[derive(Debug)]
pub(crate) enum PlacedModel<'a> {
    Cpu(&'a Base),
    #[cfg(feature = "train-gpu")]
    Gpu(super::gpu::GpuModel<'a>),
}

/// A forward pass of either.
pub(crate) enum PlacedTrace {
    Cpu(llama::Trace),
    #[cfg(feature = "train-gpu")]
    Gpu(super::gpu::Trace),
}

impl Place {
    /// Looks for the device.
    ///
    /// # Errors
    /// [`Error::DeviceNotBuilt`], [`Error::DeviceMissing`], [`Error::DeviceFailed`].
    pub(crate) fn find(name: DeviceName) -> Result<Self> {
        match name {
            DeviceName::Cpu => Ok(Self::Cpu),
            #[cfg(feature = "train-gpu")]
            _ => super::gpu::Gpu::find(name).map(Self::Gpu),
            #[cfg(not(feature = "train-gpu"))]
            _ => Err(name.not_built()),
        }
    }

    /// The kind of device and its maker's name for it, of which a run's bits are a function; none of the CPU, where they are
    /// the same on every machine with the same vector instructions.
    pub(crate) fn gpu(&self) -> Option<&str> {
        match self {
            Self::Cpu => None,
            #[cfg(feature = "train-gpu")]
            Self::Gpu(gpu) => Some(gpu.name()),
        }
    }

    /// The base there; on a GPU its weights are uploaded now if they are to be `resident`.
    pub(crate) fn place<'a>(&self, base: &'a Base, resident: bool) -> Result<PlacedModel<'a>> {
        match self {
            Self::Cpu => {
                // Its weights come from their file, matrix by matrix.
                let _ = resident;
                Ok(PlacedModel::Cpu(base))
            }
            #[cfg(feature = "train-gpu")]
            Self::Gpu(gpu) => super::gpu::GpuModel::open(base, gpu, resident).map(PlacedModel::Gpu),
        }
    }
}

impl Predicted for PlacedTrace {
    fn log_probs(&self) -> &[f32] {
        match self {
            Self::Cpu(trace) => trace.log_probs(),
            #[cfg(feature = "train-gpu")]
            Self::Gpu(trace) => trace.log_probs(),
        }
    }

    fn hits(&self) -> &[bool] {
        match self {
            Self::Cpu(trace) => trace.hits(),
            #[cfg(feature = "train-gpu")]
            Self::Gpu(trace) => trace.hits(),
        }
    }
}

impl Model for PlacedModel<'_> {
    type Trace = PlacedTrace;

    fn base(&self) -> &Base {
        match self {
            Self::Cpu(base) => base,
            #[cfg(feature = "train-gpu")]
            Self::Gpu(model) => model.base(),
        }
    }

    fn forward(&self, batch: &Packed, targets: &[Target], lora: Option<Lora<'_>>, keep: Keep) -> Result<PlacedTrace> {
        match self {
            Self::Cpu(base) => base.forward(batch, targets, lora, keep).map(PlacedTrace::Cpu),
            #[cfg(feature = "train-gpu")]
            Self::Gpu(model) => model.forward(batch, targets, lora, keep).map(PlacedTrace::Gpu),
        }
    }

    fn backward(
        &self,
        batch: &Packed,
        targets: &[Target],
        lora: Lora<'_>,
        trace: PlacedTrace,
        d_log_probs: &[f32],
        gradients: &mut [f32],
    ) -> Result<()> {
        match (self, trace) {
            (Self::Cpu(base), PlacedTrace::Cpu(trace)) => {
                base.backward(batch, targets, lora, trace, d_log_probs, gradients)
            }
            #[cfg(feature = "train-gpu")]
            (Self::Gpu(model), PlacedTrace::Gpu(trace)) => {
                model.backward(batch, targets, lora, trace, d_log_probs, gradients)
            }
            #[cfg(feature = "train-gpu")]
            _ => Err(Error::internal("a forward pass was taken back by another device")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_named_as_it_is_told() {
        for (text, name) in [
            ("cpu", DeviceName::Cpu),
            ("metal", DeviceName::Metal),
            ("cuda:2", DeviceName::Cuda(2)),
            ("vulkan:0", DeviceName::Vulkan(0)),
        ] {
            assert_eq!((DeviceName::parse(text).expect("known"), name.to_string()), (name, text.to_owned()));
        }
        assert_eq!(DeviceName::parse("cuda").expect("known"), DeviceName::Cuda(0));
        for text in ["", "gpu", "cuda:", "cuda:-1", "cpu:1", "metal:0", "vulkan:a", "vulkan:99999999999999999999"] {
            assert!(matches!(DeviceName::parse(text), Err(Error::Usage { .. })), "{text}");
        }
    }

    #[cfg(not(feature = "train-vulkan"))]
    #[test]
    fn a_device_that_the_build_leaves_out_is_refused_by_the_name_of_its_feature() {
        let error = Place::find(DeviceName::Vulkan(0)).expect_err("not built");
        let Error::DeviceNotBuilt { feature, .. } = &error else { panic!("{error}") };
        assert_eq!(*feature, "train-vulkan");
        assert!(error.hint().expect("a hint").contains("train-vulkan"));
    }
}
