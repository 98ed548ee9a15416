//! Words of the runner in words of the product, and back.

use ortolan_domain::artifact::ArtifactType;
use ortolan_domain::config::{ImageConfig, SahiConfig};
use ortolan_domain::job::{CrashSuspect, MlError, MlItem, MlJob, Timings};
use ortolan_domain::{ErrorCode, Slot};
use ortolan_ml_client::{TensorKind, TensorSpec};
use ortolan_runner::{RunnerError, Signature, TensorSignature, ValueKind};
use ortolan_vision::{MaskSize, TilingOptions, VisionOptions, VisionOutput};
use serde::Serialize;
use serde_json::{Value, json};

use crate::gate::Full;

/// What a task asks, as the vision code takes it.
pub(crate) fn options(config: &ImageConfig) -> VisionOptions {
    let defaults = VisionOptions::default();
    VisionOptions {
        confidence_threshold: config.confidence_threshold.unwrap_or(defaults.confidence_threshold),
        iou_threshold: config.iou_threshold,
        classes: config.classes.clone().unwrap_or_default(),
        max_detections: config.max_detections as usize,
        class_agnostic: config.class_agnostic,
        image_size: config.image_size,
        top_k: Some(config.top_k as usize),
        mask_size: MaskSize::Original,
        rectangular: true,
    }
}

/// How a task wants its picture cut, as the vision code takes it.
pub(crate) fn tiling(config: &SahiConfig) -> TilingOptions {
    TilingOptions {
        slice_height: config.slice_height,
        slice_width: config.slice_width,
        overlap_ratio: config.overlap_ratio,
        postprocess: config.postprocess,
        match_metric: config.match_metric,
        match_threshold: config.match_threshold,
        class_agnostic: config.class_agnostic,
        full_image: config.full_image,
        max_detections: config.max_detections as usize,
    }
}

/// The items of a picture's result, best first.
pub(crate) fn items(output: VisionOutput) -> Result<Vec<MlItem>, MlError> {
    match output {
        VisionOutput::Detections(found) => each(ArtifactType::ObjectDetection, found, true),
        VisionOutput::Segments(found) => each(ArtifactType::Segmentation, found, false),
        VisionOutput::Oriented(found) => each(ArtifactType::OrientedDetection, found, true),
        VisionOutput::Poses(found) => each(ArtifactType::PoseDetection, found, true),
        VisionOutput::Classification(found) => each(ArtifactType::Classification, vec![found], false),
    }
}

fn each<T: Serialize>(artifact_type: ArtifactType, found: Vec<T>, in_frames: bool) -> Result<Vec<MlItem>, MlError> {
    let item = |found: T| {
        let mut payload = serde_json::to_value(found)?;
        if let (true, Value::Object(fields)) = (in_frames, &mut payload) {
            fields.insert("frame_number".to_owned(), json!(0));
        }
        Ok(MlItem { artifact_type, span_start_ms: 0, span_end_ms: 0, payload })
    };
    let items: Result<_, serde_json::Error> = found.into_iter().map(item).collect();
    items.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "result cannot be written");
        MlError::new(ErrorCode::Internal, "the result could not be written")
    })
}

/// Where the time went, with the milliseconds that the call waited for its turn.
pub(crate) fn timings(waited_ms: f64, took: ortolan_runner::Timings) -> Timings {
    let ms = |us: u64| us as f64 / 1e3;
    Timings {
        wait_ms: waited_ms + ms(took.wait_us),
        decode_ms: ms(took.decode_us),
        prepare_ms: ms(took.prepare_us),
        inference_ms: ms(took.run_us),
        interpret_ms: ms(took.interpret_us),
    }
}

/// Why a call may not wait for the device, in the product's table of errors.
pub(crate) fn full(full: &Full) -> MlError {
    let code = match full {
        Full::OfTenant => ErrorCode::QuotaExceeded,
        Full::OfAll => ErrorCode::Overloaded,
    };
    MlError::new(code, full.to_string())
}

/// Why a call gave nothing, in the product's table of errors.
pub(crate) fn error(error: &RunnerError) -> MlError {
    MlError::new(error.code(), error.to_string())
}

/// The same for a model of `slot` on a job's picture, which both are to blame when the process crashed.
pub(crate) fn crash(error: &RunnerError, slot: Slot, model_sha256: &str, job: &MlJob) -> MlError {
    let told = self::error(error);
    match &job.input {
        Some(input) if error.is_crash() => told.suspecting(|| CrashSuspect {
            model: slot.to_string(),
            model_sha256: model_sha256.to_owned(),
            input_hash: input.sha256.clone(),
        }),
        _ => told,
    }
}

/// Inputs and outputs in the contract's words.
pub(crate) fn specs(signature: &Signature) -> (Vec<TensorSpec>, Vec<TensorSpec>) {
    let each = |specs: &[TensorSignature]| specs.iter().map(spec).collect();
    (each(&signature.inputs), each(&signature.outputs))
}

fn spec(spec: &TensorSignature) -> TensorSpec {
    let kind = match spec.kind {
        ValueKind::Tensor => TensorKind::Tensor,
        ValueKind::Sequence => TensorKind::Sequence,
        ValueKind::Map => TensorKind::Map,
        ValueKind::Optional => TensorKind::Optional,
    };
    let datatype = spec.element.map_or("UNKNOWN", |datatype| datatype.name());
    TensorSpec { name: spec.name.clone(), datatype: datatype.to_owned(), shape: spec.shape(), kind }
}
