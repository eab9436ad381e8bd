//! Values that the index has acknowledged, as they stand there: decoded they would take several times as much. Bounded by
//! what they take in memory. Valid only while the task owns its partition under one generation of the index: whoever doubts
//! that begins with a new one. It may forget anything at any moment, but never says what isn't so.

use super::keys::RecordKey;
use foldhash::fast::FixedState;
use quick_cache::Weighter;
use quick_cache::unsync::{self, DefaultLifecycle};
use std::sync::Arc;

/// The memory that counts as one entry of the bound. An entry that takes less counts as one too, so that there are never more.
pub const ENTRY_BYTES: usize = 512;

/// What an entry takes beside its value, at most: its place in the slab, twice when that has just grown, its mark in the map,
/// and the head of the value.
const OVERHEAD: usize = 160;

/// For every entry of the bound half an evicted one is remembered by its hash, in a place of its own.
const GHOST: usize = 72;

/// None: there is none.
type Value = Option<Arc<[u8]>>;

#[derive(Clone)]
struct BySize;

impl Weighter<RecordKey, Value> for BySize {
    fn weight(&self, _: &RecordKey, value: &Value) -> u64 {
        let bytes = value.as_ref().map_or(0, |value| value.len());
        (OVERHEAD + bytes).max(ENTRY_BYTES - GHOST) as u64
    }
}

pub struct Cache {
    /// The keys are keyed hashes, so the map's own need no secret: what is forgotten is the same in every run.
    entries: unsync::Cache<RecordKey, Value, BySize, FixedState>,
}

impl Cache {
    /// Holds that many entries of ordinary size.
    #[must_use]
    pub fn new(entries: usize) -> Self {
        Self {
            entries: unsync::Cache::with(
                entries,
                weight(entries),
                BySize,
                FixedState::default(),
                DefaultLifecycle::default(),
            ),
        }
    }

    /// From now on it holds that many; what is too much by then is forgotten.
    pub fn resize(&mut self, entries: usize) {
        if self.entries.capacity() == 0 {
            *self = Self::new(entries);
        } else if self.entries.capacity() != weight(entries) {
            self.entries.set_capacity(weight(entries));
        }
    }

    /// How many entries it holds.
    #[must_use]
    pub fn held(&self) -> usize {
        self.entries.len()
    }

    /// None: not known here.
    #[must_use]
    pub fn get(&self, key: &RecordKey) -> Option<&Option<Arc<[u8]>>> {
        self.entries.get(key)
    }

    /// What the index now holds under the key. Replaces what was known, even if it isn't kept.
    pub fn put(&mut self, key: RecordKey, value: Option<Arc<[u8]>>) {
        self.entries.insert(key, value);
    }
}

fn weight(entries: usize) -> u64 {
    (entries as u64).saturating_mul((ENTRY_BYTES - GHOST) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::OrgId;
    use crate::domain::record::Key;
    use crate::state::keys::StateKey;

    fn key(n: usize) -> RecordKey {
        let org = OrgId::parse(&n.to_string()).unwrap();
        StateKey::new([1; 16]).record_key(&Key::Org(org))
    }

    fn value(bytes: usize) -> Option<Arc<[u8]>> {
        Some(vec![0; bytes].into())
    }

    /// What it takes by its own account and by that of its values.
    fn bytes(cache: &Cache) -> usize {
        let values = cache.entries.iter().filter_map(|(_, value)| value.as_ref());
        let heads_and_values = values.map(|value| value.len() + 2 * size_of::<usize>());
        cache.entries.memory_used().total() + heads_and_values.sum::<usize>()
    }

    #[test]
    fn it_takes_no_more_memory_than_its_entries_of_ordinary_size() {
        for entries in [1_000, 1_500, 2_100] {
            for size in [0, 100, 300, 500, 2_000, 20_000] {
                let mut cache = Cache::new(entries);
                for n in 0..10_000 {
                    cache.put(key(n % 7_000), value(size + n % 90));
                }
                let (taken, bound) = (bytes(&cache), entries * ENTRY_BYTES);
                assert!(
                    taken <= bound,
                    "{entries} entries, values of {size} bytes: {taken} of {bound}"
                );
                assert!(cache.entries.len() <= entries);
            }
        }
    }

    #[test]
    fn records_that_grow_push_others_out() {
        let mut cache = Cache::new(1_000);
        for size in (0..10_000).step_by(50) {
            (0..1_000).for_each(|n| cache.put(key(n), value(size)));
            let (taken, bound) = (bytes(&cache), 1_000 * ENTRY_BYTES);
            assert!(taken <= bound, "values of {size} bytes: {taken} of {bound}");
        }
    }

    #[test]
    fn a_smaller_share_is_a_smaller_bound_at_once() {
        let mut cache = Cache::new(0);
        cache.put(key(1), None);
        assert_eq!(cache.get(&key(1)), None, "no capacity is no cache");
        cache.resize(1_000);
        (0..1_000).for_each(|n| cache.put(key(n), value(10)));
        assert!(cache.entries.len() > 900);
        cache.resize(100);
        assert!(cache.entries.len() <= 100);
        cache.resize(0);
        assert_eq!(cache.entries.len(), 0);
    }

    #[test]
    fn it_knows_of_absence() {
        let mut cache = Cache::new(100);
        cache.put(key(1), None);
        assert_eq!(cache.get(&key(1)), Some(&None));
        assert_eq!(cache.get(&key(2)), None);
    }

    #[test]
    fn what_is_too_large_to_keep_still_replaces_what_was_known() {
        let mut cache = Cache::new(100);
        cache.put(key(1), None);
        cache.put(key(1), value(100 * ENTRY_BYTES));
        assert_eq!(cache.get(&key(1)), None);
    }
}
