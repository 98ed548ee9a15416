//! Pictures made to break decoders: each gets the right kind of answer, always the same one, within bounded memory.
#![allow(clippy::unwrap_used)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    fs,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use ortolan_media::{DecodeError, DecodeLimits, decode_image, probe_image};

/// Counts the bytes in use, to see the peak of one decoding.
struct CountingAllocator;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: passes every call on to the system allocator unchanged.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let in_use = IN_USE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(in_use, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[derive(Debug, PartialEq, Clone, Copy)]
enum Answer {
    Decoded(u32, u32),
    Unsupported,
    Damaged,
    TooLarge,
}
use Answer::{Damaged, Decoded, TooLarge, Unsupported};

const EXPECTED: &[(&str, Answer)] = &[
    ("animated.webp", Decoded(16, 16)),
    ("apng_frames.png", Decoded(8, 8)),
    ("bad_crc.png", Damaged),
    ("bmp_negative.bmp", Damaged),
    ("bomb_30000_rgb.png", TooLarge),
    ("bomb_60000.png", TooLarge),
    ("bomb_rgba16.png", TooLarge),
    ("boxes_endless.avif", Damaged),
    ("canvas_16m.webp", TooLarge),
    ("canvas_65535.gif", TooLarge),
    ("deflate_bomb.tif", Decoded(8000, 8000)),
    ("dims_huge.avif", TooLarge),
    ("dims_huge.tif", TooLarge),
    ("empty.jpg", Damaged),
    ("exif_count_huge.jpg", Decoded(32, 16)),
    ("exif_loop.jpg", Decoded(32, 16)),
    ("exif_orientation_255.jpg", Decoded(32, 16)),
    ("exif_orientation_6.jpg", Decoded(16, 32)),
    ("exif_thumbnail_60k.jpg", Decoded(32, 16)),
    ("frames_10000.gif", Decoded(64, 64)),
    ("gifar.gif", Decoded(1, 1)),
    ("header_65535.jpg", TooLarge),
    ("header_max.png", TooLarge),
    ("header_zero.jpg", Damaged),
    ("header_zero.png", Damaged),
    ("html_in_jpeg.jpg", Decoded(16, 16)),
    ("iccp_bomb.png", Decoded(2, 2)),
    ("ico_many.ico", Unsupported),
    ("ifd_loop.tif", Damaged),
    ("jpeg_named.png", Decoded(32, 32)),
    ("one_pixel.png", Decoded(1, 1)),
    ("palette_missing.png", Damaged),
    ("progressive_bomb.jpg", Damaged),
    ("script.svg", Unsupported),
    ("size_lie.avif", Damaged),
    ("strips_huge.tif", Damaged),
    ("svg_named.png", Unsupported),
    ("text_markup.png", Decoded(2, 2)),
    ("thin_1x60000.png", Decoded(1, 60000)),
    ("truncated.avif", Damaged),
    ("truncated.jpg", Damaged),
    ("truncated.png", Damaged),
    ("ztxt_bomb.png", Decoded(2, 2)),
];

fn hostile() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/hostile/images")
}

fn answer(bytes: &[u8], limits: &DecodeLimits) -> Answer {
    match decode_image(bytes, limits) {
        Ok(image) => Decoded(image.width(), image.height()),
        Err(DecodeError::Unsupported { .. }) => Unsupported,
        Err(DecodeError::TooLarge { .. }) => TooLarge,
        Err(_) => Damaged,
    }
}

#[test]
fn every_hostile_picture_gets_its_answer_in_bounded_memory() {
    let limits = DecodeLimits::default();
    let mut files: Vec<_> = fs::read_dir(hostile()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    let mut listed: Vec<_> = EXPECTED.iter().map(|(name, _)| (*name).into()).collect::<Vec<std::ffi::OsString>>();
    listed.sort();
    assert_eq!(files, listed, "every file has an expectation");
    for &(name, expected) in EXPECTED {
        let bytes = fs::read(hostile().join(name)).unwrap();
        let before = IN_USE.load(Relaxed);
        PEAK.store(before, Relaxed);
        let first = answer(&bytes, &limits);
        let peak_bytes = PEAK.load(Relaxed) - before;
        assert_eq!(first, expected, "{name}");
        assert!(peak_bytes <= allowed_bytes(expected), "{name} took {peak_bytes} bytes");
        assert_eq!(answer(&bytes, &limits), first, "{name}, decoded again");
        check_probe(name, &bytes, &limits, first);
    }
}

/// Eight bytes a pixel for pictures that decode, and little for those that do not.
fn allowed_bytes(answer: Answer) -> usize {
    match answer {
        Decoded(width, height) => 8 * width as usize * height as usize + (1 << 16),
        _ => 1 << 20,
    }
}

/// A probe agrees with decoding about the size and the limits; it may not see damage behind the header.
fn check_probe(name: &str, bytes: &[u8], limits: &DecodeLimits, answer: Answer) {
    let probed = probe_image(bytes, limits);
    match answer {
        Decoded(width, height) => {
            assert_eq!(probed.map(|facts| (facts.width, facts.height)), Ok((width, height)), "{name}")
        }
        TooLarge => assert!(matches!(probed, Err(DecodeError::TooLarge { .. })), "{name}"),
        Unsupported => assert!(matches!(probed, Err(DecodeError::Unsupported { .. })), "{name}"),
        Damaged => {}
    }
}
