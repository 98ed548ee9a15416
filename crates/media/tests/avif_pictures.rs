//! AVIF in all samplings, depths, ranges, matrices and orientations gives the bytes of libavif; what is no sound AVIF is
//! refused.
#![allow(clippy::unwrap_used)]

use std::{fs, path::PathBuf};

use ortolan_media::{DecodeError, DecodeLimits, decode_image, probe_image};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn read(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/avif").join(name)).unwrap()
}

fn refusal(bytes: &[u8]) -> String {
    decode_image(bytes, &DecodeLimits::default()).unwrap_err().to_string()
}

/// A file with the first occurrence of some bytes replaced by as many others.
fn changed(name: &str, from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = read(name);
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to);
    bytes
}

#[test]
fn every_kind_gives_the_bytes_of_the_reference() {
    let expected: Value = serde_json::from_slice(&read("expected.json")).unwrap();
    let pictures = expected["pictures"].as_array().unwrap();
    let mut different = Vec::new();
    for picture in pictures {
        let name = picture["file"].as_str().unwrap();
        let bytes = read(name);
        let image = decode_image(&bytes, &DecodeLimits::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let facts = probe_image(&bytes, &DecodeLimits::default()).unwrap();
        assert_eq!((facts.width, facts.height), (image.width(), image.height()), "{name}");
        assert_eq!((&picture["width"], &picture["height"]), (&image.width().into(), &image.height().into()), "{name}");
        let sha256: String = Sha256::digest(image.pixels()).iter().map(|byte| format!("{byte:02x}")).collect();
        if picture["rgb_sha256"] != sha256 {
            different.push(name);
        }
    }
    assert!(pictures.len() >= 24 && different.is_empty(), "{different:?}");
}

#[test]
fn the_size_in_the_container_is_judged_before_the_decoder_is_asked() {
    // Width and height of 65,535 in the box that says the size.
    let ispe = b"ispe\0\0\0\0\0\0\0\x61\0\0\0\x3d";
    let huge = changed("yuv444.avif", ispe, b"ispe\0\0\0\0\0\0\xff\xff\0\0\xff\xff");
    let refused = decode_image(&huge, &DecodeLimits::default()).unwrap_err();
    assert!(matches!(refused, DecodeError::TooLarge { width: 65_535, height: 65_535, .. }), "{refused}");
    let wrong = changed("yuv444.avif", ispe, b"ispe\0\0\0\0\0\0\0\x62\0\0\0\x3d");
    assert!(refusal(&wrong).contains("disagree"));
    let zero = changed("yuv444.avif", ispe, b"ispe\0\0\0\0\0\0\0\0\0\0\0\x3d");
    assert!(refusal(&zero).contains("zero"));
    // A bitstream that is larger than the container says is stopped by the decoder's own limit.
    let limits = DecodeLimits { max_pixels: 96 * 60, max_side: 4096 };
    let small = changed("yuv444.avif", ispe, b"ispe\0\0\0\0\0\0\0\x60\0\0\0\x3c");
    assert!(matches!(decode_image(&small, &limits), Err(DecodeError::Corrupt { .. })));
}

#[test]
fn hostile_boxes_are_refused_in_time() {
    let ftyp = b"\0\0\0\x14ftypavif\0\0\0\0avif";
    let file = |rest: &[u8]| [&ftyp[..], rest].concat();
    // Boxes without end: of no length, of a length behind the file's end, and very many empty ones.
    for rest in
        [&b"\0\0\0\x04meta"[..], b"\xff\xff\xff\xffmeta", b"\0\0\0\x01meta\xff\xff\xff\xff\xff\xff\xff\xff", b""]
    {
        assert!(refusal(&file(rest)).contains("damaged"), "{rest:?}");
    }
    let many = file(&b"\0\0\0\x08free".repeat(1 << 20));
    assert!(refusal(&many).contains("no list of its parts"));
    let nested = file(&b"\0\0\x40\0meta\0\0\0\0".repeat(1_000));
    assert!(decode_image(&nested, &DecodeLimits::default()).is_err());
    // Other files of the family.
    for brand in [b"heic", b"mp42", b"isom"] {
        let other = [&b"\0\0\0\x14ftyp"[..], brand, b"\0\0\0\0mif1"].concat();
        assert!(refusal(&other).contains("HEIC and video"), "{brand:?}");
    }
    assert!(refusal(&changed("yuv444.avif", b"av01Color", b"gridColor")).contains("put together"));
    assert!(refusal(&changed("yuv444.avif", b"av01Color", b"hvc1Color")).contains("not coded as AV1"));
}

#[test]
fn cut_and_altered_files_never_end_the_process() {
    for name in ["yuv420_odd.avif", "deep10_420_bt709.avif", "gray.avif", "orientation6.avif"] {
        let original = read(name);
        for end in (0..original.len()).step_by(7) {
            assert!(decode_image(&original[..end], &DecodeLimits::default()).is_err(), "{name} cut to {end}");
        }
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..300 {
            let mut bytes = original.clone();
            for _ in 0..3 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = (random >> 33) as usize % bytes.len();
                bytes[at] ^= (random >> 24) as u8;
            }
            let limits = DecodeLimits { max_pixels: 1 << 20, max_side: 4096 };
            assert_eq!(decode_image(&bytes, &limits), decode_image(&bytes, &limits), "{name}");
        }
    }
}
