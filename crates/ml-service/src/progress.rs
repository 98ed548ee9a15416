//! Tells the others how far a long run is.

use std::time::Duration;

use ortolan_domain::job::Attempt;
use tokio::sync::watch;

use crate::service::MlService;

/// How far a run is, is told no more often than this; a run that is shorter tells nothing.
const PAUSE: Duration = Duration::from_secs(1);

impl MlService {
    /// Where a runner says how far the attempt is. Ends with the sender.
    pub(crate) fn progress_of(&self, attempt: Attempt) -> watch::Sender<f32> {
        let (sender, mut heard) = watch::channel(0.0);
        let signals = self.0.signals.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(PAUSE).await;
                if heard.changed().await.is_err() {
                    return;
                }
                let share = *heard.borrow_and_update();
                signals.publish_progress(attempt, f64::from(share));
            }
        });
        sender
    }
}
