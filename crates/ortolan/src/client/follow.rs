//! Waiting for a task's end.

use std::time::Duration;

use reqwest::{Method, Response, header};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::events::EventReader;
use super::{Client, ClientError, Task, TaskSignal};

/// A stream that says nothing for this long, not even a comment, is taken for dead.
const SILENCE: Duration = Duration::from_secs(45);
/// How long the server may hold back an answer when it is asked instead of listened to.
const LONG_POLL_S: u64 = 5;
/// Least time between two questions, in case the server does not hold back.
const PAUSE: Duration = Duration::from_millis(100);
/// How often in a row a question may go unanswered, a second apart, for instance while a server starts again.
const MAX_FAILURES: u32 = 15;

impl Client {
    /// Waits until the task has ended and gives it; `seen` is told of each step on the way. Listens to the task's events
    /// where that works and asks again and again where it does not.
    pub async fn follow(&self, id: Uuid, mut seen: impl FnMut(&TaskSignal)) -> Result<Task, ClientError> {
        if let Ok(events) = self.events(id).await {
            listen(events, &mut seen).await;
        }
        self.ask(id, seen).await
    }

    async fn events(&self, id: Uuid) -> Result<Response, ClientError> {
        let request = self.request(Method::GET, &format!("/tasks/{id}/events"));
        self.send(request.header(header::ACCEPT, "text/event-stream")).await
    }

    async fn ask(&self, id: Uuid, mut seen: impl FnMut(&TaskSignal)) -> Result<Task, ClientError> {
        let (mut wait_s, mut failures) = (0, 0);
        loop {
            let question = self.request(Method::GET, &format!("/tasks/{id}")).query(&[("wait", wait_s)]);
            match self.json::<Task>(question).await {
                Ok(task) => {
                    let signal = task.signal();
                    seen(&signal);
                    if signal.is_terminal() {
                        return Ok(task);
                    }
                    (wait_s, failures) = (LONG_POLL_S, 0);
                    sleep(PAUSE).await;
                }
                Err(error) if error.is_transient() && failures < MAX_FAILURES => {
                    failures += 1;
                    sleep(Duration::from_secs(1)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Hands on what the events say until the task has ended or the stream has.
async fn listen(mut events: Response, seen: &mut impl FnMut(&TaskSignal)) {
    let mut reader = EventReader::default();
    while let Ok(Ok(Some(piece))) = timeout(SILENCE, events.chunk()).await {
        for data in reader.push(&piece) {
            let Ok(signal) = serde_json::from_str::<TaskSignal>(&data) else { continue };
            seen(&signal);
            if signal.is_terminal() {
                return;
            }
        }
    }
}
