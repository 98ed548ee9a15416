//! Equal requests at the same time run once: the first one runs, the others wait for its answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// What is under way, by key. An answer of type `T` is shared.
pub struct Flights<T> {
    turns: Mutex<HashMap<String, Arc<Turn<Option<T>>>>>,
}

/// The turn of one of the equal requests. When it is dropped the next one has its turn, and sees what was landed.
pub struct Flight<'f, T> {
    // Given back before the seat is left, which looks whether anybody holds on to the turn.
    landed: OwnedMutexGuard<Option<T>>,
    _seat: Seat<'f, T>,
}

/// A place among the equal requests; the last one to leave forgets their key.
struct Seat<'f, T> {
    flights: &'f Flights<T>,
    key: String,
}

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self { turns: Mutex::default() }
    }
}

impl<T: Clone> Flights<T> {
    /// Waits for a turn. Only a request that finds nothing landed has to run.
    pub async fn board(&self, key: String) -> Flight<'_, T> {
        let turn =
            Arc::clone(self.turns.lock().unwrap_or_else(PoisonError::into_inner).entry(key.clone()).or_default());
        let seat = Seat { flights: self, key };
        Flight { landed: turn.lock_owned().await, _seat: seat }
    }
}

impl<T: Clone> Flight<'_, T> {
    /// What an equal request landed while this one waited.
    pub fn landed(&self) -> Option<T> {
        self.landed.clone()
    }

    /// Shares an answer with those that wait.
    pub fn land(mut self, answer: T) {
        *self.landed = Some(answer);
    }
}

impl<T> Drop for Seat<'_, T> {
    fn drop(&mut self) {
        let mut turns = self.flights.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.get(&self.key).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            turns.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_burst_runs_once_and_leaves_nothing_behind() {
        let (flights, runs) = (Flights::default(), AtomicUsize::new(0));
        let one = async || {
            let flight = flights.board("k".to_owned()).await;
            if let Some(answer) = flight.landed() {
                return answer;
            }
            tokio::task::yield_now().await;
            let answer = runs.fetch_add(1, Ordering::SeqCst);
            flight.land(answer);
            answer
        };
        let answers = futures::future::join_all((0..50).map(|_| one())).await;
        assert!(answers.iter().all(|answer| *answer == 0));
        assert!(flights.turns.lock().is_ok_and(|turns| turns.is_empty()));
    }

    #[tokio::test]
    async fn whoever_goes_away_gives_the_turn_to_the_next() {
        let flights = Flights::<u8>::default();
        let first = flights.board("k".to_owned()).await;
        let mut impatient = Box::pin(flights.board("k".to_owned()));
        assert!(futures::poll!(&mut impatient).is_pending());
        drop(impatient);
        drop(first);
        assert!(flights.turns.lock().is_ok_and(|turns| turns.is_empty()));
        assert_eq!(flights.board("k".to_owned()).await.landed(), None);
    }
}
