//! The decoder proper: rows of RGB or CMYK from libjpeg-turbo, made RGB.

use std::{
    cell::Cell,
    io::{self, BufRead, Read},
    panic::{AssertUnwindSafe, catch_unwind},
};

use mozjpeg::{ColorSpace, Decompress};

use super::{Header, corrupt};
use crate::DecodeError;

/// Decodes the whole picture, not turned yet: interleaved RGB rows.
pub(super) fn decode(bytes: &[u8], header: &Header) -> Result<Vec<u8>, DecodeError> {
    let ran_out = Cell::new(false);
    let source = Source { rest: bytes, ran_out: &ran_out };
    // The binding reports the C library's errors by unwinding out of it, without calling the panic hook.
    let result = catch_unwind(AssertUnwindSafe(|| decode_rows(source, header)));
    match result {
        Ok(Ok(pixels)) => Ok(pixels),
        _ if ran_out.get() => Err(corrupt("it ends before its last pixel")),
        _ => Err(corrupt("its contents contradict each other")),
    }
}

fn decode_rows(source: Source<'_>, header: &Header) -> io::Result<Vec<u8>> {
    let decoder = Decompress::builder().from_reader(source)?;
    let (width, height) = (usize::from(header.width), usize::from(header.height));
    if decoder.size() != (width, height) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    if header.components < 4 {
        return decoder.rgb()?.read_scanlines();
    }
    let mut decoder = decoder.to_colorspace(ColorSpace::JCS_CMYK)?;
    let mut row = vec![0; 4 * width];
    let mut pixels = Vec::with_capacity(3 * width * height);
    for _ in 0..height {
        decoder.read_scanlines_into(&mut row)?;
        pixels.extend(row.chunks_exact(4).flat_map(cmyk_to_rgb));
    }
    Ok(pixels)
}

/// OpenCV's conversion of inverted planes: what is left of each ink, darkened by black.
fn cmyk_to_rgb(pixel: &[u8]) -> [u8; 3] {
    let black = i32::from(pixel[3]);
    [0, 1, 2].map(|ink| (black - (((255 - i32::from(pixel[ink])) * black) >> 8)) as u8)
}

/// The file's bytes; asking for more than there are is an error, where libjpeg's own sources would make up an end.
struct Source<'a> {
    rest: &'a [u8],
    ran_out: &'a Cell<bool>,
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.rest.read(buffer)
    }
}

impl BufRead for Source<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.rest.is_empty() {
            self.ran_out.set(true);
            // Not `UnexpectedEof`, which the binding answers with a made-up end marker.
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(self.rest)
    }

    fn consume(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes.min(self.rest.len())..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inks_are_mixed_by_shifting() {
        assert_eq!(cmyk_to_rgb(&[255, 128, 0, 255]), [255, 129, 1]);
        assert_eq!(cmyk_to_rgb(&[255, 0, 10, 0]), [0, 0, 0]);
        assert_eq!(cmyk_to_rgb(&[200, 100, 50, 128]), [101, 51, 26]);
    }
}
