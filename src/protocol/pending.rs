//! What is collected and not in a batch yet: when there is reason for a batch, and what it takes.

use super::core::Config;
use super::{Life, Partition};
use crate::judging::Prepared;
use crate::kafka::Position;
use std::collections::VecDeque;

/// A position beyond the last record is committed when it has stood so long: idle partitions cost a transaction a second.
const IDLE_COMMIT_MS: u64 = 1_000;

pub enum Item {
    Record(Life, Box<Prepared>),
    /// The input stands at its end, beyond control records: moves the position.
    Reached(Life, Position),
    /// Commit where the task stands, though nothing moved: Kafka forgets offsets that nobody commits.
    Keep(Life),
    /// Timers of one entry that may be due.
    Sweep(Life, Box<Prepared>),
    /// All that a page of the search found stands before this; `whole` if no page follows.
    Swept {
        life: Life,
        whole: bool,
    },
}

impl Item {
    #[must_use]
    pub fn life(&self) -> Life {
        match self {
            Self::Record(life, _)
            | Self::Reached(life, _)
            | Self::Keep(life)
            | Self::Sweep(life, _)
            | Self::Swept { life, .. } => *life,
        }
    }

    pub(super) fn prepared(&self) -> Option<&Prepared> {
        match self {
            Self::Record(_, prepared) | Self::Sweep(_, prepared) => Some(prepared),
            Self::Reached(..) | Self::Keep(_) | Self::Swept { .. } => None,
        }
    }

    fn bytes(&self) -> usize {
        self.prepared().map_or(0, Prepared::bytes)
    }
}

/// Collected and not in a batch yet.
#[derive(Default)]
pub struct Pending {
    items: VecDeque<(Item, u64)>,
    bytes: usize,
    /// Items other than `Reached`.
    urgent: usize,
    /// So many of the next are taken one by one: among them is one that the broker refuses.
    alone: usize,
}

impl Pending {
    pub fn push(&mut self, item: Item, now_ms: u64) {
        self.bytes += item.bytes();
        self.urgent += usize::from(!matches!(item, Item::Reached(..)));
        self.items.push_back((item, now_ms));
    }

    /// Items of an aborted batch, to be taken again one by one, before all others.
    pub fn put_back(&mut self, items: Vec<Item>, now_ms: u64) {
        self.alone = items.len();
        for item in items.into_iter().rev() {
            self.items.push_front((item, now_ms));
        }
        self.recount();
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub fn forget(&mut self, partition: Partition) {
        self.items.retain(|(item, _)| item.life().partition != partition);
        self.recount();
    }

    fn recount(&mut self) {
        self.bytes = self.items.iter().map(|(item, _)| item.bytes()).sum();
        self.urgent = self
            .items
            .iter()
            .filter(|(item, _)| !matches!(item, Item::Reached(..)))
            .count();
    }

    fn wait_ms(&self, linger_ms: u64) -> u64 {
        if self.urgent > 0 { linger_ms } else { IDLE_COMMIT_MS }
    }

    /// Reason enough for a transaction.
    #[must_use]
    pub fn is_ripe(&self, config: &Config, now_ms: u64) -> bool {
        let Some((_, since)) = self.items.front() else {
            return false;
        };
        self.is_enough(config) || now_ms >= since + self.wait_ms(config.linger_ms)
    }

    /// As much as a batch takes.
    #[must_use]
    pub fn is_enough(&self, config: &Config) -> bool {
        self.urgent >= config.max_records || self.bytes >= config.max_bytes
    }

    #[must_use]
    pub fn is_full(&self, config: &Config) -> bool {
        self.items.len() >= 2 * config.max_records || self.bytes >= 2 * config.max_bytes
    }

    #[must_use]
    pub fn patience_ms(&self, linger_ms: u64, now_ms: u64) -> u64 {
        self.items.front().map_or(IDLE_COMMIT_MS, |(_, since)| {
            (since + self.wait_ms(linger_ms)).saturating_sub(now_ms)
        })
    }

    /// The next batch. It ends before a second settings record of one org: that one is judged by what the first leads to.
    pub fn take(&mut self, max_records: usize, max_bytes: usize) -> Vec<Item> {
        let max_records = if self.alone > 0 { 1 } else { max_records };
        self.alone = self.alone.saturating_sub(1);
        let mut taken = Vec::new();
        let mut bytes = 0;
        let mut orgs = Vec::new();
        while let Some((item, _)) = self.items.front() {
            if taken.len() >= max_records || (bytes >= max_bytes && !taken.is_empty()) {
                break;
            }
            if let Some(org) = item.prepared().and_then(Prepared::settings_of) {
                if orgs.contains(org) {
                    break;
                }
                orgs.push(org.clone());
            }
            bytes += item.bytes();
            taken.extend(self.items.pop_front().map(|(item, _)| item));
        }
        self.recount();
        taken
    }
}
