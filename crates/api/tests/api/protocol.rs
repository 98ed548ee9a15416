//! The Open Inference Protocol over the whole application.

use axum::body::Body;
use serde_json::{Value, json};

use crate::support::{Answer, Client, MODEL, TestApp};

/// Method, path, the scope that is needed; `any` is any key, `none` is no key.
pub const CASES: &[(&str, &str, &str)] = &[
    ("GET", "/v2", "any"),
    ("GET", "/v2/health/live", "none"),
    ("GET", "/v2/health/ready", "none"),
    ("GET", "/v2/models/{model_name}", "read"),
    ("GET", "/v2/models/{model_name}/ready", "read"),
    ("GET", "/v2/models/{model_name}/config", "read"),
    ("GET", "/v2/models/{model_name}/stats", "read"),
    ("POST", "/v2/models/{model_name}/infer", "write"),
    ("GET", "/v2/models/{model_name}/versions/{model_version}", "read"),
    ("GET", "/v2/models/{model_name}/versions/{model_version}/ready", "read"),
    ("GET", "/v2/models/{model_name}/versions/{model_version}/config", "read"),
    ("GET", "/v2/models/{model_name}/versions/{model_version}/stats", "read"),
    ("POST", "/v2/models/{model_name}/versions/{model_version}/infer", "write"),
    ("POST", "/v2/repository/index", "read"),
];

#[tokio::test]
async fn a_key_of_the_tenant_with_the_scope_is_needed() {
    let (app, tenant) = world().await;
    let stranger = app.tenant("stranger").await;
    let me = tenant.get("/me").await.is(200).json["tenant"]["id"].as_str().unwrap().to_owned();
    for (method, path, scope) in CASES.iter().filter(|(_, _, scope)| *scope != "none") {
        let path = path.replace("{model_name}", "iris").replace("{model_version}", "1.9.0");
        let path = format!("/{path}");
        let body = if path.ends_with("infer") { wish().to_string() } else { String::new() };
        let ask = async |client: &Client| client.send(method, &path, None, body.clone()).await;
        is(ask(&app.nobody()).await, 401);
        is(ask(&app.nobody().with_key("wrong")).await, 401);
        is(ask(&app.key(&me, &[if *scope == "any" { "read" } else { scope }]).await).await, 200);
        if *scope == "any" {
            continue;
        }
        let others: Vec<_> = ["read", "write", "admin"].into_iter().filter(|other| other != scope).collect();
        is(ask(&app.key(&me, &others).await).await, 403);
        if path.contains("iris") {
            is(ask(&stranger).await, 404);
        }
    }
}

async fn world() -> (TestApp, Client) {
    let app = TestApp::new().await;
    let tenant = app.tenant("acme").await;
    app.ready_model("acme", "iris", "1.9.0").await;
    app.ready_model("acme", "iris", "1.10.0").await;
    app.pending_model("acme", "iris", "2.0.0").await;
    tenant.put_bytes("/slots/detect", MODEL).await.is(200);
    (app, tenant)
}

fn wish() -> Value {
    json!({ "id": "", "inputs": [{ "name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4] }] })
}

async fn infer(client: &Client, path: &str, body: impl Into<Body>, headers: &[(&str, &str)]) -> Answer {
    let client = headers.iter().fold(client.clone(), |client, (name, value)| client.with(name, value));
    client.send("POST", path, None, body).await
}

/// Checks the status; an error must have the protocol's form.
#[track_caller]
fn is(answer: Answer, status: u16) -> Answer {
    assert_eq!(answer.status.as_u16(), status, "{:?}", answer.bytes);
    if status >= 400 {
        assert_eq!(answer.header("content-type"), "application/json");
        assert!(answer.json["error"].as_str().is_some_and(|text| !text.is_empty()), "{}", answer.json);
    }
    answer
}

#[tokio::test]
async fn the_server_tells_what_it_is_and_how_it_is() {
    let (app, tenant) = world().await;
    for path in ["//v2", "//v2/"] {
        let server = is(tenant.get(path).await, 200).json;
        assert_eq!(server["name"], "ortolan");
        let extensions = server["extensions"].to_string();
        assert!(extensions.contains("binary_tensor_data") && !extensions.contains("shared_memory"));
        is(app.nobody().get(path).await, 401);
    }
    assert_eq!(is(app.nobody().get("//v2/health/live").await, 200).json, json!({ "live": true }));
    assert_eq!(is(app.nobody().get("//v2/health/ready").await, 200).json, json!({ "ready": true }));
}

#[tokio::test]
async fn a_name_is_the_latest_ready_version_else_a_slot() {
    let (_app, tenant) = world().await;
    let model = is(tenant.get("//v2/models/iris").await, 200).json;
    assert_eq!(model["versions"], json!(["1.10.0", "1.9.0"]));
    assert_eq!(model["inputs"], json!([{ "name": "x", "datatype": "FP32", "shape": [-1, 4] }]));
    let answer = is(infer(&tenant, "//v2/models/iris/infer", wish().to_string(), &[]).await, 200).json;
    assert_eq!((&answer["model_version"], &answer["id"]), (&json!("1.10.0"), &json!("")));
    let path = "//v2/models/iris/versions/1.9.0/infer";
    let older = is(infer(&tenant, path, wish().to_string(), &[]).await, 200).json;
    assert_eq!(older["model_version"], "1.9.0");
    assert_eq!(is(tenant.get("//v2/models/detect").await, 200).json["versions"], json!(["1"]));
    is(tenant.get("//v2/models/detect/versions/1/ready").await, 200);
    for unknown in ["segment", "detect/versions/2", "iris/versions/3.0.0", "%2e%2e", "a%2Fb", "%00"] {
        is(tenant.get(&format!("//v2/models/{unknown}")).await, 404);
    }
    is(tenant.get("//v2/models/iris/versions/2.0.0/ready").await, 400);
    let config = is(tenant.get("//v2/models/iris/config").await, 200).json;
    assert_eq!(config["input"][0], json!({ "name": "x", "data_type": "TYPE_FP32", "dims": [-1, 4] }));
    let stats = is(tenant.get("//v2/models/iris/versions/1.9.0/stats").await, 200).json;
    assert_eq!(stats["model_stats"][0]["name"], "iris");
}

#[tokio::test]
async fn the_index_lists_versions_and_slots() {
    let (_app, tenant) = world().await;
    let all = is(infer(&tenant, "//v2/repository/index", "", &[]).await, 200).json;
    let names: Vec<_> =
        all.as_array().unwrap().iter().map(|one| (&one["name"], &one["version"], &one["state"])).collect();
    let entry = |name: &str, version: &str, state: &str| (json!(name), json!(version), json!(state));
    let expected = [
        entry("iris", "1.9.0", "READY"),
        entry("iris", "1.10.0", "READY"),
        entry("iris", "2.0.0", "UNAVAILABLE"),
        entry("detect", "1", "READY"),
    ];
    assert!(names.into_iter().eq(expected.iter().map(|(name, version, state)| (name, version, state))), "{all}");
    let ready = is(infer(&tenant, "//v2/repository/index", r#"{"ready": true}"#, &[]).await, 200).json;
    assert_eq!(ready.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn binary_tensors_go_in_and_out_compressed_or_not() {
    let (_app, tenant) = world().await;
    let json = r#"{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","parameters":{"binary_data_size":16}}],"outputs":[{"name":"y","parameters":{"binary_data":true}}]}"#;
    let tail: Vec<u8> = [1.0f32, f32::NAN, 3.0, f32::INFINITY].iter().flat_map(|value| value.to_le_bytes()).collect();
    let body = [json.as_bytes(), &tail].concat();
    let length = json.len().to_string();
    let packed = ortolan_oip::compress(&[body.clone().into()], ortolan_oip::Encoding::Deflate).unwrap();
    let path = "//v2/models/iris/infer";
    let sized = ("inference-header-content-length", length.as_str());
    let plain = infer(&tenant, path, body, &[sized]).await;
    let packed = infer(&tenant, path, packed, &[sized, ("content-encoding", "deflate")]).await;
    for answer in [plain, packed] {
        let answer = is(answer, 200);
        assert_eq!(answer.header("content-type"), "application/octet-stream");
        let split: usize = answer.header("inference-header-content-length").parse().unwrap();
        assert_eq!(answer.bytes[split..], tail);
        let head: Value = serde_json::from_slice(&answer.bytes[..split]).unwrap();
        assert_eq!(head["outputs"][0]["parameters"]["binary_data_size"], 16);
    }
    let zipped = infer(&tenant, path, wish().to_string(), &[("accept-encoding", "gzip")]).await;
    assert_eq!(is(zipped, 200).header("content-encoding"), "gzip");
    let usual = infer(&tenant, path, wish().to_string(), &[("accept-encoding", "gzip, deflate")]).await;
    assert_eq!(is(usual, 200).header("content-encoding"), "");
}

#[tokio::test]
async fn what_json_cannot_carry_asks_for_binary_data() {
    let (_app, tenant) = world().await;
    let json = r#"{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","parameters":{"binary_data_size":16}}]}"#;
    let tail = [f32::NAN; 4].map(f32::to_le_bytes).concat();
    let length = json.len().to_string();
    let headers = [("inference-header-content-length", length.as_str())];
    let answer = infer(&tenant, "//v2/models/iris/infer", [json.as_bytes(), &tail].concat(), &headers).await;
    let error = is(answer, 400).json["error"].clone();
    assert!(error.as_str().unwrap().contains("binary_data"), "{error}");
}

#[tokio::test]
async fn known_answers_are_taken_when_asked() {
    let (app, tenant) = world().await;
    let mut wish = wish();
    wish["parameters"] = json!({ "use_cache": true });
    let ask = async || is(infer(&tenant, "//v2/models/iris/infer", wish.to_string(), &[]).await, 200);
    let (first, second) = (ask().await, ask().await);
    assert_eq!((first.header("x-cache"), second.header("x-cache")), ("MISS", "HIT"));
    assert_eq!(first.bytes, second.bytes);
    assert_eq!(app.ml.asked().iter().filter(|asked| asked.starts_with("infer")).count(), 1);
}

#[tokio::test]
async fn an_operator_names_the_tenant_in_the_path() {
    let (app, tenant) = world().await;
    let path = "//t/acme/v2/models/iris/infer";
    assert_eq!(is(infer(&app.operator(), path, wish().to_string(), &[]).await, 200).json["model_name"], "iris");
    is(infer(&tenant, path, wish().to_string(), &[]).await, 200);
    let stranger = app.tenant("stranger").await;
    is(infer(&stranger, path, wish().to_string(), &[]).await, 403);
    is(infer(&stranger, "//v2/models/iris/infer", wish().to_string(), &[]).await, 404);
    is(infer(&app.operator(), "//t/nobody/v2/models/iris/infer", wish().to_string(), &[]).await, 404);
    for path in ["//v2/nothing", "//t/acme/v2/nothing", "//v2/systemsharedmemory/status"] {
        is(tenant.get(path).await, 404);
    }
    is(tenant.get("//v2/models/iris/infer").await, 405);
}

#[tokio::test]
async fn bodies_are_bounded_before_they_are_read() {
    let app = TestApp::with(|settings| settings.max_tensor_bytes = 1000).await;
    let tenant = app.tenant("acme").await;
    app.ready_model("acme", "iris", "1.0.0").await;
    let path = "//v2/models/iris/infer";
    is(infer(&tenant, path, vec![b' '; 1001], &[]).await, 413);
    let chunks = futures::stream::iter((0..20).map(|_| Ok::<_, std::io::Error>(vec![b' '; 100])));
    is(infer(&tenant, path, Body::from_stream(chunks), &[]).await, 413);
    let bomb = ortolan_oip::compress(&[vec![b' '; 1 << 20].into()], ortolan_oip::Encoding::Gzip).unwrap();
    assert!(
        bomb.len() > 1000 || is(infer(&tenant, path, bomb, &[("content-encoding", "gzip")]).await, 413).bytes.len() > 1
    );
    is(infer(&tenant, path, "{}", &[("content-encoding", "br")]).await, 415);
    is(infer(&tenant, path, "{}", &[]).await, 400);
}
