//! The score of a load: what was sent, what has its output and after how long. Counts from the instant at which a record
//! was due, so that a router which stands still is seen by every record that it keeps waiting, sent late or not.

use super::answer::{Answer, Part};
use super::dice::Kind;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// When each record is due.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    pub start: Instant,
    pub rate: u32,
}

impl Schedule {
    pub fn at(&self, number: u64) -> Instant {
        self.start + Duration::from_secs_f64(number as f64 / f64::from(self.rate))
    }

    /// How many are due by then.
    pub fn due(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.start);
        (elapsed.as_secs_f64() * f64::from(self.rate)) as u64 + 1
    }
}

/// What is known of one kind.
pub struct Score {
    pub sent: u64,
    pub answered: u64,
    /// Outputs beyond the first of an input.
    pub repeated: u64,
    pub outcomes: BTreeMap<String, u64>,
    /// In microseconds.
    pub latency: Histogram<u64>,
}

/// The percentiles that are shown, with their names.
pub const PERCENTILES: [(&str, f64); 5] = [
    ("p50", 50.0),
    ("p90", 90.0),
    ("p99", 99.0),
    ("p99_9", 99.9),
    ("max", 100.0),
];

impl Score {
    fn new() -> Option<Self> {
        Some(Self {
            sent: 0,
            answered: 0,
            repeated: 0,
            outcomes: BTreeMap::new(),
            // Three digits, from a microsecond to an hour; what takes longer counts as that.
            latency: Histogram::new_with_bounds(1, 3_600_000_000, 3).ok()?,
        })
    }

    pub fn missing(&self) -> u64 {
        self.sent.saturating_sub(self.answered)
    }

    /// Milliseconds at each of [`PERCENTILES`]; None where nothing was answered.
    pub fn millis(&self) -> [Option<f64>; 5] {
        PERCENTILES.map(|(_, percent)| {
            let micros = self.latency.value_at_percentile(percent);
            (!self.latency.is_empty()).then_some(micros as f64 / 1_000.0)
        })
    }
}

pub struct Board {
    schedule: Schedule,
    scores: [Score; 3],
    /// A bit for each record.
    seen: Vec<u64>,
    /// The furthest that a record was sent behind its schedule.
    pub late: Duration,
    /// From the start to the last that was sent, and to the last output.
    pub sending: Duration,
    pub answering: Duration,
}

impl Board {
    /// None: no histogram of these bounds can be had, which the tests rule out.
    pub fn new(schedule: Schedule, records: u64) -> Option<Self> {
        let words = usize::try_from(records.div_ceil(64)).ok()?;
        Some(Self {
            schedule,
            scores: [Score::new()?, Score::new()?, Score::new()?],
            seen: vec![0; words],
            late: Duration::ZERO,
            sending: Duration::ZERO,
            answering: Duration::ZERO,
        })
    }

    pub fn score(&self, kind: Kind) -> &Score {
        &self.scores[kind as usize]
    }

    pub fn has_sent(&mut self, kind: Kind, number: u64, now: Instant) {
        self.scores[kind as usize].sent += 1;
        self.late = self.late.max(now.saturating_duration_since(self.schedule.at(number)));
        self.sending = now.saturating_duration_since(self.schedule.start);
    }

    /// What is about no record of the load is passed over.
    pub fn has_seen(&mut self, answer: Answer, now: Instant) {
        let Some(kind) = kind(answer.part) else { return };
        let Some(word) = self.seen.get_mut((answer.number / 64) as usize) else {
            return;
        };
        let score = &mut self.scores[kind as usize];
        let bit = 1 << (answer.number % 64);
        if *word & bit != 0 {
            score.repeated += 1;
            return;
        }
        *word |= bit;
        score.answered += 1;
        *score.outcomes.entry(answer.outcome).or_default() += 1;
        let took = now.saturating_duration_since(self.schedule.at(answer.number));
        score
            .latency
            .saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        self.answering = now.saturating_duration_since(self.schedule.start);
    }

    fn sum(&self, count: impl Fn(&Score) -> u64) -> u64 {
        self.scores.iter().map(count).sum()
    }

    pub fn sent(&self) -> u64 {
        self.sum(|score| score.sent)
    }

    pub fn answered(&self) -> u64 {
        self.sum(|score| score.answered)
    }

    pub fn missing(&self) -> u64 {
        self.sum(Score::missing)
    }

    pub fn repeated(&self) -> u64 {
        self.sum(|score| score.repeated)
    }
}

fn kind(part: Part) -> Option<Kind> {
    match part {
        Part::Inbound => Some(Kind::Inbound),
        Part::Outbound => Some(Kind::Outbound),
        Part::Crm => Some(Kind::Crm),
        Part::Settings | Part::Contacts | Part::Chatrooms => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(number: u64) -> Answer {
        Answer {
            part: Part::Inbound,
            number,
            outcome: "ACTIVE".to_owned(),
            chatroom: None,
        }
    }

    fn board(rate: u32, records: u64) -> (Board, Instant) {
        let start = Instant::now();
        (Board::new(Schedule { start, rate }, records).unwrap(), start)
    }

    /// A router that answers nothing for a second, then all at once: every record due in that second has waited, though
    /// each may have been sent only at its end.
    #[test]
    fn a_latency_counts_from_the_instant_at_which_a_record_was_due() {
        let (mut board, start) = board(1_000, 1_000);
        let end = start + Duration::from_secs(1);
        for number in 0..1_000 {
            board.has_sent(Kind::Inbound, number, end);
            board.has_seen(answer(number), end);
        }
        let [p50, p90, .., max] = board.score(Kind::Inbound).millis().map(|millis| millis.unwrap());
        assert!((499.0..503.0).contains(&p50), "{p50}");
        assert!((899.0..903.0).contains(&p90), "{p90}");
        assert!((1_000.0..1_002.0).contains(&max), "{max}");
        assert_eq!(board.late, Duration::from_secs(1));
    }

    #[test]
    fn a_second_output_of_an_input_is_told_and_changes_nothing_else() {
        let (mut board, start) = board(10, 3);
        (0..3).for_each(|number| board.has_sent(Kind::Inbound, number, start));
        for number in [2, 0, 2, 700] {
            board.has_seen(answer(number), start);
        }
        assert_eq!(
            (board.sent(), board.answered(), board.missing(), board.repeated()),
            (3, 2, 1, 1)
        );
        assert_eq!(board.score(Kind::Inbound).outcomes["ACTIVE"], 2);
        assert_eq!(board.score(Kind::Crm).millis(), [None; 5]);
    }

    #[test]
    fn the_schedule_is_even_and_waits_for_nobody() {
        let schedule = Schedule {
            start: Instant::now(),
            rate: 3,
        };
        assert_eq!(schedule.due(schedule.start), 1);
        for number in [1, 2, 3, 100] {
            let at = schedule.at(number) + Duration::from_micros(1);
            assert_eq!(schedule.due(at), number + 1);
            assert_eq!(schedule.due(at - Duration::from_millis(1)), number);
        }
    }
}
