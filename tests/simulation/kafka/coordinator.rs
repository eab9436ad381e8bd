//! The transaction coordinator: one epoch per transactional id, one transaction at a time, decided before its markers land.

use super::log::TxnNo;
use crate::insight::Insight;
use chatroom_router::kafka::{NewRecord, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Another epoch of this id is in force.
    Fenced,
    /// The markers of the transaction before are still being written: try again.
    Busy,
    /// The group has gone on.
    Group,
    /// No transaction is in a state for it.
    Invalid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Ongoing,
    /// Decided (true: to commit); markers are on their way.
    Decided(bool),
}

/// Where a marker has to land.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Log(TopicPartition),
    Offsets,
}

pub struct Txn {
    pub no: TxnNo,
    pub state: State,
    pub partitions: BTreeSet<TopicPartition>,
    pub offsets: Option<BTreeMap<TopicPartition, i64>>,
    pub records: Vec<(TopicPartition, i64, Rc<NewRecord>)>,
    pub began_ms: u64,
    /// What the process knew when it began this: for the checks.
    pub insight: Insight,
    landing: Vec<Place>,
}

#[derive(Default)]
struct Held {
    epoch: i32,
    current: Option<Txn>,
    last: Option<bool>,
}

#[derive(Default)]
pub struct Coordinator {
    ids: BTreeMap<String, Held>,
    outcomes: BTreeMap<TxnNo, bool>,
    next: TxnNo,
}

impl Coordinator {
    /// InitProducerId: fences the epoch before. Err: what that one left is being ended; ask again.
    pub fn init(&mut self, id: &str) -> Result<i32, Option<TxnNo>> {
        let held = self.ids.entry(id.to_owned()).or_default();
        match held.current.as_ref().map(|txn| txn.state) {
            None => {
                held.epoch += 1;
                Ok(held.epoch)
            }
            Some(State::Decided(_)) => Err(None),
            Some(State::Ongoing) => {
                held.epoch += 1;
                Err(self.decide(id, false))
            }
        }
    }

    /// As if the id had no epochs: whoever comes takes over what is there.
    pub fn adopt(&mut self, id: &str) -> i32 {
        self.ids.entry(id.to_owned()).or_default().epoch
    }

    /// The open transaction of that epoch, begun if there is none.
    pub fn open(&mut self, id: &str, epoch: i32, now_ms: u64, insight: &Insight) -> Result<&mut Txn, Refusal> {
        let held = self
            .ids
            .get_mut(id)
            .filter(|held| held.epoch == epoch)
            .ok_or(Refusal::Fenced)?;
        if held.current.as_ref().is_some_and(|txn| txn.state != State::Ongoing) {
            return Err(Refusal::Busy);
        }
        let next = &mut self.next;
        Ok(held.current.get_or_insert_with(|| {
            *next += 1;
            Txn {
                no: *next,
                state: State::Ongoing,
                partitions: BTreeSet::new(),
                offsets: None,
                records: Vec::new(),
                began_ms: now_ms,
                insight: insight.clone(),
                landing: Vec::new(),
            }
        }))
    }

    /// EndTxn. Ok(Some): decided now.
    pub fn end(&mut self, id: &str, epoch: i32, commit: bool) -> Result<Option<TxnNo>, Refusal> {
        let held = self
            .ids
            .get(id)
            .filter(|held| held.epoch == epoch)
            .ok_or(Refusal::Fenced)?;
        match (held.current.as_ref().map(|txn| txn.state), held.last) {
            (Some(State::Ongoing), _) => Ok(self.decide(id, commit)),
            (Some(State::Decided(decided)), _) | (None, Some(decided)) if decided == commit => Ok(None),
            _ => Err(Refusal::Invalid),
        }
    }

    /// Whether that epoch is in force and has no transaction to end.
    pub fn is_awaited(&self, id: &str, epoch: i32) -> bool {
        let held = self.ids.get(id).filter(|held| held.epoch == epoch);
        held.is_some_and(|held| held.current.as_ref().is_none_or(|txn| txn.state != State::Ongoing))
    }

    fn decide(&mut self, id: &str, commit: bool) -> Option<TxnNo> {
        let txn = self.ids.get_mut(id)?.current.as_mut()?;
        txn.state = State::Decided(commit);
        txn.landing = txn.partitions.iter().cloned().map(Place::Log).collect();
        txn.landing.extend(txn.offsets.is_some().then_some(Place::Offsets));
        self.outcomes.insert(txn.no, commit);
        Some(txn.no)
    }

    /// Transactions that have been open for too long are aborted, and their producers fenced.
    pub fn expire(&mut self, before_ms: u64) -> Vec<(String, TxnNo)> {
        let old = |held: &Held| {
            held.current
                .as_ref()
                .is_some_and(|txn| txn.state == State::Ongoing && txn.began_ms < before_ms)
        };
        let ids: Vec<String> = self
            .ids
            .iter()
            .filter(|(_, held)| old(held))
            .map(|(id, _)| id.clone())
            .collect();
        let mut expired = Vec::new();
        for id in ids {
            if let Some(held) = self.ids.get_mut(&id) {
                held.epoch += 1;
            }
            expired.extend(self.decide(&id, false).map(|no| (id, no)));
        }
        expired
    }

    pub fn current(&self, id: &str) -> Option<&Txn> {
        self.ids.get(id)?.current.as_ref()
    }

    pub fn currents(&self) -> impl Iterator<Item = &Txn> {
        self.ids.values().filter_map(|held| held.current.as_ref())
    }

    /// Where markers of this transaction have not landed.
    pub fn landing(&self, id: &str) -> Vec<Place> {
        self.current(id).map(|txn| txn.landing.clone()).unwrap_or_default()
    }

    /// A marker was written there; after the last one the id is free again. Gives back offsets to commit.
    pub fn landed(&mut self, id: &str, place: &Place) -> Option<BTreeMap<TopicPartition, i64>> {
        let held = self.ids.get_mut(id)?;
        let txn = held.current.as_mut()?;
        let State::Decided(commit) = txn.state else { return None };
        txn.landing.retain(|known| known != place);
        let offsets = if *place == Place::Offsets && commit {
            txn.offsets.take()
        } else {
            None
        };
        if *place == Place::Offsets {
            txn.offsets = None;
        }
        if txn.landing.is_empty() {
            held.last = Some(commit);
            held.current = None;
        }
        offsets
    }

    /// None: not decided.
    pub fn outcome(&self, no: TxnNo) -> Option<bool> {
        self.outcomes.get(&no).copied()
    }

    /// A transaction of somebody else's, whose fate is known from the start.
    pub fn foreign(&mut self, commit: bool) -> TxnNo {
        self.next += 1;
        self.outcomes.insert(self.next, commit);
        self.next
    }
}
