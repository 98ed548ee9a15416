//! What a model gave, shared by everybody who asked the same.

use std::sync::Arc;

use bytes::Bytes;
use ortolan_domain::hash::hex;
use ortolan_domain::tensor::Tensor;
use ortolan_ml_client::{InferAnswer, frame};
use sha2::{Digest, Sha256};

use super::target::Target;

/// An answer that may be shared.
pub type SharedAnswer = Arc<InferAnswer>;

/// What tells one question from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Its key in caches.
    pub key: String,
    /// What an answer in a cache must carry to be taken: SHA-256 of the model and the inputs.
    stamp: [u8; 32],
}

impl Question {
    /// Equal inputs for the same file make equal questions, in whatever order they came. `inputs` are sorted by name here.
    pub fn new(target: &Target, inputs: &mut [Tensor], outputs: &[String]) -> Self {
        let context = format!("{}\n{}\n{outputs:?}\n", target.model.tenant, target.signature.sha256);
        let whole = [context.as_bytes(), &inputs_sha256(inputs)].concat();
        let key = format!("prediction:{}:{}", target.cache_id(), hex(&<md5::Md5 as md5::Digest>::digest(&whole)));
        Self { key, stamp: Sha256::digest(&whole).into() }
    }
}

/// SHA-256 of inputs, whatever their order; they are sorted by name here. It reads every byte of them, so it is only asked for where
/// an answer is looked for or kept, or a model crashed.
pub fn inputs_sha256(inputs: &mut [Tensor]) -> [u8; 32] {
    inputs.sort_by(|a, b| a.name.cmp(&b.name));
    let mut hash = Sha256::new();
    for input in &*inputs {
        for text in [input.name.as_bytes(), input.datatype.name().as_bytes(), format!("{:?}", input.shape).as_bytes()] {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        hash.update((input.data.len() as u64).to_le_bytes());
        hash.update(&input.data);
    }
    hash.finalize().into()
}

/// The bytes of an answer in a cache: the stamp of its question, then the answer as it travels between services.
pub async fn to_cache(question: &Question, answer: &InferAnswer, most_bytes: usize) -> Option<Bytes> {
    let packed = frame::pack_answer(answer.clone()).ok()?;
    let packed = axum::body::to_bytes(axum::body::Body::new(packed), most_bytes).await.ok()?;
    Some([&question.stamp[..], &packed].concat().into())
}

/// Reads an answer out of a cache; `None` for one of another question, or one that cannot be read.
pub fn from_cache(question: &Question, bytes: &Bytes) -> Option<InferAnswer> {
    let (stamp, _) = bytes.split_first_chunk::<32>()?;
    if *stamp != question.stamp {
        return None;
    }
    frame::unpack_answer(&bytes.slice(question.stamp.len()..)).ok()
}
