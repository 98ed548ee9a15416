//! From luma and chroma to red, green and blue, in the integers of libyuv, which the reference decoders use: 8-bit samples,
//! chroma enlarged by 3 : 1, coefficients of 6 bits.

use super::planes::Planes;

/// Matrix coefficients and range of a picture's samples (ITU-T H.273).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colour {
    /// How red, green and blue become luma and chroma.
    pub(super) matrix: u16,
    /// Luma takes all values, not only those of television.
    pub(super) is_full_range: bool,
}

/// Green, blue and red as they are, in place of luma and chroma.
const IDENTITY: u16 = 0;
const BT709: u16 = 1;
const FCC: u16 = 4;
const SMPTE240: u16 = 7;
const YCGCO: u16 = 8;
const BT2020: u16 = 9;
const BT2020_CONSTANT: u16 = 10;

/// What one sample of luma and chroma is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Weights {
    luma: u32,
    bias: i32,
    blue_of_u: i32,
    green_of_u: i32,
    green_of_v: i32,
    red_of_v: i32,
}

impl Weights {
    /// libyuv's own numbers where it has them; what it lacks is computed in the same way.
    fn of(colour: Colour) -> Self {
        let weights = |luma, bias, [blue_of_u, green_of_u, green_of_v, red_of_v]: [i32; 4]| Self {
            luma,
            bias,
            blue_of_u,
            green_of_u,
            green_of_v,
            red_of_v,
        };
        match (colour.matrix, colour.is_full_range) {
            (BT709, true) => weights(16_320, 32, [119, 12, 30, 101]),
            (BT709, false) => weights(18_997, -1_160, [128, 14, 34, 115]),
            (BT2020, true) => weights(16_320, 32, [120, 11, 37, 94]),
            (BT2020, false) => weights(19_003, -1_160, [128, 12, 42, 107]),
            (FCC, full) => Self::computed(0.30, 0.11, full),
            (SMPTE240, full) => Self::computed(0.212, 0.087, full),
            (BT2020_CONSTANT, full) => Self::computed(0.2627, 0.0593, full),
            // Also what says nothing of its colours, which the reference takes for BT.601.
            (_, true) => weights(16_320, 32, [113, 22, 46, 90]),
            (_, false) => weights(18_997, -1_160, [128, 25, 52, 102]),
        }
    }

    /// From the shares of red and blue in luma.
    fn computed(red: f64, blue: f64, is_full_range: bool) -> Self {
        let green = 1.0 - red - blue;
        let (luma, bias, chroma) =
            if is_full_range { (16_320, 32, 64.0) } else { (18_997, -1_160, 64.0 * 255.0 / 224.0) };
        let sixth = |weight: f64| (weight * chroma).round() as i32;
        Self {
            luma,
            bias,
            blue_of_u: sixth(2.0 * (1.0 - blue)).min(128),
            green_of_u: sixth(2.0 * blue * (1.0 - blue) / green),
            green_of_v: sixth(2.0 * red * (1.0 - red) / green),
            red_of_v: sixth(2.0 * (1.0 - red)),
        }
    }

    fn rgb(&self, y: u8, u: u8, v: u8) -> [u8; 3] {
        let luma = ((u32::from(y) * 0x0101 * self.luma) >> 16) as i32 + self.bias;
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        let green = luma - (u * self.green_of_u + v * self.green_of_v);
        [luma + v * self.red_of_v, green, luma + u * self.blue_of_u].map(|sum| (sum >> 6).clamp(0, 255) as u8)
    }
}

/// The picture as interleaved RGB rows.
pub(super) fn to_rgb(planes: &Planes, colour: Colour) -> Vec<u8> {
    let weights = Weights::of(colour);
    let pixel = |y: u8, u: u8, v: u8| match colour.matrix {
        IDENTITY => [v, y, u],
        YCGCO => ycgco(y, u, v),
        _ => weights.rgb(y, u, v),
    };
    let (width, height) = (planes.width as usize, planes.height as usize);
    let mut rgb = Vec::with_capacity(3 * width * height);
    let (mut blue, mut red) = (vec![128; width], vec![128; width]);
    for row in 0..height {
        planes.chroma_row(row, &mut blue, &mut red);
        let luma = planes.luma_row(row);
        for ((&y, &u), &v) in luma.iter().zip(&blue).zip(&red) {
            rgb.extend_from_slice(&pixel(y, u, v));
        }
    }
    rgb
}

fn ycgco(y: u8, u: u8, v: u8) -> [u8; 3] {
    let (y, cg, co) = (i32::from(y), i32::from(u) - 128, i32::from(v) - 128);
    [y - cg + co, y + cg, y - cg - co].map(|sum| sum.clamp(0, 255) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greys_stay_grey_in_every_matrix_and_range() {
        for matrix in [BT709, 2, FCC, 5, 6, SMPTE240, BT2020, BT2020_CONSTANT, 14] {
            for (is_full_range, black, white) in [(true, 0, 255), (false, 16, 235)] {
                let weights = Weights::of(Colour { matrix, is_full_range });
                assert_eq!(weights.rgb(black, 128, 128), [0; 3], "{matrix}");
                assert_eq!(weights.rgb(white, 128, 128), [255; 3], "{matrix}");
            }
        }
    }

    #[test]
    fn computed_weights_are_those_of_the_library() {
        for is_full_range in [true, false] {
            let known = Weights::of(Colour { matrix: 6, is_full_range });
            let computed = Weights::computed(0.299, 0.114, is_full_range);
            assert_eq!(computed, known);
        }
    }
}
