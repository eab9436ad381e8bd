//! When a fenced consumer, or a fenced producer, is replaced: almost at once, and ever later where it happens again and again. So
//! a process takes its name back quickly, and two under one name take turns slowly, and loudly. All in milliseconds of a steady
//! clock.

const FIRST: u64 = 250;

#[derive(Debug)]
pub struct Renewal {
    longest: u64,
    /// After so long without a fence, and the wait before, the next one is the first again.
    calm: u64,
    due: Option<u64>,
    wait: u64,
    fenced: Option<u64>,
}

/// Of a consumer: each renewal is a rebalance of the whole group.
impl Default for Renewal {
    fn default() -> Self {
        Self::new(16_000, 60_000)
    }
}

impl Renewal {
    /// Of a producer: each opening takes the name from whoever has it, and from nobody else. Brokers that are too slow for its
    /// transactions take it too, now and then.
    #[must_use]
    pub fn of_producer() -> Self {
        Self::new(4_000, 10_000)
    }

    fn new(longest: u64, calm: u64) -> Self {
        Self {
            longest,
            calm,
            due: None,
            wait: 0,
            fenced: None,
        }
    }

    pub fn fenced(&mut self, now: u64) {
        let again = self.fenced.is_some_and(|last| now < last + self.calm + self.wait);
        self.wait = if again {
            (self.wait * 2).min(self.longest)
        } else {
            FIRST
        };
        self.fenced = Some(now);
        self.due = Some(now + self.wait);
    }

    /// Whether it is not the first fence in a while: two seem to bear one name.
    #[must_use]
    pub fn is_again(&self) -> bool {
        self.wait > FIRST
    }

    /// What was fenced is of no use any more.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.due.is_some()
    }

    /// Not before all that it had is forgotten.
    #[must_use]
    pub fn is_due(&self, now: u64, has_forgotten: bool) -> bool {
        has_forgotten && self.due.is_some_and(|due| due <= now)
    }

    pub fn done(&mut self) {
        self.due = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_back_at_once_and_ever_later_where_two_bear_it() {
        let waits = waits(Renewal::default(), [0, 1, 1, 1, 1, 1, 1, 1, 120]);
        assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 16_000, 250]);
    }

    #[test]
    fn two_producers_of_one_name_take_turns_and_one_that_had_it_for_longer_is_the_first_again() {
        // Each has it for as long as the other waits.
        let waits = waits(Renewal::of_producer(), [0, 1, 1, 2, 4, 4, 4, 4, 15]);
        assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 4_000, 4_000, 4_000, 250]);
    }

    /// How long each of these fences is waited after, so many seconds after the last wait was over.
    fn waits<const N: usize>(mut renewal: Renewal, pauses: [u64; N]) -> Vec<u64> {
        let mut now = 0;
        let mut waits = Vec::new();
        for pause in pauses {
            now += 1_000 * pause;
            renewal.fenced(now);
            assert!(renewal.is_wanted() && !renewal.is_due(now, true));
            assert_eq!(
                renewal.is_again(),
                (1..10).contains(&pause),
                "the first is no sign of another"
            );
            assert!(!renewal.is_due(now + renewal.longest, false), "something is left");
            let wait = (0..).find(|wait| renewal.is_due(now + wait, true));
            waits.extend(wait);
            now += wait.unwrap_or_default();
            renewal.done();
            assert!(!renewal.is_wanted() && !renewal.is_due(now, true));
        }
        waits
    }
}
