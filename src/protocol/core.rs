//! The worker's state: which event goes where. Holds no handle to anything outside; gives back actions in order.

use super::batch::Batch;
use super::burst::{Bursts, Limit};
use super::membership::is_settled;
use super::pending::{Item, Pending};
use super::rules::{Rule, Rules};
use super::settings::Lack;
use super::stage::Stage;
use super::stops;
use super::task::{Phase, Stopped, Task, Unreadable};
use super::{Action, Event, Life, Now, Partition, Report};
use crate::domain::time::Instant;
use crate::judging::{self, Facts, SettingsTable};
use crate::kafka::{Position, Record, TopicPartition};
use crate::state::progress::{Expected, Progress};
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// An idle task commits its positions again after so long.
const KEEP_MS: u64 = 12 * 3_600 * 1_000;

/// What a worker is told once.
pub struct Config {
    pub commands_topic: Arc<str>,
    pub changelog_topic: Arc<str>,
    pub max_records: usize,
    pub max_bytes: usize,
    pub linger_ms: u64,
    pub overlay_max_bytes: usize,
    pub cache_entries: usize,
    pub grace_ms: i64,
    pub close_ms: u64,
    /// More bad records halt a partition of an input.
    pub burst: Limit,
    /// Makes what judging needs to know of a partition from the incarnation of its changelog.
    pub facts: Box<dyn Fn(Partition, Uuid) -> Facts + Send>,
    /// Checks a progress record against this program: the sentence why it can't go on from it.
    pub expected: Expected,
    pub rules: Rules,
}

impl Config {
    pub fn accepts(&self, progress: &Progress) -> Result<(), String> {
        self.expected.check(progress).map_err(|error| error.to_string())
    }
}

pub struct Core {
    pub config: Config,
    pub(super) tasks: BTreeMap<Partition, Task>,
    pub(super) pending: Pending,
    pub(super) stage: Stage,
    pub(super) bursts: Bursts,
    pub(super) settings: Option<Arc<SettingsTable>>,
    /// Questions about the settings are numbered, so that an answer is known to be late.
    pub(super) settings_questions: u64,
    pub(super) settings_asked_ms: u64,
    pub(super) settings_lack: Lack,
    pub(super) clock: Option<Instant>,
    pub(super) now: Now,
    pub(super) actions: Vec<Action>,
    pub(super) counts: Vec<(Arc<str>, i32)>,
    epochs: u64,
    /// A revocation that is not answered yet.
    pub(super) closing: Option<u64>,
    paused: bool,
    draining: bool,
    pub(super) fresh_uuid: Box<dyn FnMut() -> Uuid + Send>,
}

impl Core {
    #[must_use]
    pub fn new(config: Config, now: Now, fresh_uuid: Box<dyn FnMut() -> Uuid + Send>) -> Self {
        Self {
            bursts: Bursts::new(config.burst),
            config,
            tasks: BTreeMap::new(),
            pending: Pending::default(),
            stage: Stage::Idle,
            settings: None,
            settings_questions: 0,
            settings_asked_ms: 0,
            settings_lack: Lack::default(),
            clock: None,
            now,
            actions: Vec::new(),
            counts: Vec::new(),
            epochs: 0,
            closing: None,
            paused: false,
            draining: false,
            fresh_uuid,
        }
    }

    /// Takes one event; the actions are to be performed in their order, each before the next event.
    pub fn handle(&mut self, event: Event, now: Now) -> Vec<Action> {
        self.now = now;
        let collects = matches!(event, Event::Record(_) | Event::EndReached(_));
        match event {
            Event::Rebalance(rebalance) => self.rebalance(rebalance),
            Event::Record(record) => self.record(record),
            Event::EndReached(at) => self.end_reached(at),
            Event::OutOfRange(at) => self.out_of_range(at),
            Event::InputCounts(counts) => self.input_counts(counts),
            // The last that was told, not the latest: a clock that was set right again is believed.
            Event::ClockHorizon(instant) => self.clock = Some(instant),
            Event::Recovered(life, answer) => self.recovered(life, answer),
            Event::Values(life, values) => self.values(life, values),
            Event::Applied(life, applied) => self.applied(life, applied),
            Event::Due(life, due) => self.due(life, due),
            Event::Settings(question, table) => self.settings_read(question, table),
            Event::SettingsUnreadable(what) => self.settings_unreadable(&what),
            Event::Transaction(answer) => self.transaction_answered(answer),
            Event::SeekFailed(at) => self.seek_failed(&at),
            Event::IndexDiffers(partition) => self.distrust(partition, "index_differs"),
            Event::IndexUnfit => self.index_unfit(),
            Event::GoOn(at, for_ms) => self.went_on(&at, for_ms),
            Event::Drain => self.draining = true,
            Event::Tick => self.tick(),
        }
        // A record alone is no reason to look at everything: the tick after it is, or that there are enough.
        if !collects || self.pending.is_enough(&self.config) {
            self.go_on();
        }
        std::mem::take(&mut self.actions)
    }

    /// Whether all is committed and applied that will be: the worker may leave. It waits for no other producer: whoever comes next
    /// learns from the log how the last one's transaction ended, if later, since the broker aborts what nobody ended in its time.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.draining && self.stage.is_at_rest() && self.tasks.values().all(is_settled)
    }

    /// Whether a batch is under way that waits for an answer from outside the worker's thread.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !matches!(self.stage, Stage::Idle)
    }

    /// Whether no batch is under way, and the next has room.
    #[must_use]
    pub fn is_collecting(&self) -> bool {
        matches!(self.stage, Stage::Idle) && self.has_room()
    }

    /// Whether the next batch has room.
    #[must_use]
    pub fn has_room(&self) -> bool {
        !self.pending.is_enough(&self.config)
    }

    /// How long a poll may wait before the batch that is collected must go.
    #[must_use]
    pub fn patience_ms(&self) -> u64 {
        self.pending.patience_ms(self.config.linger_ms, self.now.steady_ms)
    }

    /// Whether a task waits for an answer on its way to running.
    #[must_use]
    pub fn is_recovering(&self) -> bool {
        self.tasks
            .values()
            .any(|task| matches!(task.phase, Phase::Recovering(_)))
    }

    /// What is committed and not in the index yet, of all tasks.
    #[must_use]
    pub fn overlay_bytes(&self) -> usize {
        self.tasks
            .values()
            .filter_map(Task::running)
            .map(|running| running.overlay.bytes())
            .sum()
    }

    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values()
    }

    /// How far each task that runs has judged what was passed on to it, as its own progress record says.
    pub fn judged(&self) -> impl Iterator<Item = (Partition, i64)> {
        self.tasks.values().filter_map(|task| {
            let next = task.running()?.positions.get(&task.inputs[0])?;
            Some((task.life.partition, *next))
        })
    }

    pub(super) fn report(&mut self, report: Report) {
        self.actions.push(Action::Report(report));
    }

    /// The task that a partition of an input, or of `router-commands`, falls to.
    pub(super) fn owner(&self, topic: &str, partition: i32) -> Option<Partition> {
        let known = topic == &*self.config.commands_topic || self.counts.iter().any(|(name, _)| **name == *topic);
        known.then(|| partition.rem_euclid(self.config.expected.partitions.count()))
    }

    pub(super) fn next_life(&mut self, partition: Partition) -> Life {
        self.epochs += 1;
        Life {
            partition,
            epoch: self.epochs,
        }
    }

    fn record(&mut self, record: Record) {
        let now = self.now;
        let Some(partition) = self.owner(&record.at.topic, record.at.partition) else {
            return;
        };
        let Some(task) = self.tasks.get_mut(&partition).filter(|task| !task.closing) else {
            return;
        };
        let life = task.life;
        let Some(running) = task.running_mut() else { return };
        let (at, offset) = (record.at.topic_partition(), record.at.offset);
        let is_repeat = |expected: &i64| offset < *expected && self.config.rules.hold(Rule::RepeatsDropped);
        if running.collected.get(&at).is_none_or(is_repeat) || running.is_unreadable(&at) {
            return;
        }
        let prepared = match judging::prepare(record, &running.facts, now.wall) {
            Ok(prepared) => prepared,
            Err(why) => return self.met_unreadable(life, Unreadable { at, offset, why }),
        };
        if !self.admits(&at, offset, prepared.is_bad()) && self.config.rules.hold(Rule::HaltedLeft) {
            return;
        }
        let running = self.tasks.get_mut(&partition).and_then(Task::running_mut);
        if let Some(expected) = running.and_then(|running| running.collected.get_mut(&at)) {
            *expected = offset + 1;
        }
        self.pending.push(Item::Record(life, Box::new(prepared)), now.steady_ms);
    }

    fn end_reached(&mut self, at: Position) {
        let Some(partition) = self.owner(&at.topic, at.partition) else {
            return;
        };
        let Some(task) = self.tasks.get_mut(&partition).filter(|task| !task.closing) else {
            return;
        };
        let life = task.life;
        let Some(running) = task.running_mut() else { return };
        if running.is_unreadable(&at.topic_partition()) {
            return;
        }
        // Behind what was left lies the end, but what was left is yet to be judged.
        if self.bursts.is_halted(&at.topic_partition()) && self.config.rules.hold(Rule::HaltedEndless) {
            return;
        }
        match running.collected.get_mut(&at.topic_partition()) {
            Some(expected) if at.offset > *expected => *expected = at.offset,
            _ => return,
        }
        self.pending.push(Item::Reached(life, at), self.now.steady_ms);
    }

    /// A log may begin later, or end earlier, because its records were deleted, or were judged by another owner meanwhile: so
    /// all is looked up anew. What is out of range again, though nothing contradicts it, can't be gone on from.
    fn out_of_range(&mut self, at: TopicPartition) {
        let Some(partition) = self.owner(&at.topic, at.partition) else {
            return;
        };
        let hold = self.config.rules.hold(Rule::FoundTwice);
        let Some(task) = self.tasks.get_mut(&partition).filter(|task| !task.closing) else {
            return;
        };
        let expected = task.running().and_then(|running| running.collected.get(&at));
        let Some(expected) = expected.copied() else { return };
        let why = stops::out_of_range(partition, &at, expected);
        let before = task.out_of_range.replace((at, expected));
        if before == task.out_of_range || !hold {
            return self.stop(partition, Stopped::running(why, self.now.steady_ms));
        }
        self.doubt(partition, "out_of_range");
    }

    /// Whose input it is can't be told by its number: inputs may have more partitions than there are tasks.
    fn seek_failed(&mut self, at: &TopicPartition) {
        if let Some(partition) = self.owner(&at.topic, at.partition) {
            self.doubt(partition, "seek_failed");
        }
    }

    fn tick(&mut self) {
        let steady_ms = self.now.steady_ms;
        let again: Vec<Action> = self
            .tasks
            .values_mut()
            .filter_map(|task| task.tick(steady_ms))
            .collect();
        self.actions.extend(again);
        self.stop_at_unreadable();
        if !self.draining {
            self.search_due();
            self.keep_offsets();
        }
    }

    /// Offsets of topics that a group doesn't subscribe to expire (`offsets.retention.minutes`, 7 days) unless they are committed
    /// again; and the clock's horizon stands still without them.
    fn keep_offsets(&mut self) {
        let now_ms = self.now.steady_ms;
        for task in self.tasks.values_mut().filter(|task| !task.closing) {
            let life = task.life;
            let Some(running) = task.running_mut() else { continue };
            if now_ms.saturating_sub(running.kept_ms) >= KEEP_MS {
                running.kept_ms = now_ms;
                self.pending.push(Item::Keep(life), now_ms);
            }
        }
    }

    /// What is possible by now, after any event.
    fn go_on(&mut self) {
        self.apply_committed();
        self.advance_batch();
        self.close_out();
        self.take_up();
        self.begin_batch();
        self.flow();
    }

    /// A new batch, if there is reason for one and room for what it will leave in the overlay.
    fn begin_batch(&mut self) {
        let ready = matches!(self.stage, Stage::Idle) && !self.draining && self.closing.is_none();
        if !ready || !self.pending.is_ripe(&self.config, self.now.steady_ms) {
            return;
        }
        if self.overlay_bytes() > self.config.overlay_max_bytes {
            return self.make_room();
        }
        let items = self.pending.take(self.config.max_records, self.config.max_bytes);
        self.share_memory();
        self.ask_settings();
        self.stage = Stage::gather(Batch::new(items, self.now.steady_ms), self.settings_questions);
        self.advance_batch();
    }

    /// What an index doesn't take must not keep other tasks waiting: it stands in the changelog, and recovery brings it there.
    fn make_room(&mut self) {
        let waits = |task: &&Task| task.running().is_some_and(|running| running.apply_retry.is_waiting());
        let waiting: Vec<Partition> = self
            .tasks
            .values()
            .filter(waits)
            .map(|task| task.life.partition)
            .collect();
        for partition in waiting {
            self.doubt(partition, "index_unavailable");
        }
    }

    /// What a worker may keep is shared evenly by the tasks that run on it.
    fn share_memory(&mut self) {
        let running = self.tasks.values().filter_map(Task::running);
        let share = self.config.cache_entries / running.count().max(1);
        for running in self.tasks.values_mut().filter_map(Task::running_mut) {
            running.cache.resize(share);
        }
    }

    /// Stops and starts the flow by what is collected already.
    fn flow(&mut self) {
        let full = self.pending.is_full(&self.config);
        if full == self.paused || (self.paused && !self.pending.is_empty()) {
            return;
        }
        self.paused = full;
        let running = self
            .tasks
            .values()
            .filter(|task| task.running().is_some() && !task.closing);
        let held = running
            .flat_map(|task| task.held.iter())
            .filter(|at| !self.bursts.is_halted(at));
        let held: Vec<TopicPartition> = held.cloned().collect();
        self.actions.push(if full {
            Action::Pause(held)
        } else {
            Action::Unpause(held)
        });
    }
}
