//! Crashes are remembered by model and input: a pair that crashes again and again is not run any more.

use ortolan_domain::job::CrashSuspect;
use ortolan_domain::task::TaskError;
use ortolan_domain::{ErrorCode, Task};
use ortolan_store::{CrashPair, CrashRecord, Failure, Fate, StoreError};

use crate::steps::Ending;
use crate::worker::Worker;

impl Worker {
    /// Counts the crash that ended a run, if one did; a pair that is in quarantine now is not tried again.
    pub async fn note_crash(&self, task: &Task, ending: Ending) -> Ending {
        let Ending::Crashed(failure, suspect) = ending else { return ending };
        match self.record_crash(task, *suspect).await {
            Ok(record) if record.is_quarantined() && failure.fate != Fate::Final => {
                Ending::Failed(quarantined(failure, &record))
            }
            Ok(_) => Ending::Failed(failure),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a crash could not be counted");
                Ending::Failed(failure)
            }
        }
    }

    async fn record_crash(&self, task: &Task, suspect: CrashSuspect) -> Result<CrashRecord, StoreError> {
        let CrashSuspect { model, model_sha256, input_hash } = suspect;
        let (parts, pair) = (&self.0.parts, CrashPair { model_sha256, input_hash });
        parts.quarantine.record_run_crash(task.spec.tenant_id, &pair, &model, parts.clock.now()).await
    }
}

fn quarantined(failure: Failure, record: &CrashRecord) -> Failure {
    let detail = format!("{}; {}", failure.error.detail, record.explain());
    Failure { error: TaskError { code: ErrorCode::Quarantined, detail }, fate: Fate::Final, ..failure }
}
