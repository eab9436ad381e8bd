//! What is committed to Kafka and not yet acknowledged by the index: read through, sent again when the index lacks it, and
//! bounded, since a task whose index is away must stop taking records before it runs out of memory.

use super::cache::Cache;
use super::clocks::{clock_ops, clocks_of, delete, put};
use super::keys::RecordKey;
use super::progress::Progress;
use crate::domain::ids::OrgId;
use crate::domain::record::Record;
use crate::domain::timers::Clocks;
use crate::index::{Batch, Change as IndexChange, Op};
use foldhash::fast::RandomState;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// What a change takes beside its key and value, and the decoded record, which takes about as much as its bytes twice.
const OVERHEAD: usize = 256;

/// The clocks of a phone's entry, as they were (None: not known) and as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ticking {
    pub org: OrgId,
    pub before: Option<Clocks>,
}

/// The last value of one key in one transaction: the changelog record, and what it does to the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub key: RecordKey,
    /// The changelog's value; None is a tombstone.
    pub value: Option<Arc<[u8]>>,
    /// The record; None: deleted (or it is the progress record, which no judgement reads).
    pub record: Option<Arc<Record>>,
    pub(super) ticking: Option<Ticking>,
}

impl Change {
    #[must_use]
    pub fn progress(progress: &Progress) -> Self {
        Self {
            key: RecordKey::PROGRESS,
            value: Some(progress.encode().into()),
            record: None,
            ticking: None,
        }
    }

    /// What it does to the index: as `clocks::replay` says of the same record, without those clocks that stand still.
    #[must_use]
    pub fn ops(&self) -> Vec<Op> {
        let is_there = self.record.is_some() || self.key == RecordKey::PROGRESS;
        let mut ops = vec![match &self.value {
            Some(value) if is_there => put(&self.key, value),
            _ => delete(&self.key),
        }];
        if let Some(Ticking { org, before }) = &self.ticking {
            let after = clocks_of(self.record.as_deref());
            ops.extend(clock_ops(org, &self.key, before.as_ref(), &after));
        }
        ops
    }

    fn bytes(&self) -> usize {
        OVERHEAD + 3 * self.value_bytes()
    }

    fn value_bytes(&self) -> usize {
        self.value.as_ref().map_or(0, |value| value.len())
    }
}

/// One transaction's stretch of the changelog, up to `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Committed {
    to: i64,
    /// Each with its offset in the changelog.
    changes: Vec<(i64, Change)>,
}

impl Committed {
    fn index_changes(&self, from: i64) -> impl Iterator<Item = IndexChange> {
        let lacking = self.changes.iter().filter(move |(offset, _)| *offset >= from);
        lacking.map(|(offset, change)| IndexChange {
            offset: *offset,
            ops: change.ops(),
        })
    }

    fn bytes(&self) -> usize {
        self.changes.iter().map(|(_, change)| change.bytes()).sum()
    }
}

/// The index's marker moved in a way that what is held here can't make good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Astray {
    #[error("a transaction begins at changelog offset {begins}, and an earlier one ends at {held}")]
    Backwards { begins: i64, held: i64 },
    #[error("the index stands at changelog offset {marker}, and this task has committed up to {committed} only")]
    Ahead { marker: i64, committed: i64 },
}

struct Latest {
    to: i64,
    record: Option<Arc<Record>>,
}

pub struct Overlay {
    bytes: usize,
    acknowledged: i64,
    held: VecDeque<Committed>,
    latest: HashMap<RecordKey, Latest, RandomState>,
}

impl Overlay {
    /// Begins at the index's marker.
    #[must_use]
    pub fn new(marker: i64) -> Self {
        Self {
            bytes: 0,
            acknowledged: marker,
            held: VecDeque::new(),
            latest: HashMap::default(),
        }
    }

    /// None: not held here. Some(None): deleted, and the index may not know it yet.
    #[must_use]
    pub fn get(&self, key: &RecordKey) -> Option<&Option<Arc<Record>>> {
        self.latest.get(key).map(|latest| &latest.record)
    }

    /// A transaction was committed; `to` is the changelog offset after it.
    pub fn commit(&mut self, to: i64, changes: Vec<(i64, Change)>) -> Result<(), Astray> {
        let from = self.committed();
        let begins = changes.first().map_or(to - 1, |(offset, _)| *offset);
        if begins < from {
            return Err(Astray::Backwards { begins, held: from });
        }
        for (_, change) in &changes {
            let record = change.record.clone();
            self.latest.insert(change.key, Latest { to, record });
        }
        let committed = Committed { to, changes };
        self.bytes += committed.bytes();
        self.held.push_back(committed);
        Ok(())
    }

    /// The index holds everything below `marker`. What is let go here is known to the cache from then on.
    pub fn acknowledge(&mut self, marker: i64, cache: &mut Cache) -> Result<(), Astray> {
        if marker > self.committed() {
            return Err(Astray::Ahead {
                marker,
                committed: self.committed(),
            });
        }
        while let Some(committed) = self.held.pop_front_if(|first| first.to <= marker) {
            self.bytes -= committed.bytes();
            for (_, change) in committed.changes {
                self.let_go(change, committed.to, cache);
            }
        }
        self.acknowledged = self.acknowledged.max(marker);
        Ok(())
    }

    fn let_go(&mut self, change: Change, to: i64, cache: &mut Cache) {
        if let Entry::Occupied(latest) = self.latest.entry(change.key)
            && latest.get().to == to
        {
            latest.remove();
            cache.put(change.key, change.record.and(change.value));
        }
    }

    /// All that is to be applied yet, as one stretch.
    #[must_use]
    pub fn batch(&self, applied_until: Option<i64>) -> Batch {
        let from = self.acknowledged;
        Batch {
            from,
            to: self.committed(),
            changes: self.held.iter().flat_map(|held| held.index_changes(from)).collect(),
            applied_until,
        }
    }

    /// The changelog offset after the last committed transaction.
    #[must_use]
    pub fn committed(&self) -> i64 {
        self.held.back().map_or(self.acknowledged, |last| last.to)
    }

    #[must_use]
    pub fn acknowledged(&self) -> i64 {
        self.acknowledged
    }

    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
