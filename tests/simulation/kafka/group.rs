//! The group coordinator under the classic protocol with cooperative rebalances: generations, members, and partitions that
//! are given to another only after their owner has let go of them.

use crate::rng::Rng;
use std::collections::{BTreeMap, BTreeSet};

pub struct Member {
    /// The name that a static member keeps, whatever its id.
    instance: Option<usize>,
    /// What it said that it owns when it joined.
    owned: BTreeSet<i32>,
    assigned: BTreeSet<i32>,
    joined: bool,
    heard_ms: u64,
}

pub struct Group {
    partitions: i32,
    /// A member that was not heard of for so long is expelled.
    session_ms: u64,
    pub generation: i32,
    preparing: bool,
    members: BTreeMap<String, Member>,
    names: u64,
}

/// Who asks.
pub struct Asker<'a> {
    pub id: &'a str,
    pub instance: Option<usize>,
}

/// What a heartbeat is answered.
pub enum Beat {
    /// Another member bears its name by now.
    Fenced,
    /// Expelled: its partitions may have other owners.
    Unknown,
    /// A rebalance has begun: join again.
    Join,
    /// A generation that the member has not synced with: this is its assignment.
    Sync {
        generation: i32,
        assigned: BTreeSet<i32>,
    },
    Fine,
}

impl Group {
    pub fn new(partitions: i32, session_ms: u64) -> Self {
        Self {
            partitions,
            session_ms,
            generation: 0,
            preparing: false,
            members: BTreeMap::new(),
            names: 0,
        }
    }

    /// A new member; the group rebalances. A static one takes the place of the member of its name instead.
    pub fn enter(&mut self, instance: Option<usize>, now_ms: u64, rng: &mut Rng) -> String {
        if let Some(id) = self.replace(instance, now_ms) {
            return id;
        }
        self.names += 1;
        let id = format!("member-{}", self.names);
        let member = Member {
            instance,
            owned: BTreeSet::new(),
            assigned: BTreeSet::new(),
            joined: true,
            heard_ms: now_ms,
        };
        self.members.insert(id.clone(), member);
        self.prepare();
        self.join(&id, BTreeSet::new(), now_ms, rng);
        id
    }

    fn bearer(&self, instance: Option<usize>) -> Option<&String> {
        let mut members = self.members.iter();
        let bears = |(_, member): &(&String, &Member)| instance.is_some() && member.instance == instance;
        members.find(bears).map(|(id, _)| id)
    }

    /// It is handed what the old one had been, without a rebalance. None: there is no old one.
    fn replace(&mut self, instance: Option<usize>, now_ms: u64) -> Option<String> {
        let old = self.bearer(instance)?.clone();
        let mut member = self.members.remove(&old)?;
        self.names += 1;
        let id = format!("member-{}", self.names);
        member.heard_ms = now_ms;
        member.owned = BTreeSet::new();
        member.joined = false;
        self.members.insert(id.clone(), member);
        Some(id)
    }

    pub fn prepare(&mut self) {
        if !self.preparing {
            self.preparing = true;
            self.members.values_mut().for_each(|member| member.joined = false);
        }
    }

    pub fn join(&mut self, id: &str, owned: BTreeSet<i32>, now_ms: u64, rng: &mut Rng) {
        let Some(member) = self.members.get_mut(id) else { return };
        member.owned = owned;
        member.joined = true;
        member.heard_ms = now_ms;
        self.complete(rng);
    }

    pub fn beat(&mut self, asker: &Asker<'_>, generation: i32, now_ms: u64) -> Beat {
        let is_replaced = self.bearer(asker.instance).is_some_and(|id| id != asker.id);
        let Some(member) = self.members.get_mut(asker.id) else {
            return if is_replaced { Beat::Fenced } else { Beat::Unknown };
        };
        member.heard_ms = now_ms;
        if self.preparing {
            return if member.joined { Beat::Fine } else { Beat::Join };
        }
        if generation == self.generation {
            return Beat::Fine;
        }
        Beat::Sync {
            generation: self.generation,
            assigned: member.assigned.clone(),
        }
    }

    pub fn leave(&mut self, id: &str, rng: &mut Rng) {
        if self.members.remove(id).is_some() {
            self.prepare();
            self.complete(rng);
        }
    }

    /// Expels those that were not heard of.
    pub fn expire(&mut self, now_ms: u64, rng: &mut Rng) {
        let session_ms = self.session_ms;
        let silent = |member: &Member| member.heard_ms + session_ms < now_ms;
        let gone: Vec<String> = self
            .members
            .iter()
            .filter(|(_, member)| silent(member))
            .map(|(id, _)| id.clone())
            .collect();
        gone.iter().for_each(|id| self.leave(id, rng));
    }

    pub fn ids(&self) -> impl Iterator<Item = &String> {
        self.members.keys()
    }

    /// Partitions that nobody has been given, nor will be before somebody joins.
    pub fn unowned(&self) -> Vec<i32> {
        let is_owned = |partition: &i32| {
            let mut members = self.members.values();
            members.any(|member| member.assigned.contains(partition))
        };
        let is_open = self.preparing || self.members.is_empty();
        (0..if is_open { 0 } else { self.partitions })
            .filter(|partition| !is_owned(partition))
            .collect()
    }

    /// Whether a transactional commit of offsets passes: a generation below zero with no member is not looked at.
    pub fn admits(&self, id: &str, generation: i32) -> bool {
        (id.is_empty() && generation < 0) || (self.members.contains_key(id) && generation == self.generation)
    }

    fn complete(&mut self, rng: &mut Rng) {
        if !self.preparing || self.members.values().any(|member| !member.joined) {
            return;
        }
        self.preparing = false;
        self.generation += 1;
        let targets = self.targets(rng);
        let owners: BTreeMap<i32, String> = self
            .members
            .iter()
            .flat_map(|(id, member)| member.owned.iter().map(|partition| (*partition, id.clone())))
            .collect();
        for (id, member) in &mut self.members {
            let free = |partition: &i32| owners.get(partition).is_none_or(|owner| owner == id);
            member.assigned = targets
                .iter()
                .filter(|(partition, to)| *to == id && free(partition))
                .map(|(at, _)| *at)
                .collect();
        }
    }

    /// Who is to have which partition: as it was, as far as that is even; now and then as chance will have it.
    fn targets(&self, rng: &mut Rng) -> BTreeMap<i32, String> {
        let ids: Vec<&String> = self.members.keys().collect();
        let mut targets = BTreeMap::new();
        if ids.is_empty() {
            return targets;
        }
        let most = (self.partitions as usize).div_ceil(ids.len());
        let mut shares: BTreeMap<&String, usize> = BTreeMap::new();
        let sticky = !rng.chance(200);
        for (id, member) in self.members.iter().filter(|_| sticky) {
            for partition in member.owned.iter().take(most) {
                *shares.entry(id).or_default() += 1;
                targets.insert(*partition, id.clone());
            }
        }
        let first = rng.place(ids.len());
        for partition in 0..self.partitions {
            if targets.contains_key(&partition) {
                continue;
            }
            let turn = (0..ids.len()).map(|step| ids[(first + partition as usize + step) % ids.len()]);
            let least = turn.min_by_key(|id| shares.get(*id).copied().unwrap_or(0));
            if let Some(id) = least {
                *shares.entry(id).or_default() += 1;
                targets.insert(partition, id.clone());
            }
        }
        targets
    }
}
