//! A process as a member of its group, the way its client library does it: heartbeats go on by themselves, every rebalance
//! waits for the one answer of the application, and who was expelled forgets its member id before anything else.

use crate::kafka::group::{Asker, Beat};
use crate::process::{Pid, Process};
use crate::sabotage::Sabotage;
use crate::world::{Happening, World};
use chatroom_router::contract::TopicKind;
use chatroom_router::kafka::{Rebalance, TopicPartition};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// The answer that the client waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Awaiting {
    Nothing,
    Assign(BTreeSet<i32>),
    Unassign { gone: BTreeSet<i32>, then: BTreeSet<i32> },
}

pub struct Membership {
    /// The name of a static member.
    instance: Option<usize>,
    /// It joins once more after its first assignment: what its earlier self gave up by ending is handed out then.
    joins_again: bool,
    /// Another bears its name: this client is of no use any more.
    pub is_fenced: bool,
    /// Empty: no member.
    pub id: String,
    pub generation: i32,
    pub awaiting: Awaiting,
    /// Rebalances that the application has not been told of.
    pub told: VecDeque<Rebalance>,
    owned: BTreeSet<i32>,
    rejoin: bool,
    /// Member id and generation when partitions were assigned last.
    kept: (String, i32),
}

impl Membership {
    pub fn new(slot: usize, world: &World) -> Self {
        let instance = world.setup.statics.then_some(slot);
        Self {
            instance,
            joins_again: instance.is_some() && !world.without(Sabotage::PlaceTakenQuietly),
            is_fenced: false,
            id: String::new(),
            generation: -1,
            awaiting: Awaiting::Nothing,
            told: VecDeque::new(),
            owned: BTreeSet::new(),
            rejoin: false,
            kept: (String::new(), -1),
        }
    }

    /// It was told to give partitions up, or has, and the group does not know yet.
    pub fn is_handing_over(&self) -> bool {
        self.rejoin || matches!(self.awaiting, Awaiting::Unassign { .. })
    }

    /// It has what it was given in that generation, and has no reason to join.
    pub fn is_settled(&self, generation: i32) -> bool {
        let joins = self.rejoin || self.joins_again;
        self.generation == generation && self.awaiting == Awaiting::Nothing && !joins
    }

    /// The application took partitions. Any assignment is the answer to one, be it that the application was not told yet.
    pub fn assigned(&mut self) {
        if let Awaiting::Assign(added) = &mut self.awaiting {
            if !added.is_empty() {
                self.kept = (self.id.clone(), self.generation);
            }
            self.owned.append(added);
            self.awaiting = Awaiting::Nothing;
            self.rejoin |= std::mem::take(&mut self.joins_again);
        }
    }

    /// The member that offsets are sent for: as of when partitions were assigned last, if that is done wrong.
    pub fn sender(&self, is_kept: bool) -> (&str, i32) {
        if is_kept {
            (&self.kept.0, self.kept.1)
        } else {
            (&self.id, self.generation)
        }
    }

    /// The application let partitions go.
    pub fn unassigned(&mut self, topic: &Arc<str>) {
        match std::mem::replace(&mut self.awaiting, Awaiting::Nothing) {
            Awaiting::Unassign { gone, then } => {
                self.owned.retain(|partition| !gone.contains(partition));
                self.rejoin = true;
                if !then.is_empty() && !self.id.is_empty() {
                    self.told.push_back(Rebalance::Assigned(named(topic, &then)));
                    self.awaiting = Awaiting::Assign(then);
                }
            }
            other => panic!("partitions were unassigned while the client awaits {other:?}"),
        }
    }

    fn expelled(&mut self, topic: &Arc<str>, is_told: bool) {
        self.id.clear();
        self.generation = -1;
        if !is_told {
            self.owned.clear();
        }
        if self.awaiting == Awaiting::Nothing && !self.owned.is_empty() {
            self.told.push_back(Rebalance::Lost(named(topic, &self.owned)));
            self.awaiting = Awaiting::Unassign {
                gone: self.owned.clone(),
                then: BTreeSet::new(),
            };
        }
    }

    fn synced(&mut self, generation: i32, assigned: &BTreeSet<i32>, topic: &Arc<str>) {
        self.generation = generation;
        let gone: BTreeSet<i32> = self.owned.difference(assigned).copied().collect();
        let added: BTreeSet<i32> = assigned.difference(&self.owned).copied().collect();
        if gone.is_empty() {
            self.told.push_back(Rebalance::Assigned(named(topic, &added)));
            self.awaiting = Awaiting::Assign(added);
        } else {
            self.told.push_back(Rebalance::Revoked(named(topic, &gone)));
            self.awaiting = Awaiting::Unassign { gone, then: added };
        }
    }
}

fn named(topic: &Arc<str>, partitions: &BTreeSet<i32>) -> Vec<TopicPartition> {
    partitions
        .iter()
        .map(|partition| TopicPartition::new(topic.clone(), *partition))
        .collect()
}

impl World {
    pub fn heartbeat(&mut self, pid: Pid) {
        let Some(mut process) = self.processes.remove(&pid) else {
            return;
        };
        let ms = if process.is_frozen(self.now) {
            // Its threads wake up one after another.
            process.frozen_until - self.now + self.rng.pick(&[0, 300, 3_000, 3_000])
        } else {
            if !process.member.is_fenced {
                self.beat(&mut process);
            }
            self.rng.between(20, 600)
        };
        let is_told = !process.member.told.is_empty() || process.member.is_fenced;
        self.processes.insert(pid, process);
        self.after(ms, Happening::Heartbeat(pid));
        if is_told {
            self.wake(pid);
        }
    }

    /// For a process that asks for watermarks too early.
    fn note_watermarks(&mut self, pid: Pid) {
        for at in self.kafka.partitions_of(self.shared.topic(TopicKind::RouterChangelog)) {
            let high = self.kafka.log(&at).high();
            self.spoilt.joined.insert((pid, at), high);
        }
    }

    fn beat(&mut self, process: &mut Process) {
        let topic = process.core.config.commands_topic.clone();
        let now = self.now;
        let is_told = !self.without(Sabotage::LostIsNotTold);
        let member = &mut process.member;
        if member.id.is_empty() {
            if !member.owned.is_empty() {
                return member.expelled(&topic, is_told);
            }
            if member.awaiting == Awaiting::Nothing && process.draining_until.is_none() {
                member.id = self.kafka.group.enter(member.instance, now, &mut self.rng);
                self.note_watermarks(process.pid);
            }
            return;
        }
        let asker = Asker {
            id: &member.id,
            instance: member.instance,
        };
        let answer = self.kafka.group.beat(&asker, member.generation, now);
        match (answer, &member.awaiting) {
            (Beat::Fenced, _) => {
                member.is_fenced = true;
                member.id.clear();
                member.generation = -1;
                self.oracle.count("fenced by its name");
            }
            (Beat::Unknown, _) => member.expelled(&topic, is_told),
            (_, Awaiting::Assign(_) | Awaiting::Unassign { .. }) => {}
            (Beat::Join, _) => {
                member.rejoin = false;
                self.kafka
                    .group
                    .join(&member.id, member.owned.clone(), now, &mut self.rng);
                self.note_watermarks(process.pid);
            }
            (Beat::Sync { generation, assigned }, _) => {
                member.synced(generation, &assigned, &topic);
                if self.without(Sabotage::RevokedLetGoAtOnce) && matches!(member.awaiting, Awaiting::Unassign { .. }) {
                    member.unassigned(&topic);
                }
            }
            (Beat::Fine, _) if member.rejoin => {
                member.rejoin = false;
                self.kafka.group.prepare();
                self.kafka
                    .group
                    .join(&member.id, member.owned.clone(), now, &mut self.rng);
            }
            (Beat::Fine, _) => {}
        }
    }
}

impl Process {
    /// All that the fenced client had is lost; until there is another, nothing is asked of it.
    pub fn fenced(&mut self, now: u64) -> Rebalance {
        self.renewal.fenced(now);
        Rebalance::Lost(self.core.tasks().map(|task| task.inputs[0].clone()).collect())
    }

    /// Another client in its place, once all that it had is forgotten.
    pub fn renew(&mut self, world: &World) {
        if self.renewal.is_due(world.now, self.core.has_forgotten()) {
            self.renewal.done();
            self.member = Membership::new(self.slot, world);
            self.flows.clear();
        }
    }
}
