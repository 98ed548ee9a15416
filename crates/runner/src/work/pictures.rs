//! Decoded pictures that several calls look at: held under a number, like models, until the service lets go of them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use ortolan_media::{EncodeError, decode_image, encode_jpeg, shrink};
use ortolan_vision::RgbImage;

use crate::answer::{EncodeRequest, HeldFacts};
use crate::wire::message::{Part, PartKind};
use crate::wire::protocol::{EncodedHead, Failure, ReadRequest, Status};
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
        put_json(sink, &HeldFacts { width: image.width(), height: image.height() })?;
        self.keep(call.model, image);
        Ok(())
    }

    /// Holds a picture under a number.
    pub(super) fn keep(&self, number: u32, image: RgbImage) {
        self.held.write().unwrap_or_else(PoisonError::into_inner).insert(number, Arc::new(image));
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
        let request: EncodeRequest = json_of_call(call)?;
        let image = self.get(request.picture)?;
        let smaller = request.longest_edge_px.and_then(|edge| shrink(&image, edge));
        let file = encode_jpeg(smaller.as_ref().unwrap_or(&image), request.quality).map_err(|error| {
            let status =
                if matches!(error, EncodeError::TooLarge { .. }) { Status::TooLarge } else { Status::RunFailed };
            Failure::new(status, error.to_string())
        })?;
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
