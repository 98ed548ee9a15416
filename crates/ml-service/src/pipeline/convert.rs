//! What models answer, as pipelines keep it.

use ortolan_domain::ErrorCode;
use ortolan_domain::artifact::ArtifactType;
use ortolan_domain::artifact::image::{ClassificationV1, SegmentationV1};
use ortolan_domain::job::{MlError, MlItem};
use ortolan_domain::pipeline::Finding;
use ortolan_vision::VisionOutput;
use serde::de::DeserializeOwned;

/// What a detector found.
pub(super) fn findings(output: VisionOutput) -> Result<Vec<Finding>, MlError> {
    let finding = |item: MlItem| match item.artifact_type {
        ArtifactType::ObjectDetection => typed(item).map(Finding::Upright),
        ArtifactType::OrientedDetection => typed(item).map(Finding::Oriented),
        ArtifactType::PoseDetection => typed(item).map(Finding::Pose),
        _ => Err(wrong_model("a detector")),
    };
    crate::convert::items(output)?.into_iter().map(finding).collect()
}

/// What a segmentation model found.
pub(super) fn segments(output: VisionOutput) -> Result<Vec<SegmentationV1>, MlError> {
    match output {
        VisionOutput::Segments(_) => crate::convert::items(output)?.into_iter().map(typed).collect(),
        _ => Err(wrong_model("a segmentation model")),
    }
}

/// What a classifier said.
pub(super) fn classes(output: VisionOutput) -> Result<ClassificationV1, MlError> {
    let item = match output {
        VisionOutput::Classification(_) => crate::convert::items(output)?.pop(),
        _ => None,
    };
    item.map_or_else(|| Err(wrong_model("a classifier")), typed)
}

fn typed<T: DeserializeOwned>(item: MlItem) -> Result<T, MlError> {
    serde_json::from_value(item.payload).map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "a model's answer cannot be read");
        MlError::new(ErrorCode::InvalidResult, "the model's answer cannot be read")
    })
}

fn wrong_model(expected: &str) -> MlError {
    MlError::new(ErrorCode::InvalidModel, format!("the model in the slot is not {expected}"))
}
