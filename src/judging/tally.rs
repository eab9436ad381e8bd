//! What a transaction did, for the figures: added up while it is folded, counted once it is committed.

use crate::contract::TopicKind;
use crate::domain::effect::{AutoReplyOutcome, Code, CommandType, DeadReason, RouteRule, Status, UnroutedReason};
use crate::domain::time::Instant;
use crate::kafka::TopicPartition;
use crate::telemetry::metrics::{Duplicate, RecordOutcome};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    Record(TopicKind, RecordOutcome),
    Decision(RouteRule),
    Unrouted(UnroutedReason),
    AutoReply(AutoReplyOutcome),
    Command(CommandType, Status, Option<Code>),
    Repeat(Duplicate),
    Dead(DeadReason),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub counts: Vec<Count>,
    /// The records' own timestamps, for the time from end to end.
    pub timestamps: Vec<i64>,
    /// The timestamp of the last record of each input partition.
    pub settled: BTreeMap<TopicPartition, i64>,
    /// When timers that fired were due.
    pub due: Vec<Instant>,
}

impl Tally {
    /// Whether a dead letter is among it.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.counts.iter().any(|count| matches!(count, Count::Dead(_)))
    }

    pub fn add(&mut self, other: Self) {
        self.counts.extend(other.counts);
        self.timestamps.extend(other.timestamps);
        self.settled.extend(other.settled);
        self.due.extend(other.due);
    }
}
