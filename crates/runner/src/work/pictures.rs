//! Decoded pictures that several calls look at: held under a number, like models, until the service lets go of them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use ortolan_domain::media::{PictureFormat, PictureWriting};
use ortolan_media::{EncodeError, decode_image, encode_jpeg, encode_png, shrink};
use ortolan_vision::RgbImage;
use ortolan_vision::draw::{Finding, annotated};
use serde_json::value::RawValue;

use crate::answer::HeldFacts;
use crate::wire::message::{Part, PartKind};
use crate::wire::protocol::{DrawRequest, EncodeRequest, EncodedHead, Failure, ReadRequest, Status};
use crate::work::vision::{media_of, refusal};
use crate::work::{Call, Sink, json_of_call, put, put_json};

/// Most bytes of a file in one answer; the rest is read piece by piece.
pub(crate) const PIECE_BYTES: usize = 1 << 20;

/// Held pictures, and written files that have not been fetched whole.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    held: RwLock<HashMap<u32, Arc<RgbImage>>>,
    files: RwLock<HashMap<u32, Arc<Vec<u8>>>>,
}

impl Pictures {
    /// Decodes a medium and holds it under the call's number.
    pub(super) fn hold(&self, call: &Call<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
        let image = decode_image(media_of(call)?, &call.limits).map_err(refusal)?;
        self.keep(call.model, image, sink)
    }

    /// Draws findings into a copy of a held picture and holds that under the call's number. Payloads that have no place in
    /// a picture are left out.
    pub(super) fn draw(&self, call: &Call<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
        let DrawRequest { picture } = json_of_call(call)?;
        let payloads: Vec<&RawValue> =
            serde_json::from_slice(media_of(call)?).map_err(|_| Failure::bad_input("the findings cannot be read"))?;
        let findings: Vec<_> = payloads
            .into_iter()
            .filter_map(|payload| Finding::read(&mut serde_json::Deserializer::from_str(payload.get())))
            .collect();
        let image = RgbImage::clone(&*self.get(picture)?);
        let drawn = annotated(image, &findings).map_err(|error| Failure::new(Status::TooLarge, error.to_string()))?;
        self.keep(call.model, drawn, sink)
    }

    /// Answers with a picture's size and holds it under a number.
    fn keep(&self, number: u32, image: RgbImage, sink: &mut dyn Sink) -> Result<(), Failure> {
        put_json(sink, &HeldFacts { width: image.width(), height: image.height() })?;
        self.held.write().unwrap_or_else(PoisonError::into_inner).insert(number, Arc::new(image));
        Ok(())
    }

    /// The picture under a number.
    pub(super) fn get(&self, number: u32) -> Result<Arc<RgbImage>, Failure> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.get(&number).cloned().ok_or_else(|| Failure::new(Status::RunFailed, "the picture is not held"))
    }

    /// Forgets what is held under a number; false when nothing is.
    pub(super) fn forget(&self, number: u32) -> bool {
        let picture = self.held.write().unwrap_or_else(PoisonError::into_inner).remove(&number);
        let file = self.files.write().unwrap_or_else(PoisonError::into_inner).remove(&number);
        picture.is_some() || file.is_some()
    }

    /// Writes a held picture as a file; the answer has its begin, and the rest is kept under the call's number.
    pub(super) fn encode(&self, call: &Call<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
        let EncodeRequest { picture, writing } = json_of_call(call)?;
        let file = written(&*self.get(picture)?, writing)?;
        let head = serde_json::to_vec(&EncodedHead { size_bytes: file.len() as u64 })
            .map_err(|_| Failure::new(Status::RunFailed, "the answer cannot be written"))?;
        put(sink, &[Part::json(&head), Part::media(&file[..file.len().min(PIECE_BYTES)])])?;
        if file.len() > PIECE_BYTES {
            self.files.write().unwrap_or_else(PoisonError::into_inner).insert(call.model, Arc::new(file));
        }
        Ok(())
    }

    /// Gives a piece of a written file.
    pub(super) fn read(&self, call: &Call<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
        let ReadRequest { offset } = json_of_call(call)?;
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        let file = files.get(&call.model).cloned();
        drop(files);
        let file = file.ok_or_else(|| Failure::new(Status::RunFailed, "the file is not kept"))?;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(file.len());
        put(sink, &[Part { kind: PartKind::Media, dims: &[], bytes: &file[from..file.len().min(from + PIECE_BYTES)] }])
    }
}

fn written(image: &RgbImage, writing: PictureWriting) -> Result<Vec<u8>, Failure> {
    let smaller = writing.longest_edge_px.and_then(|edge| shrink(image, edge));
    let image = smaller.as_ref().unwrap_or(image);
    let file = match writing.format {
        PictureFormat::Jpeg => encode_jpeg(image, writing.quality),
        PictureFormat::Png => encode_png(image),
    };
    file.map_err(|error| {
        let status = if matches!(error, EncodeError::TooLarge { .. }) { Status::TooLarge } else { Status::RunFailed };
        Failure::new(status, error.to_string())
    })
}
