//! How far timers may be fired: never ahead of the task's own input, nor of what the whole group has yet to read.

use super::core::Core;
use super::pending::Item;
use super::task::{Running, Task};
use super::{Action, DueEntries, DueQuestion, Life, Unanswered};
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
    /// What is being searched.
    pub searching: Option<Search>,
    /// Something was judged at an instant that was taken for swept, and no search began since the index has it: the next
    /// leaves nothing out.
    late: bool,
    /// The settings that the last search was made by: by others, what was due before may have changed.
    settings: i64,
    /// Stream time, and of what it is: the sequence of the last progress record.
    stream: Option<(u64, Option<Instant>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Search {
    pub horizon: Instant,
    /// Members already looked at. The index forgets those that fired, so a search of more than one page may leave some out,
    /// and is made again.
    pub skip: usize,
}

impl Sweeper {
    /// The horizon of a search that is worth making now. What the index does not hold yet, it can't find.
    #[must_use]
    pub fn worth(&mut self, horizon: Option<Instant>, settings: i64, index_holds_all: bool) -> Option<Instant> {
        let horizon = horizon?;
        if self.searching.is_some() {
            return None;
        }
        if self.settings != settings {
            self.settings = settings;
            self.swept_to = None;
        }
        let moved = |swept: Instant| u64::try_from(STEP_MS).is_ok_and(|step| horizon.0.abs_diff(swept.0) >= step);
        let is_worth = self.swept_to.is_none_or(moved);
        // One that went back, as after a clock that was ahead, says nothing of what began since.
        let is_back = self.swept_to > Some(horizon);
        if is_worth && (self.late || is_back) {
            self.swept_to = None;
            self.late &= !index_holds_all;
        }
        is_worth.then_some(horizon)
    }

    /// A record was judged at that instant. What it started may have been due by days that are no longer in force.
    pub fn judged(&mut self, at: Instant) {
        let searched = self.searching.map(|search| search.horizon);
        self.late |= searched.max(self.swept_to).is_some_and(|swept| at <= swept);
    }

    /// A page of the search is committed: what is to be searched next, if anything.
    pub fn swept(&mut self, whole: bool) -> Option<Search> {
        let Search { horizon, skip } = self.searching.take()?;
        if !whole {
            self.searching = Some(Search {
                horizon,
                skip: skip + FOUND_AT_ONCE,
            });
        } else if skip == 0 {
            self.swept_to = Some(horizon);
        }
        self.searching
    }
}

/// Up to where timers may be fired: the later of stream time less the grace and the group's clock horizon. An input that gave
/// nothing yet holds stream time back; the clock is for those.
#[must_use]
pub fn horizon(stream_time: Option<Instant>, grace_ms: i64, clock: Option<Instant>) -> Option<Instant> {
    stream_time.map(|at| at.plus(-grace_ms)).max(clock)
}

/// It moves with the progress record, since other inputs are another life's: asked for at every tick, it is worked out when that
/// has changed.
fn stream_time(running: &mut Running) -> Option<Instant> {
    let sequence = running.progress.sequence;
    if let Some((_, at)) = running.sweep.stream.filter(|(of, _)| *of == sequence) {
        return at;
    }
    let at = running.stream_time();
    running.sweep.stream = Some((sequence, at));
    at
}

impl Core {
    /// Asks the index which entries may have timers due, for each task whose horizon has moved.
    pub(super) fn search_due(&mut self) {
        self.keep_settings_fresh();
        let Some(settings) = self.settings.clone() else { return };
        let (grace_ms, clock) = (self.config.grace_ms, self.clock);
        let mut searches = Vec::new();
        for task in self.tasks.values_mut().filter(|task| !task.closing) {
            let life = task.life;
            let Some(running) = task.running_mut() else { continue };
            let horizon = horizon(stream_time(running), grace_ms, clock);
            let index_holds_all = running.overlay.acknowledged() == running.overlay.committed();
            let version = settings.next_offset();
            if let Some(horizon) = running.sweep.worth(horizon, version, index_holds_all) {
                running.sweep.searching = Some(Search { horizon, skip: 0 });
                searches.push(life);
            }
        }
        searches.into_iter().for_each(|life| self.search(life));
    }

    /// The next page of a task's search.
    fn search(&mut self, life: Life) {
        let Some(settings) = self.settings.clone() else { return };
        let Some(running) = self.tasks.get_mut(&life.partition).and_then(Task::running_mut) else {
            return;
        };
        let Some(Search { horizon, skip }) = running.sweep.searching else {
            return;
        };
        let cutoffs = judging::sweep_cutoffs(&settings, horizon, running.sweep.swept_to);
        if cutoffs.is_empty() {
            running.sweep.swept(true);
            return;
        }
        let of = running.of;
        let question = DueQuestion {
            life,
            of,
            cutoffs,
            skip,
            limit: FOUND_AT_ONCE,
        };
        self.actions.push(Action::FindDue(question));
    }

    /// The values of entries that may be due: each is judged like a record, in order with those that are collected.
    pub(super) fn due(&mut self, life: Life, due: Result<Read<DueEntries>, Unanswered>) {
        let steady_ms = self.now.steady_ms;
        let task = self
            .tasks
            .get_mut(&life.partition)
            .filter(|task| task.life == life && !task.closing);
        let Some(running) = task.and_then(Task::running_mut) else {
            return;
        };
        let Some(Search { horizon, .. }) = running.sweep.searching else {
            return;
        };
        let found = match due {
            Err(Unanswered::Unavailable) => return running.sweep.searching = None,
            Err(Unanswered::Unreadable(what)) => return self.unreadable(life.partition, &what),
            Ok(Read::Foreign(_)) => return self.doubt(life.partition, "index_foreign"),
            Ok(Read::Found { value, .. }) => value,
        };
        if found.values.is_empty() && found.whole {
            running.sweep.swept(true);
            return;
        }
        for value in found.values {
            if let Some(prepared) = judging::prepare_sweep(&value, &running.facts, horizon) {
                self.pending.push(Item::Sweep(life, Box::new(prepared)), steady_ms);
            }
        }
        self.pending.push(
            Item::Swept {
                life,
                whole: found.whole,
            },
            steady_ms,
        );
    }

    /// A page of the sweep is committed.
    pub(super) fn swept(&mut self, life: Life, whole: bool) {
        let task = self.tasks.get_mut(&life.partition).filter(|task| task.life == life);
        let Some(running) = task.and_then(Task::running_mut) else {
            return;
        };
        if running.sweep.swept(whole).is_some() {
            self.search(life);
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
        assert_eq!(sweeper.worth(Some(Instant(10)), 0, true), Some(Instant(10)));
        sweeper.searching = Some(Search {
            horizon: Instant(10),
            skip: 0,
        });
        assert_eq!(sweeper.worth(Some(Instant(90_000)), 0, true), None);
        assert_eq!(sweeper.swept(true), None);
        assert_eq!(sweeper.worth(Some(Instant(500)), 0, true), None);
        assert_eq!(sweeper.worth(Some(Instant(1_010)), 0, true), Some(Instant(1_010)));
    }

    #[test]
    fn a_horizon_that_was_told_by_a_clock_that_was_ahead_is_searched_again_once_the_clock_is_right() {
        let ahead = Instant(864_000_000);
        let mut sweeper = Sweeper {
            swept_to: Some(ahead),
            ..Sweeper::default()
        };
        assert_eq!(
            sweeper.worth(Some(Instant(ahead.0 - 10)), 0, true),
            None,
            "clocks tremble"
        );
        assert_eq!(sweeper.worth(Some(Instant(5_000)), 0, true), Some(Instant(5_000)));
        assert_eq!(sweeper.swept_to, None, "nothing is left out");
    }

    #[test]
    fn other_settings_make_all_be_searched_again() {
        let mut sweeper = Sweeper {
            swept_to: Some(Instant(10)),
            ..Sweeper::default()
        };
        assert_eq!(sweeper.worth(Some(Instant(11)), 0, true), None);
        assert_eq!(sweeper.worth(Some(Instant(11)), 1, true), Some(Instant(11)));
        assert_eq!(sweeper.swept_to, None);
    }

    #[test]
    fn what_was_judged_late_is_searched_for_until_the_index_holds_it() {
        let mut sweeper = Sweeper {
            swept_to: Some(Instant(10)),
            ..Sweeper::default()
        };
        sweeper.judged(Instant(10));
        for (horizon, index_holds_all, leaves_nothing_out) in
            [(2_000, false, true), (4_000, true, true), (6_000, true, false)]
        {
            let horizon = Instant(horizon);
            assert_eq!(sweeper.worth(Some(horizon), 0, index_holds_all), Some(horizon));
            assert_eq!(
                sweeper.swept_to.is_none(),
                leaves_nothing_out,
                "searched up to {horizon:?}"
            );
            sweeper.searching = Some(Search { horizon, skip: 0 });
            assert_eq!(sweeper.swept(true), None);
        }
    }

    #[test]
    fn what_is_judged_while_its_instant_is_searched_is_late_for_that_search() {
        let mut sweeper = Sweeper {
            searching: Some(Search {
                horizon: Instant(10),
                skip: 0,
            }),
            ..Sweeper::default()
        };
        sweeper.judged(Instant(9));
        assert_eq!(sweeper.swept(true), None);
        assert_eq!(sweeper.worth(Some(Instant(2_000)), 0, true), Some(Instant(2_000)));
        assert_eq!(sweeper.swept_to, None, "nothing is left out");
    }

    #[test]
    fn a_search_of_more_than_one_page_is_made_again() {
        let first = Search {
            horizon: Instant(10),
            skip: 0,
        };
        let mut sweeper = Sweeper {
            searching: Some(first),
            ..Sweeper::default()
        };
        assert_eq!(
            sweeper.swept(false),
            Some(Search {
                skip: FOUND_AT_ONCE,
                ..first
            })
        );
        assert_eq!(sweeper.swept(true), None);
        assert_eq!(sweeper.swept_to, None);
    }
}
