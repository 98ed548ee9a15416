//! Models that lie about themselves: refused with a reason, or served without harm.
#![allow(clippy::unwrap_used)]

mod support;

use ortolan_vision::{ElementType, ModelProfile, RgbImage, TensorData, VisionOptions, VisionTask};
use support::{metadata, tensor};

fn read(
    task: VisionTask,
    input: &[i64],
    outputs: &[&[i64]],
    replaced: &[(&str, &str)],
) -> Result<ModelProfile, String> {
    let inputs = [tensor("images", ElementType::F32, input)];
    let outputs: Vec<_> = outputs.iter().map(|dims| tensor("output", ElementType::F32, dims)).collect();
    ModelProfile::read(task, &inputs, &outputs, &metadata(replaced)).map_err(|error| error.to_string())
}

fn detector(output: &[i64], replaced: &[(&str, &str)]) -> Result<ModelProfile, String> {
    read(VisionTask::Detect, &[1, 3, 160, 160], &[output], replaced)
}

#[test]
fn shapes_that_fit_no_layout_are_refused() {
    for output in [&[][..], &[7, 500], &[1, 4, 500], &[2, 7, 500], &[1, 1, 7, 500], &[1, 500, 5]] {
        let refusal = detector(output, &[]).unwrap_err();
        assert!(refusal.starts_with("the detect slot needs an output of float [1, 4 + classes, boxes]"), "{refusal}");
    }
    assert!(detector(&[1, 300, 7], &[("end2end", "True")]).is_err());
    assert!(detector(&[1, 5, 500], &[("task", "obb")]).is_err(), "no room for a class beside the angle");
    assert!(read(VisionTask::Segment, &[1, 3, 160, 160], &[&[1, 39, 500]], &[("task", "segment")]).is_err());
    assert!(read(VisionTask::Classify, &[1, 3, 64, 64], &[&[1, 0]], &[("task", "classify")]).is_err());
}

#[test]
fn inputs_that_are_no_picture_are_refused() {
    let input = |dims: &[i64]| read(VisionTask::Detect, dims, &[&[1, 7, 500]], &[]).unwrap_err();
    assert_eq!(
        input(&[1, 1, 160, 160]),
        "the detect slot needs one input of float [1, 3, height, width], the file has float [1, 1, 160, 160]"
    );
    for dims in [&[1, 3, 30_000, 30_000][..], &[1, 3, 0, 160], &[8, 3, 160, 160], &[1; 5000], &[1 << 62, 4], &[]] {
        assert!(input(dims).len() < 300);
    }
    let metadata = metadata(&[]);
    let many = vec![tensor("x", ElementType::F32, &[1, 3, 160, 160]); 10_000];
    let outputs = [tensor("y", ElementType::F32, &[1, 7, 500])];
    let refusal = ModelProfile::read(VisionTask::Detect, &many, &outputs, &metadata).unwrap_err().to_string();
    assert!(refusal.ends_with("and 9996 more") && refusal.len() < 300, "{refusal}");
    let integers = [tensor("x", ElementType::Other, &[1, 3, 160, 160])];
    assert!(ModelProfile::read(VisionTask::Detect, &integers, &outputs, &metadata).is_err());
}

#[test]
fn metadata_that_makes_no_sense_is_refused() {
    for (key, value) in [
        ("names", "{0: 'circle', 1: 'squ"),
        ("names", "__import__('os').system('id')"),
        ("names", "{-1: 'a', 4294967296: 'b'}"),
        ("imgsz", "[1000000, 1000000]"),
        ("imgsz", "[0, 0]"),
        ("imgsz", "[-160, -160]"),
        ("imgsz", "[160, 16"),
        ("stride", "0"),
        ("stride", "2147483648"),
        ("task", "launch"),
    ] {
        let refusal = detector(&[1, 7, 500], &[(key, value)]).unwrap_err();
        assert!(refusal.contains(key), "{key} = {value}: {refusal}");
    }
}

#[test]
fn names_that_do_not_fit_the_outputs_leave_numbers() {
    let names: Vec<String> = (0..8000).map(|i| format!("{i}: 'n{i}'")).collect();
    let many = format!("{{{}}}", names.join(", "));
    let options = |class: &str| VisionOptions {
        classes: serde_json::from_value(serde_json::json!([class])).unwrap(),
        ..VisionOptions::default()
    };
    let profile = detector(&[1, 7, 500], &[("names", &many)]).unwrap();
    assert!(profile.check(&options("n2")).is_ok());
    assert!(profile.check(&options("n3")).is_err(), "only three classes come out");
    assert!(detector(&[1, 5, 500], &[]).is_ok(), "one class, three names");
    assert!(detector(&[1, 84, 500], &[]).is_ok(), "eighty classes, three names");
    assert!(detector(&[1, 7, 0], &[]).is_ok(), "no boxes at all");
}

#[test]
fn an_open_input_has_limits_whatever_is_asked() {
    let profile = support::profile("shapes_det_dyn.onnx");
    let image = RgbImage::new(2, 1, vec![9; 6]).unwrap();
    let ask = |size: &str| {
        let options = VisionOptions { image_size: serde_json::from_str(size).unwrap(), ..VisionOptions::default() };
        profile.prepare(&image, &options).map(|prepared| prepared.tensor.dims)
    };
    assert_eq!(ask("[33, 17]").unwrap(), [1, 3, 16, 32], "rounded up to the stride, padding shrunk");
    for size in ["0", "8193", "[0, 160]", "[8192, 8192]", "4294967295"] {
        let refusal = ask(size).unwrap_err().to_string();
        assert!(refusal.starts_with("image_size: "), "{refusal}");
    }
}

#[test]
fn options_out_of_range_are_named() {
    let profile = support::profile("shapes_det_160.onnx");
    let check = |json: &str| profile.check(&serde_json::from_str(json).unwrap()).unwrap_err().to_string();
    assert_eq!(check(r#"{"confidence_threshold": 1.5}"#), "confidence_threshold must be a number from 0 to 1, not 1.5");
    assert!(check(r#"{"iou_threshold": -0.1}"#).starts_with("iou_threshold"));
    assert!(check(r#"{"max_detections": 0}"#).starts_with("max_detections"));
    assert!(check(r#"{"top_k": 0}"#).starts_with("top_k"));
    assert!(check(r#"{"classes": ["cat"]}"#).contains("cat"));
    assert!(check(r#"{"classes": [3]}"#).contains("no class 3"));
    assert!(serde_json::from_str::<VisionOptions>(r#"{"confidence": 0.5}"#).is_err());
}

#[test]
fn a_buffer_is_used_again_and_changes_its_type_when_it_has_to() {
    let image = RgbImage::new(160, 160, vec![255; 160 * 160 * 3]).unwrap();
    let options = VisionOptions::default();
    let mut prepared = support::profile("shapes_det_160.onnx").prepare(&image, &options).unwrap();
    let address = |data: &TensorData| match data {
        TensorData::F32(values) => values.as_ptr() as usize,
        TensorData::F16(values) => values.as_ptr() as usize,
    };
    let before = address(&prepared.tensor.data);
    support::profile("shapes_seg_160.onnx").prepare_into(&image, &options, &mut prepared.tensor).unwrap();
    assert_eq!(address(&prepared.tensor.data), before);
    support::profile("layout_det_fp16_160.onnx").prepare_into(&image, &options, &mut prepared.tensor).unwrap();
    assert!(
        matches!(&prepared.tensor.data, TensorData::F16(values) if values.iter().all(|value| value.to_f32() == 1.0))
    );
}
