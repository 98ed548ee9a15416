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
    picture::RgbImage,
    profile::{Head, InputElement, ModelProfile},
    tensor::{InputTensor, TensorData},
};
use samples::Sample;

/// Writes `image` into `tensor` as the profile's model wants it; options are checked already.
pub(crate) fn prepare_into(
    profile: &ModelProfile,
    image: &RgbImage,
    options: &VisionOptions,
    tensor: &mut InputTensor,
) -> Result<Framing, OptionsError> {
    let (target, stride) = profile.input.target(options)?;
    let framing = match profile.head {
        Head::Boxes(_) => Framing::Letterbox(Letterbox::fit(image.size(), target, stride)),
        Head::Classes { .. } => Framing::CentreCrop,
    };
    let input = match framing {
        Framing::Letterbox(letterbox) => letterbox.input,
        Framing::CentreCrop => target,
    };
    tensor.dims = [1, 3, input.height as usize, input.width as usize];
    match profile.input.element {
        InputElement::F32 => fill::<f32>(image, framing, input, &mut tensor.data),
        InputElement::F16 => fill::<f16>(image, framing, input, &mut tensor.data),
    }
    Ok(framing)
}

fn fill<T: Sample>(image: &RgbImage, framing: Framing, input: Size, data: &mut TensorData) {
    let mut buffer = T::take_buffer(data);
    buffer.resize(3 * input.width as usize * input.height as usize, T::default());
    match framing {
        Framing::Letterbox(letterbox) => letterbox::fill(image, letterbox, &mut buffer),
        Framing::CentreCrop => crop::fill(image, input, &mut buffer),
    }
    *data = T::wrap(buffer);
}
