//! The Kafka adapter. No other module names the client library, and no type of that library stands in a public signature here.
//!
//! Every call blocks: a worker owns its [`Consumer`] and its [`Transactions`] on a thread of its own. Nothing here decides
//! what a record means, which partition a record belongs to or when to commit.
//!
//! - [`client_config`]: what users may set, and what exactly-once needs of each client.
//! - [`consumer`], [`rebalance`]: records, ends of partitions and rebalances in the order of the client's one queue.
//! - [`transaction`]: one transactional producer as a chain of owned states.
//! - [`lookup`]: watermarks, committed offsets, numbers of partitions.
//! - [`restore`], [`StableEnd`]: readers that end at known positions.
//! - [`ends`], [`Outlet`], [`Replay`]: plain producers and plain readers, for who stands outside of the router.
//! - [`admin`], [`topics`]: the cluster's topics, what we want of them, and what differs.
//! - [`mock`]: a cluster inside this process, for `demo` and for client error paths. Proves nothing about exactly-once.
//! - `native`: the few calls that the library's safe face lacks; the only `unsafe` code.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

pub mod admin;
pub mod client_config;
mod client_log;
pub mod consumer;
mod delivery;
pub mod ends;
pub mod error;
mod fault;
mod forbidden;
mod leaders;
pub mod lookup;
pub mod mock;
mod native;
mod outlet;
pub mod rebalance;
mod replay;
pub mod restore;
mod stable;
mod topic_table;
pub mod topics;
pub mod transaction;
mod txn_error;

pub use client_config::Settings;
pub use consumer::{Consumer, Fault, Polled};
pub use ends::{Feed, Tail};
pub use error::{ClientError, Error, Kind};
pub use lookup::Lookup;
pub use outlet::Outlet;
pub use rebalance::Rebalance;
pub use replay::{Reading, Replay};
pub use restore::{Progress, RangeReader, TableReader};
pub use stable::StableEnd;
pub use transaction::{Blame, Delivered, Ending, Fence, Transaction, Transactions, TxnError};

/// One partition of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    pub topic: Arc<str>,
    pub partition: i32,
}

impl TopicPartition {
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }

    pub fn at(&self, offset: i64) -> Position {
        Position {
            topic: self.topic.clone(),
            partition: self.partition,
            offset,
        }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// An offset of one partition. Of a record: its own offset. Of a reader: the offset of the next record.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    pub topic: Arc<str>,
    pub partition: i32,
    pub offset: i64,
}

impl Position {
    pub fn topic_partition(&self) -> TopicPartition {
        TopicPartition {
            topic: self.topic.clone(),
            partition: self.partition,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}@{}", self.topic, self.partition, self.offset)
    }
}

/// A header. Kafka tells an absent value (`None`) from an empty one.
pub type Header = (String, Option<Vec<u8>>);

/// A header of a record to produce. Most of ours are the same in every record, and take nothing.
pub type NewHeader = (Cow<'static, str>, Option<Cow<'static, [u8]>>);

/// Who set a record's timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampKind {
    /// `CreateTime`: the producer, whose clock may be wrong.
    Create,
    /// `LogAppendTime`: the broker that leads the partition.
    Append,
}

/// A committed record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub at: Position,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<Header>,
    /// Milliseconds since 1970; `None` for a record of a format without timestamps.
    pub timestamp: Option<i64>,
    pub timestamp_kind: TimestampKind,
}

/// A record to produce. Without a partition the client picks one by the key's murmur2, as Java does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRecord {
    pub topic: Arc<str>,
    pub partition: Option<i32>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<NewHeader>,
    /// Milliseconds since 1970; `None` lets the client take the time of the call.
    pub timestamp: Option<i64>,
}

/// Number of slots that a key falls into; P divides it, so `slot % P` is the partition of every P that we allow.
pub const SLOTS: u16 = 4096;

/// The low 12 bits of the key's murmur2, as Java's default partitioner computes it.
pub fn murmur2_slot(key: &[u8]) -> u16 {
    native::murmur2_partition(key, i32::from(SLOTS)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of `org.apache.kafka.common.utils.UtilsTest.testMurmur2`.
    #[test]
    fn slots_are_javas() {
        let java: &[(&str, i32)] = &[
            ("21", -973932308),
            ("foobar", -790332482),
            ("a-little-bit-long-string", -985981536),
            ("a-little-bit-longer-string", -1486304829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
            ("abc", 479470107),
        ];
        for (key, hash) in java {
            assert_eq!(murmur2_slot(key.as_bytes()), (hash & 0xfff) as u16, "{key}");
        }
    }

    #[test]
    fn an_empty_key_has_a_slot() {
        assert!(murmur2_slot(b"") < SLOTS);
    }
}
