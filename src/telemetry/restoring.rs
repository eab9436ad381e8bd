//! What a worker's partitions do while they don't run: how fast they are restored, and why they stand still. Says when a line
//! is worth a log's reader.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A restore under way is told in so long.
const TELL: Duration = Duration::from_secs(3);

/// One worker's partitions that are restored or stopped.
#[derive(Default)]
pub struct Restoring(Mutex<State>);

#[derive(Default)]
struct State {
    restores: BTreeMap<i32, Restore>,
    stopped: BTreeMap<i32, String>,
}

struct Restore {
    began: Instant,
    told: Instant,
    records: u64,
}

impl Restoring {
    /// So many more records are in the index. Some: it is time to tell, with the records a second so far.
    pub fn replayed(&self, partition: i32, records: u64, now: Instant) -> Option<u64> {
        let mut state = self.state();
        let restore = state.restores.entry(partition).or_insert(Restore {
            began: now,
            told: now,
            records: 0,
        });
        restore.records += records;
        if now.duration_since(restore.told) < TELL {
            return None;
        }
        restore.told = now;
        Some((restore.records as f64 / now.duration_since(restore.began).as_secs_f64()) as u64)
    }

    /// The partition stands still. Whether that is news.
    pub fn stopped(&self, partition: i32, why: &str) -> bool {
        let before = self.state().stopped.insert(partition, why.to_owned());
        before.as_deref() != Some(why)
    }

    /// The partition runs, is begun anew, or is gone.
    pub fn over(&self, partition: i32) {
        let mut state = self.state();
        state.restores.remove(&partition);
        state.stopped.remove(&partition);
    }

    /// How many stand still.
    #[must_use]
    pub fn count_stopped(&self) -> usize {
        self.state().stopped.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restore_is_told_now_and_then_with_its_rate() {
        let (restoring, began) = (Restoring::default(), Instant::now());
        assert_eq!(restoring.replayed(3, 5_000, began), None);
        assert_eq!(restoring.replayed(3, 5_000, began + Duration::from_secs(2)), None);
        assert_eq!(
            restoring.replayed(3, 10_000, began + Duration::from_secs(4)),
            Some(5_000)
        );
        assert_eq!(restoring.replayed(3, 1, began + Duration::from_secs(5)), None);
        restoring.over(3);
        assert_eq!(restoring.replayed(3, 1, began + Duration::from_secs(60)), None);
    }

    #[test]
    fn why_a_partition_stands_still_is_news_once() {
        let restoring = Restoring::default();
        assert!(restoring.stopped(3, "so"));
        assert!(!restoring.stopped(3, "so"));
        assert!(restoring.stopped(3, "otherwise"));
        assert!(restoring.stopped(4, "so"));
        assert_eq!(restoring.count_stopped(), 2);
        restoring.over(3);
        assert_eq!(restoring.count_stopped(), 1);
        assert!(restoring.stopped(3, "so"));
    }
}
