//! Cut and altered pictures: never a panic, always the same answer, limits hold.
#![allow(clippy::unwrap_used)]

use std::{fs, path::PathBuf};

use ortolan_media::{DecodeError, DecodeLimits, decode_image, probe_image};

const PICTURES: &[&str] = &[
    "shapes_v_exif6.jpg",
    "shapes_v_cmyk.jpg",
    "shapes_v_gray.png",
    "shapes_v.webp",
    "shapes_v_palette.gif",
    "shapes_v.tif",
    "shapes_v.bmp",
    "shapes_v.avif",
];

fn read(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/images").join(name)).unwrap()
}

#[test]
fn a_picture_that_ends_early_is_refused() {
    for name in PICTURES {
        let bytes = read(name);
        for percent in (0..97).step_by(6) {
            let cut = &bytes[..bytes.len() * percent / 100];
            assert!(decode_image(cut, &DecodeLimits::default()).is_err(), "{name} cut to {percent} %");
        }
    }
}

#[test]
fn altered_bytes_give_the_same_answer_twice() {
    for name in PICTURES {
        let original = read(name);
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..60 {
            let mut bytes = original.clone();
            for _ in 0..4 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let reach = if random & 1 == 0 { bytes.len() } else { 700 };
                bytes[(random >> 33) as usize % reach] ^= (random >> 24) as u8;
            }
            let limits = DecodeLimits { max_pixels: 1 << 20, max_side: 4096 };
            assert_eq!(decode_image(&bytes, &limits), decode_image(&bytes, &limits), "{name}");
        }
    }
}

#[test]
fn limits_are_judged_by_the_header() {
    for name in PICTURES {
        let bytes = read(name);
        for limits in
            [DecodeLimits { max_pixels: 76_799, max_side: 320 }, DecodeLimits { max_pixels: 76_800, max_side: 319 }]
        {
            let refusal = decode_image(&bytes, &limits).unwrap_err();
            assert!(matches!(refusal, DecodeError::TooLarge { .. }), "{name}: {refusal}");
            assert_eq!(probe_image(&bytes, &limits).unwrap_err(), refusal, "{name}");
        }
        assert!(decode_image(&bytes, &DecodeLimits { max_pixels: 76_800, max_side: 320 }).is_ok(), "{name}");
    }
}
