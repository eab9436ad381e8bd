//! What the router put aside (dead letters, unrouted messages), for who looks at it and sends it back. Reading joins no group
//! and ends where the topic ended when it began; sending back goes through a transaction with the place that it has come to.
//! Decides nothing about messages: what comes back to an input is judged as anything else there.

pub mod filter;
pub mod replay;
pub mod returning;
pub mod scan;
mod sender;

use crate::config::Topics;
use crate::contract::kept::{self, Kept};
use crate::contract::{RawRecord, TopicKind};
use crate::domain::time::Instant;
use crate::kafka::Record;

/// Where things are put aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shelf {
    DeadLetters,
    Unrouted,
}

impl Shelf {
    #[must_use]
    pub fn topic(self) -> TopicKind {
        match self {
            Self::DeadLetters => TopicKind::DeadLetters,
            Self::Unrouted => TopicKind::UnroutedMessages,
        }
    }

    /// What the record says of itself. None: it is none of ours.
    #[must_use]
    pub fn read(self, record: &Record, topics: &Topics) -> Option<Kept> {
        let raw = raw(record, topics)?;
        match self {
            Self::DeadLetters => kept::dead_letter(&raw),
            Self::Unrouted => kept::unrouted(&raw),
        }
    }
}

/// A letter, with what it says of itself.
#[derive(Debug, Clone)]
pub struct Letter {
    pub kept: Kept,
    pub record: Record,
}

impl Letter {
    /// When it was put aside.
    #[must_use]
    pub fn at(&self) -> Option<Instant> {
        self.record.timestamp.map(Instant)
    }
}

/// The same record in the words of the contract. None: its topic is not one of ours.
pub(crate) fn raw<'a>(record: &'a Record, topics: &'a Topics) -> Option<RawRecord<'a>> {
    let headers = record.headers.iter();
    Some(RawRecord {
        topic: topics.parse(&record.at.topic)?,
        partition: record.at.partition,
        offset: record.at.offset,
        timestamp: record.timestamp.map(Instant),
        key: record.key.as_deref(),
        value: record.value.as_deref(),
        headers: headers.map(|(name, value)| (name.as_str(), value.as_deref())).collect(),
    })
}
