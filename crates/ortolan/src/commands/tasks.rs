//! `ortolan tasks`.

mod annotated;
mod list;
mod submit;

use clap::Subcommand;
use uuid::Uuid;

pub use annotated::AnnotatedArgs;
pub use list::ListArgs;
pub use submit::SubmitArgs;

use super::{Session, boxes, ended, findings};
use crate::Failure;
use crate::client::Task;
use crate::progress::{Board, milliseconds};
use crate::terminal::printable;

/// What can be done with tasks.
#[derive(Debug, Subcommand)]
pub enum TasksCommand {
    /// Submit a task
    Submit(SubmitArgs),
    /// List tasks, the newest first
    List(ListArgs),
    /// Show one task
    Show {
        /// Its id
        task_id: Uuid,
    },
    /// Cancel a task that has not ended
    Cancel {
        /// Its id
        task_id: Uuid,
    },
    /// Start a failed or cancelled task again, with the same config
    Retry {
        /// Its id
        task_id: Uuid,
        /// Wait for its end
        #[arg(long, short)]
        follow: bool,
    },
    /// Show what a task found
    Artifacts {
        /// Its id
        task_id: Uuid,
        /// Most results
        #[arg(long, value_name = "NUMBER", default_value_t = usize::MAX, hide_default_value = true)]
        limit: usize,
    },
    /// Fetch a task's picture with what was found in it
    Annotated(AnnotatedArgs),
    /// Wait for a task's end; exit code 1 when it failed or was cancelled
    Follow {
        /// Its id
        task_id: Uuid,
    },
    /// Find and repair lost work now instead of at the next round
    Reconcile,
}

pub(super) async fn run(command: TasksCommand, session: &Session) -> Result<(), Failure> {
    let Session { client, terminal } = session;
    match command {
        TasksCommand::Submit(args) => submit::run(args, session).await,
        TasksCommand::List(args) => list::run(args, session).await,
        TasksCommand::Show { task_id } => terminal.show(&client.task(task_id).await?, describe),
        TasksCommand::Cancel { task_id } => {
            terminal.show(&client.cancel_task(task_id).await?, |_| format!("cancelled task {task_id}"))
        }
        TasksCommand::Retry { task_id, follow: is_followed } => {
            let answer = client.retry_task(task_id).await?;
            if is_followed {
                return follow(session, task_id).await;
            }
            terminal.show(&answer, |_| format!("task {task_id} starts again"))
        }
        TasksCommand::Artifacts { task_id, limit } => {
            let artifacts = client.artifacts(task_id, limit).await?;
            terminal.show(&artifacts, |artifacts| boxes(*terminal, &findings(artifacts)))
        }
        TasksCommand::Annotated(args) => annotated::run(args, session).await,
        TasksCommand::Follow { task_id } => follow(session, task_id).await,
        TasksCommand::Reconcile => terminal.json(&client.reconcile().await?),
    }
}

/// Waits for a task's end, shows the task, and fails when the task did.
async fn follow(session: &Session, task_id: Uuid) -> Result<(), Failure> {
    let work = Board::new(session.terminal).begin(&task_id.to_string());
    let task = session.client.follow(task_id, |signal| work.show(signal)).await?;
    drop(work);
    session.terminal.show(&task, describe)?;
    ended(task).map(drop)
}

fn describe(task: &Task) -> String {
    let time = |ms: Option<f64>| ms.map(milliseconds).unwrap_or_else(|| "-".to_owned());
    let mut lines = vec![
        format!("task       {}", task.task_id),
        format!("type       {}", printable(&task.task_type)),
        format!("status     {} (attempt {})", printable(&task.status), task.attempt),
        format!("created    {}", printable(&task.created_at)),
        format!("queued for {}", time(task.queue_time_ms)),
        format!("inference  {}", time(task.inference_time_ms)),
    ];
    if let Some(error) = &task.error {
        lines.push(format!("error      {}", printable(&format!("{} ({})", error.detail, error.code))));
    }
    lines.join("\n")
}
