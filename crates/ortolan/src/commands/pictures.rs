//! `ortolan detect`, `segment` and `classify`: pictures in, findings out.

mod args;
mod look;
mod out;

use futures::StreamExt;
use ortolan_domain::{Priority, TaskType};

pub use args::{ClassifyArgs, FindArgs};
use look::{Look, look};
use serde::Serialize;

use super::{Session, boxes};
use crate::Failure;
use crate::client::NewTask;
use crate::progress::Board;
use crate::terminal::printable;

/// Pictures that are under way at once.
const AT_ONCE: usize = 4;

/// Finds objects, with their masks or without.
pub(super) async fn find(kind: TaskType, args: FindArgs, session: &Session) -> Result<(), Failure> {
    let task = NewTask { task_type: kind, media_id: None, config: args.config(), priority: Priority::Normal };
    look_at_all(session, &task, out::plan(args.pictures, args.out)?).await
}

/// Says what pictures show.
pub(super) async fn classify(args: ClassifyArgs, session: &Session) -> Result<(), Failure> {
    let (task_type, priority) = (TaskType::Classification, Priority::Normal);
    let task = NewTask { task_type, media_id: None, config: args.config(), priority };
    look_at_all(session, &task, out::plan(args.pictures, args.out)?).await
}

/// What scripts read of one picture: what came of it, or why nothing did.
#[derive(Serialize)]
struct Report<'a> {
    picture: String,
    #[serde(flatten)]
    look: Option<&'a Look>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

async fn look_at_all(session: &Session, task: &NewTask, jobs: Vec<out::Job>) -> Result<(), Failure> {
    let board = Board::new(session.terminal);
    let looks = jobs.iter().map(|job| look(session, &board, task, job));
    let mut outcomes: Vec<Result<Look, Failure>> = futures::stream::iter(looks).buffered(AT_ONCE).collect().await;
    if session.terminal.is_json() {
        let reports = jobs.iter().zip(&outcomes).map(|(job, outcome)| Report {
            picture: job.picture.display().to_string(),
            look: outcome.as_ref().ok(),
            error: outcome.as_ref().err().map(|failure| failure.to_text()),
        });
        session.terminal.json(&reports.collect::<Vec<_>>())?;
    } else {
        show(session, &jobs, &outcomes)?;
    }
    match (outcomes.len(), outcomes.iter().filter(|outcome| outcome.is_err()).count()) {
        (_, 0) => Ok(()),
        // One picture's failure is the command's own, with its own exit code.
        (1, _) => outcomes.remove(0).map(drop),
        (all, failed) => Err(Failure::Failed(format!("{failed} of {all} pictures failed"))),
    }
}

fn show(session: &Session, jobs: &[out::Job], outcomes: &[Result<Look, Failure>]) -> Result<(), Failure> {
    for (job, outcome) in jobs.iter().zip(outcomes) {
        if jobs.len() > 1 {
            session.terminal.line(&format!("{}:", printable(&job.picture.display().to_string())))?;
        }
        match outcome {
            Ok(look) => session.terminal.line(&boxes(session.terminal, &look.findings))?,
            Err(failure) if jobs.len() > 1 => session.terminal.line(&failure.to_text())?,
            Err(_) => {}
        }
        if let Some(out) = job.out.as_ref().filter(|_| outcome.is_ok()) {
            session.terminal.note(&format!("wrote {}", printable(&out.display().to_string())));
        }
    }
    Ok(())
}
