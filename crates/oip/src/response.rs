//! An inference answer of the protocol.

use bytes::Bytes;
use ortolan_domain::tensor::Datatype;
use serde::Serialize;

use crate::error::OipError;
use crate::render::{self, Unwritable, Values};

/// An inference answer.
#[derive(Debug, Clone)]
pub struct InferResponse<'a> {
    /// The model's name as the client knows it.
    pub model_name: &'a str,
    /// Its version.
    pub model_version: &'a str,
    /// The request's id, as it came.
    pub id: Option<&'a str>,
    /// The outputs.
    pub outputs: &'a [NamedOutput],
}

/// One output and how it is to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedOutput {
    /// Its name.
    pub name: String,
    /// The type of its elements.
    pub datatype: Datatype,
    /// Its shape.
    pub shape: Vec<i64>,
    /// Its elements.
    pub data: Bytes,
    /// Whether it goes into the tail.
    pub binary: bool,
}

/// An answer's body in pieces.
#[derive(Debug, Clone, PartialEq)]
pub struct WrittenResponse {
    /// The JSON, then the binary outputs, which share their memory with the outputs.
    pub pieces: Vec<Bytes>,
    /// The size of the JSON when something follows it.
    pub json_bytes: Option<usize>,
}

impl WrittenResponse {
    /// The size of the whole body.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// True for a body without a byte, which is never written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl InferResponse<'_> {
    /// Writes the answer. A value that JSON cannot carry is an error that names the output and asks for binary data.
    pub fn write(&self) -> Result<WrittenResponse, OipError> {
        let mut json = Vec::with_capacity(256);
        json.extend_from_slice(b"{\"model_name\":");
        put(&mut json, self.model_name)?;
        json.extend_from_slice(b",\"model_version\":");
        put(&mut json, self.model_version)?;
        if let Some(id) = self.id {
            json.extend_from_slice(b",\"id\":");
            put(&mut json, id)?;
        }
        json.extend_from_slice(b",\"outputs\":[");
        for (index, output) in self.outputs.iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            output.write(&mut json)?;
        }
        json.extend_from_slice(b"]}");
        let tail = self.outputs.iter().filter(|output| output.binary);
        let json_bytes = self.outputs.iter().any(|output| output.binary).then_some(json.len());
        let pieces = std::iter::once(Bytes::from(json)).chain(tail.map(|output| output.data.clone())).collect();
        Ok(WrittenResponse { pieces, json_bytes })
    }
}

impl NamedOutput {
    fn write(&self, json: &mut Vec<u8>) -> Result<(), OipError> {
        json.extend_from_slice(b"{\"name\":");
        put(json, &self.name)?;
        json.extend_from_slice(b",\"datatype\":");
        put(json, self.datatype.name())?;
        json.extend_from_slice(b",\"shape\":");
        put(json, &self.shape)?;
        if self.binary {
            json.extend_from_slice(b",\"parameters\":{\"binary_data_size\":");
            put(json, &self.data.len())?;
            json.extend_from_slice(b"}}");
            return Ok(());
        }
        json.extend_from_slice(b",\"data\":");
        let values = Values { datatype: self.datatype, shape: &self.shape, data: &self.data };
        render::flat(values, Unwritable::Refuse, json).map_err(|error| self.named(error))?;
        json.push(b'}');
        Ok(())
    }

    fn named(&self, error: OipError) -> OipError {
        match error {
            OipError::NeedsBinary(reason) => {
                OipError::NeedsBinary(format!("output '{}': {reason}", crate::error::shorten(&self.name)))
            }
            other => other,
        }
    }
}

fn put<T: Serialize + ?Sized>(json: &mut Vec<u8>, value: &T) -> Result<(), OipError> {
    serde_json::to_writer(json, value).map_err(|_| OipError::malformed("the answer cannot be written as JSON"))
}
