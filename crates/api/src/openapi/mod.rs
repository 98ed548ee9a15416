//! The OpenAPI document: made of the handlers' own annotations, finished here.

mod problem;
mod refusals;
pub mod words;

use bytes::Bytes;
use utoipa::OpenApi;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{OpenApi as Document, PathItem};

pub use problem::ProblemDocument;
pub(crate) use refusals::{ANYWHERE, answers, refusals};

/// The head of the document; the paths come from the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Ortolan",
        description = "Self-hosted, multi-tenant ONNX inference: pictures, sounds and videos through durable tasks.\n\n\
            Every request needs an API key. Errors are `application/problem+json`; `code` is the word to rely on, and \
            `request_id` leads to the cause in the log.",
        license(name = "MIT OR Apache-2.0")
    ),
    tags(
        (name = "tasks", description = "Durable units of work and what they found."),
        (name = "pipelines", description = "Several steps over one picture."),
        (name = "callbacks", description = "What is told of the end of tasks, and what webhooks are signed with."),
        (name = "predictions", description = "Named tensors through a model, and what was answered."),
        (name = "jobs", description = "Predictions that nobody waits for: tasks of type `inference`."),
        (name = "caches", description = "Answers that are kept for a while."),
        (name = "open inference protocol", description = "The Open Inference Protocol with the binary tensor extension. Errors are `{\"error\": …}`."),
        (name = "media", description = "Uploaded pictures, sounds and videos."),
        (name = "models", description = "The registry: versions of models and their files."),
        (name = "quarantine", description = "Models and inputs that are not run together again."),
        (name = "slots", description = "A tenant's models by purpose."),
        (name = "model cache", description = "Models that are loaded."),
        (name = "tenants", description = "Customers and their keys."),
        (name = "account", description = "Who asks, and what is used."),
        (name = "health", description = "How the service is; needs no key."),
    ),
    components(schemas(ProblemDocument, crate::v2::OipErrorBody))
)]
pub struct Head;

/// Adds what holds for every path.
pub fn finish(mut document: Document) -> Document {
    let components = document.components.get_or_insert_default();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("An API key.")).build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    let header = ApiKeyValue::with_description("X-API-Key", "An API key.");
    components.add_security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(header)));
    let any_of = ["bearer", "api_key"].map(|name| SecurityRequirement::new(name, [] as [&str; 0]));
    document.security = Some(any_of.into());
    document.paths.paths.values_mut().for_each(drop_refusals_of_open_paths);
    document
}

/// Who needs no key is not refused for it.
fn drop_refusals_of_open_paths(item: &mut PathItem) {
    if let Some(operation) = &mut item.get
        && operation.security.is_some()
    {
        operation.responses.responses.retain(|status, _| !["401", "403"].contains(&status.as_str()));
    }
}

/// The document as it is served and kept in `docs/openapi.json`.
pub fn to_json(document: &Document) -> Bytes {
    // A document is made of strings and maps with string keys, which always can be written.
    let mut json = serde_json::to_vec_pretty(document).unwrap_or_default();
    json.push(b'\n');
    json.into()
}
