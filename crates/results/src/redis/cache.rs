//! Cached values and counters as keys. Whatever goes wrong is a miss.

use std::time::Duration;

use bytes::Bytes;
use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike, KeysInterface, LuaInterface};
use fred::types::{Expiration, Key};
use tokio::time::Instant;

use super::connection::Redis;

/// Stands in all keys of the cache behind the installation's own prefix.
const PREFIX: &str = "cache:";
const PAGE: u32 = 500;

/// Counts one more. KEYS: the counter. ARGV: milliseconds it lives from its first count on.
const COUNT: &str = r"
    local count = redis.call('incr', KEYS[1])
    if count == 1 then redis.call('pexpire', KEYS[1], ARGV[1]) end
    return count";

impl Redis {
    pub(crate) async fn cached(&self, key: &str) -> Option<Bytes> {
        self.at_once("get", async |client| client.get(self.full(key)).await).await
    }

    pub(crate) async fn cache(&self, key: &str, value: Bytes, ttl: Duration) {
        let expiry = Some(Expiration::PX(millis(ttl)));
        self.at_once("set", async |client| client.set(self.full(key), value, expiry, None, false).await).await
    }

    pub(crate) async fn uncache(&self, key: &str) {
        self.at_once("delete", async |client| client.unlink(self.full(key)).await).await
    }

    /// Deletes page by page, for as long as one may wait for an answer; what is left then ends by itself.
    pub(crate) async fn uncache_prefix(&self, prefix: &str) -> u64 {
        let pattern = format!("{}*", literally(&self.full(prefix)));
        let (began, mut cursor, mut deleted) = (Instant::now(), "0".to_owned(), 0);
        while began.elapsed() < self.settings().answer_limit {
            let page = self.at_once("delete", async |client| delete_page(client, &cursor, &pattern).await.map(Some));
            let Some((next, count)) = page.await else { return deleted };
            deleted += count;
            if next == "0" {
                return deleted;
            }
            cursor = next;
        }
        tracing::info!(deleted, "the shared cache is too large to be searched at once; the rest expires");
        deleted
    }

    pub(crate) async fn count(&self, key: &str, window: Duration) -> Option<u64> {
        self.at_once("count", async |client| client.eval(COUNT, self.full(key), vec![millis(window)]).await.map(Some))
            .await
    }

    /// True while the server is asked.
    pub(crate) fn is_asked(&self) -> bool {
        !self.breaker().is_open() && self.client().is_connected()
    }

    /// Asks the server, unless there is no connection to it or it did not answer a moment ago: then nobody should wait.
    async fn at_once<T, Ask>(&self, what: &'static str, ask: Ask) -> T
    where
        T: Default,
        Ask: AsyncFnOnce(&Client) -> Result<T, Error>,
    {
        let client = self.client();
        if self.breaker().is_open() || !client.is_connected() {
            return missed(what, &Error::new(ErrorKind::IO, "not connected"));
        }
        self.in_time(ask(client)).await.unwrap_or_else(|error| {
            if !is_answer(&error) {
                self.breaker().open();
            }
            missed(what, &error)
        })
    }

    fn full(&self, key: &str) -> String {
        format!("{}{PREFIX}{key}", self.settings().cache_prefix)
    }
}

/// Deletes what a page of keys holds of a pattern; gives where the next page begins and how many were deleted.
async fn delete_page(client: &Client, cursor: &str, pattern: &str) -> Result<(String, u64), Error> {
    let page = client.scan_page(cursor.to_owned(), pattern.to_owned(), Some(PAGE), None);
    let (next, keys): (String, Vec<Key>) = page.await?;
    let deleted = if keys.is_empty() { 0 } else { client.unlink(keys).await? };
    Ok((next, deleted))
}

/// True for an error that the server itself gave: it is there, and only refuses.
fn is_answer(error: &Error) -> bool {
    !matches!(error.kind(), ErrorKind::Timeout | ErrorKind::IO | ErrorKind::Canceled | ErrorKind::Backpressure)
}

/// At least one, as Redis takes no other.
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX).max(1)
}

/// A pattern that matches the text itself.
fn literally(text: &str) -> String {
    let special = |c| matches!(c, '*' | '?' | '[' | ']' | '\\');
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

fn missed<T: Default>(what: &'static str, error: &Error) -> T {
    tracing::debug!(%error, what, "the cache was passed over");
    metrics::counter!("ortolan_cache_errors_total", "operation" => what).increment(1);
    T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_matches_only_itself() {
        assert_eq!(literally("a*b?[c]\\d:ü"), r"a\*b\?\[c\]\\d:ü");
    }
}
