//! What goes wrong from outside, as chance will have it, until the world is healed.

use crate::setup::{TROUBLES, Trouble};
use crate::world::{Happening, World};
use chatroom_router::contract::TopicKind;
use chatroom_router::kafka::TopicPartition;

const DAY_MS: i64 = 86_400_000;

impl World {
    /// The first fault comes while processes start, or join their group, or work.
    pub fn first_fault(&mut self) {
        let ms = self.luck.between(0, 3_000);
        match self.setup.trouble {
            Trouble::Ms(_) => self.after(ms, Happening::Fault),
            Trouble::Actions(_) => self.next_fault(),
        }
    }

    fn next_fault(&mut self) {
        match self.setup.trouble {
            Trouble::Ms(ms) => {
                let ms = self.luck.between(1, 2 * ms);
                self.after(ms, Happening::Fault);
            }
            Trouble::Actions(many) => self.strike_at = self.actions + self.luck.between(1, 2 * many),
        }
    }

    pub fn fault(&mut self) {
        if self.healed || self.faults >= self.setup.faults {
            return;
        }
        self.next_fault();
        self.faults += 1;
        let mut chance = self.luck.below(self.setup.troubles.iter().sum());
        let kind = self.setup.troubles.iter().position(|weight| {
            let hit = chance < *weight;
            chance = chance.saturating_sub(*weight);
            hit
        });
        if let Some(kind) = kind {
            self.trouble(TROUBLES[kind]);
        }
    }

    fn trouble(&mut self, kind: &str) {
        match kind {
            "kill" => self.kill(),
            "freeze" => self.freeze(),
            "drain" => self.drain(),
            "double" => self.double(),
            "cut" => self.cut_index(),
            "flush" => self.flush(),
            "rollback" => self.roll_back(12),
            "expiry" => self.forget_offsets(),
            "compaction" => self.compact(20),
            "growth" => self.more_partitions(),
            "days" => self.pass_time(),
            "age" => self.age(),
            "dump" => self.dump(),
            "ahead" => self.ahead(),
            "reset" => self.reset(),
            "retention" => self.retain(),
            "deletion" => self.delete(),
            "deposed" => self.depose(),
            "eviction" => self.evict(),
            "rot" => self.rot(),
            _ => {
                self.say(|| "the group rebalances".to_owned());
                self.kafka.group.prepare();
            }
        }
    }

    fn flush(&mut self) {
        self.say(|| "the index is flushed".to_owned());
        self.redis.flush();
        self.oracle.count("flushed");
    }

    /// Older than any tombstone, the index comes back from a backup.
    fn age(&mut self) {
        self.wall_ahead += 9 * DAY_MS;
        self.compact(0);
        let calls = self.since_a_tombstone().filter(|_| self.luck.chance(700));
        match calls {
            Some(calls) => {
                self.say(|| format!("the index is rolled back by {calls} calls, to before a tombstone"));
                self.oracle.count("older than a tombstone");
                self.redis.roll_back(calls);
            }
            None => self.roll_back(60),
        }
    }

    /// Calls of the index since one that took something away for good.
    fn since_a_tombstone(&mut self) -> Option<usize> {
        let mut erased = Vec::new();
        for at in self.kafka.partitions_of(self.shared.topic(TopicKind::RouterChangelog)) {
            let tombstones = self.kafka.history(&at).filter(|(_, data)| data.value.is_none());
            let calls = tombstones.filter_map(|(offset, _)| self.redis.calls_since(at.partition, offset));
            erased.extend(calls);
        }
        (!erased.is_empty()).then(|| erased[self.luck.place(erased.len())])
    }

    fn any_process(&mut self) -> Option<u32> {
        let pids: Vec<u32> = self.processes.keys().copied().collect();
        (!pids.is_empty()).then(|| pids[self.luck.place(pids.len())])
    }

    /// Rather one that gives partitions up.
    fn kill(&mut self) {
        let mut processes = self.processes.values();
        let giving = processes.find(|process| process.member.is_handing_over());
        let giving = giving.map(|process| process.pid).filter(|_| self.luck.chance(800));
        let Some(pid) = giving.or_else(|| self.any_process()) else {
            return;
        };
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

    /// A time that is short, or lasts a part of a session, or longer than one.
    fn long_ms(&mut self) -> u64 {
        let session_ms = self.setup.session_ms;
        self.luck
            .pick(&[50, 500, session_ms / 2, session_ms + 1_000, 2 * session_ms])
    }

    /// Rather one that is finding out where its tasks stand: what it has found grows old.
    fn freeze(&mut self) {
        let recovering = self.processes.values().find(|process| process.core.is_recovering());
        let recovering = recovering.map(|process| process.pid).filter(|_| self.luck.chance(500));
        let Some(pid) = recovering.or_else(|| self.any_process()) else {
            return;
        };
        let is_targeted = recovering == Some(pid);
        let ms = if is_targeted {
            self.setup.session_ms + 1_000
        } else {
            self.long_ms()
        };
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
        let until = self.now + self.long_ms();
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
        let ms = self.luck.pick(&[100, 1_000, 10_000]);
        let until = self.now + ms;
        if self.luck.chance(700) {
            self.say(|| format!("the index is away for {ms} ms"));
            self.redis.down_until = until;
        } else {
            let partition = self.any_partition();
            self.say(|| format!("the index of partition {partition} is away for {ms} ms"));
            self.oracle.count("index of one away");
            self.redis.away_until.insert(partition, until);
        }
    }

    fn roll_back(&mut self, at_most: u64) {
        let most = self.redis.calls() as u64;
        let calls = 1 + self.luck.below(most.min(at_most)) as usize;
        self.say(|| format!("the index is rolled back by {calls} calls"));
        self.oracle.count("rolled back");
        self.redis.roll_back(calls);
    }

    fn forget_offsets(&mut self) {
        for kind in TopicKind::INPUTS {
            for at in self.kafka.partitions_of(self.shared.topic(kind)) {
                if self.luck.chance(400) && self.kafka.committed(&at).is_ok() {
                    self.kafka.forget_offset(&at);
                }
            }
        }
        self.say(|| "the group's offsets expire".to_owned());
    }

    pub fn compact(&mut self, active: u64) {
        let tombstones_before = self.wall().0 - 7 * DAY_MS;
        for partition in 0..self.setup.partitions {
            let at = TopicPartition::new(self.shared.topic(TopicKind::RouterChangelog).clone(), partition);
            let dirty = self.luck.below(active) as i64;
            self.kafka.log_mut(&at).compact(dirty, tombstones_before);
        }
        self.say(|| "the changelog is compacted".to_owned());
    }

    fn more_partitions(&mut self) {
        let topic = self.shared.topic(TopicKind::INPUTS[self.luck.place(4)]).clone();
        let count = self.kafka.counts.get(&topic).copied().unwrap_or(0) + 1;
        if count > 6 {
            return;
        }
        self.kafka.create(&topic, count);
        self.say(|| format!("{topic} has {count} partitions now"));
        self.oracle.count("more partitions");
        let pids: Vec<u32> = self.processes.keys().copied().collect();
        for pid in pids {
            let ms = self.luck.between(1, 5_000);
            self.after(ms, Happening::Counts(pid));
        }
    }

    fn pass_time(&mut self) {
        let ms = self.luck.pick(&[DAY_MS / 2, DAY_MS, 3 * DAY_MS, 9 * DAY_MS]);
        self.say(|| format!("{ms} ms pass on the wall"));
        self.wall_ahead += ms;
    }

    /// From now on nothing goes wrong.
    pub fn heal(&mut self) {
        self.say(|| "all is healed".to_owned());
        self.healed = true;
        self.sure = Some(self.wall().plus(-self.setup.grace_ms));
        self.redis.down_until = 0;
        self.redis.away_until.clear();
        self.set_right();
        self.mend_all();
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
