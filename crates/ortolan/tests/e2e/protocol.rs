//! The Open Inference Protocol against real models: every hostile body gets its answer, every datatype survives.

use std::collections::BTreeMap;

use ortolan_testkit::{Server, Tenant, fixtures};
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
    tenant.ready_model(name, "1.0.0", file).await.unwrap()
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

/// An inference whose one input is a picture as it lies on disk.
async fn show_picture(server: &Server, tenant: &Tenant, input: &str, picture: &[u8]) -> reqwest::Response {
    let size = picture.len() + 4;
    let tensor =
        json!({ "name": input, "datatype": "BYTES", "shape": [1], "parameters": { "binary_data_size": size } });
    let head = json!({ "inputs": [tensor] }).to_string();
    let length = u32::try_from(picture.len()).unwrap().to_le_bytes();
    let request = server.client().post(server.url("/v2/models/cls/infer")).bearer_auth(&tenant.key);
    let request = request.header("inference-header-content-length", head.len());
    request.body([head.as_bytes(), &length, picture].concat()).send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_as_bytes_is_seen_as_a_task_sees_it() {
    let server = Server::start(options()).await.unwrap();
    let tenant = server.tenant("acme").await.unwrap();
    let file = fixtures::read("models/shapes_cls_64.onnx");
    tenant.put_slot("classify", file.clone()).await.unwrap().expect(200).unwrap();
    register(&tenant, "cls", file).await;
    let picture = fixtures::read("images/shapes_a.png");
    let media = tenant.media("a.png", picture.clone()).await.unwrap();
    let task = tenant.submit("classification", Some(&media), json!({ "top_k": 100 })).await.unwrap();
    assert_eq!(tenant.wait(&task).await.unwrap()["status"], "completed");
    let seen = tenant.artifacts(&task).await.unwrap()[0]["payload"]["predictions"].clone();

    let metadata = server.client().get(server.url("/v2/models/cls")).bearer_auth(&tenant.key).send().await.unwrap();
    let input = metadata.json::<Value>().await.unwrap()["inputs"][0]["name"].as_str().unwrap().to_owned();
    let answer = show_picture(&server, &tenant, &input, &picture).await;
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    let scores = answer.json::<Value>().await.unwrap()["outputs"][0]["data"].clone();
    assert_eq!(scores.as_array().unwrap().len(), seen.as_array().unwrap().len());
    for class in seen.as_array().unwrap() {
        let score = &scores[class["class_id"].as_u64().unwrap() as usize];
        assert!(is_near(score, &class["confidence"]), "{class} is not {score}");
    }
    for no_picture in [&b"no picture"[..], b"", &picture[..40]] {
        let refused = show_picture(&server, &tenant, &input, no_picture).await;
        assert!((400..500).contains(&refused.status().as_u16()), "{}", refused.status());
        let refusal = refused.json::<Value>().await.unwrap();
        leaks_nothing(refusal["error"].as_str().unwrap());
    }
}
