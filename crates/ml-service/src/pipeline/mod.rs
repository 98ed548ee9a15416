//! A pipeline: the picture is decoded once, the tree of steps is walked, and what was found becomes the result.
//!
//! Branches of a group run at the same time; each look of a model waits for its own permit, so that a pipeline takes no
//! more of the device than as many tasks would. A step that fails stops the steps beside it, and all of them have ended
//! before the picture is let go of. Pictures that are to be stored are put aside under the task's own folder; they get
//! their names when the task has completed.

mod convert;
mod drawing;
mod looks;
mod pictures;
mod report;
mod walk;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use ortolan_domain::job::{MlError, MlJob};
use ortolan_domain::model::ModelRef;
use ortolan_domain::pipeline::{Findings, PipelineConfig};
use ortolan_domain::{ErrorCode, Slot};
use ortolan_runner::{CallContext, HeldPicture};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::report::Log;
use crate::catalog::LocalModel;
use crate::job::Produced;
use crate::service::MlService;

/// One run of one pipeline.
struct Run<'a> {
    service: &'a MlService,
    job: &'a MlJob,
    /// Stops all steps: the task's own, or that of a step that failed.
    cancel: CancellationToken,
    /// The file that came in.
    media: Bytes,
    picture: HeldPicture,
    /// Pictures that steps drew, by number.
    drawn: Mutex<BTreeMap<u64, Arc<HeldPicture>>>,
    image_id: Uuid,
    models: BTreeMap<Slot, Arc<LocalModel>>,
    log: Log,
}

impl MlService {
    /// Runs a pipeline over a task's picture.
    pub(crate) async fn pipeline(
        &self,
        job: &MlJob,
        config: &PipelineConfig,
        cancel: &CancellationToken,
    ) -> Result<Produced, MlError> {
        let input = job.input.as_ref().ok_or_else(|| MlError::new(ErrorCode::Invalid, "the task has no media"))?;
        let models = self.models_of(job, config).await?;
        let media = self.media(Some(input)).await?;
        // Decoded pictures stay in memory while their pipelines wait for the device: only so many at a time.
        let _place = self.turn(&self.0.pictures, job, cancel).await?;
        let cancel = cancel.child_token();
        let began = Instant::now();
        let context = CallContext::cancelled_by(cancel.clone()).with_deadline(self.0.instant(job.deadline_at));
        let held = self.0.pool.hold_picture(&job.tenant, self.0.number.get(), media.clone(), context).await;
        let picture = held.map_err(|error| crate::convert::error(&error))?;
        let log = Log::default();
        log.decoded(began.elapsed());
        let image_id = config.image_id_or(Some(input), job.attempt.task_id);
        let run = Run { service: self, job, cancel, media, picture, drawn: Mutex::default(), image_id, models, log };
        let walked = run.walk(&config.pipeline_definition, Findings::default()).await;
        match walked {
            Ok(findings) => run.produced(config, &findings, began.elapsed()),
            Err(error) => {
                run.discard_pictures().await;
                Err(error)
            }
        }
    }

    /// All models that the steps need, before any of them runs.
    async fn models_of(
        &self,
        job: &MlJob,
        config: &PipelineConfig,
    ) -> Result<BTreeMap<Slot, Arc<LocalModel>>, MlError> {
        let mut models = BTreeMap::new();
        for slot in config.pipeline_definition.slots() {
            models.insert(slot, self.model(&ModelRef::new(job.tenant.clone(), slot)).await?);
        }
        Ok(models)
    }
}
