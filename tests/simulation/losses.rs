//! What Kafka no longer holds, or a client can't see: what retention takes after it was judged, what somebody deletes before,
//! and what a broker that no longer leads was never told.

use crate::kafka::log::Data;
use crate::process::Pid;
use crate::world::World;
use chatroom_router::contract::TopicKind;
use chatroom_router::kafka::{NewRecord, TopicPartition};
use chatroom_router::protocol::Partition;
use chatroom_router::protocol::task::Phase;
use chatroom_router::state::keys::RecordKey;
use chatroom_router::state::progress::{Position, Progress};
use std::rc::Rc;

impl World {
    /// Up to where an input was judged. None: the changelog knows nothing of it.
    pub fn judged_to(&self, at: &TopicPartition) -> Option<i64> {
        let model = self.oracle.tasks.get(&at.partition.rem_euclid(self.setup.partitions))?;
        model.progress.next_of(&self.oracle.input(at))
    }

    /// Logs begin later: inputs no further than they were judged, the others where compaction has left something. Of a changelog
    /// nobody can tell that no more is gone: it stops where its index must be built anew.
    pub fn retain(&mut self) {
        for partition in 0..self.setup.partitions {
            for at in self.inputs_of(partition) {
                let judged = self.judged_to(&at).unwrap_or(0);
                let to = self.luck.between(0, judged as u64) as i64;
                self.kafka.log_mut(&at).delete_before(to);
            }
        }
        self.compact(20);
        let settings = self.settings_log();
        self.kafka.log_mut(&settings).compact(3, i64::MIN);
        let changelogs = self.kafka.partitions_of(self.shared.topic(TopicKind::RouterChangelog));
        for at in &changelogs {
            self.torn.entry(at.partition).or_default();
        }
        for at in changelogs.into_iter().chain([settings]) {
            let log = self.kafka.log_mut(&at);
            log.delete_before(log.first_alive());
        }
        self.say(|| "retention takes what is old".to_owned());
        self.oracle.count("retention");
    }

    /// Somebody deletes records of an input, whether they were judged or not.
    pub fn delete(&mut self) {
        let partition = self.any_partition();
        let commands = self.shared.topic(TopicKind::RouterCommands).clone();
        let mut inputs = self.inputs_of(partition);
        inputs.retain(|at| at.topic != commands);
        if inputs.is_empty() {
            return;
        }
        let at = &inputs[self.luck.place(inputs.len())];
        let (judged, end) = (self.judged_to(at).unwrap_or(0), self.kafka.log(at).stable());
        let to = judged + self.luck.between(0, (end - judged).max(0) as u64) as i64;
        self.kafka.log_mut(at).delete_before(to);
        self.say(|| format!("{at} begins at {to}, and is judged up to {judged}"));
        if to > judged {
            self.oracle.count("deleted");
            self.torn.entry(partition).or_default();
        }
    }

    /// A host asks a broker that was cut off and no longer leads the settings. One that has just started may meet one that was
    /// cut off long ago.
    pub fn depose(&mut self) {
        let slot = self.luck.place(self.slots.len());
        let mut end = self.settings_seen(slot);
        if self.luck.chance(600) {
            let processes = self.processes.values().filter(|process| process.slot == slot);
            let pids: Vec<Pid> = processes.map(|process| process.pid).collect();
            pids.into_iter().for_each(|pid| self.end(pid));
            end = self.luck.between(0, end as u64) as i64;
        }
        let ms = self.luck.pick(&[500, 5_000, 20_000, 60_000]);
        self.say(|| format!("slot {slot} sees the settings up to {end} for {ms} ms"));
        self.oracle.count("deposed");
        self.deposed.insert(slot, (self.now + ms, end));
    }

    /// How much of the settings that broker holds, if the slot asks one.
    pub fn left_behind(&self, slot: usize) -> Option<i64> {
        let (until, end) = self.deposed.get(&slot)?;
        (!self.healed && *until > self.now).then_some(*end)
    }

    /// `positions accept log`: where the next record is gone, the first that is there, and so where the changelog was cut. False:
    /// the partition moves yet.
    pub fn accept_log(&mut self, partition: Partition) -> bool {
        let inputs = self.inputs_of(partition);
        let Some(before) = self.oracle.tasks.get(&partition).map(|model| model.progress.clone()) else {
            return true;
        };
        let low = |at: &TopicPartition| self.kafka.log(at).low();
        let is_gone = |at: &TopicPartition| self.judged_to(at).is_some_and(|next| next < low(at));
        let is_cut = self.torn.get(&partition).is_some_and(|tear| tear.cut);
        if !is_cut && !inputs.iter().any(is_gone) {
            return true;
        }
        if !self.stands_still(partition, &inputs) {
            return false;
        }
        let changelog = TopicPartition::new(self.shared.topic(TopicKind::RouterChangelog).clone(), partition);
        let mut progress = Progress {
            sequence: before.sequence + 1,
            begins: low(&changelog),
            ..before
        };
        for at in &inputs {
            let input = self.oracle.input(at);
            let next = progress.next_of(&input).unwrap_or(0).max(self.kafka.log(at).low());
            let decided_to = progress.inputs.get(&input).and_then(|held| held.decided_to);
            progress.inputs.insert(input, Position { next, decided_to });
            self.kafka.set_offset(at, next);
        }
        let record = NewRecord {
            key: Some(RecordKey::PROGRESS.as_bytes().to_vec()),
            value: Some(progress.encode()),
            ..NewRecord::default()
        };
        let data = Data {
            record: Rc::new(record),
            timestamp: self.wall().0,
        };
        let offset = self.kafka.log_mut(&changelog).append(Rc::new(data), None);
        self.say(|| format!("partition {partition} goes on where its inputs begin"));
        self.oracle.accepted(&self.kafka, partition, progress, offset);
        true
    }

    /// Nobody works on it, and nothing that somebody did is undecided.
    fn stands_still(&self, partition: Partition, inputs: &[TopicPartition]) -> bool {
        let changelog = TopicPartition::new(self.shared.topic(TopicKind::RouterChangelog).clone(), partition);
        let tasks = self.processes.values().flat_map(|process| process.core.tasks());
        let mut theirs = tasks.filter(|task| task.life.partition == partition);
        theirs.all(|task| matches!(task.phase, Phase::Stopped(_)))
            && self.kafka.log(&changelog).unended() == 0
            && inputs.iter().all(|at| self.kafka.committed(at).is_ok())
    }
}
