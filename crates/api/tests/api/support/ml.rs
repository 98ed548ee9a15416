//! The ML service's side of the port. It tells by a word at the beginning of the bytes what a decoder or a model check
//! would say, and keeps a list of what it was asked.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use ortolan_blobs::{Blobs, ObjectPath};
use ortolan_domain::job::MlError;
use ortolan_domain::media::{MediaFacts, MediaKind};
use ortolan_domain::model::{FileWords, ModelRef};
use ortolan_domain::{ErrorCode, TenantSlug};
use ortolan_ml_client::{
    AnnotatePicture, CheckModel, InferAnswer, InferRequest, Inference, MlHealth, MlHealthStatus, ModelCacheInfo,
    ModelReport, ModelSignature, ModelStats, Output, OutputValue, ProbeMedia, TensorKind, TensorSpec,
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

/// A first value that makes the model crash.
pub const CRASHING: f32 = 666.0;
/// A first value that makes the model take an hour.
pub const SLOW: f32 = 777.0;

/// The double. Every model of it is y = x over rows of four numbers.
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

    async fn bytes(&self, tenant: &TenantSlug, path: &str) -> Bytes {
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

    async fn annotate_picture(&self, request: AnnotatePicture) -> Result<Bytes, MlError> {
        self.note(format!("annotate {} {:?} {}", request.input.object_path, request.writing, request.findings));
        let bytes = self.bytes(&request.tenant, &request.input.object_path).await;
        match bytes.starts_with(b"picture: heavy") {
            true => Err(MlError::new(ErrorCode::TooLarge, "the picture is too large")),
            false => Ok(Bytes::from_static(b"a picture with boxes")),
        }
    }

    async fn check_model(&self, request: CheckModel) -> Result<ModelReport, MlError> {
        self.note(format!("check {:?}", request.slot));
        let bytes = self.bytes(&request.tenant, &request.object_path).await;
        match bytes.split(|byte| *byte == b':').next().unwrap_or_default() {
            b"model" => Ok(report(&bytes)),
            b"busy" => Err(MlError::new(ErrorCode::Unavailable, "no runner could be started")),
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
        let input = request.inputs.first().cloned().ok_or_else(|| MlError::new(ErrorCode::Invalid, "no input"))?;
        let first = input.data.first_chunk::<4>().map_or(0.0, |bytes| f32::from_le_bytes(*bytes));
        if first == CRASHING {
            return Err(MlError::new(ErrorCode::Crashed, "the model's process crashed"));
        }
        if first == SLOW {
            tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
        }
        tokio::task::yield_now().await;
        let value = OutputValue::Tensor { datatype: input.datatype, shape: input.shape, data: input.data };
        let outputs = vec![Output { name: "y".to_owned(), value }];
        let timings = ortolan_domain::job::Timings { inference_ms: 1.5, ..Default::default() };
        Ok(InferAnswer { outputs, model_sha256: "ab".to_owned(), timings, batch_size: 1 })
    }

    async fn describe_model(&self, model: ModelRef, _sha256: Option<String>) -> Result<ModelSignature, MlError> {
        self.note(format!("describe {model}"));
        let port = |name: &str| TensorSpec {
            name: name.to_owned(),
            datatype: "FP32".to_owned(),
            shape: vec![-1, 4],
            kind: TensorKind::Tensor,
        };
        Ok(ModelSignature { inputs: vec![port("x")], outputs: vec![port("y")], sha256: "ab".to_owned() })
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
            evictions: 0,
            gpu_available: false,
            gpu_count: 0,
            gpu_memory_allocated: None,
            gpu_memory_reserved: None,
        })
    }

    async fn clear_model_cache(&self, tenant: Option<TenantSlug>) -> Result<usize, MlError> {
        self.note(format!("clear {tenant:?}"));
        Ok(1)
    }

    async fn health(&self) -> Result<MlHealth, MlError> {
        Ok(MlHealth {
            status: MlHealthStatus::Healthy,
            models_loaded: Vec::new(),
            models_failed: Default::default(),
            gpu_available: false,
            gpu_device_name: None,
            gpu_memory_total_mb: None,
            gpu_memory_used_mb: None,
            runners_resident_bytes: 0,
            devices: Vec::new(),
            isolation: "tenant".to_owned(),
            runtime_version: String::new(),
        })
    }
}

fn report(bytes: &[u8]) -> ModelReport {
    let spec =
        |kind, datatype: &str, shape| TensorSpec { name: "x".to_owned(), datatype: datatype.to_owned(), shape, kind };
    let words = FileWords {
        ir_version: 8,
        opsets: [("ai.onnx".to_owned(), 17)].into(),
        producer_name: "exporter".to_owned(),
        producer_version: "2.1".to_owned(),
        ..FileWords::default()
    };
    ModelReport {
        sha256: ortolan_domain::hash::sha256_hex(bytes),
        size_bytes: bytes.len() as u64,
        inputs: vec![spec(TensorKind::Tensor, "FP32", vec![-1, 3])],
        outputs: vec![spec(TensorKind::Sequence, "UNKNOWN", Vec::new())],
        words,
        providers: vec!["CPUExecutionProvider".to_owned()],
        metadata: Default::default(),
        vision_task: None,
        trial_run_ms: Some(0.5),
        trial_failure: None,
        memory_bytes: Some(1_000_000),
    }
}
