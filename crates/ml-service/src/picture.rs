//! One picture through one of the tenant's models.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ortolan_blobs::{BlobError, ObjectPath};
use ortolan_domain::config::ImageConfig;
use ortolan_domain::job::{MlError, MlJob};
use ortolan_domain::model::{ModelName, ModelRef};
use ortolan_domain::task::TaskInput;
use ortolan_domain::{ErrorCode, hash, slot};
use ortolan_engine::Device;
use ortolan_ml_client::BatchClose;
use ortolan_runner::{Area, CallContext, ModelKey, ModelSource, RunnerError, VisionAnswer, VisionRequest};
use ortolan_service::telemetry::metrics;
use tokio_util::sync::CancellationToken;

use crate::catalog::{CatalogError, LocalModel};
use crate::convert;
use crate::gate::{FairGate, Permit};
use crate::job::Produced;
use crate::service::MlService;
use crate::stats::Ran;

/// Larger inputs are hashed on a thread that may block.
const HASH_INLINE_BYTES: usize = 1 << 20;

/// A look of a model at a picture.
struct Look<'a> {
    job: &'a MlJob,
    cancel: &'a CancellationToken,
    key: &'a ModelKey,
    model: Arc<LocalModel>,
    request: VisionRequest,
    media: Bytes,
}

/// How it went.
struct Looked {
    /// How long it waited for its turn.
    waited: Duration,
    /// How long everything else took.
    took: Duration,
    answer: Result<VisionAnswer, RunnerError>,
}

impl MlService {
    /// Fetches model and picture, waits for the tenant's turn and lets its runner do the rest.
    pub(crate) async fn picture(
        &self,
        job: &MlJob,
        config: &ImageConfig,
        area: Area,
        cancel: &CancellationToken,
    ) -> Result<Produced, MlError> {
        let slot =
            job.task_type.slot().ok_or_else(|| MlError::new(ErrorCode::Internal, "the task has no model slot"))?;
        let key = self.key(ModelRef::new(job.tenant.clone(), slot));
        let model = self.model(&key.model).await?;
        let media = self.media(job.input.as_ref()).await?;
        let sha256 = model.sha256().to_owned();
        let request = VisionRequest { slot, options: convert::options(config), area };
        let look = Look { job, cancel, key: &key, model, request, media };
        let Looked { waited, took, answer } = self.look_in_turn(look).await?;
        let answer = answer.map_err(|error| convert::crash(&error, slot, &sha256, job));
        let answer = self.looked(&key, waited, took, answer)?;
        let timings = convert::timings(milliseconds(waited), answer.timings);
        Ok(Produced { items: convert::items(answer.output)?, timings, model_sha256: Some(sha256) })
    }

    /// Takes the way that keeps the device busy. On the processor, which is the device, decoding takes of it what running does: one
    /// call does both where a permit is free, and only who has to wait is made ready meanwhile. Beside a GPU permits are for runs.
    async fn look_in_turn(&self, look: Look<'_>) -> Result<Looked, MlError> {
        let worker_id = look.key.worker_id;
        if self.0.pool.pictures_ahead(worker_id) == 0 {
            let (permit, waited) = self.device_permit(look.job, look.cancel).await?;
            return Ok(self.look_at_once(look, permit, waited).await);
        }
        let free = if self.0.pool.device(worker_id) == Device::Cpu { self.free_permit() } else { None };
        match free {
            Some(permit) => Ok(self.look_at_once(look, permit, Duration::ZERO).await),
            None => self.look_when_ready(look).await,
        }
    }

    /// Decodes and runs under one permit, in one call.
    async fn look_at_once(&self, look: Look<'_>, permit: Permit, waited: Duration) -> Looked {
        let Look { job, cancel, key, model, request, media } = look;
        let (context, began) = (self.context(job, cancel).with_permit(permit), Instant::now());
        let answer = self.0.pool.vision(key, model, request, media, context).await;
        Looked { waited, took: began.elapsed(), answer: answer.map(|(answer, _facts)| answer) }
    }

    /// Decodes and packs before it is the picture's turn on the device, so that the device never waits for a decoder.
    async fn look_when_ready(&self, look: Look<'_>) -> Result<Looked, MlError> {
        let Look { job, cancel, key, model, request, media } = look;
        let arrived = Instant::now();
        // Decoded pictures take memory while they wait: only so many at a time, each until its runner has let go of it.
        let place = Arc::new(self.turn(&self.0.pictures, job, cancel).await?);
        let in_line = arrived.elapsed();
        let (context, began) = (self.context(job, cancel).with_permit(Arc::clone(&place)), Instant::now());
        let ready = match self.0.pool.make_ready(key, model, request, media, context).await {
            Ok(ready) => ready,
            Err(error) => return Ok(Looked { waited: in_line, took: began.elapsed(), answer: Err(error) }),
        };
        let made_ready = began.elapsed();
        let (permit, waited) = self.device_permit(job, cancel).await?;
        let (context, began) = (self.context(job, cancel).with_permit((permit, place)), Instant::now());
        let answer = self.0.pool.vision_ready(ready, context).await;
        Ok(Looked { waited: in_line + waited, took: made_ready + began.elapsed(), answer })
    }

    /// What bounds a call for a job, and who hears how far it is.
    fn context(&self, job: &MlJob, cancel: &CancellationToken) -> CallContext {
        CallContext::cancelled_by(cancel.clone())
            .with_deadline(self.0.instant(job.deadline_at))
            .with_progress(self.progress_of(job.attempt))
    }

    /// Notes a look of a model at a picture in its numbers, in the metrics and in the log.
    pub(crate) fn looked(
        &self,
        key: &ModelKey,
        waited: Duration,
        took: Duration,
        answer: Result<VisionAnswer, MlError>,
    ) -> Result<VisionAnswer, MlError> {
        self.ended(&key.model, answer.as_ref().err(), waited + took);
        let answer = answer?;
        self.note(&key.model, &Ran { rows: 1, waits: &[waited], timings: answer.timings, closed: BatchClose::Alone });
        tracing::info!(
            tenant_id = %key.tenant(),
            model_type = %key.model.name,
            worker_id = key.worker_id,
            cache_key = %key,
            device = %self.0.pool.device(key.worker_id),
            wait_ms = milliseconds(waited),
            inference_ms = answer.timings.run_us as f64 / 1e3,
            duration_ms = milliseconds(took),
            "model ran"
        );
        Ok(answer)
    }

    /// Waits for the tenant's turn on the device; says how long it was.
    pub(crate) async fn device_permit(
        &self,
        job: &MlJob,
        cancel: &CancellationToken,
    ) -> Result<(Permit, Duration), MlError> {
        let began = Instant::now();
        let permit = self.turn(&self.0.gate, job, cancel).await?;
        metrics::ml_permit_waited(began.elapsed());
        Ok((permit, began.elapsed()))
    }

    /// A permit of the device, if one is free.
    fn free_permit(&self) -> Option<Permit> {
        let permit = self.0.gate.try_acquire()?;
        metrics::ml_permit_waited(Duration::ZERO);
        Some(permit)
    }

    /// Waits for the tenant's turn at a gate, unless the job is cancelled or late.
    pub(crate) async fn turn(
        &self,
        gate: &FairGate,
        job: &MlJob,
        cancel: &CancellationToken,
    ) -> Result<Permit, MlError> {
        tokio::select! {
            permit = gate.acquire(&job.tenant) => permit.map_err(|full| convert::full(&full)),
            () = cancel.cancelled() => Err(MlError::new(ErrorCode::Cancelled, "the task was cancelled")),
            () = tokio::time::sleep_until(self.0.instant(job.deadline_at)) => Err(MlError::new(ErrorCode::DeadlineExceeded, "the deadline passed while the task waited for a device")),
        }
    }

    pub(crate) fn key(&self, model: ModelRef) -> ModelKey {
        ModelKey { model, worker_id: self.0.number.get() }
    }

    /// The model's local copy, or the text that clients rely on.
    pub(crate) async fn model(&self, model: &ModelRef) -> Result<Arc<LocalModel>, MlError> {
        self.0.catalog.resolve(model).await.map_err(|error| match error {
            CatalogError::Missing => MlError::new(ErrorCode::ModelNotFound, match model.name {
                ModelName::Slot(slot) => slot::missing_model(&model.tenant, slot),
                ModelName::Version(id) => format!("the file of model {id} is not there"),
            }),
            other => {
                tracing::warn!(error = &other as &dyn std::error::Error, tenant_id = %model.tenant, model_type = %model.name, "model could not be fetched");
                MlError::new(ErrorCode::Unavailable, "the model could not be fetched from the object store")
            }
        })
    }

    /// The input's bytes, which must be those that were there when the task was submitted.
    pub(crate) async fn media(&self, input: Option<&TaskInput>) -> Result<Bytes, MlError> {
        let input = input.ok_or_else(|| MlError::new(ErrorCode::Invalid, "the task has no media"))?;
        let path = ObjectPath::parse(&input.object_path)
            .map_err(|_| MlError::new(ErrorCode::Internal, "the task's media cannot be named"))?;
        let bytes = self.fetch(&path).await?;
        if digest(bytes.clone()).await? != input.sha256 {
            return Err(MlError::new(
                ErrorCode::Invalid,
                "Input hash mismatch: the media changed since the task was submitted",
            ));
        }
        Ok(bytes)
    }

    /// An object's bytes, bounded.
    pub(crate) async fn fetch(&self, path: &ObjectPath) -> Result<Bytes, MlError> {
        self.0.blobs.get_limited(path, self.0.settings.max_media_bytes).await.map_err(|error| match error {
            BlobError::NotFound(_) => MlError::new(ErrorCode::Invalid, "the media is not there any more"),
            BlobError::TooLarge { .. } => MlError::new(ErrorCode::TooLarge, "the media is larger than allowed"),
            other => {
                tracing::warn!(error = &other as &dyn std::error::Error, "media could not be fetched");
                MlError::new(ErrorCode::Unavailable, "the media could not be fetched from the object store")
            }
        })
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

async fn digest(bytes: Bytes) -> Result<String, MlError> {
    if bytes.len() <= HASH_INLINE_BYTES {
        return Ok(hash::sha256_hex(&bytes));
    }
    let digest = tokio::task::spawn_blocking(move || hash::sha256_hex(&bytes));
    digest.await.map_err(|_| MlError::new(ErrorCode::Internal, "the media could not be checked"))
}
