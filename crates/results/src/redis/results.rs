//! Results as keys.

use std::time::Duration;

use bytes::Bytes;
use fred::interfaces::{KeysInterface, LuaInterface};
use fred::types::{Expiration, Value};
use futures::TryStreamExt;
use ortolan_domain::TaskId;
use ortolan_domain::job::{Attempt, done_key, lock_key, result_key};

use super::connection::Redis;
use super::signals::RESULTS;
use crate::ResultsError;
use crate::results::{Kept, LOCK_TTL, Waited};

/// Takes an attempt that nobody holds and that has not ended. A request that the client sent again, because the answer to the first was lost, finds
/// its own token there and has taken it too.
/// KEYS: the lock, the mark of the end. ARGV: a token of the caller's, milliseconds to hold it. Returns 1 when it is the caller's.
const TAKE: &str = r"
    if redis.call('exists', KEYS[2]) == 1 then return 0 end
    if redis.call('set', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
    if redis.call('get', KEYS[1]) == ARGV[1] then return 1 end
    return 0";

/// Keeps a result and the mark of its end, and wakes whoever waits for it.
/// KEYS: the result, the mark. ARGV: the result's bytes, how many milliseconds it is kept, the same for the mark, the channel, the signal.
const PUT: &str = r"
    redis.call('set', KEYS[1], ARGV[1], 'PX', ARGV[2])
    redis.call('set', KEYS[2], 1, 'PX', ARGV[3])
    redis.call('publish', ARGV[4], ARGV[5])";

const PAGE: u32 = 500;

impl Redis {
    pub(crate) async fn put_result(&self, attempt: Attempt, bytes: Bytes, kept: Kept) -> Result<(), ResultsError> {
        let signal = serde_json::to_string(&attempt).unwrap_or_default();
        let milliseconds = |time: Duration| Value::from(time.as_millis().to_string());
        let arguments: Vec<Value> =
            vec![bytes.into(), milliseconds(kept.result), milliseconds(kept.done), RESULTS.into(), signal.into()];
        let put = self.client().eval(PUT, vec![result_key(attempt), done_key(attempt)], arguments);
        self.in_time(put).await.map_err(ResultsError::store("put a result"))
    }

    pub(crate) async fn look_for_result(&self, attempt: Attempt) -> Result<Option<Waited>, ResultsError> {
        let keys = vec![result_key(attempt), done_key(attempt)];
        let answer: Vec<Option<Bytes>> =
            self.in_time(self.client().mget(keys)).await.map_err(ResultsError::store("look for a result"))?;
        Ok(match &answer[..] {
            [Some(bytes), _] => Some(Waited::Found(bytes.clone())),
            [None, Some(_)] => Some(Waited::Expired),
            _ => None,
        })
    }

    pub(crate) async fn delete_result(&self, attempt: Attempt) -> Result<(), ResultsError> {
        self.in_time(self.client().unlink(result_key(attempt))).await.map_err(ResultsError::store("delete a result"))
    }

    pub(crate) async fn take_lock(&self, attempt: Attempt) -> Result<bool, ResultsError> {
        let token = format!("{:032x}", rand::random::<u128>());
        let (keys, arguments) =
            (vec![lock_key(attempt), done_key(attempt)], vec![token, LOCK_TTL.as_millis().to_string()]);
        let taken: i64 = self
            .in_time(self.client().eval(TAKE, keys, arguments))
            .await
            .map_err(ResultsError::store("take an attempt"))?;
        Ok(taken == 1)
    }

    pub(crate) async fn keep_locks(&self, attempts: &[Attempt]) -> Result<(), ResultsError> {
        for page in attempts.chunks(PAGE as usize) {
            let keep = async {
                let pipeline = self.client().pipeline();
                for &attempt in page {
                    let _: () = pipeline.set(lock_key(attempt), "kept", expiry(LOCK_TTL), None, false).await?;
                }
                pipeline.last::<()>().await
            };
            self.in_time(keep).await.map_err(ResultsError::store("keep attempts"))?;
        }
        Ok(())
    }

    pub(crate) async fn release_lock(&self, attempt: Attempt) -> Result<(), ResultsError> {
        self.in_time(self.client().unlink(lock_key(attempt))).await.map_err(ResultsError::store("release an attempt"))
    }

    pub(crate) async fn abandoned(&self, attempts: &[Attempt]) -> Result<Vec<Attempt>, ResultsError> {
        let mut abandoned = Vec::new();
        for page in attempts.chunks(PAGE as usize) {
            let keys: Vec<_> = page.iter().flat_map(|&attempt| [lock_key(attempt), done_key(attempt)]).collect();
            let found: Vec<Option<Bytes>> =
                self.in_time(self.client().mget(keys)).await.map_err(ResultsError::store("look for attempts"))?;
            let unknown = page.iter().zip(found.chunks(2)).filter(|(_, found)| found.iter().all(Option::is_none));
            abandoned.extend(unknown.map(|(&attempt, _)| attempt));
        }
        Ok(abandoned)
    }

    pub(crate) async fn results_waiting(&self, limit: usize) -> Result<Vec<Attempt>, ResultsError> {
        let keys = self.client().scan_buffered("ml_result:*", Some(PAGE), None);
        let attempts = keys.try_filter_map(|key| async move { Ok(key.as_str().and_then(parse_result_key)) });
        let found = futures::StreamExt::take(attempts, limit).try_collect();
        self.in_time(found).await.map_err(ResultsError::store("list results"))
    }
}

/// Reads what [`result_key`] writes.
fn parse_result_key(key: &str) -> Option<Attempt> {
    let (task_id, attempt) = key.strip_prefix("ml_result:")?.split_once(':')?;
    Some(Attempt { task_id: task_id.parse::<TaskId>().ok()?, attempt: attempt.parse().ok()? })
}

fn expiry(ttl: Duration) -> Option<Expiration> {
    Some(Expiration::PX(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_written() {
        let attempt = Attempt { task_id: TaskId::generate(), attempt: 12 };
        assert_eq!(parse_result_key(&result_key(attempt)), Some(attempt));
        for other in ["ml_result:x:1", "ml_done:1:1", "ml_result:"] {
            assert_eq!(parse_result_key(other), None);
        }
    }
}
