//! Clients written by others, unchanged, against a real server: they are Python programs, which `./dev test` installs.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::{Command, Output};

use ortolan_testkit::{Server, ServerOptions, Tenant, fixtures};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::json;

/// A server with the models that the programs ask.
async fn world() -> (Server, Tenant) {
    let options = ServerOptions::new(env!("CARGO_BIN_EXE_ortolan"));
    let server = Server::start(options).await.unwrap();
    let tenant = server.tenant("acme").await.unwrap();
    for name in ["identity", "string_identity", "multi_dtype"] {
        register(&tenant, name).await;
    }
    (server, tenant)
}

async fn register(tenant: &Tenant, name: &str) {
    let made = tenant.post("/models", json!({ "name": name })).await.unwrap().expect(201).unwrap();
    let path = format!("/models/{}", made["id"].as_str().unwrap());
    let file = Part::bytes(fixtures::read(&format!("models/{name}.onnx"))).file_name("model.onnx");
    let upload = tenant.request(Method::POST, &format!("{path}/upload")).multipart(Form::new().part("file", file));
    assert!(tenant.send(upload).await.unwrap().status.is_success());
    let verdict = tenant.post(&format!("{path}/validate"), json!({})).await.unwrap().expect(200).unwrap();
    assert_eq!(verdict["valid"], true, "{name}: {verdict}");
}

/// Python with the clients, told where the server is.
fn python(server: &Server, tenant: &Tenant) -> Command {
    let packages = std::env::var("ORTOLAN_CLIENT_PACKAGES");
    let packages = packages
        .expect("ORTOLAN_CLIENT_PACKAGES names no folder with the clients: `./dev test` fetches them and sets it");
    let mut command = Command::new("python3");
    // What they leave behind goes with the server's folder.
    command.current_dir(server.folder());
    command.env("PYTHONPATH", &packages).env("PYTHONDONTWRITEBYTECODE", "1").env("NO_PROXY", "*");
    command.env("PATH", format!("{packages}/bin:{}", std::env::var("PATH").unwrap_or_default()));
    command.env("ORTOLAN_HOST", server.url("").trim_start_matches("http://"));
    command.env("ORTOLAN_KEY", &tenant.key).env("ORTOLAN_OPERATOR_KEY", server.operator_key());
    command
}

fn program(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/foreign").join(name)
}

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[track_caller]
fn is_good(output: &Output, server: &Server) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}\n{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn tritonclient_works_unchanged() {
    let (server, tenant) = world().await;
    let mut command = python(&server, &tenant);
    command.arg(program("triton.py"));
    is_good(&run(command).await, &server);
}

#[tokio::test(flavor = "multi_thread")]
async fn mlserver_infer_works_unchanged() {
    let (server, tenant) = world().await;
    let folder = tempfile::tempdir().unwrap();
    let request = json!({ "inputs": [{ "name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4] }] });
    let (input, output) = (folder.path().join("input.txt"), folder.path().join("output.txt"));
    std::fs::write(&input, format!("{request}\n{request}\n")).unwrap();
    let mut command = python(&server, &tenant);
    command.args([
        "-m",
        "mlserver.cli.main",
        "infer",
        "--transport",
        "rest",
        "--model-name",
        "identity",
        "--workers",
        "1",
    ]);
    command.args(["--url", server.url("").trim_start_matches("http://")]);
    command.args(["--request-headers", &format!("Authorization:Bearer {}", tenant.key)]);
    command.arg("--input-data-path").arg(&input).arg("--output-data-path").arg(&output);
    is_good(&run(command).await, &server);
    let answers = std::fs::read_to_string(&output).unwrap();
    assert_eq!(answers.lines().count(), 2, "{answers}");
    for line in answers.lines() {
        let answer: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(answer["outputs"][0]["data"], json!([1.0, 2.0, 3.0, 4.0]), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_of_the_documents_making_gets_an_answer_that_it_does_not_know() {
    let (server, tenant) = world().await;
    let mut command = python(&server, &tenant);
    command.arg(program("openapi.py"));
    is_good(&run(command).await, &server);
}
