//! The timestamp of the last record settled, by input partition: from it follows how old the first one left may be.

use crate::domain::time::Instant;
use crate::kafka::TopicPartition;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Of all workers of this process: they write, the monitor reads.
#[derive(Debug, Default)]
pub struct Settled(Mutex<BTreeMap<TopicPartition, i64>>);

impl Settled {
    pub fn put(&self, settled: &BTreeMap<TopicPartition, i64>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.extend(settled.iter().map(|(at, timestamp)| (at.clone(), *timestamp)));
    }

    /// Seconds since the last settled record was written: what is left came after it, so it is no older. A partition of which
    /// this process has settled nothing is another's, or has just come to us.
    #[must_use]
    pub fn age(&self, at: &TopicPartition, now: Instant) -> f64 {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(at)
            .map_or(0.0, |timestamp| (now.0 - timestamp).max(0) as f64 / 1_000.0)
    }
}
