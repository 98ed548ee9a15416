//! The ML service: takes each attempt once and answers what the script says.

use anyhow::{Context, Result};
use bytes::Bytes;
use ortolan_domain::job::{Attempt, MlError, MlItem, MlJob, MlOutcome, MlResult, Provenance, Timings};
use ortolan_domain::{ErrorCode, RunId};
use serde_json::json;

use super::action::{Forgery, Reply};
use super::world::{World, choose};
use crate::good_item;

impl World {
    /// Takes a job, unless its attempt was taken before.
    pub(super) async fn infer(&mut self, place: usize, again: bool) -> Result<Option<String>> {
        let Some(place) = choose(place, self.jobs.len()) else { return Ok(None) };
        let job = if again { self.jobs[place].clone() } else { self.jobs.remove(place) };
        let name = self.name(job.attempt);
        if self.results.take_lock(job.attempt).await? {
            self.taken.push(job);
            return Ok(Some(format!("{name} taken")));
        }
        Ok(Some(format!("{name} was taken before")))
    }

    /// Answers a job that was taken.
    pub(super) async fn answer(&mut self, place: usize, answer: Reply) -> Result<Option<String>> {
        let Some(place) = choose(place, self.taken.len()) else { return Ok(None) };
        let job = self.taken.remove(place);
        if let Reply::Items(count) = answer {
            self.audit.produced(job.attempt, job.run_id, u64::from(count));
        }
        let result = result(&job, outcome(answer));
        self.results.put(job.attempt, serde_json::to_vec(&result)?.into()).await?;
        Ok(Some(format!("{} answered", self.name(job.attempt))))
    }

    /// Puts something under a run's key that is not its result.
    pub(super) async fn forge(&mut self, place: usize, forgery: Forgery) -> Result<Option<String>> {
        let runs = self.runs();
        let Some(chosen) = choose(place, runs.len()) else { return Ok(None) };
        let attempt = self.crew[runs[chosen].0].runs[runs[chosen].1].attempt;
        let bytes = match forgery {
            Forgery::Noise => Bytes::from_static(b"{\"task_id\": 7"),
            Forgery::OtherRun => forged(attempt)?,
            Forgery::OtherAttempt => forged(Attempt { attempt: attempt.attempt - 1, ..attempt })?,
        };
        self.results.put(attempt, bytes).await?;
        Ok(Some(format!("{} forged", self.name(attempt))))
    }

    /// Loses the result of a run.
    pub(super) async fn lose_result(&mut self, place: usize) -> Result<Option<String>> {
        let runs = self.runs();
        let Some(chosen) = choose(place, runs.len()) else { return Ok(None) };
        let attempt = self.crew[runs[chosen].0].runs[runs[chosen].1].attempt;
        self.results.delete(attempt).await?;
        Ok(Some(self.name(attempt)))
    }

    /// Loses all results there are.
    pub(super) async fn lose_results(&mut self) -> Result<()> {
        for attempt in self.results.waiting(1_000).await.context("the results")? {
            self.results.delete(attempt).await?;
        }
        Ok(())
    }
}

fn outcome(answer: Reply) -> MlOutcome {
    let bad_item = || MlItem { payload: json!({"label": 7}), ..good_item() };
    let error = |code| MlOutcome::Error(MlError::new(code, "as the script says"));
    match answer {
        Reply::Items(count) => MlOutcome::Items(vec![good_item(); usize::from(count)]),
        Reply::BadItem => MlOutcome::Items(vec![good_item(), bad_item()]),
        Reply::Transient => error(ErrorCode::Unavailable),
        Reply::Permanent => error(ErrorCode::ModelNotFound),
    }
}

fn result(job: &MlJob, outcome: MlOutcome) -> MlResult {
    let provenance = provenance(job.run_id, &job.config_hash);
    MlResult { attempt: job.attempt, provenance, timings: Timings::default(), outcome }
}

/// A good answer to a run that nobody started.
fn forged(attempt: Attempt) -> Result<Bytes> {
    let provenance = provenance(RunId::generate(), &super::play::config_hash());
    let outcome = MlOutcome::Items(vec![good_item(); 7]);
    Ok(serde_json::to_vec(&MlResult { attempt, provenance, timings: Timings::default(), outcome })?.into())
}

fn provenance(run_id: RunId, config_hash: &str) -> Provenance {
    Provenance {
        run_id,
        config_hash: config_hash.to_owned(),
        input_hash: "i".repeat(64),
        producer: "simulator".to_owned(),
        producer_version: "1".to_owned(),
        model_profile: "balanced".to_owned(),
        model_sha256: None,
        request_id: None,
    }
}
