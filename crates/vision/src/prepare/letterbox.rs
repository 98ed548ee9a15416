//! Resizes a picture, pads it and packs it into planes.

use super::{resize::Resizer, samples::Sample};
use crate::{geometry::Letterbox, picture::PictureView};

/// Level of the padding.
const PADDING: u8 = 114;

/// Fills `planes`, three of the letterbox's input size one after the other.
pub(super) fn fill<T: Sample>(image: PictureView<'_>, letterbox: Letterbox, planes: &mut [T]) {
    let table = T::table();
    let plane_len = planes.len() / 3;
    let width = letterbox.input.width as usize;
    let top = letterbox.pad_top as usize;
    let inside = top..top + letterbox.resized.height as usize;
    let mut levels = RowSource::new(image, letterbox);
    let (red, others) = planes.split_at_mut(plane_len);
    let (green, blue) = others.split_at_mut(plane_len);
    let rows = red.chunks_exact_mut(width).zip(green.chunks_exact_mut(width)).zip(blue.chunks_exact_mut(width));
    for (y, ((red, green), blue)) in rows.enumerate() {
        let mut rows = [red, green, blue];
        if inside.contains(&y) {
            let left = letterbox.pad_left as usize;
            levels.write(y - top, left, &table, &mut rows);
        } else {
            rows.iter_mut().for_each(|row| row.fill(table[PADDING as usize]));
        }
    }
}

/// Where the rows of the picture inside the letterbox come from.
enum RowSource<'a> {
    /// The picture fits as it is.
    Unchanged(PictureView<'a>),
    Resized {
        resizer: Box<Resizer<'a>>,
        levels: Vec<u8>,
    },
}

impl<'a> RowSource<'a> {
    fn new(image: PictureView<'a>, letterbox: Letterbox) -> Self {
        if letterbox.resized == letterbox.original {
            return Self::Unchanged(image);
        }
        let levels = vec![0; 3 * letterbox.resized.width as usize];
        Self::Resized { resizer: Box::new(Resizer::new(image, letterbox.resized)), levels }
    }

    /// Writes row `y` of the picture into one row of each plane, `left` columns in, padding on both sides.
    fn write<T: Sample>(&mut self, y: usize, left: usize, table: &[T; 256], rows: &mut [&mut [T]; 3]) {
        let width = match self {
            Self::Unchanged(image) => {
                let source = image.row(y);
                for (channel, row) in rows.iter_mut().enumerate() {
                    let levels = source.iter().skip(channel).step_by(3);
                    row[left..].iter_mut().zip(levels).for_each(|(to, &level)| *to = table[level as usize]);
                }
                source.len() / 3
            }
            Self::Resized { resizer, levels } => {
                resizer.row(y, levels);
                let width = levels.len() / 3;
                for (row, levels) in rows.iter_mut().zip(levels.chunks_exact(width)) {
                    row[left..].iter_mut().zip(levels).for_each(|(to, &level)| *to = table[level as usize]);
                }
                width
            }
        };
        for row in rows {
            row[..left].fill(table[PADDING as usize]);
            row[left + width..].fill(table[PADDING as usize]);
        }
    }
}
