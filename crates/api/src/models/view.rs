//! A version as clients see it.

use std::collections::BTreeMap;

use ortolan_domain::model::{Model, ModelFacts, ModelRef, PortFacts};
use ortolan_domain::{ModelId, TenantSlug, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::openapi::words;

/// A version of a model.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Model)]
pub struct ModelView {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    id: ModelId,
    /// The name it shares with its other versions.
    name: String,
    /// Its own label.
    version: String,
    /// A text for people.
    description: Option<String>,
    /// What its owner wants to remember of it.
    #[schema(value_type = Object)]
    model_metadata: Map<String, Value>,
    /// Where it stands.
    #[schema(value_type = words::ModelStatus)]
    status: &'static str,
    /// The conventional path of its file.
    file_path: Option<String>,
    /// Size of its file.
    file_size_bytes: Option<u64>,
    /// SHA-256 of its file in hexadecimal.
    file_hash: Option<String>,
    /// What goes in, as the validation found it.
    input_schema: Option<Vec<PortView>>,
    /// What comes out, as the validation found it.
    output_schema: Option<Vec<PortView>>,
    /// What else the validation found.
    metadata: Option<FactsView>,
    /// Why the file cannot be served.
    error_message: Option<String>,
    /// When it was registered.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it changed last.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// One input or output of a model.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ModelPort)]
pub struct PortView {
    /// Its name.
    name: String,
    /// `tensor`, `map`, `sequence` or `optional`.
    #[schema(value_type = String)]
    kind: ortolan_domain::model::PortKind,
    /// Its element type as the Open Inference Protocol spells it, for instance `FP32`.
    dtype: String,
    /// Its shape; `null` for a free axis.
    shape: Vec<Option<i64>>,
}

/// What the validation found besides inputs and outputs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ModelFacts)]
pub struct FactsView {
    /// Version of the standard operator set.
    opset_version: Option<i64>,
    /// Versions of all operator sets by domain.
    opsets: BTreeMap<String, i64>,
    /// Version of the file format.
    ir_version: i64,
    /// The program that wrote the file.
    producer_name: String,
    /// Its version.
    producer_version: String,
    /// The graph's name.
    graph_name: String,
    /// The file's own description.
    description: String,
    /// The file's own domain.
    domain: String,
    /// The file's own version number.
    version: Option<i64>,
    /// Further metadata that the file carries, bounded.
    custom_metadata: BTreeMap<String, String>,
    /// What runs it.
    providers: Vec<String>,
    /// What a vision model does; `null` for others.
    vision_task: Option<String>,
    /// How long a trial run on zeros took, in milliseconds; `null` when it failed or no input could be made up.
    trial_run_ms: Option<f64>,
    /// Why the trial run failed. It says little: the model may want other inputs than zeros.
    trial_failure: Option<String>,
    /// Memory that the loaded model took.
    memory_bytes: Option<u64>,
}

impl ModelView {
    /// A version of this tenant's.
    pub fn of(model: Model, tenant: &TenantSlug) -> Self {
        let file_path = model.file.as_ref().map(|_| ModelRef::new(tenant.clone(), model.id).object_path());
        let (file_size_bytes, file_hash) = model.file.map(|file| (file.size_bytes, file.sha256)).unzip();
        let (input_schema, output_schema, metadata) = described(model.facts);
        Self {
            id: model.id,
            name: model.name.to_string(),
            version: model.version.to_string(),
            description: model.description,
            model_metadata: model.metadata,
            status: model.status.as_str(),
            file_path,
            file_size_bytes,
            file_hash,
            input_schema,
            output_schema,
            metadata,
            error_message: model.error,
            created_at: model.created_at,
            updated_at: model.updated_at,
        }
    }
}

/// Inputs, outputs and the rest of what a validation found.
pub fn described(facts: Option<Box<ModelFacts>>) -> (Option<Vec<PortView>>, Option<Vec<PortView>>, Option<FactsView>) {
    let Some(facts) = facts else { return (None, None, None) };
    let ports = |ports: &[PortFacts]| ports.iter().cloned().map(PortView::from).collect();
    (Some(ports(&facts.inputs)), Some(ports(&facts.outputs)), Some((*facts).into()))
}

impl From<PortFacts> for PortView {
    fn from(PortFacts { name, kind, dtype, shape }: PortFacts) -> Self {
        Self { name, kind, dtype, shape }
    }
}

impl From<ModelFacts> for FactsView {
    fn from(facts: ModelFacts) -> Self {
        let words = facts.words;
        Self {
            opset_version: words.opset_version(),
            opsets: words.opsets,
            ir_version: words.ir_version,
            producer_name: words.producer_name,
            producer_version: words.producer_version,
            graph_name: words.graph_name,
            description: words.description,
            domain: words.domain,
            version: words.model_version,
            custom_metadata: facts.custom_metadata,
            providers: facts.providers,
            vision_task: facts.vision_task,
            trial_run_ms: facts.trial_run_ms,
            trial_failure: facts.trial_failure,
            memory_bytes: facts.memory_bytes,
        }
    }
}
