//! An index that loses entries and says nothing: a Redis that is set up to throw them away, and one whose entries are found to
//! differ from the changelog. Whoever looks tells at once, so what is read later must not be believed.

use crate::process::Pid;
use crate::sabotage::Sabotage;
use crate::world::{Happening, World};
use chatroom_router::contract::TopicKind;
use chatroom_router::kafka::TopicPartition;
use chatroom_router::protocol::{Event, Life, Partition};
use std::collections::BTreeSet;

const UNFIT: &str = "Redis may throw entries away";

impl World {
    /// Redis is set up to throw entries away, which is seen, and it does so from then on.
    pub fn evict(&mut self) {
        self.say(|| "Redis begins to throw entries away".to_owned());
        self.oracle.count("evicting");
        self.redis.is_unfit = true;
        self.tell_all(|| Event::IndexUnfit, Sabotage::UnfitUntold);
        for partition in 0..self.setup.partitions {
            self.harm(partition, false);
        }
    }

    /// Entries of a partition are gone, and somebody finds out; or something else stands in their place.
    pub fn rot(&mut self) {
        let partition = self.any_partition();
        if self.luck.chance(300) {
            self.say(|| format!("another program writes to the index of partition {partition}"));
            self.oracle.count("unreadable");
            return self.redis.spoil(partition);
        }
        self.harm(partition, true);
        self.say(|| format!("the index of partition {partition} is found to differ"));
        self.oracle.count("differing");
        self.tell_all(|| Event::IndexDiffers(partition), Sabotage::DifferenceUntold);
    }

    fn tell_all(&mut self, event: impl Fn() -> Event, off: Sabotage) {
        if self.without(off) {
            return;
        }
        let pids: Vec<Pid> = self.processes.keys().copied().collect();
        pids.into_iter().for_each(|pid| self.mail(pid, event()));
    }

    fn harm(&mut self, partition: Partition, is_found: bool) {
        let changelog = TopicPartition::new(self.shared.topic(TopicKind::RouterChangelog).clone(), partition);
        let slots = self.kafka.log(&changelog).slots();
        let keys: BTreeSet<Vec<u8>> = slots.filter_map(|(_, slot)| slot.data.as_ref()?.key.clone()).collect();
        let luck = &mut self.luck;
        let lost: Vec<Vec<u8>> = keys.into_iter().filter(|_| luck.chance(600)).collect();
        self.redis.harm(partition, lost.into_iter(), is_found);
    }

    /// Why nobody may believe this index, as who asks for its marker is told.
    pub fn is_unfit(&mut self, partition: Partition) -> Option<String> {
        if !self.redis.is_unfit || self.without(Sabotage::UnfitUntold) {
            return None;
        }
        self.harm(partition, false);
        Some(UNFIT.to_owned())
    }

    /// A partition may stop for it; who is told late, too.
    pub fn is_known_unfit(&self, partition: Partition, why: &str) -> bool {
        why == UNFIT || (why.contains("can't be read") && self.redis.was_spoilt(partition))
    }

    /// Who takes up an index that differs is told so before it reads anything, unless it knows.
    pub fn compare_soon(&mut self, pid: Pid, life: Life, ms: u64) {
        let tasks = self
            .processes
            .get(&pid)
            .into_iter()
            .flat_map(|process| process.core.tasks());
        let knows = tasks.filter(|task| task.life == life).any(|task| task.suspect);
        if !knows && self.redis.is_found_to_differ(life.partition) && !self.without(Sabotage::DifferenceUntold) {
            self.after(ms, Happening::Mail(pid, Event::IndexDiffers(life.partition)));
        }
    }

    /// Redis is set up as it should be, once the owners have given up what it held.
    pub fn look_at_policy(&mut self) {
        let waits = (0..self.setup.partitions).any(|partition| self.redis.is_harmed(partition));
        let gives_up = !self.without(Sabotage::UnfitLeft) && !self.without(Sabotage::UnfitUntold);
        if self.redis.is_unfit && !(waits && gives_up) && self.rng.chance(200) {
            self.say(|| "Redis keeps its entries again".to_owned());
            self.redis.is_unfit = false;
        }
    }

    /// Nothing goes wrong any more: what nobody gave up is taken away by hand.
    pub fn set_right(&mut self) {
        if std::mem::take(&mut self.redis.is_unfit) {
            let left = self.without(Sabotage::UnfitLeft);
            let partitions = (0..self.setup.partitions).filter(|_| !left);
            partitions.for_each(|partition| self.redis.forget(partition));
        }
    }
}
