//! `ortolan tasks list`.

use clap::{Args, ValueEnum};
use ortolan_domain::{TaskStatus, TaskType};

use crate::Failure;
use crate::cli::one_of;
use crate::client::{TaskFilter, TaskPage};
use crate::commands::Session;
use crate::progress::milliseconds;
use crate::terminal::printable;

/// Which tasks are listed.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only tasks with this status
    #[arg(long, value_parser = one_of(&TaskStatus::ALL, TaskStatus::as_str))]
    status: Option<TaskStatus>,
    /// Only tasks of this type
    #[arg(long = "type", value_name = "TYPE", value_parser = one_of(&TaskType::ALL, TaskType::as_str))]
    task_type: Option<TaskType>,
    /// What they are sorted by
    #[arg(long, default_value = "created_at")]
    sort: Sort,
    /// The smallest first
    #[arg(long)]
    ascending: bool,
    /// How many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
    /// How many are left out before
    #[arg(long, default_value_t = 0)]
    offset: u64,
}

/// What tasks can be sorted by.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Sort {
    CreatedAt,
    StartedAt,
    RunningTime,
}

impl ListArgs {
    fn filter(&self) -> TaskFilter {
        TaskFilter {
            status: self.status.map(TaskStatus::as_str),
            task_type: self.task_type.map(TaskType::as_str),
            sort_by: match self.sort {
                Sort::CreatedAt => "created_at",
                Sort::StartedAt => "started_at",
                Sort::RunningTime => "running_time",
            },
            sort_order: if self.ascending { "asc" } else { "desc" },
            limit: self.limit,
            offset: self.offset,
        }
    }
}

pub(super) async fn run(args: ListArgs, session: &Session) -> Result<(), Failure> {
    let page = session.client.tasks(&args.filter()).await?;
    session.terminal.show(&page, |page| table(session, page))?;
    let shown = args.offset + page.tasks.len() as u64;
    if !session.terminal.is_json() && shown < page.total {
        session.terminal.note(&format!("{shown} of {} tasks; the next ones with --offset {shown}", page.total));
    }
    Ok(())
}

fn table(session: &Session, page: &TaskPage) -> String {
    let rows = page.tasks.iter().map(|task| {
        let time = |ms: Option<f64>| ms.map(milliseconds).unwrap_or_else(|| "-".to_owned());
        let (queued, inference) = (time(task.queue_time_ms), time(task.inference_time_ms));
        [&task.task_id.to_string(), &task.task_type, &task.status, &task.created_at, &queued, &inference]
            .map(|cell| printable(cell))
    });
    session.terminal.table(["task", "type", "status", "created", "queued for", "inference"], rows)
}
