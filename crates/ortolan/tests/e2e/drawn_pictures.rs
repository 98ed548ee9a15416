//! Pictures that a pipeline draws, stored under their names.

use ortolan_media::{DecodeLimits, decode_image, shrink};
use ortolan_testkit::{Server, fixtures};
use ortolan_vision::RgbImage;
use serde_json::json;

use crate::own_objects::{ID, process, step};
use crate::{server, tenant_with_detector};

fn stored(server: &Server, path: &str) -> RgbImage {
    let file = std::fs::read(server.data().join("objects/acme").join(path)).unwrap();
    pixels(&file)
}

fn pixels(file: &[u8]) -> RgbImage {
    decode_image(file, &DecodeLimits::default()).unwrap()
}

/// How many pixels differ by more than what a JPEG loses.
fn differences(a: &RgbImage, b: &RgbImage) -> usize {
    assert_eq!((a.width(), a.height()), (b.width(), b.height()));
    let pairs = a.pixels().chunks_exact(3).zip(b.pixels().chunks_exact(3));
    pairs.filter(|(a, b)| a.iter().zip(*b).any(|(a, b)| a.abs_diff(*b) > 60)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_is_drawn_and_stored_beside_the_original() {
    let server = server().await;
    let tenant = tenant_with_detector(&server, "acme").await;
    let media = tenant.media("a.png", fixtures::read("images/shapes_a.png")).await.unwrap();
    let upload = |source: &str, prefix: &str| {
        step("upload_image", json!({"source": source, "dest_prefix": prefix, "thumbnail_sizes": [64], "quality": 95}))
    };
    let chain = json!([
        step("detection", json!({"confidence_threshold": 0.25})),
        step("visualize_detections", json!({})),
        upload("processed", "drawn"),
        upload("original", "plain"),
    ]);
    let result = process(&tenant, &format!("media://{media}"), chain, 200).await;
    let found = result["results"]["detections"].as_array().unwrap().len();
    assert!(found > 0);
    assert_eq!(result["results"]["findings_drawn"], json!(found));

    let original = pixels(&fixtures::read("images/shapes_a.png"));
    let (drawn, plain) = (stored(&server, &format!("drawn/{ID}.jpg")), stored(&server, &format!("plain/{ID}.jpg")));
    assert!(differences(&plain, &original) < 50 && differences(&drawn, &original) > 100);
    let small = stored(&server, &format!("drawn_thumbnails/{ID}_64.jpg"));
    let [like_drawn, like_plain] = [drawn, plain].map(|whole| differences(&small, &shrink(&whole, 64).unwrap()));
    assert!(like_drawn < like_plain, "the thumbnail is of the drawn picture: {like_drawn} {like_plain}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_drawn_picture_it_is_left_out_or_told() {
    let server = server().await;
    let tenant = tenant_with_detector(&server, "acme").await;
    let media = tenant.media("a.png", fixtures::read("images/shapes_a.png")).await.unwrap();
    let upload = |skip: bool| step("upload_image", json!({"source": "processed", "skip_if_missing": skip}));
    let url = format!("media://{media}");
    let refused = process(&tenant, &url, json!([upload(false)]), 422).await;
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("step upload_image") && detail.contains("visualize_detections"), "{refused}");
    let left_out = process(&tenant, &url, json!([upload(true)]), 200).await;
    assert!(left_out["results"].get("uploads").is_none(), "{left_out}");
    assert!(!server.data().join("objects/acme/images").exists());
}
