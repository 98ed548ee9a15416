//! Pictures that are made ready before it is their turn on the device: decoded, resized and packed while others run.

use std::collections::HashMap;
use std::sync::Mutex;

use ortolan_engine::RunControl;
use ortolan_media::decode_image;
use ortolan_vision::{Framing, InputTensor, RgbImage};

use crate::answer::{Area, HeldFacts, Timings, VisionRequest};
use crate::wire::protocol::{Failure, PrepareRequest, PreparedVision, Status};
use crate::work::model::Model;
use crate::work::vision::{self, Look, checked_profile, media_of, refusal, timed};
use crate::work::{Call, Sink, json_of_call, lock, put_json};

/// Pictures that are ready, by number. Each is looked at once.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    ready: Mutex<HashMap<u32, Ready>>,
}

#[derive(Debug)]
struct Ready {
    model: u32,
    request: VisionRequest,
    form: Form,
    width: u32,
    height: u32,
    timings: Timings,
}

#[derive(Debug)]
enum Form {
    /// The model's input, for a look at the whole picture.
    Packed(InputTensor, Framing),
    /// Decoded, for many looks at its parts.
    Decoded(RgbImage),
}

impl Ahead {
    /// Makes a picture ready for a model and keeps it under the call's number.
    pub(super) fn prepare(
        &self,
        model: &Model,
        PrepareRequest { model: number, request }: PrepareRequest,
        call: &Call<'_>,
        sink: &mut dyn Sink,
    ) -> Result<(), Failure> {
        let profile = checked_profile(model, &request)?;
        let mut timings = Timings::default();
        let image = timed(&mut timings.decode_us, || decode_image(media_of(call)?, &call.limits).map_err(refusal))?;
        let (width, height) = (image.width(), image.height());
        let form = match request.area {
            Area::Whole => {
                let mut tensor = InputTensor::empty();
                let framing = timed(&mut timings.prepare_us, || {
                    vision::pack(profile, &[image.view()], &request.options, &mut tensor)
                })?;
                Form::Packed(tensor, framing)
            }
            Area::Tiles(_) | Area::Crops(_) => Form::Decoded(image),
        };
        put_json(sink, &HeldFacts { width, height })?;
        let ready = Ready { model: number, request, form, width, height, timings };
        lock(&self.ready).insert(call.model, ready);
        Ok(())
    }

    /// Looks at a picture that was made ready, which is forgotten.
    pub(super) fn look(
        &self,
        model: &Model,
        call: &Call<'_>,
        control: &RunControl,
        sink: &mut dyn Sink,
    ) -> Result<(), Failure> {
        let PreparedVision { picture } = json_of_call(call)?;
        let ready = lock(&self.ready).remove(&picture).filter(|ready| ready.model == call.model);
        let Ready { request, form, width, height, timings, .. } =
            ready.ok_or_else(|| Failure::new(Status::RunFailed, "the picture is not ready"))?;
        let profile = checked_profile(model, &request)?;
        let look = Look::new(model, profile, &request.options, control).begun(timings);
        match form {
            Form::Decoded(image) => vision::answer(look, &request.area, &image, sink),
            Form::Packed(tensor, framing) => vision::answer_packed(look, tensor, &framing, (width, height), sink),
        }
    }

    /// Forgets what is kept under a number; false when nothing is.
    pub(super) fn forget(&self, number: u32) -> bool {
        lock(&self.ready).remove(&number).is_some()
    }
}
