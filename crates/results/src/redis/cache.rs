//! Cached values and counters as keys. Whatever goes wrong is a miss.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike, KeysInterface, LuaInterface};
use fred::types::{Expiration, Key};
use futures::StreamExt;

use super::connection::{Redis, in_time};

/// Goes before all keys of the cache.
const PREFIX: &str = "ortolan:cache:";
const PAGE: u32 = 500;

/// Counts one more. KEYS: the counter. ARGV: milliseconds it lives from its first count on.
const COUNT: &str = r"
    local count = redis.call('incr', KEYS[1])
    if count == 1 then redis.call('pexpire', KEYS[1], ARGV[1]) end
    return count";

impl Redis {
    pub(crate) async fn cached(&self, key: &str) -> Option<Bytes> {
        self.at_once("get", async |client| client.get(full(key)).await).await
    }

    pub(crate) async fn cache(&self, key: &str, value: Bytes, ttl: Duration) {
        let expiry = Some(Expiration::PX(millis(ttl)));
        self.at_once("set", async |client| client.set(full(key), value, expiry, None, false).await).await
    }

    pub(crate) async fn uncache(&self, key: &str) {
        self.at_once("delete", async |client| client.unlink(full(key)).await).await
    }

    pub(crate) async fn uncache_prefix(&self, prefix: &str) {
        let pattern = format!("{}*", literally(&full(prefix)));
        self.at_once("delete", async |client| {
            let mut pages = pin!(client.scan_buffered(pattern, Some(PAGE), None).chunks(PAGE as usize));
            while let Some(page) = pages.next().await {
                let keys = page.into_iter().collect::<Result<Vec<Key>, _>>()?;
                client.unlink::<(), _>(keys).await?;
            }
            Ok(())
        })
        .await
    }

    pub(crate) async fn count(&self, key: &str, window: Duration) -> Option<u64> {
        self.at_once("count", async |client| client.eval(COUNT, full(key), vec![millis(window)]).await.map(Some)).await
    }

    /// Asks the server, unless there is no connection to it: then nobody should wait for one.
    async fn at_once<T, Ask>(&self, what: &'static str, ask: Ask) -> T
    where
        T: Default,
        Ask: AsyncFnOnce(&Client) -> Result<T, Error>,
    {
        if !self.client().is_connected() {
            return missed(what, &Error::new(ErrorKind::IO, "not connected"));
        }
        in_time(ask(self.client())).await.unwrap_or_else(|error| missed(what, &error))
    }
}

fn full(key: &str) -> String {
    format!("{PREFIX}{key}")
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
