//! A cluster as far as the protocol can tell: logs, transactions, committed offsets and one consumer group. Nothing here
//! waits; what takes time is scheduled by the world.

pub mod coordinator;
pub mod group;
pub mod log;

use crate::insight::Insight;
use chatroom_router::kafka::{NewRecord, TopicPartition, murmur2_slot};
use coordinator::{Coordinator, Place, Refusal, State, Txn};
use group::Group;
use log::{Data, Log, Logs, TxnNo};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

pub struct Kafka {
    pub logs: Logs,
    /// How often any log may have changed.
    pub moves: u64,
    pub counts: BTreeMap<Arc<str>, i32>,
    pub coordinator: Coordinator,
    pub group: Group,
    committed: BTreeMap<TopicPartition, i64>,
}

/// Who asks for a step of a transaction.
pub struct Producer<'a> {
    pub id: &'a str,
    pub epoch: i32,
    pub insight: &'a Insight,
}

impl Kafka {
    pub fn new(group_partitions: i32, session_ms: u64) -> Self {
        Self {
            logs: Logs::default(),
            moves: 0,
            counts: BTreeMap::new(),
            coordinator: Coordinator::default(),
            group: Group::new(group_partitions, session_ms),
            committed: BTreeMap::new(),
        }
    }

    /// Makes a topic, or gives it more partitions.
    pub fn create(&mut self, topic: &Arc<str>, count: i32) {
        self.counts.insert(topic.clone(), count);
        self.logs.create(topic, count as usize);
    }

    pub fn log(&self, at: &TopicPartition) -> &Log {
        self.logs.at(at)
    }

    pub fn log_mut(&mut self, at: &TopicPartition) -> &mut Log {
        self.moves += 1;
        self.logs.at_mut(at)
    }

    pub fn partitions_of(&self, topic: &Arc<str>) -> Vec<TopicPartition> {
        let count = self.counts.get(topic).copied().unwrap_or(0);
        (0..count)
            .map(|partition| TopicPartition::new(topic.clone(), partition))
            .collect()
    }

    fn partition_of(&self, record: &NewRecord) -> i32 {
        let count = self
            .counts
            .get(&record.topic)
            .copied()
            .unwrap_or_else(|| panic!("there is no {}", record.topic));
        record
            .partition
            .unwrap_or_else(|| i32::from(murmur2_slot(record.key.as_deref().unwrap_or_default())) % count)
    }

    /// Appends a record within the producer's transaction.
    pub fn produce(
        &mut self,
        producer: &Producer<'_>,
        record: &Rc<NewRecord>,
        now: (u64, i64),
    ) -> Result<i64, Refusal> {
        let at = TopicPartition::new(record.topic.clone(), self.partition_of(record));
        let txn = self
            .coordinator
            .open(producer.id, producer.epoch, now.0, producer.insight)?;
        let data = Data {
            record: record.clone(),
            timestamp: record.timestamp.unwrap_or(now.1),
        };
        self.moves += 1;
        let offset = self.logs.at_mut(&at).append(Rc::new(data), Some(txn.no));
        txn.partitions.insert(at.clone());
        txn.records.push((at, offset, record.clone()));
        Ok(offset)
    }

    /// TxnOffsetCommit, fenced by the group's generation and member.
    pub fn send_offsets(
        &mut self,
        producer: &Producer<'_>,
        member: (&str, i32),
        offsets: &[(TopicPartition, i64)],
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let txn = self
            .coordinator
            .open(producer.id, producer.epoch, now_ms, producer.insight)?;
        let sent = txn.offsets.get_or_insert_default();
        if !self.group.admits(member.0, member.1) {
            return Err(Refusal::Group);
        }
        sent.extend(offsets.iter().cloned());
        Ok(())
    }

    /// The marker of the id's decided transaction lands there.
    pub fn land(&mut self, id: &str, place: &Place) {
        let Some((no, State::Decided(commit))) = self.coordinator.current(id).map(|txn| (txn.no, txn.state)) else {
            return;
        };
        if let Place::Log(at) = place {
            self.log_mut(at).land(no, commit);
        }
        let offsets = self.coordinator.landed(id, place);
        self.committed.extend(offsets.into_iter().flatten());
    }

    /// The group's committed offset. Err: a transaction that would change it is not over.
    pub fn committed(&self, at: &TopicPartition) -> Result<Option<i64>, ()> {
        let pending = |txn: &Txn| txn.offsets.as_ref().is_some_and(|offsets| offsets.contains_key(at));
        if self.coordinator.currents().any(pending) {
            return Err(());
        }
        Ok(self.committed.get(at).copied())
    }

    /// Kafka forgets offsets of topics to which nobody subscribes.
    pub fn forget_offset(&mut self, at: &TopicPartition) {
        self.committed.remove(at);
    }

    /// Somebody sets it by hand.
    pub fn set_offset(&mut self, at: &TopicPartition, to: i64) {
        self.committed.insert(at.clone(), to);
    }

    /// Whatever transactions are pending on it.
    pub fn offset_as_it_stands(&self, at: &TopicPartition) -> Option<i64> {
        self.committed.get(at).copied()
    }

    pub fn group_offset(&self, at: &TopicPartition) -> i64 {
        self.committed.get(at).copied().unwrap_or(0)
    }

    /// Whether a record of that transaction counts: None is no transaction at all.
    pub fn is_committed(&self, txn: Option<TxnNo>) -> Option<bool> {
        txn.map_or(Some(true), |no| self.coordinator.outcome(no))
    }

    /// All records of a partition whose transactions were decided to be committed, compacted ones too.
    pub fn history<'a>(&'a self, at: &TopicPartition) -> impl DoubleEndedIterator<Item = (i64, &'a Rc<Data>)> {
        let slots = self.log(at).slots();
        slots.filter_map(|(offset, slot)| {
            let data = slot.data.as_ref()?;
            (self.is_committed(slot.txn) == Some(true)).then_some((offset, data))
        })
    }
}
