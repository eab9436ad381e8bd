//! The records that one batch works on: what was read when it began, and over that what it has changed so far. It is a copy:
//! what is acknowledged, evicted or read elsewhere later doesn't change it, so that folding the batch again gives the same.

use super::cache::Cache;
use super::clocks::clocks_of;
use super::codec;
use super::keys::{RecordKey, StateKey};
use super::overlay::{Change, Overlay, Ticking};
use super::wire::{DecodeError, Format};
use crate::domain::record::{Key, Known, Record, View};
use foldhash::fast::RandomState;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A record as a judgement leaves it, and as it will stand in the changelog.
#[derive(Debug)]
pub struct Write {
    pub key: Key,
    pub record: Option<Record>,
    /// None: a tombstone.
    pub value: Option<Vec<u8>>,
}

impl Write {
    #[must_use]
    pub fn new(format: Format, key: Key, record: Option<Record>) -> Self {
        let value = codec::encode(format, &key, record.as_ref());
        Self { key, record, value }
    }

    /// The bytes that its value takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.value.as_ref().map_or(0, Vec::len)
    }
}

/// What is known of one key.
#[derive(Debug, Clone)]
struct Slot {
    key: RecordKey,
    /// As the batch found it; None: written without having been read.
    found: Option<Option<Arc<Record>>>,
    now: Option<Arc<Record>>,
    written: Option<Written>,
    /// It was in memory, not in the index.
    remembered: bool,
}

/// What the batch made of a record so far.
#[derive(Debug, Clone)]
struct Written {
    value: Option<Arc<[u8]>>,
    /// The item that wrote it last.
    by: usize,
}

pub struct WorkingSet {
    state_key: StateKey,
    slots: HashMap<Key, Slot, RandomState>,
    /// In the order of their first change.
    changed: Vec<Key>,
}

impl View for WorkingSet {
    fn get(&self, key: &Key) -> Known {
        match self.slots.get(key) {
            None => Known::Unread,
            Some(slot) => match &slot.now {
                Some(record) => Known::Here(Arc::clone(record)),
                None => Known::Absent,
            },
        }
    }
}

impl WorkingSet {
    #[must_use]
    pub fn new(state_key: StateKey) -> Self {
        Self {
            state_key,
            slots: HashMap::default(),
            changed: Vec::new(),
        }
    }

    /// Copies what overlay and cache know of these keys, and says which have to be read from the index. To be asked only
    /// once the batch before is committed, or has been given up.
    #[must_use]
    pub fn look_up(&mut self, keys: &[Key], overlay: &Overlay, cache: &Cache) -> Vec<(Key, RecordKey)> {
        let mut misses: Vec<(Key, RecordKey)> = Vec::new();
        let mut missed: HashSet<&Key, RandomState> = HashSet::default();
        for key in keys {
            if self.slots.contains_key(key) || missed.contains(key) {
                continue;
            }
            let record_key = self.state_key.record_key(key);
            match remembered(&record_key, overlay, cache) {
                Some(record) => self.found((key.clone(), record_key), record.as_ref(), true),
                None => {
                    missed.insert(key);
                    misses.push((key.clone(), record_key));
                }
            }
        }
        misses
    }

    /// What the index holds under a key that was missed.
    pub fn read(
        &mut self,
        missed: (Key, RecordKey),
        value: Option<&[u8]>,
        cache: &mut Cache,
    ) -> Result<(), DecodeError> {
        let record_key = missed.1;
        let record = match value {
            Some(bytes) => codec::decode(&record_key, bytes)?.into_record(),
            None => None,
        };
        self.found(missed, record.as_ref(), false);
        cache.put(record_key, record.and(value.map(Arc::from)));
        Ok(())
    }

    /// The first that is found stays, and what the batch wrote stands over it.
    fn found(&mut self, (name, key): (Key, RecordKey), record: Option<&Arc<Record>>, remembered: bool) {
        let now = record.map(Arc::clone);
        self.slots.entry(name).or_insert_with(|| Slot {
            key,
            found: Some(now.clone()),
            now,
            written: None,
            remembered,
        });
    }

    /// What a batch must never do, for `protocol::rules`: looks again for what was in memory, as if it had not been copied.
    pub fn look_again(&mut self, overlay: &Overlay, cache: &Cache) {
        for slot in self.slots.values_mut().filter(|slot| slot.remembered) {
            slot.now = remembered(&slot.key, overlay, cache).flatten();
            slot.found = Some(slot.now.clone());
        }
    }

    /// From here on these records are as that item of the batch wrote them.
    pub fn apply(&mut self, writes: Vec<Write>, by: usize) {
        for Write { key, record, value } in writes {
            let slot = self.slots.entry(key.clone()).or_insert_with(|| Slot {
                key: self.state_key.record_key(&key),
                found: None,
                now: None,
                written: None,
                remembered: false,
            });
            if slot.written.is_none() {
                self.changed.push(key);
            }
            slot.now = record.map(Arc::new);
            let value = value.map(Arc::from);
            slot.written = Some(Written { value, by });
        }
    }

    /// As the batch found it, to fold it again after its transaction was aborted. What was read stays read.
    pub fn start_over(&mut self) {
        for key in std::mem::take(&mut self.changed) {
            let Some(slot) = self.slots.get_mut(&key) else { continue };
            match slot.found.clone() {
                Some(found) => (slot.now, slot.written) = (found, None),
                None => drop(self.slots.remove(&key)),
            }
        }
    }

    /// One change for each key that is not as it was found, in the order in which they were first changed, with the item that
    /// wrote it last.
    #[must_use]
    pub fn changes(&self) -> Vec<(usize, Change)> {
        self.changed.iter().filter_map(|key| self.change(key)).collect()
    }

    fn change(&self, key: &Key) -> Option<(usize, Change)> {
        let slot = self.slots.get(key)?;
        let Written { value, by } = slot.written.as_ref()?;
        if slot.found.as_ref() == Some(&slot.now) {
            return None;
        }
        let ticking = match key {
            Key::Phone(org, _) => Some(Ticking {
                org: org.clone(),
                before: slot.found.as_ref().map(|found| clocks_of(found.as_deref())),
            }),
            _ => None,
        };
        let change = Change {
            key: slot.key,
            value: value.clone(),
            record: slot.now.clone(),
            ticking,
        };
        Some((*by, change))
    }
}

/// What memory knows of a key. None: nothing, so the index is to be asked.
fn remembered(key: &RecordKey, overlay: &Overlay, cache: &Cache) -> Option<Option<Arc<Record>>> {
    if let Some(record) = overlay.get(key) {
        return Some(record.clone());
    }
    match cache.get(key)? {
        // It was read or written as a record of ours, so it is one; if it were not, the index's answer would say why.
        Some(value) => Some(codec::decode(key, value).ok()?.into_record()),
        None => Some(None),
    }
}
