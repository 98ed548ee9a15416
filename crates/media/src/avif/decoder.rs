//! The AV1 bitstream through rav1d.

use re_rav1d::dav1d::pixel::{MatrixCoefficients, YUVRange};
use re_rav1d::dav1d::{
    BitsPerComponent, DecodeFrameType, Decoder, Error, Picture, PixelLayout, PlanarImageComponent, Settings,
};

use super::colour::Colour;
use super::container::Container;
use super::corrupt;
use super::planes::{Chroma, Planes};
use crate::{DecodeError, ImageFormat};

/// What comes out of the bitstream.
pub(super) struct Decoded {
    pub(super) planes: Planes,
    /// What the bitstream itself says of its colours.
    pub(super) colour: Colour,
}

/// Decodes the picture, which must have the container's size.
pub(super) fn decode(container: &Container<'_>) -> Result<Decoded, DecodeError> {
    let mut settings = Settings::new();
    settings.set_n_threads(1);
    settings.set_max_frame_delay(1);
    // No frame may be larger than what the limits were held against.
    let pixels = u64::from(container.width) * u64::from(container.height);
    settings.set_frame_size_limit(u32::try_from(pixels).unwrap_or(u32::MAX));
    // A still picture is one frame that needs no other; more of them would only be work.
    settings.set_decode_frame_type(DecodeFrameType::Key);
    let mut decoder = Decoder::with_settings(&settings).map_err(|error| refuse(&error))?;
    match decoder.send_data(container.data.to_vec(), None, None, None) {
        Ok(()) | Err(Error::Again) => {}
        Err(error) => return Err(refuse(&error)),
    }
    let picture = decoder.get_picture().map_err(|error| match error {
        Error::Again => corrupt("it ends before its picture"),
        error => refuse(&error),
    })?;
    if (picture.width(), picture.height()) != (container.width, container.height) {
        return Err(corrupt("its size and its pixels disagree"));
    }
    Ok(Decoded { planes: planes(&picture)?, colour: colour(&picture) })
}

fn planes(picture: &Picture) -> Result<Planes, DecodeError> {
    let chroma = match picture.pixel_layout() {
        PixelLayout::I400 => Chroma::None,
        PixelLayout::I420 => Chroma::HalfBoth,
        PixelLayout::I422 => Chroma::HalfWidth,
        PixelLayout::I444 => Chroma::Full,
    };
    let Some(BitsPerComponent(bits @ 8..=12)) = picture.bits_per_component() else {
        return Err(corrupt("its samples are of no known depth"));
    };
    let (width, height) = (picture.width(), picture.height());
    let plane = |component, (width, height)| plane(picture, component, (width, height), bits);
    let y = plane(PlanarImageComponent::Y, (width, height));
    let size = chroma.size(width, height);
    let uv = match chroma {
        Chroma::None => [Vec::new(), Vec::new()],
        _ => [PlanarImageComponent::U, PlanarImageComponent::V].map(|component| plane(component, size)),
    };
    Ok(Planes { width, height, chroma, y, uv })
}

/// A plane's samples without the gaps between its rows, the upper 8 bits of each.
fn plane(picture: &Picture, component: PlanarImageComponent, (width, height): (u32, u32), bits: usize) -> Vec<u8> {
    let (width, height, stride) = (width as usize, height as usize, picture.stride(component) as usize);
    let data = picture.plane(component);
    let mut samples = Vec::with_capacity(width * height);
    for row in data.chunks(stride).take(height) {
        if bits == 8 {
            samples.extend_from_slice(&row[..width]);
        } else {
            let high = |pair: &[u8]| (u16::from_ne_bytes([pair[0], pair[1]]) >> (bits - 8)) as u8;
            samples.extend(row[..2 * width].chunks_exact(2).map(high));
        }
    }
    samples
}

fn colour(picture: &Picture) -> Colour {
    let matrix = match picture.matrix_coefficients() {
        MatrixCoefficients::Identity => 0,
        MatrixCoefficients::BT709 => 1,
        MatrixCoefficients::BT470M => 4,
        MatrixCoefficients::ST240M => 7,
        MatrixCoefficients::YCgCo => 8,
        MatrixCoefficients::BT2020NonConstantLuminance => 9,
        MatrixCoefficients::BT2020ConstantLuminance => 10,
        _ => 2,
    };
    Colour { matrix, is_full_range: picture.color_range() == YUVRange::Full }
}

fn refuse(error: &Error) -> DecodeError {
    match error {
        Error::NotEnoughMemory => {
            DecodeError::TooCostly { format: ImageFormat::Avif, reason: "it would take too much memory" }
        }
        Error::UnsupportedBitstream => DecodeError::Unsupported { reason: "it uses a part of AV1 that is not read" },
        _ => corrupt("its contents break the format's rules"),
    }
}
