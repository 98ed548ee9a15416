//! Calls of tensors and pictures through a real runner.
#![allow(clippy::unwrap_used)]

mod support;

use bytes::Bytes;
use ortolan_domain::Slot;
use ortolan_runner::{CallContext, Isolation, MediaRefusal, RunnerError, RunnerSettings};
use ortolan_vision::{ImageSize, VisionOptions, VisionOutput};
use support::*;

#[tokio::test]
async fn tensors_go_in_by_name_and_come_out_by_name() {
    let pool = pool().await;
    assert_eq!(add(&pool, "a").await.unwrap(), [11.0, 22.0]);
    let outputs =
        infer(&pool, "a", "models/multi_dtype.onnx", vec![f32s("x", &[2], &[0.0, 3.0])], CallContext::default());
    let outputs = outputs.await.unwrap();
    let names: Vec<_> = outputs.iter().map(|output| (output.name.as_str(), output.data.len())).collect();
    assert_eq!(names, [("f16", 4), ("i64", 16), ("u8", 2), ("b", 2), ("bf", 4)]);
}

#[tokio::test]
async fn a_picture_larger_than_a_slot_goes_the_other_way_with_the_same_answer() {
    let picture = fixture("images/shapes_big.jpg");
    let small = RunnerSettings { room_bytes: 64 << 10, ..settings() };
    assert!(picture.len() > small.room_bytes);
    let mut answers = vec![];
    for settings in [small, settings()] {
        let pool = start(settings).await;
        let source = Source::of("models/shapes_det_160.onnx");
        answers.push(
            see(&pool, &key("a", Slot::Detect), source, VisionOptions::default(), picture.clone())
                .await
                .unwrap()
                .output,
        );
        assert_eq!(
            pool.probe_media(&tenant("a"), picture.clone(), CallContext::default()).await.unwrap().width,
            Some(2400)
        );
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn an_answer_larger_than_a_slot_is_an_error() {
    let pool = start(RunnerSettings { room_bytes: 8 << 10, ..settings() }).await;
    let picture = fixture("images/shapes_crowd.jpg");
    let source = Source::of("models/shapes_seg_160.onnx");
    let error = see(&pool, &key("a", Slot::Segment), source, VisionOptions::default(), picture).await.unwrap_err();
    assert!(matches!(error, RunnerError::TooLarge(_)), "{error:?}");
}

#[tokio::test]
async fn options_that_do_not_fit_the_model_are_refused() {
    let pool = pool().await;
    let picture = fixture("images/shapes_a.png");
    let bad = [
        VisionOptions { confidence_threshold: 1.5, ..VisionOptions::default() },
        VisionOptions { max_detections: 0, ..VisionOptions::default() },
        VisionOptions { image_size: Some(ImageSize::Square(u32::MAX)), ..VisionOptions::default() },
    ];
    for options in bad {
        let source = Source::of("models/shapes_det_dyn.onnx");
        let error = see(&pool, &key("a", Slot::Detect), source, options, picture.clone()).await.unwrap_err();
        assert!(matches!(error, RunnerError::BadInput(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_model_for_another_slot_is_refused_with_the_reason() {
    let pool = pool().await;
    let source = Source::of("models/shapes_cls_64.onnx");
    let error =
        see(&pool, &key("a", Slot::Detect), source, VisionOptions::default(), fixture("images/shapes_a.png")).await;
    let RunnerError::ModelRefused { reason } = error.unwrap_err() else { panic!("another error") };
    assert!(reason.contains("detect slot"), "{reason}");
}

#[tokio::test]
async fn pictures_are_recognised_by_their_bytes() {
    let pool = pool().await;
    let probe = async |bytes: Bytes| pool.probe_media(&tenant("a"), bytes, CallContext::default()).await;
    let facts = probe(fixture("images/shapes_v_exif6.jpg")).await.unwrap();
    assert_eq!(
        (facts.content_type.as_str(), facts.width, facts.height),
        ("image/jpeg", Some(320), Some(240)),
        "upright"
    );
    let refused = async |bytes: Bytes| match probe(bytes).await.unwrap_err() {
        RunnerError::MediaRefused { kind, .. } => kind,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(Bytes::from_static(b"<svg/>")).await, MediaRefusal::Unsupported);
    assert_eq!(refused(Bytes::new()).await, MediaRefusal::Corrupt);
    assert_eq!(refused(fixture("hostile/images/truncated.png")).await, MediaRefusal::Corrupt);
    assert_eq!(refused(fixture("hostile/images/header_max.png")).await, MediaRefusal::TooLarge);
}

#[tokio::test]
async fn media_over_the_limit_are_refused_before_they_are_sent() {
    let pool = start(RunnerSettings { media_limit_bytes: 100, ..settings() }).await;
    let error =
        pool.probe_media(&tenant("a"), fixture("images/shapes_a.png"), CallContext::default()).await.unwrap_err();
    assert!(matches!(error, RunnerError::TooLarge(_)), "{error:?}");
    assert_eq!(pool.cache_info().runners, []);
}

#[tokio::test]
async fn many_calls_at_once_all_get_their_own_answer() {
    let pool = start(RunnerSettings { slots: 64, ..settings() }).await;
    add(&pool, "a").await.unwrap();
    let calls = (0..500u32).map(|number| {
        let pool = pool.clone();
        tokio::spawn(async move {
            let value = number as f32;
            let inputs = || vec![f32s("a", &[1], &[value]), f32s("b", &[1], &[0.5])];
            loop {
                match infer(&pool, "a", "models/add.onnx", inputs(), CallContext::default()).await {
                    Ok(outputs) => return assert_eq!(&outputs[0].data[..], (value + 0.5).to_ne_bytes()),
                    Err(RunnerError::Overloaded) => tokio::task::yield_now().await,
                    Err(error) => panic!("{error:?}"),
                }
            }
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
}

#[tokio::test]
async fn isolation_can_be_shared_or_off_with_the_same_answers() {
    let picture = fixture("images/shapes_b.jpg");
    let mut answers = vec![];
    for (isolation, runners) in [(Isolation::Tenant, 2), (Isolation::Shared, 1), (Isolation::None, 1)] {
        let pool = start(RunnerSettings { isolation, ..settings() }).await;
        for tenant in ["a", "b"] {
            let source = Source::of("models/shapes_det_160.onnx");
            let answer = see(&pool, &key(tenant, Slot::Detect), source, VisionOptions::default(), picture.clone())
                .await
                .unwrap();
            answers.push(answer.output);
        }
        let info = pool.cache_info();
        assert_eq!((info.runners.len(), info.models.len()), (runners, 2), "{isolation}");
        assert_eq!(info.runners[0].tenant.is_some(), isolation == Isolation::Tenant);
        assert_eq!(info.runners[0].pid == std::process::id(), isolation == Isolation::None);
        assert_eq!(add(&pool, "a").await.unwrap(), [11.0, 22.0]);
    }
    assert!(matches!(&answers[0], VisionOutput::Detections(found) if !found.is_empty()));
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}
