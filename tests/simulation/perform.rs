//! What becomes of each action of the protocol: against the models at once, later, or not at all.

use crate::membership::Awaiting;
use crate::process::{Flow, Pid, Process};
use crate::sabotage::Sabotage;
use crate::world::{Happening, World};
use chatroom_router::contract::TopicKind;
use chatroom_router::index::{Applied, Batch, Generation, Marker, Read};
use chatroom_router::kafka::TopicPartition;
use chatroom_router::protocol::{Action, DueQuestion, Event, Life, Partition, Report, Unanswered};

/// Settings that can't be read whole for so long are given up.
const SETTINGS_MS: u64 = 15_000;

impl Process {
    /// Performs one action; gives back how long that takes. What blocks is put back, to be tried again.
    pub fn perform(&mut self, action: Action, world: &mut World) -> u64 {
        world.say(|| format!("[{}]   {}", self.pid, crate::trace::action(&action)));
        world.actions += 1;
        let moves_flows = matches!(
            action,
            Action::Assign(_) | Action::Unassign(_) | Action::Resume(_) | Action::Pause(_) | Action::Unpause(_)
        );
        if moves_flows {
            self.exhausted = None;
        }
        match action {
            // Nobody waits for an answer of a client that is fenced, nor does it hold anything.
            Action::Assign(_) | Action::Unassign(_) if self.renewal.is_wanted() => {}
            Action::Assign(from) => {
                assert!(
                    !self.owes_an_unassign(),
                    "[{}] assigns {from:?} while a revocation is open",
                    self.pid
                );
                self.member.assigned();
                self.assign(&from, world);
            }
            Action::Unassign(partitions) => self.unassign(&partitions, world),
            Action::Resume(at) => self.resume(&at, world),
            Action::Pause(partitions) if world.without(Sabotage::PausedByUnassign) => {
                self.flows.retain(|at, _| !partitions.contains(at));
                if matches!(self.member.awaiting, Awaiting::Unassign { .. }) {
                    self.member.unassigned(world.shared.topic(TopicKind::RouterCommands));
                }
            }
            Action::Pause(partitions) => self.flow(&partitions, true),
            Action::Unpause(partitions) => self.flow(&partitions, false),
            Action::Recover(life, question) => {
                let ms = world.latency() * world.setup.recovery;
                world.after(ms, Happening::Recovery(self.pid, life, question));
            }
            Action::Read { life, of, keys } => {
                let ms = world.latency();
                world.after(ms, Happening::Read(self.pid, life, of, keys));
            }
            Action::Apply { life, of, batch } => {
                self.check_claim(&batch, world);
                let ms = world.latency();
                world.after(ms, Happening::Apply(self.pid, life, of, batch));
            }
            Action::FindDue(question) => {
                world.oracle.may_sweep(self, question.life, &world.horizons);
                let ms = world.latency();
                world.after(ms, Happening::FindDue(self.pid, question));
            }
            Action::SweepForeign(partition) => world.sweep_foreign(partition),
            Action::Fail(why) => panic!("[{}] ends, and nothing called for it: {why}", self.pid),
            Action::SyncSettings(question) => {
                self.asking.waiting.push(question);
                if !self.asking.busy {
                    self.asking.busy = true;
                    let ms = world.latency();
                    world.after(ms, Happening::SettingsThread(self.pid));
                }
            }
            Action::Transaction(step) => return self.transact(step, world),
            Action::Report(report) => self.reported(&report, world),
        }
        0
    }

    fn reported(&mut self, report: &Report, world: &mut World) {
        match report {
            Report::Stopped { partition, why } => world.stopped(self.pid, *partition, why),
            Report::Halted { at, offset, .. } => {
                assert!(
                    at.topic != self.core.config.commands_topic,
                    "[{}] {at} is halted, though what was passed on was taken before",
                    self.pid
                );
                self.halted.insert(at.clone(), *offset);
                world.halted(at);
            }
            Report::HaltOver { at } => drop(self.halted.remove(at)),
            _ => {}
        }
        world.oracle.reported(report);
    }

    fn assign(&mut self, from: &[(TopicPartition, i64)], world: &World) {
        for (at, offset) in from {
            let end = world.kafka.log(at).high();
            let flow = Flow::at(if world.without(Sabotage::ResumeWithoutSeek) {
                end
            } else {
                *offset
            });
            let twice = self.flows.insert(at.clone(), flow).is_some();
            assert!(
                !twice || world.without(Sabotage::LostIsNotTold),
                "{at} is assigned twice"
            );
        }
    }

    fn unassign(&mut self, partitions: &[TopicPartition], world: &World) {
        assert!(
            partitions.iter().all(|at| self.flows.contains_key(at)),
            "[{}] lets go of what it does not hold: {partitions:?}",
            self.pid
        );
        self.flows.retain(|at, _| !partitions.contains(at));
        if !world.without(Sabotage::RevokedLetGoAtOnce) {
            self.member.unassigned(world.shared.topic(TopicKind::RouterCommands));
        }
    }

    /// Others read up to when an index holds all: that can't be later than now.
    fn check_claim(&self, batch: &Batch, world: &World) {
        assert!(
            batch.applied_until.is_none_or(|until| until <= world.wall().0),
            "[{}] an index is said to hold what is yet to come",
            self.pid
        );
    }

    fn resume(&mut self, at: &[(TopicPartition, i64)], world: &mut World) {
        let known = at.iter().all(|(at, _)| self.flows.contains_key(at));
        if !known || world.flaky() {
            return self.events.push_back(Event::SeekFailed(at[0].0.clone()));
        }
        for (at, offset) in at {
            self.flows.insert(at.clone(), Flow::at(*offset));
        }
    }

    fn flow(&mut self, partitions: &[TopicPartition], paused: bool) {
        for at in partitions {
            if let Some(flow) = self.flows.get_mut(at) {
                flow.paused = paused;
            }
        }
    }
}

impl Process {
    /// Makes an answer look as if it were that of the right build, at the right marker.
    fn spoil(&self, life: Life, values: &mut Read<Vec<Option<Vec<u8>>>>, keys: &[Vec<u8>], world: &World) {
        let running = self
            .core
            .tasks()
            .find(|task| task.life == life)
            .and_then(|task| task.running());
        let Some(running) = running else { return };
        let marker = Marker {
            of: running.of,
            offset: running.overlay.acknowledged(),
            begun_at: 0,
            applied_until: None,
        };
        match values {
            Read::Found { marker: seen, .. } if world.without(Sabotage::ReadWithoutMarker) => *seen = marker,
            Read::Foreign(other) if world.without(Sabotage::ReadOfAnyBuild) => {
                let found = other.map(|other| world.redis.read(life.partition, &other.of, keys));
                let value = match found {
                    Some(Read::Found { value, .. }) => value,
                    _ => vec![None; keys.len()],
                };
                *values = Read::Found { marker, value };
            }
            _ => {}
        }
    }
}

impl World {
    pub fn index_is_down(&self, partition: Partition) -> bool {
        let away_until = self.redis.away_until.get(&partition).copied();
        self.redis.down_until.max(away_until.unwrap_or(0)) > self.now
    }

    /// Why a call for this build has no answer, if that is for what stands there.
    pub fn unreadable(&self, partition: Partition, of: &Generation) -> Option<Unanswered> {
        if self.redis.is_readable(partition, of) {
            return None;
        }
        Some(match self.without(Sabotage::UnreadableAskedAgain) {
            true => Unanswered::Unavailable,
            false => Unanswered::Unreadable("it is not ours".to_owned()),
        })
    }

    /// Why a question about this build has no answer, if it has none.
    fn unanswered(&mut self, partition: Partition, of: &Generation) -> Option<Unanswered> {
        if self.index_is_down(partition) || self.flaky() {
            return Some(Unanswered::Unavailable);
        }
        self.unreadable(partition, of)
    }

    /// Of builds that are given up the index in memory keeps nothing: there is something to sweep only for a script that does not
    /// ask the marker, and comes after another build was begun.
    fn sweep_foreign(&mut self, partition: Partition) {
        let marker = self.redis.marker(partition);
        if let Some(marker) = marker.filter(|_| self.without(Sabotage::SweptUnasked)) {
            let ms = self.rng.pick(&[5, 500, 20_000]);
            self.after(ms, Happening::Sweep(partition, marker.of));
        }
    }

    /// Runs the script, and looks that the index isn't ahead of the log.
    pub fn apply_now(&mut self, partition: Partition, of: &Generation, batch: &Batch) -> Applied {
        let mut batch = batch.clone();
        let marker = self
            .redis
            .marker(partition)
            .filter(|_| self.without(Sabotage::ApplyWithoutCompare));
        batch.from = marker.map_or(batch.from, |marker| batch.from.min(marker.offset));
        if self.without(Sabotage::AppliedAgain) {
            self.redis.apply_again(partition, of, &batch);
        }
        let applied = self.redis.apply(partition, of, &batch);
        let changelog = TopicPartition::new(self.shared.topic(TopicKind::RouterChangelog).clone(), partition);
        let high = self.kafka.log(&changelog).high();
        if let Some(marker) = self.redis.marker(partition).filter(|_| !self.is_ahead(partition)) {
            assert!(
                marker.offset <= high,
                "the index of {changelog} stands at {}, the log at {high}",
                marker.offset
            );
        }
        applied
    }

    /// What the script came to, as the caller sees it. None: no reply, whatever was done.
    pub fn apply_flaky(&mut self, partition: Partition, of: &Generation, batch: &Batch) -> Option<Applied> {
        if self.index_is_down(partition) {
            return None;
        }
        if !self.flaky() {
            return Some(self.apply_now(partition, of, batch));
        }
        match self.rng.below(5) {
            0 => None,
            1 => {
                self.apply_now(partition, of, batch);
                None
            }
            2 => {
                let ms = self.rng.between(5, 20_000);
                self.after(ms, Happening::LateApply(partition, *of, batch.clone()));
                None
            }
            3 => {
                let ms = self.rng.between(5, 20_000);
                self.after(ms, Happening::LateApply(partition, *of, batch.clone()));
                Some(self.apply_now(partition, of, batch))
            }
            _ => {
                let changes = self.rng.place(batch.changes.len() + 1);
                self.redis.apply_some(partition, of, batch, changes);
                None
            }
        }
    }

    /// A script that was sent arrives even if its sender is dead by now.
    pub fn apply(&mut self, pid: Pid, life: Life, of: Generation, batch: Batch) {
        if batch.from == batch.to && self.without(Sabotage::IdleIndexUnwatched) {
            return self.after(1, Happening::Mail(pid, Event::Applied(life, Ok(Applied::Already))));
        }
        let applied = match self.unreadable(life.partition, &of) {
            Some(why) => Err(why),
            None => {
                let applied = self.apply_flaky(life.partition, &of, &batch);
                applied.ok_or(Unanswered::Unavailable)
            }
        };
        let ms = if applied.is_ok() {
            self.latency()
        } else {
            self.rng.between(50, 2_000)
        };
        self.after(ms, Happening::Mail(pid, Event::Applied(life, applied)));
    }

    /// The answer is of now, and is told later.
    pub fn read(&mut self, pid: Pid, life: Life, of: &Generation, keys: &[Vec<u8>]) {
        let unanswered = self.unanswered(life.partition, of);
        let mut values = self.redis.read(life.partition, of, keys);
        if let Some(process) = self.processes.get(&pid) {
            process.spoil(life, &mut values, keys, self);
        }
        let ms = self.latency();
        let values = unanswered.map_or(Ok(values), Err);
        self.after(ms, Happening::Mail(pid, Event::Values(life, values)));
    }

    pub fn find_due(&mut self, pid: Pid, question: &DueQuestion) {
        let unanswered = self.unanswered(question.life.partition, &question.of);
        let due = unanswered.map_or_else(|| Ok(self.redis.due_entries(question)), Err);
        let ms = self.latency();
        self.after(ms, Happening::Mail(pid, Event::Due(question.life, due)));
    }

    pub fn settings_log(&self) -> TopicPartition {
        TopicPartition::new(self.shared.topic(TopicKind::RouterSettings).clone(), 0)
    }

    /// How far who runs in that slot can read the accepted settings.
    pub fn settings_seen(&self, slot: usize) -> i64 {
        let stable = self.kafka.log(&self.settings_log()).stable();
        self.left_behind(slot).map_or(stable, |left| left.min(stable))
    }

    /// All who asked before the round began are answered by it, in their order.
    pub fn settings_thread(&mut self, pid: Pid) {
        let Some(slot) = self.processes.get(&pid).map(|process| process.slot) else {
            return;
        };
        let log = self.kafka.log(&self.settings_log());
        let left = self.left_behind(slot);
        let (low, high) = left.map_or((log.low(), log.high()), |end| (0, end));
        let stable = self.settings_seen(slot);
        let (now, failed) = (self.now, self.flaky());
        let Some(process) = self.processes.get_mut(&pid) else {
            return;
        };
        if process.is_frozen(now) {
            let ms = process.frozen_until - now;
            return self.after(ms, Happening::SettingsThread(pid));
        }
        let asking = &mut process.asking;
        let (questions, target, until) = match asking.round.take() {
            Some(round) => round,
            None if asking.waiting.is_empty() => return asking.busy = false,
            None => (std::mem::take(&mut asking.waiting), high, now + SETTINGS_MS),
        };
        if stable < target && now < until && !failed {
            asking.round = Some((questions, target, until));
            return self.after(20, Happening::SettingsThread(pid));
        }
        // Of what is gone before it was read, nothing is known: it begins anew.
        let failed = failed || asking.position < low;
        asking.position = asking.position.max(if failed { low } else { stable });
        let next = asking.position;
        let mut table = (stable >= target && !failed).then(|| self.table(next));
        if self.without(Sabotage::OlderSettings) {
            table = table.map(|_| self.older_table(next));
        }
        if self.without(Sabotage::SettingsFromMemory) && self.rng.chance(900) && self.spoilt.table.is_some() {
            table.clone_from(&self.spoilt.table);
        }
        self.spoilt.table.clone_from(&table);
        let ms = self.latency();
        for question in questions {
            self.after(ms, Happening::Mail(pid, Event::Settings(question, table.clone())));
        }
        self.after(ms, Happening::SettingsThread(pid));
    }
}
