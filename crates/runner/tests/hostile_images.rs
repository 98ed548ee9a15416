//! Every hostile picture gets an answer or a refusal of the right kind, whether it is probed or used, in a runner that
//! lives on.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use ortolan_domain::Slot;
use ortolan_runner::{CallContext, MediaRefusal, RunnerError, RunnerSettings};
use ortolan_vision::VisionOptions;
use support::*;

/// Width and height of those that are decoded.
const DECODED: &[(&str, u32, u32)] = &[
    ("animated.webp", 16, 16),
    ("apng_frames.png", 8, 8),
    ("deflate_bomb.tif", 8000, 8000),
    ("exif_count_huge.jpg", 32, 16),
    ("exif_loop.jpg", 32, 16),
    ("exif_orientation_255.jpg", 32, 16),
    ("exif_orientation_6.jpg", 16, 32),
    ("exif_thumbnail_60k.jpg", 32, 16),
    ("frames_10000.gif", 64, 64),
    ("gifar.gif", 1, 1),
    ("html_in_jpeg.jpg", 16, 16),
    ("iccp_bomb.png", 2, 2),
    ("jpeg_named.png", 32, 32),
    ("one_pixel.png", 1, 1),
    ("text_markup.png", 2, 2),
    ("thin_1x60000.png", 1, 60000),
    ("ztxt_bomb.png", 2, 2),
];

const REFUSED: &[(&str, MediaRefusal)] = &[
    ("bad_crc.png", MediaRefusal::Corrupt),
    ("bmp_negative.bmp", MediaRefusal::Corrupt),
    ("bomb_30000_rgb.png", MediaRefusal::TooLarge),
    ("bomb_60000.png", MediaRefusal::TooLarge),
    ("bomb_rgba16.png", MediaRefusal::TooLarge),
    ("boxes_endless.avif", MediaRefusal::Corrupt),
    ("canvas_16m.webp", MediaRefusal::TooLarge),
    ("canvas_65535.gif", MediaRefusal::TooLarge),
    ("dims_huge.avif", MediaRefusal::TooLarge),
    ("dims_huge.tif", MediaRefusal::TooLarge),
    ("empty.jpg", MediaRefusal::Corrupt),
    ("header_65535.jpg", MediaRefusal::TooLarge),
    ("header_max.png", MediaRefusal::TooLarge),
    ("header_zero.jpg", MediaRefusal::Corrupt),
    ("header_zero.png", MediaRefusal::Corrupt),
    ("ico_many.ico", MediaRefusal::Unsupported),
    ("ifd_loop.tif", MediaRefusal::Corrupt),
    ("palette_missing.png", MediaRefusal::Corrupt),
    ("progressive_bomb.jpg", MediaRefusal::TooLarge),
    ("script.svg", MediaRefusal::Unsupported),
    ("size_lie.avif", MediaRefusal::Corrupt),
    ("strips_huge.tif", MediaRefusal::TooLarge),
    ("svg_named.png", MediaRefusal::Unsupported),
    ("truncated.avif", MediaRefusal::Corrupt),
    ("truncated.jpg", MediaRefusal::Corrupt),
    ("truncated.png", MediaRefusal::Corrupt),
];

#[test]
fn the_tables_name_every_file() {
    let entries = std::fs::read_dir(fixtures().join("hostile/images")).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    let mut named: Vec<_> = DECODED.iter().map(|row| row.0).chain(REFUSED.iter().map(|row| row.0)).collect();
    named.sort();
    assert_eq!(named, files);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_decoded_or_refused_within_the_memory_limit() {
    let pool = start(RunnerSettings { memory_limit_bytes: 1 << 30, ..settings() }).await;
    let source = Source::of("models/shapes_det_160.onnx");
    let look = async |name: &str| {
        let picture = fixture(&format!("hostile/images/{name}"));
        let probed = pool.probe_media(&tenant("a"), picture.clone(), CallContext::default()).await;
        let seen = see(&pool, &key("a", Slot::Detect), source.clone(), VisionOptions::default(), picture).await;
        let seen = seen.map(|answer| (answer.width, answer.height));
        (probed.map(|facts| (facts.width.unwrap(), facts.height.unwrap())), seen)
    };
    for (name, width, height) in DECODED {
        assert_eq!(look(name).await, (Ok((*width, *height)), Ok((*width, *height))), "{name}");
    }
    for (name, kind) in REFUSED {
        let (probed, seen) = look(name).await;
        assert_eq!(probed, seen, "{name}");
        let Err(RunnerError::MediaRefused { kind: refused, reason }) = probed else { panic!("{name}: {probed:?}") };
        assert_eq!(refused, *kind, "{name}: {reason}");
    }
    assert_eq!(pool.deaths(), []);
    assert_eq!(source.fetched(), 1, "one runner served them all");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_set_limit_of_pixels_holds_in_the_runner() {
    let pool = start(RunnerSettings { picture_limit_px: 320 * 240, ..settings() }).await;
    let source = Source::of("models/shapes_det_160.onnx");
    let look = async |picture: &str| {
        see(&pool, &key("a", Slot::Detect), Arc::clone(&source), VisionOptions::default(), fixture(picture)).await
    };
    assert!(look("images/shapes_v.png").await.is_ok(), "exactly as many");
    let refused = look("images/shapes_b.jpg").await;
    let Err(RunnerError::MediaRefused { kind: MediaRefusal::TooLarge, reason }) = refused else {
        panic!("{refused:?}")
    };
    assert!(reason.contains("640 x 480") && reason.contains("76800 in all"), "{reason}");
    let probed = pool.probe_media(&tenant("a"), fixture("images/shapes_b.jpg"), CallContext::default()).await;
    assert!(matches!(probed, Err(RunnerError::MediaRefused { kind: MediaRefusal::TooLarge, .. })), "{probed:?}");
}
