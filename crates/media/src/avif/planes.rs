//! The planes of a decoded AV1 picture, 8 bits deep.

/// How often chroma is sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chroma {
    /// Not at all: the picture is grey.
    None,
    /// For two by two pixels.
    HalfBoth,
    /// For two pixels of a row.
    HalfWidth,
    /// For each pixel.
    Full,
}

/// Luma and chroma. Samples of more than 8 bits lose the lower ones, as the reference decoders have it.
#[derive(Debug, Clone)]
pub(super) struct Planes {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) chroma: Chroma,
    /// Luma, row by row without gaps.
    pub(super) y: Vec<u8>,
    /// Both planes of chroma, row by row without gaps; empty for a grey picture.
    pub(super) uv: [Vec<u8>; 2],
}

impl Chroma {
    /// Width and height of a plane of chroma.
    pub(super) fn size(self, width: u32, height: u32) -> (u32, u32) {
        match self {
            Self::None => (0, 0),
            Self::HalfBoth => (width.div_ceil(2), height.div_ceil(2)),
            Self::HalfWidth => (width.div_ceil(2), height),
            Self::Full => (width, height),
        }
    }
}

impl Planes {
    /// A row of luma.
    pub(super) fn luma_row(&self, row: usize) -> &[u8] {
        let width = self.width as usize;
        &self.y[row * width..][..width]
    }

    /// A row of both chromas with a sample for each pixel; a grey picture leaves them as they are.
    pub(super) fn chroma_row(&self, row: usize, u: &mut [u8], v: &mut [u8]) {
        let (width, height) = self.chroma.size(self.width, self.height);
        let (width, height) = (width as usize, height as usize);
        for (plane, into) in self.uv.iter().zip([u, v]) {
            let at = |row: usize| &plane[row.min(height - 1) * width..][..width];
            match self.chroma {
                Chroma::None => {}
                Chroma::Full => into.copy_from_slice(at(row)),
                Chroma::HalfWidth => enlarge(at(row), at(row), into),
                // The nearer of two rows counts three times; an even row is nearer to the one above its own.
                Chroma::HalfBoth => {
                    let near = row / 2;
                    let far = if row.is_multiple_of(2) { near.saturating_sub(1) } else { near + 1 };
                    enlarge(at(near), at(far), into);
                }
            }
        }
    }
}

/// Twice as many samples as before, 3 : 1 between neighbours; the outermost ones have only themselves.
fn enlarge(near: &[u8], far: &[u8], into: &mut [u8]) {
    let column = |at: usize| 3 * u32::from(near[at]) + u32::from(far[at]);
    let last = into.len() - 1;
    for (x, sample) in into.iter_mut().enumerate() {
        let own = x / 2;
        let other = match x {
            0 => own,
            _ if x == last => own,
            _ if x % 2 == 0 => own - 1,
            _ => own + 1,
        };
        *sample = ((3 * column(own) + column(other) + 8) >> 4) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_share_three_to_one_and_edges_keep_their_own() {
        let mut into = [0; 4];
        enlarge(&[0, 100], &[0, 100], &mut into);
        assert_eq!(into, [0, 25, 75, 100]);
        // An odd width ends with the sample itself.
        let mut into = [0; 3];
        enlarge(&[0, 100], &[0, 100], &mut into);
        assert_eq!(into, [0, 25, 100]);
        enlarge(&[0, 0], &[160, 160], &mut into);
        assert_eq!(into, [40; 3]);
    }

    #[test]
    fn a_single_pixel_has_its_own_chroma() {
        let planes = Planes { width: 1, height: 1, chroma: Chroma::HalfBoth, y: vec![9], uv: [vec![7], vec![8]] };
        let (mut u, mut v) = ([0], [0]);
        planes.chroma_row(0, &mut u, &mut v);
        assert_eq!((u, v), ([7], [8]));
    }
}
