//! Plain tensors through a model.

use std::sync::atomic::Ordering;
use std::time::Instant;

use ortolan_domain::tensor::{Datatype, Strings};
use ortolan_engine::{OutputView, Outputs, RunControl, TensorView};
use ortolan_media::{DecodeLimits, decode_image};
use ortolan_vision::{InputTensor, VisionOptions};

use crate::answer::Timings;
use crate::wire::message::{Part, PartKind};
use crate::wire::protocol::{Failure, InferOptions, Status};
use crate::work::convert::view_of;
use crate::work::model::Model;
use crate::work::vision::refusal;
use crate::work::{Call, Sink, put};

/// Runs tensors that come in the signature's order and were checked against it; they are read where they lie.
pub(super) fn serve(model: &Model, call: &Call<'_>, control: &RunControl, sink: &mut dyn Sink) -> Result<(), Failure> {
    let mut timings = Timings::default();
    let wanted = wanted(call)?;
    let pictures = pictures(model, call, &mut timings)?;
    let mut shapes = vec![[0; 4]; pictures.len()];
    let mut prepared = pictures.iter().zip(&mut shapes).map(|(picture, dims)| Some(view_of(picture.as_ref()?, dims)));
    let inputs: Vec<_> = tensors(call).map(|tensor| prepared.next().flatten().unwrap_or(tensor)).collect();
    let began = Instant::now();
    let session = model.sessions.take(control);
    let mut session = session.ok_or_else(|| Failure::new(Status::Stopped, "the call was cancelled"))?;
    let took = Instant::now();
    let outputs = session.run(&inputs, control)?;
    let ran = Instant::now();
    timings.wait_us = microseconds(took - began);
    timings.run_us = microseconds(ran - took);
    model.last_run_us.store(u32::try_from(timings.run_us).unwrap_or(u32::MAX), Ordering::Relaxed);
    answer(&outputs, &wanted, timings, ran, sink)
}

/// The wanted outputs by position; none named means all.
fn wanted(call: &Call<'_>) -> Result<Vec<usize>, Failure> {
    let Some(json) = call.parts.iter().find(|part| part.kind == PartKind::Json) else { return Ok(Vec::new()) };
    let options: InferOptions =
        serde_json::from_slice(json.bytes).map_err(|_| Failure::bad_input("the options cannot be read"))?;
    Ok(options.outputs)
}

fn tensors<'a>(call: &Call<'a>) -> impl Iterator<Item = TensorView<'a>> {
    call.parts.iter().filter_map(|part| match part.kind {
        PartKind::Tensor(element) => Some(TensorView { element, dims: part.dims, bytes: part.bytes }),
        _ => None,
    })
}

/// An encoded picture stands for a tensor wherever the model takes numbers and strings came; one entry per input, empty
/// when there is no such input at all.
fn pictures(model: &Model, call: &Call<'_>, timings: &mut Timings) -> Result<Vec<Option<InputTensor>>, Failure> {
    let specs = &model.signature.inputs;
    let is_picture = |input: &TensorView<'_>, wanted: Option<Datatype>| {
        input.element == Datatype::Bytes && wanted != Some(Datatype::Bytes)
    };
    if !tensors(call).zip(specs).any(|(input, spec)| is_picture(&input, spec.element)) {
        return Ok(Vec::new());
    }
    let prepare = |(input, wanted): (TensorView<'_>, Option<Datatype>)| {
        if is_picture(&input, wanted) { picture(model, input.bytes, timings).map(Some) } else { Ok(None) }
    };
    tensors(call).zip(specs.iter().map(|spec| spec.element)).map(prepare).collect()
}

fn picture(model: &Model, encoded: &[u8], timings: &mut Timings) -> Result<InputTensor, Failure> {
    let profile = model.pictures.as_ref();
    let profile = profile.ok_or_else(|| Failure::bad_input("the model's input is not one that takes pictures"))?;
    let media = Strings::new(encoded).next().ok_or_else(|| Failure::bad_input("the picture has no bytes"))?;
    let began = Instant::now();
    let image = decode_image(media, &DecodeLimits::default()).map_err(refusal)?;
    let decoded = Instant::now();
    let prepared = profile.prepare(&image, &VisionOptions::default());
    let prepared = prepared.map_err(|error| Failure::bad_input(error.to_string()))?;
    timings.decode_us += microseconds(decoded - began);
    timings.prepare_us += microseconds(decoded.elapsed());
    Ok(prepared.tensor)
}

/// Answers with the wanted outputs and the times. The views lie in the session's memory, so it stays lent until then.
fn answer(
    outputs: &Outputs<'_>,
    wanted: &[usize],
    mut timings: Timings,
    ran: Instant,
    sink: &mut dyn Sink,
) -> Result<(), Failure> {
    let all: Vec<_>;
    let wanted = if wanted.is_empty() {
        all = (0..outputs.len()).collect();
        &all
    } else {
        wanted
    };
    let views = wanted.iter().map(|index| outputs.output(*index)).collect::<Result<Vec<_>, _>>()?;
    timings.interpret_us = microseconds(ran.elapsed());
    let times = timings.to_bytes();
    let parts: Vec<_> = views.iter().map(part).chain([Part::times(&times)]).collect();
    put(sink, &parts)
}

fn part<'a>(view: &'a OutputView<'_>) -> Part<'a> {
    match view {
        OutputView::Tensor(view) => Part::tensor(*view),
        OutputView::Strings { dims, bytes } => Part::tensor(TensorView { element: Datatype::Bytes, dims, bytes }),
        OutputView::Json(text) => Part::json(text),
    }
}

fn microseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
