//! The step that draws what was found, and the pictures that it made.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use ortolan_domain::ErrorCode;
use ortolan_domain::artifact::ArtifactType;
use ortolan_domain::job::{MlError, MlItem};
use ortolan_domain::pipeline::{Findings, VisualizeSettings};
use ortolan_runner::{CallContext, HeldPicture};
use serde_json::{Value, json};

use super::Run;
use super::report::artifacts;

impl Run<'_> {
    /// Draws into a copy of the picture, which later steps find as the processed one.
    pub(super) async fn draw(&self, settings: VisualizeSettings, found: &mut Findings) -> Result<(), MlError> {
        let items = artifacts(found)?;
        let payloads: Vec<&Value> =
            items.iter().filter(|item| is_wanted(settings, item)).map(|item| &item.payload).collect();
        let count = payloads.len();
        let payloads = serde_json::to_vec(&payloads)
            .map_err(|_| MlError::new(ErrorCode::Internal, "what was found could not be written"))?;
        let context =
            CallContext::cancelled_by(self.cancel.clone()).with_deadline(self.service.0.instant(self.job.deadline_at));
        let drawn = self.service.0.pool.draw_into(&self.picture, Bytes::from(payloads), context).await;
        let drawn = drawn.map_err(|error| crate::convert::error(&error))?;
        let number = self.log.key();
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner).insert(number, Arc::new(drawn));
        found.processed = Some(number);
        found.results.insert("findings_drawn".to_owned(), json!(count));
        Ok(())
    }

    /// The picture that things were drawn into before this step, if there is one.
    pub(super) fn processed(&self, found: &Findings) -> Option<Arc<HeldPicture>> {
        let drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        drawn.get(&found.processed?).cloned()
    }
}

fn is_wanted(settings: VisualizeSettings, item: &MlItem) -> bool {
    match item.artifact_type {
        ArtifactType::Segmentation => settings.draw_segments,
        ArtifactType::Classification => settings.draw_classifications,
        _ => settings.draw_detections,
    }
}
