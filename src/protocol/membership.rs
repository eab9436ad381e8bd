//! What the group gives and takes: tasks come with their inputs, and go when what they committed is in the index.

use super::core::Core;
use super::stops;
use super::task::{Stopped, Task};
use super::{Action, Partition, Report};
use crate::kafka::{Rebalance, TopicPartition};
use std::sync::Arc;

impl Core {
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

    pub(super) fn rebalance(&mut self, rebalance: Rebalance) {
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
        self.actions.push(Action::Assign(Vec::new()));
        for at in partitions {
            let life = self.next_life(at.partition);
            let inputs = self.inputs_of(at.partition);
            let changelog = TopicPartition {
                topic: self.config.changelog_topic.clone(),
                partition: at.partition,
            };
            let mut task = Task::new(life, changelog, inputs);
            self.actions.push(task.recover());
            self.report(Report::RecoveryBegun {
                partition: at.partition,
                cause: "assigned",
            });
            self.tasks.insert(at.partition, task);
        }
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

    /// Whether nothing is left of what a consumer was given, nor under way for it: no task goes while a transaction is open.
    #[must_use]
    pub fn has_forgotten(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Answers a revocation once no transaction is open and the index has what was committed, or its time is over.
    pub(super) fn close_out(&mut self) {
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
            .flat_map(|task| task.held.iter().cloned())
            .collect();
        self.closing = None;
        self.actions.push(Action::Unassign(union));
        for partition in partitions {
            let inputs = self.tasks.remove(&partition).map(|task| task.inputs);
            self.forget_bursts(&inputs.unwrap_or_default());
            self.report(Report::Closed { partition });
        }
    }

    /// Hands to the client what running tasks read and it does not hold, but not in place of the answer to a revocation.
    pub(super) fn take_up(&mut self) {
        if self.closing.is_some() {
            return;
        }
        let from: Vec<(TopicPartition, i64)> = self.tasks.values_mut().flat_map(Task::take_up).collect();
        if !from.is_empty() {
            self.actions.push(Action::Assign(from));
        }
    }

    /// More partitions are taken from their beginning; fewer can't be right.
    pub(super) fn input_counts(&mut self, counts: Vec<(Arc<str>, i32)>) {
        let shrunk = counts.iter().find_map(|(topic, count)| {
            let (_, before) = self.counts.iter().find(|(known, _)| known == topic)?;
            (count < before).then(|| stops::shrunk(topic, *before, *count))
        });
        if let Some(why) = shrunk {
            let partitions: Vec<Partition> = self.tasks.keys().copied().collect();
            return partitions
                .into_iter()
                .for_each(|partition| self.stop(partition, Stopped::for_good(why.clone())));
        }
        self.counts = counts;
        let steady_ms = self.now.steady_ms;
        self.tasks.values_mut().for_each(|task| task.look_again(steady_ms));
        let partitions: Vec<Partition> = self.tasks.keys().copied().collect();
        for partition in partitions {
            let inputs = self.inputs_of(partition);
            let Some(task) = self.tasks.get_mut(&partition).filter(|task| !task.closing) else {
                continue;
            };
            if inputs.iter().all(|at| task.inputs.contains(at)) {
                continue;
            }
            task.inputs = inputs;
            self.doubt(partition, "new_partitions");
        }
    }
}

/// Nothing of it is committed and not applied.
pub(super) fn is_settled(task: &Task) -> bool {
    task.running()
        .is_none_or(|running| running.overlay.acknowledged() >= running.overlay.committed())
}
