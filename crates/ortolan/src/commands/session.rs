//! A command's connection and terminal.

use crate::cli::GlobalArgs;
use crate::client::{Client, Target, Task};
use crate::terminal::printable;
use crate::{Failure, Terminal};

/// What a command works with.
pub(crate) struct Session {
    pub client: Client,
    pub terminal: Terminal,
}

impl Session {
    /// For what belongs to a tenant. An operator's key from the environment is used only when a tenant is named.
    pub fn as_tenant(args: &GlobalArgs, terminal: Terminal) -> Result<Self, Failure> {
        let key = if args.tenant.is_some() { operator_key() } else { None };
        Self::connect(Target::resolve(args, key)?, terminal)
    }

    /// For what only an operator may do, in no tenant.
    pub fn as_operator(args: &GlobalArgs, terminal: Terminal) -> Result<Self, Failure> {
        let args = GlobalArgs { tenant: None, ..args.clone() };
        Self::connect(Target::resolve(&args, operator_key())?, terminal)
    }

    fn connect(target: Target, terminal: Terminal) -> Result<Self, Failure> {
        Ok(Self { client: Client::new(target)?, terminal })
    }
}

/// The operator's key, as `ortolan up` takes it at its first start.
fn operator_key() -> Option<String> {
    std::env::var("ORTOLAN_OPERATOR_KEY").ok().filter(|key| !key.is_empty())
}

/// The task when it ended well, else why it did not.
pub(crate) fn ended(task: Task) -> Result<Task, Failure> {
    if task.status == "completed" {
        return Ok(task);
    }
    let reason = task.error.as_ref().map(|error| format!(": {} ({})", error.detail, error.code)).unwrap_or_default();
    Err(Failure::Failed(printable(&format!("task {} {}{reason}", task.task_id, task.status))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::failure::Exit;

    #[test]
    fn a_task_that_did_not_complete_is_a_failure_with_its_reason() {
        let task = |status: &str, error: serde_json::Value| -> Task {
            serde_json::from_value(
                json!({"task_id": Uuid::nil(), "task_type": "noop", "status": status, "error": error}),
            )
            .unwrap()
        };
        assert!(ended(task("completed", json!(null))).is_ok());
        let failure = ended(task("failed", json!({"code": "run_failed", "detail": "no \u{1b}output"}))).unwrap_err();
        assert_eq!(
            failure.to_string(),
            "task 00000000-0000-0000-0000-000000000000 failed: no \\u{1b}output (run_failed)"
        );
        assert_eq!(failure.exit_code(), Exit::Failed);
        assert_eq!(
            ended(task("cancelled", json!(null))).unwrap_err().to_string(),
            "task 00000000-0000-0000-0000-000000000000 cancelled"
        );
    }
}
