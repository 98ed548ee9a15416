//! Every fixture picture decodes to exactly the bytes that the reference decoders gave.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fs, path::PathBuf};

use ortolan_media::{DecodeLimits, decode_image, probe_image};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// For each picture, what the reference files say of its decoded form.
fn expectations() -> BTreeMap<String, Value> {
    let mut expectations = BTreeMap::new();
    for entry in fs::read_dir(fixtures().join("reference")).unwrap() {
        let reference: Value = serde_json::from_slice(&fs::read(entry.unwrap().path()).unwrap()).unwrap();
        // Those of tiled detection say nothing of pixels.
        if let (Some(image), true) = (reference["image"].as_str(), reference["decoded"].is_object()) {
            expectations.insert(image.to_owned(), reference["decoded"].clone());
        }
    }
    expectations
}

#[test]
fn pixels_equal_the_reference() {
    let expectations = expectations();
    assert!(expectations.len() >= 22, "{} pictures", expectations.len());
    for (name, decoded) in expectations {
        let bytes = fs::read(fixtures().join("images").join(&name)).unwrap();
        let image = decode_image(&bytes, &DecodeLimits::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let facts = probe_image(&bytes, &DecodeLimits::default()).unwrap();
        assert_eq!((facts.width, facts.height), (image.width(), image.height()), "{name}");
        assert_eq!(decoded["width"], image.width(), "{name}");
        assert_eq!(decoded["height"], image.height(), "{name}");
        let sha256: String = Sha256::digest(image.pixels()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(decoded["rgb_sha256"], sha256, "{name}");
    }
}

#[test]
fn decoded_copies_equal_their_jpegs() {
    for name in ["shapes_b", "shapes_crowd"] {
        let read = |file: String| {
            let bytes = fs::read(fixtures().join("images").join(file)).unwrap();
            decode_image(&bytes, &DecodeLimits::default()).unwrap()
        };
        assert!(read(format!("{name}.jpg")) == read(format!("{name}_decoded.png")), "{name}");
    }
}

#[test]
fn the_format_is_told_by_content() {
    for (name, content_type) in [
        ("shapes_v.png", "image/png"),
        ("shapes_v.bmp", "image/bmp"),
        ("shapes_v.tif", "image/tiff"),
        ("shapes_v.webp", "image/webp"),
        ("shapes_v_palette.gif", "image/gif"),
        ("shapes_v_exif6.jpg", "image/jpeg"),
        ("shapes_v.avif", "image/avif"),
    ] {
        let bytes = fs::read(fixtures().join("images").join(name)).unwrap();
        let facts = probe_image(&bytes, &DecodeLimits::default()).unwrap();
        assert_eq!((facts.content_type(), facts.width, facts.height), (content_type, 320, 240), "{name}");
    }
}
