//! `GET /tasks/{id}/events`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use ortolan_domain::{Task, TaskId};

use super::view::TaskView;
use super::watch::{Watcher, Woken};
use crate::auth::{Access, Caller, ReadAccess};
use crate::error::ApiError;
use crate::extract::IdPath;
use crate::openapi::refusals;
use crate::state::ApiState;

refusals!(EventsRefusals: NotFound);

/// How often a quiet stream shows that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Follows a task (server-sent events)
///
/// An event's id is the task's `version` and its data the task. The present state comes first, unless `Last-Event-ID` says that the
/// client knows it; then each change, where states that were passed through faster than they could be read are left out. The
/// stream ends after `completed`, `failed` or `cancelled`; a client that knows that end gets 204. Needs scope `read`.
#[utoipa::path(
    get, path = "/tasks/{task_id}/events", tag = "tasks",
    params(
        ("task_id" = String, Path, format = Uuid),
        ("Last-Event-ID" = Option<i64>, Header, description = "The latest event that the client has."),
    ),
    responses(
        (status = 200, description = "The events.", body = TaskView, content_type = "text/event-stream"),
        (status = 204, description = "The task has ended and the client knows it."),
        EventsRefusals,
    ),
)]
pub async fn task_events(
    State(state): State<ApiState>,
    Access { tenant, caller, .. }: ReadAccess,
    IdPath(id): IdPath<TaskId>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let seen = last_event(&headers)?;
    let watcher = Watcher::new(&state, tenant.id, id)?;
    let task = watcher.look().await?.ok_or_else(|| ApiError::not_found("task"))?;
    if task.status.is_terminal() && seen.is_some_and(|seen| seen >= task.version) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let progress = task.progress.filter(|_| seen.is_some());
    let follower = Follower { state, caller, watcher, seen, progress, next: Some(task) };
    let events = Sse::new(follower.events()).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    // Proxies must hand each event on at once.
    let headers = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, events).into_response())
}

fn last_event(headers: &HeaderMap) -> Result<Option<i64>, ApiError> {
    let Some(id) = headers.get("last-event-id") else { return Ok(None) };
    let id = id.to_str().ok().and_then(|id| id.trim().parse().ok());
    id.map(Some).ok_or_else(|| ApiError::parameter("Last-Event-ID", "must be the id of an event, a whole number"))
}

/// One stream of events.
struct Follower {
    state: ApiState,
    caller: Arc<Caller>,
    watcher: Watcher,
    seen: Option<i64>,
    progress: Option<f64>,
    next: Option<Task>,
}

impl Follower {
    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> + Send + 'static {
        stream::unfold(Some(self), |follower| async move { follower?.next_event().await }).map(Ok)
    }

    fn is_news(&self, task: &Task) -> bool {
        self.seen.is_none_or(|seen| task.version > seen) || task.progress != self.progress
    }

    /// The next event, and the follower unless it was the last one.
    async fn next_event(mut self) -> Option<(Event, Option<Self>)> {
        loop {
            if let Some(task) = self.next.take().filter(|task| self.is_news(task)) {
                self.seen = Some(task.version);
                self.progress = task.progress;
                return Some((event(&task), (!task.status.is_terminal()).then_some(self)));
            }
            if self.watcher.woken(None).await == Woken::TimeUp || !self.state.auth.is_still_valid(&self.caller).await {
                return None;
            }
            // A task that is gone, or a database that does not answer, ends the stream; the client comes back for more.
            self.next = Some(self.watcher.look().await.ok()??);
        }
    }
}

fn event(task: &Task) -> Event {
    // A task is made of strings and numbers only, which always can be written, on one line.
    let json = serde_json::to_string(&TaskView::from(task)).unwrap_or_default();
    Event::default().id(task.version.to_string()).data(json)
}
