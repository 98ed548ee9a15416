//! A picture of 24 million pixels, looked at tile by tile: the runner holds it once, whatever the number of tiles.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use bytes::Bytes;
use ortolan_domain::Slot;
use ortolan_runner::{Area, CallContext, RunnerPool, VisionRequest};
use ortolan_vision::{RgbImage, TilingOptions, VisionOptions, VisionOutput};
use support::*;
use tokio::sync::watch;

const WIDTH: usize = 6000;
const HEIGHT: usize = 4000;
/// Half the edge of the squares in the picture.
const HALF: usize = 40;
/// Their middles: in the first tile, on borders of tiles, in the last one.
const PLACES: [(usize, usize); 4] = [(100, 100), (512, 2_000), (3_000, 1_500), (5_900, 3_900)];

/// A ground that is darker on one side, with squares, as a JPEG.
fn picture() -> Bytes {
    let row: Vec<u8> = (0..WIDTH).flat_map(|x| [180 + (x / 200) as u8, 160 + (x % 5) as u8, 90]).collect();
    let mut pixels = row.repeat(HEIGHT);
    let square = [40, 160, 145].repeat(2 * HALF + 1);
    for (x, y) in PLACES {
        for row in y - HALF..=y + HALF {
            let first = 3 * (row * WIDTH + x - HALF);
            pixels[first..first + square.len()].copy_from_slice(&square);
        }
    }
    let image = RgbImage::new(WIDTH as u32, HEIGHT as u32, pixels).unwrap();
    ortolan_media::encode_jpeg(&image, 90).unwrap().into()
}

/// The most memory that the pool's one runner ever had.
fn peak_bytes(pool: &RunnerPool) -> u64 {
    let pid = pool.cache_info().runners[0].pid;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_picture_takes_little_more_memory_than_its_pixels() {
    let pool = pool().await;
    let (key, source) = (key("a", Slot::Detect), Source::of("models/shapes_det_160.onnx"));
    see(&pool, &key, Arc::clone(&source), VisionOptions::default(), fixture("images/shapes_b.jpg")).await.unwrap();
    let before = peak_bytes(&pool);

    let (progress, mut heard) = watch::channel(0.0);
    let told = tokio::spawn(async move {
        let mut shares = Vec::new();
        while heard.changed().await.is_ok() {
            shares.push(*heard.borrow_and_update());
        }
        shares
    });
    let options = VisionOptions { confidence_threshold: 0.5, ..VisionOptions::default() };
    let request = VisionRequest { slot: Slot::Detect, options, area: Area::Tiles(TilingOptions::default()) };
    let context = CallContext::default().with_progress(progress);
    let (answer, _) = pool.vision(&key, source, request, picture(), context).await.unwrap();

    let VisionOutput::Detections(found) = answer.output else { panic!("no boxes") };
    for (x, y) in PLACES {
        let around = found.iter().filter(|one| {
            let b = one.bounding_box;
            (b.x..b.x + b.width).contains(&(x as f32)) && (b.y..b.y + b.height).contains(&(y as f32))
        });
        assert_eq!(around.count(), 1, "{x} {y}: {found:?}");
    }
    let shares = told.await.unwrap();
    assert!(!shares.is_empty() && shares.is_sorted(), "{shares:?}");
    let (pixels, grown) = ((WIDTH * HEIGHT * 3) as u64, peak_bytes(&pool) - before);
    assert!(grown >= pixels, "{grown} bytes cannot hold {pixels}");
    assert!(grown <= pixels * 3 / 2, "{grown} bytes for {pixels} of pixels");
}
