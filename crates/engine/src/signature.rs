//! What a model takes and gives.

use ort::value::{Outlet, ValueType};
use ortolan_domain::tensor::Datatype;
use serde::{Deserialize, Serialize};

use crate::element;

/// Inputs and outputs of a model, in its own order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// What it takes.
    pub inputs: Vec<TensorSpec>,
    /// What it gives.
    pub outputs: Vec<TensorSpec>,
}

/// One input or output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TensorSpec {
    /// Its name in the graph.
    pub name: String,
    /// Its kind.
    pub kind: ValueKind,
    /// The element type; `None` when it is not a tensor, or one of a type that cannot be carried.
    pub element: Option<Datatype>,
    /// The axes, of a tensor.
    pub dims: Vec<Dimension>,
}

/// What kind of value an input or output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueKind {
    /// A tensor.
    Tensor,
    /// A sequence of values.
    Sequence,
    /// A map from keys to values.
    Map,
    /// A value that may be missing.
    Optional,
}

/// One axis of a tensor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Dimension {
    /// A size that is fixed.
    Fixed(u64),
    /// A size that is free and has a name.
    Named(String),
    /// A size that is free.
    Free,
}

impl Dimension {
    /// The size, where it is fixed.
    pub fn fixed(&self) -> Option<u64> {
        match self {
            Self::Fixed(size) => Some(*size),
            Self::Named(_) | Self::Free => None,
        }
    }
}

impl TensorSpec {
    /// The element type as the Open Inference Protocol spells it; `OTHER` for what cannot be carried.
    pub fn datatype(&self) -> &'static str {
        self.element.map_or("OTHER", Datatype::name)
    }

    /// The shape, with -1 for a free axis.
    pub fn shape(&self) -> Vec<i64> {
        self.dims.iter().map(|axis| axis.fixed().and_then(|size| i64::try_from(size).ok()).unwrap_or(-1)).collect()
    }

    pub(crate) fn of(outlet: &Outlet) -> Self {
        let name = outlet.name().to_owned();
        let other = |kind| Self { name: name.clone(), kind, element: None, dims: Vec::new() };
        match outlet.dtype() {
            ValueType::Tensor { ty, shape, dimension_symbols } => {
                let symbols = dimension_symbols.iter().map(Some).chain(std::iter::repeat(None));
                let dims = shape.iter().zip(symbols).map(|(&size, symbol)| dimension(size, symbol)).collect();
                Self { element: element::datatype(*ty), dims, ..other(ValueKind::Tensor) }
            }
            ValueType::Sequence(_) => other(ValueKind::Sequence),
            ValueType::Map { .. } => other(ValueKind::Map),
            ValueType::Optional(_) => other(ValueKind::Optional),
        }
    }
}

fn dimension(size: i64, symbol: Option<&String>) -> Dimension {
    match (u64::try_from(size), symbol) {
        (Ok(size), _) => Dimension::Fixed(size),
        (Err(_), Some(name)) if !name.is_empty() => Dimension::Named(name.clone()),
        (Err(_), _) => Dimension::Free,
    }
}
