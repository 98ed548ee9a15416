//! Element types of tensors.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a tensor's elements are. The discriminants are ONNX's own numbers (`TensorProto.DataType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u32)]
pub enum Datatype {
    /// 32-bit floating point.
    #[serde(rename = "FP32")]
    Fp32 = 1,
    /// Unsigned 8-bit integer.
    #[serde(rename = "UINT8")]
    Uint8 = 2,
    /// Signed 8-bit integer.
    #[serde(rename = "INT8")]
    Int8 = 3,
    /// Unsigned 16-bit integer.
    #[serde(rename = "UINT16")]
    Uint16 = 4,
    /// Signed 16-bit integer.
    #[serde(rename = "INT16")]
    Int16 = 5,
    /// Signed 32-bit integer.
    #[serde(rename = "INT32")]
    Int32 = 6,
    /// Signed 64-bit integer.
    #[serde(rename = "INT64")]
    Int64 = 7,
    /// Strings of any length; not necessarily UTF-8.
    #[serde(rename = "BYTES")]
    Bytes = 8,
    /// One byte, 0 or 1.
    #[serde(rename = "BOOL")]
    Bool = 9,
    /// 16-bit floating point.
    #[serde(rename = "FP16")]
    Fp16 = 10,
    /// 64-bit floating point.
    #[serde(rename = "FP64")]
    Fp64 = 11,
    /// Unsigned 32-bit integer.
    #[serde(rename = "UINT32")]
    Uint32 = 12,
    /// Unsigned 64-bit integer.
    #[serde(rename = "UINT64")]
    Uint64 = 13,
    /// 16-bit floating point with the exponent of 32 bits.
    #[serde(rename = "BF16")]
    Bf16 = 16,
}

impl Datatype {
    /// All types that can be carried.
    pub const ALL: [Self; 14] = [
        Self::Fp32,
        Self::Uint8,
        Self::Int8,
        Self::Uint16,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Bytes,
        Self::Bool,
        Self::Fp16,
        Self::Fp64,
        Self::Uint32,
        Self::Uint64,
        Self::Bf16,
    ];

    /// ONNX's number of the type.
    pub const fn code(self) -> u32 {
        self as u32
    }

    /// The type with ONNX's number `code`.
    pub fn from_code(code: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|datatype| datatype.code() == code)
    }

    /// The name that the Open Inference Protocol gives to the type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "FP32",
            Self::Uint8 => "UINT8",
            Self::Int8 => "INT8",
            Self::Uint16 => "UINT16",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Bytes => "BYTES",
            Self::Bool => "BOOL",
            Self::Fp16 => "FP16",
            Self::Fp64 => "FP64",
            Self::Uint32 => "UINT32",
            Self::Uint64 => "UINT64",
            Self::Bf16 => "BF16",
        }
    }

    /// The type that the Open Inference Protocol calls `name`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|datatype| datatype.name() == name)
    }

    /// Bytes of one element; `None` for strings, whose lengths differ.
    pub const fn size(self) -> Option<usize> {
        match self {
            Self::Uint8 | Self::Int8 | Self::Bool => Some(1),
            Self::Uint16 | Self::Int16 | Self::Fp16 | Self::Bf16 => Some(2),
            Self::Fp32 | Self::Int32 | Self::Uint32 => Some(4),
            Self::Fp64 | Self::Int64 | Self::Uint64 => Some(8),
            Self::Bytes => None,
        }
    }
}

impl fmt::Display for Datatype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn codes_are_those_of_onnx_and_names_those_of_the_open_inference_protocol() {
        for datatype in Datatype::ALL {
            assert_eq!(Datatype::from_code(datatype.code()), Some(datatype));
            assert_eq!(Datatype::parse(datatype.name()), Some(datatype));
            assert_eq!(serde_json::to_value(datatype).unwrap(), datatype.name());
        }
        assert_eq!(Datatype::from_code(14), None, "complex numbers are not carried");
        assert_eq!((Datatype::Fp32.code(), Datatype::Fp16.code(), Datatype::Bf16.code()), (1, 10, 16));
    }
}
