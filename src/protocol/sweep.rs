//! How far timers may be fired: never ahead of the task's own input, nor of what the whole group has yet to read.

use super::batch::Item;
use super::core::Core;
use super::task::Task;
use super::{Action, Life};
use crate::domain::time::{Instant, SECOND_MS};
use crate::index::Read;
use crate::judging;

/// A horizon that moved by less is not worth a search.
const STEP_MS: i64 = SECOND_MS;

/// Entries of one search, of each clock; the rest are found by the next.
const FOUND_AT_ONCE: usize = 1_000;

/// The sweep of one task.
#[derive(Debug, Default)]
pub struct Sweeper {
    /// All that was due by then has been fired in this life of the task; None: nothing was searched yet.
    pub swept_to: Option<Instant>,
    /// A search is under way, up to there.
    pub searching: Option<Instant>,
    /// The settings of the search, and those under which `swept_to` was reached: the offset after their last record.
    searching_under: i64,
    swept_under: i64,
}

impl Sweeper {
    /// The horizon of a search that is worth making now.
    #[must_use]
    pub fn worth(&self, horizon: Option<Instant>) -> Option<Instant> {
        let horizon = horizon?;
        let fresh = self.swept_to.is_none_or(|swept| horizon.0 - swept.0 >= STEP_MS);
        (self.searching.is_none() && fresh).then_some(horizon)
    }
}

/// Up to where timers may be fired: the later of stream time less the grace and the group's clock horizon. An input that gave
/// nothing yet holds stream time back; the clock is for those.
#[must_use]
pub fn horizon(stream_time: Option<Instant>, grace_ms: i64, clock: Option<Instant>) -> Option<Instant> {
    stream_time.map(|at| at.plus(-grace_ms)).max(clock)
}

impl Core {
    /// Asks the index which entries may have timers due, for each task whose horizon has moved.
    pub(super) fn search_due(&mut self) {
        let Some(settings) = self.settings.clone() else { return };
        let (grace_ms, clock) = (self.config.grace_ms, self.clock);
        for task in self.tasks.values_mut().filter(|task| !task.closing) {
            let life = task.life;
            let Some(running) = task.running_mut() else { continue };
            let horizon = horizon(running.stream_time(), grace_ms, clock);
            let Some(horizon) = running.sweep.worth(horizon) else {
                continue;
            };
            let under = settings.next_offset();
            // What a change made due before the horizon was not due when the sweep passed it.
            let swept_to = running.sweep.swept_to.filter(|_| running.sweep.swept_under == under);
            let cutoffs = judging::sweep_cutoffs(&settings, horizon, swept_to);
            if cutoffs.is_empty() {
                (running.sweep.swept_to, running.sweep.swept_under) = (Some(horizon), under);
                continue;
            }
            (running.sweep.searching, running.sweep.searching_under) = (Some(horizon), under);
            self.actions.push(Action::FindDue {
                life,
                of: running.of,
                cutoffs,
                limit: FOUND_AT_ONCE,
            });
        }
    }

    /// The values of entries that may be due: each is judged like a record, in order with those that are collected.
    pub(super) fn due(&mut self, life: Life, due: Option<Read<Vec<Vec<u8>>>>) {
        let steady_ms = self.now.steady_ms;
        let Some(task) = self
            .tasks
            .get_mut(&life.partition)
            .filter(|task| task.life == life && !task.closing)
        else {
            return;
        };
        let Some(running) = task.running_mut() else { return };
        let Some(horizon) = running.sweep.searching else { return };
        let values = match due {
            None => return running.sweep.searching = None,
            Some(Read::Foreign(_)) => return self.doubt(life.partition, "index_foreign"),
            Some(Read::Found { value, .. }) => value,
        };
        let whole = values.len() < FOUND_AT_ONCE;
        for value in values {
            if let Some(prepared) = judging::prepare_sweep(&value, &running.facts, horizon) {
                self.pending.push(Item::Sweep(life, Box::new(prepared)), steady_ms);
            }
        }
        self.pending.push(Item::Swept { life, horizon, whole }, steady_ms);
    }

    /// The sweep up to there is committed.
    pub(super) fn swept(&mut self, life: Life, horizon: Instant, whole: bool) {
        let task = self.tasks.get_mut(&life.partition).filter(|task| task.life == life);
        let Some(running) = task.and_then(Task::running_mut) else {
            return;
        };
        running.sweep.searching = None;
        if whole {
            (running.sweep.swept_to, running.sweep.swept_under) = (Some(horizon), running.sweep.searching_under);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_horizon_is_the_later_of_stream_time_less_the_grace_and_the_clock() {
        assert_eq!(horizon(None, 1_000, None), None);
        assert_eq!(horizon(Some(Instant(3_000)), 1_000, None), Some(Instant(2_000)));
        assert_eq!(
            horizon(Some(Instant(3_000)), 1_000, Some(Instant(9_000))),
            Some(Instant(9_000))
        );
    }

    #[test]
    fn a_search_is_made_once_per_step_and_never_twice_at_once() {
        let mut sweeper = Sweeper::default();
        assert_eq!(sweeper.worth(Some(Instant(10))), Some(Instant(10)));
        sweeper.searching = Some(Instant(10));
        assert_eq!(sweeper.worth(Some(Instant(90_000))), None);
        sweeper.searching = None;
        sweeper.swept_to = Some(Instant(10));
        assert_eq!(sweeper.worth(Some(Instant(500))), None);
        assert_eq!(sweeper.worth(Some(Instant(1_010))), Some(Instant(1_010)));
    }
}
