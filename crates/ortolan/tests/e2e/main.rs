//! The whole product as its users meet it: the real binary with real runners, talked to over HTTP only.

#![allow(clippy::unwrap_used)]

mod ahead;
mod annotated;
mod callbacks;
mod cancel;
mod crashes;
mod drawn_pictures;
mod hostile_media;
mod hostile_models;
mod jobs;
mod late;
mod load_script;
mod main_job;
mod metrics;
mod model_commands;
mod model_copies;
mod models;
mod own_objects;
mod pictures;
mod pipelines;
mod protocol;
mod provenance;
mod registry;
mod restart;
mod scripts;
mod sink;
mod tenants;
mod tiled;
mod traces;
mod web_pictures;

use ortolan_testkit::{Server, ServerOptions, Tenant, fixtures};

/// The binary under test.
fn options() -> ServerOptions {
    ServerOptions::new(env!("CARGO_BIN_EXE_ortolan"))
}

/// A fresh server.
async fn server() -> Server {
    Server::start(options()).await.unwrap()
}

/// A tenant with the small detector in its slot.
async fn tenant_with_detector(server: &Server, name: &str) -> Tenant {
    let tenant = server.tenant(name).await.unwrap();
    tenant.put_slot("detect", fixtures::read("models/shapes_det_160.onnx")).await.unwrap().expect(200).unwrap();
    tenant
}

/// Asserts that the tenant's detector still works.
async fn detects(tenant: &Tenant) {
    let media = tenant.media("a.png", fixtures::read("images/shapes_a.png")).await.unwrap();
    let config = serde_json::json!({"confidence_threshold": 0.25});
    let task = tenant.submit("object_detection", Some(&media), config).await.unwrap();
    let done = tenant.wait(&task).await.unwrap();
    assert_eq!(done["status"], "completed", "{done}");
    assert!(!tenant.artifacts(&task).await.unwrap().is_empty());
}

/// Asserts that an answer shows nothing of our insides.
fn leaks_nothing(text: &str) {
    for inside in ["/tmp", "/root", "/home", "/work", ".cc:", ".rs:", "onnxruntime", "sqlite", "SELECT ", "panicked"] {
        assert!(!text.contains(inside), "{inside:?} leaks: {text}");
    }
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "control characters: {text:?}");
}
