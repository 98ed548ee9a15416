//! A picture that is decoded once gives what a picture that comes with each call gives, and is let go of in time.
#![allow(clippy::unwrap_used)]

mod support;

use bytes::Bytes;
use ortolan_domain::Slot;
use ortolan_domain::media::{PictureFormat, PictureWriting};
use ortolan_media::{DecodeLimits, decode_image};
use ortolan_runner::{CallContext, HeldPicture, RunnerError, RunnerPool, VisionAnswer, VisionRequest};
use ortolan_vision::VisionOptions;
use support::{Source, fixture, key, pool, see, tenant};

const DETECTOR: &str = "models/shapes_det_160.onnx";

async fn hold(pool: &RunnerPool, name: &str, picture: Bytes) -> Result<HeldPicture, RunnerError> {
    pool.hold_picture(&tenant(name), 0, picture, CallContext::default()).await
}

async fn detect(pool: &RunnerPool, name: &str, picture: &HeldPicture) -> Result<VisionAnswer, RunnerError> {
    let request = VisionRequest { slot: Slot::Detect, options: VisionOptions::default(), area: Default::default() };
    let key = key(name, Slot::Detect);
    pool.vision_held(&key, Source::of(DETECTOR), request, picture, CallContext::default()).await
}

fn jpeg(longest_edge_px: Option<u32>, quality: u8) -> PictureWriting {
    PictureWriting { format: PictureFormat::Jpeg, longest_edge_px, quality }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_picture_gives_the_same_without_being_decoded_again() {
    let pool = pool().await;
    let bytes = fixture("images/shapes_b.jpg");
    let sent = see(&pool, &key("a", Slot::Detect), Source::of(DETECTOR), VisionOptions::default(), bytes.clone())
        .await
        .unwrap();
    let picture = hold(&pool, "a", bytes).await.unwrap();
    for _ in 0..3 {
        let held = detect(&pool, "a", &picture).await.unwrap();
        assert_eq!((&held.output, held.width, held.height), (&sent.output, picture.width, picture.height));
        assert_eq!(held.timings.decode_us, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_survives_its_runner_because_its_file_is_kept() {
    let pool = pool().await;
    let picture = hold(&pool, "a", fixture("images/shapes_b.jpg")).await.unwrap();
    let before = detect(&pool, "a", &picture).await.unwrap();
    // The runner is let go of; the next model is loaded into a new one.
    pool.clear(None);
    assert_eq!(detect(&pool, "a", &picture).await.unwrap().output, before.output);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_picture_is_not_held() {
    let pool = pool().await;
    let refused = hold(&pool, "a", Bytes::from_static(b"hello")).await.unwrap_err();
    assert!(matches!(refused, RunnerError::MediaRefused { .. }), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_written_whole_however_large_the_file_is() {
    let pool = pool().await;
    // Noise cannot be pressed together: the file has several pieces.
    let mut state = 1_u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    let image = ortolan_vision::RgbImage::new(1500, 1200, noise.take(1500 * 1200 * 3).collect()).unwrap();
    let file = Bytes::from(ortolan_media::encode_jpeg(&image, 95).unwrap());
    let picture = hold(&pool, "a", file.clone()).await.unwrap();
    let written = pool.write_picture(&picture, jpeg(None, 95), CallContext::default()).await.unwrap();
    assert!(written.len() > 1 << 20, "{} bytes are one piece", written.len());
    let read = decode_image(&written, &DecodeLimits::default()).unwrap();
    assert_eq!((read.width(), read.height()), (1500, 1200));
    let small = pool.write_picture(&picture, jpeg(Some(100), 85), CallContext::default()).await.unwrap();
    let read = decode_image(&small, &DecodeLimits::default()).unwrap();
    assert_eq!((read.width(), read.height()), (100, 80));
    let same = pool.write_picture(&picture, jpeg(Some(5000), 85), CallContext::default()).await.unwrap();
    assert_eq!(decode_image(&same, &DecodeLimits::default()).unwrap().width(), 1500, "nothing is enlarged");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_is_drawn_into_a_copy() {
    let pool = pool().await;
    let picture = hold(&pool, "a", fixture("images/shapes_a.png")).await.unwrap();
    let png = PictureWriting { format: PictureFormat::Png, longest_edge_px: None, quality: 85 };
    let pixels = async |picture: &HeldPicture| {
        let file = pool.write_picture(picture, png, CallContext::default()).await.unwrap();
        decode_image(&file, &DecodeLimits::default()).unwrap()
    };
    let before = pixels(&picture).await;
    let found = r#"[{"label": "circle", "class_id": 0, "confidence": 0.9,
                     "bounding_box": {"x": 30, "y": 40, "width": 80, "height": 60}}, {"text": "no place in a picture"}]"#;
    let drawn = pool.draw_into(&picture, found.into(), CallContext::default()).await.unwrap();
    assert_eq!((drawn.width, drawn.height), (picture.width, picture.height));
    let after = pixels(&drawn).await;
    let differ = |x: usize, y: usize| {
        let at = 3 * (y * before.width() as usize + x);
        before.pixels()[at..at + 3] != after.pixels()[at..at + 3]
    };
    assert!(differ(30, 70) && differ(109, 70) && differ(70, 99), "the edges");
    assert!(!differ(70, 70) && !differ(150, 150), "inside and outside");
    assert_eq!(pixels(&picture).await, before, "the original stays as it was");

    // Findings that are too many for a slot travel another way.
    let many = format!("[{}{}]", "{\"text\": \"\"},".repeat(400_000), "{\"text\": \"\"}");
    assert!(many.len() > 4 << 20);
    let drawn = pool.draw_into(&picture, many.into(), CallContext::default()).await.unwrap();
    assert_eq!(pixels(&drawn).await, before);
    let refused = pool.draw_into(&picture, Bytes::from_static(b"{"), CallContext::default()).await.unwrap_err();
    assert!(matches!(refused, RunnerError::BadInput(_)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_that_are_let_go_of_leave_no_memory_behind() {
    let pool = pool().await;
    let bytes = fixture("images/shapes_big.jpg");
    drop(hold(&pool, "a", bytes.clone()).await.unwrap());
    let resident = || pool.cache_info().runners[0].rss_bytes;
    let before = resident();
    let mut most = before;
    for _ in 0..20 {
        let picture = hold(&pool, "a", bytes.clone()).await.unwrap();
        most = most.max(before + u64::from(picture.width) * u64::from(picture.height) * 3);
        drop(picture);
    }
    // One call more, so that the last one is really gone.
    drop(hold(&pool, "a", fixture("images/shapes_a.png")).await.unwrap());
    assert!(resident() <= most + (32 << 20), "{} is more than {most}", resident());
}
