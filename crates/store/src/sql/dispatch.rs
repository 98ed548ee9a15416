//! Dispatch: which pending rows go next, and back again when they could not be delivered.

use std::collections::HashMap;

use ortolan_domain::job::Attempt;
use ortolan_domain::route::QueueName;
use ortolan_domain::{TaskId, Timestamp};

use super::binder::{Binder, fetch, fetch_many};
use super::reader::Reader;
use super::tasks::{self, change_columns};
use super::{Connection, Row, dialect};
use crate::statement::{MAX_ROWS, ManyRows, rounds};
use crate::{DispatchLimits, StoreError, TaskChange};

/// A wish to fill a queue's window.
#[derive(Clone, Copy)]
pub(in super::super) struct Dispatch {
    pub(in super::super) queue: QueueName,
    pub(in super::super) limits: DispatchLimits,
    pub(in super::super) now: Timestamp,
}

/// What one look moved.
pub(in super::super) struct Filled {
    /// In the order in which they go.
    moved: Vec<TaskChange>,
    /// True when all that could go went.
    is_last: bool,
}

/// `room` is what the window has left. `waiting` hops over the index from tenant to tenant instead of reading all their
/// rows. `share` is how many rows of each tenant are looked at. `first` are the best rows of each tenant and priority;
/// `ranked` says the how-manyth of its tenant's each is. A row's place is that after all that its tenant has in flight,
/// which makes tenants take turns; only places that no row beyond a tenant's share could take are given away.
pub(in super::super) const CHOOSE: &str = concat!(
    "WITH RECURSIVE room(free) AS (
        SELECT CASE WHEN queued < $3 THEN $3 - queued ELSE 0 END
        FROM (SELECT COUNT(*) AS queued FROM tasks WHERE status = 'queued' AND queue = $1) AS window_now
     ), waiting(tenant_id) AS (
        SELECT (SELECT tenant_id FROM tasks WHERE status = 'pending' AND queue = $1 AND (SELECT free FROM room) > 0
                ORDER BY tenant_id LIMIT 1)
        UNION ALL
        SELECT (SELECT tasks.tenant_id FROM tasks
                WHERE tasks.status = 'pending' AND tasks.queue = $1 AND tasks.tenant_id > waiting.tenant_id
                ORDER BY tasks.tenant_id LIMIT 1)
        FROM waiting WHERE waiting.tenant_id IS NOT NULL
     ), share(size) AS (
        SELECT CASE WHEN even < $4 THEN even ELSE $4 END
        FROM (SELECT (SELECT free FROM room) / COUNT(*) + 2 AS even FROM waiting) AS evenly
     ), priorities(priority) AS (VALUES (2), (1), (0)
     ), in_flight(tenant_id, busy) AS MATERIALIZED (
        SELECT tenant_id, (SELECT COUNT(*) FROM tasks",
    in_flight_index!(),
    " WHERE tasks.status IN ('queued', 'running') AND tasks.tenant_id = waiting.tenant_id)
        FROM waiting WHERE tenant_id IS NOT NULL
     ), ranked(id, priority, run_at, busy, nth) AS (
        SELECT first.id, first.priority, first.run_at, in_flight.busy, ROW_NUMBER() OVER (
            PARTITION BY first.tenant_id ORDER BY first.priority DESC, first.run_at, first.id)
        FROM ",
    first_of_each_tenant!(),
    "
     ), eligible(id, priority, run_at, busy, nth) AS MATERIALIZED (
        SELECT id, priority, run_at, busy, nth FROM ranked
        WHERE nth <= (SELECT size FROM share) AND busy + nth <= $4
     )
     SELECT id, (SELECT COUNT(*) FROM eligible), (SELECT MAX(nth) FROM eligible) < (SELECT size FROM share)
     FROM eligible WHERE busy + nth <= (SELECT MIN(busy) FROM eligible) + (SELECT size FROM share)
     ORDER BY busy + nth, priority DESC, run_at, id LIMIT (SELECT free FROM room)"
);

/// Moves the rows of `given` at the instants there. `COALESCE` hides the index of pending rows: a plan that is made while few of them are there,
/// and is kept, must not read all of them once they are many.
macro_rules! move_given {
    () => {
        concat!(
            "UPDATE tasks SET status = 'queued', version = tasks.version + 1, attempt = tasks.attempt + 1,
                queued_at = given.at
             FROM given WHERE tasks.id = given.id AND COALESCE(tasks.status, '') = 'pending'
             RETURNING ",
            change_columns!()
        )
    };
}

pub(super) static MOVE: ManyRows = ManyRows::new(2, concat!("WITH given(id, at) AS (VALUES {rows}) ", move_given!()));

/// The same for a dialect that makes `given` otherwise.
#[allow(dead_code, reason = "a dialect may do without")]
pub(in super::super) const MOVE_GIVEN: &str = move_given!();

impl Dispatch {
    /// True when one look answers both.
    fn is_like(&self, other: &Self) -> bool {
        let what = |wish: &Self| (wish.queue, wish.limits.window, wish.limits.per_tenant);
        what(self) == what(other)
    }
}

/// Fills the windows; each wish gets what it moved. Wishes for the same queue with the same limits are answered by one
/// look, at the latest of their instants, so that it sees what each of them may have just submitted: the first of them
/// gets all there is, the others find nothing left. `is_alone` where they are in no transaction: then each look is one of its own. Rows that are
/// moved and not told of, because a later look failed, are queued without a delivery and are taken back like all of those.
pub(super) async fn dispatch(
    connection: &mut Connection,
    wishes: &[Dispatch],
    is_alone: bool,
    changes: &mut Vec<TaskChange>,
) -> Result<Vec<Vec<TaskChange>>, StoreError> {
    let mut moved: Vec<Vec<TaskChange>> = Vec::with_capacity(wishes.len());
    for (index, wish) in wishes.iter().enumerate() {
        let is_answered = wishes[..index].iter().any(|before| before.is_like(wish));
        let like = wishes[index..].iter().filter(|other| other.is_like(wish));
        let now = like.map(|other| other.now).fold(wish.now, Timestamp::max);
        moved.push(match is_answered {
            true => Vec::new(),
            false => {
                if !is_alone {
                    dialect::one_dispatcher(connection, wish.queue).await?;
                }
                fill(connection, &Dispatch { now, ..*wish }, is_alone, changes).await?
            }
        });
    }
    Ok(moved)
}

/// True when a dispatch would find something.
pub(super) async fn finds_any(connection: &mut Connection, wish: &Dispatch) -> Result<bool, StoreError> {
    Ok(!look(connection, wish).await?.chosen.is_empty())
}

/// Looks again until there is no room or nobody waits: one look gives each tenant little more than an even share.
async fn fill(
    connection: &mut Connection,
    wish: &Dispatch,
    is_alone: bool,
    changes: &mut Vec<TaskChange>,
) -> Result<Vec<TaskChange>, StoreError> {
    let mut all = Vec::new();
    loop {
        let Filled { moved, is_last } = match is_alone {
            true => dialect::look_and_move(connection, wish).await?,
            false => look_then_move(connection, wish).await?,
        };
        changes.extend(moved.iter().cloned());
        all.extend(moved);
        if is_last {
            return Ok(all);
        }
    }
}

/// Chooses, then moves what was chosen.
pub(in super::super) async fn look_then_move(
    connection: &mut Connection,
    wish: &Dispatch,
) -> Result<Filled, StoreError> {
    let Look { chosen, is_last } = look(connection, wish).await?;
    let mut moved = Vec::with_capacity(chosen.len());
    for some in chosen.chunks(MAX_ROWS) {
        moved.extend(queue_rows(connection, some, wish.now).await?);
    }
    Ok(Filled { moved, is_last })
}

/// Reads rows that were chosen and moved by one statement: the change, what [`CHOOSE`] told of them all, and the row's place.
#[allow(dead_code, reason = "a dialect may do without")]
pub(in super::super) fn read_filled(rows: &[Row]) -> Result<Filled, StoreError> {
    let mut moved: Vec<(i64, TaskChange)> = Vec::with_capacity(rows.len());
    let mut is_last = true;
    for row in rows {
        let mut row = Reader::new("tasks", row);
        let change = tasks::read_change(&mut row)?;
        let (eligible, all_within_share): (i64, bool) = (row.get()?, row.get()?);
        is_last = all_within_share && eligible == rows.len() as i64;
        moved.push((row.get()?, change));
    }
    moved.sort_unstable_by_key(|(place, _)| *place);
    Ok(Filled { moved: moved.into_iter().map(|(_, change)| change).collect(), is_last })
}

/// What a look found.
struct Look {
    chosen: Vec<TaskId>,
    /// True when all that could go was chosen.
    is_last: bool,
}

async fn look(connection: &mut Connection, wish: &Dispatch) -> Result<Look, StoreError> {
    let values = Binder::default().with(wish.queue.as_str()).with(wish.now.as_micros());
    let values = values.with(i64::from(wish.limits.window)).with(i64::from(wish.limits.per_tenant));
    let rows = fetch(connection, CHOOSE, values).await?;
    let mut look = Look { chosen: Vec::with_capacity(rows.len()), is_last: true };
    for row in &rows {
        let mut row = Reader::new("tasks", row);
        look.chosen.push(row.id(TaskId::from_uuid)?);
        let (eligible, all_within_share): (i64, bool) = (row.get()?, row.get()?);
        look.is_last = all_within_share && eligible == rows.len() as i64;
    }
    Ok(look)
}

/// Moves these pending rows to `queued`; gives those that moved, in the order given.
pub(super) async fn queue_rows(
    connection: &mut Connection,
    ids: &[TaskId],
    now: Timestamp,
) -> Result<Vec<TaskChange>, StoreError> {
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    let rows = fetch_many(connection, &MOVE, &sorted, |values, id| {
        values.add(id.as_uuid()).add(now.as_micros());
    });
    let moved = tasks::read_changes(&rows.await?)?;
    let mut moved: HashMap<TaskId, TaskChange> =
        moved.into_iter().map(|change| (change.attempt.task_id, change)).collect();
    Ok(ids.iter().filter_map(|id| moved.remove(id)).collect())
}

/// The attempt counts back: a row that is still queued was never claimed with it, so nothing was written in its name.
pub(super) static UNDO: ManyRows = ManyRows::new(
    2,
    concat!(
        "WITH given(id, attempt) AS (VALUES {rows})
         UPDATE tasks SET status = 'pending', version = tasks.version + 1, attempt = tasks.attempt - 1
         FROM given WHERE tasks.id = given.id AND tasks.attempt = given.attempt AND tasks.status = 'queued'
         RETURNING ",
        change_columns!()
    ),
);

/// Moves queued rows back to `pending`; tells each wish how many of its attempts moved.
pub(super) async fn undo(
    connection: &mut Connection,
    wishes: &[Vec<Attempt>],
    changes: &mut Vec<TaskChange>,
) -> Result<Vec<u64>, StoreError> {
    let all: Vec<(usize, Attempt)> =
        wishes.iter().enumerate().flat_map(|(wish, attempts)| attempts.iter().map(move |&one| (wish, one))).collect();
    let mut counts = vec![0; wishes.len()];
    for round in rounds(all.iter().map(|(_, attempt)| attempt.task_id)) {
        let rows = fetch_many(connection, &UNDO, &round, |values, &index| {
            values.add(all[index].1.task_id.as_uuid()).add(all[index].1.attempt);
        });
        let moved = tasks::read_changes(&rows.await?)?;
        for index in round {
            let (wish, attempt) = all[index];
            counts[wish] += u64::from(moved.iter().any(|change| change.attempt.task_id == attempt.task_id));
        }
        changes.extend(moved);
    }
    Ok(counts)
}
