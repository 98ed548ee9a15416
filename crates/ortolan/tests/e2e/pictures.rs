//! Pictures of every format, and what a task may say about them: classes, thresholds, sizes.

use ortolan_testkit::{Server, fixtures};
use serde_json::{Value, json};

use crate::main_job::{number, reference, run, same_boxes};
use crate::{detects, leaks_nothing, options, server, tenant_with_detector};

#[tokio::test(flavor = "multi_thread")]
async fn every_format_gives_the_boxes_of_the_reference() {
    let server = server().await;
    let tenant = tenant_with_detector(&server, "acme").await;
    for picture in [
        "shapes_v.png",
        "shapes_v.bmp",
        "shapes_v.tif",
        "shapes_v.webp",
        "shapes_v_exif6.jpg",
        "shapes_v_16bit.png",
        "shapes_v_gray.png",
        "shapes_v_palette.gif",
        "shapes_v_rgba.png",
        "shapes_v_cmyk.jpg",
        "shapes_v.avif",
    ] {
        let (_, artifacts) = run(&tenant, "object_detection", picture, json!({"confidence_threshold": 0.25})).await;
        let reference = reference("shapes_det_160", picture);
        same_boxes(&artifacts, reference["cases"][0]["detections"].as_array().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_filter_takes_names_and_numbers() {
    let server = server().await;
    let tenant = tenant_with_detector(&server, "acme").await;
    let model = fixtures::read("models/shapes_seg_160.onnx");
    tenant.put_slot("segment", model).await.unwrap().expect(200).unwrap();
    for task_type in ["object_detection", "segmentation"] {
        let labels = async |classes: Value| {
            let config = json!({"confidence_threshold": 0.25, "classes": classes});
            let (_, artifacts) = run(&tenant, task_type, "shapes_crowd.jpg", config).await;
            let label = |artifact: &Value| artifact["payload"]["label"].as_str().unwrap().to_owned();
            artifacts.iter().map(label).collect::<Vec<_>>()
        };
        let (squares, both) = (labels(json!(["square"])).await, labels(json!([0, "square"])).await);
        assert!(!squares.is_empty() && squares.iter().all(|label| label == "square"), "{task_type}: {squares:?}");
        assert!(both.iter().any(|label| label == "circle") && both.iter().all(|label| label != "triangle"));
        assert_eq!(both.iter().filter(|label| *label == "square").count(), squares.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_task_has_its_own_threshold_which_can_be_set() {
    let options = options().env("ORTOLAN_CONFIDENCE__SEGMENT", "0.9").env("ORTOLAN_CONFIDENCE__DETECT", "0.6");
    let set = Server::start(options).await.unwrap();
    for (server, detect, segment) in [(&set, 0.6, 0.9), (&server().await, 0.8, 0.5)] {
        let tenant = tenant_with_detector(server, "acme").await;
        let model = fixtures::read("models/shapes_seg_160.onnx");
        tenant.put_slot("segment", model).await.unwrap().expect(200).unwrap();
        for (task_type, threshold) in
            [("object_detection", detect), ("sahi_detection", detect), ("segmentation", segment)]
        {
            let (done, artifacts) = run(&tenant, task_type, "shapes_crowd.jpg", json!({})).await;
            assert!((number(&done["config"]["confidence_threshold"]) - threshold).abs() < 1e-6, "{done}");
            let scores: Vec<_> = artifacts.iter().map(|artifact| number(&artifact["payload"]["confidence"])).collect();
            assert!(scores.iter().all(|score| *score > threshold - 1e-6), "{task_type}: {scores:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_over_the_set_limit_of_pixels_is_refused_at_the_door() {
    let server = Server::start(options().env("ORTOLAN_LIMITS__MAX_IMAGE_PX", "100000")).await.unwrap();
    let tenant = tenant_with_detector(&server, "acme").await;
    let refused = tenant.upload("b.jpg", fixtures::read("images/shapes_b.jpg")).await.unwrap();
    assert_eq!(refused.status.as_u16(), 413, "{}", refused.body);
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains("640 x 480") && detail.contains("100000"), "{detail}");
    leaks_nothing(&refused.body.to_string());
    assert_eq!(tenant.get("/media").await.unwrap().expect(200).unwrap()["total"], 0);
    detects(&tenant).await;
}
