//! Crashes are remembered by model and input: a pair that crashes again and again is not run any more.

use ortolan_domain::task::TaskError;
use ortolan_domain::{ErrorCode, Task};
use ortolan_store::{CrashRecord, Failure, Fate, StoreError};

use crate::steps::Ending;
use crate::worker::Worker;

impl Worker {
    /// Counts the crash that ended a run, if one did; a pair that is in quarantine now is not tried again.
    pub async fn note_crash(&self, task: &Task, ending: Ending) -> Ending {
        let Ending::Failed(failure) = ending else { return ending };
        if failure.error.code != ErrorCode::Crashed {
            return Ending::Failed(failure);
        }
        match self.record_crash(task).await {
            Ok(Some(record)) if record.is_quarantined() && failure.fate != Fate::Final => {
                Ending::Failed(quarantined(failure, &record))
            }
            Ok(_) => Ending::Failed(failure),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a crash could not be counted");
                Ending::Failed(failure)
            }
        }
    }

    async fn record_crash(&self, task: &Task) -> Result<Option<CrashRecord>, StoreError> {
        let (Some(slot), Some(input)) = (task.spec.task_type.slot(), &task.spec.input) else { return Ok(None) };
        let parts = &self.0.parts;
        parts.quarantine.record_slot_crash(task.spec.tenant_id, slot, &input.sha256, parts.clock.now()).await
    }
}

fn quarantined(failure: Failure, record: &CrashRecord) -> Failure {
    let detail = format!("{}; {}", failure.error.detail, record.explain());
    Failure { error: TaskError { code: ErrorCode::Quarantined, detail }, fate: Fate::Final, ..failure }
}
