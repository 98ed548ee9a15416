//! The ML service's side of the port. It tells by a word at the beginning of the bytes what a decoder or a model check
//! would say, and keeps a list of what it was asked.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use ortolan_blobs::{Blobs, ObjectPath};
use ortolan_domain::job::MlError;
use ortolan_domain::media::{MediaFacts, MediaKind};
use ortolan_domain::model::ModelRef;
use ortolan_domain::{ErrorCode, TenantSlug};
use ortolan_ml_client::{
    CheckModel, InferAnswer, InferRequest, Inference, MlHealth, ModelCacheInfo, ModelReport, ModelSignature,
    ModelStats, ProbeMedia,
};

/// Bytes of a picture.
pub const PICTURE: &[u8] = b"picture: 0123456789 abcdefghijklmnopqrstuvwxyz";
/// Bytes of a sound.
pub const AUDIO: &[u8] = b"audio: la la la";
/// Bytes of a broken picture.
pub const BROKEN: &[u8] = b"broken";
/// Bytes of no known kind.
pub const UNKNOWN: &[u8] = b"#!/bin/sh";
/// Bytes of a model.
pub const MODEL: &[u8] = b"model: y = x + 1";

/// The double.
pub struct RecordingMl {
    blobs: Blobs,
    asked: Mutex<Vec<String>>,
}

impl RecordingMl {
    pub fn new(blobs: Blobs) -> Arc<Self> {
        Arc::new(Self { blobs, asked: Mutex::default() })
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn note(&self, question: String) {
        self.asked.lock().unwrap().push(question);
    }

    async fn bytes(&self, tenant: &TenantSlug, path: &str) -> bytes::Bytes {
        self.blobs.get(&ObjectPath::of_tenant(tenant, path).unwrap()).await.unwrap()
    }
}

#[async_trait]
impl Inference for RecordingMl {
    async fn probe_media(&self, request: ProbeMedia) -> Result<MediaFacts, MlError> {
        self.note(format!("probe {}", request.object_path));
        let bytes = self.bytes(&request.tenant, &request.object_path).await;
        let facts = |kind, content_type: &str, edge: Option<u32>, duration_ms| MediaFacts {
            kind,
            content_type: content_type.to_owned(),
            width: edge,
            height: edge,
            duration_ms,
        };
        match bytes.split(|byte| *byte == b':').next().unwrap_or_default() {
            b"picture" => Ok(facts(MediaKind::Image, "image/png", Some(8), None)),
            b"audio" => Ok(facts(MediaKind::Audio, "audio/flac", None, Some(1_000))),
            b"broken" => Err(MlError::new(ErrorCode::CorruptMedia, "the picture ends too soon")),
            b"killer" => Err(MlError::new(ErrorCode::Crashed, "signal 11")),
            _ => Err(MlError::new(ErrorCode::UnsupportedMedia, "no known kind of picture, sound or video")),
        }
    }

    async fn check_model(&self, request: CheckModel) -> Result<ModelReport, MlError> {
        self.note(format!("check {:?}", request.slot));
        let bytes = self.bytes(&request.tenant, &request.object_path).await;
        match bytes.split(|byte| *byte == b':').next().unwrap_or_default() {
            b"model" => Ok(report()),
            b"killer" => Err(MlError::new(ErrorCode::Crashed, "signal 8")),
            _ => Err(MlError::new(ErrorCode::InvalidModel, "this is no ONNX file")),
        }
    }

    async fn forget_model(&self, model: ModelRef) -> Result<(), MlError> {
        self.note(format!("forget {model}"));
        Ok(())
    }

    async fn infer(&self, request: InferRequest) -> Result<InferAnswer, MlError> {
        self.note(format!("infer {}", request.model));
        Err(MlError::new(ErrorCode::ModelNotFound, "no model is loaded here"))
    }

    async fn describe_model(&self, model: ModelRef, _sha256: Option<String>) -> Result<ModelSignature, MlError> {
        self.note(format!("describe {model}"));
        Err(MlError::new(ErrorCode::ModelNotFound, "no model is loaded here"))
    }

    async fn load_model(&self, model: ModelRef, _sha256: Option<String>) -> Result<(), MlError> {
        self.note(format!("load {model}"));
        Ok(())
    }

    async fn unload_model(&self, model: ModelRef) -> Result<bool, MlError> {
        self.note(format!("unload {model}"));
        Ok(false)
    }

    async fn model_stats(&self, _tenant: Option<TenantSlug>) -> Result<Vec<ModelStats>, MlError> {
        Ok(Vec::new())
    }

    async fn model_cache(&self, tenant: Option<TenantSlug>) -> Result<ModelCacheInfo, MlError> {
        self.note(format!("cache {tenant:?}"));
        if tenant.as_ref().is_some_and(|tenant| tenant.as_str() == "panic") {
            panic!("secret: /etc/passwd");
        }
        Ok(ModelCacheInfo {
            cached_models: vec!["a_detect_worker_0".to_owned()],
            model_count: 1,
            models: Vec::new(),
            runners: Vec::new(),
            gpu_available: false,
            gpu_count: 0,
            gpu_memory_allocated: 0,
            gpu_memory_reserved: 0,
        })
    }

    async fn clear_model_cache(&self, tenant: Option<TenantSlug>) -> Result<usize, MlError> {
        self.note(format!("clear {tenant:?}"));
        Ok(1)
    }

    async fn health(&self) -> Result<MlHealth, MlError> {
        Err(MlError::new(ErrorCode::Unavailable, "not asked by the API"))
    }
}

fn report() -> ModelReport {
    ModelReport {
        sha256: String::new(),
        size_bytes: 0,
        inputs: Vec::new(),
        outputs: Vec::new(),
        opsets: Default::default(),
        producer: String::new(),
        metadata: Default::default(),
        vision_task: None,
        trial_run_ms: None,
        memory_bytes: None,
    }
}
