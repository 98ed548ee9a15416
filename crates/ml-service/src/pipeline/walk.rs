//! Walking the tree of steps.

use std::time::Instant;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use ortolan_domain::ErrorCode;
use ortolan_domain::job::MlError;
use ortolan_domain::pipeline::{Findings, Node, Step, merge, think};

use super::Run;

impl Run<'_> {
    /// Runs a node on what was found before it.
    pub(super) fn walk<'r>(&'r self, node: &'r Node, found: Findings) -> BoxFuture<'r, Result<Findings, MlError>> {
        match node {
            Node::Step(step) => self.step(step, found).boxed(),
            Node::Chain(nodes) => self.chain(nodes, found).boxed(),
            Node::Group(branches) => self.group(branches, found).boxed(),
            Node::Chord { group, callback } => async move {
                let found = self.group(group, found).await?;
                match callback {
                    Some(callback) => self.walk(callback, found).await,
                    None => Ok(found),
                }
            }
            .boxed(),
        }
    }

    async fn chain(&self, nodes: &[Node], mut found: Findings) -> Result<Findings, MlError> {
        for node in nodes {
            found = self.walk(node, found).await?;
        }
        Ok(found)
    }

    /// All branches at once. One that fails stops the others, whose ends are waited for: they use the picture.
    async fn group(&self, branches: &[Node], found: Findings) -> Result<Findings, MlError> {
        let branch = |node| {
            let found = found.clone();
            async move {
                let ended = self.walk(node, found).await;
                if ended.is_err() {
                    self.cancel.cancel();
                }
                ended
            }
        };
        let ended = join_all(branches.iter().map(branch)).await;
        match first_cause(&ended) {
            Some(error) => Err(error.clone()),
            None => Ok(merge(&found, ended.into_iter().flatten().collect())),
        }
    }

    async fn step(&self, step: &Step, mut found: Findings) -> Result<Findings, MlError> {
        if self.cancel.is_cancelled() {
            return Err(MlError::new(ErrorCode::Cancelled, "the task was cancelled"));
        }
        let began = Instant::now();
        match step {
            Step::Detection(settings) => self.detect(settings, &mut found).await,
            Step::Segmentation(settings) => self.segment(settings, &mut found).await,
            Step::SahiDetection(settings) => self.detect_in_tiles(settings, &mut found).await,
            Step::Classification(settings) => self.classify(settings, &mut found).await,
            Step::VisualizeDetections(settings) => self.draw(*settings, &mut found).await,
            Step::UploadImage(settings) => self.upload(settings, &mut found).await,
            Step::SegmentFilter(settings) => {
                think::filter_segments(&mut found, settings);
                Ok(())
            }
            Step::AggregateDetections(_) => {
                think::aggregate(&mut found);
                Ok(())
            }
            Step::SizeCalculator(_) => {
                think::sort_by_size(&mut found);
                Ok(())
            }
            Step::SpeciesDistributor(settings) => {
                think::give_species(&mut found, &settings.species);
                Ok(())
            }
            // The worker sees to it once the task has ended.
            Step::SendResults(_) => Ok(()),
        }
        .map_err(|error| MlError::new(error.code, format!("step {}: {}", step.name(), error.detail)))?;
        self.log.ended(step.name(), began.elapsed());
        tracing::info!(step = step.name(), duration_ms = began.elapsed().as_secs_f64() * 1e3, "step ended");
        Ok(found)
    }
}

/// The error that the others follow from: those that were stopped say only that they were.
fn first_cause<T>(ended: &[Result<T, MlError>]) -> Option<&MlError> {
    let errors = || ended.iter().filter_map(|ended| ended.as_ref().err());
    errors().find(|error| error.code != ErrorCode::Cancelled).or_else(|| errors().next())
}
