//! Tensors at the border of this crate: what the engine says of them, what goes in, what comes out.

use std::borrow::Cow;

use half::{f16, slice::HalfFloatSliceExt};

use crate::geometry::Framing;

/// Element types that this crate tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementType {
    /// 32-bit floats.
    F32,
    /// 16-bit floats (IEEE half precision).
    F16,
    /// Anything else; no vision model may have it on a tensor that this crate reads or writes.
    Other,
}

/// What a model file declares about one of its inputs or outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorFacts {
    /// The tensor's name in the graph.
    pub name: String,
    /// The type of its elements.
    pub element: ElementType,
    /// Its dimensions, outermost first; `None` is one that is only known when the model runs.
    pub dims: Vec<Option<u64>>,
}

/// Elements of an input tensor, in the type that the model wants.
#[derive(Debug, Clone, PartialEq)]
pub enum TensorData {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 16-bit floats.
    F16(Vec<f16>),
}

/// An input tensor `[pictures, 3, height, width]`, red, green and blue planes of values 0..=1.
#[derive(Debug, Clone, PartialEq)]
pub struct InputTensor {
    /// Pictures, channels (always 3), height, width.
    pub dims: [usize; 4],
    /// The elements, row-major; as many as the dimensions multiply to.
    pub data: TensorData,
}

impl InputTensor {
    /// Makes a tensor without elements, a buffer for [`crate::ModelProfile::prepare_into`].
    pub fn empty() -> Self {
        Self { dims: [1, 3, 0, 0], data: TensorData::F32(Vec::new()) }
    }
}

/// A picture made ready: the tensor to run, and where the picture lies in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// The model's input.
    pub tensor: InputTensor,
    /// To be handed back with the outputs.
    pub framing: Framing,
}

/// Elements of an output tensor, borrowed from the runtime.
#[derive(Debug, Clone, Copy)]
pub enum OutputData<'a> {
    /// 32-bit floats.
    F32(&'a [f32]),
    /// 16-bit floats.
    F16(&'a [f16]),
}

impl<'a> OutputData<'a> {
    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F16(values) => values.len(),
        }
    }

    /// The elements as 32-bit floats, borrowed where they are that already.
    pub(crate) fn to_f32(self) -> Cow<'a, [f32]> {
        match self {
            Self::F32(values) => Cow::Borrowed(values),
            Self::F16(values) => Cow::Owned(values.to_f32_vec()),
        }
    }
}

/// One output of a run, borrowed from the runtime.
#[derive(Debug, Clone, Copy)]
pub struct OutputView<'a> {
    /// Its dimensions, outermost first.
    pub dims: &'a [usize],
    /// Its elements, row-major.
    pub data: OutputData<'a>,
}

impl<'a> OutputView<'a> {
    /// The part that belongs to one picture of a batch of `count`, as if it had been run alone; `dims` is its own shape.
    ///
    /// `None` when the outermost dimension is not the batch.
    pub(crate) fn of_picture<'d>(&self, index: usize, count: usize, dims: &'d [usize]) -> Option<OutputView<'d>>
    where
        'a: 'd,
    {
        if self.dims.first() != Some(&count) || !self.data.len().is_multiple_of(count) {
            return None;
        }
        let part = self.data.len() / count;
        let range = index * part..(index + 1) * part;
        let data = match self.data {
            OutputData::F32(values) => OutputData::F32(values.get(range)?),
            OutputData::F16(values) => OutputData::F16(values.get(range)?),
        };
        Some(OutputView { dims, data })
    }
}
