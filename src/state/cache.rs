//! Records that the index has acknowledged, decoded. Valid only while the task owns its partition under one generation of the
//! index: whoever doubts that clears it. It may forget anything at any moment, but never says what isn't so.

use super::codec::Stored;
use super::keys::RecordKey;
use quick_cache::Weighter;
use quick_cache::unsync;

/// The encoded size of a record that counts as one entry of the bound.
const ENTRY_BYTES: usize = 4_096;

#[derive(Clone)]
struct Cached {
    /// None: read, and there is none.
    stored: Option<Stored>,
    bytes: usize,
}

/// So that the bound holds for the memory too, a large record counts as several.
#[derive(Clone)]
struct BySize;

impl Weighter<RecordKey, Cached> for BySize {
    fn weight(&self, _: &RecordKey, cached: &Cached) -> u64 {
        1 + (cached.bytes / ENTRY_BYTES) as u64
    }
}

pub struct Cache {
    entries: unsync::Cache<RecordKey, Cached, BySize>,
}

impl Cache {
    /// Holds that many records of ordinary size.
    #[must_use]
    pub fn new(entries: usize) -> Self {
        Self {
            entries: unsync::Cache::with_weighter(entries, entries as u64, BySize),
        }
    }

    /// None: not known here.
    #[must_use]
    pub fn get(&self, key: &RecordKey) -> Option<&Option<Stored>> {
        self.entries.get(key).map(|cached| &cached.stored)
    }

    /// What the index now holds under the key. Replaces what was known, even if it isn't kept.
    pub fn put(&mut self, key: RecordKey, stored: Option<Stored>, bytes: usize) {
        self.entries.insert(key, Cached { stored, bytes });
    }

    pub fn clear(&mut self) {
        self.entries.clear();
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::directory::OrgRecord;
    use crate::domain::ids::OrgId;
    use crate::domain::record::{Key, Record};
    use crate::state::keys::StateKey;
    use std::sync::Arc;

    fn key(n: usize) -> RecordKey {
        let org = OrgId::parse(&n.to_string()).unwrap();
        StateKey::new([1; 16]).record_key(&Key::Org(org))
    }

    fn stored() -> Option<Stored> {
        let record = Arc::new(Record::Org(OrgRecord::default()));
        Some(Stored { subject: None, record })
    }

    #[test]
    fn it_is_bounded_and_knows_of_absence() {
        let mut cache = Cache::new(100);
        (0..1_000).for_each(|n| cache.put(key(n), None, 0));
        assert!(cache.len() <= 100);
        cache.put(key(1_000), None, 0);
        assert_eq!(cache.get(&key(1_000)), Some(&None));
        assert_eq!(cache.get(&key(1_001)), None);
        cache.clear();
        assert!(cache.is_empty());
    }

    #[test]
    fn what_is_too_large_to_keep_still_replaces_what_was_known() {
        let mut cache = Cache::new(100);
        cache.put(key(1), None, 10);
        cache.put(key(1), stored(), 100 * ENTRY_BYTES);
        assert_eq!(cache.get(&key(1)), None);
        cache.put(key(2), stored(), 50 * ENTRY_BYTES);
        (3..103).for_each(|n| cache.put(key(n), None, 0));
        let weight: usize = cache.entries.weight() as usize;
        assert!(weight <= 100, "{weight}");
    }

    #[test]
    fn no_capacity_is_no_cache() {
        let mut cache = Cache::new(0);
        cache.put(key(1), None, 0);
        assert_eq!(cache.get(&key(1)), None);
    }
}
