//! Outputs made by hand: what each layout's numbers become, and what hostile numbers do not.
#![allow(clippy::unwrap_used)]

mod support;

use ortolan_vision::{
    Detection, Framing, InterpretError, ModelProfile, OutputData, OutputView, RgbImage, VisionOptions, VisionOutput,
};
use serde_json::json;

/// The framing of a picture twice as large as the models' 160 x 160 input, and half as high: 40 rows of padding above.
fn framing(profile: &ModelProfile) -> Framing {
    let image = RgbImage::new(320, 160, vec![0; 320 * 160 * 3]).unwrap();
    profile.prepare(&image, &VisionOptions::default()).unwrap().framing
}

fn interpret(
    model: &str,
    outputs: &[(&[usize], &[f32])],
    options: &VisionOptions,
) -> Result<VisionOutput, InterpretError> {
    let profile = support::profile(model);
    let views: Vec<_> = outputs.iter().map(|(dims, data)| OutputView { dims, data: OutputData::F32(data) }).collect();
    profile.interpret(&views, &framing(&profile), options)
}

fn detections(model: &str, outputs: &[(&[usize], &[f32])], options: &VisionOptions) -> Vec<Detection> {
    match interpret(model, outputs, options).unwrap() {
        VisionOutput::Detections(detections) => detections,
        other => panic!("{other:?}"),
    }
}

/// Rows laid out column by column.
fn columns_first(rows: &[&[f32]]) -> Vec<f32> {
    (0..rows[0].len()).flat_map(|column| rows.iter().map(move |row| row[column])).collect()
}

const BOX: &[f32] = &[80.0, 80.0, 40.0, 20.0];

fn row(place: &[f32], rest: &[f32]) -> Vec<f32> {
    [place, rest].concat()
}

#[test]
fn a_box_goes_back_to_the_original() {
    let data = columns_first(&[&row(BOX, &[0.1, 0.8, 0.3])]);
    let found = detections("shapes_det_160.onnx", &[(&[1, 7, 1], &data)], &VisionOptions::default());
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json[0]["bounding_box"], json!({"x": 120.0, "y": 60.0, "width": 80.0, "height": 40.0}));
    assert_eq!((found[0].class_id, found[0].label.as_str(), found[0].confidence), (1, "square", 0.8));
}

#[test]
fn a_box_in_the_padding_stays_flat_on_the_border() {
    let data = columns_first(&[&row(&[80.0, 10.0, 40.0, 10.0], &[0.9, 0.0, 0.0])]);
    let found = detections("shapes_det_160.onnx", &[(&[1, 7, 1], &data)], &VisionOptions::default());
    assert_eq!((found[0].bounding_box.y, found[0].bounding_box.height), (0.0, 0.0));
}

#[test]
fn the_threshold_is_strict_and_ties_go_to_the_lower_class() {
    let options = VisionOptions { confidence_threshold: 0.5, ..VisionOptions::default() };
    let data = columns_first(&[&row(BOX, &[0.5, 0.5, 0.0]), &row(BOX, &[0.0, 0.75, 0.75])]);
    let found = detections("shapes_det_160.onnx", &[(&[1, 7, 2], &data)], &options);
    assert_eq!(found.iter().map(|found| found.class_id).collect::<Vec<_>>(), [1]);
}

#[test]
fn classes_are_chosen_by_number_or_name_before_anything_is_suppressed() {
    let data = columns_first(&[&row(BOX, &[0.9, 0.0, 0.0]), &row(BOX, &[0.0, 0.0, 0.6])]);
    for classes in [json!([2]), json!(["triangle"])] {
        let options: VisionOptions =
            serde_json::from_value(json!({"classes": classes, "class_agnostic": true})).unwrap();
        let found = detections("shapes_det_160.onnx", &[(&[1, 7, 2], &data)], &options);
        assert_eq!(found.iter().map(|found| found.class_id).collect::<Vec<_>>(), [2]);
    }
}

#[test]
fn objectness_must_pass_alone_and_scales_the_score() {
    let rows =
        [row(BOX, &[0.8, 0.0, 0.5, 0.0]), row(BOX, &[0.2, 1.0, 1.0, 1.0]), row(BOX, &[0.4, 0.4, 0.0, 0.0])].concat();
    let found = detections("layout_v5_det_160.onnx", &[(&[1, 3, 8], &rows)], &VisionOptions::default());
    assert_eq!(found.iter().map(|found| (found.class_id, found.confidence)).collect::<Vec<_>>(), [(1, 0.4)]);
}

#[test]
fn final_rows_are_not_suppressed_and_cut_before_they_are_sorted() {
    let corners: &[f32] = &[60.0, 70.0, 100.0, 90.0];
    let rows =
        [row(corners, &[0.5, 2.0]), row(corners, &[0.9, 2.0]), row(corners, &[0.95, 2.0]), vec![0.0; 6]].concat();
    let options = VisionOptions { max_detections: 2, ..VisionOptions::default() };
    let found = detections("layout_e2e_det_160.onnx", &[(&[1, 4, 6], &rows)], &options);
    assert_eq!(found.iter().map(|found| found.confidence).collect::<Vec<_>>(), [0.9, 0.5]);
    assert_eq!(found[0].bounding_box.x, 120.0);
}

#[test]
fn class_numbers_that_are_none_are_left_out() {
    for class in [-1.0, f32::NAN, f32::INFINITY, 1e9] {
        let rows = row(BOX, &[0.9, class]);
        assert!(detections("layout_e2e_det_160.onnx", &[(&[1, 1, 6], &rows)], &VisionOptions::default()).is_empty());
    }
}

#[test]
fn key_points_are_cut_to_the_picture_and_visibility_is_left_alone() {
    let points = [80.0, 80.0, 0.7, -50.0, 80.0, 2.5, 80.0, 500.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    let data = columns_first(&[&row(BOX, &[&[0.9, 0.0, 0.0][..], &points].concat())]);
    let output = interpret("layout_pose3_160.onnx", &[(&[1, 22, 1], &data)], &VisionOptions::default()).unwrap();
    let json = serde_json::to_value(&output).unwrap();
    assert_eq!(json["kind"], "poses");
    let first_three = json!([[160.0, 80.0, 0.7_f32], [0.0, 80.0, 2.5], [160.0, 160.0, 0.0]]);
    assert_eq!(json["items"][0]["keypoints"].as_array().unwrap()[..3], first_three.as_array().unwrap()[..]);

    let data = columns_first(&[&row(BOX, &[&[0.9, 0.0, 0.0][..], &[80.0; 10]].concat())]);
    let output = interpret("layout_pose2_160.onnx", &[(&[1, 17, 1], &data)], &VisionOptions::default()).unwrap();
    assert_eq!(serde_json::to_value(&output).unwrap()["items"][0]["keypoints"][0], json!([160.0, 80.0, null]));
}

#[test]
fn a_turned_box_keeps_its_angle_and_is_not_cut() {
    let data = columns_first(&[&row(&[0.0, 80.0, 40.0, 20.0], &[0.9, 0.0, 0.0, 4.0])]);
    let output = interpret("layout_obb_160.onnx", &[(&[1, 8, 1], &data)], &VisionOptions::default()).unwrap();
    let VisionOutput::Oriented(found) = output else { panic!("{output:?}") };
    assert_eq!((found[0].angle_rad, found[0].width, found[0].height), (4.0, 80.0, 40.0));
    assert!(found[0].bounding_box.x < 0.0);
}

/// One prototype that is 1 on the left half and -1 on the right.
fn half_prototypes() -> Vec<f32> {
    let one = (0..40 * 40).map(|i| if i % 40 < 20 { 1.0 } else { -1.0 });
    one.chain(std::iter::repeat_n(0.0, 31 * 40 * 40)).collect()
}

#[test]
fn a_mask_is_drawn_inside_its_box_and_an_empty_one_drops_the_detection() {
    let coefficients: Vec<f32> = std::iter::once(1.0).chain(std::iter::repeat_n(0.0, 31)).collect();
    let across = row(BOX, &[&[0.9, 0.0, 0.0][..], &coefficients].concat());
    let right = row(&[130.0, 80.0, 20.0, 20.0], &[&[0.8, 0.0, 0.0][..], &coefficients].concat());
    let data = columns_first(&[&across, &right]);
    let outputs: [(&[usize], &[f32]); 2] = [(&[1, 39, 2], &data), (&[1, 32, 40, 40], &half_prototypes())];
    let output = interpret("shapes_seg_160.onnx", &outputs, &VisionOptions::default()).unwrap();
    let VisionOutput::Segments(found) = output else { panic!("{output:?}") };
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].mask_rle.size, [160, 320]);
    assert_eq!(found[0].area_px, 40 * 40, "columns 120 to 159 of rows 60 to 99");
    assert_eq!(found[0].polygon, [[120.0, 60.0], [160.0, 60.0], [160.0, 100.0], [120.0, 100.0]]);
}

#[test]
fn a_classification_is_ranked_and_cut() {
    let profile = support::profile("shapes_cls_64.onnx");
    let data = [0.2, f32::NAN, 0.7];
    let view = OutputView { dims: &[1, 3], data: OutputData::F32(&data) };
    let output = profile.interpret(&[view], &Framing::CentreCrop, &VisionOptions::default()).unwrap();
    let json = serde_json::to_value(&output).unwrap();
    let labels: Vec<_> = json["items"]["predictions"].as_array().unwrap().iter().map(|p| p["label"].clone()).collect();
    assert_eq!(labels, ["triangle", "circle"]);
    let options = VisionOptions { top_k: Some(1), ..VisionOptions::default() };
    let VisionOutput::Classification(cut) = profile.interpret(&[view], &Framing::CentreCrop, &options).unwrap() else {
        panic!("not a classification")
    };
    assert_eq!(cut.predictions.len(), 1);
}

#[test]
fn numbers_that_are_none_never_come_out() {
    let floats = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 3e38, -3e38, 0.0, 1e-40];
    for (i, &a) in floats.iter().enumerate() {
        for &b in &floats[i..] {
            for (model, columns, prototypes) in [
                ("shapes_det_160.onnx", 7, false),
                ("layout_v5_det_160.onnx", 8, false),
                ("layout_e2e_det_160.onnx", 6, false),
                ("layout_obb_160.onnx", 8, false),
                ("layout_pose3_160.onnx", 22, false),
                ("shapes_seg_160.onnx", 39, true),
            ] {
                let data: Vec<f32> = (0..columns * 50).map(|k| if k % 3 == 0 { a } else { b }).collect();
                let dims =
                    if model.contains("v5") || model.contains("e2e") { [1, 50, columns] } else { [1, columns, 50] };
                let masks = [b].repeat(32 * 40 * 40);
                let mut outputs: Vec<(&[usize], &[f32])> = vec![(&dims, &data)];
                if prototypes {
                    outputs.push((&[1, 32, 40, 40], &masks));
                }
                let output = interpret(model, &outputs, &VisionOptions::default()).unwrap();
                let text = serde_json::to_string(&output).unwrap();
                // Numbers that are not finite become null in JSON and then cannot be read back.
                assert_eq!(serde_json::from_str::<VisionOutput>(&text).unwrap(), output, "{model} {a} {b}");
            }
        }
    }
}

#[test]
fn boxes_as_large_as_floats_get_are_cut_to_the_picture() {
    let data = columns_first(&[&row(&[3e38, 80.0, 3e38, 3e38], &[0.9, 0.0, 0.0])]);
    let found = detections("shapes_det_160.onnx", &[(&[1, 7, 1], &data)], &VisionOptions::default());
    let json = serde_json::to_value(found[0].bounding_box).unwrap();
    assert_eq!(json, json!({"x": 320.0, "y": 0.0, "width": 0.0, "height": 160.0}));
}

#[test]
fn two_hundred_thousand_passing_boxes_are_capped() {
    let boxes = 200_000;
    let mut data = vec![1.0; 7 * boxes];
    for i in 0..boxes {
        data[i] = (i % 160) as f32;
        data[boxes + i] = (i / 160 % 160) as f32;
    }
    let options = VisionOptions { max_detections: 3000, ..VisionOptions::default() };
    assert_eq!(detections("shapes_det_160.onnx", &[(&[1, 7, boxes], &data)], &options).len(), 3000);
}

#[test]
fn outputs_unlike_the_declared_ones_are_refused() {
    let cases: [&[(&[usize], &[f32])]; 5] = [
        &[],
        &[(&[1, 7, 2], &[0.0; 13])],
        &[(&[2, 7, 1], &[0.0; 14])],
        &[(&[1, 4, 2], &[0.0; 8])],
        &[(&[7, 2], &[0.0; 14])],
    ];
    for outputs in cases {
        let refusal = interpret("shapes_det_160.onnx", outputs, &VisionOptions::default()).unwrap_err();
        assert!(matches!(refusal, InterpretError::Shape { .. }), "{refusal}");
    }
    assert!(detections("shapes_det_160.onnx", &[(&[1, 7, 0], &[])], &VisionOptions::default()).is_empty());
    let profile = support::profile("shapes_det_160.onnx");
    let refusal = profile.interpret(&[], &Framing::CentreCrop, &VisionOptions::default()).unwrap_err();
    assert_eq!(refusal, InterpretError::Framing);
}
