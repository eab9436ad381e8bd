//! A burst of bad input halts its partition before it has moved the whole of it to the dead letters: the record that would be
//! one too many is not taken, nor any after it, until an operator says go on. Counts records and knows no time, so it halts the
//! same records at the same place. What was taken before is judged and committed as ever; nothing is lost.

use super::core::Core;
use super::{Action, Report};
use crate::kafka::TopicPartition;
use std::collections::{BTreeMap, VecDeque};

/// Of the last `records` of a partition, at most `percent` of a hundred may be bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    pub records: usize,
    pub percent: usize,
}

impl Limit {
    /// 100 of a hundred is no limit.
    #[must_use]
    pub fn is_off(self) -> bool {
        self.percent >= 100
    }

    fn is_passed(self, bad: usize) -> bool {
        bad * 100 > self.records * self.percent
    }
}

/// What becomes of a record that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taking {
    Take,
    /// One bad record too many: stop reading its partition. Told once, and again when the partition was read anew.
    Halt,
    /// It stands behind the place where its partition is halted: it will be read again.
    Leave,
}

/// The input partitions that had a bad record lately. Outlives the doubts of a task, not its leaving.
#[derive(Debug)]
pub struct Bursts {
    limit: Limit,
    of: BTreeMap<TopicPartition, Burst>,
}

#[derive(Debug, Default)]
struct Burst {
    /// Records since the first bad one.
    seen: u64,
    /// Which of them were bad, as far as they count.
    bad: VecDeque<u64>,
    /// Those before this offset are counted.
    next: i64,
    state: State,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    Halted {
        from: i64,
        /// The client was told to stop.
        stopped: bool,
    },
    /// Whatever comes, by the steady clock.
    Free { until_ms: u64 },
}

impl Bursts {
    #[must_use]
    pub fn new(limit: Limit) -> Self {
        let of = BTreeMap::new();
        Self { limit, of }
    }

    /// Counts a record that was read. Costs nothing while none is bad.
    pub fn take(&mut self, at: &TopicPartition, offset: i64, is_bad: bool, now_ms: u64) -> Taking {
        if self.limit.is_off() || (!is_bad && self.of.is_empty()) {
            return Taking::Take;
        }
        if is_bad && !self.of.contains_key(at) {
            self.of.insert(at.clone(), Burst::default());
        }
        let Some(burst) = self.of.get_mut(at) else {
            return Taking::Take;
        };
        let taking = burst.take(offset, is_bad, self.limit, now_ms);
        if burst.is_over() {
            self.of.remove(at);
        }
        taking
    }

    /// A record that was taken turned out to be bad when it was judged. True: its partition is now halted, after what was
    /// taken by now.
    pub fn turned_out_bad(&mut self, at: &TopicPartition, next: i64, now_ms: u64) -> bool {
        if self.limit.is_off() {
            return false;
        }
        let burst = self.of.entry(at.clone()).or_default();
        burst.turned_out_bad(next, self.limit, now_ms)
    }

    #[must_use]
    pub fn is_halted(&self, at: &TopicPartition) -> bool {
        self.of
            .get(at)
            .is_some_and(|burst| matches!(burst.state, State::Halted { .. }))
    }

    /// Whatever comes of it is taken until then. False: it is not halted.
    pub fn go_on(&mut self, at: &TopicPartition, until_ms: u64) -> bool {
        match self.of.get_mut(at) {
            Some(burst) if matches!(burst.state, State::Halted { .. }) => {
                burst.bad.clear();
                burst.state = State::Free { until_ms };
                true
            }
            _ => false,
        }
    }

    /// The client reads these again, from whatever place.
    pub fn flows<'a>(&mut self, partitions: impl Iterator<Item = &'a TopicPartition>) {
        for at in partitions {
            if let Some(Burst {
                state: State::Halted { stopped, .. },
                ..
            }) = self.of.get_mut(at)
            {
                *stopped = false;
            }
        }
    }

    /// Another process may own it from now on. True: it was halted.
    pub fn forget(&mut self, at: &TopicPartition) -> bool {
        let was_halted = self.is_halted(at);
        self.of.remove(at);
        was_halted
    }
}

impl Burst {
    fn take(&mut self, offset: i64, is_bad: bool, limit: Limit, now_ms: u64) -> Taking {
        match self.state {
            State::Halted { from, .. } if offset < from => return Taking::Take,
            State::Halted { stopped: true, .. } => return Taking::Leave,
            State::Halted { from, stopped: false } => {
                self.state = State::Halted { from, stopped: true };
                return Taking::Halt;
            }
            State::Free { until_ms } if now_ms < until_ms => {
                self.next = self.next.max(offset + 1);
                return Taking::Take;
            }
            State::Free { .. } => self.state = State::Open,
            State::Open => {}
        }
        // Read again after a doubt: it was counted before.
        if offset < self.next {
            return Taking::Take;
        }
        self.count(limit);
        if is_bad && limit.is_passed(self.bad.len() + 1) {
            self.state = State::Halted {
                from: offset,
                stopped: true,
            };
            return Taking::Halt;
        }
        self.next = offset + 1;
        if is_bad {
            self.bad.push_back(self.seen);
        }
        Taking::Take
    }

    fn count(&mut self, limit: Limit) {
        self.seen += 1;
        let records = limit.records as u64;
        while self.bad.front().is_some_and(|place| place + records <= self.seen) {
            self.bad.pop_front();
        }
    }

    fn turned_out_bad(&mut self, next: i64, limit: Limit, now_ms: u64) -> bool {
        let is_open = match self.state {
            State::Open => true,
            State::Free { until_ms } => now_ms >= until_ms,
            State::Halted { .. } => false,
        };
        if !is_open {
            return false;
        }
        self.bad.push_back(self.seen);
        let is_passed = limit.is_passed(self.bad.len());
        self.state = if is_passed {
            State::Halted {
                from: next,
                stopped: true,
            }
        } else {
            State::Open
        };
        self.next = self.next.max(next);
        is_passed
    }

    /// Nothing of it counts any more.
    fn is_over(&self) -> bool {
        self.state == State::Open && self.bad.is_empty()
    }
}

impl Core {
    /// Whether a record that was read is taken.
    pub(super) fn admits(&mut self, at: &TopicPartition, offset: i64, is_bad: bool) -> bool {
        // What was passed on was taken before.
        if *at.topic == *self.config.commands_topic {
            return true;
        }
        match self.bursts.take(at, offset, is_bad, self.now.steady_ms) {
            Taking::Take => true,
            Taking::Leave => false,
            Taking::Halt => {
                self.halt(at, offset);
                false
            }
        }
    }

    /// Records of a batch that is committed were bad, though they could be read.
    pub(super) fn turned_out_bad(&mut self, bad: Vec<TopicPartition>) {
        let bad = bad.into_iter().filter(|at| *at.topic != *self.config.commands_topic);
        for at in bad.collect::<Vec<_>>() {
            let Some(next) = self.next_of(&at) else { continue };
            if self.bursts.turned_out_bad(&at, next, self.now.steady_ms) {
                self.halt(&at, next);
            }
        }
    }

    fn halt(&mut self, at: &TopicPartition, offset: i64) {
        self.actions.push(Action::Pause(vec![at.clone()]));
        let Limit { records, percent } = self.config.burst;
        let why = format!(
            "over {percent} in 100 of its last {records} records were bad, so it is not read on from offset {offset}: \
             see `chatroom-router dead-letters list`, then say `chatroom-router dead-letters go-on`"
        );
        self.report(Report::Halted {
            at: at.clone(),
            offset,
            why,
        });
    }

    /// An operator said it. Whatever comes of that partition is taken for so long; then it is counted from nothing.
    pub(super) fn went_on(&mut self, at: &TopicPartition, for_ms: u64) {
        if !self.bursts.go_on(at, self.now.steady_ms.saturating_add(for_ms)) {
            return;
        }
        let task = self
            .owner(&at.topic, at.partition)
            .and_then(|task| self.tasks.get(&task));
        // What the client does not hold by now is read from its place anyway once it does.
        let is_held = task.is_some_and(|task| !task.closing && task.held.contains(at));
        if let Some(next) = self.next_of(at).filter(|_| is_held) {
            self.actions.push(Action::Resume(vec![(at.clone(), next)]));
        }
        self.report(Report::HaltOver { at: at.clone() });
    }

    /// These go to another process, which counts from nothing.
    pub(super) fn forget_bursts(&mut self, partitions: &[TopicPartition]) {
        for at in partitions {
            if self.bursts.forget(at) {
                self.report(Report::HaltOver { at: at.clone() });
            }
        }
    }

    /// The next offset to collect.
    fn next_of(&self, at: &TopicPartition) -> Option<i64> {
        let partition = self.owner(&at.topic, at.partition)?;
        let running = self.tasks.get(&partition)?.running()?;
        running.collected.get(at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit {
        records: 10,
        percent: 50,
    };

    fn at() -> TopicPartition {
        TopicPartition::new("in", 3)
    }

    /// Takes these from that offset on: `b` is a bad record. Gives back what became of each.
    fn taken(bursts: &mut Bursts, from: i64, records: &str) -> Vec<Taking> {
        let records = records.chars().zip(from..);
        records
            .map(|(record, offset)| bursts.take(&at(), offset, record == 'b', 0))
            .collect()
    }

    /// The place of the record that its partition is halted before.
    fn halted_at(records: &str) -> Option<usize> {
        taken(&mut Bursts::new(LIMIT), 0, records)
            .iter()
            .position(|taking| *taking == Taking::Halt)
    }

    #[test]
    fn one_bad_record_too_many_halts_its_partition() {
        let rows = [
            ("bbbbb", None),
            ("bbbbbb", Some(5)),
            ("bbbbbggggb", Some(9)),
            ("bgbgbgbgbgbgbgbg", None),
            ("bgbgbgbgbgbbgb", Some(11)),
            ("bbbbbgggggbbbbb", None),
            ("gggggggggggggggggggggggbbbbbb", Some(28)),
        ];
        for (records, expected) in rows {
            assert_eq!(halted_at(records), expected, "{records}");
        }
    }

    #[test]
    fn what_stands_behind_it_is_left_and_what_stands_before_is_taken_again() {
        let mut bursts = Bursts::new(LIMIT);
        assert_eq!(taken(&mut bursts, 0, "bbbbbb")[5], Taking::Halt);
        assert!(bursts.is_halted(&at()));
        assert_eq!(taken(&mut bursts, 6, "gb"), [Taking::Leave; 2]);
        // A doubt: the task reads again from what is committed.
        bursts.flows([&at()].into_iter());
        assert_eq!(taken(&mut bursts, 3, "bb"), [Taking::Take; 2]);
        assert_eq!(taken(&mut bursts, 5, "bg"), [Taking::Halt, Taking::Leave]);
        assert!(bursts.forget(&at()));
        assert!(!bursts.is_halted(&at()));
    }

    #[test]
    fn records_that_are_read_again_are_counted_once() {
        let mut bursts = Bursts::new(LIMIT);
        for _ in 0..5 {
            assert_eq!(taken(&mut bursts, 0, "bbbb"), [Taking::Take; 4]);
        }
        let mut bursts = Bursts::new(LIMIT);
        assert!(!bursts.turned_out_bad(&at(), 20, 0));
        taken(&mut bursts, 0, "gggggggggggggggggggg");
        assert_eq!(taken(&mut bursts, 20, "bbbbb")[4], Taking::Halt, "none pushed it out");
    }

    #[test]
    fn go_on_takes_all_for_a_while_then_counts_from_nothing() {
        let mut bursts = Bursts::new(LIMIT);
        assert!(!bursts.go_on(&at(), 100), "it is not halted");
        taken(&mut bursts, 0, "bbbbbb");
        assert!(bursts.go_on(&at(), 100));
        for offset in 5..50 {
            assert_eq!(bursts.take(&at(), offset, true, 99), Taking::Take);
        }
        let later: Vec<Taking> = (50..56).map(|offset| bursts.take(&at(), offset, true, 100)).collect();
        assert_eq!(later[..5], [Taking::Take; 5]);
        assert_eq!(later[5], Taking::Halt);
    }

    #[test]
    fn what_turns_out_bad_when_it_is_judged_counts_too() {
        let mut bursts = Bursts::new(LIMIT);
        taken(&mut bursts, 0, "bbb");
        assert!(!bursts.turned_out_bad(&at(), 20, 0));
        assert!(!bursts.turned_out_bad(&at(), 20, 0));
        assert!(bursts.turned_out_bad(&at(), 20, 0));
        assert_eq!(bursts.take(&at(), 19, false, 0), Taking::Take);
        assert_eq!(bursts.take(&at(), 20, false, 0), Taking::Leave);
    }

    #[test]
    fn a_hundred_percent_is_no_limit_and_good_records_leave_no_trace() {
        let off = Limit { percent: 100, ..LIMIT };
        let mut bursts = Bursts::new(off);
        for offset in 0..100 {
            assert_eq!(bursts.take(&at(), offset, true, 0), Taking::Take);
        }
        let mut bursts = Bursts::new(LIMIT);
        taken(&mut bursts, 0, "bgggggggggg");
        assert!(bursts.of.is_empty());
    }
}
