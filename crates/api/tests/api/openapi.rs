//! The OpenAPI document and the pages.

use std::path::Path;

use serde_json::Value;

use crate::support::TestApp;

fn document() -> Value {
    serde_json::from_slice(&ortolan_api::openapi_json()).unwrap()
}

/// `docs/openapi.json` is what clients are built from; `ORTOLAN_WRITE_OPENAPI=1` writes it anew.
#[test]
fn the_kept_document_is_the_present_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let present = String::from_utf8(ortolan_api::openapi_json().to_vec()).unwrap();
    if std::env::var_os("ORTOLAN_WRITE_OPENAPI").is_some() {
        std::fs::write(&path, &present).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == present, "docs/openapi.json is not what the code says: run this test with ORTOLAN_WRITE_OPENAPI=1");
}

#[tokio::test]
async fn the_served_document_is_the_same() {
    let app = TestApp::new().await;
    let served = app.nobody().get("//api/v1/openapi.json").await.is(200);
    assert_eq!(served.json, document());
    assert_eq!(served.header("content-type"), "application/json");
    assert!(served.json["openapi"].as_str().unwrap().starts_with("3.1"));
}

#[test]
fn every_operation_tells_its_answers_and_what_goes_wrong() {
    let document = document();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{method} {path}");
            assert!(operation["summary"].is_string() && operation["tags"][0].is_string(), "{name}");
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.keys().any(|status| status.starts_with('2')), "{name}");
            let needs_key = operation.get("security").is_none();
            assert_eq!(needs_key, answers.contains_key("401"), "{name}");
            for status in ["401", "403", "500", "503"].into_iter().skip(if needs_key { 0 } else { 2 }) {
                let (kind, expected) = match path.starts_with("/v2") {
                    true => ("application/json", "#/components/schemas/OipError"),
                    false => ("application/problem+json", "#/components/schemas/Problem"),
                };
                assert_eq!(answers[status]["content"][kind]["schema"]["$ref"], expected, "{name} {status}");
            }
            for parameter in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
                let described = operation["parameters"].as_array().unwrap().iter().any(|one| one["name"] == parameter);
                assert!(described, "{name}: {parameter}");
                assert!(answers.contains_key("404") || path.contains("{type}"), "{name}");
            }
        }
    }
}

/// Every `$ref` leads somewhere.
#[test]
fn every_reference_is_defined() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| match value.as_str() {
                Some(target) if key == "$ref" => found.push(target),
                _ => references(value, found),
            }),
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50);
    for target in found {
        assert!(document.pointer(target.strip_prefix('#').unwrap()).is_some(), "{target}");
    }
}

#[tokio::test]
async fn pages_take_nothing_from_elsewhere() {
    let app = TestApp::new().await;
    for path in ["//", "//docs", "//docs/docs.js", "//docs/style.css"] {
        let page = app.nobody().get(path).await.is(200);
        let text = String::from_utf8_lossy(&page.bytes).into_owned();
        assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("\"//"), "{path}");
        assert!(!text.contains("innerHTML") && !text.contains("style=") && !text.contains("onclick"), "{path}");
    }
    let policy = app.nobody().get("//docs").await;
    assert!(policy.header("content-security-policy").contains("default-src 'none'"));
}
