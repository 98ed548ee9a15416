//! `ortolan tasks submit`.

use std::path::PathBuf;

use clap::Args;
use ortolan_domain::{Priority, TaskType};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{describe, follow};
use crate::Failure;
use crate::cli::{json_object, one_of};
use crate::client::{NewTask, Upload};
use crate::commands::Session;
use crate::progress::Board;

const HELP: &str = "\
Examples:
  ortolan tasks submit object_detection photo.jpg --config '{\"confidence_threshold\": 0.3}' --follow
  ortolan tasks submit noop --config '{\"sleep_ms\": 500}' --priority high";

/// The task to be submitted.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct SubmitArgs {
    /// What kind of work
    #[arg(value_name = "TYPE", value_parser = one_of(&TaskType::ALL, TaskType::as_str))]
    task_type: TaskType,
    /// The file it is about
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Media that was uploaded before, instead of a file
    #[arg(long, value_name = "ID", conflicts_with = "file")]
    media: Option<Uuid>,
    /// Settings of the work as a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = json_object)]
    config: Map<String, Value>,
    /// How urgent it is
    #[arg(long, default_value = "normal", value_parser = one_of(&Priority::ALL, Priority::as_str))]
    priority: Priority,
    /// Text that makes a second submission of the same task harmless
    #[arg(long, value_name = "TEXT")]
    idempotency_key: Option<String>,
    /// Wait for its end
    #[arg(long, short)]
    follow: bool,
}

pub(super) async fn run(args: SubmitArgs, session: &Session) -> Result<(), Failure> {
    let new = NewTask { task_type: args.task_type, media_id: args.media, config: args.config, priority: args.priority };
    let work = Board::new(session.terminal).begin(new.task_type.as_str());
    let file = match &args.file {
        Some(path) => Some(Upload::open(path, |size_bytes| work.upload(size_bytes)).await?),
        None => None,
    };
    let task = session.client.submit(&new, file, args.idempotency_key.as_deref()).await?;
    work.step("submitted");
    drop(work);
    if args.follow {
        return follow(session, task.task_id).await;
    }
    session.terminal.show(&task, describe)
}
