//! From a picture to a model's input tensor.

mod antialias;
mod crop;
mod letterbox;
mod resize;
mod samples;

use half::f16;

use crate::{
    error::OptionsError,
    geometry::{Framing, Letterbox, Size},
    options::VisionOptions,
    picture::PictureView,
    profile::{Head, InputElement, ModelProfile},
    tensor::{InputTensor, TensorData},
};
use samples::Sample;

/// Writes `views`, all of one size, into `tensor` as the profile's model wants them; options are checked already.
pub(crate) fn prepare_into(
    profile: &ModelProfile,
    views: &[PictureView<'_>],
    options: &VisionOptions,
    tensor: &mut InputTensor,
) -> Result<Framing, OptionsError> {
    let (target, stride) = profile.input.target(options)?;
    let size = views.first().map(PictureView::size).unwrap_or(target);
    let framing = match profile.head {
        Head::Boxes(_) => Framing::Letterbox(Letterbox::fit(size, target, stride)),
        Head::Classes { .. } => Framing::CentreCrop,
    };
    let input = match framing {
        Framing::Letterbox(letterbox) => letterbox.input,
        Framing::CentreCrop => target,
    };
    tensor.dims = [views.len(), 3, input.height as usize, input.width as usize];
    match profile.input.element {
        InputElement::F32 => fill::<f32>(views, framing, input, &mut tensor.data),
        InputElement::F16 => fill::<f16>(views, framing, input, &mut tensor.data),
    }
    Ok(framing)
}

fn fill<T: Sample>(views: &[PictureView<'_>], framing: Framing, input: Size, data: &mut TensorData) {
    let mut buffer = T::take_buffer(data);
    let picture_len = 3 * input.width as usize * input.height as usize;
    buffer.resize(views.len() * picture_len, T::default());
    for (&view, planes) in views.iter().zip(buffer.chunks_exact_mut(picture_len)) {
        match framing {
            Framing::Letterbox(letterbox) => letterbox::fill(view, letterbox, planes),
            Framing::CentreCrop => crop::fill(view, input, planes),
        }
    }
    *data = T::wrap(buffer);
}
