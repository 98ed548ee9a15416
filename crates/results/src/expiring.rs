//! A map whose entries end by themselves, and which never grows past its limits.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::time::Duration;

use ortolan_domain::Timestamp;

/// Something that takes room.
pub(crate) trait Weight {
    /// About how many bytes it takes beside its entry in the map.
    fn weight(&self) -> usize;
}

impl Weight for bytes::Bytes {
    fn weight(&self) -> usize {
        self.len()
    }
}

impl Weight for () {
    fn weight(&self) -> usize {
        0
    }
}

impl Weight for u64 {
    fn weight(&self) -> usize {
        0
    }
}

/// How much a map may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
}

struct Entry<V> {
    value: V,
    expires_at: Timestamp,
    /// Tells entries apart that expire at the same instant.
    number: u64,
}

/// Values by key until they expire. Past its limits, whatever expires first goes first.
pub(crate) struct Expiring<K, V> {
    limits: Limits,
    bytes: usize,
    entries: HashMap<K, Entry<V>>,
    by_expiry: BTreeMap<(Timestamp, u64), K>,
    next_number: u64,
}

impl<K: Hash + Eq + Clone, V: Weight> Expiring<K, V> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, bytes: 0, entries: HashMap::new(), by_expiry: BTreeMap::new(), next_number: 0 }
    }

    /// Puts a value under a key for `ttl`, in place of what was there.
    pub(crate) fn insert(&mut self, key: K, value: V, now: Timestamp, ttl: Duration) {
        self.remove(&key);
        self.drop_expired(now);
        let entry = Entry { value, expires_at: now.plus(ttl), number: self.next_number };
        self.next_number += 1;
        self.bytes += entry.value.weight();
        self.by_expiry.insert((entry.expires_at, entry.number), key.clone());
        self.entries.insert(key, entry);
        while self.entries.len() > self.limits.entries || self.bytes > self.limits.bytes {
            if !self.drop_first() {
                break;
            }
        }
    }

    /// The value under a key, unless it has expired.
    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q, now: Timestamp) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key).filter(|entry| entry.expires_at > now).map(|entry| &entry.value)
    }

    /// The same, to change it in place; its weight must stay.
    pub(crate) fn get_mut<Q: Hash + Eq + ?Sized>(&mut self, key: &Q, now: Timestamp) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.entries.get_mut(key).filter(|entry| entry.expires_at > now).map(|entry| &mut entry.value)
    }

    /// Removes the value under a key.
    pub(crate) fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        if let Some(entry) = self.entries.remove(key) {
            self.by_expiry.remove(&(entry.expires_at, entry.number));
            self.bytes -= entry.value.weight();
        }
    }

    /// Removes every value whose key is `unwanted`; returns how many.
    pub(crate) fn remove_where(&mut self, unwanted: impl Fn(&K) -> bool) -> u64 {
        let keys: Vec<K> = self.entries.keys().filter(|key| unwanted(key)).cloned().collect();
        for key in &keys {
            self.remove(key);
        }
        keys.len() as u64
    }

    /// The keys that have not expired, in the order in which they will.
    pub(crate) fn keys(&self, now: Timestamp) -> impl Iterator<Item = &K> {
        self.by_expiry.range((now.plus(Duration::from_micros(1)), 0)..).map(|(_, key)| key)
    }

    fn drop_expired(&mut self, now: Timestamp) {
        while self.by_expiry.first_key_value().is_some_and(|((expires_at, _), _)| *expires_at <= now) {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) -> bool {
        let Some((_, key)) = self.by_expiry.pop_first() else { return false };
        if let Some(entry) = self.entries.remove(&key) {
            self.bytes -= entry.value.weight();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use bytes::Bytes;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn map(entries: usize, bytes: usize) -> Expiring<u32, Bytes> {
        Expiring::new(Limits { entries, bytes })
    }

    #[test]
    fn a_value_is_there_until_the_instant_it_expires() {
        let mut map = map(10, 100);
        map.insert(1, Bytes::from_static(b"a"), at(0), SECOND);
        assert!(map.get(&1, at(1).minus(Duration::from_micros(1))).is_some());
        assert!(map.get(&1, at(1)).is_none());
        assert_eq!(map.keys(at(1)).count(), 0);
    }

    #[test]
    fn past_either_limit_the_first_to_expire_goes_first() {
        let mut map = map(2, 100);
        map.insert(1, Bytes::from_static(b"a"), at(0), 9 * SECOND);
        map.insert(2, Bytes::from_static(b"b"), at(0), 3 * SECOND);
        map.insert(3, Bytes::from_static(b"c"), at(0), 5 * SECOND);
        assert_eq!(map.keys(at(0)).copied().collect::<Vec<_>>(), [3, 1]);
        map.insert(4, Bytes::from(vec![0; 99]), at(0), 7 * SECOND);
        assert_eq!(map.keys(at(0)).copied().collect::<Vec<_>>(), [4, 1]);
        assert_eq!(map.bytes, 100);
    }

    #[test]
    fn what_is_too_big_is_not_kept_and_nothing_is_counted_twice() {
        let mut map = map(10, 10);
        map.insert(1, Bytes::from(vec![0; 11]), at(0), SECOND);
        assert!(map.get(&1, at(0)).is_none());
        map.insert(2, Bytes::from(vec![0; 9]), at(0), SECOND);
        map.insert(2, Bytes::from(vec![0; 8]), at(0), SECOND);
        assert_eq!(map.bytes, 8);
        map.remove(&2);
        assert_eq!((map.bytes, map.entries.len(), map.by_expiry.len()), (0, 0, 0));
    }
}
