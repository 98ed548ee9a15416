//! One picture's way: upload, wait, fetch, draw.

use ortolan_vision::draw::{Finding, annotate};
use serde::Serialize;

use super::out::Job;
use crate::Failure;
use crate::client::{Artifact, NewTask, Task, Upload};
use crate::commands::{Session, ended, findings};
use crate::picture_file::{read_picture, write_png};
use crate::progress::{Board, Work};

/// What came of a picture.
#[derive(Serialize)]
pub(super) struct Look {
    task: Task,
    artifacts: Vec<Artifact>,
    #[serde(skip)]
    pub findings: Vec<Finding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotated: Option<String>,
}

/// Has a picture looked at, and draws what was found where that is wanted.
pub(super) async fn look(session: &Session, board: &Board, task: &NewTask, job: &Job) -> Result<Look, Failure> {
    let name = job.picture.file_name().unwrap_or(job.picture.as_os_str());
    let work = board.begin(&name.to_string_lossy());
    let outcome = run(session, &work, task, job).await;
    match &outcome {
        Ok(look) => work.step(&format!("{} found", look.findings.len())),
        Err(_) => work.step("failed"),
    }
    outcome
}

async fn run(session: &Session, work: &Work, task: &NewTask, job: &Job) -> Result<Look, Failure> {
    let client = &session.client;
    let upload = Upload::open(&job.picture, |size_bytes| work.upload(size_bytes)).await?;
    let submitted = client.submit(task, Some(upload), None).await?;
    let task = ended(client.follow(submitted.task_id, |signal| work.show(signal)).await?)?;
    let artifacts = client.artifacts(task.task_id, usize::MAX).await?;
    let findings = findings(&artifacts);
    let annotated = job.out.as_ref().map(|out| out.display().to_string());
    if let Some(out) = job.out.clone() {
        work.step("drawing");
        let (picture, found) = (job.picture.clone(), findings.clone());
        let drawing = move || {
            let bytes = std::fs::read(&picture).map_err(|error| Failure::file("read", &picture, error))?;
            write_png(&annotate(read_picture(&bytes, &picture)?, &found), &out)
        };
        let drawn = tokio::task::spawn_blocking(drawing).await;
        drawn.map_err(|error| Failure::internal("drawing broke off", error))??;
    }
    Ok(Look { task, artifacts, findings, annotated })
}
