//! Who waits for what: a signal reaches those that wait for its key, and nobody else.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

/// How many signals one watcher may be behind before the oldest are lost to it.
const BACKLOG: usize = 16;

/// Watchers by key. A key is known only while somebody watches it.
pub(crate) struct Watchers<K, S>(Mutex<HashMap<K, broadcast::Sender<S>>>);

impl<K: Hash + Eq + Copy, S: Clone> Watchers<K, S> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(HashMap::new())))
    }

    /// Watches a key from now on.
    pub(crate) fn watch(self: &Arc<Self>, key: K) -> Watch<K, S> {
        let mut watched = self.lock();
        let sender = watched.entry(key).or_insert_with(|| broadcast::Sender::new(BACKLOG)).clone();
        Watch { key, signals: sender.subscribe(), sender, watchers: Arc::clone(self) }
    }

    /// Signals to those that watch the keys.
    pub(crate) fn notify(&self, signals: impl IntoIterator<Item = (K, S)>) {
        let watched = self.lock();
        if watched.is_empty() {
            return;
        }
        for (key, signal) in signals {
            if let Some(sender) = watched.get(&key) {
                // The last watcher may be on its way out: then there is nobody to tell.
                let _ = sender.send(signal);
            }
        }
    }

    /// Signals to everyone.
    pub(crate) fn notify_all(&self, signal: S) {
        for sender in self.lock().values() {
            let _ = sender.send(signal.clone());
        }
    }

    /// How many keys are watched.
    #[cfg(test)]
    pub(crate) fn watched(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, broadcast::Sender<S>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One watcher of one key; dropping it ends the watch.
pub(crate) struct Watch<K: Hash + Eq + Copy, S: Clone> {
    key: K,
    signals: broadcast::Receiver<S>,
    sender: broadcast::Sender<S>,
    watchers: Arc<Watchers<K, S>>,
}

impl<K: Hash + Eq + Copy, S: Clone> Watch<K, S> {
    /// The next signal. One that falls too far behind misses the oldest signals.
    pub(crate) async fn changed(&mut self) -> S {
        loop {
            match self.signals.recv().await {
                Ok(signal) => return signal,
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                // Not while `self.sender` is held.
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

impl<K: Hash + Eq + Copy, S: Clone> Drop for Watch<K, S> {
    fn drop(&mut self) {
        let mut watched = self.watchers.lock();
        // Its own receiver ends under the lock too, or two watchers that leave at once would each leave it to the other.
        self.signals = broadcast::Sender::new(1).subscribe();
        if self.sender.receiver_count() == 0 {
            watched.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_watchers_of_a_key_hear_of_it_and_none_is_left_behind() {
        let watchers = Watchers::<u32, &str>::new();
        let (mut first, mut second, other) = (watchers.watch(1), watchers.watch(1), watchers.watch(2));
        watchers.notify([(1, "a"), (3, "b")]);
        assert_eq!((first.changed().await, second.changed().await), ("a", "a"));
        assert_eq!(watchers.watched(), 2);
        drop((first, other));
        assert_eq!(watchers.watched(), 1);
        drop(second);
        assert_eq!(watchers.watched(), 0);
    }

    #[tokio::test]
    async fn a_slow_watcher_still_hears_the_latest() {
        let watchers = Watchers::<u32, usize>::new();
        let mut watch = watchers.watch(1);
        watchers.notify((0..1_000).map(|number| (1, number)));
        let mut last = watch.changed().await;
        while last < 999 {
            last = watch.changed().await;
        }
        assert!(watch.signals.is_empty());
    }
}
