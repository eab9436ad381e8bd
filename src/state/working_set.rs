//! The records that one batch works on: what was read when it began, and over that what it has changed so far. It is a copy:
//! what is acknowledged, evicted or read elsewhere later doesn't change it, so that folding the batch again gives the same.

use super::cache::Cache;
use super::clocks::clocks_of;
use super::codec;
use super::keys::{RecordKey, StateKey};
use super::overlay::{Change, Overlay, Ticking};
use super::wire::{DecodeError, Format};
use crate::domain::effect::Effect;
use crate::domain::record::{Judgement, Key, Known, Record, View};
use std::collections::HashMap;
use std::sync::Arc;

/// What is known of one key.
#[derive(Debug, Clone)]
struct Slot {
    /// As the batch found it; None: written without having been read.
    found: Option<Option<Arc<Record>>>,
    now: Option<Arc<Record>>,
    changed: bool,
}

pub struct WorkingSet {
    format: Format,
    state_key: StateKey,
    slots: HashMap<Key, Slot>,
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
    pub fn new(format: Format, state_key: StateKey) -> Self {
        Self {
            format,
            state_key,
            slots: HashMap::new(),
            changed: Vec::new(),
        }
    }

    /// Copies what overlay and cache know of these keys, and says which have to be read from the index. To be asked only
    /// once the batch before is committed, or has been given up.
    #[must_use]
    pub fn look_up(&mut self, keys: &[Key], overlay: &Overlay, cache: &Cache) -> Vec<(Key, RecordKey)> {
        let mut misses: Vec<(Key, RecordKey)> = Vec::new();
        for key in keys {
            if self.slots.contains_key(key) || misses.iter().any(|(missed, _)| missed == key) {
                continue;
            }
            let record_key = self.state_key.record_key(key);
            match overlay.get(&record_key).or_else(|| cache.get(&record_key)) {
                Some(record) => self.found(key.clone(), record.as_ref()),
                None => misses.push((key.clone(), record_key)),
            }
        }
        misses
    }

    /// What the index holds under a key that was missed.
    pub fn read(&mut self, key: Key, value: Option<&[u8]>, cache: &mut Cache) -> Result<(), DecodeError> {
        let record_key = self.state_key.record_key(&key);
        let record = match value {
            Some(bytes) => codec::decode(&record_key, bytes)?.into_record(),
            None => None,
        };
        self.found(key, record.as_ref());
        cache.put(record_key, record, value.map_or(0, <[u8]>::len));
        Ok(())
    }

    /// The first that is found stays, and what the batch wrote stands over it.
    fn found(&mut self, key: Key, record: Option<&Arc<Record>>) {
        let now = record.map(Arc::clone);
        self.slots.entry(key).or_insert_with(|| Slot {
            found: Some(now.clone()),
            now,
            changed: false,
        });
    }

    /// From here on the judgement's records are as it wrote them. Gives back what follows.
    pub fn apply(&mut self, judgement: Judgement) -> Vec<Effect> {
        for (key, record) in judgement.writes {
            let before = self.slots.get(&key).cloned();
            if !before.as_ref().is_some_and(|slot| slot.changed) {
                self.changed.push(key.clone());
            }
            let after = Slot {
                found: before.as_ref().and_then(|slot| slot.found.clone()),
                now: record.map(Arc::new),
                changed: true,
            };
            self.slots.insert(key, after);
        }
        judgement.effects
    }

    /// As the batch found it, to fold it again after its transaction was aborted. What was read stays read.
    pub fn start_over(&mut self) {
        for key in std::mem::take(&mut self.changed) {
            let found = self.slots.get(&key).and_then(|slot| slot.found.clone());
            let before = found.map(|found| Slot {
                now: found.clone(),
                found: Some(found),
                changed: false,
            });
            match before {
                Some(slot) => self.slots.insert(key, slot),
                None => self.slots.remove(&key),
            };
        }
    }

    /// One change for each key that is not as it was found, in the order in which they were first changed.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        self.changed.iter().filter_map(|key| self.change(key)).collect()
    }

    fn change(&self, key: &Key) -> Option<Change> {
        let slot = self.slots.get(key)?;
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
        Some(Change {
            key: self.state_key.record_key(key),
            value: codec::encode(self.format, key, slot.now.as_deref()).map(Arc::from),
            record: slot.now.clone(),
            ticking,
        })
    }
}
