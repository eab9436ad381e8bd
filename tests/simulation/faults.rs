//! What goes wrong from outside, as chance will have it, until the world is healed.

use crate::world::{Happening, World};
use chatroom_router::contract::TopicKind;
use chatroom_router::kafka::TopicPartition;

const DAY_MS: i64 = 86_400_000;

impl World {
    pub fn fault(&mut self) {
        if self.healed {
            return;
        }
        let ms = self.rng.between(1, 2 * self.setup.trouble_ms);
        self.after(ms, Happening::Fault);
        self.faults += 1;
        match self.rng.below(100) {
            0..14 => self.kill(),
            14..28 => self.freeze(),
            28..36 => self.drain(),
            36..50 => {
                self.say(|| "the group rebalances".to_owned());
                self.kafka.group.prepare();
            }
            50..58 => self.cut_index(),
            58..63 => {
                self.say(|| "the index is flushed".to_owned());
                self.redis.flush();
                self.oracle.count("flushed");
            }
            63..73 => self.roll_back(),
            73..80 => self.forget_offsets(),
            80..90 => self.compact(),
            90..93 => self.more_partitions(),
            93..97 => self.pass_time(),
            _ => self.double(),
        }
    }

    fn any_process(&mut self) -> Option<u32> {
        let pids: Vec<u32> = self.processes.keys().copied().collect();
        (!pids.is_empty()).then(|| pids[self.rng.place(pids.len())])
    }

    fn kill(&mut self) {
        let Some(pid) = self.any_process() else { return };
        self.say(|| format!("[{pid}] is killed"));
        self.oracle.count("killed");
        self.end(pid);
    }

    /// Removes a process; its slot, if it still has one, gets another.
    pub fn end(&mut self, pid: u32) {
        let Some(process) = self.processes.remove(&pid) else {
            return;
        };
        if self.slots[process.slot].runs == Some(pid) {
            self.buried(process.slot);
        }
    }

    fn freeze(&mut self) {
        let Some(pid) = self.any_process() else { return };
        let ms = self.rng.pick(&[50, 500, 5_000, 20_000, 45_000]);
        let until = self.now + ms;
        self.say(|| format!("[{pid}] is frozen for {ms} ms"));
        self.oracle.count("frozen");
        if let Some(process) = self.processes.get_mut(&pid) {
            process.frozen_until = until;
        }
    }

    fn drain(&mut self) {
        let Some(pid) = self.any_process() else { return };
        let now = self.now;
        self.say(|| format!("[{pid}] is asked to leave"));
        self.oracle.count("drained");
        if let Some(process) = self.processes.get_mut(&pid) {
            process.drain(now);
        }
    }

    /// A process stands still while another is started in its place, under the same transactional id.
    fn double(&mut self) {
        let Some(pid) = self.any_process() else { return };
        let until = self.now + self.rng.pick(&[2_000, 40_000]);
        let Some(process) = self.processes.get_mut(&pid) else {
            return;
        };
        let slot = process.slot;
        if self.slots[slot].runs != Some(pid) {
            return;
        }
        process.frozen_until = until;
        self.say(|| format!("[{pid}] is frozen, and another started in its place"));
        self.oracle.count("doubled");
        self.slots[slot].runs = None;
        self.slots[slot].starting = true;
        self.after(10, Happening::Start(slot));
    }

    fn cut_index(&mut self) {
        let ms = self.rng.pick(&[100, 1_000, 10_000]);
        self.say(|| format!("the index is away for {ms} ms"));
        self.redis.down_until = self.now + ms;
    }

    fn roll_back(&mut self) {
        let most = self.redis.calls() as u64;
        let calls = 1 + self.rng.below(most.min(12)) as usize;
        self.say(|| format!("the index is rolled back by {calls} calls"));
        self.oracle.count("rolled back");
        self.redis.roll_back(calls);
    }

    fn forget_offsets(&mut self) {
        for kind in TopicKind::INPUTS {
            for at in self.kafka.partitions_of(self.shared.topic(kind)) {
                if self.rng.chance(400) && self.kafka.committed(&at).is_ok() {
                    self.kafka.forget_offset(&at);
                }
            }
        }
        self.say(|| "the group's offsets expire".to_owned());
    }

    fn compact(&mut self) {
        let tombstones_before = self.wall().0 - 7 * DAY_MS;
        for partition in 0..self.setup.partitions {
            let at = TopicPartition::new(self.shared.topic(TopicKind::RouterChangelog).clone(), partition);
            let dirty = self.rng.below(20) as i64;
            self.kafka.log_mut(&at).compact(dirty, tombstones_before);
        }
        self.say(|| "the changelog is compacted".to_owned());
    }

    fn more_partitions(&mut self) {
        let topic = self.shared.topic(TopicKind::INPUTS[self.rng.place(4)]).clone();
        let count = self.kafka.counts.get(&topic).copied().unwrap_or(0) + 1;
        if count > 6 {
            return;
        }
        self.kafka.create(&topic, count);
        self.say(|| format!("{topic} has {count} partitions now"));
        self.oracle.count("more partitions");
        let pids: Vec<u32> = self.processes.keys().copied().collect();
        for pid in pids {
            let ms = self.rng.between(1, 5_000);
            let counts = self.counts();
            self.after(ms, Happening::Mail(pid, counts));
        }
    }

    fn pass_time(&mut self) {
        let ms = self.rng.pick(&[DAY_MS / 2, DAY_MS, 3 * DAY_MS, 9 * DAY_MS]);
        self.say(|| format!("{ms} ms pass on the wall"));
        self.wall_ahead += ms;
    }

    /// From now on nothing goes wrong.
    pub fn heal(&mut self) {
        self.say(|| "all is healed".to_owned());
        self.healed = true;
        self.redis.down_until = 0;
        let strays: Vec<u32> = self
            .processes
            .keys()
            .copied()
            .filter(|pid| !self.slots.iter().any(|slot| slot.runs == Some(*pid)))
            .collect();
        strays.into_iter().for_each(|pid| self.end(pid));
        for process in self.processes.values_mut() {
            process.frozen_until = 0;
        }
    }
}
