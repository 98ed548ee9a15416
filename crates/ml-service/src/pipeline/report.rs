//! What happened on the way, and the items of the end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ortolan_domain::ErrorCode;
use ortolan_domain::artifact::ArtifactType;
use ortolan_domain::job::{MlError, MlItem, Timings};
use ortolan_domain::pipeline::{
    Finding, Findings, ModelUsed, PipelineConfig, PipelineResultV1, ResultClasses, ResultDetection, ResultSegment,
    Results, StepReport,
};
use ortolan_runner::ModelSource;
use serde::Serialize;

use super::Run;
use crate::job::Produced;

/// What happened on the way. Branches write it at the same time.
#[derive(Default)]
pub(super) struct Log {
    keys: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    steps: Vec<StepReport>,
    timings: Timings,
}

impl Log {
    /// A number that nothing else of this run has.
    pub(super) fn key(&self) -> u64 {
        self.keys.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn decoded(&self, took: Duration) {
        self.inner().timings.decode_ms = took.as_secs_f64() * 1e3;
    }

    /// Adds one look of a model; the times of parallel branches add up.
    pub(super) fn looked(&self, waited: Duration, took: &ortolan_runner::Timings) {
        let ms = |us: u64| us as f64 / 1e3;
        let timings = &mut self.inner().timings;
        timings.wait_ms += waited.as_secs_f64() * 1e3 + ms(took.wait_us);
        timings.prepare_ms += ms(took.prepare_us);
        timings.inference_ms += ms(took.run_us);
        timings.interpret_ms += ms(took.interpret_us);
    }

    pub(super) fn ended(&self, step: &str, took: Duration) {
        let report = StepReport { name: step.to_owned(), duration_ms: took.as_secs_f64() * 1e3 };
        self.inner().steps.push(report);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Run<'_> {
    /// The result first, then each finding as an artifact of its own type.
    pub(super) fn produced(
        &self,
        config: &PipelineConfig,
        found: &Findings,
        took: Duration,
    ) -> Result<Produced, MlError> {
        let (steps, timings) = {
            let log = self.log.inner();
            (log.steps.clone(), log.timings)
        };
        let models: Vec<_> =
            self.models.iter().map(|(&slot, model)| ModelUsed { slot, sha256: model.sha256().to_owned() }).collect();
        let first = config.pipeline_definition.steps().into_iter().find_map(|step| step.slot());
        let model_sha256 = models.iter().find(|model| Some(model.slot) == first).map(|model| model.sha256.clone());
        let result = PipelineResultV1 {
            success: true,
            tenant_id: self.job.tenant.to_string(),
            session_id: config.session_id,
            image_id: self.image_id,
            pipeline_type: config.pipeline_definition.word().to_owned(),
            results: self.results(found),
            duration_ms: took.as_secs_f64() * 1e3,
            steps_completed: u32::try_from(steps.len()).unwrap_or(u32::MAX),
            steps,
            models,
            error: None,
            processed_at: self.service.0.clock.now(),
        };
        let mut items = vec![item(ArtifactType::PipelineResult, &result)?];
        items.extend(artifacts(found)?);
        Ok(Produced { items, timings, model_sha256 })
    }

    fn results(&self, found: &Findings) -> Results {
        Results {
            segments: found.segments.iter().map(|segment| ResultSegment::from(segment.as_ref())).collect(),
            detections: found.objects.iter().map(|object| ResultDetection::new(object, self.image_id)).collect(),
            classifications_raw: found.classes.iter().map(|classes| ResultClasses::from(classes.as_ref())).collect(),
            uploads: found.uploads.iter().map(|upload| upload.as_ref().clone()).collect(),
            counted: found.results.clone(),
        }
    }
}

/// Everything that was found, each kind best first.
pub(super) fn artifacts(found: &Findings) -> Result<Vec<MlItem>, MlError> {
    let mut objects: Vec<_> = found.objects.iter().map(|object| &object.finding).collect();
    objects.sort_by(|a, b| b.confidence().total_cmp(&a.confidence()));
    let mut segments: Vec<_> = found.segments.iter().map(|segment| &segment.segment).collect();
    segments.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let objects = objects.into_iter().map(|finding| match finding {
        Finding::Upright(payload) => item(finding.artifact_type(), payload),
        Finding::Oriented(payload) => item(finding.artifact_type(), payload),
        Finding::Pose(payload) => item(finding.artifact_type(), payload),
    });
    let segments = segments.into_iter().map(|segment| item(ArtifactType::Segmentation, segment));
    let classes = found.classes.iter().map(|classes| item(ArtifactType::Classification, &classes.classes));
    objects.chain(segments).chain(classes).collect()
}

fn item<T: Serialize>(artifact_type: ArtifactType, payload: &T) -> Result<MlItem, MlError> {
    let payload = serde_json::to_value(payload).map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "result cannot be written");
        MlError::new(ErrorCode::Internal, "the result could not be written")
    })?;
    Ok(MlItem { artifact_type, span_start_ms: 0, span_end_ms: 0, payload })
}
