//! Reading tasks: one, a list, and how many stand where.

use ortolan_domain::route::QueueName;
use ortolan_domain::{Task, TaskId, TaskStatus, TenantId, Timestamp};
use sqlx::AssertSqlSafe;

use super::Connection;
use super::binder::{Binder, fetch, fetch_optional};
use super::reader::Reader;
use super::tasks::{self, task_columns};
use crate::{Order, Page, QueueDepth, SortBy, StoreError, TaskFilter};

pub(super) const GET: &str =
    concat!("SELECT ", task_columns!(), " FROM tasks WHERE tasks.tenant_id = $1 AND tasks.id = $2");

/// The tenant's task, if it has it, as a transaction sees it.
pub(super) async fn get(connection: &mut Connection, tenant: TenantId, id: TaskId) -> Result<Option<Task>, StoreError> {
    let values = Binder::default().with(tenant.as_uuid()).with(id.as_uuid());
    fetch_optional(connection, GET, values).await?.as_ref().map(tasks::read).transpose()
}

/// The tenant's tasks.
pub(super) async fn list(
    connection: &mut Connection,
    tenant: TenantId,
    filter: &TaskFilter,
    now: Timestamp,
) -> Result<Page<Task>, StoreError> {
    // No type of task that can be submitted belongs to a video yet.
    if filter.video_id.is_some() {
        return Ok(Page { items: Vec::new(), total: 0 });
    }
    let wanted = Wanted::new(tenant, filter, now);
    let count = format!("SELECT COUNT(*) FROM tasks WHERE {}", wanted.condition);
    let count = fetch(connection, AssertSqlSafe(count), wanted.values()).await?;
    let total = count.first().map_or(Ok(0), |row| Reader::new("tasks", row).number("count"))?;
    let page = format!(
        concat!("SELECT ", task_columns!(), " FROM tasks WHERE {} ORDER BY {} LIMIT ${} OFFSET ${}"),
        wanted.condition,
        order_by(filter),
        wanted.words.len() + 3,
        wanted.words.len() + 4,
    );
    let values = wanted.values().page(filter.limit, filter.offset);
    let rows = fetch(connection, AssertSqlSafe(page), values).await?;
    Ok(Page { items: rows.iter().map(tasks::read).collect::<Result<_, _>>()?, total })
}

/// The condition of a filter and what it binds: the tenant as `$1`, now as `$2`, then words.
struct Wanted {
    tenant: TenantId,
    now: Timestamp,
    words: Vec<&'static str>,
    condition: String,
}

impl Wanted {
    fn new(tenant: TenantId, filter: &TaskFilter, now: Timestamp) -> Self {
        let mut words: Vec<_> = filter.statuses.iter().map(|status| status.as_str()).collect();
        let mut condition = "tasks.tenant_id = $1".to_owned();
        if !words.is_empty() {
            let places: Vec<String> = (0..words.len()).map(|at| format!("${}", at + 3)).collect();
            condition.push_str(&format!(" AND tasks.status IN ({})", places.join(", ")));
        }
        if let Some(kind) = filter.task_type {
            words.push(kind.as_str());
            condition.push_str(&format!(" AND tasks.task_type = ${}", words.len() + 2));
        }
        Self { tenant, now, words, condition }
    }

    fn values(&self) -> Binder {
        let values = Binder::default().with(self.tenant.as_uuid()).with(self.now.as_micros());
        self.words.iter().fold(values, |values, word| values.with(*word))
    }
}

/// The order of a list; the id makes it the same on every page.
fn order_by(filter: &TaskFilter) -> String {
    let key = match filter.sort_by {
        SortBy::CreatedAt => "tasks.created_at",
        SortBy::StartedAt => "tasks.started_at",
        SortBy::RunningTime => {
            "CASE WHEN tasks.status = 'running' THEN $2 - tasks.started_at
                  WHEN tasks.completed_at IS NOT NULL THEN tasks.completed_at - tasks.started_at END"
        }
    };
    let way = match filter.order {
        Order::Ascending => "ASC",
        Order::Descending => "DESC",
    };
    // `created_at` is never missing, and without NULLS LAST its index serves the order.
    let missing = if filter.sort_by == SortBy::CreatedAt { "" } else { " NULLS LAST" };
    format!("{key} {way}{missing}, tasks.id {way}")
}

pub(super) const DEPTHS: &str = "
     SELECT queue, 'pending', COUNT(*), MIN(run_at) FROM tasks WHERE status = 'pending' GROUP BY queue
     UNION ALL SELECT queue, 'queued', COUNT(*), MIN(queued_at) FROM tasks WHERE status = 'queued' GROUP BY queue
     UNION ALL SELECT queue, 'running', COUNT(*), MIN(started_at) FROM tasks WHERE status = 'running' GROUP BY queue";

/// How many rows stand where, for all tenants.
pub(super) async fn depths(connection: &mut Connection) -> Result<Vec<QueueDepth>, StoreError> {
    let rows = fetch(connection, DEPTHS, Binder::default()).await?;
    let read = |row| {
        let mut row = Reader::new("tasks", row);
        let queue = row.word("queue", QueueName::parse)?;
        let status = row.word("status", TaskStatus::parse)?;
        Ok(QueueDepth { queue, status, count: row.number("count")?, oldest_at: row.maybe_at()? })
    };
    rows.iter().map(read).collect()
}

pub(super) const OPEN_TASKS: &str = concat!(
    "SELECT (SELECT COUNT(*) FROM tasks
             WHERE status = 'pending' AND queue IN ('gpu_jobs', 'cpu_jobs') AND tenant_id = $1)
          + (SELECT COUNT(*) FROM tasks",
    in_flight_index!(),
    " WHERE status IN ('queued', 'running') AND tenant_id = $1)"
);

/// How many of the tenant's rows have not ended.
pub(super) async fn open_tasks(connection: &mut Connection, tenant: TenantId) -> Result<u64, StoreError> {
    let row = fetch_optional(connection, OPEN_TASKS, Binder::default().with(tenant.as_uuid())).await?;
    row.as_ref().map_or(Ok(0), |row| Reader::new("tasks", row).number("count"))
}

/// Reads something small.
pub(super) async fn ping(connection: &mut Connection) -> Result<(), StoreError> {
    fetch(connection, "SELECT 1 FROM tenants WHERE name = ''", Binder::default()).await.map(drop)
}
