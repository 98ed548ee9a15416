//! What a check found, in the registry's words.

use ortolan_domain::model::{ModelFacts, PortFacts, PortKind};
use ortolan_ml_client::{ModelReport, TensorKind, TensorSpec};

/// What the registry keeps of a check.
pub fn of_report(report: ModelReport) -> ModelFacts {
    ModelFacts {
        inputs: report.inputs.into_iter().map(port).collect(),
        outputs: report.outputs.into_iter().map(port).collect(),
        words: report.words,
        custom_metadata: report.metadata,
        providers: report.providers,
        vision_task: report.vision_task,
        trial_run_ms: report.trial_run_ms,
        trial_failure: report.trial_failure,
        memory_bytes: report.memory_bytes,
    }
}

fn port(spec: TensorSpec) -> PortFacts {
    let kind = match spec.kind {
        TensorKind::Tensor => PortKind::Tensor,
        TensorKind::Sequence => PortKind::Sequence,
        TensorKind::Map => PortKind::Map,
        TensorKind::Optional => PortKind::Optional,
    };
    let shape = spec.shape.into_iter().map(|size| (size >= 0).then_some(size)).collect();
    PortFacts { name: spec.name, kind, dtype: spec.datatype, shape }
}
