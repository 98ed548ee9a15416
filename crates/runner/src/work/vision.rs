//! A picture through a vision model.

use std::sync::atomic::Ordering;
use std::time::Instant;

use ortolan_engine::RunControl;
use ortolan_media::{DecodeError, DecodeLimits, decode_image};
use ortolan_vision::{Framing, ModelProfile, RgbImage, VisionOptions, VisionOutput};

use crate::answer::{Timings, VisionAnswer, VisionRequest};
use crate::wire::message::PartKind;
use crate::wire::protocol::{Failure, Status};
use crate::work::convert::{shapes_of, task_of, view_of, views_of};
use crate::work::model::Model;
use crate::work::{Call, Sink, put_json};

/// Decodes, prepares, runs and interprets; only the run holds a session.
pub(super) fn serve(model: &Model, call: &Call<'_>, control: &RunControl, sink: &mut dyn Sink) -> Result<(), Failure> {
    let request = request_of(call)?;
    let profile = profile_of(model, &request)?;
    profile.check(&request.options).map_err(|error| Failure::bad_input(error.to_string()))?;
    let mut timings = Timings::default();
    let image =
        timed(&mut timings.decode_us, || decode_image(media_of(call)?, &DecodeLimits::default()).map_err(refusal))?;
    let output = picture(model, profile, &image, &request.options, control, &mut timings)?;
    put_json(sink, &VisionAnswer { output, width: image.width(), height: image.height(), timings })
}

/// Runs one decoded picture.
pub(super) fn picture(
    model: &Model,
    profile: &ModelProfile,
    image: &RgbImage,
    options: &VisionOptions,
    control: &RunControl,
    timings: &mut Timings,
) -> Result<VisionOutput, Failure> {
    let prepared = timed(&mut timings.prepare_us, || {
        profile.prepare(image, options).map_err(|error| Failure::bad_input(error.to_string()))
    })?;
    let mut dims = [0; 4];
    let input = view_of(&prepared.tensor, &mut dims);
    let mut session = timed(&mut timings.wait_us, || model.sessions.take(control).ok_or_else(stopped))?;
    let outputs = timed(&mut timings.run_us, || session.run(&[input], control).map_err(Failure::from))?;
    model.last_run_us.store(u32::try_from(timings.run_us).unwrap_or(u32::MAX), Ordering::Relaxed);
    timed(&mut timings.interpret_us, || interpret(profile, &outputs, &prepared.framing, options))
}

/// The outputs lie in the session's memory, so it stays lent until they are read.
fn interpret(
    profile: &ModelProfile,
    outputs: &ortolan_engine::Outputs<'_>,
    framing: &Framing,
    options: &VisionOptions,
) -> Result<VisionOutput, Failure> {
    let shapes = shapes_of(outputs)?;
    let views = views_of(outputs, &shapes)?;
    profile.interpret(&views, framing, options).map_err(|error| Failure::new(Status::RunFailed, error.to_string()))
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

fn request_of(call: &Call<'_>) -> Result<VisionRequest, Failure> {
    let json = call.parts.iter().find(|part| part.kind == PartKind::Json);
    let request = json.map(|part| serde_json::from_slice(part.bytes));
    match request {
        Some(Ok(request)) => Ok(request),
        _ => Err(Failure::bad_input("the options cannot be read")),
    }
}

fn profile_of<'m>(model: &'m Model, request: &VisionRequest) -> Result<&'m ModelProfile, Failure> {
    let profile = model.profile.as_ref().filter(|profile| profile.task() == task_of(request.slot));
    profile.ok_or_else(|| Failure::bad_input(format!("the model was not loaded for the slot {}", request.slot)))
}

fn stopped() -> Failure {
    Failure::new(Status::Stopped, "the call was cancelled")
}

fn timed<T>(spent_us: &mut u64, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = work();
    *spent_us += u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    done
}
