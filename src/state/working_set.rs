//! The records that one batch works on: what was read when it began, and over that what it has changed so far. It is a copy:
//! what is acknowledged, evicted or read elsewhere later doesn't change it, so that folding the batch again gives the same.

use super::cache::Cache;
use super::clocks::clocks_of;
use super::codec::{self, Stored};
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

/// A record that can't be produced: its key, and the bytes it would take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooLarge {
    pub key: Key,
    pub bytes: usize,
}

/// The members of clocks, as far as they are known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Members {
    /// The keys to sweep.
    pub keys: Vec<Key>,
    /// What has to be read from the index first.
    pub misses: Vec<RecordKey>,
}

pub struct WorkingSet {
    format: Format,
    state_key: StateKey,
    slots: HashMap<Key, Slot>,
    /// In the order of their first change.
    changed: Vec<Key>,
    /// How to take the last judgement back: the slots as they were, and how many had changed.
    last: (Vec<(Key, Option<Slot>)>, usize),
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
            last: (Vec::new(), 0),
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
                Some(stored) => self.found(key.clone(), stored.as_ref()),
                None => misses.push((key.clone(), record_key)),
            }
        }
        misses
    }

    /// What the index holds under a key that was missed.
    pub fn read(&mut self, key: Key, value: Option<&[u8]>, cache: &mut Cache) -> Result<(), DecodeError> {
        let stored = self.decode(self.state_key.record_key(&key), value, cache)?;
        self.found(key, stored.as_ref());
        Ok(())
    }

    /// The entries that members of clocks name. Those that are gone, or of which nothing can be due, are left out.
    #[must_use]
    pub fn look_up_members(&mut self, members: &[RecordKey], overlay: &Overlay, cache: &Cache) -> Members {
        let mut known = Members::default();
        for member in members {
            match overlay.get(member).or_else(|| cache.get(member)) {
                Some(stored) => known.keys.extend(self.found_member(stored.as_ref())),
                None => known.misses.push(*member),
            }
        }
        known
    }

    /// What the index holds under a member that was missed, and the key to sweep, if any.
    pub fn read_member(
        &mut self,
        member: RecordKey,
        value: Option<&[u8]>,
        cache: &mut Cache,
    ) -> Result<Option<Key>, DecodeError> {
        let stored = self.decode(member, value, cache)?;
        Ok(self.found_member(stored.as_ref()))
    }

    fn decode(&self, key: RecordKey, value: Option<&[u8]>, cache: &mut Cache) -> Result<Option<Stored>, DecodeError> {
        let stored = match value {
            Some(bytes) => codec::decode(&key, bytes)?.into_stored(),
            None => None,
        };
        cache.put(key, stored.clone(), value.map_or(0, <[u8]>::len));
        Ok(stored)
    }

    fn found_member(&mut self, stored: Option<&Stored>) -> Option<Key> {
        let key = stored?.subject.as_ref()?.key()?;
        self.found(key.clone(), stored);
        Some(key)
    }

    /// The first that is found stays, and what the batch wrote stands over it.
    fn found(&mut self, key: Key, stored: Option<&Stored>) {
        let now = stored.map(|stored| Arc::clone(&stored.record));
        self.slots.entry(key).or_insert_with(|| Slot {
            found: Some(now.clone()),
            now,
            changed: false,
        });
    }

    /// Whether all that a judgement writes can be produced: to be asked before it is applied.
    pub fn fits(&self, judgement: &Judgement, max_bytes: usize) -> Result<(), TooLarge> {
        let too_large = |(key, record): &(Key, Option<Record>)| {
            let bytes = codec::encode(self.format, key, record.as_ref()).map_or(0, |value| value.len());
            let key = key.clone();
            (bytes > max_bytes).then_some(TooLarge { key, bytes })
        };
        judgement.writes.iter().find_map(too_large).map_or(Ok(()), Err)
    }

    /// From here on the judgement's records are as it wrote them. Gives back what follows.
    pub fn apply(&mut self, judgement: Judgement) -> Vec<Effect> {
        self.last = (Vec::new(), self.changed.len());
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
            self.slots.insert(key.clone(), after);
            self.last.0.push((key, before));
        }
        judgement.effects
    }

    /// As if the last judgement had not been applied.
    pub fn undo(&mut self) {
        let (slots, changed) = std::mem::replace(&mut self.last, (Vec::new(), usize::MAX));
        self.changed.truncate(changed);
        for (key, before) in slots.into_iter().rev() {
            self.put_back(key, before);
        }
    }

    /// As the batch found it, to fold it again after its transaction was aborted. What was read stays read.
    pub fn start_over(&mut self) {
        self.last = (Vec::new(), usize::MAX);
        for key in std::mem::take(&mut self.changed) {
            let found = self.slots.get(&key).and_then(|slot| slot.found.clone());
            let before = found.map(|found| Slot {
                now: found.clone(),
                found: Some(found),
                changed: false,
            });
            self.put_back(key, before);
        }
    }

    fn put_back(&mut self, key: Key, before: Option<Slot>) {
        match before {
            Some(slot) => self.slots.insert(key, slot),
            None => self.slots.remove(&key),
        };
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
            stored: slot.now.as_ref().map(|record| Stored::new(key, Arc::clone(record))),
            ticking,
        })
    }
}
