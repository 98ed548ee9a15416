//! A tensor's bytes as JSON.

use half::{bf16, f16};
use ortolan_domain::tensor::{Datatype, element_count};
use serde::Serialize;

use crate::MAX_RANK;
use crate::elements::Elements;
use crate::error::OipError;

/// The most lists without elements that an empty tensor is written as.
const MAX_EMPTY_LISTS: usize = 100_000;

/// What becomes of values that JSON has no word for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwritable {
    /// An error that asks for binary data.
    Refuse,
    /// `"NaN"`, `"Infinity"`, `"-Infinity"`; bytes that are no UTF-8 are replaced by U+FFFD.
    Replace,
}

/// A tensor without its name.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    /// The type of its elements.
    pub datatype: Datatype,
    /// Its shape.
    pub shape: &'a [i64],
    /// Its elements.
    pub data: &'a [u8],
}

/// Writes all elements as one list.
pub fn flat(values: Values<'_>, unwritable: Unwritable, out: &mut Vec<u8>) -> Result<(), OipError> {
    out.push(b'[');
    for (index, one) in Elements::new(values.datatype, values.data).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        element(values.datatype, one, unwritable, out)?;
    }
    out.push(b']');
    Ok(())
}

/// Writes the elements as nested lists of the tensor's shape; one of rank 0 as a single value.
pub fn nested(values: Values<'_>, unwritable: Unwritable, out: &mut Vec<u8>) -> Result<(), OipError> {
    let empty_lists = values.shape.iter().position(|&axis| axis == 0).map(|zero| element_count(&values.shape[..zero]));
    let is_bounded = empty_lists.is_none_or(|lists| lists.is_some_and(|lists| lists <= MAX_EMPTY_LISTS));
    if values.shape.len() > MAX_RANK || !is_bounded {
        let reason = format!("the shape {:?} of an output cannot be written as nested lists", values.shape);
        return Err(OipError::NeedsBinary(reason));
    }
    let mut elements = Elements::new(values.datatype, values.data);
    level(values.datatype, values.shape, &mut elements, unwritable, out)
}

fn level(
    datatype: Datatype,
    shape: &[i64],
    elements: &mut Elements<'_>,
    unwritable: Unwritable,
    out: &mut Vec<u8>,
) -> Result<(), OipError> {
    let Some((&length, inner)) = shape.split_first() else {
        let one = elements.next().ok_or_else(|| OipError::malformed("an output has fewer elements than its shape"))?;
        return element(datatype, one, unwritable, out);
    };
    out.push(b'[');
    for index in 0..length {
        if index > 0 {
            out.push(b',');
        }
        level(datatype, inner, elements, unwritable, out)?;
    }
    out.push(b']');
    Ok(())
}

fn element(datatype: Datatype, bytes: &[u8], unwritable: Unwritable, out: &mut Vec<u8>) -> Result<(), OipError> {
    macro_rules! number {
        ($type:ty) => {
            match bytes.try_into().map(<$type>::from_le_bytes) {
                Ok(value) => write_json(&value, out),
                Err(_) => Err(OipError::malformed("an output's element is cut off")),
            }
        };
    }
    macro_rules! float {
        ($type:ty) => {
            match bytes.try_into().map(<$type>::from_le_bytes) {
                Ok(value) if value.is_finite() => write_json(&value, out),
                Ok(value) => non_finite(value.is_nan(), value.is_sign_negative(), unwritable, out),
                Err(_) => Err(OipError::malformed("an output's element is cut off")),
            }
        };
        ($type:ty as $wide:ty) => {
            match bytes.try_into().map(<$type>::from_le_bytes).map(<$wide>::from) {
                Ok(value) if value.is_finite() => write_json(&value, out),
                Ok(value) => non_finite(value.is_nan(), value.is_sign_negative(), unwritable, out),
                Err(_) => Err(OipError::malformed("an output's element is cut off")),
            }
        };
    }
    match datatype {
        Datatype::Bool => write_json(&(bytes != [0]), out),
        Datatype::Uint8 => number!(u8),
        Datatype::Uint16 => number!(u16),
        Datatype::Uint32 => number!(u32),
        Datatype::Uint64 => number!(u64),
        Datatype::Int8 => number!(i8),
        Datatype::Int16 => number!(i16),
        Datatype::Int32 => number!(i32),
        Datatype::Int64 => number!(i64),
        Datatype::Fp16 => float!(f16 as f32),
        Datatype::Bf16 => float!(bf16 as f32),
        Datatype::Fp32 => float!(f32),
        Datatype::Fp64 => float!(f64),
        Datatype::Bytes => text(bytes, unwritable, out),
    }
}

fn text(bytes: &[u8], unwritable: Unwritable, out: &mut Vec<u8>) -> Result<(), OipError> {
    match (std::str::from_utf8(bytes), unwritable) {
        (Ok(text), _) => write_json(text, out),
        (Err(_), Unwritable::Replace) => write_json(&String::from_utf8_lossy(bytes), out),
        (Err(_), Unwritable::Refuse) => Err(needs_binary("bytes that are no UTF-8")),
    }
}

fn non_finite(is_nan: bool, is_negative: bool, unwritable: Unwritable, out: &mut Vec<u8>) -> Result<(), OipError> {
    let word = match (is_nan, is_negative) {
        (true, _) => "NaN",
        (false, true) => "-Infinity",
        (false, false) => "Infinity",
    };
    match unwritable {
        Unwritable::Replace => write_json(word, out),
        Unwritable::Refuse => Err(needs_binary(word)),
    }
}

fn needs_binary(what: &str) -> OipError {
    OipError::NeedsBinary(format!("it holds {what}, which JSON cannot carry: ask for binary_data"))
}

fn write_json<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), OipError> {
    serde_json::to_writer(out, value).map_err(|_| OipError::malformed("an output cannot be written as JSON"))
}
