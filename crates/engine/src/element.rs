//! The runtime's element types in the words of the product.

use ort::value::TensorElementType;
use ortolan_domain::tensor::Datatype;

/// The type in our words; nothing for one that cannot be carried.
pub(crate) fn datatype(element: TensorElementType) -> Option<Datatype> {
    Some(match element {
        TensorElementType::Float32 => Datatype::Fp32,
        TensorElementType::Uint8 => Datatype::Uint8,
        TensorElementType::Int8 => Datatype::Int8,
        TensorElementType::Uint16 => Datatype::Uint16,
        TensorElementType::Int16 => Datatype::Int16,
        TensorElementType::Int32 => Datatype::Int32,
        TensorElementType::Int64 => Datatype::Int64,
        TensorElementType::String => Datatype::Bytes,
        TensorElementType::Bool => Datatype::Bool,
        TensorElementType::Float16 => Datatype::Fp16,
        TensorElementType::Float64 => Datatype::Fp64,
        TensorElementType::Uint32 => Datatype::Uint32,
        TensorElementType::Uint64 => Datatype::Uint64,
        TensorElementType::Bfloat16 => Datatype::Bf16,
        _ => return None,
    })
}
