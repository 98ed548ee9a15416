//! Real models in the real runtime.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread;

use half::{bf16, f16};
use ortolan_engine::{
    Datatype, Device, Dimension, Engine, EngineError, Optimization, RunControl, Session, SessionOptions, TensorView,
    ValueKind,
};

/// One runtime for all tests of this process: a second one cannot be opened.
fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let library =
            std::env::var_os("ORT_DYLIB_PATH").expect("set ORT_DYLIB_PATH to libonnxruntime.so; ./dev test does");
        // SAFETY: nobody else reads or writes the environment while the first test waits here.
        unsafe { std::env::set_var("ORT_DISABLE_TELEMETRY", "1") };
        Engine::open(Path::new(&library)).unwrap()
    })
}

fn model(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn load(name: &str) -> Session {
    engine().load(&model(name), &SessionOptions::default()).unwrap()
}

fn control() -> RunControl {
    RunControl::new().unwrap()
}

#[test]
fn a_library_that_is_none_is_an_error_and_no_panic() {
    for path in ["/nonexistent/libonnxruntime.so", "libonnxruntime.so", "/etc/passwd"] {
        assert!(matches!(Engine::open(Path::new(path)), Err(EngineError::Runtime(_))), "{path}");
    }
}

#[test]
fn numbers_go_in_and_come_out() {
    let mut add = load("models/add.onnx");
    let (a, b) = ([1.5f32, 2.0, -3.0], [1.0f32, 0.5, 3.0]);
    let control = control();
    let outputs = add.run(&[TensorView::of_f32(&[3], &a), TensorView::of_f32(&[3], &b)], &control).unwrap();
    let sum = outputs.tensor(0).unwrap();
    assert_eq!((sum.dims, sum.as_f32()), (&[3i64][..], Some(&[2.5f32, 2.5, 0.0][..])));
    assert!(outputs.tensor(1).is_err());
}

#[test]
fn bytes_at_an_odd_address_are_read_too() {
    let mut identity = load("models/identity.onnx");
    let values = [1f32, 2.0, 3.0, 4.0];
    let mut memory = [0u8; 17];
    let odd = 1 - memory.as_ptr().addr() % 2;
    memory[odd..odd + 16].copy_from_slice(bytemuck::cast_slice(&values));
    let view = TensorView { element: Datatype::Fp32, dims: &[1, 4], bytes: &memory[odd..odd + 16] };
    let control = control();
    assert_eq!(identity.run(&[view], &control).unwrap().tensor(0).unwrap().as_f32(), Some(&values[..]));
}

#[test]
fn every_element_type_has_a_view() {
    let mut session = load("models/multi_dtype.onnx");
    let values = [0f32, 1.5, 200.0];
    let control = control();
    let outputs = session.run(&[TensorView::of_f32(&[3], &values)], &control).unwrap();
    let bytes = |index: usize| (outputs.tensor(index).unwrap().element, outputs.tensor(index).unwrap().bytes.to_vec());
    assert_eq!(bytes(0), (Datatype::Fp16, bytemuck::cast_slice(&values.map(f16::from_f32)).to_vec()));
    assert_eq!(bytes(1), (Datatype::Int64, bytemuck::cast_slice(&[0i64, 1, 200]).to_vec()));
    assert_eq!(bytes(2), (Datatype::Uint8, vec![0, 1, 200]));
    assert_eq!(bytes(3), (Datatype::Bool, vec![0, 1, 1]));
    assert_eq!(bytes(4), (Datatype::Bf16, bytemuck::cast_slice(&values.map(bf16::from_f32)).to_vec()));
}

#[test]
fn inputs_that_do_not_fit_are_refused_in_our_words() {
    let mut identity = load("models/identity.onnx");
    let six = [0f32; 6];
    let long = [0i64; 4];
    let wrong_axis = TensorView::of_f32(&[2, 3], &six);
    let wrong_type = TensorView { element: Datatype::Int64, dims: &[1, 4], bytes: bytemuck::cast_slice(&long) };
    let lying = TensorView::of_f32(&[1 << 32, 1 << 32], &[]);
    for inputs in [&[][..], &[wrong_axis], &[wrong_type], &[lying], &[wrong_axis, wrong_axis]] {
        let error = identity.run(inputs, &control()).map(|_| ()).unwrap_err();
        assert!(matches!(error, EngineError::BadInput(_)), "{inputs:?}: {error:?}");
        assert!(!error.to_string().contains(".cc"), "{error}");
    }
}

#[test]
fn a_signature_tells_fixed_named_and_free_axes() {
    let detector = load("models/shapes_det_dyn.onnx").signature();
    let named = |name: &str| Dimension::Named(name.to_owned());
    assert_eq!(detector.inputs[0].dims, [named("batch"), Dimension::Fixed(3), named("height"), named("width")]);
    assert_eq!(detector.inputs[0].element, Some(Datatype::Fp32));
    let trees = load("models/lgbm_zipmap.onnx").signature();
    assert_eq!(trees.inputs[0].dims, [Dimension::Free, Dimension::Fixed(4)]);
    assert_eq!((trees.outputs[1].kind, trees.outputs[1].element), (ValueKind::Sequence, None));
}

#[test]
fn metadata_survive_text_that_is_not_utf8() {
    let good = load("models/shapes_det_160.onnx").metadata();
    assert_eq!(good.custom["task"], "detect");
    assert_eq!(good.custom["names"], "{0: 'circle', 1: 'square', 2: 'triangle'}");
    assert!(good.opset.is_some_and(|opset| opset >= 11) && good.producer.is_some());
    let bad = load("hostile/models/names_bad_utf8.onnx").metadata();
    assert!(bad.custom["names"].contains('\u{fffd}'), "{bad:?}");
    assert!(bad.custom.contains_key("task"), "the other keys are there: {bad:?}");
}

#[test]
fn a_free_axis_can_be_fixed_at_load() {
    let dimensions = [("height".to_owned(), 160), ("width".to_owned(), 160), ("batch".to_owned(), 1)].into();
    let options = SessionOptions { dimensions, optimization: Optimization::None, ..SessionOptions::default() };
    let signature = engine().load(&model("models/shapes_det_dyn.onnx"), &options).unwrap().signature();
    let fixed: Vec<_> = signature.inputs[0].dims.iter().map(Dimension::fixed).collect();
    assert_eq!(fixed, [Some(1), Some(3), Some(160), Some(160)]);
}

#[test]
fn a_stopped_run_ends_and_the_session_goes_on() {
    let mut session = load("models/loop_n.onnx");
    let (turns, start) = ([1_000_000_000i64], [0f32]);
    let inputs = [
        TensorView { element: Datatype::Int64, dims: &[], bytes: bytemuck::cast_slice(&turns) },
        TensorView::of_f32(&[], &start),
    ];
    let control = Arc::new(control());
    let stopper = Arc::clone(&control);
    let stopping = thread::spawn(move || {
        thread::sleep(std::time::Duration::from_millis(20));
        stopper.stop();
    });
    assert_eq!(session.run(&inputs, &control).map(|_| ()).unwrap_err(), EngineError::Stopped);
    stopping.join().unwrap();
    assert_eq!(session.run(&inputs, &control).map(|_| ()).unwrap_err(), EngineError::Stopped, "a stop stays in force");
    let few = [3i64];
    let inputs = [TensorView { element: Datatype::Int64, dims: &[], bytes: bytemuck::cast_slice(&few) }, inputs[1]];
    assert!(session.run(&inputs, &RunControl::new().unwrap()).is_ok());
}

#[test]
fn refused_models_are_told_apart() {
    let refused = |name: &str| {
        engine().load(&model(&format!("hostile/models/{name}.onnx")), &SessionOptions::default()).unwrap_err()
    };
    for name in ["empty", "text", "truncated", "pickle", "zip_bomb"] {
        assert_eq!(refused(name), EngineError::NotAModel, "{name}");
    }
    let words = |name| refused(name).to_string();
    assert_eq!(words("unknown_op"), "the model is not supported: there is no operator LaunchMissiles");
    assert_eq!(words("unknown_domain"), "the model is not supported: there is no operator com.evil:Custom");
    assert_eq!(words("cyclic"), "the model is not valid: its graph has a cycle");
    assert_eq!(words("dup_output_name"), "the model is not valid: a name in it is defined twice");
    assert_eq!(words("panic_expand_negative"), "the model is not valid: a shape in it cannot be");
    assert_eq!(words("ext_dotdot"), "the model is not valid: the runtime refuses its graph", "no path leaks");
    assert!(engine().load(&model("models/add.onnx"), &SessionOptions::default()).is_ok(), "and the runtime goes on");
}

#[test]
fn a_gpu_that_is_not_there_is_an_error_and_no_silent_fallback() {
    let first_missing = engine().cuda_devices();
    let options = SessionOptions { device: Device::Cuda(first_missing), ..SessionOptions::default() };
    let error = engine().load(&model("models/add.onnx"), &options).unwrap_err();
    assert_eq!(error, EngineError::DeviceUnavailable(format!("cuda:{first_missing}")));
}
