//! A model's life: large files, what goes with it, what is loaded at start.

use futures::StreamExt;
use ortolan_testkit::{Server, Tenant, fixtures};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::{options, server};

const MIB: u64 = 1 << 20;

/// Memory that a process has had at most so far, in MiB.
fn peak_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// Uploads so many bytes that are made on the way.
async fn upload(tenant: &Tenant, model: &str, bytes: u64) -> u16 {
    let piece = vec![7_u8; MIB as usize];
    let pieces = (0..bytes / MIB).map(move |_| Ok::<_, std::io::Error>(piece.clone()));
    let last = vec![7_u8; (bytes % MIB) as usize];
    let body = reqwest::Body::wrap_stream(futures::stream::iter(pieces.chain([Ok(last)])).boxed());
    let form = Form::new().part("file", Part::stream_with_length(body, bytes).file_name("large.onnx"));
    let request = tenant.request(Method::POST, &format!("/models/{model}/upload")).multipart(form);
    tenant.send(request).await.unwrap().status.as_u16()
}

async fn register(tenant: &Tenant, version: &str) -> String {
    let wish = json!({ "name": "large", "version": version });
    let made = tenant.post("/models", wish).await.unwrap().expect(201).unwrap();
    made["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_half_a_gigabyte_takes_no_memory_and_one_byte_more_is_refused() {
    let server = server().await;
    let tenant = server.tenant("acme").await.unwrap();
    let limit = 500 * MIB;
    let (fits, too_large) = (register(&tenant, "1.0.0").await, register(&tenant, "2.0.0").await);
    let before = peak_mib(server.pid().unwrap());
    assert_eq!(upload(&tenant, &fits, limit).await, 200);
    assert_eq!(upload(&tenant, &too_large, limit + 1).await, 413);
    let after = peak_mib(server.pid().unwrap());
    assert!(after < before + 100, "{before} MiB before, {after} MiB at most");
    let model = tenant.get(&format!("/models/{fits}")).await.unwrap().expect(200).unwrap();
    assert_eq!((&model["file_size_bytes"], &model["status"]), (&json!(limit), &json!("uploaded")));
    let refused = tenant.get(&format!("/models/{too_large}")).await.unwrap().expect(200).unwrap();
    assert_eq!((&refused["file_size_bytes"], &refused["status"]), (&Value::Null, &json!("pending")));
}

#[tokio::test(flavor = "multi_thread")]
async fn predictions_and_jobs_go_with_their_model() {
    let server = server().await;
    let tenant = server.tenant("acme").await.unwrap();
    let file = fixtures::read("models/identity.onnx");
    let (gone, stays) = (
        tenant.ready_model("net", "1.0.0", file.clone()).await.unwrap(),
        tenant.ready_model("net", "2.0.0", file).await.unwrap(),
    );
    let mut paths = Vec::new();
    for model in [&gone, &stays] {
        let inputs = json!({ "x": [[1, 2, 3, 4]] });
        let predicted = tenant.post(&format!("/models/{model}/predict"), json!({ "input_data": inputs })).await;
        let predicted = predicted.unwrap().expect(201).unwrap();
        let job = tenant.job(model, inputs).await.unwrap();
        assert_eq!(tenant.job_result(&job).await.unwrap()["status"], "completed");
        tenant.get(&format!("/models/{model}/predictions")).await.unwrap().expect(200).unwrap();
        paths.push([
            format!("/predictions/{}", predicted["id"].as_str().unwrap()),
            format!("/models/{model}/predictions"),
            format!("/jobs/{job}"),
            format!("/tasks/{job}/artifacts"),
            format!("/models/{model}"),
        ]);
    }
    let deleted = tenant.send(tenant.request(Method::DELETE, &format!("/models/{gone}"))).await.unwrap();
    assert_eq!(deleted.status, 204);
    for (paths, status) in paths.iter().zip([404, 200]) {
        for path in paths {
            assert_eq!(tenant.get(path).await.unwrap().status, status, "{path}");
        }
    }
    let versions = tenant.get("/models/by-name/net/versions").await.unwrap().expect(200).unwrap();
    assert_eq!((&versions["total"], &versions["latest_version"]), (&json!(1), &json!("2.0.0")));
}

#[tokio::test(flavor = "multi_thread")]
async fn listed_models_are_loaded_once_and_a_broken_one_is_left_out() {
    let listed = "a/detect,b/classify,c/segment,broken/detect";
    let mut server = Server::start(options().env("MODEL_PRELOAD", listed).env("MODEL_INIT", "lenient")).await.unwrap();
    for (tenant, slot, file) in
        [("a", "detect", "shapes_det_160"), ("b", "classify", "shapes_cls_64"), ("c", "segment", "shapes_seg_160")]
    {
        let model = fixtures::read(&format!("models/{file}.onnx"));
        server.tenant(tenant).await.unwrap().put_slot(slot, model).await.unwrap().expect(200).unwrap();
    }
    let folder = server.data().join("objects/models/broken");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("detect.onnx"), "no model").unwrap();
    server.stop().await.unwrap();
    let before = server.log().len();
    server.restart().await.unwrap();

    let log = server.log().split_off(before);
    for line in ["Model registry initialized with 3 models", "Available models:", "b/classify (classify)"] {
        assert!(log.contains(line), "{line}: {log}");
    }
    assert!(log.contains("model could not be preloaded"), "{log}");
    let health: Value = server.client().get(server.url("/health")).send().await.unwrap().json().await.unwrap();
    assert_eq!((&health["status"], &health["ml"]["models_loaded"]), (&json!("degraded"), &json!(3)));

    let cache = async || {
        let asked = server.client().get(server.url("/api/v1/model-cache")).bearer_auth(server.operator_key());
        asked.send().await.unwrap().json::<Value>().await.unwrap()
    };
    let (loaded, tenant) = (cache().await, server.tenant("d").await.unwrap());
    assert_eq!(loaded["model_count"], 3, "{loaded}");
    let model = tenant.ready_model("net", "1.0.0", fixtures::read("models/identity.onnx")).await.unwrap();
    let mut resident = Vec::new();
    for turn in 0..1_000 {
        let wish = json!({ "input_data": { "x": [[turn, 0, 0, 0]] } });
        tenant.post(&format!("/models/{model}/predict"), wish).await.unwrap().expect(201).unwrap();
        if turn % 500 == 499 {
            let runners = cache().await["runners"].as_array().unwrap().clone();
            resident.push(runners.iter().map(|runner| runner["resident_bytes"].as_u64().unwrap() / MIB).sum::<u64>());
        }
    }
    assert!(resident[1] <= resident[0] + 8, "MiB of all runners: {resident:?}");
    let after = cache().await;
    let times = |cache: &Value| {
        let models = cache["models"].as_array().unwrap().iter();
        models.filter(|model| model["tenant"] != "d").map(|model| model["loaded_at"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(times(&after), times(&loaded), "loaded once");
    server.stop().await.unwrap();
    let left = std::fs::read_dir(server.data().join("models")).unwrap().flatten();
    let left: Vec<_> =
        left.map(|entry| entry.file_name()).filter(|name| !name.to_string_lossy().starts_with('.')).collect();
    assert!(left.is_empty(), "{left:?}");
}
