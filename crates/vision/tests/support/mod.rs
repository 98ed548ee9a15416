//! What the fixture models declare.

use std::collections::BTreeMap;

use ortolan_vision::{ElementType, ModelProfile, TensorFacts, VisionTask};

/// The profile of a fixture model, from the facts that its file declares.
pub fn profile(model: &str) -> ModelProfile {
    let (task, inputs, outputs, metadata) = facts(model);
    ModelProfile::read(task, &inputs, &outputs, &metadata).unwrap_or_else(|error| panic!("{model}: {error}"))
}

/// Task, input dimensions, output dimensions, metadata beside the usual.
type Declared<'a> = (VisionTask, &'a [i64], &'a [&'a [i64]], &'a [(&'a str, &'a str)]);

type Facts = (VisionTask, Vec<TensorFacts>, Vec<TensorFacts>, BTreeMap<String, String>);

/// What a fixture model declares; -1 is a symbolic dimension.
fn facts(model: &str) -> Facts {
    let classify = VisionTask::Classify;
    let (detect, segment) = (VisionTask::Detect, VisionTask::Segment);
    let square = [1, 3, 160, 160];
    let prototypes: &[i64] = &[1, 32, 40, 40];
    let (task, input, outputs, extra): Declared = match model {
        "shapes_cls_64.onnx" => {
            (classify, &[-1, 3, 64, 64], &[&[-1, 3]], &[("task", "classify"), ("imgsz", "[64, 64]"), ("stride", "1")])
        }
        "shapes_det_160.onnx" => (detect, &square, &[&[1, 7, 500]], &[]),
        "shapes_det_dyn.onnx" => (detect, &[-1, 3, -1, -1], &[&[-1, -1, -1]], &[]),
        "shapes_seg_160.onnx" => (segment, &square, &[&[1, 39, 500], prototypes], &[("task", "segment")]),
        "shapes_seg_dyn.onnx" => {
            (segment, &[-1, 3, -1, -1], &[&[-1, -1, -1], &[-1, 32, -1, -1]], &[("task", "segment")])
        }
        "layout_det_fp16_160.onnx" => (detect, &square, &[&[1, 7, 500]], &[]),
        "layout_v5_det_160.onnx" => (detect, &square, &[&[1, 500, 8]], &[]),
        "layout_e2e_det_160.onnx" => (detect, &square, &[&[1, 300, 6]], &[("end2end", "True")]),
        "layout_nms_det_160.onnx" => {
            (detect, &square, &[&[1, 100, 6]], &[("args", "{'dynamic': False, 'nms': True, 'batch': 1}")])
        }
        "layout_e2e_seg_160.onnx" => {
            (segment, &square, &[&[1, 300, 38], prototypes], &[("task", "segment"), ("end2end", "True")])
        }
        "layout_obb_160.onnx" => (detect, &square, &[&[1, 8, 500]], &[("task", "obb")]),
        "layout_e2e_obb_160.onnx" => (detect, &square, &[&[1, 300, 7]], &[("task", "obb"), ("end2end", "True")]),
        "layout_pose3_160.onnx" => (detect, &square, &[&[1, 22, 500]], &[("task", "pose"), ("kpt_shape", "[5, 3]")]),
        "layout_pose2_160.onnx" => (detect, &square, &[&[1, 17, 500]], &[("task", "pose"), ("kpt_shape", "[5, 2]")]),
        other => panic!("no facts for {other}"),
    };
    let element = if model.contains("fp16") { ElementType::F16 } else { ElementType::F32 };
    let outputs = outputs.iter().map(|dims| tensor("output", element, dims)).collect();
    (task, vec![tensor("images", element, input)], outputs, metadata(extra))
}

pub fn tensor(name: &str, element: ElementType, dims: &[i64]) -> TensorFacts {
    let dims = dims.iter().map(|&dim| u64::try_from(dim).ok()).collect();
    TensorFacts { name: name.to_owned(), element, dims }
}

/// What all fixture detectors say of themselves, with some entries replaced.
pub fn metadata(replaced: &[(&str, &str)]) -> BTreeMap<String, String> {
    let usual = [
        ("names", "{0: 'circle', 1: 'square', 2: 'triangle'}"),
        ("task", "detect"),
        ("imgsz", "[160, 160]"),
        ("stride", "16"),
        ("end2end", "False"),
        ("args", "{'dynamic': False, 'nms': False, 'batch': 1}"),
    ];
    usual.iter().chain(replaced).map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}
