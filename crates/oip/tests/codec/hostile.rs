//! The bodies of `fixtures/hostile/http`: what the codec alone can tell, it tells.

use std::path::PathBuf;

use bytes::Bytes;
use ortolan_oip::{Encoding, Frame, InferRequest, OipError, decompress};
use serde::Deserialize;

const LIMIT_BYTES: usize = 16 << 20;
/// Good for the codec; only whoever knows the model sees what is wrong.
const NEEDS_A_MODEL: [&str; 8] = [
    "wrong_datatype.bin",
    "shape_empty.bin",
    "int8_range.json",
    "input_missing.json",
    "input_unknown.json",
    "outputs_unknown.json",
    "fpe_div_request.json",
    "unequal_lengths.json",
];

#[derive(Deserialize)]
struct Case {
    file: String,
    headers: std::collections::BTreeMap<String, String>,
    expect: Vec<u16>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/hostile/http")
}

fn read(case: &Case) -> Result<InferRequest, OipError> {
    let body = Bytes::from(std::fs::read(folder().join(&case.file)).unwrap());
    let encoding = Encoding::of_content(case.headers.get("Content-Encoding").map_or("", String::as_str))?;
    let body = decompress(body, encoding, LIMIT_BYTES)?;
    let length = case.headers.get("Inference-Header-Content-Length").map(|length| length.as_bytes());
    InferRequest::read(&Frame::split(body, length)?)
}

#[test]
fn each_body_is_taken_or_refused_as_its_list_says() {
    let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(folder().join("index.json")).unwrap()).unwrap();
    let kept = cases.iter().filter(|case| folder().join(&case.file).exists());
    let mut count = 0;
    for case in kept {
        count += 1;
        let outcome = read(case);
        match &outcome {
            Ok(_) if NEEDS_A_MODEL.contains(&case.file.as_str()) => {}
            Ok(_) => assert!(case.expect.contains(&200), "{} was taken", case.file),
            Err(error) => assert!(case.expect.iter().any(|status| *status != 200), "{}: {error}", case.file),
        }
        if let Err(error) = outcome {
            let text = error.to_string();
            assert!(text.len() < 1000 && !text.chars().any(char::is_control), "{}: {text}", case.file);
        }
    }
    assert!(count > 60, "{count}");
}

#[test]
fn binary_inputs_are_slices_of_the_body() {
    let body = Bytes::from(std::fs::read(folder().join("control_ok.bin")).unwrap());
    let request = InferRequest::read(&Frame::split(body.clone(), Some(b"94")).unwrap()).unwrap();
    assert_eq!(request.inputs[0].data.as_ptr(), body[94..].as_ptr());
}

#[test]
fn deadlines_are_positive_and_the_shorter_one_counts() {
    let read = |parameters: &str| {
        let json = format!(
            r#"{{"parameters":{parameters},"inputs":[{{"name":"x","shape":[1],"datatype":"INT8","data":[1]}}]}}"#
        );
        InferRequest::read(&Frame { json: json.into(), tail: Bytes::new() }).map(|request| request.timeout_ms)
    };
    assert_eq!(read(r#"{"timeout": 1500, "timeout_ms": 2}"#), Ok(Some(1.5)));
    assert_eq!(read("{}"), Ok(None));
    for bad in [r#"{"timeout": 0}"#, r#"{"timeout_ms": -1}"#, r#"{"timeout": "soon"}"#] {
        assert!(read(bad).is_err(), "{bad}");
    }
}
