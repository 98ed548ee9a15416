//! The registry with real files: honest ones of every kind, and those that attack the loader.

use ortolan_testkit::{Tenant, fixtures};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::{detects, leaks_nothing, server, tenant_with_detector};

/// Files that no registry may take for good, by the beginning of their names.
const NEVER_VALID: &[&str] = &[
    "empty",
    "random",
    "text",
    "truncated",
    "trailing",
    "pickle",
    "zip",
    "proto_",
    "ext_",
    "init_",
    "sparse_",
    "function",
    "python_op",
    "unknown_",
    "opset_0",
    "opset_99",
    "opset_none",
    "ir_99",
    "ir_negative",
    "cyclic",
    "self_loop",
    "dangling",
    "no_outputs",
    "fpe_attention",
    "fpe_convtranspose",
    "fpe_splittosequence",
    "fpe_div_intmin_load",
    "panic_",
    "stack_function",
    "segv_layernorm",
    "stack_tree_deep",
    "tree_cycle",
    "typeless",
    "input_rank_5000",
    "inputs_10000",
    "outputs_2500",
];

/// Registers a version, uploads its file and validates it; its id and the verdict.
async fn validate(tenant: &Tenant, version: &str, bytes: Vec<u8>) -> (String, Value) {
    let made = tenant.post("/models", json!({ "name": "net", "version": version })).await.unwrap().expect(201).unwrap();
    let id = made["id"].as_str().unwrap().to_owned();
    let form = Form::new().part("file", Part::bytes(bytes).file_name("net.onnx"));
    let upload = tenant.request(Method::POST, &format!("/models/{id}/upload")).multipart(form);
    tenant.send(upload).await.unwrap().expect(200).unwrap();
    let verdict = tenant.post(&format!("/models/{id}/validate"), json!({})).await.unwrap().expect(200).unwrap();
    (id, verdict)
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_models_of_every_kind_become_ready_and_are_promoted() {
    let server = server().await;
    let tenant = server.tenant("acme").await.unwrap();
    for (n, file) in
        ["add", "string_identity", "multi_dtype", "lgbm_zipmap", "sequence_out", "loop_n"].iter().enumerate()
    {
        let (_, verdict) = validate(&tenant, &format!("0.0.{n}"), fixtures::read(&format!("models/{file}.onnx"))).await;
        assert_eq!((&verdict["valid"], &verdict["status"]), (&json!(true), &json!("ready")), "{file}: {verdict}");
        assert!(
            verdict["metadata"]["opset_version"].is_i64() && verdict["input_schema"][0]["dtype"].is_string(),
            "{verdict}"
        );
        leaks_nothing(&verdict.to_string());
    }
    let (id, _) = validate(&tenant, "1.0.0", fixtures::read("models/shapes_det_160.onnx")).await;
    tenant.post(&format!("/models/{id}/promote"), json!({ "slot": "detect" })).await.unwrap().expect(200).unwrap();
    detects(&tenant).await;
    let (add, _) = validate(&tenant, "1.0.1", fixtures::read("models/add.onnx")).await;
    tenant.post(&format!("/models/{add}/promote"), json!({ "slot": "detect" })).await.unwrap().expect(422).unwrap();
    detects(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_files_end_in_a_verdict_and_nobody_else_notices() {
    let mut server = server().await;
    let (tenant, other) = (server.tenant("acme").await.unwrap(), tenant_with_detector(&server, "other").await);
    for (n, file) in fixtures::list("hostile/models").iter().enumerate() {
        let (_, verdict) =
            validate(&tenant, &format!("1.0.{n}"), fixtures::read(&format!("hostile/models/{file}"))).await;
        leaks_nothing(&verdict.to_string());
        let valid = verdict["valid"].as_bool().unwrap();
        assert_eq!(verdict["status"], if valid { "ready" } else { "error" }, "{file}");
        assert_eq!(verdict["error_message"].is_string(), !valid, "{file}: {verdict}");
        assert!(!valid || !NEVER_VALID.iter().any(|begin| file.starts_with(begin)), "{file}: {verdict}");
        assert!(server.is_alive(), "{file} killed the server");
        if n % 30 == 0 {
            detects(&other).await;
        }
    }
    detects(&other).await;
}
