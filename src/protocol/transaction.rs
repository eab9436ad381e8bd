//! From a batch to its one end: gathered, folded, produced, fenced, committed; or aborted and folded again, for ever.

use super::batch::{Batch, Fold, Folded, Misses};
use super::core::Core;
use super::pending::Item;
use super::retry::Retry;
use super::rules::Rule;
use super::task::{Running, Task};
use super::{Action, Life, Partition, Report, TransactionAnswer, TransactionStep};
use crate::domain::record::Key;
use crate::judging::SettingsTable;
use crate::kafka::TopicPartition;
use crate::state::keys::RecordKey;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Without progress for so long, somebody should know.
const PAGE_AFTER_MS: u64 = 60_000;

pub enum Stage {
    Idle,
    Gathering(Box<Gathering>),
    /// A transaction is open, or its end is awaited.
    Open(Box<Open>),
    /// No transaction is open; the producer is being replaced. Nothing of the batch is left: all tasks will be doubted.
    Replacing,
}

/// A batch that waits for the settings and for values of the index.
pub struct Gathering {
    batch: Batch,
    /// The first keys have been asked for.
    prepared: bool,
    /// Keys asked for, by task.
    asked: BTreeMap<Partition, Asked>,
    /// Tasks whose question could not be asked, and when to ask again.
    retries: BTreeMap<Partition, Retry>,
    settings_retry: Option<Retry>,
    /// The first question about the settings that was asked after the batch was taken.
    settings_question: u64,
    /// Not folded before: after an abort it waits a little.
    pause: Retry,
}

/// A question to the index. What it had acknowledged by then, its answer must have: what it acknowledges meanwhile may be told
/// before the answer.
struct Asked {
    keys: Vec<(Key, RecordKey)>,
    acknowledged: i64,
}

pub struct Open {
    batch: Batch,
    folded: Folded,
    offsets: Vec<Option<i64>>,
    begun: bool,
    /// A record of it was refused, and nobody says which: its items are tried one by one.
    alone: bool,
}

impl Stage {
    #[must_use]
    pub fn gather(batch: Batch, settings_question: u64) -> Self {
        Self::Gathering(Box::new(Gathering {
            batch,
            prepared: false,
            asked: BTreeMap::new(),
            retries: BTreeMap::new(),
            settings_retry: None,
            settings_question,
            pause: Retry::default(),
        }))
    }

    /// Whether no batch is under way, or one that only another producer could bring to its end.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        match self {
            Self::Idle | Self::Replacing => true,
            Self::Gathering(_) => false,
            Self::Open(open) => !open.begun,
        }
    }

    #[must_use]
    pub fn in_transaction(&self) -> bool {
        matches!(self, Self::Open(_) | Self::Replacing)
    }

    pub fn forget(&mut self, partition: Partition) {
        if let Self::Gathering(gathering) = self {
            gathering.batch.forget(partition);
            gathering.asked.remove(&partition);
            gathering.retries.remove(&partition);
            if gathering.batch.items.is_empty() {
                *self = Self::Idle;
            }
        }
    }

    pub fn read_failed(&mut self, partition: Partition, now_ms: u64) {
        if let Self::Gathering(gathering) = self {
            gathering.retries.entry(partition).or_default().failed(now_ms);
        }
    }

    /// Values that were asked for, in the order of the keys, and where the index's marker stood. Err: they can't be what this
    /// task wrote.
    pub fn read_done(
        &mut self,
        partition: Partition,
        (marker, values): (i64, Vec<Option<Vec<u8>>>),
        running: &mut Running,
    ) -> Result<(), &'static str> {
        let Self::Gathering(gathering) = self else {
            return Ok(());
        };
        let Some(asked) = gathering.asked.remove(&partition) else {
            return Ok(());
        };
        if marker < asked.acknowledged {
            return Err("index_rolled_back");
        }
        gathering.retries.remove(&partition);
        let Some(part) = gathering.batch.parts.get_mut(&partition) else {
            return Ok(());
        };
        for (missed, value) in asked.keys.into_iter().zip(values) {
            part.set
                .read(missed, value.as_deref(), &mut running.cache)
                .map_err(|_| "index_unreadable")?;
        }
        Ok(())
    }

    /// An answer to a question asked before the batch was taken is not for it: it may lack what the batch must see (K4).
    pub fn settings_read(&mut self, question: u64, table: Option<Arc<SettingsTable>>, now_ms: u64) {
        let Self::Gathering(gathering) = self else { return };
        if question < gathering.settings_question {
            return;
        }
        match table {
            Some(table) => gathering.batch.settings = Some(table),
            None => gathering.settings_retry.get_or_insert_default().failed(now_ms),
        }
    }
}

impl Core {
    /// Folds the batch when all that it asked for has come, or asks for more.
    pub(super) fn advance_batch(&mut self) {
        let Stage::Gathering(gathering) = &mut self.stage else {
            return;
        };
        let now_ms = self.now.steady_ms;
        if !gathering.pause.is_due(now_ms) {
            return;
        }
        let again = |retry: &Retry| retry.is_waiting() && retry.is_due(now_ms);
        if gathering.batch.settings.is_none()
            && let Some(retry) = gathering.settings_retry.filter(again)
        {
            gathering.settings_retry = Some(retry.asked());
            self.settings_questions += 1;
            self.actions.push(Action::SyncSettings(self.settings_questions));
        }
        gathering.ask_again(&self.tasks, now_ms, &mut self.actions);
        if !gathering.prepared {
            gathering.prepared = true;
            let misses = gathering.batch.prepare(&self.tasks);
            gathering.ask(misses, &self.tasks, &mut self.actions);
        }
        while gathering.asked.is_empty() && gathering.batch.settings.is_some() {
            match gathering.batch.fold(&self.tasks, self.config.rules) {
                Fold::Needs(needs) => {
                    let misses = gathering.batch.look_up(needs, &self.tasks);
                    gathering.ask(misses, &self.tasks, &mut self.actions);
                }
                Fold::Whole(folded) => return self.open(*folded),
            }
        }
    }

    fn open(&mut self, folded: Folded) {
        let Stage::Gathering(gathering) = std::mem::replace(&mut self.stage, Stage::Idle) else {
            return;
        };
        let batch = gathering.batch;
        if folded.records.is_empty() {
            // Nothing moved: a sweep that found nothing due, or repeats of what was read before.
            return self.settle(batch, folded, &[]);
        }
        self.stage = Stage::Open(Box::new(Open {
            batch,
            folded,
            offsets: Vec::new(),
            begun: false,
            alone: false,
        }));
        self.step(TransactionStep::Begin);
    }

    fn step(&mut self, step: TransactionStep) {
        self.actions.push(Action::Transaction(step));
    }

    pub(super) fn transaction_answered(&mut self, answer: TransactionAnswer) {
        if matches!(answer, TransactionAnswer::Replaced) && matches!(self.stage, Stage::Replacing) {
            self.stage = Stage::Idle;
            if self.config.rules.hold(Rule::LossDoubted) {
                self.doubt_all("producer_replaced");
            }
            return;
        }
        let Stage::Open(open) = &mut self.stage else { return };
        match answer {
            TransactionAnswer::Begun => {
                open.begun = true;
                let records = std::mem::take(&mut open.folded.records);
                self.step(TransactionStep::Produce(records));
            }
            TransactionAnswer::Produced => self.step(TransactionStep::Flush),
            TransactionAnswer::Flushed(offsets) => {
                open.offsets = offsets;
                self.fence();
            }
            TransactionAnswer::OffsetsSent => self.step(TransactionStep::Commit),
            TransactionAnswer::Committed => self.committed(),
            TransactionAnswer::Aborted => self.aborted(),
            TransactionAnswer::NotBegun => self.step(TransactionStep::ReplaceProducer),
            TransactionAnswer::Replaced => self.step(TransactionStep::Begin),
            TransactionAnswer::RecordRefused { place, sentence } => {
                if let Some(item) = open.folded.owners.get(place).copied().flatten() {
                    open.batch.give_up(item, sentence.clone());
                }
                self.abort(sentence);
            }
            TransactionAnswer::SomeRefused(why) => {
                match open.batch.items.len() {
                    // It is alone already: nobody else can be meant.
                    1 => open.batch.give_up(0, why.clone()),
                    _ => open.alone = true,
                }
                self.abort(why);
            }
            TransactionAnswer::MustAbort(why) => self.abort(why),
            TransactionAnswer::ProducerLost(why) => {
                self.report(Report::Fenced { why });
                self.stage = Stage::Replacing;
                self.step(TransactionStep::ReplaceProducer);
            }
        }
    }

    /// The guards before the commit: every task of the batch is still in the life that collected it; then the offsets of all
    /// inputs of each, since a transaction without offsets isn't fenced.
    fn fence(&mut self) {
        let Stage::Open(open) = &self.stage else { return };
        let alive = open.batch.parts.values().all(|part| {
            let task = self.tasks.get(&part.life.partition);
            task.is_some_and(|task| task.life == part.life && task.running().is_some())
        });
        if !alive && self.config.rules.hold(Rule::SameLife) {
            return self.abort("a task of this batch was let go of".to_owned());
        }
        let offsets: Vec<(TopicPartition, i64)> = open
            .batch
            .parts
            .values()
            // A task that the batch did not move has no progress record in it, and offsets alone would contradict its last.
            .filter(|part| part.progress.is_some())
            .flat_map(|part| part.positions.iter().map(|(at, offset)| (at.clone(), *offset)))
            .collect();
        self.step(TransactionStep::SendOffsets(offsets));
    }

    fn abort(&mut self, why: String) {
        self.report(Report::Aborted { why });
        self.step(TransactionStep::Abort);
    }

    /// Nothing of it happened: the batch is kept and folded again, after a while, from what is committed.
    fn aborted(&mut self) {
        let Stage::Open(open) = std::mem::replace(&mut self.stage, Stage::Idle) else {
            return;
        };
        let open = *open;
        let mut batch = open.batch;
        batch.attempts += 1;
        if self.config.rules.hold(Rule::FoldedAnew) {
            batch.reset();
        }
        let seconds = self.now.steady_ms.saturating_sub(batch.began_ms) / 1_000;
        if seconds * 1_000 >= PAGE_AFTER_MS {
            let why = format!(
                "a batch of {} records was aborted {} times",
                batch.items.len(),
                batch.attempts
            );
            self.report(Report::NoProgress { seconds, why });
        }
        let lives: BTreeMap<Partition, _> = self
            .tasks
            .values()
            .filter(|task| !task.closing)
            .map(|task| (task.life.partition, task.life))
            .collect();
        batch.retain(|item| lives.get(&item.life().partition) == Some(&item.life()));
        if batch.items.is_empty() {
            return;
        }
        if open.alone {
            return self.pending.put_back(batch.items, self.now.steady_ms);
        }
        let attempts = batch.attempts;
        self.stage = Stage::gather(batch, self.settings_questions);
        if let Stage::Gathering(gathering) = &mut self.stage {
            gathering.pause = Retry::after_attempts(attempts, self.now.steady_ms);
            gathering.batch.settings.clone_from(&self.settings);
        }
    }

    fn committed(&mut self) {
        let Stage::Open(open) = std::mem::replace(&mut self.stage, Stage::Idle) else {
            return;
        };
        let open = *open;
        self.settle(open.batch, open.folded, &open.offsets);
    }

    /// What was committed is known from now on: to the overlay, to the cache, to the sweep.
    fn settle(&mut self, batch: Batch, folded: Folded, offsets: &[Option<i64>]) {
        let mut astray = Vec::new();
        for (partition, part) in batch.parts {
            let Some(running) = self
                .tasks
                .get_mut(&partition)
                .filter(|task| task.life == part.life)
                .and_then(Task::running_mut)
            else {
                continue;
            };
            running.positions = part.positions;
            part.earliest.into_iter().for_each(|at| running.sweep.judged(at));
            let Some(progress) = part.progress else { continue };
            let places = folded.changelog.get(&partition).map_or(&[][..], Vec::as_slice);
            let committed: Option<Vec<i64>> = places.iter().map(|place| *offsets.get(*place)?).collect();
            let Some((to, committed)) = committed.and_then(|offsets| Some((offsets.last()? + 1, offsets))) else {
                astray.push(partition);
                continue;
            };
            running.progress = progress;
            running.kept_ms = self.now.steady_ms;
            let changes = committed.into_iter().zip(part.changes).collect();
            if running.overlay.commit(to, changes).is_err() {
                astray.push(partition);
            }
        }
        for item in &batch.items {
            if let Item::Swept { life, whole } = item {
                self.swept(*life, *whole);
            }
        }
        self.turned_out_bad(folded.bad);
        self.report(Report::Committed(Box::new(folded.tally)));
        astray
            .into_iter()
            .for_each(|partition| self.doubt(partition, "changelog_astray"));
    }
}

impl Gathering {
    /// Asks the index for what is missing; every task's keys in one question.
    fn ask(&mut self, misses: Misses, tasks: &BTreeMap<Partition, Task>, actions: &mut Vec<Action>) {
        for (partition, keys) in misses {
            let Some((life, running)) = running(partition, tasks) else {
                continue;
            };
            let acknowledged = running.overlay.acknowledged();
            let asked = Asked { keys, acknowledged };
            actions.push(asked.action(life, running));
            self.asked.insert(partition, asked);
        }
    }

    fn ask_again(&mut self, tasks: &BTreeMap<Partition, Task>, now_ms: u64, actions: &mut Vec<Action>) {
        for (partition, retry) in &mut self.retries {
            if retry.is_waiting() && retry.is_due(now_ms) {
                *retry = retry.asked();
                if let (Some(asked), Some((life, running))) = (self.asked.get(partition), running(*partition, tasks)) {
                    actions.push(asked.action(life, running));
                }
            }
        }
    }
}

fn running(partition: Partition, tasks: &BTreeMap<Partition, Task>) -> Option<(Life, &Running)> {
    let task = tasks.get(&partition)?;
    Some((task.life, task.running()?))
}

impl Asked {
    fn action(&self, life: Life, running: &Running) -> Action {
        let keys = self.keys.iter().map(|(_, key)| key.as_bytes().to_vec()).collect();
        let of = running.of;
        Action::Read { life, of, keys }
    }
}
