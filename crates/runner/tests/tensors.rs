//! Named tensors of every type through real models, compared with what the reference runtime answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use bytes::Bytes;
use half::{bf16, f16};
use ortolan_domain::tensor::{Datatype, Output, OutputValue, Strings, Tensor, encode_strings};
use ortolan_runner::{CallContext, RunnerError, RunnerPool};
use serde_json::{Value, json};
use support::{LONG, Source, f32s, fixture, i64s, pool, tensor_key};

/// All outputs of a model of the fixtures.
async fn outputs(pool: &RunnerPool, model: &str, inputs: Vec<Tensor>) -> Result<Vec<Output>, RunnerError> {
    wanted(pool, model, inputs, &[]).await
}

async fn wanted(
    pool: &RunnerPool,
    model: &str,
    inputs: Vec<Tensor>,
    wanted: &[&str],
) -> Result<Vec<Output>, RunnerError> {
    let path = format!("models/{model}.onnx");
    let wanted: Vec<_> = wanted.iter().map(|name| (*name).to_owned()).collect();
    let call = async {
        let context = CallContext::default();
        let loaded = pool.load(&tensor_key("a", &path), Source::of(&path), &context).await?;
        loaded.infer(loaded.check(inputs, &wanted)?, context).await
    };
    tokio::time::timeout(LONG, call).await.expect("the call hangs").map(|answer| answer.outputs)
}

fn texts(name: &str, shape: &[i64], texts: &[&[u8]]) -> Tensor {
    let data = encode_strings(texts).into();
    Tensor { name: name.to_owned(), datatype: Datatype::Bytes, shape: shape.to_vec(), data }
}

/// A tensor as the file of references writes it.
fn tensor(name: &str, written: &Value) -> Tensor {
    let shape = serde_json::from_value(written["shape"].clone()).unwrap();
    let items = written["data"].as_array().unwrap();
    let numbers = || items.iter().map(|item| item.as_f64().unwrap());
    let (datatype, data): (_, Vec<u8>) = match written["dtype"].as_str().unwrap() {
        "float32" => (Datatype::Fp32, numbers().flat_map(|x| (x as f32).to_le_bytes()).collect()),
        "float16" => (Datatype::Fp16, numbers().flat_map(|x| f16::from_f64(x).to_le_bytes()).collect()),
        "bfloat16" => (Datatype::Bf16, numbers().flat_map(|x| bf16::from_f64(x).to_le_bytes()).collect()),
        "int64" => (Datatype::Int64, items.iter().flat_map(|x| x.as_i64().unwrap().to_le_bytes()).collect()),
        "uint8" => (Datatype::Uint8, numbers().map(|x| x as u8).collect()),
        "bool" => (Datatype::Bool, items.iter().map(|x| u8::from(x.as_bool().unwrap())).collect()),
        "object" => (Datatype::Bytes, encode_strings(items.iter().map(|x| x.as_str().unwrap()))),
        other => panic!("{other}"),
    };
    Tensor { name: name.to_owned(), datatype, shape, data: data.into() }
}

/// A sequence or a map as the file of references writes it, in the form that is answered.
fn as_json(written: &Value) -> Value {
    if let Some(items) = written["sequence"].as_array() {
        return items.iter().map(as_json).collect();
    }
    if let Some(pairs) = written["map"].as_array() {
        let key = |key: &Value| key.as_str().map_or_else(|| key.to_string(), str::to_owned);
        return Value::Object(pairs.iter().map(|pair| (key(&pair[0]), pair[1].clone())).collect());
    }
    written["data"].clone()
}

fn is_near(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_near(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| is_near(a, b)))
        }
        (Value::Number(a), Value::Number(b)) => (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 1e-6,
        _ => one == other,
    }
}

fn assert_like(model: &str, output: &Output, right: &Value) {
    match &output.value {
        OutputValue::Json(value) => assert!(is_near(value, &as_json(right)), "{model} {}: {value}", output.name),
        OutputValue::Tensor { datatype: Datatype::Fp32, shape, data } => {
            let (values, right) = (data.as_chunks::<4>().0, tensor(&output.name, right));
            assert_eq!((shape, values.len()), (&right.shape, right.data.len() / 4), "{model} {}", output.name);
            for (value, right) in values.iter().zip(right.data.as_chunks::<4>().0) {
                let (value, right) = (f32::from_le_bytes(*value), f32::from_le_bytes(*right));
                assert!((value - right).abs() < 1e-6, "{model} {}: {value} is not {right}", output.name);
            }
        }
        OutputValue::Tensor { datatype, shape, data } => {
            let right = tensor(&output.name, right);
            let answered = (*datatype, shape, data);
            assert_eq!(answered, (right.datatype, &right.shape, &right.data), "{model} {}", output.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_comes_out_as_the_reference_says() {
    let references: Value = serde_json::from_slice(&fixture("reference/tabular.json")).unwrap();
    let pool = pool().await;
    let models = [
        "add",
        "identity",
        "matmul",
        "loop_n",
        "lgbm_plain",
        "lgbm_zipmap",
        "multi_dtype",
        "string_identity",
        "sequence_out",
        "sk_logreg_stringlabels",
    ];
    for model in models {
        for case in references["models"][model]["cases"].as_array().unwrap() {
            let inputs = case["input"].as_object().unwrap().iter().map(|(name, input)| tensor(name, input));
            let answered = outputs(&pool, model, inputs.collect()).await.unwrap();
            assert_eq!(answered.len(), case["output"].as_object().unwrap().len(), "{model}");
            for output in &answered {
                assert_like(model, output, &case["output"][&output.name]);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strings_are_any_bytes_and_may_be_none_at_all() {
    let pool = pool().await;
    let strings: [&[u8]; 3] = [b"\xff\xd8\0jpeg", b"", "gr\u{fc}n".as_bytes()];
    let sent = texts("s", &[3], &strings);
    let answered = outputs(&pool, "string_identity", vec![sent.clone()]).await.unwrap();
    let OutputValue::Tensor { data, shape, .. } = &answered[0].value else { panic!("{answered:?}") };
    assert_eq!((Strings::new(data).collect::<Vec<_>>(), shape), (strings.to_vec(), &sent.shape));
    let none = outputs(&pool, "string_identity", vec![texts("s", &[0], &[])]).await.unwrap();
    let empty = OutputValue::Tensor { datatype: Datatype::Bytes, shape: vec![0], data: Bytes::new() };
    assert_eq!(none[0].value, empty);
    let none = outputs(&pool, "identity", vec![f32s("x", &[0, 4], &[])]).await.unwrap();
    let empty = OutputValue::Tensor { datatype: Datatype::Fp32, shape: vec![0, 4], data: Bytes::new() };
    assert_eq!(none[0].value, empty);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_wanted_outputs_come_in_the_wanted_order() {
    let pool = pool().await;
    let input = || vec![f32s("x", &[1], &[1.5])];
    let answered = wanted(&pool, "multi_dtype", input(), &["b", "f16"]).await.unwrap();
    assert_eq!(answered.iter().map(|output| output.name.as_str()).collect::<Vec<_>>(), ["b", "f16"]);
    assert_like("multi_dtype", &answered[0], &json!({ "dtype": "bool", "shape": [1], "data": [true] }));
    for (names, words) in [(&["b", "b"][..], "asked for twice"), (&["c"], "\"c\" is not one of the model's")] {
        let error = wanted(&pool, "multi_dtype", input(), names).await.unwrap_err();
        assert!(matches!(&error, RunnerError::BadInput(text) if text.contains(words)), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_that_does_not_fit_is_named_with_what_was_expected_and_what_came() {
    let pool = pool().await;
    let x = |shape: &[i64], values: &[f32]| f32s("x", shape, values);
    let cases = [
        (vec![], "the input \"x\" is missing; the model takes \"x\" FP32 [n, 4]"),
        (vec![x(&[2, 3], &[0.0; 6])], "the input \"x\" has shape [n, 4], not [2, 3]"),
        (vec![x(&[4], &[0.0; 4])], "the input \"x\" has shape [n, 4], not [4]"),
        (vec![i64s("x", &[1, 4], &[0; 4])], "the input \"x\" is FP32, not INT64"),
        (vec![texts("x", &[1], &[b"a"])], "the input \"x\" is FP32, not BYTES"),
        (vec![x(&[1, 4], &[0.0; 3])], "the input \"x\": shape [1, 4] of type FP32 needs 4 x 4 bytes, but 12 are there"),
        (vec![x(&[-1, 4], &[0.0; 4])], "the input \"x\": [-1, 4] cannot be the shape of a tensor"),
        (vec![x(&[1, 4], &[0.0; 4]), x(&[1, 4], &[0.0; 4])], "the input \"x\" is there twice"),
        (
            vec![x(&[1, 4], &[0.0; 4]), f32s("z", &[1], &[0.0])],
            "the input \"z\" is not one of the model's, which takes \"x\" FP32 [n, 4]",
        ),
    ];
    for (inputs, words) in cases {
        let error = outputs(&pool, "identity", inputs).await.unwrap_err();
        assert_eq!(error, RunnerError::BadInput(words.to_owned()));
    }
    assert_eq!(outputs(&pool, "identity", vec![x(&[1, 4], &[0.0; 4])]).await.unwrap().len(), 1, "the model goes on");
    assert_eq!(pool.deaths(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_stands_for_the_planes_of_a_detector() {
    let pool = pool().await;
    let picture = fixture("images/shapes_a.png");
    // 160 x 160 needs no resize, so the planes are the pixels themselves.
    let image = ortolan_media::decode_image(&picture, &ortolan_media::DecodeLimits::default()).unwrap();
    let plane = |channel: usize| image.pixels().iter().skip(channel).step_by(3).map(|value| f32::from(*value) / 255.0);
    let planes: Vec<f32> = (0..3).flat_map(plane).collect();
    let raw = outputs(&pool, "shapes_det_160", vec![f32s("images", &[1, 3, 160, 160], &planes)]).await.unwrap();
    let encoded = outputs(&pool, "shapes_det_160", vec![texts("images", &[1], &[&picture])]).await.unwrap();
    assert_eq!(raw, encoded);
    let broken = outputs(&pool, "shapes_det_160", vec![texts("images", &[1], &[&picture[..200]])]).await.unwrap_err();
    assert!(matches!(broken, RunnerError::MediaRefused { .. }), "{broken:?}");
    let two = outputs(&pool, "shapes_det_160", vec![texts("images", &[2], &[&picture, &picture])]).await.unwrap_err();
    assert!(matches!(&two, RunnerError::BadInput(text) if text.contains("takes one picture")), "{two:?}");
}
