//! Pictures that are made ready for a model before it is their turn on the device.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use crate::answer::{HeldFacts, VisionAnswer, VisionRequest};
use crate::error::RunnerError;
use crate::supervisor::RunnerPool;
use crate::supervisor::context::CallContext;
use crate::supervisor::doubt::is_sound;
use crate::supervisor::host::{Request, json, malformed};
use crate::supervisor::models::LoadedModel;
use crate::supervisor::source::{ModelKey, ModelSource};
use crate::wire::protocol::{Operation, PrepareRequest, PreparedVision, json_of};

/// A picture that is decoded, resized and packed, and waits in its tenant's runner for one run of its model. It is let go of when
/// this is dropped.
#[derive(Debug)]
pub struct ReadyPicture {
    model: Arc<LoadedModel>,
    number: u32,
    is_used: bool,
}

impl Drop for ReadyPicture {
    fn drop(&mut self) {
        if !self.is_used {
            self.model.lease.unload(self.number);
        }
    }
}

impl RunnerPool {
    /// How many pictures are made ready ahead on a worker's device; 0 where that is of no use.
    pub fn pictures_ahead(&self, worker_id: u32) -> usize {
        self.inner.settings.pictures_ahead_on(self.device(worker_id))
    }

    /// Makes a picture ready for a model, loading the model first unless it is loaded. This takes nothing of the device, so it needs
    /// no permit.
    pub async fn make_ready(
        &self,
        key: &ModelKey,
        source: Arc<dyn ModelSource>,
        request: VisionRequest,
        media: Bytes,
        context: CallContext,
    ) -> Result<ReadyPicture, RunnerError> {
        self.inner.check_media(&media)?;
        let model = self.inner.model(key.clone(), source, &context.bounds()).await?;
        let number = self.inner.next_model.fetch_add(1, Ordering::Relaxed);
        // Let go of also when the call is given up in the middle.
        let ready = ReadyPicture { model, number, is_used: false };
        let mut call = Request::new(Operation::Prepare, number);
        call.json = Some(json(&PrepareRequest { model: ready.model.number, request })?);
        call.media = Some(media);
        let parts = self.inner.call(&ready.model, call, context).await?;
        json_of::<HeldFacts>(&parts).ok_or_else(malformed)?;
        Ok(ready)
    }

    /// Runs a picture that was made ready through its model.
    pub async fn vision_ready(
        &self,
        mut picture: ReadyPicture,
        context: CallContext,
    ) -> Result<VisionAnswer, RunnerError> {
        let mut call = Request::new(Operation::VisionPrepared, picture.model.number);
        call.json = Some(json(&PreparedVision { picture: picture.number })?);
        let parts = self.inner.call(&picture.model, call, context).await?;
        picture.is_used = true;
        json_of(&parts).filter(is_sound).ok_or_else(malformed)
    }
}
