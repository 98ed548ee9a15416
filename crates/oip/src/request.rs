//! An inference request of the protocol, read into tensors.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use ortolan_domain::tensor::{Datatype, Tensor, element_count};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;

use crate::data::{NonFiniteWords, parse};
use crate::error::OipError;
use crate::frame::Frame;
use crate::{MAX_NAME_BYTES, MAX_RANK, MAX_TENSORS};

/// An inference request.
#[derive(Debug, Clone, PartialEq)]
pub struct InferRequest {
    /// The client's own name for it, returned as it came.
    pub id: Option<String>,
    /// The inputs; binary ones are slices of the body.
    pub inputs: Vec<Tensor>,
    /// The outputs that are wanted; all of them when there are none.
    pub outputs: Vec<WantedOutput>,
    /// Whether outputs that say nothing of it are binary.
    pub binary_outputs: bool,
    /// The client's own deadline in milliseconds.
    pub timeout_ms: Option<f64>,
    /// Whether an answer that is known already may be taken.
    pub use_cache: bool,
}

/// An output that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedOutput {
    /// Its name.
    pub name: String,
    /// Whether it is binary; the request's own word decides when this is `None`.
    pub binary: Option<bool>,
}

impl InferRequest {
    /// Reads a request: shapes and byte counts are checked, names are unique, nothing of the tail is left.
    pub fn read(frame: &Frame) -> Result<Self, OipError> {
        let wire: Wire<'_> = serde_json::from_slice(&frame.json).map_err(|error| unreadable(&error))?;
        if wire.inputs.is_empty() {
            return Err(OipError::malformed("inputs: at least one is needed"));
        }
        check_text("id", wire.id.as_deref().unwrap_or_default())?;
        let mut tail = Tail(frame.tail.clone());
        let inputs = wire.inputs.into_iter().map(|input| input.read(&mut tail)).collect::<Result<Vec<_>, _>>()?;
        tail.end()?;
        unique("input", inputs.iter().map(|input| input.name.as_str()))?;
        let outputs = wire.outputs.unwrap_or_default();
        unique("output", outputs.iter().map(|output| output.name.as_str()))?;
        let outputs = outputs.into_iter().map(WireOutput::read).collect::<Result<Vec<_>, _>>()?;
        let parameters = wire.parameters.unwrap_or_default();
        Ok(Self {
            id: wire.id,
            inputs,
            outputs,
            binary_outputs: parameters.binary_data_output.unwrap_or(false),
            timeout_ms: parameters.timeout()?,
            use_cache: parameters.use_cache.unwrap_or(false),
        })
    }

    /// Whether the client wants this output as binary data.
    pub fn wants_binary(&self, output: &str) -> bool {
        let named = self.outputs.iter().find(|wanted| wanted.name == output);
        named.and_then(|wanted| wanted.binary).unwrap_or(self.binary_outputs)
    }
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    parameters: Option<RequestParameters>,
    #[serde(borrow, deserialize_with = "bounded")]
    inputs: Vec<WireInput<'a>>,
    #[serde(default, deserialize_with = "bounded_if_any")]
    outputs: Option<Vec<WireOutput>>,
}

#[derive(Default, Deserialize)]
struct RequestParameters {
    #[serde(default)]
    binary_data_output: Option<bool>,
    /// In microseconds.
    #[serde(default)]
    timeout: Option<f64>,
    #[serde(default)]
    timeout_ms: Option<f64>,
    #[serde(default)]
    use_cache: Option<bool>,
}

impl RequestParameters {
    fn timeout(&self) -> Result<Option<f64>, OipError> {
        let wishes = [self.timeout.map(|us| us / 1000.0), self.timeout_ms];
        let wishes: Vec<_> = wishes.into_iter().flatten().collect();
        if wishes.iter().any(|ms| !ms.is_finite() || *ms <= 0.0) {
            return Err(OipError::malformed("parameters.timeout must be more than 0"));
        }
        Ok(wishes.into_iter().reduce(f64::min))
    }
}

#[derive(Deserialize)]
struct WireInput<'a> {
    name: String,
    datatype: String,
    #[serde(deserialize_with = "bounded")]
    shape: Vec<i64>,
    #[serde(default)]
    parameters: Option<TensorParameters>,
    #[serde(default, borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct TensorParameters {
    #[serde(default)]
    binary_data_size: Option<u64>,
    #[serde(default)]
    shared_memory_region: Option<de::IgnoredAny>,
}

impl WireInput<'_> {
    fn read(self, tail: &mut Tail) -> Result<Tensor, OipError> {
        check_text("the name of an input", &self.name)?;
        let wrong = |reason: String| OipError::of_input(&self.name, reason);
        let datatype = Datatype::parse(&self.datatype).ok_or_else(|| {
            let known: Vec<_> = Datatype::ALL.iter().map(|datatype| datatype.name()).collect();
            wrong(format!("the datatype is none of {}", known.join(", ")))
        })?;
        let count = check_shape(&self.shape).map_err(wrong)?;
        let parameters = self.parameters.unwrap_or_default();
        if parameters.shared_memory_region.is_some() {
            return Err(wrong("shared memory is not offered: send the data with the request".to_owned()));
        }
        let data = match (self.data, parameters.binary_data_size) {
            (Some(_), Some(_)) => Err("it has both data and binary_data_size".to_owned()),
            (None, None) => Err("it has neither data nor binary_data_size".to_owned()),
            (None, Some(size)) => tail.take(size),
            (Some(json), None) => elements(json.get(), datatype, &self.shape, count),
        };
        let tensor = Tensor { data: data.map_err(wrong)?, name: self.name, datatype, shape: self.shape };
        tensor.check().map_err(|error| OipError::of_input(&error.field, error.reason))?;
        Ok(tensor)
    }
}

fn check_shape(shape: &[i64]) -> Result<usize, String> {
    if shape.len() > MAX_RANK {
        return Err(format!("the shape has {} axes, at most {MAX_RANK} are taken", shape.len()));
    }
    element_count(shape).ok_or_else(|| format!("{shape:?} cannot be the shape of a tensor"))
}

/// The elements of JSON data, flat or nested as the shape is.
fn elements(json: &str, datatype: Datatype, shape: &[i64], count: usize) -> Result<Bytes, String> {
    let parsed = parse(json, datatype, NonFiniteWords::Refused)?;
    if parsed.shape.is_empty() {
        return Err("data must be a list".to_owned());
    }
    if parsed.count != count {
        return Err(format!("shape {shape:?} needs {count} elements, but data has {}", parsed.count));
    }
    if parsed.shape.len() > 1 && parsed.shape != shape {
        return Err(format!("data is nested as {:?}, but the shape is {shape:?}", parsed.shape));
    }
    Ok(parsed.data)
}

#[derive(Deserialize)]
struct WireOutput {
    name: String,
    #[serde(default)]
    parameters: Option<OutputParameters>,
}

#[derive(Deserialize)]
struct OutputParameters {
    #[serde(default)]
    binary_data: Option<bool>,
    #[serde(default)]
    classification: Option<u32>,
    #[serde(default)]
    shared_memory_region: Option<de::IgnoredAny>,
}

impl WireOutput {
    fn read(self) -> Result<WantedOutput, OipError> {
        check_text("the name of an output", &self.name)?;
        let refused = self.parameters.as_ref().and_then(|parameters| {
            let classes = parameters.classification.is_some_and(|classes| classes > 0).then_some("classification");
            classes.or(parameters.shared_memory_region.as_ref().map(|_| "shared_memory_region"))
        });
        if let Some(parameter) = refused {
            let name = crate::error::shorten(&self.name);
            return Err(OipError::malformed(format!("output '{name}': {parameter} is not offered")));
        }
        Ok(WantedOutput { binary: self.parameters.and_then(|parameters| parameters.binary_data), name: self.name })
    }
}

/// What is left of the binary tail.
struct Tail(Bytes);

impl Tail {
    fn take(&mut self, size: u64) -> Result<Bytes, String> {
        match usize::try_from(size) {
            Ok(size) if size <= self.0.len() => Ok(self.0.split_to(size)),
            _ => Err(format!("binary_data_size is {size}, but {} bytes are left of the body", self.0.len())),
        }
    }

    fn end(self) -> Result<(), OipError> {
        match self.0.len() {
            0 => Ok(()),
            left => Err(OipError::malformed(format!("{left} bytes are left over after the last input"))),
        }
    }
}

fn unique<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Result<(), OipError> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(OipError::malformed(format!("{what} '{}' is named twice", crate::error::shorten(name))));
        }
    }
    Ok(())
}

fn check_text(what: &str, text: &str) -> Result<(), OipError> {
    if text.len() > MAX_NAME_BYTES {
        return Err(OipError::malformed(format!("{what} has {} bytes, at most {MAX_NAME_BYTES}", text.len())));
    }
    Ok(())
}

fn unreadable(error: &serde_json::Error) -> OipError {
    if error.is_data() {
        return OipError::malformed(format!("the request does not fit the protocol: {error}"));
    }
    OipError::malformed(format!("the body is no JSON: {error}"))
}

/// A list of at most [`MAX_TENSORS`] things.
fn bounded<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct Bounded<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Bounded<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX_TENSORS}")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut things = Vec::new();
            while let Some(thing) = list.next_element()? {
                if things.len() == MAX_TENSORS {
                    return Err(de::Error::invalid_length(MAX_TENSORS + 1, &self));
                }
                things.push(thing);
            }
            Ok(things)
        }

        fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Vec<T>, A::Error> {
            Err(de::Error::invalid_type(de::Unexpected::Map, &self))
        }
    }

    deserializer.deserialize_seq(Bounded(PhantomData))
}

fn bounded_if_any<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Vec<T>>, D::Error> {
    struct Few<T>(Vec<T>);

    impl<'de, T: Deserialize<'de>> Deserialize<'de> for Few<T> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            bounded(deserializer).map(Self)
        }
    }

    Ok(Option::<Few<T>>::deserialize(deserializer)?.map(|few| few.0))
}
