//! A picture that is made ready before its turn gives what one that comes with its run gives, once, and is let go of in time.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use bytes::Bytes;
use ortolan_domain::Slot;
use ortolan_runner::{
    Area, CallContext, Device, MediaRefusal, ReadyPicture, RunnerError, RunnerPool, RunnerSettings, VisionRequest,
};
use ortolan_vision::{PixelRegion, TilingOptions, VisionOptions};
use support::{Source, fixture, key, pool, settings, start};
use tokio_util::sync::CancellationToken;

const DETECTOR: &str = "models/shapes_det_160.onnx";
const PICTURE: &str = "images/shapes_b.jpg";

fn request(area: Area) -> VisionRequest {
    VisionRequest { slot: Slot::Detect, options: VisionOptions::default(), area }
}

async fn make_ready(pool: &RunnerPool, area: Area, picture: Bytes) -> Result<ReadyPicture, RunnerError> {
    let key = key("a", Slot::Detect);
    pool.make_ready(&key, Source::of(DETECTOR), request(area), picture, CallContext::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_was_made_ready_gives_the_same() {
    let pool = pool().await;
    let crops = vec![PixelRegion { left: 10, top: 20, width: 200, height: 160 }];
    for area in [Area::Whole, Area::Tiles(TilingOptions::default()), Area::Crops(crops)] {
        let (key, source) = (key("a", Slot::Detect), Source::of(DETECTOR));
        let sent = pool.vision(&key, source, request(area.clone()), fixture(PICTURE), CallContext::default());
        let (sent, _) = sent.await.unwrap();
        let ready = make_ready(&pool, area.clone(), fixture(PICTURE)).await.unwrap();
        let seen = pool.vision_ready(ready, CallContext::default()).await.unwrap();
        assert_eq!((&seen.output, &seen.crop_of), (&sent.output, &sent.crop_of), "{area:?}");
        assert_eq!((seen.width, seen.height), (sent.width, sent.height), "{area:?}");
        assert!(seen.timings.decode_us > 0 && seen.timings.run_us > 0, "{:?}", seen.timings);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_looked_at_is_refused_when_it_is_made_ready() {
    let pool = pool().await;
    let refused = make_ready(&pool, Area::Whole, Bytes::from_static(b"hello")).await.unwrap_err();
    assert!(matches!(refused, RunnerError::MediaRefused { kind: MediaRefusal::Unsupported, .. }), "{refused:?}");
    let wrong = VisionRequest { slot: Slot::Segment, ..request(Area::Whole) };
    let (key, source) = (key("a", Slot::Detect), Source::of(DETECTOR));
    let refused = pool.make_ready(&key, source, wrong, fixture(PICTURE), CallContext::default()).await.unwrap_err();
    assert!(matches!(refused, RunnerError::BadInput(_)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_whose_runner_died_is_an_error_and_the_next_one_is_served() {
    let pool = pool().await;
    let ready = make_ready(&pool, Area::Whole, fixture(PICTURE)).await.unwrap();
    let pid = pool.cache_info().runners[0].pid;
    std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap();
    let error = pool.vision_ready(ready, CallContext::default()).await.unwrap_err();
    assert!(matches!(error, RunnerError::Killed | RunnerError::Crashed { .. }), "{error:?}");
    let ready = make_ready(&pool, Area::Whole, fixture(PICTURE)).await.unwrap();
    assert!(pool.vision_ready(ready, CallContext::default()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_look_ends_and_its_permit_comes_back() {
    let pool = pool().await;
    let ready = make_ready(&pool, Area::Whole, fixture(PICTURE)).await.unwrap();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let (permit, mut returned) = tokio::sync::oneshot::channel::<()>();
    let context = CallContext::cancelled_by(cancel).with_permit(permit);
    assert!(matches!(pool.vision_ready(ready, context).await, Err(RunnerError::Cancelled)));
    tokio::time::timeout(support::LONG, async { (&mut returned).await.ok() }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_that_are_never_looked_at_leave_no_memory_behind() {
    const COUNT: usize = 20;
    let pool = pool().await;
    let picture = fixture("images/shapes_big.jpg");
    let make = || make_ready(&pool, Area::Tiles(TilingOptions::default()), picture.clone());
    drop(make().await.unwrap());
    let resident = || pool.cache_info().runners[0].rss_bytes;
    let (before, mut kept) = (resident(), Vec::new());
    for _ in 0..COUNT {
        kept.push(make().await.unwrap());
    }
    let held = COUNT as u64 * 2400 * 1600 * 3;
    assert!(resident() > before + held / 2, "{} after {before} with {held} held", resident());
    drop(kept);
    let waited = async {
        while resident() > before + held / 4 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(support::LONG, waited).await.expect("the pictures stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_made_ready_ahead_and_as_many_as_find_slots() {
    let usual = pool().await;
    assert!(usual.pictures_ahead(0) > 0);
    if usual.device(0) == Device::Cpu {
        assert_eq!(usual.pictures_ahead(0), 2 * settings().sessions_per_model);
    }
    let asked = start(RunnerSettings { pictures_ahead: Some(3), ..settings() }).await;
    assert_eq!(asked.pictures_ahead(0), 3);
    let all = start(RunnerSettings { pictures_ahead: Some(1_000), ..settings() }).await;
    let count = all.pictures_ahead(0);
    assert!(count > 3 && count < 64, "{count}");
    // As many at once as there may be, and runs beside them.
    let mut looks = tokio::task::JoinSet::new();
    for _ in 0..count + 4 {
        let all = all.clone();
        looks.spawn(async move {
            let ready = make_ready(&all, Area::Whole, fixture(PICTURE)).await?;
            all.vision_ready(ready, CallContext::default()).await
        });
    }
    while let Some(look) = looks.join_next().await {
        look.unwrap().unwrap();
    }
}
