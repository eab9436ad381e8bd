//! What processes look at beside their records, as `src/monitor.rs` does: numbers of partitions, and how far the group has come.

use crate::sabotage::Sabotage;
use crate::world::{Happening, World};
use chatroom_router::contract::TopicKind;
use chatroom_router::domain::time::Instant;
use chatroom_router::kafka::TopicPartition;
use chatroom_router::protocol::Event;
use std::sync::Arc;

const PACE_MS: u64 = 500;

/// The group's way to one moment: all inputs as of then, then all that was passed on by then.
pub struct Watching {
    since: Instant,
    until: Vec<(TopicPartition, i64)>,
    passed_on: bool,
}

impl World {
    pub fn counts(&self) -> Event {
        let count = |kind: &TopicKind| {
            let topic: &Arc<str> = self.shared.topic(*kind);
            (topic.clone(), self.kafka.counts.get(topic).copied().unwrap_or(0))
        };
        Event::InputCounts(TopicKind::INPUTS.iter().map(count).collect())
    }

    pub fn monitor(&mut self) {
        self.after(PACE_MS, Happening::Monitor);
        self.look_at_policy();
        if self.without(Sabotage::SweepAheadOfInput) {
            let pids: Vec<u32> = self.processes.keys().copied().collect();
            let horizon = self.wall();
            return pids
                .into_iter()
                .for_each(|pid| self.mail(pid, Event::ClockHorizon(horizon)));
        }
        let Some(watching) = self.watching.take() else {
            let until = TopicKind::INPUTS.iter().flat_map(|kind| self.ends(*kind)).collect();
            self.watching = Some(Watching {
                since: self.wall(),
                until,
                passed_on: false,
            });
            return;
        };
        if watching
            .until
            .iter()
            .any(|(at, end)| self.committed_or_first(at) < *end)
        {
            self.watching = Some(watching);
        } else if !watching.passed_on {
            let until = self.ends(TopicKind::RouterCommands);
            self.watching = Some(Watching {
                until,
                passed_on: true,
                ..watching
            });
        } else {
            self.tell_horizon(watching.since.plus(-self.setup.grace_ms));
        }
    }

    /// Whether the group's offsets, as far as they are known, are not at the ends of all that it reads.
    pub fn is_behind(&self) -> bool {
        let kinds = TopicKind::INPUTS.into_iter().chain([TopicKind::RouterCommands]);
        let mut ends = kinds.flat_map(|kind| self.ends(kind));
        ends.any(|(at, end)| self.committed_or_first(&at) < end)
    }

    fn committed_or_first(&self, at: &TopicPartition) -> i64 {
        let committed = self.kafka.offset_as_it_stands(at);
        committed.unwrap_or(self.kafka.log(at).low())
    }

    fn tell_horizon(&mut self, horizon: Instant) {
        self.horizons.push(horizon);
        let pids: Vec<u32> = self.processes.keys().copied().collect();
        for pid in pids {
            let ms = self.latency();
            self.after(ms, Happening::Mail(pid, Event::ClockHorizon(horizon)));
        }
    }

    fn ends(&self, kind: TopicKind) -> Vec<(TopicPartition, i64)> {
        let partitions = self.kafka.partitions_of(self.shared.topic(kind));
        partitions
            .into_iter()
            .map(|at| (at.clone(), self.kafka.log(&at).high()))
            .collect()
    }
}
