//! One partition as its leader holds it: records and markers at offsets, transactions open on it, and what compaction took.

use chatroom_router::kafka::{NewRecord, Position, Record, TimestampKind, TopicPartition};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

/// Counts all transactions of the cluster.
pub type TxnNo = u64;

/// A record as it was produced, and its time.
#[derive(Debug)]
pub struct Data {
    pub record: Rc<NewRecord>,
    pub timestamp: i64,
}

impl Deref for Data {
    type Target = NewRecord;

    fn deref(&self) -> &NewRecord {
        &self.record
    }
}

impl Data {
    /// As a consumer is given it.
    pub fn read(&self, at: Position) -> Record {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.clone().map(Cow::into_owned)));
        Record {
            at,
            key: self.key.clone(),
            value: self.value.clone(),
            headers: headers.collect(),
            timestamp: Some(self.timestamp),
            timestamp_kind: TimestampKind::Create,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Slot {
    /// None: a marker.
    pub data: Option<Rc<Data>>,
    pub txn: Option<TxnNo>,
    /// Compaction took it: readers no longer see it, the checks do.
    pub gone: bool,
}

/// What a reader of committed records meets next.
pub enum Met<'a> {
    Record(i64, &'a Rc<Data>),
    /// Nothing more may be read before this offset.
    End(i64),
    /// The log begins after what was asked for.
    Gone,
}

#[derive(Debug, Default)]
pub struct Log {
    slots: Vec<Slot>,
    /// What stood before this offset was deleted: readers no longer see it, the checks do.
    low: i64,
    /// Transactions whose marker has not landed here, and where they began.
    open: BTreeMap<TxnNo, i64>,
    /// How those ended whose marker has.
    ended: BTreeMap<TxnNo, bool>,
}

impl Log {
    pub fn append(&mut self, data: Rc<Data>, txn: Option<TxnNo>) -> i64 {
        let offset = self.high();
        if let Some(txn) = txn {
            self.open.entry(txn).or_insert(offset);
        }
        let data = Some(data);
        self.slots.push(Slot { data, txn, gone: false });
        offset
    }

    /// The marker of a transaction.
    pub fn land(&mut self, txn: TxnNo, commit: bool) {
        self.open.remove(&txn);
        self.ended.insert(txn, commit);
        let txn = Some(txn);
        self.slots.push(Slot {
            data: None,
            txn,
            gone: false,
        });
    }

    /// The offset after the last record or marker.
    pub fn high(&self) -> i64 {
        self.slots.len() as i64
    }

    pub fn low(&self) -> i64 {
        self.low
    }

    /// Retention, or somebody's hand, takes all that stands before that offset.
    pub fn delete_before(&mut self, offset: i64) {
        self.low = self.low.max(offset.min(self.high()));
    }

    /// Where the first record stands that a reader may be given yet: what is before it leads to nothing.
    pub fn first_alive(&self) -> i64 {
        let is_alive = |slot: &Slot| {
            let aborted = slot.txn.is_some_and(|txn| self.ended.get(&txn) == Some(&false));
            slot.data.is_some() && !slot.gone && !aborted
        };
        let alive = self.slots().find(|(_, slot)| is_alive(slot));
        alive.map_or(0, |(offset, _)| offset).min(self.stable())
    }

    /// So many transactions whose markers are yet to land here.
    pub fn unended(&self) -> usize {
        self.open.len()
    }

    /// The last stable offset.
    pub fn stable(&self) -> i64 {
        self.open.values().copied().min().unwrap_or_else(|| self.high())
    }

    /// What a `read_committed` reader at `from` meets, before `to`.
    pub fn read(&self, from: i64, to: i64) -> Met<'_> {
        if from < self.low {
            return Met::Gone;
        }
        let end = self.stable().min(to);
        for offset in from..end {
            let slot = &self.slots[offset as usize];
            let committed = slot.txn.is_none_or(|txn| self.ended.get(&txn) == Some(&true));
            if let Some(data) = slot.data.as_ref().filter(|_| committed && !slot.gone) {
                return Met::Record(offset, data);
            }
        }
        Met::End(end.max(from))
    }

    /// What a `read_uncommitted` reader meets.
    pub fn read_all(&self, from: i64, to: i64) -> Met<'_> {
        if from < self.low {
            return Met::Gone;
        }
        let end = self.high().min(to);
        let is_there = |offset: &i64| self.slots[*offset as usize].data.is_some() && !self.slots[*offset as usize].gone;
        let met = (from..end)
            .find(is_there)
            .and_then(|offset| Some((offset, self.slots[offset as usize].data.as_ref()?)));
        met.map_or(Met::End(end.max(from)), |(offset, data)| Met::Record(offset, data))
    }

    /// Whether compaction took what stood there.
    pub fn is_gone(&self, offset: i64) -> bool {
        self.slots[offset as usize].gone
    }

    /// What was written there, if that is no marker.
    pub fn data(&self, offset: i64) -> Option<&Data> {
        self.slots.get(offset as usize)?.data.as_deref()
    }

    pub fn slots(&self) -> impl DoubleEndedIterator<Item = (i64, &Slot)> {
        self.slots
            .iter()
            .enumerate()
            .map(|(offset, slot)| (offset as i64, slot))
    }

    /// Keeps the last committed record of each key, and the very last; tombstones go too once they are old enough. Nothing
    /// at or beyond the last stable offset is touched, nor `dirty` records before it (the active segment).
    pub fn compact(&mut self, dirty: i64, tombstones_before: i64) {
        let end = self.stable() - dirty;
        let mut latest: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
        for offset in 0..end.max(0) {
            let slot = &self.slots[offset as usize];
            let committed = slot.txn.is_none_or(|txn| self.ended.get(&txn) == Some(&true));
            if let Some(key) = slot
                .data
                .as_ref()
                .filter(|_| committed)
                .and_then(|data| data.key.clone())
            {
                latest.insert(key, offset);
            }
        }
        for offset in 0..end.max(0) {
            let slot = &mut self.slots[offset as usize];
            let Some(data) = &slot.data else { continue };
            let is_latest = data.key.as_ref().and_then(|key| latest.get(key)) == Some(&offset);
            let expired = data.value.is_none() && data.timestamp < tombstones_before;
            slot.gone |= !is_latest || expired;
        }
    }
}

/// Every partition of every topic. There are few topics, and their names are shared, so that looking along them is soon done.
#[derive(Default)]
pub struct Logs(Vec<(Arc<str>, Vec<Log>)>);

impl Logs {
    /// Makes a topic, or gives it more partitions.
    pub fn create(&mut self, topic: &Arc<str>, count: usize) {
        if self.0.iter().all(|(name, _)| name != topic) {
            self.0.push((topic.clone(), Vec::new()));
        }
        let known = self.0.iter_mut().filter(|(name, _)| name == topic);
        known.for_each(|(_, logs)| logs.resize_with(count, Log::default));
    }

    pub fn at(&self, at: &TopicPartition) -> &Log {
        let topic = self.0.iter().find(|(name, _)| *name == at.topic);
        let log = topic.and_then(|(_, logs)| logs.get(at.partition as usize));
        log.unwrap_or_else(|| panic!("there is no {at}"))
    }

    pub fn at_mut(&mut self, at: &TopicPartition) -> &mut Log {
        let topic = self.0.iter_mut().find(|(name, _)| *name == at.topic);
        let log = topic.and_then(|(_, logs)| logs.get_mut(at.partition as usize));
        log.unwrap_or_else(|| panic!("there is no {at}"))
    }

    pub fn all(&self) -> impl Iterator<Item = (TopicPartition, &Log)> {
        self.0.iter().flat_map(|(topic, logs)| {
            let numbered = (0..).zip(logs);
            numbered.map(|(partition, log)| (TopicPartition::new(topic.clone(), partition), log))
        })
    }
}
