//! Tensors of strings. The crate's own readers and writers take UTF-8 without NUL only, so this asks the C interface.

use std::ffi::c_void;
use std::ptr;

use ort::AsPointer;
use ort::memory::Allocator;
use ort::value::{DynTensor, DynValue, TensorElementType};
use ortolan_domain::tensor::{Strings, element_count, encode_strings};

use crate::error::EngineError;
use crate::tensor::TensorView;

/// The runtime's own tensor with copies of the strings; the view was checked.
pub(crate) fn owned(view: &TensorView<'_>) -> Result<DynTensor, EngineError> {
    let shape = view.dims.to_vec();
    let tensor = DynTensor::new(&Allocator::default(), TensorElementType::String, shape);
    let mut tensor = tensor.map_err(|error| EngineError::at_run(&error))?;
    for (index, string) in Strings::new(view.bytes).enumerate() {
        let mut at = ptr::null_mut();
        // SAFETY: the tensor is alive and has as many elements as the view has strings.
        let status =
            unsafe { (ort::api().GetResizedStringTensorElementBuffer)(tensor.ptr_mut(), index, string.len(), &mut at) };
        checked(status)?;
        // SAFETY: the runtime gave room for as many bytes.
        unsafe { at.cast::<u8>().copy_from_nonoverlapping(string.as_ptr(), string.len()) };
    }
    Ok(tensor)
}

/// The strings of a string tensor, written one after the other as [`encode_strings`] does.
pub(crate) fn encoded(value: &DynValue) -> Result<Vec<u8>, EngineError> {
    let count = element_count(value.shape()).ok_or(EngineError::RunFailed)?;
    let mut length = 0;
    // SAFETY: the value is alive and a tensor of strings.
    checked(unsafe { (ort::api().GetStringTensorDataLength)(value.ptr(), &mut length) })?;
    let (mut content, mut offsets) = (vec![0u8; length], vec![0usize; count]);
    if count > 0 {
        let (at, starts) = (content.as_mut_ptr().cast::<c_void>(), offsets.as_mut_ptr());
        // SAFETY: both arrays are as long as is said.
        checked(unsafe { (ort::api().GetStringTensorContent)(value.ptr(), at, length, starts, count) })?;
    }
    let ends = offsets.iter().skip(1).copied().chain([length]);
    let strings = offsets.iter().zip(ends).map(|(&start, end)| content.get(start..end).unwrap_or_default());
    Ok(encode_strings(strings))
}

fn checked(status: ort::sys::OrtStatusPtr) -> Result<(), EngineError> {
    // SAFETY: the status came from the runtime just now and is given up here.
    unsafe { ort::Error::result_from_status(status) }.map_err(|error| EngineError::at_run(&error))
}
