//! The script that puts load on an installation.

use std::process::Output;

use ortolan_testkit::{Server, Tenant, fixtures};

use crate::server;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/load/load.sh");

async fn run(server: &Server, tenant: &Tenant, model: &str, p95_ms: &str) -> Output {
    let mut script = tokio::process::Command::new("bash");
    script.arg(SCRIPT).env("BASE_URL", server.url("")).env("KEY", &tenant.key).env("MODEL", model);
    script.env("INPUT", r#"{"x": [[1, 2, 3, 4]]}"#).env("VUS", "3").env("DURATION", "2s").env("P95_MS", p95_ms);
    script.output().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_whether_the_thresholds_are_kept() {
    let server = server().await;
    let tenant = server.tenant("acme").await.unwrap();
    let model = tenant.ready_model("net", "1.0.0", fixtures::read("models/identity.onnx")).await.unwrap();
    let kept = run(&server, &tenant, &model, "60000").await;
    let text = String::from_utf8_lossy(&kept.stdout).into_owned();
    assert!(kept.status.success(), "{text}{}", String::from_utf8_lossy(&kept.stderr));
    assert!(text.contains("failures 0.00 %") && text.contains("thresholds kept"), "{text}");
    let broken = run(&server, &tenant, &model, "0").await;
    assert_eq!(broken.status.code(), Some(1));
    let missing = run(&server, &tenant, "018f0000-0000-7000-8000-000000000000", "60000").await;
    assert_eq!(missing.status.code(), Some(1), "requests that fail break the other threshold");
}
