//! Tensors as views: bytes that lie somewhere else, with their type and shape.

use bytemuck::{CheckedBitPattern, NoUninit};
use half::{bf16, f16};
use ort::session::SessionInputValue;
use ort::value::{DynTensor, DynValue, PrimitiveTensorElementType, TensorRef};
use ortolan_domain::tensor::{self, Datatype};

use crate::error::EngineError;
use crate::{element, strings};

/// A tensor that is borrowed: row-major elements in the machine's byte order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TensorView<'a> {
    /// What the elements are.
    pub element: Datatype,
    /// Sizes of the axes; none of them negative.
    pub dims: &'a [i64],
    /// The elements.
    pub bytes: &'a [u8],
}

impl<'a> TensorView<'a> {
    /// A view of 32-bit floating point numbers.
    pub fn of_f32(dims: &'a [i64], values: &'a [f32]) -> Self {
        Self { element: Datatype::Fp32, dims, bytes: bytemuck::cast_slice(values) }
    }

    /// The values, when they are 32-bit floating point and lie at a multiple of 4.
    pub fn as_f32(&self) -> Option<&'a [f32]> {
        if self.element == Datatype::Fp32 { bytemuck::try_cast_slice(self.bytes).ok() } else { None }
    }

    /// The values, when they are 16-bit floating point and lie at a multiple of 2.
    pub fn as_f16(&self) -> Option<&'a [f16]> {
        if self.element == Datatype::Fp16 { bytemuck::try_cast_slice(self.bytes).ok() } else { None }
    }

    /// Checks that there are as many elements as the axes say.
    pub fn check(&self) -> Result<(), EngineError> {
        tensor::check(self.element, self.dims, self.bytes).map_err(EngineError::BadInput)
    }
}

/// Calls `$body` with `$T` standing for the Rust type of each element type of fixed size.
macro_rules! for_element {
    ($element:expr, $T:ident => $body:expr, $strings:expr) => {
        match $element {
            Datatype::Fp32 => {
                type $T = f32;
                $body
            }
            Datatype::Fp64 => {
                type $T = f64;
                $body
            }
            Datatype::Fp16 => {
                type $T = f16;
                $body
            }
            Datatype::Bf16 => {
                type $T = bf16;
                $body
            }
            Datatype::Int8 => {
                type $T = i8;
                $body
            }
            Datatype::Int16 => {
                type $T = i16;
                $body
            }
            Datatype::Int32 => {
                type $T = i32;
                $body
            }
            Datatype::Int64 => {
                type $T = i64;
                $body
            }
            Datatype::Uint8 => {
                type $T = u8;
                $body
            }
            Datatype::Uint16 => {
                type $T = u16;
                $body
            }
            Datatype::Uint32 => {
                type $T = u32;
                $body
            }
            Datatype::Uint64 => {
                type $T = u64;
                $body
            }
            Datatype::Bool => {
                type $T = bool;
                $body
            }
            Datatype::Bytes => $strings,
        }
    };
}

/// The elements of an input, copied only where they are strings or not aligned for the runtime.
pub(crate) enum Aligned<'a> {
    InPlace(TensorView<'a>),
    Copied { element: Datatype, dims: &'a [i64], words: Vec<u64>, len: usize },
    Strings(DynTensor),
}

impl<'a> Aligned<'a> {
    pub(crate) fn new(view: TensorView<'a>) -> Result<Self, EngineError> {
        view.check()?;
        let Some(size) = view.element.size() else { return strings::owned(&view).map(Self::Strings) };
        if view.bytes.as_ptr().addr().is_multiple_of(size) {
            return Ok(Self::InPlace(view));
        }
        let mut words = vec![0u64; view.bytes.len().div_ceil(8)];
        bytemuck::cast_slice_mut::<u64, u8>(&mut words)[..view.bytes.len()].copy_from_slice(view.bytes);
        Ok(Self::Copied { element: view.element, dims: view.dims, words, len: view.bytes.len() })
    }

    /// The input as the runtime wants it, still borrowed.
    pub(crate) fn value(&self) -> Result<SessionInputValue<'_>, EngineError> {
        let (element, dims, bytes) = match self {
            Self::InPlace(view) => (view.element, view.dims, view.bytes),
            Self::Copied { element, dims, words, len } => (*element, *dims, &bytemuck::cast_slice(words)[..*len]),
            Self::Strings(tensor) => return Ok(tensor.into()),
        };
        for_element!(element, T => borrow::<T>(dims, bytes), Err(EngineError::BadInput("strings cannot be borrowed".to_owned())))
    }
}

fn borrow<'a, T>(dims: &'a [i64], bytes: &'a [u8]) -> Result<SessionInputValue<'a>, EngineError>
where
    T: PrimitiveTensorElementType + CheckedBitPattern + std::fmt::Debug + 'static,
{
    let values: &[T] = bytemuck::checked::try_cast_slice(bytes)
        .map_err(|_| EngineError::BadInput("an element has a value that its type does not have".to_owned()))?;
    let tensor = TensorRef::from_array_view((dims, values)).map_err(|error| EngineError::at_run(&error))?;
    Ok(tensor.into())
}

/// A view of what the runtime gave, or nothing when it is no tensor of elements of a fixed size in main memory.
pub(crate) fn view(value: &DynValue) -> Option<TensorView<'_>> {
    let element = element::datatype(value.dtype().tensor_type()?)?;
    for_element!(element, T => extract::<T>(element, value), None)
}

fn extract<T: PrimitiveTensorElementType + NoUninit>(element: Datatype, value: &DynValue) -> Option<TensorView<'_>> {
    let (shape, values) = value.try_extract_tensor::<T>().ok()?;
    Some(TensorView { element, dims: shape, bytes: bytemuck::cast_slice(values) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_that_lie_are_refused() {
        let four = [0f32; 4];
        assert!(TensorView::of_f32(&[2, 2], &four).check().is_ok());
        assert!(TensorView::of_f32(&[], &four[..1]).check().is_ok(), "a scalar");
        assert!(TensorView::of_f32(&[0, 7], &[]).check().is_ok(), "an empty tensor");
        for dims in [&[2, 3][..], &[-1, -4], &[1 << 32, 1 << 32], &[i64::MAX, 4]] {
            assert!(TensorView::of_f32(dims, &four).check().is_err(), "{dims:?}");
            assert!(TensorView::of_f32(dims, &[]).check().is_err(), "{dims:?} without data");
        }
    }
}
