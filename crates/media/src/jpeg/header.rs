//! A JPEG's segments up to its first scan: size, coding and orientation, read without the decoder.

use image::metadata::Orientation;

use super::corrupt;
use crate::DecodeError;

/// Begins every marker.
const MARK: u8 = 0xff;
const START_OF_SCAN: u8 = 0xda;
const END_OF_IMAGE: u8 = 0xd9;
const EXIF_SEGMENT: u8 = 0xe1;
const EXIF_SIGNATURE: &[u8] = b"Exif\0\0";

/// What the frame header and the EXIF segment say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) width: u16,
    pub(super) height: u16,
    /// 1 grey, 3 colour, 4 CMYK or YCCK.
    pub(super) components: u8,
    pub(super) orientation: Orientation,
}

/// One marker segment; `payload` is empty for markers without a length.
struct Segment<'a> {
    marker: u8,
    payload: &'a [u8],
}

impl Header {
    /// Reads the segments before the first scan.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut header = None;
        let mut orientation = None;
        for segment in Segments::of(bytes) {
            match segment.marker {
                START_OF_SCAN => {
                    let header: Self = header.ok_or(corrupt("a scan comes before the frame header"))?;
                    return Ok(Self { orientation: orientation.unwrap_or(Orientation::NoTransforms), ..header });
                }
                EXIF_SEGMENT => orientation = orientation.or_else(|| exif_orientation(segment.payload)),
                marker if is_frame_header(marker) => header = Some(Self::from_frame(marker, segment.payload)?),
                _ => {}
            }
        }
        Err(corrupt("it ends before its first scan"))
    }

    fn from_frame(marker: u8, payload: &[u8]) -> Result<Self, DecodeError> {
        let &[precision, h1, h0, w1, w0, components, ..] = payload else {
            return Err(corrupt("its frame header is too short"));
        };
        if !matches!(marker, 0xc0..=0xc2) {
            return Err(DecodeError::Unsupported { reason: "the JPEG is lossless, hierarchical or arithmetic-coded" });
        }
        if precision != 8 || !matches!(components, 1 | 3 | 4) {
            return Err(DecodeError::Unsupported { reason: "the JPEG is not 8 bits deep with 1, 3 or 4 components" });
        }
        let (width, height) = (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]));
        if width == 0 || height == 0 {
            return Err(corrupt("its width or height is zero"));
        }
        Ok(Self { width, height, components, orientation: Orientation::NoTransforms })
    }
}

/// Counts scans in the whole file: what follows a scan's header is skipped up to the next marker.
pub(super) fn count_scans(bytes: &[u8]) -> usize {
    Segments::of(bytes).filter(|segment| segment.marker == START_OF_SCAN).count()
}

/// Walks over marker segments from the start of the file; stops at the end marker and at anything malformed.
struct Segments<'a> {
    rest: &'a [u8],
}

impl<'a> Segments<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes.get(2..).unwrap_or_default() }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        let mut marks = memchr::memchr_iter(MARK, self.rest);
        let marker_at = marks.find(|&at| self.rest.get(at + 1).is_some_and(|&code| is_marker(code)))?;
        let marker = self.rest[marker_at + 1];
        let body = &self.rest[marker_at + 2..];
        if marker == END_OF_IMAGE {
            return None;
        }
        let &[high, low, ..] = body else { return None };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let payload = body.get(2..length)?;
        self.rest = &body[length..];
        Some(Segment { marker, payload })
    }
}

/// Whether a byte after 0xff makes a marker with a length, or the end marker; stuffing, fill bytes, restarts and the
/// start marker do not.
fn is_marker(code: u8) -> bool {
    matches!(code, 0xc0..=0xcf | END_OF_IMAGE..=0xfe)
}

fn is_frame_header(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

fn exif_orientation(payload: &[u8]) -> Option<Orientation> {
    payload.strip_prefix(EXIF_SIGNATURE).and_then(Orientation::from_exif_chunk)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const FRAME: [u8; 19] = [0xff, 0xc0, 0, 17, 8, 0, 16, 0, 32, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0];
    const SCAN: [u8; 8] = [0xff, 0xda, 0, 6, 1, 1, 0, 0];

    fn file(segments: &[&[u8]]) -> Vec<u8> {
        [&[&[0xff, 0xd8][..]], segments].concat().concat()
    }

    #[test]
    fn reads_the_size_and_the_first_orientation() {
        let exif = b"\xff\xe1\0\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let header = Header::read(&file(&[exif, &FRAME, &[0xff, 0xff], &SCAN])).unwrap();
        assert_eq!((header.width, header.height, header.components), (32, 16, 3));
        assert_eq!(header.orientation, Orientation::Rotate90);
    }

    #[test]
    fn counts_scans_but_not_stuffed_bytes_or_restarts() {
        let data = [0xff, 0x00, 0xda, 0xff, 0xd0, 0x12];
        assert_eq!(count_scans(&file(&[&FRAME, &SCAN, &data, &SCAN, &data, &[0xff, 0xd9], &SCAN])), 2);
    }

    #[test]
    fn every_cut_of_a_header_is_an_error() {
        let whole = file(&[&FRAME, &SCAN]);
        assert!(Header::read(&whole).is_ok());
        for end in 0..whole.len() - 4 {
            assert!(Header::read(&whole[..end]).is_err(), "cut at {end}");
        }
    }
}
