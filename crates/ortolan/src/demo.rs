//! The demo that `ortolan up` shows: a tenant, a model, a picture, boxes on the screen.
//!
//! Everything goes over HTTP, as a stranger's client would do it. The models and a picture are part of this program, so
//! that nothing has to be fetched.

mod access;
mod hints;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ortolan_domain::{Priority, Slot, TaskType};
use ortolan_vision::draw::{Finding, annotate};
use serde::Serialize;
use serde_json::{Map, json};
use uuid::Uuid;

use crate::client::{Client, NewTask, Task, Upload};
use crate::commands::{boxes, ended, findings};
use crate::picture_file::{read_picture, write_png};
use crate::progress::{Board, Work, milliseconds};
use crate::terminal::printable;
use crate::{Failure, Terminal};

/// Where the annotated picture goes unless told otherwise.
pub const DEFAULT_OUT: &str = "ortolan-demo.png";

/// They know drawn circles, squares and triangles; the first is the one that the demo shows.
const MODELS: [(Slot, &str, &[u8]); 3] = [
    (Slot::Detect, "shapes_det_160.onnx", include_bytes!("../../../fixtures/models/shapes_det_160.onnx")),
    (Slot::Segment, "shapes_seg_160.onnx", include_bytes!("../../../fixtures/models/shapes_seg_160.onnx")),
    (Slot::Classify, "shapes_cls_64.onnx", include_bytes!("../../../fixtures/models/shapes_cls_64.onnx")),
];
const PICTURE: &[u8] = include_bytes!("../../../fixtures/images/shapes_b.jpg");
const PICTURE_NAME: &str = "shapes_b.jpg";
const CONFIDENCE: f64 = 0.25;

/// What the demo takes.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// Folder of `ortolan up`: the demo's key is kept there.
    pub data_dir: PathBuf,
    /// The user's own picture; the built-in one otherwise.
    pub picture: Option<PathBuf>,
    /// Where the annotated picture is written.
    pub out: PathBuf,
    /// Where text goes.
    pub terminal: Terminal,
}

/// What the demo came to, as people and scripts are told of it.
#[derive(Debug, Serialize)]
pub struct DemoOutcome {
    /// The demo tenant's key, as kept in the data folder; `None` where the server answers without one.
    pub key: Option<String>,
    /// The task.
    pub task_id: Uuid,
    /// How many objects were found.
    pub found: usize,
    /// The annotated picture.
    pub picture: PathBuf,
    /// How long it all took.
    pub times: DemoTimes,
}

/// How long the demo took.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct DemoTimes {
    /// Until the server had the picture and the task.
    pub upload_ms: f64,
    /// From the task's submission to its start, as the server says.
    pub queue_ms: Option<f64>,
    /// In the model, as the server says.
    pub inference_ms: Option<f64>,
    /// From the first request to the annotated picture.
    pub total_ms: f64,
}

/// Runs the demo against a ready server and prints what it does. `operator_key` is needed only while no working demo key
/// is kept; a failure says what to do.
pub async fn run_demo(url: &str, operator_key: Option<&str>, options: &DemoOptions) -> Result<DemoOutcome, Failure> {
    let began = Instant::now();
    let terminal = options.terminal;
    let picture = Picture::of(options.picture.as_deref())?;
    let work = Board::new(terminal).begin("demo");
    work.step("preparing the tenant and its models");
    let (client, key) = access::demo_client(url, operator_key, &options.data_dir).await?;
    fill_slots(&client, &work).await?;
    let (task, upload) = detect(&client, &work, options.picture.as_deref()).await?;
    let artifacts = client.artifacts(task.task_id, usize::MAX).await?;
    let found = findings(&artifacts);
    work.step("drawing");
    draw(picture, found.clone(), options.out.clone()).await?;
    work.step(&format!("{} found", found.len()));
    drop(work);
    let times = DemoTimes {
        upload_ms: millis(upload),
        queue_ms: task.queue_time_ms,
        inference_ms: task.inference_time_ms,
        total_ms: millis(began.elapsed()),
    };
    let out = options.out.clone();
    let outcome = DemoOutcome { key, task_id: task.task_id, found: found.len(), picture: out, times };
    match terminal.is_json() {
        true => terminal.json_line(&json!({"demo": outcome, "artifacts": artifacts}))?,
        false => report(terminal, url, &found, &outcome)?,
    }
    Ok(outcome)
}

/// A picture's bytes and how messages name it.
struct Picture {
    bytes: Vec<u8>,
    name: PathBuf,
}

impl Picture {
    fn of(path: Option<&Path>) -> Result<Self, Failure> {
        match path {
            None => Ok(Self { bytes: PICTURE.to_vec(), name: PICTURE_NAME.into() }),
            Some(path) => match std::fs::read(path) {
                Ok(bytes) => Ok(Self { bytes, name: path.to_owned() }),
                Err(error) => Err(Failure::file("read", path, error)),
            },
        }
    }
}

/// Puts the built-in models into the slots that are empty: what is in the others may be the user's own by now.
async fn fill_slots(client: &Client, work: &Work) -> Result<(), Failure> {
    let filled = client.slots().await?;
    for (slot, name, model) in MODELS {
        if filled.iter().all(|filled| filled.slot != slot.as_str()) {
            work.step(&format!("putting the demo model into the slot {slot}"));
            client.put_slot(slot, Upload::built_in(name, model)).await?;
        }
    }
    Ok(())
}

/// Submits the picture and waits for the task's end; also tells how long the upload took.
async fn detect(client: &Client, work: &Work, own: Option<&Path>) -> Result<(Task, Duration), Failure> {
    let config = Map::from_iter([("confidence_threshold".to_owned(), json!(CONFIDENCE))]);
    let new = NewTask { task_type: TaskType::ObjectDetection, media_id: None, config, priority: Priority::Normal };
    let upload = match own {
        Some(path) => Upload::open(path, |size_bytes| work.upload(size_bytes)).await?,
        None => Upload::built_in(PICTURE_NAME, PICTURE),
    };
    let began = Instant::now();
    let submitted = client.submit(&new, Some(upload), None).await?;
    let uploaded = began.elapsed();
    let task = client.follow(submitted.task_id, |signal| work.show(signal)).await?;
    Ok((ended(task)?, uploaded))
}

async fn draw(picture: Picture, found: Vec<Finding>, out: PathBuf) -> Result<(), Failure> {
    let drawing = move || write_png(&annotate(read_picture(&picture.bytes, &picture.name)?, &found), &out);
    tokio::task::spawn_blocking(drawing).await.map_err(|error| Failure::internal("drawing broke off", error))?
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn report(terminal: Terminal, url: &str, found: &[Finding], outcome: &DemoOutcome) -> Result<(), Failure> {
    let DemoTimes { upload_ms, queue_ms, inference_ms, total_ms } = outcome.times;
    let told = |ms: Option<f64>| ms.map(milliseconds).unwrap_or_else(|| "-".to_owned());
    terminal.line(&boxes(terminal, found))?;
    terminal.line(&format!("annotated picture: {}", printable(&outcome.picture.display().to_string())))?;
    terminal.line(&format!(
        "elapsed: upload {}, queue {}, inference {}, total {}",
        milliseconds(upload_ms),
        told(queue_ms),
        told(inference_ms),
        milliseconds(total_ms)
    ))?;
    terminal.line(&hints::curl_lines(url, outcome.key.as_deref(), outcome.task_id, &outcome.picture))
}
