//! Records that the index has acknowledged, decoded. Valid only while the task owns its partition under one generation of the
//! index: whoever doubts that begins with a new one. It may forget anything at any moment, but never says what isn't so.

use super::keys::RecordKey;
use crate::domain::record::Record;
use quick_cache::Weighter;
use quick_cache::unsync;
use std::sync::Arc;

/// The encoded size of a record that counts as one entry of the bound.
const ENTRY_BYTES: usize = 4_096;

#[derive(Clone)]
struct Cached {
    /// None: read, and there is none.
    record: Option<Arc<Record>>,
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
    pub fn get(&self, key: &RecordKey) -> Option<&Option<Arc<Record>>> {
        self.entries.get(key).map(|cached| &cached.record)
    }

    /// What the index now holds under the key. Replaces what was known, even if it isn't kept.
    pub fn put(&mut self, key: RecordKey, record: Option<Arc<Record>>, bytes: usize) {
        self.entries.insert(key, Cached { record, bytes });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::directory::OrgRecord;
    use crate::domain::ids::OrgId;
    use crate::domain::record::Key;
    use crate::state::keys::StateKey;

    fn key(n: usize) -> RecordKey {
        let org = OrgId::parse(&n.to_string()).unwrap();
        StateKey::new([1; 16]).record_key(&Key::Org(org))
    }

    fn record() -> Option<Arc<Record>> {
        Some(Arc::new(Record::Org(OrgRecord::default())))
    }

    #[test]
    fn it_is_bounded_and_knows_of_absence() {
        let mut cache = Cache::new(100);
        (0..1_000).for_each(|n| cache.put(key(n), None, 0));
        assert!(cache.entries.len() <= 100);
        cache.put(key(1_000), None, 0);
        assert_eq!(cache.get(&key(1_000)), Some(&None));
        assert_eq!(cache.get(&key(1_001)), None);
    }

    #[test]
    fn what_is_too_large_to_keep_still_replaces_what_was_known() {
        let mut cache = Cache::new(100);
        cache.put(key(1), None, 10);
        cache.put(key(1), record(), 100 * ENTRY_BYTES);
        assert_eq!(cache.get(&key(1)), None);
        cache.put(key(2), record(), 50 * ENTRY_BYTES);
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
