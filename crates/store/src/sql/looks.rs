//! Looking at single tasks, which many clients do all the time: those that look while another look is under way share the
//! next statement, so that a busy store is asked seldom and an idle one at once.

use std::collections::HashMap;

use ortolan_domain::{Task, TaskId, TenantId};
use sqlx::types::Uuid;
use sqlx::{Pool, Row as _};
use tokio::sync::{mpsc, oneshot};

use super::Row;
use super::batch::{Answer, Refusal};
use super::binder::fetch_many;
use super::dialect::Db;
use super::kept::Kept;
use super::lane::gather;
use super::tasks::{self, task_columns};
use crate::StoreError;
use crate::statement::{MAX_ROWS, ManyRows};

/// How many looks may wait before callers have to wait to be let in.
const MAX_WAITING: usize = 4096;

pub(super) static LOOK: ManyRows =
    ManyRows::new(1, concat!("SELECT ", task_columns!(), " FROM tasks WHERE tasks.id IN ({rows})"));

/// Someone who wants to see a task.
struct Look {
    tenant: TenantId,
    id: TaskId,
    answer: Answer<Option<Task>>,
}

/// The way in.
pub(in super::super) struct Looks {
    inbox: mpsc::Sender<Look>,
}

impl Looks {
    /// Starts to serve from a pool's connections, until nobody can ask any more.
    pub(in super::super) fn start(pool: Pool<Db>) -> Self {
        let (inbox, looks) = mpsc::channel(MAX_WAITING);
        tokio::spawn(serve(looks, pool));
        Self { inbox }
    }

    /// The tenant's task, if it has it.
    pub(super) async fn get(&self, tenant: TenantId, id: TaskId) -> Result<Option<Task>, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.inbox.send(Look { tenant, id, answer }).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

async fn serve(mut inbox: mpsc::Receiver<Look>, pool: Pool<Db>) {
    let (mut kept, mut looks) = (Kept::new(pool), Vec::with_capacity(MAX_ROWS));
    while kept.receive(&mut inbox, &mut looks, MAX_ROWS).await > 0 {
        gather(&mut inbox, &mut looks, MAX_ROWS).await;
        match fetch(&mut kept, &looks).await {
            Ok(found) => {
                looks.drain(..).for_each(|look| look.answer_from(&found));
                kept.used(!inbox.is_empty());
            }
            Err(error) => {
                kept.let_go();
                let mut error = Refusal::new(error);
                looks.drain(..).for_each(|look| look.tell(Err(error.next())));
            }
        }
    }
}

async fn fetch(kept: &mut Kept<Db>, looks: &[Look]) -> Result<HashMap<Uuid, Row>, StoreError> {
    let rows = fetch_many(kept.connection().await?, &LOOK, looks, |binder, look| {
        binder.add(look.id.as_uuid());
    })
    .await?;
    rows.into_iter().map(|row| Ok((row.try_get(0)?, row))).collect()
}

impl Look {
    /// Another tenant's task is none.
    fn answer_from(self, found: &HashMap<Uuid, Row>) {
        let task = found.get(&self.id.as_uuid()).map(tasks::read).transpose();
        let tenant = self.tenant;
        self.tell(task.map(|task| task.filter(|task| task.spec.tenant_id == tenant)));
    }

    /// A caller that has gone away is no concern.
    fn tell(self, outcome: Result<Option<Task>, StoreError>) {
        let _ = self.answer.send(outcome);
    }
}
