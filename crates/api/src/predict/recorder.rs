//! Writes records of predictions after their answers, many at a time.

use std::sync::Arc;
use std::time::Duration;

use ortolan_domain::prediction::Prediction;
use ortolan_service::telemetry::metrics::predictions_unrecorded;
use ortolan_store::PredictionStore;
use tokio::sync::{mpsc, oneshot};

/// Records that may wait; past them new ones are left out, as no answer waits for its record.
const WAITING: usize = 4_096;
/// Records of one write.
const BATCH: usize = 64;
/// How long a reader waits for what was answered before.
const PATIENCE: Duration = Duration::from_secs(1);

enum Note {
    Record(Box<Prediction>),
    /// Answered when everything before it is written.
    Settled(oneshot::Sender<()>),
}

/// Takes records and writes them in the background, until it is dropped and all are written.
pub struct Recorder(mpsc::Sender<Note>);

impl Recorder {
    pub(crate) fn start(store: Arc<dyn PredictionStore>) -> Self {
        let (notes, incoming) = mpsc::channel(WAITING);
        tokio::spawn(write(store, incoming));
        Self(notes)
    }

    /// Notes a prediction; never waits.
    pub(crate) fn record(&self, prediction: Prediction) {
        if self.0.try_send(Note::Record(Box::new(prediction))).is_err() {
            predictions_unrecorded(1);
        }
    }

    /// Waits until what was noted before is written, so that a client finds what it was answered; not for long.
    pub(crate) async fn settled(&self) {
        let (done, settled) = oneshot::channel();
        let wait = async {
            if self.0.send(Note::Settled(done)).await.is_ok() {
                // A writer that ended settles nothing more.
                let _ = settled.await;
            }
        };
        // What is late is missing from this one answer and in the next.
        let _ = tokio::time::timeout(PATIENCE, wait).await;
    }
}

async fn write(store: Arc<dyn PredictionStore>, mut incoming: mpsc::Receiver<Note>) {
    let mut notes = Vec::with_capacity(BATCH);
    while incoming.recv_many(&mut notes, BATCH).await > 0 {
        let (mut records, mut waiting) = (Vec::new(), Vec::new());
        for note in notes.drain(..) {
            match note {
                Note::Record(record) => records.push(*record),
                Note::Settled(done) => waiting.push(done),
            }
        }
        let count = records.len() as u64;
        if count > 0
            && let Err(error) = store.record_predictions(records).await
        {
            tracing::warn!(%error, count, "predictions could not be recorded");
            predictions_unrecorded(count);
        }
        for done in waiting {
            // Whoever waited may be gone.
            let _ = done.send(());
        }
    }
}
