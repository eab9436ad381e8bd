//! When a fenced consumer is replaced: almost at once, and ever later where it happens again and again. So a process takes its
//! name back quickly, and two under one name take turns slowly, and loudly. Asks no clock.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(16);
/// After so long without a fence the next one is the first again.
const CALM: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Renewal {
    due: Option<Instant>,
    wait: Duration,
    fenced: Option<Instant>,
}

impl Renewal {
    pub(super) fn fenced(&mut self, now: Instant) {
        let again = self
            .fenced
            .is_some_and(|last| now.duration_since(last) < CALM + self.wait);
        self.wait = if again { (self.wait * 2).min(LONGEST) } else { FIRST };
        self.fenced = Some(now);
        self.due = Some(now + self.wait);
    }

    /// The consumer is of no use any more.
    pub(super) fn is_wanted(&self) -> bool {
        self.due.is_some()
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    pub(super) fn done(&mut self) {
        self.due = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_back_at_once_and_ever_later_where_two_bear_it() {
        let start = Instant::now();
        let mut renewal = Renewal::default();
        let mut now = start;
        let mut waits = Vec::new();
        for pause in [0, 1, 1, 1, 1, 1, 1, 1, 120] {
            now += Duration::from_secs(pause);
            renewal.fenced(now);
            assert!(renewal.is_wanted() && !renewal.is_due(now));
            let wait = (0..).find(|wait| renewal.is_due(now + Duration::from_millis(*wait)));
            waits.extend(wait);
            now += Duration::from_millis(wait.unwrap_or_default());
            renewal.done();
            assert!(!renewal.is_wanted() && !renewal.is_due(now));
        }
        assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 16_000, 250]);
    }
}
