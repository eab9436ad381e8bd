//! A record of `router-commands` that is ours and can't be read: what stands before it is judged and committed, then its
//! partition stops. So whoever gives it up gives up that record alone.

use super::core::Core;
use super::pending::Item;
use super::stops;
use super::task::{Running, Stopped, Task, Unreadable};
use super::{Life, Partition};
use crate::kafka::TopicPartition;

impl Running {
    /// Whether nothing of that partition is taken any more.
    pub(super) fn is_unreadable(&self, at: &TopicPartition) -> bool {
        self.unreadable.as_ref().is_some_and(|unreadable| unreadable.at == *at)
    }

    /// The record that is next, if it is the one that can't be read.
    fn next_unreadable(&self) -> Option<&Unreadable> {
        let reached = |found: &&Unreadable| self.positions.get(&found.at).is_some_and(|next| *next >= found.offset);
        self.unreadable.as_ref().filter(reached)
    }
}

impl Core {
    /// The position is to come to stand before it, also where nothing but the ends of transactions lies between.
    pub(super) fn met_unreadable(&mut self, life: Life, found: Unreadable) {
        let Some(running) = self.tasks.get_mut(&life.partition).and_then(Task::running_mut) else {
            return;
        };
        let before = found.at.at(found.offset);
        running.unreadable = Some(found);
        self.pending.push(Item::Reached(life, before), self.now.steady_ms);
    }

    pub(super) fn stop_at_unreadable(&mut self) {
        let stop = |task: &Task| {
            let found = task.running()?.next_unreadable()?;
            let at = found.at.at(found.offset);
            Some((
                task.life.partition,
                stops::unreadable(task.life.partition, &at, &found.why),
            ))
        };
        let tasks = self.tasks.values().filter(|task| !task.closing);
        let stopped: Vec<(Partition, String)> = tasks.filter_map(stop).collect();
        for (partition, why) in stopped {
            self.stop(partition, Stopped::running(why, self.now.steady_ms));
        }
    }
}
