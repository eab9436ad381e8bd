//! When the outcomes of each partition came: how long it stood still, and when it went on.

use crate::cluster::PARTITIONS;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

struct Arrival {
    home: i32,
    sent: Instant,
    at: Instant,
}

/// Arrivals since the last mark.
#[derive(Default)]
pub struct Timeline {
    arrivals: Vec<Arrival>,
}

impl Timeline {
    /// What came before this is of no more interest.
    pub fn mark(&mut self) -> Instant {
        self.arrivals.clear();
        Instant::now()
    }

    pub fn arrived(&mut self, home: i32, sent: Instant, at: Instant) {
        self.arrivals.push(Arrival { home, sent, at });
    }

    /// From an instant until the last partition has committed something that was sent after it. None: one has not.
    pub fn first_commits(&self, since: Instant) -> Option<Duration> {
        let mut first = BTreeMap::<i32, Instant>::new();
        for arrival in self.arrivals.iter().filter(|arrival| arrival.sent >= since) {
            first.entry(arrival.home).or_insert(arrival.at);
        }
        let all = first.len() == PARTITIONS as usize;
        first.values().max().filter(|_| all).map(|last| *last - since)
    }

    /// The longest time that any partition committed nothing, since an instant.
    pub fn longest_stop(&self, since: Instant) -> Duration {
        let stop = |home: i32| {
            let mut last = since;
            let mut longest = Duration::ZERO;
            let ours = self
                .arrivals
                .iter()
                .filter(|arrival| arrival.home == home && arrival.at >= since);
            for arrival in ours {
                longest = longest.max(arrival.at - last);
                last = arrival.at;
            }
            longest
        };
        (0..PARTITIONS).map(stop).max().unwrap_or_default()
    }
}
