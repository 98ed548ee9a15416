//! Predictions: named tensors through a model, while the client waits.
//!
//! Flow: [`target`] finds the file that answers and its signature; the inputs are checked against it; [`run`] looks into the
//! cache, lets equal questions run once ([`flights`]) and asks the ML service within the [`deadline`]; [`recorder`] writes down
//! what was answered, after the answer.
//!
//! Invariants: nothing is asked of a model that its signature refuses; a question's key names the tenant, the file and every
//! byte of the inputs, and an answer out of the cache must carry their SHA-256; a client that goes away cancels its run.

mod answer;
mod deadline;
mod flights;
mod forget;
mod inputs;
mod ledger;
mod one;
mod record;
mod recorder;
mod run;
mod several;
mod target;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use deadline::Deadline;
pub use inputs::read_inputs;
pub use ledger::Ledger;
pub use recorder::Recorder;
pub use run::{Answered, Asked, CacheUse};
pub use target::{Target, Targets, Wanted};

use crate::error::ApiError;
use crate::settings::ApiSettings;
use crate::state::{ApiParts, ApiState};

/// What predictions keep between requests.
pub struct Predictions {
    pub(crate) targets: Targets,
    pub(crate) metrics: Ledger,
    pub(crate) recorder: Recorder,
    flights: flights::Flights<(answer::Question, Result<answer::SharedAnswer, ApiError>)>,
    crashed: ledger::Crashed,
}

impl Predictions {
    pub(crate) fn new(parts: &ApiParts) -> Self {
        Self {
            targets: Targets::new(&parts.signals),
            metrics: Ledger::default(),
            recorder: Recorder::start(parts.stores.predictions.clone()),
            flights: flights::Flights::default(),
            crashed: ledger::Crashed::default(),
        }
    }
}

/// The routes of predictions.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(one::predict_one)).routes(routes!(several::predict_several))
}

/// The deadline of a request that begins now.
pub fn deadline(settings: &ApiSettings, wished_ms: Option<f64>) -> Deadline {
    Deadline::new(settings.inference_timeout, wished_ms)
}
