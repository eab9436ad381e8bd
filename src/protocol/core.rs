//! The worker's state: which event goes where. Holds no handle to anything outside; gives back actions in order.

use super::batch::{Batch, Item, Pending};
use super::task::{Around, Phase, Task};
use super::transaction::Stage;
use super::{Action, Event, Life, Now, Partition, Report};
use crate::domain::time::Instant;
use crate::index::{Applied, Read};
use crate::judging::{self, Facts, SettingsTable};
use crate::kafka::{Position, Rebalance, Record, TopicPartition};
use crate::state::progress::{Expected, Progress};
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// An index to which nothing was applied is asked so often whether it still stands where it should.
const IDLE_APPLY_MS: u64 = 5_000;

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
    /// Makes what judging needs to know of a partition from the incarnation of its changelog.
    pub facts: Box<dyn Fn(Partition, Uuid) -> Facts + Send>,
    /// Checks a progress record against this program: the sentence why it can't go on from it.
    pub expected: Expected,
}

impl Config {
    /// The format of the index's values: that of the changelog, whose values they are.
    #[must_use]
    pub fn index_format(&self) -> u32 {
        u32::from(self.expected.format.number())
    }

    pub fn accepts(&self, progress: &Progress) -> Result<(), String> {
        self.expected.check(progress).map_err(|error| error.to_string())
    }
}

pub struct Core {
    pub config: Config,
    pub(super) tasks: BTreeMap<Partition, Task>,
    pub(super) pending: Pending,
    pub(super) stage: Stage,
    pub(super) settings: Option<Arc<SettingsTable>>,
    /// Questions for the settings that have no answer yet; they are answered in their order.
    pub(super) settings_questions: usize,
    pub(super) clock: Option<Instant>,
    pub(super) now: Now,
    pub(super) actions: Vec<Action>,
    counts: Vec<(Arc<str>, i32)>,
    /// Came while a revocation was open: the client would take new partitions for the answer to it.
    later_counts: Option<Vec<(Arc<str>, i32)>>,
    epochs: u64,
    /// A revocation that is not answered yet.
    closing: Option<u64>,
    paused: bool,
    draining: bool,
    fresh_uuid: Box<dyn FnMut() -> Uuid + Send>,
}

impl Core {
    #[must_use]
    pub fn new(config: Config, now: Now, fresh_uuid: Box<dyn FnMut() -> Uuid + Send>) -> Self {
        Self {
            config,
            tasks: BTreeMap::new(),
            pending: Pending::default(),
            stage: Stage::Idle,
            settings: None,
            settings_questions: 0,
            clock: None,
            now,
            actions: Vec::new(),
            counts: Vec::new(),
            later_counts: None,
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
            Event::OutOfRange(at) => self.out_of_range(&at),
            Event::InputCounts(counts) => self.input_counts(counts),
            Event::ClockHorizon(horizon) => self.clock_horizon(horizon),
            Event::Recovered(life, answer) => self.recovered(life, answer),
            Event::Values(life, values) => self.values(life, values),
            Event::Applied(life, applied) => self.applied(life, applied),
            Event::Due(life, due) => self.due(life, due),
            Event::Settings(table) => self.settings_read(table),
            Event::Transaction(answer) => self.transaction_answered(answer),
            Event::Doubt(partition, cause) => self.doubt(partition, cause),
            Event::Drain => self.draining = true,
            Event::Tick => self.tick(),
        }
        // A record alone is no reason to look at everything: the tick after it is, or that there are enough.
        if !collects || self.pending.is_enough(&self.config) {
            self.go_on();
        }
        std::mem::take(&mut self.actions)
    }

    /// Whether all is committed and applied that will be: the worker may leave.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.draining && matches!(self.stage, Stage::Idle) && self.tasks.values().all(is_settled)
    }

    /// Whether a batch is under way that waits for an answer from outside the worker's thread.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !matches!(self.stage, Stage::Idle)
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

    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values()
    }

    pub(super) fn report(&mut self, report: Report) {
        self.actions.push(Action::Report(report));
    }

    /// The task that a partition of an input, or of `router-commands`, falls to.
    fn owner(&self, topic: &str, partition: i32) -> Option<Partition> {
        let known = topic == &*self.config.commands_topic || self.counts.iter().any(|(name, _)| **name == *topic);
        known.then(|| partition.rem_euclid(self.config.expected.partitions.count()))
    }

    fn next_life(&mut self, partition: Partition) -> Life {
        self.epochs += 1;
        Life {
            partition,
            epoch: self.epochs,
        }
    }

    fn inputs_of(&self, partition: Partition) -> Vec<TopicPartition> {
        let step = self.config.expected.partitions.count() as usize;
        let mut inputs = vec![TopicPartition {
            topic: self.config.commands_topic.clone(),
            partition,
        }];
        for (topic, count) in &self.counts {
            let theirs = (partition..*count).step_by(step);
            inputs.extend(theirs.map(|partition| TopicPartition {
                topic: topic.clone(),
                partition,
            }));
        }
        inputs
    }

    fn rebalance(&mut self, rebalance: Rebalance) {
        match rebalance {
            Rebalance::Assigned(partitions) => self.assigned(&partitions),
            Rebalance::Revoked(partitions) => {
                self.mark_closing(&partitions);
                self.closing = Some(self.now.steady_ms + self.config.close_ms);
            }
            Rebalance::Lost(partitions) => {
                self.mark_closing(&partitions);
                self.closing = Some(self.now.steady_ms);
            }
        }
    }

    fn assigned(&mut self, partitions: &[TopicPartition]) {
        let mut union = Vec::new();
        let mut first = Vec::new();
        for at in partitions {
            let life = self.next_life(at.partition);
            let inputs = self.inputs_of(at.partition);
            let changelog = TopicPartition {
                topic: self.config.changelog_topic.clone(),
                partition: at.partition,
            };
            union.extend(inputs.iter().cloned());
            let mut task = Task::new(life, changelog, inputs);
            first.push(task.recover());
            first.push(Action::Report(Report::RecoveryBegun {
                partition: at.partition,
                cause: "assigned",
            }));
            self.tasks.insert(at.partition, task);
        }
        self.actions.push(Action::Assign(union));
        self.actions.extend(first);
        self.report(Report::Assigned {
            count: partitions.len(),
        });
    }

    /// These take nothing new; what is collected of them is dropped, and will be read by the next owner.
    fn mark_closing(&mut self, partitions: &[TopicPartition]) {
        for at in partitions {
            if let Some(task) = self.tasks.get_mut(&at.partition) {
                task.closing = true;
            }
            self.forget_collected(at.partition);
        }
    }

    /// Drops what was collected of a task, in the pending records and in a batch that isn't in a transaction.
    pub(super) fn forget_collected(&mut self, partition: Partition) {
        self.pending.forget(partition);
        self.stage.forget(partition);
    }

    /// Answers a revocation once no transaction is open and the index has what was committed, or its time is over.
    fn close_out(&mut self) {
        let Some(until) = self.closing else { return };
        if self.stage.in_transaction() {
            return;
        }
        let late = until <= self.now.steady_ms;
        let closing = |task: &&Task| task.closing;
        if !late && !self.tasks.values().filter(closing).all(is_settled) {
            return;
        }
        let partitions: Vec<Partition> = self
            .tasks
            .values()
            .filter(closing)
            .map(|task| task.life.partition)
            .collect();
        let union = self
            .tasks
            .values()
            .filter(closing)
            .flat_map(|task| task.inputs.iter().cloned())
            .collect();
        self.closing = None;
        self.actions.push(Action::Unassign(union));
        for partition in partitions {
            self.tasks.remove(&partition);
            self.report(Report::Closed { partition });
        }
        if let Some(counts) = self.later_counts.take() {
            self.input_counts(counts);
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
        let at = record.at.topic_partition();
        let Some(expected) = running.collected.get_mut(&at) else {
            return;
        };
        if record.at.offset < *expected {
            return;
        }
        *expected = record.at.offset + 1;
        match judging::prepare(record, &running.facts, now.wall) {
            Ok(prepared) => self.pending.push(Item::Record(life, Box::new(prepared)), now.steady_ms),
            Err(why) => self.stop(partition, why),
        }
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
        match running.collected.get_mut(&at.topic_partition()) {
            Some(expected) if at.offset > *expected => *expected = at.offset,
            _ => return,
        }
        self.pending.push(Item::Reached(life, at), self.now.steady_ms);
    }

    fn out_of_range(&mut self, at: &TopicPartition) {
        let Some(partition) = self.owner(&at.topic, at.partition) else {
            return;
        };
        let expected = self
            .tasks
            .get(&partition)
            .and_then(Task::running)
            .and_then(|running| running.collected.get(at));
        let Some(expected) = expected else { return };
        let why = format!("{at} no longer holds offset {expected}: records were deleted before they were judged");
        self.stop(partition, why);
    }

    pub(super) fn stop(&mut self, partition: Partition, why: String) {
        self.forget_collected(partition);
        let life = self.next_life(partition);
        let Some(task) = self.tasks.get_mut(&partition) else {
            return;
        };
        task.life = life;
        task.phase = Phase::Stopped;
        let inputs = task.inputs.clone();
        self.actions.push(Action::Pause(inputs));
        self.report(Report::Stopped { partition, why });
    }

    /// The one way of recovery: forget what is known of this partition and find it out again.
    pub(super) fn doubt(&mut self, partition: Partition, cause: &'static str) {
        self.forget_collected(partition);
        let life = self.next_life(partition);
        let Some(task) = self.tasks.get_mut(&partition) else {
            return;
        };
        if task.closing {
            task.phase = Phase::Stopped;
            return;
        }
        task.life = life;
        let inputs = task.inputs.clone();
        let recover = task.recover();
        self.actions.push(Action::Pause(inputs));
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

    /// More partitions are taken from their beginning; fewer can't be right.
    fn input_counts(&mut self, counts: Vec<(Arc<str>, i32)>) {
        if self.closing.is_some() {
            self.later_counts = Some(counts);
            return;
        }
        let shrunk = counts.iter().find_map(|(topic, count)| {
            let (_, before) = self.counts.iter().find(|(known, _)| known == topic)?;
            (count < before).then(|| {
                format!("{topic} had {before} partitions and has {count}: was it created anew? records may be lost")
            })
        });
        if let Some(why) = shrunk {
            let partitions: Vec<Partition> = self.tasks.keys().copied().collect();
            return partitions
                .into_iter()
                .for_each(|partition| self.stop(partition, why.clone()));
        }
        self.counts = counts;
        let partitions: Vec<Partition> = self.tasks.keys().copied().collect();
        for partition in partitions {
            let inputs = self.inputs_of(partition);
            let Some(task) = self.tasks.get_mut(&partition).filter(|task| !task.closing) else {
                continue;
            };
            let new: Vec<TopicPartition> = inputs.iter().filter(|at| !task.inputs.contains(at)).cloned().collect();
            if new.is_empty() {
                continue;
            }
            task.inputs = inputs;
            self.actions.push(Action::Add(new));
            self.doubt(partition, "new_partitions");
        }
    }

    fn recovered(&mut self, life: Life, answer: super::RecoveryAnswer) {
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
        self.actions.extend(actions);
    }

    fn applied(&mut self, life: Life, applied: Option<Applied>) {
        let Some(task) = self.tasks.get_mut(&life.partition).filter(|task| task.life == life) else {
            return;
        };
        let steady_ms = self.now.steady_ms;
        let Some(running) = task.running_mut() else { return };
        let Some(to) = running.applying.take() else { return };
        match applied {
            Some(Applied::Applied | Applied::Already) => {
                running.apply_retry.succeeded();
                if running.overlay.acknowledge(to, &mut running.cache).is_err() {
                    self.doubt(life.partition, "index_ahead");
                }
            }
            None => running.apply_retry.failed(steady_ms),
            Some(Applied::Gap(_)) => self.doubt(life.partition, "index_gap"),
            Some(Applied::Foreign(_)) => self.doubt(life.partition, "index_foreign"),
        }
    }

    /// Sends what is committed and not applied, one call at a time and all of it: so that Redis is batched by its own pace.
    /// Where there is nothing to send, an empty stretch is sent now and then: it says up to when the index holds everything,
    /// and finds out that an idle partition's index was lost.
    fn apply_committed(&mut self) {
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

    fn values(&mut self, life: Life, values: Option<Read<Vec<Option<Vec<u8>>>>>) {
        let task = self.tasks.get_mut(&life.partition).filter(|task| task.life == life);
        let Some(running) = task.and_then(Task::running_mut) else {
            return;
        };
        let doubt = match values {
            None => return self.stage.read_failed(life.partition, self.now.steady_ms),
            Some(Read::Foreign(_)) => Some("index_foreign"),
            Some(Read::Found { marker, .. }) if marker.offset < running.overlay.acknowledged() => {
                Some("index_rolled_back")
            }
            Some(Read::Found { marker, .. }) if marker.offset > running.overlay.committed() => Some("index_ahead"),
            Some(Read::Found { value, .. }) => self.stage.read_done(life.partition, value, running).err(),
        };
        if let Some(cause) = doubt {
            self.doubt(life.partition, cause);
        }
    }

    pub(super) fn sync_settings(&mut self) {
        self.settings_questions += 1;
        self.actions.push(Action::SyncSettings);
    }

    /// An answer is of use to the batch only if it is that to the last question, which was asked after the batch's last record
    /// came; and never if a progress record names a later table.
    fn settings_read(&mut self, table: Option<Arc<SettingsTable>>) {
        let running = self.tasks.values().filter_map(Task::running);
        let named = running.map(|running| running.progress.settings_next).max().unwrap_or(0);
        let table = table.filter(|table| table.next_offset() >= named);
        if table.is_some() {
            self.settings.clone_from(&table);
        }
        self.settings_questions = self.settings_questions.saturating_sub(1);
        if self.settings_questions == 0 {
            self.stage.settings_read(table, self.now.steady_ms);
        }
    }

    /// The sweep that follows goes by the settings of now, whether or not there are records.
    fn clock_horizon(&mut self, horizon: Instant) {
        self.clock = self.clock.max(Some(horizon));
        if matches!(self.stage, Stage::Idle) {
            self.sync_settings();
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
        if !self.draining {
            self.search_due();
        }
    }

    /// What is possible by now, after any event.
    fn go_on(&mut self) {
        self.apply_committed();
        self.advance_batch();
        self.close_out();
        self.begin_batch();
        self.flow();
    }

    /// A new batch, if there is reason for one and room for what it will leave in the overlay.
    fn begin_batch(&mut self) {
        let ready = matches!(self.stage, Stage::Idle) && !self.draining && self.closing.is_none();
        if !ready || !self.pending.is_ripe(&self.config, self.now.steady_ms) {
            return;
        }
        let overlay: usize = self
            .tasks
            .values()
            .filter_map(Task::running)
            .map(|running| running.overlay.bytes())
            .sum();
        if overlay > self.config.overlay_max_bytes {
            return;
        }
        let items = self.pending.take(self.config.max_records, self.config.max_bytes);
        self.stage = Stage::gather(Batch::new(items, self.now.steady_ms));
        self.sync_settings();
        self.advance_batch();
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
        let inputs: Vec<TopicPartition> = running.flat_map(|task| task.inputs.iter().cloned()).collect();
        self.actions.push(if full {
            Action::Pause(inputs)
        } else {
            Action::Unpause(inputs)
        });
    }
}

/// Nothing of it is committed and not applied.
fn is_settled(task: &Task) -> bool {
    task.running()
        .is_none_or(|running| running.overlay.acknowledged() >= running.overlay.committed())
}
