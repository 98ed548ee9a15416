//! Requests that tell of a task's end.

use bytes::Bytes;
use ortolan_domain::artifact::ArtifactType;
use ortolan_domain::pipeline::PipelineResultV1;
use ortolan_domain::{Task, TaskStatus, TaskType, TenantId};
use ortolan_outbound::{OutboundError, Secret};
use ortolan_store::{Delivery, StoreError, WebhookSecret};
use serde_json::Value;

use super::sender::CallbackSender;
use super::{Tried, Why, body};

/// Where the backend takes results and errors.
const RESULTS_PATH: &str = "/api/v1/processing-callback/results";
const ERROR_PATH: &str = "/api/v1/processing-callback/error";

impl CallbackSender {
    /// Sends a webhook to the address that the tenant chose.
    pub(super) async fn send_webhook(&self, delivery: &Delivery) -> Tried {
        let Some(url) = &delivery.url else { return Tried::Never(Why::new("there is no address")) };
        let (task, result) = match self.task_and_result(delivery).await {
            Ok(Some(found)) => found,
            Ok(None) => return Tried::Never(Why::new("the task is not there any more")),
            Err(error) => return error.into(),
        };
        let body = body::webhook(delivery, &task, result.as_ref());
        match self.signed(delivery, &body).await {
            Ok(headers) => tried(self.0.outbound.post(url, &headers, body).await),
            Err(tried) => tried,
        }
    }

    /// Posts results, or the error, to the backend.
    pub(super) async fn post_results(&self, delivery: &Delivery) -> Tried {
        let Some(backend) = &self.0.backend else {
            return Tried::Later(Why::new("the installation names no backend (callback.backend_url)"));
        };
        let (task, result) = match self.task_and_result(delivery).await {
            Ok(Some(found)) => found,
            Ok(None) => return Tried::Never(Why::new("the task is not there any more")),
            Err(error) => return error.into(),
        };
        let (path, body) = match result.and_then(|result| serde_json::from_value::<PipelineResultV1>(result).ok()) {
            Some(result) => (RESULTS_PATH, body::results(&task, &result)),
            None => (ERROR_PATH, body::error(delivery, &task)),
        };
        let headers = match self.signed(delivery, &body).await {
            Ok(headers) => headers,
            Err(tried) => return tried,
        };
        let url = format!("{}{path}", backend.url.trim_end_matches('/'));
        tried(backend.client.post(&url, &headers, body).await)
    }

    /// The task as it is now, and the result if it has completed. A task that failed and was tried again since keeps the
    /// error of that end in the delivery.
    pub(super) async fn task_and_result(
        &self,
        delivery: &Delivery,
    ) -> Result<Option<(Task, Option<Value>)>, StoreError> {
        let (tenant, id) = (delivery.tenant_id, delivery.key.task_id);
        let Some(task) = self.0.tasks.get(tenant, id).await? else { return Ok(None) };
        if delivery.event != TaskStatus::Completed || task.spec.task_type != TaskType::Pipeline {
            return Ok(Some((task, None)));
        }
        let page = self.0.tasks.artifacts(tenant, id, 1, 0).await?;
        let first = page.and_then(|page| page.items.into_iter().next());
        let result = first.filter(|artifact| artifact.artifact_type == ArtifactType::PipelineResult);
        Ok(Some((task, result.map(|artifact| artifact.payload))))
    }

    /// What the tenant's requests are signed with; a first one is made where the tenant has not asked for it yet.
    async fn secret_of(&self, tenant: TenantId) -> Result<WebhookSecret, Tried> {
        if let Some(kept) = self.0.callbacks.webhook_secret(tenant).await? {
            return Ok(kept);
        }
        let new = Secret::generate().map_err(|_| Tried::Later(Why::new("no secret could be made")))?;
        Ok(self.0.callbacks.ensure_webhook_secret(tenant, &new.expose(), self.0.clock.now()).await?)
    }

    /// The headers of a signed request; while a secret is being replaced both sign.
    async fn signed(&self, delivery: &Delivery, body: &Bytes) -> Result<Vec<(&'static str, String)>, Tried> {
        let (now, kept) = (self.0.clock.now(), self.secret_of(delivery.tenant_id).await?);
        let previous = kept.previous.filter(|(_, until)| *until > now).map(|(secret, _)| secret);
        let (id, seconds) = (delivery.key.webhook_id(), now.as_micros() / 1_000_000);
        let mut signatures = Vec::new();
        for text in std::iter::once(kept.secret).chain(previous) {
            let secret =
                Secret::parse(&text).map_err(|_| Tried::Never(Why::new("the stored secret cannot be read")))?;
            signatures.push(secret.sign(&id, seconds, body));
        }
        Ok(vec![
            ("webhook-id", id),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", signatures.join(" ")),
            ("X-Tenant-ID", delivery.tenant.to_string()),
        ])
    }
}

fn tried(answer: Result<u16, OutboundError>) -> Tried {
    match answer {
        Ok(status) => Tried::Done(Some(status)),
        Err(error) => error.into(),
    }
}
