//! What a task may have given.

use ortolan_domain::artifact::{Artifact, ArtifactType};
use ortolan_domain::job::Provenance;
use ortolan_domain::{ArtifactId, Task};
use serde_json::Value;

/// An artifact of a running task.
pub fn artifact(task: &Task, ordinal: i32, artifact_type: ArtifactType, payload: Value) -> Artifact {
    Artifact {
        id: ArtifactId::generate(),
        tenant_id: task.spec.tenant_id,
        task_id: task.spec.id,
        ordinal,
        artifact_type,
        schema_version: 1,
        span_start_ms: 0,
        span_end_ms: 0,
        payload,
        provenance: Provenance {
            run_id: task.run_id.unwrap(),
            config_hash: task.spec.config_hash.clone(),
            input_hash: String::new(),
            producer: "ortolan".to_owned(),
            producer_version: String::new(),
            model_profile: "balanced".to_owned(),
            model_sha256: None,
            request_id: None,
        },
        created_at: task.started_at.unwrap(),
    }
}
