//! When a fenced consumer is replaced: almost at once, and ever later where it happens again and again. So a process takes its
//! name back quickly, and two under one name take turns slowly, and loudly. All in milliseconds of a steady clock.

const FIRST: u64 = 250;
const LONGEST: u64 = 16_000;
/// After so long without a fence the next one is the first again.
const CALM: u64 = 60_000;

#[derive(Debug, Default)]
pub struct Renewal {
    due: Option<u64>,
    wait: u64,
    fenced: Option<u64>,
}

impl Renewal {
    pub fn fenced(&mut self, now: u64) {
        let again = self.fenced.is_some_and(|last| now < last + CALM + self.wait);
        self.wait = if again { (self.wait * 2).min(LONGEST) } else { FIRST };
        self.fenced = Some(now);
        self.due = Some(now + self.wait);
    }

    /// The consumer is of no use any more.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.due.is_some()
    }

    /// Not before all that the fenced consumer had is forgotten.
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
        let mut renewal = Renewal::default();
        let mut now = 0;
        let mut waits = Vec::new();
        for pause in [0, 1, 1, 1, 1, 1, 1, 1, 120] {
            now += 1_000 * pause;
            renewal.fenced(now);
            assert!(renewal.is_wanted() && !renewal.is_due(now, true));
            assert!(!renewal.is_due(now + LONGEST, false), "something is left");
            let wait = (0..).find(|wait| renewal.is_due(now + wait, true));
            waits.extend(wait);
            now += wait.unwrap_or_default();
            renewal.done();
            assert!(!renewal.is_wanted() && !renewal.is_due(now, true));
        }
        assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 16_000, 250]);
    }
}
