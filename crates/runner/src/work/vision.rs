//! A picture through a vision model.

use std::sync::atomic::Ordering;
use std::time::Instant;

use ortolan_engine::RunControl;
use ortolan_media::{DecodeError, decode_image};
use ortolan_vision::{Framing, InputTensor, ModelProfile, PictureView, RgbImage, VisionOptions, VisionOutput};

use crate::answer::{Area, Timings, VisionAnswer, VisionRequest};
use crate::wire::message::PartKind;
use crate::wire::protocol::{Failure, HeldVision, Status};
use crate::work::convert::{shapes_of, task_of, view_of, views_of};
use crate::work::model::Model;
use crate::work::pictures::Pictures;
use crate::work::{Call, Sink, json_of_call, put_json, tiles};

/// Decodes, prepares, runs and interprets; only the run holds a session.
pub(super) fn serve(model: &Model, call: &Call<'_>, control: &RunControl, sink: &mut dyn Sink) -> Result<(), Failure> {
    let request: VisionRequest = json_of_call(call)?;
    let profile = checked_profile(model, &request)?;
    let mut timings = Timings::default();
    let image = timed(&mut timings.decode_us, || decode_image(media_of(call)?, &call.limits).map_err(refusal))?;
    answer(Look::new(model, profile, &request.options, control).begun(timings), &request.area, &image, sink)
}

/// The same with a picture that is decoded already.
pub(super) fn serve_held(
    model: &Model,
    pictures: &Pictures,
    call: &Call<'_>,
    control: &RunControl,
    sink: &mut dyn Sink,
) -> Result<(), Failure> {
    let HeldVision { picture, request } = json_of_call(call)?;
    let profile = checked_profile(model, &request)?;
    let image = pictures.get(picture)?;
    answer(Look::new(model, profile, &request.options, control), &request.area, &image, sink)
}

/// Looks at an area of a decoded picture, and answers.
pub(super) fn answer(mut look: Look<'_>, area: &Area, image: &RgbImage, sink: &mut dyn Sink) -> Result<(), Failure> {
    let (output, crop_of) = match area {
        Area::Whole => (look.at(image.view())?, Vec::new()),
        Area::Tiles(tiling) => (tiles::tiles(&mut look, image, *tiling, sink)?, Vec::new()),
        Area::Crops(crops) => tiles::crops(&mut look, image, crops, sink)?,
    };
    let (width, height, timings) = (image.width(), image.height(), look.timings);
    put_json(sink, &VisionAnswer { output, crop_of, width, height, timings })
}

/// Looks at a picture of this size that is packed already, and answers.
pub(super) fn answer_packed(
    mut look: Look<'_>,
    tensor: InputTensor,
    framing: &Framing,
    (width, height): (u32, u32),
    sink: &mut dyn Sink,
) -> Result<(), Failure> {
    look.tensor = tensor;
    let output = only(look.run(1, framing)?)?;
    put_json(sink, &VisionAnswer { output, crop_of: Vec::new(), width, height, timings: look.timings })
}

/// Resizes and packs pictures of one size into a model's input.
pub(super) fn pack(
    profile: &ModelProfile,
    views: &[PictureView<'_>],
    options: &VisionOptions,
    tensor: &mut InputTensor,
) -> Result<Framing, Failure> {
    profile.prepare_batch(views, options, tensor).map_err(|error| Failure::bad_input(error.to_string()))
}

/// A model's looks at pictures or parts of them, one after the other, in the same memory.
pub(super) struct Look<'a> {
    model: &'a Model,
    pub(super) profile: &'a ModelProfile,
    options: &'a VisionOptions,
    pub(super) control: &'a RunControl,
    tensor: InputTensor,
    timings: Timings,
}

impl<'a> Look<'a> {
    pub(super) fn new(
        model: &'a Model,
        profile: &'a ModelProfile,
        options: &'a VisionOptions,
        control: &'a RunControl,
    ) -> Self {
        Self { model, profile, options, control, tensor: InputTensor::empty(), timings: Timings::default() }
    }

    /// The same, after work that took so long.
    pub(super) fn begun(self, timings: Timings) -> Self {
        Self { timings, ..self }
    }

    /// Looks at one picture or part.
    pub(super) fn at(&mut self, view: PictureView<'_>) -> Result<VisionOutput, Failure> {
        only(self.at_all(&[view])?)
    }

    /// Looks at parts of one size in a single run; more than one only for a model that takes batches.
    pub(super) fn at_all(&mut self, views: &[PictureView<'_>]) -> Result<Vec<VisionOutput>, Failure> {
        let Self { profile, options, tensor, timings, .. } = self;
        let framing = timed(&mut timings.prepare_us, || pack(profile, views, options, tensor))?;
        self.run(views.len(), &framing)
    }

    /// Runs what is packed and reads what comes out.
    fn run(&mut self, count: usize, framing: &Framing) -> Result<Vec<VisionOutput>, Failure> {
        let Self { model, profile, options, control, tensor, timings } = self;
        let mut dims = [0; 4];
        let input = view_of(tensor, &mut dims);
        let mut session = timed(&mut timings.wait_us, || model.sessions.take(control).ok_or_else(stopped))?;
        let mut run_us = 0;
        let outputs = timed(&mut run_us, || session.run(&[input], control).map_err(Failure::from))?;
        timings.run_us += run_us;
        model.last_run_us.store(u32::try_from(run_us).unwrap_or(u32::MAX), Ordering::Relaxed);
        // The outputs lie in the session's memory, so it stays lent until they are read.
        timed(&mut timings.interpret_us, || interpret(profile, &outputs, count, framing, options))
    }
}

fn only(mut outputs: Vec<VisionOutput>) -> Result<VisionOutput, Failure> {
    outputs.pop().ok_or_else(|| Failure::new(Status::RunFailed, "the model answered nothing"))
}

fn interpret(
    profile: &ModelProfile,
    outputs: &ortolan_engine::Outputs<'_>,
    count: usize,
    framing: &Framing,
    options: &VisionOptions,
) -> Result<Vec<VisionOutput>, Failure> {
    let shapes = shapes_of(outputs)?;
    let views = views_of(outputs, &shapes)?;
    let read = profile.interpret_batch(&views, count, framing, options);
    read.map_err(|error| Failure::new(Status::RunFailed, error.to_string()))
}

/// The encoded picture: in the slot, or attached when it is larger.
pub(super) fn media_of<'a>(call: &Call<'a>) -> Result<&'a [u8], Failure> {
    let part = call.parts.iter().find(|part| part.kind == PartKind::Media).map(|part| part.bytes);
    part.or(call.attachment).ok_or_else(|| Failure::bad_input("no media came with the call"))
}

/// A decoder's refusal as ours.
pub(super) fn refusal(error: DecodeError) -> Failure {
    let status = match &error {
        DecodeError::Unsupported { .. } => Status::MediaUnsupported,
        DecodeError::TooLarge { .. } | DecodeError::TooCostly { .. } => Status::MediaTooLarge,
        _ => Status::MediaCorrupt,
    };
    Failure::new(status, error.to_string())
}

/// The model's profile, which the request fits.
pub(super) fn checked_profile<'m>(model: &'m Model, request: &VisionRequest) -> Result<&'m ModelProfile, Failure> {
    let profile = model.profile.as_ref().filter(|profile| profile.task() == task_of(request.slot));
    let profile =
        profile.ok_or_else(|| Failure::bad_input(format!("the model was not loaded for the slot {}", request.slot)))?;
    profile.check(&request.options).map_err(|error| Failure::bad_input(error.to_string()))?;
    Ok(profile)
}

pub(super) fn stopped() -> Failure {
    Failure::new(Status::Stopped, "the call was cancelled")
}

pub(super) fn timed<T>(spent_us: &mut u64, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = work();
    *spent_us += u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    done
}
