//! One prediction: the cache, then the ML service, at most once for equal questions.

use std::pin::pin;

use ortolan_domain::tensor::{Tensor, digest};
use ortolan_domain::{ErrorCode, TenantId, hash};
use ortolan_ml_client::InferRequest;
use ortolan_store::CrashPair;

use super::answer::{Question, SharedAnswer, from_cache, to_cache};
use super::deadline::Deadline;
use super::target::Target;
use crate::error::ApiError;
use crate::middleware::trace;
use crate::quarantine::refuse_quarantined_pair;
use crate::state::ApiState;

/// A larger answer is not kept.
const MOST_CACHED_BYTES: usize = 4 << 20;

/// How a prediction uses the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheUse {
    /// Neither looks nor keeps.
    None,
    /// Does not look, but keeps.
    Refresh,
    /// Looks and keeps.
    Full,
}

/// What is asked of a model.
pub struct Asked<'a> {
    /// Whose.
    pub tenant: TenantId,
    /// The model.
    pub target: &'a Target,
    /// The inputs, checked against its signature.
    pub inputs: Vec<Tensor>,
    /// The outputs that are wanted; all of them when empty.
    pub outputs: Vec<String>,
    /// How the cache is used.
    pub cache: CacheUse,
    /// Until when.
    pub deadline: Deadline,
    /// The request, for logs.
    pub request_id: String,
}

/// An answer, and whether it came out of the cache.
pub struct Answered {
    /// What the model gave.
    pub answer: SharedAnswer,
    /// True when no model was run for it.
    pub cached: bool,
}

impl ApiState {
    /// Answers a question within its deadline. Dropping the future cancels the run, unless others wait for the same answer.
    pub(crate) async fn predict(&self, asked: Asked<'_>) -> Result<Answered, ApiError> {
        let wish = if self.settings().prediction_cache.is_some() { asked.cache } else { CacheUse::None };
        let deadline = asked.deadline;
        let answer = pin!(self.answer(asked, wish));
        deadline.meet(answer).await
    }

    async fn answer(&self, mut asked: Asked<'_>, wish: CacheUse) -> Result<Answered, ApiError> {
        if wish == CacheUse::None {
            return Ok(Answered { answer: self.run(asked).await?, cached: false });
        }
        let question = &Question::new(asked.target, &mut asked.inputs, &asked.outputs);
        if wish == CacheUse::Refresh {
            let answer = self.run(asked).await?;
            self.keep(question, &answer).await;
            return Ok(Answered { answer, cached: false });
        }
        if let Some(answer) = self.recall(question).await {
            self.predictions.metrics.hit(asked.tenant);
            return Ok(Answered { answer, cached: true });
        }
        let flight = self.predictions.flights.board(question.key.clone()).await;
        if let Some((stamp, landed)) = flight.landed()
            && stamp == *question
        {
            self.predictions.metrics.hit(asked.tenant);
            return landed.map(|answer| Answered { answer, cached: true });
        }
        self.predictions.metrics.miss(asked.tenant);
        let answer = self.run(asked).await;
        match &answer {
            Ok(answer) => self.keep(question, answer).await,
            // Another one may have more time.
            Err(error) if error.code() == ErrorCode::DeadlineExceeded => return Err(error.clone()),
            Err(_) => {}
        }
        flight.land((question.clone(), answer.clone()));
        answer.map(|answer| Answered { answer, cached: false })
    }

    async fn recall(&self, question: &Question) -> Option<SharedAnswer> {
        let bytes = self.cache.get(&question.key).await?;
        from_cache(question, &bytes).map(SharedAnswer::new)
    }

    async fn keep(&self, question: &Question, answer: &SharedAnswer) {
        let Some(ttl) = self.settings().prediction_cache else { return };
        if let Some(bytes) = to_cache(question, answer, MOST_CACHED_BYTES).await {
            self.cache.set(&question.key, bytes, ttl).await;
        }
    }

    async fn run(&self, asked: Asked<'_>) -> Result<SharedAnswer, ApiError> {
        // Shares the elements; only a crash has them hashed.
        let (target, mut inputs) = (asked.target, asked.inputs.clone());
        self.refuse_quarantined(asked.tenant, target, &mut inputs).await?;
        let request = InferRequest {
            model: target.model.clone(),
            sha256: target.sha256.clone(),
            inputs: asked.inputs,
            outputs: asked.outputs,
            timeout: asked.deadline.left(),
            batching: None,
            request_id: asked.request_id,
            trace: trace(),
        };
        match self.inference.infer(request).await {
            Ok(answer) => Ok(SharedAnswer::new(answer)),
            Err(error) => {
                if error.code == ErrorCode::Crashed {
                    self.record_crash(asked.tenant, &crash_pair(target, &mut inputs), target).await;
                }
                Err(error.into())
            }
        }
    }

    /// Only tenants whose models crashed lately, and models with quarantined inputs, have to be looked up.
    async fn refuse_quarantined(
        &self,
        tenant: TenantId,
        target: &Target,
        inputs: &mut [Tensor],
    ) -> Result<(), ApiError> {
        if !target.has_quarantined && !self.predictions.crashed.contains(tenant) {
            return Ok(());
        }
        refuse_quarantined_pair(self, tenant, &crash_pair(target, inputs)).await
    }

    async fn record_crash(&self, tenant: TenantId, pair: &CrashPair, target: &Target) {
        self.predictions.crashed.insert(tenant);
        let recorded = self.stores.quarantine.record_crash(tenant, pair, &target.name, self.now()).await;
        if let Err(error) = recorded {
            tracing::warn!(%error, "the crash of a prediction could not be recorded");
        }
    }
}

/// What crashed, or may have before: the file and the inputs.
fn crash_pair(target: &Target, inputs: &mut [Tensor]) -> CrashPair {
    CrashPair { model_sha256: target.signature.sha256.clone(), input_hash: hash::hex(&digest(inputs)) }
}
