//! Pictures from and to files, for drawing.

use std::fs::Permissions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use ortolan_media::{DecodeLimits, decode_image};

use crate::Failure;
use ortolan_vision::draw::Canvas;

/// Decodes a picture, upright. `name` is for the message when that fails.
pub fn read_picture(bytes: &[u8], name: &Path) -> Result<Canvas, Failure> {
    let picture =
        decode_image(bytes, &DecodeLimits::default()).map_err(|error| Failure::file("draw into", name, error))?;
    let (width, height) = (picture.width(), picture.height());
    Canvas::new(width, height, picture.into_pixels())
        .ok_or_else(|| Failure::file("draw into", name, "it has no pixels"))
}

/// Writes a PNG; what was at `path` before stays whole until the new one is.
pub fn write_png(canvas: &Canvas, path: &Path) -> Result<(), Failure> {
    replace(path, |writer| {
        let encoder = PngEncoder::new_with_quality(writer, CompressionType::Fast, FilterType::Adaptive);
        let written = encoder.write_image(canvas.pixels(), canvas.width(), canvas.height(), ExtendedColorType::Rgb8);
        written.map_err(|error| Failure::file("write", path, error))
    })
}

/// Writes a file that is a picture already, in the same way.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    replace(path, |writer| writer.write_all(bytes).map_err(|error| Failure::file("write", path, error)))
}

fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<(), Failure>) -> Result<(), Failure> {
    let failed = |error| Failure::file("write", path, error);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The process's umask takes away from this, as for any new file.
    let mode = Permissions::from_mode(0o666);
    let file = tempfile::Builder::new().permissions(mode).tempfile_in(folder).map_err(failed)?;
    let mut writer = BufWriter::new(&file);
    write(&mut writer)?;
    writer.into_inner().map_err(|error| failed(error.into_error()))?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_written_picture_reads_the_same_and_replaces_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("boxes.png");
        std::fs::write(&path, b"old").unwrap();
        let canvas = Canvas::new(3, 2, (0..18).collect()).unwrap();
        write_png(&canvas, &path).unwrap();
        assert_eq!(read_picture(&std::fs::read(&path).unwrap(), &path).unwrap(), canvas);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_turned_photograph_is_read_upright() {
        let bytes = include_bytes!("../../../fixtures/images/shapes_v_exif6.jpg");
        let upright = include_bytes!("../../../fixtures/images/shapes_v.png");
        let (turned, upright) =
            (read_picture(bytes, Path::new("a")).unwrap(), read_picture(upright, Path::new("b")).unwrap());
        assert_eq!((turned.width(), turned.height()), (upright.width(), upright.height()));
    }

    #[test]
    fn what_is_no_picture_or_no_folder_is_told() {
        let failure = read_picture(b"hello", Path::new("note.txt")).unwrap_err();
        assert!(failure.to_text().contains("note.txt"), "{failure}");
        let canvas = Canvas::new(1, 1, vec![0; 3]).unwrap();
        assert!(write_png(&canvas, Path::new("/nonexistent/folder/a.png")).is_err());
    }
}
