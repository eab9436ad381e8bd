//! Between a task and its index: what is committed is applied, what is read is checked, and every doubt ends in recovery.

use super::core::Core;
use super::recovering::Around;
use super::task::{Phase, Stopped, Task};
use super::{Action, Life, Partition, RecoveryAnswer, Report, Unanswered, stops};
use crate::index::{Applied, Read};

/// An index to which nothing was applied is asked so often whether it still stands where it should.
const IDLE_APPLY_MS: u64 = 5_000;

/// An index that was built anew is readable for longer, or somebody else writes to it.
const UNREADABLE_AGAIN_MS: u64 = 600_000;

/// Why an answer can't be believed.
pub enum Doubt {
    Cause(&'static str),
    Unreadable,
}

impl Core {
    /// Stops a partition for what it met while it ran; `Stopped` says when it is looked at again.
    pub(super) fn stop(&mut self, partition: Partition, stopped: Stopped) {
        self.forget_collected(partition);
        let life = self.next_life(partition);
        let Some(task) = self.tasks.get_mut(&partition) else {
            return;
        };
        task.life = life;
        let why = stopped.why().to_owned();
        task.phase = Phase::Stopped(stopped);
        let held = task.held.clone();
        self.actions.push(Action::Pause(held));
        self.report(Report::Stopped { partition, why });
    }

    /// No index is believed while Redis may throw entries away, nor after it without being built anew: recovery finds out how
    /// Redis is set up by now.
    pub(super) fn index_unfit(&mut self) {
        let partitions: Vec<Partition> = self.tasks.keys().copied().collect();
        for partition in partitions {
            self.distrust(partition, "index_unfit");
        }
    }

    /// Whatever was found out about the index from outside: it is built anew at once, be it one that recovery is about to believe.
    pub(super) fn distrust(&mut self, partition: Partition, cause: &'static str) {
        let Some(task) = self.tasks.get_mut(&partition).filter(|task| !task.closing) else {
            return;
        };
        task.suspect = true;
        if !matches!(task.phase, Phase::Stopped(_)) {
            self.doubt(partition, cause);
        }
    }

    /// The one way of recovery: forget what is known of this partition and find it out again.
    pub(super) fn doubt(&mut self, partition: Partition, cause: &'static str) {
        self.forget_collected(partition);
        let life = self.next_life(partition);
        let Some(task) = self.tasks.get_mut(&partition) else {
            return;
        };
        if task.closing {
            task.phase = Phase::Stopped(Stopped::for_good(cause.to_owned()));
            return;
        }
        task.life = life;
        let held = task.held.clone();
        let recover = task.recover();
        self.actions.push(Action::Pause(held));
        self.report(Report::RecoveryBegun { partition, cause });
        self.actions.push(recover);
    }

    pub(super) fn doubt_all(&mut self, cause: &'static str) {
        let partitions: Vec<Partition> = self
            .tasks
            .values()
            .filter(|task| task.running().is_some())
            .map(|task| task.life.partition)
            .collect();
        for partition in partitions {
            self.doubt(partition, cause);
        }
    }

    pub(super) fn recovered(&mut self, life: Life, answer: RecoveryAnswer) {
        let Some(task) = self.tasks.get_mut(&life.partition).filter(|task| task.life == life) else {
            return;
        };
        let facts = |incarnation| (self.config.facts)(life.partition, incarnation);
        let mut around = Around {
            now_ms: self.now.wall.0,
            steady_ms: self.now.steady_ms,
            fresh_uuid: &mut *self.fresh_uuid,
            facts: &facts,
            settings: &self.config,
        };
        let actions = task.recovered(answer, &mut around);
        for action in &actions {
            if let Action::Resume(from) = action {
                self.bursts.flows(from.iter().map(|(at, _)| at));
            }
        }
        self.actions.extend(actions);
    }

    pub(super) fn applied(&mut self, life: Life, applied: Result<Applied, Unanswered>) {
        let Some(task) = self.tasks.get_mut(&life.partition).filter(|task| task.life == life) else {
            return;
        };
        let steady_ms = self.now.steady_ms;
        let Some(running) = task.running_mut() else { return };
        let Some(to) = running.applying.take() else { return };
        match applied {
            Ok(Applied::Applied | Applied::Already) => {
                running.apply_retry.succeeded();
                let astray = running.overlay.acknowledge(to, &mut running.cache).is_err();
                let behind = running.overlay.committed() - running.overlay.acknowledged();
                self.actions.push(Action::Report(Report::Overlay {
                    partition: life.partition,
                    behind,
                }));
                if astray {
                    self.doubt(life.partition, "index_ahead");
                }
            }
            Err(Unanswered::Unavailable) => running.apply_retry.failed(steady_ms),
            Err(Unanswered::Unreadable(what)) => self.unreadable(life.partition, &what),
            Ok(Applied::Gap(_)) => self.doubt(life.partition, "index_gap"),
            Ok(Applied::Foreign(_)) => self.doubt(life.partition, "index_foreign"),
        }
    }

    /// Sends what is committed and not applied, one call at a time and all of it: so that Redis is batched by its own pace.
    /// Where there is nothing to send, an empty stretch is sent now and then: it says up to when the index holds everything,
    /// and finds out that an idle partition's index was lost.
    pub(super) fn apply_committed(&mut self) {
        let (wall, steady_ms) = (self.now.wall.0, self.now.steady_ms);
        for task in self.tasks.values_mut() {
            let life = task.life;
            let Some(running) = task.running_mut() else { continue };
            let (from, to) = (running.overlay.acknowledged(), running.overlay.committed());
            let is_due = from < to || running.applied_ms + IDLE_APPLY_MS <= steady_ms;
            if !is_due || running.applying.is_some() || !running.apply_retry.is_due(steady_ms) {
                continue;
            }
            running.applying = Some(to);
            running.applied_ms = steady_ms;
            let batch = running.overlay.batch(Some(wall));
            self.actions.push(Action::Apply {
                life,
                of: running.of,
                batch,
            });
        }
    }

    pub(super) fn values(&mut self, life: Life, values: Result<Read<Vec<Option<Vec<u8>>>>, Unanswered>) {
        let task = self.tasks.get_mut(&life.partition).filter(|task| task.life == life);
        let Some(running) = task.and_then(Task::running_mut) else {
            return;
        };
        let doubt = match values {
            Err(Unanswered::Unavailable) => self.stage.read_failed(life.partition, self.now.steady_ms),
            Err(Unanswered::Unreadable(what)) => return self.unreadable(life.partition, &what),
            Ok(Read::Foreign(_)) => Err(Doubt::Cause("index_foreign")),
            Ok(Read::Found { marker, .. }) if marker.offset > running.overlay.committed() => {
                Err(Doubt::Cause("index_ahead"))
            }
            Ok(Read::Found { marker, value }) => {
                let answer = (marker.offset, value);
                self.stage.read_done(life.partition, answer, running)
            }
        };
        match doubt {
            Ok(()) => {}
            Err(Doubt::Cause(cause)) => self.doubt(life.partition, cause),
            Err(Doubt::Unreadable) => self.unreadable(life.partition, "a value can't be read"),
        }
    }

    /// What stands in an index is not ours: it is built anew, under keys that nobody has written yet. Where that doesn't help for
    /// long, somebody goes on writing there.
    pub(super) fn unreadable(&mut self, partition: Partition, what: &str) {
        let steady_ms = self.now.steady_ms;
        let Some(task) = self.tasks.get_mut(&partition).filter(|task| !task.closing) else {
            return;
        };
        let before = task.unreadable_ms.replace(steady_ms);
        if before.is_some_and(|before| steady_ms - before < UNREADABLE_AGAIN_MS) {
            task.suspect = true;
            let why = stops::unreadable_index(partition, what);
            return self.stop(partition, Stopped::running(why, steady_ms));
        }
        self.distrust(partition, "index_unreadable");
    }
}
