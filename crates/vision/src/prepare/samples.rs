//! Levels 0..=255 as the tensor's elements.

use std::{array, mem};

use half::f16;

use crate::tensor::TensorData;

/// An element type of an input tensor.
pub(super) trait Sample: Copy + Default {
    /// The level divided by 255 in 32-bit arithmetic, then cut to the type.
    fn from_level(level: u8) -> Self;

    /// Takes the buffer out of `data` if it is of this type.
    fn take_buffer(data: &mut TensorData) -> Vec<Self>;

    /// The buffer as a tensor's data.
    fn wrap(buffer: Vec<Self>) -> TensorData;

    /// Every level's element.
    fn table() -> [Self; 256] {
        array::from_fn(|level| Self::from_level(level as u8))
    }
}

impl Sample for f32 {
    fn from_level(level: u8) -> Self {
        Self::from(level) / 255.0
    }

    fn take_buffer(data: &mut TensorData) -> Vec<Self> {
        match mem::replace(data, TensorData::F32(Vec::new())) {
            TensorData::F32(buffer) => buffer,
            TensorData::F16(_) => Vec::new(),
        }
    }

    fn wrap(buffer: Vec<Self>) -> TensorData {
        TensorData::F32(buffer)
    }
}

impl Sample for f16 {
    fn from_level(level: u8) -> Self {
        Self::from_f32(f32::from(level) / 255.0)
    }

    fn take_buffer(data: &mut TensorData) -> Vec<Self> {
        match mem::replace(data, TensorData::F16(Vec::new())) {
            TensorData::F16(buffer) => buffer,
            TensorData::F32(_) => Vec::new(),
        }
    }

    fn wrap(buffer: Vec<Self>) -> TensorData {
        TensorData::F16(buffer)
    }
}
