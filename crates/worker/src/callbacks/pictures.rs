//! Pictures that a pipeline put aside get their names once its task has completed, and go when it has not.

use ortolan_blobs::{BlobError, ObjectPath};
use ortolan_domain::pipeline::PipelineResultV1;
use ortolan_domain::{TaskStatus, staging};
use ortolan_store::Delivery;

use super::sender::CallbackSender;
use super::{Tried, Why};

/// Most objects of one task that are looked for.
const MAX_STAGED: usize = 10_000;

impl CallbackSender {
    /// Gives the pictures of a completed task their names, and deletes everything else that its runs put aside.
    pub(super) async fn place_pictures(&self, delivery: &Delivery) -> Tried {
        let (task, result) = match self.task_and_result(delivery).await {
            Ok(Some(found)) => found,
            Ok(None) => return Tried::Never(Why::new("the task is not there any more")),
            Err(error) => return error.into(),
        };
        let result = result.and_then(|result| serde_json::from_value::<PipelineResultV1>(result).ok());
        let uploads = result.map(|result| result.results.uploads).unwrap_or_default();
        // A task that was tried again since has a run of its own, whose end comes with a delivery of its own.
        let Some(run) = task.run_id.filter(|_| task.status.is_terminal()) else { return Tried::Done(None) };
        for upload in &uploads {
            let staged = staging::object(&delivery.tenant, task.spec.id, run, &upload.path);
            let (Some(from), Some(to)) = (place(delivery, &staged), place(delivery, &upload.path)) else {
                return Tried::Never(Why::new("a picture cannot be named"));
            };
            if let Err(error) = self.put_in_place(&from, &to).await {
                tracing::warn!(error = &error as &dyn std::error::Error, path = %to, "a picture could not be given its name");
                return Tried::Later(Why::new("the object store did not take a picture"));
            }
        }
        let folder = match delivery.event {
            TaskStatus::Completed => staging::task_folder(&delivery.tenant, task.spec.id),
            _ => staging::folder(&delivery.tenant, task.spec.id, run),
        };
        match self.sweep(delivery, &folder).await {
            Ok(()) => Tried::Done(None),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "what a task put aside could not be deleted");
                Tried::Later(Why::new("the object store did not answer"))
            }
        }
    }

    /// Moves a picture; one that is at its place already was moved by a try whose end was lost.
    async fn put_in_place(&self, from: &ObjectPath, to: &ObjectPath) -> Result<(), BlobError> {
        match self.0.blobs.rename(from, to).await {
            Err(BlobError::NotFound(_)) if self.0.blobs.facts(to).await?.is_some() => Ok(()),
            moved => moved,
        }
    }

    async fn sweep(&self, delivery: &Delivery, folder: &str) -> Result<(), BlobError> {
        let Ok(folder) = ObjectPath::of_tenant(&delivery.tenant, folder) else { return Ok(()) };
        let staged = self.0.blobs.list(&folder, MAX_STAGED).await?;
        let paths: Vec<_> = staged.into_iter().map(|(path, _)| path).collect();
        self.0.blobs.delete_all(&paths).await.1
    }
}

/// A path in the tenant's own folder. Models lie elsewhere, and no picture may take the place of one.
fn place(delivery: &Delivery, path: &str) -> Option<ObjectPath> {
    ObjectPath::of_tenant(&delivery.tenant, path).ok().filter(|_| !path.starts_with("models/"))
}
