//! Pictures that stay decoded in a runner for as long as the service needs them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use ortolan_domain::TenantSlug;
use ortolan_domain::media::PictureWriting;

use crate::answer::{HeldFacts, VisionAnswer, VisionRequest};
use crate::error::RunnerError;
use crate::supervisor::RunnerPool;
use crate::supervisor::context::CallContext;
use crate::supervisor::doubt::is_sound;
use crate::supervisor::groups::Lease;
use crate::supervisor::host::{Request, json, malformed};
use crate::supervisor::source::{ModelKey, ModelSource};
use crate::wire::message::{OwnedPart, PartKind};
use crate::wire::protocol::{DrawRequest, EncodeRequest, EncodedHead, HeldVision, Operation, ReadRequest, json_of};

/// Most bytes of a written picture that are taken from a runner.
const MAX_FILE_BYTES: usize = 256 << 20;

/// A picture that stays decoded in its tenant's runner until this is dropped.
#[derive(Debug)]
pub struct HeldPicture {
    place: Place,
    /// Width of the upright picture in pixels.
    pub width: u32,
    /// Height of the upright picture in pixels.
    pub height: u32,
    /// The file it was decoded from; absent for a picture that was drawn.
    media: Option<Bytes>,
}

/// A number in a runner under which something is held.
#[derive(Debug)]
struct Place {
    lease: Arc<Lease>,
    number: u32,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lease.unload(self.number);
    }
}

impl HeldPicture {
    fn from_answer(place: Place, parts: &[OwnedPart], media: Option<Bytes>) -> Result<Self, RunnerError> {
        let HeldFacts { width, height } = json_of(parts).ok_or_else(malformed)?;
        Ok(Self { place, width, height, media })
    }
}

impl RunnerPool {
    /// Decodes a picture once, for several calls.
    pub async fn hold_picture(
        &self,
        tenant: &TenantSlug,
        worker_id: u32,
        media: Bytes,
        context: CallContext,
    ) -> Result<HeldPicture, RunnerError> {
        self.inner.check_media(&media)?;
        let device = self.device(worker_id);
        let lease = context.bounds().limit(self.inner.groups.lease(&self.inner.settings, tenant, device)).await??;
        self.hold_in(lease, media, context).await
    }

    async fn hold_in(&self, lease: Arc<Lease>, media: Bytes, context: CallContext) -> Result<HeldPicture, RunnerError> {
        // Let go of also when the call is given up in the middle.
        let place = self.place(lease);
        let mut call = Request::new(Operation::Hold, place.number);
        call.media = Some(media.clone());
        let parts = place.lease.host().call(call, context).await?;
        HeldPicture::from_answer(place, &parts, Some(media))
    }

    /// Draws what was found into a copy of a held picture, which is held too. `findings` is a JSON list of artifacts'
    /// payloads; those that have no place in a picture are left out.
    pub async fn draw_into(
        &self,
        picture: &HeldPicture,
        findings: Bytes,
        context: CallContext,
    ) -> Result<HeldPicture, RunnerError> {
        let place = self.place(Arc::clone(&picture.place.lease));
        let mut call = Request::new(Operation::Draw, place.number);
        call.json = Some(json(&DrawRequest { picture: picture.place.number })?);
        call.media = Some(findings);
        let parts = place.lease.host().call(call, context).await?;
        HeldPicture::from_answer(place, &parts, None)
    }

    /// Runs a held picture through a model, loading the model first unless it is loaded.
    pub async fn vision_held(
        &self,
        key: &ModelKey,
        source: Arc<dyn ModelSource>,
        request: VisionRequest,
        picture: &HeldPicture,
        context: CallContext,
    ) -> Result<VisionAnswer, RunnerError> {
        let bounds = context.bounds();
        let model = self.inner.model(key.clone(), source, &bounds).await?;
        // The runner may have been replaced since; then the new one decodes the picture for this call.
        let again = match &picture.media {
            Some(media) if !Arc::ptr_eq(&model.lease, &picture.place.lease) => {
                let again =
                    CallContext { cancel: context.cancel.clone(), deadline: context.deadline, ..Default::default() };
                Some(self.hold_in(Arc::clone(&model.lease), media.clone(), again).await?)
            }
            _ => None,
        };
        let number = again.as_ref().unwrap_or(picture).place.number;
        let mut call = Request::new(Operation::VisionHeld, model.number);
        call.json = Some(json(&HeldVision { picture: number, request })?);
        let parts = self.inner.call(&model, call, context).await?;
        json_of(&parts).filter(is_sound).ok_or_else(malformed)
    }

    /// Writes a held picture as a file.
    pub async fn write_picture(
        &self,
        picture: &HeldPicture,
        writing: PictureWriting,
        context: CallContext,
    ) -> Result<Bytes, RunnerError> {
        let (cancel, deadline) = (context.cancel.clone(), context.deadline);
        let file = self.place(Arc::clone(&picture.place.lease));
        let mut call = Request::new(Operation::Encode, file.number);
        call.json = Some(json(&EncodeRequest { picture: picture.place.number, writing })?);
        let parts = file.lease.host().call(call, context).await?;
        let (head, first) = encoded(&parts).ok_or_else(malformed)?;
        let size =
            usize::try_from(head.size_bytes).ok().filter(|size| *size <= MAX_FILE_BYTES).ok_or_else(malformed)?;
        let mut bytes = BytesMut::from(first);
        while bytes.len() < size {
            let context = CallContext { cancel: cancel.clone(), deadline, ..CallContext::default() };
            let piece = read_piece(&file, bytes.len() as u64, context).await?;
            bytes.extend_from_slice(&piece);
        }
        if bytes.len() == size { Ok(bytes.freeze()) } else { Err(malformed()) }
    }

    fn place(&self, lease: Arc<Lease>) -> Place {
        Place { lease, number: self.inner.next_model.fetch_add(1, Ordering::Relaxed) }
    }
}

async fn read_piece(file: &Place, offset: u64, context: CallContext) -> Result<Vec<u8>, RunnerError> {
    let mut call = Request::new(Operation::Read, file.number);
    call.json = Some(json(&ReadRequest { offset })?);
    let mut parts = file.lease.host().call(call, context).await?;
    // An empty piece would be asked for again and again.
    let piece = parts.pop().filter(|piece| piece.kind == PartKind::Media && !piece.bytes.is_empty());
    piece.map(|piece| piece.bytes).ok_or_else(malformed)
}

fn encoded(parts: &[OwnedPart]) -> Option<(EncodedHead, &[u8])> {
    match parts {
        [head, OwnedPart { kind: PartKind::Media, bytes, .. }] => {
            Some((json_of(std::slice::from_ref(head))?, bytes.as_slice()))
        }
        _ => None,
    }
}
