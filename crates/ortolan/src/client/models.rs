//! The registry: versions of models, their files, and predictions.

use reqwest::multipart::Form;
use reqwest::{Method, header};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Client, ClientError, Slot, Upload};

/// A version of a model.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Model {
    /// Its id.
    pub id: Uuid,
    /// The name it shares with its other versions.
    #[serde(default)]
    pub name: String,
    /// Its own label.
    pub version: String,
    /// Where it stands.
    pub status: String,
    /// When it was registered, RFC 3339.
    #[serde(default)]
    pub created_at: String,
    /// Size of its file.
    #[serde(default)]
    pub file_size_bytes: Option<u64>,
    /// SHA-256 of its file.
    #[serde(default)]
    pub file_hash: Option<String>,
    /// What goes in.
    #[serde(default)]
    pub input_schema: Option<Vec<Port>>,
    /// What comes out.
    #[serde(default)]
    pub output_schema: Option<Vec<Port>>,
    /// Why its file cannot be served.
    #[serde(default)]
    pub error_message: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// An input or output.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// What its elements are.
    pub dtype: String,
    /// Its axes; nothing for a free one.
    pub shape: Vec<Option<i64>>,
    /// Everything else.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A version to be registered.
#[derive(Debug, Clone, Serialize)]
pub struct NewModel {
    /// The name it shares with its other versions.
    pub name: String,
    /// Its own label.
    pub version: String,
    /// A text for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Which versions are listed.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ModelFilter {
    /// Only those of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Only those with this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'static str>,
    /// The page, from 1.
    pub page: u32,
    /// How many on a page, 1 to 100.
    pub page_size: u32,
}

/// A page of versions.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct ModelPage {
    /// The versions of this page.
    pub items: Vec<Model>,
    /// How many there are on all pages.
    pub total: u64,
    /// Everything else.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// How a validation ended.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Validation {
    /// Whether the file can be served.
    pub valid: bool,
    /// Why not.
    #[serde(default)]
    pub error_message: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// What is asked of a model.
#[derive(Debug, Serialize)]
pub struct Question {
    /// The inputs by name, exactly as they were written.
    pub input_data: Box<RawValue>,
    /// Runs the model even if the answer is known.
    pub skip_cache: bool,
    /// Gives up after so many milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// What a model answered.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Prediction {
    /// The outputs by name.
    pub output_data: Value,
    /// How long the model took.
    pub inference_time_ms: f64,
    /// True when the answer was known already.
    pub cached: bool,
    /// Everything else.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

#[derive(Deserialize)]
struct Versions {
    versions: Vec<OfVersion>,
}

#[derive(Deserialize)]
struct OfVersion {
    id: Uuid,
    version: String,
}

impl Client {
    /// Registers a version without a file.
    pub async fn create_model(&self, model: &NewModel) -> Result<Model, ClientError> {
        self.json(self.request(Method::POST, "/models").json(model)).await
    }

    /// Uploads a version's file.
    pub async fn upload_model(&self, id: Uuid, file: Upload) -> Result<(), ClientError> {
        let request = self.request(Method::POST, &format!("/models/{id}/upload"));
        self.send(request.multipart(Form::new().part("file", file.into_part()))).await.map(drop)
    }

    /// Has a version's file tried. The answer comes after that.
    pub async fn validate_model(&self, id: Uuid) -> Result<Validation, ClientError> {
        self.json(self.request(Method::POST, &format!("/models/{id}/validate"))).await
    }

    /// Copies a ready version into a slot. The answer comes after it was tried there.
    pub async fn promote_model(&self, id: Uuid, slot: ortolan_domain::Slot) -> Result<Slot, ClientError> {
        let request = self.request(Method::POST, &format!("/models/{id}/promote"));
        self.json(request.json(&serde_json::json!({ "slot": slot.as_str() }))).await
    }

    /// A page of versions, the newest first.
    pub async fn models(&self, filter: &ModelFilter) -> Result<ModelPage, ClientError> {
        self.json(self.request(Method::GET, "/models").query(filter)).await
    }

    /// One version.
    pub async fn model(&self, id: Uuid) -> Result<Model, ClientError> {
        self.json(self.request(Method::GET, &format!("/models/{id}"))).await
    }

    /// The id of a name's version, if there is one of this label.
    pub async fn model_version(&self, name: &str, version: &str) -> Result<Option<Uuid>, ClientError> {
        let found: Versions = self.json(self.request(Method::GET, &by_name(name, "versions"))).await?;
        Ok(found.versions.into_iter().find(|of| of.version == version).map(|of| of.id))
    }

    /// The highest version of a name; with `ready_only` the highest that may be asked.
    pub async fn latest_model(&self, name: &str, ready_only: bool) -> Result<Model, ClientError> {
        let request = self.request(Method::GET, &by_name(name, "latest"));
        self.json(request.query(&[("ready_only", ready_only)])).await
    }

    /// Deletes a version with its file, predictions and jobs.
    pub async fn delete_model(&self, id: Uuid) -> Result<(), ClientError> {
        self.send(self.request(Method::DELETE, &format!("/models/{id}"))).await.map(drop)
    }

    /// Asks a version.
    pub async fn predict(&self, id: Uuid, question: &Question) -> Result<Prediction, ClientError> {
        let request = self.request(Method::POST, &format!("/models/{id}/predict"));
        let body = serde_json::to_vec(question).unwrap_or_default();
        self.json(request.header(header::CONTENT_TYPE, "application/json").body(body)).await
    }
}

/// A path of a name, which may hold what has a meaning in addresses.
fn by_name(name: &str, what: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut path = "/models/by-name/".to_owned();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            path.push(char::from(byte));
        } else {
            path.extend(['%', HEX[usize::from(byte >> 4)].into(), HEX[usize::from(byte & 15)].into()]);
        }
    }
    format!("{path}/{what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_to_its_place_in_the_path() {
        assert_eq!(by_name("iris-2.0_a", "latest"), "/models/by-name/iris-2.0_a/latest");
        assert_eq!(by_name("a/b?c ü", "versions"), "/models/by-name/a%2Fb%3Fc%20%C3%BC/versions");
    }
}
