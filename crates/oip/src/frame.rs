//! A body as JSON and a binary tail.

use bytes::Bytes;

use crate::error::{OipError, shorten};

/// A body as JSON and a binary tail; the tail is empty in a request without the binary extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The JSON part.
    pub json: Bytes,
    /// The binary tensors, one after the other.
    pub tail: Bytes,
}

impl Frame {
    /// Splits a decompressed body where `Inference-Header-Content-Length` says; without the header all of it is JSON.
    pub fn split(body: Bytes, header_length: Option<&[u8]>) -> Result<Self, OipError> {
        let Some(header_length) = header_length else { return Ok(Self { json: body, tail: Bytes::new() }) };
        let length = read_length(header_length)?;
        if length == 0 || length > body.len() {
            return Err(OipError::malformed(format!(
                "Inference-Header-Content-Length is {length}, but the body has {} bytes",
                body.len()
            )));
        }
        Ok(Self { json: body.slice(..length), tail: body.slice(length..) })
    }
}

fn read_length(text: &[u8]) -> Result<usize, OipError> {
    let shown = || shorten(&String::from_utf8_lossy(text));
    let digits = std::str::from_utf8(text).ok().map(str::trim);
    let digits = digits.filter(|digits| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()));
    let length = digits.and_then(|digits| digits.parse().ok());
    length.ok_or_else(|| {
        OipError::malformed(format!(
            "Inference-Header-Content-Length must be the size of the JSON part in bytes, was '{}'",
            shown()
        ))
    })
}
