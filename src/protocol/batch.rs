//! One transaction's records: what they need read, and the fold of them, in order.

use super::pending::Item;
use super::rules::{Rule, Rules};
use super::task::{Running, Task};
use super::{Life, Partition};
use crate::domain::record::Key;
use crate::domain::time::Instant;
use crate::judging::{self, Judged, Prepared, SettingsTable, Tally};
use crate::kafka::{NewRecord, Position, TopicPartition};
use crate::state::keys::RecordKey;
use crate::state::overlay::Change;
use crate::state::progress::Progress;
use crate::state::working_set::WorkingSet;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One task's part of a batch.
pub struct Part {
    pub life: Life,
    pub set: WorkingSet,
    pub positions: BTreeMap<TopicPartition, i64>,
    /// The greatest decision time consumed of each input.
    pub consumed: BTreeMap<TopicPartition, Instant>,
    /// The least decision time of any.
    pub earliest: Option<Instant>,
    /// What the changelog gets, once folded: the changed records and, last, the progress record.
    pub changes: Vec<Change>,
    pub progress: Option<Progress>,
    /// The positions are to be committed even if they are the same as before.
    keep: bool,
}

pub struct Batch {
    pub items: Vec<Item>,
    pub parts: BTreeMap<Partition, Part>,
    pub settings: Option<Arc<SettingsTable>>,
    /// Items that can't be judged, and why: dead letters in place of their judgement.
    given_up: BTreeMap<usize, String>,
    pub began_ms: u64,
    pub attempts: u32,
}

/// The records of the transaction, and which item each came from.
#[derive(Default)]
pub struct Folded {
    pub records: Vec<NewRecord>,
    pub owners: Vec<Option<usize>>,
    /// Places of the changelog records of each partition.
    pub changelog: BTreeMap<Partition, Vec<usize>>,
    pub tally: Tally,
    /// The partitions of records that could be read and were bad all the same, one for each.
    pub bad: Vec<TopicPartition>,
}

impl Folded {
    /// Most records lead to one for the agents and one for the changelog.
    fn with_room_for(records: usize) -> Self {
        Self {
            records: Vec::with_capacity(records),
            owners: Vec::with_capacity(records),
            ..Self::default()
        }
    }
}

/// Keys that neither overlay nor cache knows, by task.
pub type Misses = BTreeMap<Partition, Vec<(Key, RecordKey)>>;

pub enum Fold {
    Whole(Box<Folded>),
    /// Read these, then fold again from the start.
    Needs(BTreeMap<Partition, Vec<Key>>),
}

impl Batch {
    #[must_use]
    pub fn new(items: Vec<Item>, began_ms: u64) -> Self {
        Self {
            items,
            parts: BTreeMap::new(),
            settings: None,
            given_up: BTreeMap::new(),
            began_ms,
            attempts: 0,
        }
    }

    /// Drops what an earlier attempt made: the fold begins anew, from what is committed.
    pub fn reset(&mut self) {
        self.parts.clear();
    }

    pub fn give_up(&mut self, item: usize, why: String) {
        self.given_up.insert(item, why);
    }

    pub fn forget(&mut self, partition: Partition) {
        self.parts.remove(&partition);
        self.retain(|item| item.life().partition != partition);
    }

    /// Leaves only these items. Places move: if any is left out, what was given up is found out again.
    pub fn retain(&mut self, keep: impl Fn(&Item) -> bool) {
        let before = self.items.len();
        self.items.retain(keep);
        if self.items.len() < before {
            self.given_up.clear();
        }
    }

    /// A copy of what each task knows of the records that the batch is about; and the keys that it does not.
    pub fn prepare(&mut self, tasks: &BTreeMap<Partition, Task>) -> Misses {
        let mut needs: BTreeMap<Partition, Vec<Key>> = BTreeMap::new();
        for item in &self.items {
            let life = item.life();
            let Some(running) = tasks.get(&life.partition).and_then(Task::running) else {
                continue;
            };
            self.parts
                .entry(life.partition)
                .or_insert_with(|| Part::of(life, running));
            let keys = item.prepared().map_or(&[][..], Prepared::keys);
            needs.entry(life.partition).or_default().extend_from_slice(keys);
        }
        self.look_up(needs, tasks)
    }

    /// What judging found missing, as far as memory can't give it.
    pub fn look_up(&mut self, needs: BTreeMap<Partition, Vec<Key>>, tasks: &BTreeMap<Partition, Task>) -> Misses {
        let mut misses = Misses::new();
        for (partition, keys) in needs {
            let running = tasks.get(&partition).and_then(Task::running);
            let (Some(part), Some(running)) = (self.parts.get_mut(&partition), running) else {
                continue;
            };
            let missed = part.set.look_up(&keys, &running.overlay, &running.cache);
            if !missed.is_empty() {
                misses.insert(partition, missed);
            }
        }
        misses
    }

    /// Judges all, each item seeing what the one before it changed.
    pub fn fold(&mut self, tasks: &BTreeMap<Partition, Task>, rules: Rules) -> Fold {
        let Some(settings) = self.settings.clone() else {
            return Fold::Needs(BTreeMap::new());
        };
        let mut folded = Folded::with_room_for(2 * self.items.len());
        let mut needs: BTreeMap<Partition, Vec<Key>> = BTreeMap::new();
        if !rules.hold(Rule::Pinned) {
            self.unpin(tasks);
        }
        for place in 0..self.items.len() {
            let life = self.items[place].life();
            let Some(running) = tasks.get(&life.partition).and_then(Task::running) else {
                continue;
            };
            let Some(part) = self.parts.get_mut(&life.partition) else {
                continue;
            };
            let judged = match &self.items[place] {
                Item::Reached(_, at) => {
                    part.positions.insert(at.topic_partition(), at.offset);
                    continue;
                }
                Item::Keep(_) => {
                    part.keep = true;
                    continue;
                }
                Item::Swept { .. } => continue,
                Item::Record(_, prepared) | Item::Sweep(_, prepared) => match self.given_up.get(&place) {
                    Some(why) => Ok(judging::give_up(prepared, &running.facts, why)),
                    None => judging::judge(prepared, &running.facts, &part.set, &settings),
                },
            };
            match judged {
                Ok(judged) => part.take(judged, (place, &self.items[place]), &mut folded),
                // Goes on without it: what the others write shows what those after them need. All of it is folded again.
                Err(lacking) => needs.entry(life.partition).or_default().extend(lacking.0),
            }
        }
        if !needs.is_empty() {
            self.parts.values_mut().for_each(|part| part.set.start_over());
            return Fold::Needs(needs);
        }
        self.close(&mut folded, tasks, &settings);
        Fold::Whole(Box::new(folded))
    }

    /// Switches `Rule::Pinned` off: what memory no longer holds is taken for absent.
    fn unpin(&mut self, tasks: &BTreeMap<Partition, Task>) {
        for (partition, part) in &mut self.parts {
            if let Some(running) = tasks.get(partition).and_then(Task::running) {
                part.set.look_again(&running.overlay, &running.cache);
            }
        }
    }

    /// The changelog's records and the progress record of each task that the batch moved.
    fn close(&mut self, folded: &mut Folded, tasks: &BTreeMap<Partition, Task>, settings: &SettingsTable) {
        for (partition, part) in &mut self.parts {
            let Some(task) = tasks.get(partition) else { continue };
            let Some(running) = task.running() else { continue };
            let (mut writers, changes): (Vec<Option<usize>>, Vec<Change>) = part
                .set
                .changes()
                .into_iter()
                .map(|(by, change)| (Some(by), change))
                .unzip();
            part.changes = changes;
            if part.changes.is_empty() && part.positions == running.positions && !part.keep {
                continue;
            }
            let progress = part.progress(running, settings);
            part.changes.push(Change::progress(&progress));
            part.progress = Some(progress);
            writers.push(None);
            let places = folded.changelog.entry(*partition).or_default();
            for (change, writer) in part.changes.iter().zip(writers) {
                places.push(folded.records.len());
                folded.owners.push(writer);
                folded.records.push(changelog_record(&task.changelog, change));
            }
        }
    }
}

impl Part {
    fn of(life: Life, running: &Running) -> Self {
        Self {
            life,
            set: WorkingSet::new(running.facts.state_key),
            positions: running.positions.clone(),
            consumed: BTreeMap::new(),
            earliest: None,
            changes: Vec::new(),
            progress: None,
            keep: false,
        }
    }

    fn take(&mut self, judged: Judged, (place, item): (usize, &Item), folded: &mut Folded) {
        if let Item::Record(_, prepared) = item
            && !prepared.is_bad()
            && judged.tally.is_bad()
        {
            folded.bad.extend(prepared.at().map(Position::topic_partition));
        }
        self.set.apply(judged.writes, place);
        for record in judged.records {
            folded.owners.push(Some(place));
            folded.records.push(record);
        }
        folded.tally.add(judged.tally);
        if let Item::Record(_, prepared) = item {
            let Some(at) = prepared.at() else { return };
            let input = at.topic_partition();
            if let Some(timestamp) = prepared.timestamp() {
                folded.tally.timestamps.push(timestamp);
                set(&mut folded.tally.settled, &input, timestamp);
            }
            set(&mut self.positions, &input, at.offset + 1);
            let decided_at = prepared.decided_at();
            self.earliest = Some(self.earliest.map_or(decided_at, |earliest| earliest.min(decided_at)));
            let decided_to = self.consumed.get(&input).copied().unwrap_or(Instant(i64::MIN));
            set(&mut self.consumed, &input, decided_to.max(decided_at));
        }
    }

    /// The progress record that says where this batch leaves the task.
    fn progress(&self, running: &Running, settings: &SettingsTable) -> Progress {
        let mut progress = running.progress.clone();
        progress.format = running.facts.format;
        progress.sequence += 1;
        progress.settings_next = progress.settings_next.max(settings.next_offset());
        for (at, next) in &self.positions {
            progress.reached(&running.facts.topics.input(at), *next);
        }
        for (at, decided_at) in &self.consumed {
            let next = self.positions.get(at).copied().unwrap_or_default();
            progress.consumed(&running.facts.topics.input(at), next, *decided_at);
        }
        progress
    }
}

/// Nearly always something is known of an input already, and then its name needs no copy.
fn set<T>(known: &mut BTreeMap<TopicPartition, T>, input: &TopicPartition, value: T) {
    match known.get_mut(input) {
        Some(held) => *held = value,
        None => _ = known.insert(input.clone(), value),
    }
}

fn changelog_record(changelog: &TopicPartition, change: &Change) -> NewRecord {
    NewRecord {
        topic: changelog.topic.clone(),
        partition: Some(changelog.partition),
        key: Some(change.key.as_bytes().to_vec()),
        value: change.value.as_deref().map(<[u8]>::to_vec),
        ..NewRecord::default()
    }
}
