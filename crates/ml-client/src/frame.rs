//! How an inference travels over HTTP: 4 bytes of length, little endian, as many bytes of JSON, then the bytes of the
//! tensors one after the other, each as long as the JSON says.
//!
//! Large tensors are sent from where they lie and cut out of the received body without a copy.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use ortolan_domain::TraceContext;
use ortolan_domain::job::Timings;
use ortolan_domain::model::ModelRef;
use ortolan_domain::tensor::{Datatype, Output, OutputValue, Tensor};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Batching, InferAnswer, InferRequest};

/// The content type of a framed body.
pub const CONTENT_TYPE: &str = "application/vnd.ortolan.tensors";

/// Tensors from so many bytes on are sent from where they lie.
const LARGE: usize = 32 << 10;

/// A body that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is not a JSON head with the tensors it names")]
pub struct Unreadable;

/// A body made of a few pieces.
#[derive(Debug, Default, Clone)]
pub struct Pieces {
    pieces: VecDeque<Bytes>,
}

#[derive(Serialize, Deserialize)]
struct RequestHead {
    model: ModelRef,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    inputs: Vec<Piece>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    outputs: Vec<String>,
    timeout_us: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    batching: Option<Batching>,
    request_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<TraceContext>,
}

#[derive(Serialize, Deserialize)]
struct AnswerHead {
    outputs: Vec<OutputPiece>,
    model_sha256: String,
    timings: Timings,
    batch_size: u32,
}

/// A tensor whose bytes follow.
#[derive(Serialize, Deserialize)]
struct Piece {
    name: String,
    datatype: Datatype,
    shape: Vec<i64>,
    size_bytes: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OutputPiece {
    Tensor(Piece),
    Json { name: String, value: serde_json::Value },
}

/// The body that asks.
pub fn pack_request(request: InferRequest) -> serde_json::Result<Pieces> {
    let InferRequest { model, sha256, inputs, outputs, timeout, batching, request_id, trace } = request;
    let timeout_us = u64::try_from(timeout.as_micros()).unwrap_or(u64::MAX);
    let (inputs, data): (Vec<_>, Vec<_>) = inputs.into_iter().map(split).unzip();
    let head = RequestHead { model, sha256, inputs, outputs, timeout_us, batching, request_id, trace };
    pack(&head, data)
}

/// Reads the body that asks.
pub fn unpack_request(body: &Bytes) -> Result<InferRequest, Unreadable> {
    let (head, mut rest): (RequestHead, _) = unpack(body)?;
    let inputs = head.inputs.into_iter().map(|piece| join(piece, &mut rest)).collect::<Result<_, _>>()?;
    all_read(&rest)?;
    Ok(InferRequest {
        model: head.model,
        sha256: head.sha256,
        inputs,
        outputs: head.outputs,
        timeout: Duration::from_micros(head.timeout_us),
        batching: head.batching,
        request_id: head.request_id,
        trace: head.trace,
    })
}

/// The body that answers.
pub fn pack_answer(answer: InferAnswer) -> serde_json::Result<Pieces> {
    let InferAnswer { outputs, model_sha256, timings, batch_size } = answer;
    let mut all_data = Vec::new();
    let outputs = outputs.into_iter().map(|Output { name, value }| match value {
        OutputValue::Tensor { datatype, shape, data } => {
            let (piece, data) = split(Tensor { name, datatype, shape, data });
            all_data.push(data);
            OutputPiece::Tensor(piece)
        }
        OutputValue::Json(value) => OutputPiece::Json { name, value },
    });
    let head = AnswerHead { outputs: outputs.collect(), model_sha256, timings, batch_size };
    pack(&head, all_data)
}

/// Reads the body that answers.
pub fn unpack_answer(body: &Bytes) -> Result<InferAnswer, Unreadable> {
    let (head, mut rest): (AnswerHead, _) = unpack(body)?;
    let output = |piece| match piece {
        OutputPiece::Tensor(piece) => {
            let Tensor { name, datatype, shape, data } = join(piece, &mut rest)?;
            Ok(Output { name, value: OutputValue::Tensor { datatype, shape, data } })
        }
        OutputPiece::Json { name, value } => Ok(Output { name, value: OutputValue::Json(value) }),
    };
    let outputs = head.outputs.into_iter().map(output).collect::<Result<_, Unreadable>>()?;
    all_read(&rest)?;
    let AnswerHead { model_sha256, timings, batch_size, .. } = head;
    Ok(InferAnswer { outputs, model_sha256, timings, batch_size })
}

fn split(tensor: Tensor) -> (Piece, Bytes) {
    let Tensor { name, datatype, shape, data } = tensor;
    (Piece { name, datatype, shape, size_bytes: data.len() }, data)
}

fn join(piece: Piece, rest: &mut Bytes) -> Result<Tensor, Unreadable> {
    let Piece { name, datatype, shape, size_bytes } = piece;
    if size_bytes > rest.len() {
        return Err(Unreadable);
    }
    Ok(Tensor { name, datatype, shape, data: rest.split_to(size_bytes) })
}

fn all_read(rest: &Bytes) -> Result<(), Unreadable> {
    if rest.is_empty() { Ok(()) } else { Err(Unreadable) }
}

fn pack(head: &impl Serialize, data: Vec<Bytes>) -> serde_json::Result<Pieces> {
    let json = serde_json::to_vec(head)?;
    let length = u32::try_from(json.len()).map_err(serde::ser::Error::custom)?;
    let small: usize = data.iter().map(Bytes::len).filter(|len| *len < LARGE).sum();
    let mut front = BytesMut::with_capacity(4 + json.len() + small);
    front.extend_from_slice(&length.to_le_bytes());
    front.extend_from_slice(&json);
    let mut pieces = VecDeque::new();
    for tensor in data {
        if tensor.len() < LARGE {
            front.extend_from_slice(&tensor);
        } else {
            pieces.extend([front.split().freeze(), tensor]);
        }
    }
    pieces.push_back(front.freeze());
    pieces.retain(|piece| !piece.is_empty());
    Ok(Pieces { pieces })
}

fn unpack<T: DeserializeOwned>(body: &Bytes) -> Result<(T, Bytes), Unreadable> {
    let (length, rest) = body.split_first_chunk::<4>().ok_or(Unreadable)?;
    let length = u32::from_le_bytes(*length) as usize;
    let json = rest.get(..length).ok_or(Unreadable)?;
    Ok((serde_json::from_slice(json).map_err(|_| Unreadable)?, body.slice(4 + length..)))
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.pieces.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.pieces.iter().map(|piece| piece.len() as u64).sum())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use ortolan_domain::{Slot, TenantSlug};

    use super::*;

    fn tensor(name: &str, bytes: usize) -> Tensor {
        let data = (0..bytes).map(|byte| byte as u8).collect::<Vec<_>>().into();
        Tensor { name: name.to_owned(), datatype: Datatype::Uint8, shape: vec![bytes as i64], data }
    }

    fn request() -> InferRequest {
        InferRequest {
            model: ModelRef::new(TenantSlug::parse("tenant-001").unwrap(), Slot::Detect),
            sha256: None,
            inputs: vec![tensor("a", 3), tensor("large", LARGE), tensor("none", 0), tensor("b", 5)],
            outputs: vec!["y".to_owned()],
            timeout: Duration::from_millis(1500),
            batching: Some(Batching { max_rows: 8, max_wait_ms: 2 }),
            request_id: "r-1".to_owned(),
            trace: TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        }
    }

    fn body(pieces: Pieces) -> Bytes {
        assert_eq!(pieces.size_hint().exact(), Some(pieces.pieces.iter().map(|piece| piece.len() as u64).sum()));
        pieces.pieces.iter().flat_map(|piece| piece.iter().copied()).collect()
    }

    #[test]
    fn a_request_survives_the_way_and_a_large_tensor_is_not_copied() {
        let sent = request();
        let pieces = pack_request(sent.clone()).unwrap();
        assert!(pieces.pieces.iter().any(|piece| piece.as_ptr() == sent.inputs[1].data.as_ptr()));
        assert_eq!(pieces.pieces.len(), 3, "small ones travel together");
        let body = body(pieces);
        let came = unpack_request(&body).unwrap();
        assert_eq!((came.inputs.as_slice(), came.timeout), (sent.inputs.as_slice(), sent.timeout));
        assert_eq!((&came.model, &came.outputs, came.batching), (&sent.model, &sent.outputs, sent.batching));
        assert_eq!((&came.request_id, came.trace), (&sent.request_id, sent.trace));
        assert!(body.as_ptr_range().contains(&came.inputs[3].data.as_ptr()), "cut out of the body");
    }

    #[test]
    fn an_answer_survives_the_way() {
        let json = serde_json::json!([{ "0": 0.5 }]);
        let outputs = vec![
            Output { name: "map".to_owned(), value: OutputValue::Json(json) },
            Output {
                name: "y".to_owned(),
                value: OutputValue::Tensor { datatype: Datatype::Bytes, shape: vec![1], data: Bytes::from("\0\0\0\0") },
            },
        ];
        let answer = InferAnswer { outputs, model_sha256: "ab".to_owned(), timings: Timings::default(), batch_size: 1 };
        assert_eq!(unpack_answer(&body(pack_answer(answer.clone()).unwrap())).unwrap(), answer);
    }

    #[test]
    fn a_body_that_lies_is_refused() {
        let whole = body(pack_request(request()).unwrap());
        for cut in [0, 3, 4, 50, whole.len() - 1] {
            assert_eq!(unpack_request(&whole.slice(..cut)).unwrap_err(), Unreadable, "{cut} bytes");
        }
        let more: Bytes = [&whole[..], b"x"].concat().into();
        assert_eq!(unpack_request(&more).unwrap_err(), Unreadable);
        assert_eq!(unpack_request(&Bytes::from_static(&[255; 64])).unwrap_err(), Unreadable);
    }
}
