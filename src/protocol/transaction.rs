//! From a batch to its one end: gathered, folded, produced, fenced, committed; or aborted and folded again, for ever.

use super::batch::{Batch, Fold, Folded};
use super::core::Core;
use super::pending::Item;
use super::retry::Retry;
use super::rules::Rule;
use super::stage::{Open, Stage};
use super::task::Task;
use super::{Action, Partition, Report, TransactionAnswer, TransactionStep};
use crate::kafka::TopicPartition;
use std::collections::BTreeMap;

/// Without progress for so long, somebody should know.
pub(super) const PAGE_AFTER_MS: u64 = 60_000;

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
            gathering.ask(misses, &self.tasks, now_ms, &mut self.actions);
        }
        while gathering.is_complete() {
            match gathering.batch.fold(&self.tasks, self.config.rules) {
                Fold::Needs(needs) => {
                    let misses = gathering.batch.look_up(needs, &self.tasks);
                    gathering.ask(misses, &self.tasks, now_ms, &mut self.actions);
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
            aborted_for: String::new(),
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
        if let Stage::Open(open) = &mut self.stage {
            open.aborted_for.clone_from(&why);
        }
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
                "a batch of {} records was aborted {} times, at last for this: {}",
                batch.items.len(),
                batch.attempts,
                open.aborted_for
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
