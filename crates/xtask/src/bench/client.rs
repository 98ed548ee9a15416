//! A tenant of the server under measurement: its key, its model in the slot, and tasks followed to their end.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::http::{Answer, Connection};
use super::server::OPERATOR_KEY;

/// How often a task's state is asked for where the client polls.
const POLL_EVERY: Duration = Duration::from_millis(2);
/// A task that has not ended by then counts as an error.
const END_WITHIN: Duration = Duration::from_secs(30);

/// What every connection of the tenant needs to know.
#[derive(Debug, Clone)]
pub struct Tenant {
    address: SocketAddr,
    /// The header that shows its key.
    pub authorization: String,
}

/// One connection in the tenant's name.
#[derive(Debug)]
pub struct Client {
    connection: Connection,
    headers: String,
    headers_wait: String,
}

#[derive(Deserialize)]
struct TaskState {
    task_id: String,
    status: String,
}

impl Tenant {
    /// Makes a tenant with a key that may do everything in it.
    pub fn create(address: SocketAddr, name: &str) -> Result<Self> {
        let operator = Self { address, authorization: bearer(OPERATOR_KEY) };
        let mut client = operator.client();
        let tenant = client.post_json("/api/v1/tenants", &json!({"name": name}), 201)?;
        let path = format!("/api/v1/tenants/{}/keys", text(&tenant, "id")?);
        let key = client.post_json(&path, &json!({"name": "bench", "scopes": ["read", "write", "admin"]}), 201)?;
        Ok(Self { address, authorization: bearer(text(&key, "key")?) })
    }

    /// For a server without keys.
    pub fn of_anybody(address: SocketAddr) -> Self {
        Self { address, authorization: String::new() }
    }

    /// Opens a connection.
    pub fn client(&self) -> Client {
        let headers = format!("{}content-type: application/json\r\n", self.authorization);
        let headers_wait = format!("{headers}prefer: wait=10\r\n");
        Client { connection: Connection::new(self.address), headers, headers_wait }
    }

    /// Puts a model file into the slot.
    pub fn put_slot(&self, slot: &str, model: &[u8]) -> Result<()> {
        let headers = format!("{}content-type: application/octet-stream\r\n", self.authorization);
        let answer = Connection::new(self.address).request("PUT", &format!("/api/v1/slots/{slot}"), &headers, model)?;
        parse(answer, 200).map(|_| ())
    }

    /// Uploads the file of a version in the registry, as a form.
    pub fn upload_model(&self, id: &str, model: &[u8]) -> Result<()> {
        const BOUNDARY: &str = "ortolan-bench-boundary";
        let head = "content-disposition: form-data; name=\"file\"; filename=\"model.onnx\"\r\n\r\n";
        let front = format!("--{BOUNDARY}\r\n{head}");
        let body = [front.as_bytes(), model, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat();
        let headers = format!("{}content-type: multipart/form-data; boundary={BOUNDARY}\r\n", self.authorization);
        let path = format!("/api/v1/models/{id}/upload");
        parse(Connection::new(self.address).request("POST", &path, &headers, &body)?, 200).map(|_| ())
    }

    /// Uploads a picture and answers its media id.
    pub fn upload(&self, content_type: &str, picture: &[u8]) -> Result<String> {
        let headers = format!("{}content-type: {content_type}\r\n", self.authorization);
        let answer = Connection::new(self.address).request("POST", "/api/v1/media", &headers, picture)?;
        Ok(text(&parse(answer, 201)?, "media_id")?.to_owned())
    }
}

impl Client {
    /// Asks for a page that needs no key and does nothing: what HTTP alone costs.
    pub fn get_health(&mut self) -> Result<()> {
        let answer = self.connection.request("GET", "/health/live", "", b"")?;
        parse(answer, 200).map(|_| ())
    }

    /// Submits a task and lets the server answer when it has ended.
    pub fn task_by_waiting(&mut self, task: &[u8]) -> Result<()> {
        let state = parse_task(&self.connection.request("POST", "/api/v1/tasks", &self.headers_wait, task)?, 201)?;
        must_be_completed(&state)
    }

    /// Submits a task and asks for its state until it has ended.
    pub fn task_by_polling(&mut self, task: &[u8]) -> Result<()> {
        let mut state = parse_task(&self.connection.request("POST", "/api/v1/tasks", &self.headers, task)?, 201)?;
        let path = format!("/api/v1/tasks/{}", state.task_id);
        let submitted = Instant::now();
        while !matches!(state.status.as_str(), "completed" | "failed" | "cancelled") {
            if submitted.elapsed() > END_WITHIN {
                bail!("a task was still {} after {END_WITHIN:?}", state.status);
            }
            std::thread::sleep(POLL_EVERY);
            state = parse_task(&self.connection.request("GET", &path, &self.headers, b"")?, 200)?;
        }
        must_be_completed(&state)
    }

    /// Asks a model with a body of the Open Inference Protocol, whose JSON is so long.
    pub fn predict(&mut self, model: &str, json_bytes: usize, body: &[u8]) -> Result<()> {
        let headers = format!("{}inference-header-content-length: {json_bytes}\r\n", self.headers);
        let path = format!("/v2/models/{model}/infer");
        must_have_status(&self.connection.request("POST", &path, &headers, body)?, 200)
    }

    /// Posts JSON and reads the JSON of an answer that must have this status.
    pub fn post_json(&mut self, path: &str, body: &Value, status: u16) -> Result<Value> {
        let answer = self.connection.request("POST", path, &self.headers, body.to_string().as_bytes())?;
        parse(answer, status)
    }
}

fn bearer(key: &str) -> String {
    format!("authorization: Bearer {key}\r\n")
}

fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str> {
    value[field].as_str().with_context(|| format!("no {field} in {value}"))
}

fn parse(answer: Answer, status: u16) -> Result<Value> {
    must_have_status(&answer, status)?;
    serde_json::from_slice(&answer.body).context("the answer is not JSON")
}

fn parse_task(answer: &Answer, status: u16) -> Result<TaskState> {
    must_have_status(answer, status)?;
    serde_json::from_slice(&answer.body).context("the answer is no task")
}

fn must_have_status(answer: &Answer, status: u16) -> Result<()> {
    if answer.status != status {
        bail!("status {} instead of {status}: {}", answer.status, String::from_utf8_lossy(&answer.body));
    }
    Ok(())
}

fn must_be_completed(state: &TaskState) -> Result<()> {
    if state.status != "completed" {
        bail!("a task ended {}", state.status);
    }
    Ok(())
}
