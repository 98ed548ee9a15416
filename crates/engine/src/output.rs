//! What a run gives: tensors, and maps and sequences as JSON.

use half::{bf16, f16};
use ort::value::{DynValue, DynValueTypeMarker, TensorElementType, ValueType};
use ortolan_domain::tensor::{Datatype, Strings, element_count};
use serde_json::{Map, Value};

use crate::error::EngineError;
use crate::tensor::{TensorView, view};
use crate::{element, strings};

/// Most numbers and strings of one output that is written as JSON.
const MOST_JSON_ELEMENTS: usize = 1 << 20;

/// One output of a run.
#[derive(Debug)]
pub enum OutputView<'a> {
    /// A tensor where the runtime keeps it.
    Tensor(TensorView<'a>),
    /// A tensor of strings, copied.
    Strings {
        /// Sizes of the axes.
        dims: Vec<i64>,
        /// The strings, as [`ortolan_domain::tensor`] lays them out.
        bytes: Vec<u8>,
    },
    /// The JSON text of a map with its keys as strings, or of a sequence as an array; tensors in them are nested arrays.
    /// Numbers that are not finite are the strings `NaN`, `Infinity` and `-Infinity`.
    Json(Vec<u8>),
}

/// Reads a value of the runtime.
pub(crate) fn read<'a>(name: &str, value: &'a DynValue) -> Result<OutputView<'a>, EngineError> {
    let unsupported = || EngineError::UnsupportedOutput(name.to_owned());
    match value.dtype() {
        ValueType::Tensor { ty: TensorElementType::String, .. } => {
            Ok(OutputView::Strings { dims: value.shape().to_vec(), bytes: strings::encoded(value)? })
        }
        ValueType::Tensor { .. } => view(value).map(OutputView::Tensor).ok_or_else(unsupported),
        _ => {
            let mut writer = JsonWriter { left: MOST_JSON_ELEMENTS };
            let json = writer.value(value)?.ok_or_else(unsupported)?;
            Ok(OutputView::Json(json.to_string().into_bytes()))
        }
    }
}

/// Writes values as JSON, but not without end.
struct JsonWriter {
    left: usize,
}

impl JsonWriter {
    /// The value, or nothing when it is of a kind that is not written.
    fn value(&mut self, value: &DynValue) -> Result<Option<Value>, EngineError> {
        match value.dtype() {
            ValueType::Tensor { .. } => self.tensor(value),
            ValueType::Sequence(_) => self.sequence(value),
            ValueType::Map { key, value: of } => self.map(value, *key, *of),
            ValueType::Optional(_) => Ok(None),
        }
    }

    fn sequence(&mut self, value: &DynValue) -> Result<Option<Value>, EngineError> {
        let items = value.try_extract_sequence::<DynValueTypeMarker>().map_err(|error| EngineError::at_run(&error))?;
        let items: Option<Vec<_>> = items.iter().map(|item| self.value(item)).collect::<Result<_, _>>()?;
        Ok(items.map(Value::Array))
    }

    fn map(
        &mut self,
        map: &DynValue,
        key: TensorElementType,
        of: TensorElementType,
    ) -> Result<Option<Value>, EngineError> {
        macro_rules! pairs {
            ($K:ty, $V:ty) => {{
                let pairs = map.try_extract_key_values::<$K, $V>().map_err(|error| EngineError::at_run(&error))?;
                self.take(pairs.len())?;
                pairs.into_iter().map(|(key, value)| (key.to_string(), number(value))).collect::<Map<_, _>>()
            }};
        }
        use TensorElementType::{Float32, Float64, Int64, String as Text};
        Ok(Some(Value::Object(match (key, of) {
            (Int64, Float32) => pairs!(i64, f32),
            (Int64, Float64) => pairs!(i64, f64),
            (Int64, Int64) => pairs!(i64, i64),
            (Text, Float32) => pairs!(String, f32),
            (Text, Float64) => pairs!(String, f64),
            (Text, Int64) => pairs!(String, i64),
            _ => return Ok(None),
        })))
    }

    fn tensor(&mut self, value: &DynValue) -> Result<Option<Value>, EngineError> {
        let Some(datatype) = value.dtype().tensor_type().and_then(element::datatype) else { return Ok(None) };
        let dims = value.shape().to_vec();
        self.take(element_count(&dims).ok_or(EngineError::RunFailed)?)?;
        if datatype == Datatype::Bytes {
            let encoded = strings::encoded(value)?;
            let mut texts = Strings::new(&encoded).map(|text| String::from_utf8_lossy(text).into());
            return Ok(Some(nested(&dims, &mut texts)));
        }
        let Some(view) = view(value) else { return Ok(None) };
        let mut numbers = numbers(datatype, view.bytes);
        Ok(Some(nested(&dims, &mut *numbers)))
    }

    fn take(&mut self, count: usize) -> Result<(), EngineError> {
        self.left = self.left.checked_sub(count).ok_or_else(|| {
            EngineError::TooLarge(format!("maps and sequences may hold {MOST_JSON_ELEMENTS} numbers in all"))
        })?;
        Ok(())
    }
}

/// A tensor as nested arrays, the first axis outermost; a scalar by itself.
fn nested(dims: &[i64], elements: &mut dyn Iterator<Item = Value>) -> Value {
    match dims {
        [] => elements.next().unwrap_or_default(),
        [size, inner @ ..] => (0..*size).map(|_| nested(inner, elements)).collect(),
    }
}

/// The elements of a tensor of fixed-size elements.
fn numbers(datatype: Datatype, bytes: &[u8]) -> Box<dyn Iterator<Item = Value> + '_> {
    macro_rules! each {
        ($T:ty) => {
            Box::new(bytes.chunks_exact(size_of::<$T>()).map(|one| number(bytemuck::pod_read_unaligned::<$T>(one))))
        };
    }
    match datatype {
        Datatype::Fp32 => each!(f32),
        Datatype::Fp64 => each!(f64),
        Datatype::Fp16 => each!(f16),
        Datatype::Bf16 => each!(bf16),
        Datatype::Int8 => each!(i8),
        Datatype::Int16 => each!(i16),
        Datatype::Int32 => each!(i32),
        Datatype::Int64 => each!(i64),
        Datatype::Uint8 => each!(u8),
        Datatype::Uint16 => each!(u16),
        Datatype::Uint32 => each!(u32),
        Datatype::Uint64 => each!(u64),
        Datatype::Bool => Box::new(bytes.iter().map(|byte| Value::Bool(*byte != 0))),
        Datatype::Bytes => Box::new(std::iter::empty()),
    }
}

fn number(number: impl Number) -> Value {
    number.json()
}

/// A number that JSON can tell.
trait Number {
    fn json(self) -> Value;
}

macro_rules! integers {
    ($($T:ty)*) => {$(
        impl Number for $T {
            fn json(self) -> Value {
                self.into()
            }
        }
    )*};
}

macro_rules! floats {
    ($($T:ty)*) => {$(
        impl Number for $T {
            fn json(self) -> Value {
                let value = f64::from(self);
                match serde_json::Number::from_f64(value) {
                    Some(number) => Value::Number(number),
                    None if value.is_nan() => "NaN".into(),
                    None if value < 0.0 => "-Infinity".into(),
                    None => "Infinity".into(),
                }
            }
        }
    )*};
}

integers!(i8 i16 i32 i64 u8 u16 u32 u64);
floats!(f16 bf16 f32 f64);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tensors_become_nested_arrays() {
        let bytes: Vec<u8> =
            [1.5f32, f32::NAN, f32::INFINITY, f32::NEG_INFINITY].iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(
            nested(&[2, 2], &mut *numbers(Datatype::Fp32, &bytes)),
            json!([[1.5, "NaN"], ["Infinity", "-Infinity"]])
        );
        assert_eq!(nested(&[], &mut *numbers(Datatype::Bool, &[1])), json!(true));
        assert_eq!(nested(&[2, 0], &mut *numbers(Datatype::Int64, &[])), json!([[], []]));
    }
}
