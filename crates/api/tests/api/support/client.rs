//! Requests and answers.

use axum::Router;
use axum::body::{Body, Bytes};
use http::{HeaderMap, Method, Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt;

/// Somebody who sends requests.
#[derive(Clone)]
pub struct Client {
    router: Router,
    headers: Vec<(String, String)>,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Bytes,
    /// The body as JSON; `null` when it is none.
    pub json: Value,
}

impl Client {
    pub fn new(router: Router) -> Self {
        Self { router, headers: Vec::new() }
    }

    /// The same client of another process.
    pub fn at(&self, router: Router) -> Self {
        Self { router, headers: self.headers.clone() }
    }

    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.push((name.to_owned(), value.to_owned()));
        client
    }

    pub fn with_key(&self, key: &str) -> Self {
        self.with("authorization", &format!("Bearer {key}"))
    }

    /// The answer before its body is read; `path` is below `/api/v1` unless it begins with `//`.
    pub async fn open(&self, method: &str, path: &str, kind: Option<&str>, body: Body) -> http::Response<Body> {
        let uri = path
            .strip_prefix('/')
            .filter(|rest| rest.starts_with('/'))
            .map_or_else(|| format!("/api/v1{path}"), str::to_owned);
        let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(uri);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap()
    }

    pub async fn send(&self, method: &str, path: &str, kind: Option<&str>, body: impl Into<Body>) -> Answer {
        let (parts, body) = self.open(method, path, kind, body.into()).await.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, bytes, json }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None, Body::empty()).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, None, Body::empty()).await
    }

    pub async fn post(&self, path: &str, json: Value) -> Answer {
        self.send("POST", path, Some("application/json"), json.to_string()).await
    }

    pub async fn patch(&self, path: &str, json: Value) -> Answer {
        self.send("PATCH", path, Some("application/json"), json.to_string()).await
    }

    pub async fn put_bytes(&self, path: &str, bytes: &[u8]) -> Answer {
        self.send("PUT", path, Some("application/octet-stream"), bytes.to_vec()).await
    }

    pub async fn post_form(&self, path: &str, parts: &[(&str, Option<&str>, &[u8])]) -> Answer {
        self.send("POST", path, Some("multipart/form-data; boundary=XX"), form(parts)).await
    }

    /// Uploads bytes as a picture's raw body; returns the media object's id.
    pub async fn upload(&self, bytes: &[u8]) -> String {
        let made = self.send("POST", "/media", Some("image/png"), bytes.to_vec()).await.is(201);
        made.json["media_id"].as_str().unwrap().to_owned()
    }

    /// Submits a no-op; returns its id.
    pub async fn noop(&self) -> String {
        let made = self.post("/tasks", serde_json::json!({ "task_type": "noop" })).await.is(201);
        made.json["task_id"].as_str().unwrap().to_owned()
    }
}

impl Answer {
    /// Checks the status; an error must be a problem document of that status.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{:?}", self.bytes);
        if status >= 400 {
            assert_eq!(self.headers["content-type"], "application/problem+json");
            assert_eq!(self.json["status"], status);
            assert_eq!(self.json["request_id"], self.headers["x-request-id"].to_str().unwrap());
            for field in ["type", "title", "detail", "code"] {
                assert!(self.json[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {}", self.json);
            }
        }
        self
    }

    /// Checks the status and the code of a refusal.
    #[track_caller]
    pub fn refuses(self, status: u16, code: &str) -> Self {
        let answer = self.is(status);
        assert_eq!(answer.json["code"], code, "{}", answer.json);
        answer
    }

    /// Checks that a refusal names this field.
    #[track_caller]
    pub fn naming(self, field: &str) -> Self {
        assert_eq!(self.json["errors"][0]["field"], field, "{}", self.json);
        self
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

/// A form with these parts: name, file name, content. The boundary is `XX`.
pub fn form(parts: &[(&str, Option<&str>, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file_name, content) in parts {
        let file_name = file_name.map(|name| format!("; filename=\"{name}\"")).unwrap_or_default();
        body.extend_from_slice(
            format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"{file_name}\r\n\r\n").as_bytes(),
        );
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--XX--\r\n");
    body
}
