//! State that contradicts itself, as operators and other people's tools leave it behind, and the way out that the program
//! names when it stops a partition for it.

use crate::process::Pid;
use crate::world::{Happening, World};
use chatroom_router::contract::TopicKind;
use chatroom_router::index::{Batch, Begin, Change, Generation, Op};
use chatroom_router::kafka::TopicPartition;
use chatroom_router::protocol::{Event, Partition};
use chatroom_router::state::keys::RecordKey;
use chatroom_router::state::progress::Progress;

/// Why a partition may stop. Neither: it is mended, and who looked before may still stop.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tear {
    /// The group's offsets were set by hand.
    offsets: bool,
    /// The index has seen more of the changelog than there is.
    ahead: bool,
    /// The changelog lost its beginning, and the index would be built from the rest.
    pub cut: bool,
}

impl World {
    /// Whether the index of that partition is one that nobody may trust.
    pub fn is_ahead(&self, partition: Partition) -> bool {
        self.torn.get(&partition).is_some_and(|tear| tear.ahead)
    }

    /// A partition stopped: somebody is woken up, and mends what called for it.
    pub fn stopped(&mut self, pid: Pid, partition: Partition, why: &str) {
        assert!(
            self.torn.contains_key(&partition) || self.is_known_unfit(partition, why),
            "[{pid}] stopped partition {partition}, and nothing called for it: {why}"
        );
        self.oracle.count("stopped");
        if why.contains("the changelog begins at") {
            self.oracle.count("changelog cut");
            self.torn.entry(partition).or_default().cut = true;
        }
        let ms = self.rng.between(200, 3_000);
        self.after(ms, Happening::Mend(Some(pid), partition));
    }

    /// An input was halted for its bad records: somebody looks at them, and says go on.
    pub fn halted(&mut self, at: &TopicPartition) {
        self.oracle.count("halted");
        let ms = self.rng.between(200, 5_000);
        let for_ms = self.rng.pick(&[0, 500, 5_000]);
        self.after(ms, Happening::GoOn(at.clone(), for_ms));
    }

    /// Said to all: who owns it, the sender does not know.
    pub fn go_on(&mut self, at: &TopicPartition, for_ms: u64) {
        let pids: Vec<Pid> = self.processes.keys().copied().collect();
        for pid in pids {
            let ms = self.latency();
            self.after(ms, Happening::Mail(pid, Event::GoOn(at.clone(), for_ms)));
        }
    }

    /// What the sentence of the stop asks for; and the process is started again, unless the partition goes on by itself.
    pub fn mend(&mut self, pid: Option<Pid>, partition: Partition) {
        if !self.accept_log(partition) {
            let ms = self.rng.between(500, 3_000);
            return self.after(ms, Happening::Mend(pid, partition));
        }
        let tear = self.torn.insert(partition, Tear::default()).unwrap_or_default();
        if tear.offsets {
            self.set_offsets_as_progress_says(partition);
        }
        if tear.ahead {
            self.redis.forget(partition);
        }
        let goes_on = !tear.offsets && !tear.ahead && self.rng.chance(700);
        if let Some(pid) = pid.filter(|_| !goes_on) {
            self.say(|| format!("partition {partition} is mended, and [{pid}] started again"));
            self.end(pid);
        }
    }

    /// Nobody needs to be woken up any more.
    pub fn mend_all(&mut self) {
        let torn: Vec<Partition> = self.torn.keys().copied().collect();
        torn.into_iter().for_each(|partition| self.mend(None, partition));
    }

    fn set_offsets_as_progress_says(&mut self, partition: Partition) {
        for at in self.inputs_of(partition) {
            let model = self.oracle.tasks.get(&partition);
            match model.and_then(|model| model.progress.next_of(&self.oracle.input(&at))) {
                Some(next) => self.kafka.set_offset(&at, next),
                None => self.kafka.forget_offset(&at),
            }
        }
    }

    pub fn inputs_of(&self, partition: Partition) -> Vec<TopicPartition> {
        let kinds = TopicKind::INPUTS.into_iter().chain([TopicKind::RouterCommands]);
        let all = kinds.flat_map(|kind| self.kafka.partitions_of(self.shared.topic(kind)));
        all.filter(|at| at.partition.rem_euclid(self.setup.partitions) == partition)
            .collect()
    }

    /// All processes are stopped, and the group forgets them; they are started again after a while.
    fn outage(&mut self) {
        let pids: Vec<Pid> = self.processes.keys().copied().collect();
        for pid in pids {
            let member = self.processes.get(&pid).map(|process| process.member.id.clone());
            self.kafka.group.leave(&member.unwrap_or_default(), &mut self.luck);
            self.end(pid);
        }
    }

    pub fn any_partition(&mut self) -> Partition {
        self.luck.below(self.setup.partitions as u64) as Partition
    }

    /// While nobody runs, an offset of the group is set by hand.
    pub fn reset(&mut self) {
        let partition = self.any_partition();
        self.outage();
        let inputs = self.inputs_of(partition);
        let at = &inputs[self.luck.place(inputs.len())];
        let next = self.kafka.group_offset(at);
        let steps = self.luck.between(1, 4) as i64;
        let to = if self.luck.chance(500) {
            next + steps
        } else {
            next - steps
        };
        let log = self.kafka.log(at);
        self.kafka.set_offset(at, to.clamp(log.low(), log.high()));
        self.say(|| format!("the group's offset of {at} is set from {next} to {to}"));
        self.oracle.count("offsets set");
        self.torn.entry(partition).or_default().offsets = true;
    }

    /// While nobody runs, the changelog turns out to be shorter than what the index has seen, which holds other things.
    pub fn ahead(&mut self) {
        let partition = self.any_partition();
        let changelog = TopicPartition::new(self.shared.topic(TopicKind::RouterChangelog).clone(), partition);
        let model = self.oracle.tasks.get(&partition).map(|model| model.progress.clone());
        let (Some(marker), Some(model)) = (self.redis.marker(partition), model) else {
            return;
        };
        self.outage();
        let log = self.kafka.log(&changelog);
        // The markers of open transactions are yet to come: the log must not grow to where the index stands.
        let markers = log.unended() as i64;
        let keys = log.slots().filter_map(|(_, slot)| slot.data.as_ref()?.key.clone());
        let mut ops: Vec<Op> = keys.map(|key| Op::Delete { key }).collect();
        let progress = Progress {
            sequence: model.sequence + self.luck.between(100, 200),
            ..model
        };
        ops.push(Op::Put {
            key: RecordKey::PROGRESS.as_bytes().to_vec(),
            value: progress.encode(),
        });
        let changes = |offset| vec![Change { offset, ops }];
        let applied_until = Some(self.wall().0);
        if marker.offset > 0 && self.luck.chance(500) {
            // The ends of transactions have brought the log to the marker again.
            let batch = Batch {
                from: 0,
                to: marker.offset,
                changes: changes(0),
                applied_until,
            };
            self.redis.apply_again(partition, &marker.of, &batch);
        } else {
            let batch = Batch {
                from: marker.offset,
                to: log.high().max(marker.offset) + markers + self.luck.between(1, 9) as i64,
                changes: changes(marker.offset),
                applied_until,
            };
            self.redis.apply(partition, &marker.of, &batch);
        }
        self.say(|| {
            format!(
                "the index of partition {partition} is ahead, in transaction {}",
                progress.sequence
            )
        });
        self.oracle.count("ahead");
        self.torn.entry(partition).or_default().ahead = true;
    }

    /// Somebody loads a dump of another installation's index over ours.
    pub fn dump(&mut self) {
        let partition = self.any_partition();
        let changelog = TopicPartition::new(self.shared.topic(TopicKind::RouterChangelog).clone(), partition);
        let high = self.kafka.log(&changelog).high();
        let of = Generation {
            incarnation: self.luck.uuid(),
            generation: self.luck.uuid(),
            format: u32::from(self.shared.expected.format.number()),
        };
        let begin = Begin {
            expected: self.redis.marker(partition).map(|marker| marker.of.generation),
            of,
            offset: 0,
            at: self.wall().0,
        };
        self.redis.begin(partition, &begin);
        let batch = Batch {
            from: 0,
            to: self.luck.between(0, high as u64) as i64,
            changes: Vec::new(),
            applied_until: Some(self.wall().0),
        };
        self.redis.apply(partition, &of, &batch);
        self.say(|| format!("the index of partition {partition} is replaced by another's"));
        self.oracle.count("dumped");
    }
}
