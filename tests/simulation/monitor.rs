//! What processes look at beside their records, as `src/monitor.rs` does: numbers of partitions, and how far the group has
//! come. What it makes of that is the very horizon that ships.

use crate::sabotage::Sabotage;
use crate::world::{Happening, World};
use chatroom_router::contract::TopicKind;
use chatroom_router::domain::time::Instant;
use chatroom_router::kafka::TopicPartition;
use chatroom_router::protocol::Event;
use chatroom_router::protocol::horizon::{Ask, Reached, Standing};
use std::sync::Arc;

const PACE_MS: u64 = 1_000;

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
        while self.approach() {}
    }

    /// Whether there is more to find out at once.
    fn approach(&mut self) -> bool {
        let wall = self.wall();
        let ends = match self.horizon.ask(wall) {
            Ask::InputEnds => TopicKind::INPUTS.iter().flat_map(|kind| self.ends(*kind)).collect(),
            Ask::PassedOnEnds => self.ends(TopicKind::RouterCommands),
            Ask::Standing(of) => {
                let found: Vec<Standing> = of.iter().map(|at| self.standing(at)).collect();
                let reached = self.horizon.standing(&found);
                if let Reached::Horizon(at) = reached {
                    self.tell_horizon(at);
                }
                return reached == Reached::Inputs;
            }
        };
        self.horizon.ends(ends);
        false
    }

    /// Whether the group's offsets, as far as they are known, are not at the ends of all that it reads.
    pub fn is_behind(&self) -> bool {
        let kinds = TopicKind::INPUTS.into_iter().chain([TopicKind::RouterCommands]);
        let mut ends = kinds.flat_map(|kind| self.ends(kind));
        ends.any(|(at, end)| self.standing(&at).next() < end)
    }

    fn standing(&self, at: &TopicPartition) -> Standing {
        Standing {
            committed: self.kafka.offset_as_it_stands(at),
            low: self.kafka.log(at).low(),
        }
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
