//! Levels 0..=255 as the tensor's elements.

use std::array;

use half::f16;

use crate::tensor::TensorData;

/// An element type of an input tensor.
pub(super) trait Sample: Copy + Default {
    /// The level divided by 255 in 32-bit arithmetic, then cut to the type.
    fn from_level(level: u8) -> Self;

    /// The buffer of this type inside `data`, which changes its type if it has to.
    fn buffer(data: &mut TensorData) -> &mut Vec<Self>;

    /// Every level's element.
    fn table() -> [Self; 256] {
        array::from_fn(|level| Self::from_level(level as u8))
    }
}

impl Sample for f32 {
    fn from_level(level: u8) -> Self {
        Self::from(level) / 255.0
    }

    fn buffer(data: &mut TensorData) -> &mut Vec<Self> {
        loop {
            match data {
                TensorData::F32(buffer) => return buffer,
                other => *other = TensorData::F32(Vec::new()),
            }
        }
    }
}

impl Sample for f16 {
    fn from_level(level: u8) -> Self {
        Self::from_f32(f32::from(level) / 255.0)
    }

    fn buffer(data: &mut TensorData) -> &mut Vec<Self> {
        loop {
            match data {
                TensorData::F16(buffer) => return buffer,
                other => *other = TensorData::F16(Vec::new()),
            }
        }
    }
}
