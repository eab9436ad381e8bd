//! The steps of a transaction as the adapter performs them: what blocks is tried again, what is unclear replaces the
//! producer, and a request may outlive the call that made it.

use crate::kafka::Producer as Asker;
use crate::kafka::coordinator::Refusal;
use crate::process::{Handle, Process};
use crate::sabotage::Sabotage;
use crate::workload::POISON;
use crate::world::{Happening, World};
use chatroom_router::contract::TopicKind;
use chatroom_router::index::{Batch, Change, Op};
use chatroom_router::kafka::{NewRecord, TopicPartition};
use chatroom_router::protocol::{Action, Event, TransactionAnswer, TransactionStep};
use chatroom_router::state::clocks;
use chatroom_router::state::keys::RecordKey;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What brokers say of a record that they won't take.
pub const REFUSED: &str = "the broker refuses this record";

impl Process {
    /// Makes one step; gives back how long it takes.
    pub fn transact(&mut self, step: TransactionStep, world: &mut World) -> u64 {
        match step {
            TransactionStep::Begin => {
                let answer = self.begin(world);
                self.tell(answer)
            }
            TransactionStep::Produce(records) => {
                assert!(!records.is_empty(), "[{}] a transaction of nothing", self.pid);
                self.producer.records = records.into_iter().map(Rc::new).collect();
                self.producer.offsets = BTreeMap::new();
                self.tell(TransactionAnswer::Produced)
            }
            TransactionStep::Flush => self.flush(world),
            TransactionStep::SendOffsets(offsets) => self.send_offsets(offsets, world),
            TransactionStep::Commit => self.end(true, world),
            TransactionStep::Abort => self.end(false, world),
            TransactionStep::ReplaceProducer => {
                // One that is on its way already is as good as another.
                if self.producer.handle != Handle::Absent {
                    self.producer.gone();
                }
                0
            }
        }
    }

    fn tell(&mut self, answer: TransactionAnswer) -> u64 {
        if matches!(answer, TransactionAnswer::ProducerLost(_)) && self.producer.handle != Handle::Absent {
            self.producer.gone();
        }
        self.events.push_back(Event::Transaction(answer));
        0
    }

    /// What blocks holds up all of the process, or goes on beside it.
    fn again(&mut self, step: TransactionStep, ms: u64, world: &World) -> u64 {
        if world.setup.threaded {
            self.blocked = Some((world.now + ms, step));
            return 0;
        }
        self.actions.push_front(Action::Transaction(step));
        ms
    }

    fn begin(&mut self, world: &World) -> TransactionAnswer {
        match self.producer.handle {
            Handle::Idle if self.producer.suspect && !world.without(Sabotage::SuspectProducerGoesOn) => {
                self.producer.gone();
                TransactionAnswer::NotBegun
            }
            Handle::Idle => {
                self.producer.handle = Handle::Open;
                self.producer.touched = false;
                self.producer.insight = self.insight();
                TransactionAnswer::Begun
            }
            Handle::Absent => TransactionAnswer::NotBegun,
            Handle::Open => lost("no producer is idle"),
        }
    }

    /// A few records at a time, so that whatever happens may happen between them.
    fn flush(&mut self, world: &mut World) -> u64 {
        if self.producer.handle != Handle::Open {
            return self.tell(lost("no transaction is open"));
        }
        let many = world.rng.between(1, 12);
        for _ in 0..many {
            let place = self.producer.offsets.len();
            let Some(record) = self.producer.records.get(place).cloned() else {
                break;
            };
            let record = &record;
            if is_poison(record, world) {
                self.producer.suspect = true;
                // Whether the broker names it is the record's own, so trying again does not help.
                return match record.value.as_ref().is_some_and(|value| value.len() % 2 == 0) {
                    true => self.tell(TransactionAnswer::RecordRefused {
                        place,
                        sentence: REFUSED.to_owned(),
                    }),
                    false => self.tell(TransactionAnswer::SomeRefused(REFUSED.to_owned())),
                };
            }
            if self.is_left_out(record, place, world) {
                self.producer
                    .offsets
                    .insert(place, self.producer.offsets.values().max().map_or(0, |last| last + 1));
                continue;
            }
            let (id, now) = (self.transactional_id(), (world.now, world.wall().0));
            let asker = Asker {
                id: &id,
                epoch: self.producer.epoch,
                insight: &self.producer.insight,
            };
            match world.kafka.produce(&asker, record, now) {
                Ok(offset) => {
                    self.producer.touched = true;
                    self.producer.offsets.insert(place, offset);
                }
                Err(Refusal::Busy) => return self.again(TransactionStep::Flush, 20, world),
                Err(refusal) => return self.tell(lost(&format!("producing: {refusal:?}"))),
            }
        }
        if world.flaky() {
            return self.tell(TransactionAnswer::MustAbort(
                "a record was not delivered in time".to_owned(),
            ));
        }
        if self.producer.offsets.len() < self.producer.records.len() {
            // Brokers that are well take a batch within its transaction's time.
            let most = if world.healed { 5 } else { world.setup.step_ms };
            let ms = world.rng.between(0, most);
            return self.again(TransactionStep::Flush, ms, world);
        }
        if world.without(Sabotage::AppliedBeforeCommit) {
            self.apply_early(world);
        }
        let places = 0..self.producer.records.len();
        let offsets = places.map(|place| self.producer.offsets.get(&place).copied()).collect();
        self.tell(TransactionAnswer::Flushed(offsets));
        world.rng.between(0, world.setup.step_ms)
    }

    /// Applies what is not committed yet.
    fn apply_early(&self, world: &mut World) {
        let changelog = world.shared.topic(TopicKind::RouterChangelog).clone();
        for task in self.core.tasks() {
            let partition = task.life.partition;
            let Some(marker) = world.redis.marker(partition) else {
                continue;
            };
            let ours = self.producer.offsets.iter().filter(|(place, _)| {
                let record = &self.producer.records[**place];
                record.topic == changelog && record.partition == Some(partition)
            });
            let changes: Vec<Change> = ours
                .map(|(place, offset)| Change {
                    offset: *offset,
                    ops: ops_of(&self.producer.records[*place]),
                })
                .collect();
            let Some(last) = changes.last() else { continue };
            let batch = Batch {
                from: marker.offset,
                to: last.offset + 1,
                changes,
                applied_until: None,
            };
            if marker.offset <= batch.changes[0].offset {
                world.redis.apply(partition, &marker.of, &batch);
            }
        }
    }

    /// Whether a sabotage leaves this record out.
    fn is_left_out(&self, record: &NewRecord, place: usize, world: &mut World) -> bool {
        let is_step = record.topic == *world.shared.topic(TopicKind::RouterCommands);
        let is_last = place + 1 == self.producer.records.len();
        (is_step && world.without(Sabotage::StepForgotten) && world.rng.chance(100))
            || (is_last && world.without(Sabotage::OffsetsBeforeFlush) && world.rng.chance(200))
    }

    fn send_offsets(&mut self, offsets: Vec<(TopicPartition, i64)>, world: &mut World) -> u64 {
        if self.producer.handle != Handle::Open {
            return self.tell(lost("no transaction is open"));
        }
        if self.member.id.is_empty() || self.member.generation < 0 {
            return self.tell(TransactionAnswer::MustAbort(
                "the consumer is no member of its group".to_owned(),
            ));
        }
        if world.flaky() {
            return self.tell(TransactionAnswer::MustAbort("the offsets were not taken".to_owned()));
        }
        self.check_halts(&offsets);
        assert_eq!(
            self.producer.offsets.len(),
            self.producer.records.len(),
            "offsets are sent once all records are delivered"
        );
        let id = self.transactional_id();
        let asker = Asker {
            id: &id,
            epoch: self.producer.epoch,
            insight: &self.producer.insight,
        };
        let is_still = offsets
            .iter()
            .all(|(at, offset)| world.kafka.offset_as_it_stands(at) == Some(*offset));
        if is_still && world.without(Sabotage::TimersWithoutOffsets) {
            return self.tell(TransactionAnswer::OffsetsSent);
        }
        let member = match world.without(Sabotage::CommitWithoutMember) {
            true => ("", -1),
            false => self.member.sender(world.without(Sabotage::MemberKeptFromAssignment)),
        };
        let sent = world.kafka.send_offsets(&asker, member, &offsets, world.now);
        match sent {
            Err(Refusal::Busy) => return self.again(TransactionStep::SendOffsets(offsets), 20, world),
            Err(Refusal::Fenced | Refusal::Invalid) => return self.tell(lost("sending offsets: fenced")),
            Ok(()) | Err(Refusal::Group) => self.producer.touched = true,
        }
        self.tell(match sent {
            Ok(()) => TransactionAnswer::OffsetsSent,
            Err(_) => TransactionAnswer::MustAbort("fenced by the group".to_owned()),
        });
        world.rng.between(0, world.setup.step_ms)
    }

    /// What stands behind a halt is not committed before an operator says so; unless another owner did.
    fn check_halts(&self, offsets: &[(TopicPartition, i64)]) {
        for (at, offset) in offsets {
            let from = self.halted.get(at);
            let running = self.core.tasks().filter_map(|task| task.running());
            let stood = running.filter_map(|running| running.positions.get(at)).max();
            assert!(
                from.is_none_or(|from| offset <= from || stood == Some(offset)),
                "[{}] {at} is committed up to {offset}, and halted from {from:?}",
                self.pid
            );
        }
    }

    fn unknown(&mut self, world: &World) -> u64 {
        if world.without(Sabotage::LossTakenForAbort) {
            self.producer.handle = Handle::Idle;
            self.producer.suspect = true;
            return self.tell(TransactionAnswer::Aborted);
        }
        self.tell(lost("the outcome is unknown"))
    }

    fn end(&mut self, commit: bool, world: &mut World) -> u64 {
        if self.producer.handle != Handle::Open {
            return self.tell(lost("no transaction is open"));
        }
        let is_plain = world.healed || !world.rng.chance(world.setup.ambiguous);
        let fate = if is_plain { 9 } else { world.rng.below(6) };
        let (id, epoch) = (self.transactional_id(), self.producer.epoch);
        let late = Happening::LateEnd(id.clone(), epoch, commit);
        match fate {
            // Never sent, or on its way for long.
            0 => return self.unknown(world),
            1 => {
                let ms = late_ms(world);
                world.after(ms, late);
                return self.unknown(world);
            }
            2 if commit => {
                return self.tell(TransactionAnswer::MustAbort(
                    "it can't be committed any more".to_owned(),
                ));
            }
            // Slow: asked again, and both requests arrive.
            3 => {
                world.oracle.count("slow end");
                self.producer.suspect = true;
                let ms = late_ms(world);
                world.after(ms, late);
            }
            4 if !self.producer.again => {
                self.producer.again = true;
                self.producer.suspect = true;
                let step = if commit {
                    TransactionStep::Commit
                } else {
                    TransactionStep::Abort
                };
                let ms = world.rng.between(10, 14_000);
                return self.again(step, ms, world);
            }
            _ => {}
        }
        self.producer.again = false;
        let ended = if self.producer.touched {
            world.kafka.coordinator.end(&id, epoch, commit)
        } else {
            Ok(None)
        };
        match ended {
            Ok(Some(_)) => world.decided(&id),
            Ok(None) => {}
            Err(refusal) => return self.tell(lost(&format!("ending: {refusal:?}"))),
        }
        if fate == 5 {
            return self.unknown(world);
        }
        self.producer.handle = Handle::Idle;
        let commit = commit || world.without(Sabotage::AbortTakenForCommit);
        self.tell(if commit {
            TransactionAnswer::Committed
        } else {
            TransactionAnswer::Aborted
        });
        world.rng.between(0, world.setup.step_ms)
    }
}

/// How late a request is that nobody waits for any more: mostly so little that it meets the next transaction.
fn late_ms(world: &mut World) -> u64 {
    let most = world.rng.pick(&[30, 100, 300, 3_000, 20_000]);
    world.rng.between(1, most)
}

fn ops_of(record: &NewRecord) -> Vec<Op> {
    let key = RecordKey::parse(record.key.as_deref().unwrap_or_default()).expect("a key of ours");
    clocks::replay(&key, record.value.as_deref()).expect("readable")
}

fn lost(why: &str) -> TransactionAnswer {
    TransactionAnswer::ProducerLost(why.to_owned())
}

/// Brokers take no output that holds this text. Dead letters, which hold it too, they take.
pub fn is_poison(record: &NewRecord, world: &World) -> bool {
    let topics = [
        TopicKind::RoutedMessages,
        TopicKind::UnroutedMessages,
        TopicKind::OutboundMessages,
    ];
    let ours = topics.iter().any(|kind| *world.shared.topic(*kind) == record.topic);
    let value = record.value.as_deref().unwrap_or_default();
    ours && value.windows(POISON.len()).any(|part| part == POISON.as_bytes())
}
