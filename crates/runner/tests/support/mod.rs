//! What the tests of runners share: real child processes, real models, real pictures.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ortolan_domain::model::ModelRef;
use ortolan_domain::tensor::{Datatype, Output, OutputValue, Tensor};
use ortolan_domain::{ModelId, Slot, SystemClock, TenantSlug, hash};
use ortolan_runner::{
    Area, CallContext, DevicePolicy, ModelKey, ModelSource, RunnerError, RunnerPool, RunnerSettings, SourceError,
    VisionAnswer, VisionRequest,
};
use ortolan_vision::VisionOptions;
use tokio::sync::Semaphore;

/// Longer than anything here takes; a test that meets it hangs.
pub const LONG: Duration = Duration::from_secs(60);

pub fn settings() -> RunnerSettings {
    let library = std::env::var_os("ORT_DYLIB_PATH").expect("set ORT_DYLIB_PATH to libonnxruntime.so; ./dev test does");
    RunnerSettings {
        program: Some(PathBuf::from(env!("CARGO_BIN_EXE_ortolan-runner"))),
        arguments: vec![],
        devices: devices(),
        ..RunnerSettings::new(PathBuf::from(library))
    }
}

/// The processor, or with ORTOLAN_TEST_DEVICE=gpu a GPU, which must be there.
fn devices() -> DevicePolicy {
    match std::env::var("ORTOLAN_TEST_DEVICE").as_deref() {
        Ok("gpu") => DevicePolicy::Gpu,
        Ok(other) => panic!("ORTOLAN_TEST_DEVICE={other}: gpu, or not set for the processor"),
        Err(_) => DevicePolicy::Cpu,
    }
}

pub async fn pool() -> RunnerPool {
    start(settings()).await
}

pub async fn start(settings: RunnerSettings) -> RunnerPool {
    RunnerPool::start(settings, SystemClock::shared()).await.unwrap()
}

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

pub fn fixture(path: &str) -> Bytes {
    let path = fixtures().join(path);
    Bytes::from(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

pub fn tenant(name: &str) -> TenantSlug {
    TenantSlug::parse(name).unwrap()
}

pub fn key(name: &str, slot: Slot) -> ModelKey {
    ModelKey { model: ModelRef::new(tenant(name), slot), worker_id: 0 }
}

/// A place for a model of the fixtures; the same path gives the same place.
pub fn tensor_key(name: &str, path: &str) -> ModelKey {
    let digest = hash::sha256_hex(path.as_bytes());
    let id: ModelId = digest[..32].parse().unwrap();
    ModelKey { model: ModelRef::new(tenant(name), id), worker_id: 0 }
}

/// A model's bytes, which counts how often it is asked for them and may make the asker wait.
pub struct Source {
    bytes: Bytes,
    sha256: String,
    pub fetches: AtomicUsize,
    /// A fetch takes one of these; there are plenty unless a test closes the gate.
    pub gate: Semaphore,
}

impl Source {
    pub fn new(bytes: Bytes) -> Arc<Self> {
        let sha256 = hash::sha256_hex(&bytes);
        Arc::new(Self { bytes, sha256, fetches: AtomicUsize::new(0), gate: Semaphore::new(1000) })
    }

    pub fn of(path: &str) -> Arc<Self> {
        Self::new(fixture(path))
    }

    pub fn closed(path: &str) -> Arc<Self> {
        let bytes = fixture(path);
        let sha256 = hash::sha256_hex(&bytes);
        Arc::new(Self { bytes, sha256, fetches: AtomicUsize::new(0), gate: Semaphore::new(0) })
    }

    /// Promises other bytes than it gives.
    pub fn lying(path: &str) -> Arc<Self> {
        let source = Self {
            bytes: fixture(path),
            sha256: "0".repeat(64),
            fetches: AtomicUsize::new(0),
            gate: Semaphore::new(1000),
        };
        Arc::new(source)
    }

    pub fn fetched(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl ModelSource for Source {
    fn sha256(&self) -> &str {
        &self.sha256
    }

    fn size_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    async fn fetch(&self) -> Result<Bytes, SourceError> {
        self.gate.acquire().await?.forget();
        self.fetches.fetch_add(1, Ordering::SeqCst);
        Ok(self.bytes.clone())
    }
}

pub async fn see(
    pool: &RunnerPool,
    key: &ModelKey,
    source: Arc<Source>,
    options: VisionOptions,
    picture: Bytes,
) -> Result<VisionAnswer, RunnerError> {
    let request = VisionRequest { slot: key.slot().unwrap(), options, area: Area::Whole };
    let call = pool.vision(key, source, request, picture, CallContext::default());
    tokio::time::timeout(LONG, call).await.expect("the call hangs").map(|(answer, _)| answer)
}

pub fn f32s(name: &str, dims: &[i64], values: &[f32]) -> Tensor {
    Tensor {
        name: name.to_owned(),
        datatype: Datatype::Fp32,
        shape: dims.to_vec(),
        data: Bytes::copy_from_slice(bytemuck::cast_slice(values)),
    }
}

pub fn i32s(name: &str, dims: &[i64], values: &[i32]) -> Tensor {
    Tensor {
        name: name.to_owned(),
        datatype: Datatype::Int32,
        shape: dims.to_vec(),
        data: Bytes::copy_from_slice(bytemuck::cast_slice(values)),
    }
}

pub fn i64s(name: &str, dims: &[i64], values: &[i64]) -> Tensor {
    Tensor {
        name: name.to_owned(),
        datatype: Datatype::Int64,
        shape: dims.to_vec(),
        data: Bytes::copy_from_slice(bytemuck::cast_slice(values)),
    }
}

/// Tensors through a model of the fixtures.
pub async fn infer(
    pool: &RunnerPool,
    tenant: &str,
    model: &str,
    inputs: Vec<Tensor>,
    context: CallContext,
) -> Result<Vec<Tensor>, RunnerError> {
    let key = tensor_key(tenant, model);
    let call = async {
        let loaded = pool.load(&key, Source::of(model), &context).await?;
        loaded.infer(loaded.check(inputs, &[])?, context).await
    };
    let answer = tokio::time::timeout(LONG, call).await.expect("the call hangs")?;
    let tensors = answer.outputs.into_iter().map(|Output { name, value }| match value {
        OutputValue::Tensor { datatype, shape, data } => Tensor { name, datatype, shape, data },
        OutputValue::Json(_) => panic!("{name} is no tensor"),
    });
    Ok(tensors.collect())
}

/// An honest call that must always succeed.
pub async fn add(pool: &RunnerPool, tenant: &str) -> Result<Vec<f32>, RunnerError> {
    let inputs = vec![f32s("b", &[2], &[10.0, 20.0]), f32s("a", &[2], &[1.0, 2.0])];
    let outputs = infer(pool, tenant, "models/add.onnx", inputs, CallContext::default()).await?;
    Ok(bytemuck::allocation::pod_collect_to_vec(&outputs[0].data))
}
