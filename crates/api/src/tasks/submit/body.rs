//! What a submission says, in either of its two forms.

use std::borrow::Cow;

use axum::extract::Request;
use http::HeaderMap;
use ortolan_domain::config::{CheckedConfig, TaskConfig};
use ortolan_domain::task::TaskInput;
use ortolan_domain::{FieldError, MediaId, Priority, TaskType};
use ortolan_store::Tenant;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Ref, Schema, SchemaFormat, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::error::ApiError;
use crate::extract::{parse_json, read_limited, require_json, require_object};
use crate::media::{Incoming, receive};
use crate::openapi::words;
use crate::state::ApiState;
use crate::upload::Form;

const PARTS: &str = "one part 'file' and one part 'task'";

/// A task to be submitted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTask)]
pub struct TaskWish {
    /// What to do.
    #[schema(value_type = words::TaskType)]
    pub task_type: TaskType,
    /// The media object to look at; every type but `noop` needs one.
    #[schema(value_type = Option<String>, format = Uuid)]
    pub media_id: Option<MediaId>,
    /// The configuration; what is left out gets its default.
    #[schema(value_type = Option<Object>)]
    #[serde(default, deserialize_with = "present")]
    config: Option<Box<RawValue>>,
    /// How urgent it is; `normal` when left out.
    #[schema(value_type = Option<words::Priority>)]
    #[serde(default)]
    pub priority: Priority,
    /// `https://` or `http://` address that a signed webhook is sent to when the task has ended.
    #[schema(max_length = 2000)]
    pub callback_url: Option<String>,
}

/// A `null` is a value of its own here: left to itself it would count as left out.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

impl TaskWish {
    fn check_config(&self, state: &ApiState) -> Result<CheckedConfig, ApiError> {
        let config = match &self.config {
            Some(config) => Cow::Borrowed(config.as_ref()),
            None => Cow::Owned(empty_object()?),
        };
        require_object("config", config.get().as_bytes())?;
        Ok(TaskConfig::check(self.task_type, &config, state.settings().confidence)?)
    }

    /// What makes two submissions the same request.
    pub fn request<'a>(
        &'a self,
        config: &'a CheckedConfig,
        input: Option<&'a TaskInput>,
        is_upload: bool,
    ) -> Vec<&'a str> {
        let source = match input {
            Some(input) if is_upload => input.sha256.as_str(),
            Some(input) => input.object_path.as_str(),
            None => "",
        };
        let form = if is_upload { "form" } else { "json" };
        let mut request =
            vec!["POST /tasks", form, self.task_type.as_str(), self.priority.as_str(), &config.hash, source];
        request.extend(self.callback_url.as_deref());
        request
    }
}

/// A form with a file and a task.
pub struct TaskForm;

impl PartialSchema for TaskForm {
    fn schema() -> RefOr<Schema> {
        let file = ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
            .description(Some("The file to look at; it becomes a media object."));
        let form = ObjectBuilder::new().property("file", file).property("task", Ref::from_schema_name("NewTask"));
        form.required("file").required("task").into()
    }
}

impl ToSchema for TaskForm {
    fn name() -> Cow<'static, str> {
        "TaskForm".into()
    }
}

/// A submission that was read and whose configuration was checked.
pub struct Order {
    /// What is wished.
    pub wish: TaskWish,
    /// The configuration with its defaults.
    pub config: CheckedConfig,
    /// The file that came with it, not yet looked at.
    pub file: Option<Incoming>,
}

impl Order {
    /// Reads a submission; of a refused one nothing stays behind.
    pub async fn read(state: &ApiState, tenant: &Tenant, request: Request) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        match Form::read(&parts.headers, body, state.settings())? {
            Ok(form) => Self::of_form(state, tenant, form).await,
            Err(body) => Self::of_json(state, &parts.headers, body).await,
        }
    }

    async fn of_json(state: &ApiState, headers: &HeaderMap, body: axum::body::Body) -> Result<Self, ApiError> {
        require_json(headers)?;
        let bytes = read_limited(headers, body, state.settings().max_json_bytes).await?;
        let wish: TaskWish = parse_json(&bytes)?;
        if wish.media_id.is_none() && wish.task_type.needs_media() {
            return Err(ApiError::field("media_id", format!("a task of type {} needs one", wish.task_type)));
        }
        let config = wish.check_config(state)?;
        Ok(Self { wish, config, file: None })
    }

    async fn of_form(state: &ApiState, tenant: &Tenant, mut form: Form) -> Result<Self, ApiError> {
        let mut file = None;
        let read = read_parts(state, tenant, &mut form, &mut file).await;
        match (read, file) {
            (Ok((wish, config)), Some(file)) => Ok(Self { wish, config, file: Some(file) }),
            (Ok(_), None) => Err(missing("file").into()),
            (Err(refusal), Some(file)) => {
                file.object.discard().await;
                Err(refusal)
            }
            (Err(refusal), None) => Err(refusal),
        }
    }
}

async fn read_parts(
    state: &ApiState,
    tenant: &Tenant,
    form: &mut Form,
    file: &mut Option<Incoming>,
) -> Result<(TaskWish, CheckedConfig), ApiError> {
    let mut task = None;
    while let Some(mut part) = form.next_part().await? {
        match part.name.as_str() {
            "file" if file.is_none() => {
                let file_name = part.file_name.take();
                *file = Some(receive(state, tenant, file_name, part.into_stream()).await?);
            }
            "task" if task.is_none() => {
                task = Some(read_task(state, &part.into_bytes(state.settings().max_json_bytes).await?)?)
            }
            _ => return Err(part.unexpected(PARTS)),
        }
    }
    task.ok_or_else(|| missing("task").into())
}

fn read_task(state: &ApiState, json: &[u8]) -> Result<(TaskWish, CheckedConfig), ApiError> {
    let wish: TaskWish = parse_json(json)?;
    if wish.media_id.is_some() {
        return Err(ApiError::field("task.media_id", "the file is sent along, so that no media object can be named"));
    }
    let config = wish.check_config(state)?;
    Ok((wish, config))
}

fn missing(part: &str) -> FieldError {
    FieldError::new(part, format!("the form has no part of this name, expected {PARTS}"))
}

fn empty_object() -> Result<Box<RawValue>, ApiError> {
    RawValue::from_string("{}".to_owned()).map_err(|error| ApiError::internal(&error))
}
