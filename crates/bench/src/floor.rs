//! The floor: the least that a Rust inference server can do. axum, ONNX Runtime, one thread, and nothing else.
//!
//! No keys, tenants, limits, metrics, log or batching. Models run on the thread that reads the request: with one core to spend and
//! one request to answer nothing is faster. It answers each request before it reads the next one, so a server that answers many at
//! once can be faster than this at many connections.
//!
//! It serves `POST /v2/models/{model}/infer` for FP32 tensors, as JSON or with the binary extension, on little-endian machines.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Error, Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{self, DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use ortolan_engine::{Engine, Outputs, RunControl, Session, SessionOptions, Signature, TensorView};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

const MAX_BODY_BYTES: usize = 64 << 20;
const HEADER_LENGTH: &str = "inference-header-content-length";

type Models = HashMap<String, Mutex<Model>>;

struct Model {
    session: Session,
    signature: Signature,
}

/// Loads every model of the folder and serves until it is killed.
pub async fn serve(folder: &Path, listen: SocketAddr, library: &Path) -> Result<()> {
    let models: Arc<Models> = Arc::new(load(folder, library)?);
    let routes = Router::new()
        .route("/health/ready", get(|| async {}))
        .route("/v2/models/{model}/infer", post(infer))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(models);
    let listener = TcpListener::bind(listen).await?;
    axum::serve(axum::serve::ListenerExt::tap_io(listener, |stream| drop(stream.set_nodelay(true))), routes).await?;
    Ok(())
}

fn load(folder: &Path, library: &Path) -> Result<Models> {
    let engine = Engine::open(&library.canonicalize()?)?;
    let mut models = Models::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "onnx") {
            let session = engine.load(&std::fs::read(&path)?, &SessionOptions::default())?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            models.insert(name, Mutex::new(Model { signature: session.signature(), session }));
        }
    }
    Ok(models)
}

#[derive(Deserialize)]
struct InferRequest {
    inputs: Vec<Input>,
    #[serde(default)]
    parameters: RequestParameters,
}

#[derive(Deserialize, Default)]
struct RequestParameters {
    #[serde(default)]
    binary_data_output: bool,
}

#[derive(Deserialize)]
struct Input {
    name: String,
    shape: Vec<i64>,
    data: Option<Vec<f32>>,
    #[serde(default)]
    parameters: InputParameters,
}

#[derive(Deserialize, Default)]
struct InputParameters {
    binary_data_size: Option<usize>,
}

#[derive(Serialize)]
struct InferAnswer<'a> {
    model_name: &'a str,
    outputs: Vec<Output<'a>>,
}

#[derive(Serialize)]
struct Output<'a> {
    name: &'a str,
    shape: &'a [i64],
    datatype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a [f32]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<OutputParameters>,
}

#[derive(Serialize)]
struct OutputParameters {
    binary_data_size: usize,
}

/// Any mistake of the client's.
struct BadRequest(Error);

impl<E: Into<Error>> From<E> for BadRequest {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for BadRequest {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, format!("{:#}", self.0)).into_response()
    }
}

async fn infer(
    State(models): State<Arc<Models>>,
    extract::Path(model): extract::Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, BadRequest> {
    let held = models.get(&model).with_context(|| format!("no model {model}"))?;
    let json_bytes = match headers.get(HEADER_LENGTH) {
        Some(length) => length.to_str()?.parse()?,
        None => body.len(),
    };
    let (json, tail) = body.split_at_checked(json_bytes).context("the JSON is longer than the body")?;
    let request: InferRequest = serde_json::from_slice(json)?;
    let binary = request.parameters.binary_data_output;
    let mut held = held.lock().map_err(|_| anyhow::anyhow!("a run panicked before"))?;
    let Model { session, signature } = &mut *held;
    let tensors = read_inputs(request.inputs, tail)?;
    let views = in_order(signature, &tensors)?;
    let control = RunControl::new()?;
    let outputs = session.run(&views, &control)?;
    answer(&model, signature, &outputs, binary)
}

/// The inputs with their elements, which are copied where they do not lie at a multiple of 4.
fn read_inputs(inputs: Vec<Input>, mut tail: &[u8]) -> Result<Vec<(Input, Vec<f32>)>> {
    let mut tensors = Vec::with_capacity(inputs.len());
    for mut input in inputs {
        let values = match input.parameters.binary_data_size {
            Some(size) => {
                ensure!(size % 4 == 0, "{size} bytes are no whole number of FP32 values");
                let (mine, rest) = tail.split_at_checked(size).context("the body is shorter than its tensors")?;
                tail = rest;
                bytemuck::allocation::pod_collect_to_vec(mine)
            }
            None => input.data.take().unwrap_or_default(),
        };
        tensors.push((input, values));
    }
    ensure!(tail.is_empty(), "{} bytes are left over", tail.len());
    Ok(tensors)
}

fn in_order<'a>(signature: &Signature, tensors: &'a [(Input, Vec<f32>)]) -> Result<Vec<TensorView<'a>>> {
    let view = |name: &String| {
        let found = tensors.iter().find(|(input, _)| input.name == *name);
        let (input, values) = found.with_context(|| format!("no input {name}"))?;
        Ok(TensorView::of_f32(&input.shape, values))
    };
    signature.inputs.iter().map(|spec| view(&spec.name)).collect()
}

fn answer(model: &str, signature: &Signature, results: &Outputs<'_>, binary: bool) -> Result<Response, BadRequest> {
    let mut tail: Vec<u8> = Vec::new();
    let mut outputs = Vec::with_capacity(results.len());
    for (index, spec) in signature.outputs.iter().enumerate() {
        let view = results.tensor(index)?;
        if binary {
            tail.extend_from_slice(view.bytes);
        }
        outputs.push(Output {
            name: &spec.name,
            shape: view.dims,
            datatype: "FP32",
            data: if binary { None } else { Some(view.as_f32().context("an output is not FP32")?) },
            parameters: binary.then_some(OutputParameters { binary_data_size: view.bytes.len() }),
        });
    }
    let mut body = serde_json::to_vec(&InferAnswer { model_name: model, outputs })?;
    if !binary {
        return Ok(([(CONTENT_TYPE, "application/json")], body).into_response());
    }
    let length = body.len().to_string();
    body.extend(tail);
    let headers = [(CONTENT_TYPE.as_str(), "application/octet-stream"), (HEADER_LENGTH, length.as_str())];
    Ok((headers, body).into_response())
}
