//! Element types of tensors.

use ort::value::TensorElementType;
use serde::{Deserialize, Serialize};

/// What a tensor's elements are. The discriminants are ONNX's own numbers (`TensorProto.DataType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u32)]
pub enum ElementType {
    /// 32-bit floating point.
    #[serde(rename = "FP32")]
    F32 = 1,
    /// Unsigned 8-bit integer.
    #[serde(rename = "UINT8")]
    U8 = 2,
    /// Signed 8-bit integer.
    #[serde(rename = "INT8")]
    I8 = 3,
    /// Unsigned 16-bit integer.
    #[serde(rename = "UINT16")]
    U16 = 4,
    /// Signed 16-bit integer.
    #[serde(rename = "INT16")]
    I16 = 5,
    /// Signed 32-bit integer.
    #[serde(rename = "INT32")]
    I32 = 6,
    /// Signed 64-bit integer.
    #[serde(rename = "INT64")]
    I64 = 7,
    /// Text of any length.
    #[serde(rename = "BYTES")]
    Text = 8,
    /// One byte, 0 or 1.
    #[serde(rename = "BOOL")]
    Bool = 9,
    /// 16-bit floating point.
    #[serde(rename = "FP16")]
    F16 = 10,
    /// 64-bit floating point.
    #[serde(rename = "FP64")]
    F64 = 11,
    /// Unsigned 32-bit integer.
    #[serde(rename = "UINT32")]
    U32 = 12,
    /// Unsigned 64-bit integer.
    #[serde(rename = "UINT64")]
    U64 = 13,
    /// 16-bit floating point with the exponent of 32 bits.
    #[serde(rename = "BF16")]
    Bf16 = 16,
}

impl ElementType {
    /// All types this crate can carry.
    pub const ALL: [Self; 14] = [
        Self::F32,
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::Text,
        Self::Bool,
        Self::F16,
        Self::F64,
        Self::U32,
        Self::U64,
        Self::Bf16,
    ];

    /// ONNX's number of the type.
    pub const fn code(self) -> u32 {
        self as u32
    }

    /// The type with ONNX's number `code`.
    pub fn from_code(code: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|element| element.code() == code)
    }

    /// The name that the Open Inference Protocol gives to the type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "FP32",
            Self::U8 => "UINT8",
            Self::I8 => "INT8",
            Self::U16 => "UINT16",
            Self::I16 => "INT16",
            Self::I32 => "INT32",
            Self::I64 => "INT64",
            Self::Text => "BYTES",
            Self::Bool => "BOOL",
            Self::F16 => "FP16",
            Self::F64 => "FP64",
            Self::U32 => "UINT32",
            Self::U64 => "UINT64",
            Self::Bf16 => "BF16",
        }
    }

    /// Bytes of one element; `None` for text, whose elements differ in length.
    pub const fn size(self) -> Option<usize> {
        match self {
            Self::U8 | Self::I8 | Self::Bool => Some(1),
            Self::U16 | Self::I16 | Self::F16 | Self::Bf16 => Some(2),
            Self::F32 | Self::I32 | Self::U32 => Some(4),
            Self::F64 | Self::I64 | Self::U64 => Some(8),
            Self::Text => None,
        }
    }

    pub(crate) fn from_ort(element: TensorElementType) -> Option<Self> {
        Some(match element {
            TensorElementType::Float32 => Self::F32,
            TensorElementType::Uint8 => Self::U8,
            TensorElementType::Int8 => Self::I8,
            TensorElementType::Uint16 => Self::U16,
            TensorElementType::Int16 => Self::I16,
            TensorElementType::Int32 => Self::I32,
            TensorElementType::Int64 => Self::I64,
            TensorElementType::String => Self::Text,
            TensorElementType::Bool => Self::Bool,
            TensorElementType::Float16 => Self::F16,
            TensorElementType::Float64 => Self::F64,
            TensorElementType::Uint32 => Self::U32,
            TensorElementType::Uint64 => Self::U64,
            TensorElementType::Bfloat16 => Self::Bf16,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn codes_are_those_of_onnx_and_names_those_of_the_open_inference_protocol() {
        for element in ElementType::ALL {
            assert_eq!(ElementType::from_code(element.code()), Some(element));
            assert_eq!(serde_json::to_value(element).unwrap(), element.name());
        }
        assert_eq!(ElementType::from_code(14), None, "complex numbers are not carried");
        assert_eq!((ElementType::F32.code(), ElementType::F16.code(), ElementType::Bf16.code()), (1, 10, 16));
    }
}
