//! `GET /pipelines/steps`.

use axum::Json;
use axum::extract::State;
use ortolan_domain::Slot;
use ortolan_domain::pipeline::catalog::STEPS;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::auth::ReadAccess;
use crate::openapi::{refusals, words};
use crate::state::ApiState;

refusals!(StepsRefusals:);

/// All steps.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PipelineSteps)]
pub struct StepsView {
    /// The steps.
    items: Vec<StepView>,
    /// How many there are.
    total: usize,
}

/// A step that a pipeline can be made of.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PipelineStep)]
struct StepView {
    /// The word that it is named with.
    name: &'static str,
    /// What it does.
    description: &'static str,
    /// The slot whose model it runs; null for a step without one.
    #[schema(value_type = Option<words::SlotName>)]
    model_slot: Option<Slot>,
    /// The JSON Schema of its `kwargs`.
    #[schema(value_type = Object)]
    settings_schema: Value,
}

/// Lists the steps that pipelines can be made of
///
/// Each with the JSON Schema of its `kwargs`. Needs scope `read`.
#[utoipa::path(
    get, path = "/pipelines/steps", tag = "pipelines",
    responses((status = 200, description = "All steps.", body = StepsView), StepsRefusals),
)]
pub async fn pipeline_steps(State(state): State<ApiState>, _: ReadAccess) -> Json<StepsView> {
    let defaults = state.settings().confidence;
    let step = |spec: &ortolan_domain::pipeline::catalog::StepSpec| StepView {
        name: spec.name,
        description: spec.about,
        model_slot: spec.slot,
        settings_schema: spec.schema(defaults),
    };
    Json(StepsView { items: STEPS.iter().map(step).collect(), total: STEPS.len() })
}
