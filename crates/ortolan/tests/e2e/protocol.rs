//! The Open Inference Protocol against real models: every hostile body gets its answer, every datatype survives.

use std::collections::BTreeMap;

use ortolan_testkit::{Server, Tenant, fixtures};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{leaks_nothing, options};

#[derive(Deserialize)]
struct Case {
    file: String,
    path: String,
    headers: BTreeMap<String, String>,
    expect: Vec<u16>,
}

/// A model's file as a version that is ready.
pub async fn register(tenant: &Tenant, name: &str, file: Vec<u8>) -> String {
    let made = tenant.post("/models", json!({ "name": name })).await.unwrap().expect(201).unwrap();
    let id = made["id"].as_str().unwrap().to_owned();
    let part = reqwest::multipart::Part::bytes(file).file_name("model.onnx");
    let form = reqwest::multipart::Form::new().part("file", part);
    let upload = tenant.request(Method::POST, &format!("/models/{id}/upload")).multipart(form);
    assert!(tenant.send(upload).await.unwrap().status.is_success());
    let verdict = tenant.post(&format!("/models/{id}/validate"), json!({})).await.unwrap().expect(200).unwrap();
    assert_eq!(verdict["valid"], true, "{name}: {verdict}");
    id
}

async fn world() -> (Server, Tenant) {
    let server = Server::start(options()).await.unwrap();
    let tenant = server.tenant("acme").await.unwrap();
    for name in ["identity", "add", "string_identity", "loop_n"] {
        register(&tenant, name, fixtures::read(&format!("models/{name}.onnx"))).await;
    }
    register(&tenant, "div_int32", fixtures::read("hostile/models/div_int32.onnx")).await;
    (server, tenant)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hostile_body_gets_its_answer_and_the_service_goes_on() {
    let (server, tenant) = world().await;
    let cases: Vec<Case> = serde_json::from_slice(&fixtures::read("hostile/http/index.json")).unwrap();
    let kept = fixtures::list("hostile/http");
    let mut count = 0;
    for case in cases.iter().filter(|case| kept.contains(&case.file)) {
        count += 1;
        let mut request = server.client().post(server.url(&case.path)).bearer_auth(&tenant.key);
        for (name, value) in &case.headers {
            request = request.header(name, value);
        }
        let answer = request.body(fixtures::read(&format!("hostile/http/{}", case.file))).send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = String::from_utf8_lossy(&answer.bytes().await.unwrap()).into_owned();
        assert!(case.expect.contains(&status), "{}: {status} {text}", case.file);
        if status >= 400 {
            assert_eq!(headers["content-type"], "application/json", "{}", case.file);
            let error: Value = serde_json::from_str(&text).unwrap();
            assert!(error["error"].is_string(), "{}: {text}", case.file);
            leaks_nothing(&text);
        }
    }
    assert!(count > 60, "{count}");
    let log = server.log();
    assert!(log.lines().all(|line| !line.contains("panicked")), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tabular_models_answer_as_the_reference_does() {
    let server = Server::start(options()).await.unwrap();
    let tenant = server.tenant("acme").await.unwrap();
    let reference: Value = serde_json::from_slice(&fixtures::read("reference/tabular.json")).unwrap();
    for name in ["add", "identity", "matmul", "loop_n", "lgbm_plain", "string_identity", "multi_dtype"] {
        let model = &reference["models"][name];
        let id = register(&tenant, name, fixtures::read(&format!("models/{name}.onnx"))).await;
        for case in model["cases"].as_array().unwrap().iter().filter(|case| has_data(case)) {
            let input_data: serde_json::Map<_, _> = case["input"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, tensor)| (name.clone(), nested(tensor)))
                .collect();
            let path = format!("/models/{id}/predict");
            let answer = tenant.post(&path, json!({ "input_data": input_data })).await.unwrap().expect(201).unwrap();
            for (output, expected) in case["output"].as_object().unwrap() {
                assert!(is_near(&answer["output_data"][output], &nested(expected)), "{name}.{output}: {answer}");
            }
        }
    }
}

fn has_data(case: &Value) -> bool {
    let tensors = ["input", "output"].into_iter().flat_map(|side| case[side].as_object().unwrap().values());
    tensors.into_iter().all(|tensor| tensor["data"].is_array())
}

/// A tensor of the reference as nested lists.
fn nested(tensor: &Value) -> Value {
    fn level(shape: &[Value], data: &mut std::slice::Iter<'_, Value>) -> Value {
        let Some((length, inner)) = shape.split_first() else { return data.next().unwrap().clone() };
        (0..length.as_u64().unwrap()).map(|_| level(inner, data)).collect()
    }
    level(tensor["shape"].as_array().unwrap(), &mut tensor["data"].as_array().unwrap().iter())
}

fn is_near(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, wanted)| is_near(found, wanted))
        }
        (Value::Number(found), Value::Number(wanted)) if found.is_f64() || wanted.is_f64() => {
            let (found, wanted) = (found.as_f64().unwrap(), wanted.as_f64().unwrap());
            (found - wanted).abs() <= 1e-5 * wanted.abs().max(1.0)
        }
        (found, wanted) => found == wanted,
    }
}
