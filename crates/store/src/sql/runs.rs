//! The life of a run: claim, heartbeat, complete, fail. Each is one guarded statement for many attempts.

use std::collections::HashMap;

use ortolan_domain::job::Attempt;
use ortolan_domain::{RunId, Task, TaskId, TaskStatus, Timestamp};
use sqlx::types::Uuid;

use super::artifacts::{self, Run};
use super::binder::fetch_many;
use super::reader::Reader;
use super::tasks::{self, change_columns, change_of, task_columns};
use super::{Connection, Row};
use crate::statement::{ManyRows, rounds};
use crate::{Claim, Completion, Failure, Fate, StoreError, TaskChange};

pub(super) static CLAIM: ManyRows = ManyRows::new(
    7,
    concat!(
        "WITH given(id, attempt, owner, run, at, lease, deadline) AS (VALUES {rows})
         UPDATE tasks SET status = 'running', version = tasks.version + 1, worker_id = given.owner, run_id = given.run,
            started_at = given.at, lease_expires_at = given.lease, deadline_at = given.deadline, progress = NULL
         FROM given
         WHERE tasks.id = given.id AND tasks.attempt = given.attempt AND tasks.status = 'queued'
            AND (tasks.expires_at IS NULL OR tasks.expires_at > given.at OR tasks.started_at IS NOT NULL)
         RETURNING ",
        task_columns!()
    ),
);

/// Moves queued rows to `running`; `None` for a stale delivery.
pub(super) async fn claim(
    connection: &mut Connection,
    claims: &[Claim],
    changes: &mut Vec<TaskChange>,
) -> Result<Vec<Option<Task>>, StoreError> {
    let mut claimed: Vec<Option<Task>> = claims.iter().map(|_| None).collect();
    for round in rounds(claims.iter().map(|claim| claim.fence.attempt.task_id)) {
        let rows = fetch_many(connection, &CLAIM, &round, |values, &index| {
            let Claim { fence, run_id, now, lease, limit } = &claims[index];
            values.add(fence.attempt.task_id.as_uuid()).add(fence.attempt.attempt).add(fence.owner.clone());
            values.add(run_id.as_uuid()).add(now.as_micros()).add(now.plus(*lease).as_micros());
            values.add(now.plus(*limit).as_micros());
        });
        let mut won: HashMap<TaskId, Task> = HashMap::with_capacity(round.len());
        for row in &rows.await? {
            let task = tasks::read(row)?;
            changes.push(change_of(&task));
            won.insert(task.spec.id, task);
        }
        for index in round {
            claimed[index] = won.remove(&claims[index].fence.attempt.task_id);
        }
    }
    Ok(claimed)
}

/// True when [`claim`] takes these by one statement.
pub(super) fn is_one_statement(claims: &[Claim]) -> bool {
    rounds(claims.iter().map(|claim| claim.fence.attempt.task_id)).len() == 1
}

/// A worker's wish to keep its leases.
pub(super) struct Heartbeat {
    pub(super) owner: String,
    pub(super) held: Vec<(Attempt, Option<f64>)>,
    pub(super) until: Timestamp,
}

pub(super) static HEARTBEAT: ManyRows = ManyRows::new(
    5,
    "WITH given(id, attempt, owner, progress, until) AS (VALUES {rows})
     UPDATE tasks SET lease_expires_at = given.until, progress = COALESCE(given.progress, tasks.progress)
     FROM given
     WHERE tasks.id = given.id AND tasks.attempt = given.attempt AND tasks.worker_id = given.owner
        AND tasks.status = 'running'
     RETURNING tasks.id, tasks.attempt",
);

/// Extends leases; tells each worker which of its leases are lost. Changes no status, so nobody else hears of it.
pub(super) async fn heartbeat(
    connection: &mut Connection,
    beats: &[Heartbeat],
) -> Result<Vec<Vec<Attempt>>, StoreError> {
    let all =
        beats.iter().enumerate().flat_map(|(beat, heartbeat)| heartbeat.held.iter().map(move |held| (beat, held)));
    let all: Vec<(usize, &(Attempt, Option<f64>))> = all.collect();
    let mut lost: Vec<Vec<Attempt>> = beats.iter().map(|_| Vec::new()).collect();
    for round in rounds(all.iter().map(|(_, (attempt, _))| attempt.task_id)) {
        let rows = fetch_many(connection, &HEARTBEAT, &round, |values, &index| {
            let (beat, (attempt, progress)) = all[index];
            values.add(attempt.task_id.as_uuid()).add(attempt.attempt).add(beats[beat].owner.clone());
            values.add(*progress).add(beats[beat].until.as_micros());
        });
        let kept = read_attempts(&rows.await?)?;
        for index in round {
            let (beat, (attempt, _)) = all[index];
            if !kept.contains(attempt) {
                lost[beat].push(*attempt);
            }
        }
    }
    Ok(lost)
}

fn read_attempts(rows: &[Row]) -> Result<std::collections::HashSet<Attempt>, StoreError> {
    let read = |row| {
        let mut row = Reader::new("tasks", row);
        Ok(Attempt { task_id: row.id(TaskId::from_uuid)?, attempt: row.get()? })
    };
    rows.iter().map(read).collect()
}

pub(super) static COMPLETE: ManyRows = ManyRows::new(
    5,
    concat!(
        "WITH given(id, attempt, owner, at, inference_time_ms) AS (VALUES {rows})
         UPDATE tasks SET status = 'completed', version = tasks.version + 1, completed_at = given.at,
            inference_time_ms = given.inference_time_ms, progress = 1, lease_expires_at = NULL
         FROM given
         WHERE tasks.id = given.id AND tasks.attempt = given.attempt AND tasks.worker_id = given.owner
            AND tasks.status = 'running'
         RETURNING ",
        change_columns!(),
        ", tasks.run_id"
    ),
);

/// Moves running rows to `completed` and stores the artifacts of those that moved; false where the lease is lost.
pub(super) async fn complete(
    connection: &mut Connection,
    completions: &[Completion],
    changes: &mut Vec<TaskChange>,
) -> Result<Vec<bool>, StoreError> {
    let mut completed = vec![false; completions.len()];
    for round in rounds(completions.iter().map(|completion| completion.fence.attempt.task_id)) {
        let rows = fetch_many(connection, &COMPLETE, &round, |values, &index| {
            let Completion { fence, now, inference_time_ms, .. } = &completions[index];
            values.add(fence.attempt.task_id.as_uuid()).add(fence.attempt.attempt).add(fence.owner.clone());
            values.add(now.as_micros()).add(*inference_time_ms);
        });
        let moved = read_runs(&rows.await?, changes)?;
        let mut ended = Vec::with_capacity(moved.len());
        for index in round {
            let Some(&run) = moved.get(&completions[index].fence.attempt) else { continue };
            completed[index] = true;
            ended.push(Run { id: run, completion: &completions[index] });
        }
        artifacts::insert(connection, &ended).await?;
    }
    Ok(completed)
}

/// Which attempts moved, and the runs they were.
fn read_runs(rows: &[Row], changes: &mut Vec<TaskChange>) -> Result<HashMap<Attempt, RunId>, StoreError> {
    let mut runs = HashMap::with_capacity(rows.len());
    for row in rows {
        let mut row = Reader::new("tasks", row);
        let change = tasks::read_change(&mut row)?;
        let run: Option<Uuid> = row.get()?;
        runs.insert(change.attempt, RunId::from_uuid(run.ok_or_else(|| row.inconsistent("run_id"))?));
        changes.push(change);
    }
    Ok(runs)
}

pub(super) static FAIL: ManyRows = ManyRows::new(
    9,
    concat!(
        "WITH given(id, attempt, owner, status, failures, run_at, ended_at, code, detail) AS (VALUES {rows})
         UPDATE tasks SET status = given.status, version = tasks.version + 1,
            failures = tasks.failures + given.failures, run_at = COALESCE(given.run_at, tasks.run_at),
            completed_at = given.ended_at, error_code = given.code, error_detail = given.detail, progress = NULL,
            lease_expires_at = NULL, deadline_at = NULL
         FROM given
         WHERE tasks.id = given.id AND tasks.attempt = given.attempt AND tasks.worker_id = given.owner
            AND tasks.status = 'running'
         RETURNING ",
        change_columns!()
    ),
);

/// Moves running rows on after failures; false where the lease is lost.
pub(super) async fn fail(
    connection: &mut Connection,
    failures: &[Failure],
    changes: &mut Vec<TaskChange>,
) -> Result<Vec<bool>, StoreError> {
    let mut moved = vec![false; failures.len()];
    for round in rounds(failures.iter().map(|failure| failure.fence.attempt.task_id)) {
        let rows = fetch_many(connection, &FAIL, &round, |values, &index| bind_failure(values, &failures[index]));
        let heard = tasks::read_changes(&rows.await?)?;
        for index in round {
            moved[index] = heard.iter().any(|change| change.attempt == failures[index].fence.attempt);
        }
        changes.extend(heard);
    }
    Ok(moved)
}

fn bind_failure(values: &mut super::binder::Binder, failure: &Failure) {
    let Failure { fence, now, error, fate } = failure;
    let (status, counted, run_at) = match fate {
        Fate::Final => (TaskStatus::Failed, 0, None),
        Fate::RetryAt(at) => (TaskStatus::Pending, 1, Some(at)),
        Fate::SnoozeUntil(at) => (TaskStatus::Pending, 0, Some(at)),
    };
    let error = (status == TaskStatus::Failed).then_some(error);
    let ended_at = error.map(|_| now.as_micros());
    values.add(fence.attempt.task_id.as_uuid()).add(fence.attempt.attempt).add(fence.owner.clone());
    values.add(status.as_str()).add(i64::from(counted)).add(run_at.map(|at| at.as_micros())).add(ended_at);
    values.add(error.map(|error| error.code.as_str())).add(error.map(|error| error.detail.clone()));
}
