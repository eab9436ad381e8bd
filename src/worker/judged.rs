//! How far a worker's tasks have judged what was passed on to them. Only tasks that run are in it, each by its own progress
//! record: never what the group has committed, which an operator may have set by hand.

use crate::protocol::Partition;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// One worker's: it writes, the monitor reads.
#[derive(Debug, Default)]
pub struct Judged(Mutex<BTreeMap<Partition, i64>>);

impl Judged {
    /// All that run, and the next offset of each.
    pub fn tell(&self, running: impl Iterator<Item = (Partition, i64)>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.clear();
        held.extend(running);
    }

    #[must_use]
    pub fn told(&self) -> BTreeMap<Partition, i64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
