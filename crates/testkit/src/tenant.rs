//! A tenant who talks to the server over HTTP.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use reqwest::header::HeaderMap;
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

/// A tenant who talks to the server over HTTP.
#[derive(Clone)]
pub struct Tenant {
    client: Client,
    base: String,
    /// Its name.
    pub name: String,
    /// Its key.
    pub key: String,
}

/// A status and a JSON body; null when the body is none.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Value,
}

impl Answer {
    /// A header's value; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body, when the status is the one expected.
    pub fn expect(self, status: u16) -> Result<Value> {
        ensure!(self.status.as_u16() == status, "expected {status}, was {}: {}", self.status, self.body);
        Ok(self.body)
    }
}

impl Tenant {
    pub(crate) fn new(client: Client, base: String, name: String, key: String) -> Self {
        Self { client, base, name, key }
    }

    /// The same tenant at another API of the installation.
    pub fn at(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    /// A request with this tenant's key to a path below `/api/v1`.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}/api/v1{path}", self.base)).bearer_auth(&self.key)
    }

    /// Sends a request and reads the answer.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer> {
        let answer = request.send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await?;
        Ok(Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::Null) })
    }

    /// Gets a path.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send(self.request(Method::GET, path)).await
    }

    /// Posts JSON to a path.
    pub async fn post(&self, path: &str, body: Value) -> Result<Answer> {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    /// Uploads a model into a slot.
    pub async fn put_slot(&self, slot: &str, model: Vec<u8>) -> Result<Answer> {
        let request =
            self.request(Method::PUT, &format!("/slots/{slot}")).header("content-type", "application/octet-stream");
        self.send(request.body(model)).await
    }

    /// Registers a version of a model, uploads its file and has it validated; gives its id.
    pub async fn ready_model(&self, name: &str, version: &str, file: Vec<u8>) -> Result<String> {
        let made = self.post("/models", json!({"name": name, "version": version})).await?.expect(201)?;
        let id = made["id"].as_str().unwrap_or_default().to_owned();
        let form = Form::new().part("file", Part::bytes(file).file_name("model.onnx"));
        let upload = self.request(Method::POST, &format!("/models/{id}/upload")).multipart(form);
        self.send(upload).await?.expect(200)?;
        let verdict = self.post(&format!("/models/{id}/validate"), json!({})).await?.expect(200)?;
        ensure!(verdict["valid"] == true, "{name}: {verdict}");
        Ok(id)
    }

    /// Creates a job that must be taken, and gives its id.
    pub async fn job(&self, model: &str, input_data: Value) -> Result<String> {
        let job = self.post("/jobs", json!({"model_id": model, "input_data": input_data})).await?.expect(201)?;
        Ok(job["job_id"].as_str().unwrap_or_default().to_owned())
    }

    /// How a job ended, waited for.
    pub async fn job_result(&self, job: &str) -> Result<Value> {
        self.get(&format!("/jobs/{job}/result?wait=30")).await?.expect(200)
    }

    /// Uploads media.
    pub async fn upload(&self, name: &str, bytes: Vec<u8>) -> Result<Answer> {
        let form = Form::new().part("file", Part::bytes(bytes).file_name(name.to_owned()));
        self.send(self.request(Method::POST, "/media").multipart(form)).await
    }

    /// Uploads media that must be taken, and gives its id.
    pub async fn media(&self, name: &str, bytes: Vec<u8>) -> Result<String> {
        let body = self.upload(name, bytes).await?.expect(201)?;
        Ok(body["media_id"].as_str().unwrap_or_default().to_owned())
    }

    /// Submits a task that must be taken, and gives its id.
    pub async fn submit(&self, task_type: &str, media_id: Option<&str>, config: Value) -> Result<String> {
        let mut body = json!({"task_type": task_type, "config": config});
        if let Some(media_id) = media_id {
            body["media_id"] = json!(media_id);
        }
        let task = self.post("/tasks", body).await?.expect(201)?;
        Ok(task["task_id"].as_str().unwrap_or_default().to_owned())
    }

    /// The task as it stands.
    pub async fn task(&self, id: &str) -> Result<Value> {
        self.get(&format!("/tasks/{id}")).await?.expect(200)
    }

    /// Waits until the task has one of the statuses.
    pub async fn wait_for(&self, id: &str, statuses: &[&str]) -> Result<Value> {
        for _ in 0..6000 {
            let task = self.task(id).await?;
            let status = task["status"].as_str().unwrap_or_default();
            if statuses.contains(&status) {
                return Ok(task);
            }
            ensure!(!matches!(status, "completed" | "failed" | "cancelled"), "ended otherwise: {task}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("task {id} never was {statuses:?}")
    }

    /// Waits until the task has ended, however.
    pub async fn wait(&self, id: &str) -> Result<Value> {
        self.wait_for(id, &["completed", "failed", "cancelled"]).await
    }

    /// All artifacts of a task.
    pub async fn artifacts(&self, id: &str) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        loop {
            let page =
                self.get(&format!("/tasks/{id}/artifacts?limit=100&offset={}", items.len())).await?.expect(200)?;
            let found = page["items"].as_array().cloned().unwrap_or_default();
            items.extend(found);
            if items.len() as u64 >= page["total"].as_u64().unwrap_or_default() {
                return Ok(items);
            }
        }
    }
}
