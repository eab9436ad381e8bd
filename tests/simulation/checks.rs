//! What must hold whenever one looks, and what must hold at the end: judged from the logs alone.

use crate::process::{Flow, Process};
use crate::setup::BEGINNING_MS;
use crate::workload::POISON;
use crate::world::{Happening, World};
use chatroom_router::contract::TopicKind;
use chatroom_router::domain::chatroom::ChatroomStatus;
use chatroom_router::domain::record::{Key, Record};
use chatroom_router::index::{Generation, Op, Read};
use chatroom_router::kafka::TopicPartition;
use chatroom_router::protocol::task::Phase;
use chatroom_router::state::clocks;
use chatroom_router::state::keys::RecordKey;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

type Clock = (Vec<u8>, Vec<u8>);

/// What the checks ask of a message or a command. Of what makes no sense they know nothing.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Told<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    org_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    request_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message: Option<Message<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    text: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Text<'a> {
    #[serde(borrow)]
    body: Cow<'a, str>,
}

/// An org, and what it calls the thing by.
type Name<'a> = (Cow<'a, str>, Cow<'a, str>);

impl<'a> Told<'a> {
    fn message(self) -> Name<'a> {
        (self.org_id.unwrap_or_default(), self.message_id.unwrap_or_default())
    }

    fn is_poison(&self) -> bool {
        let text = self.message.as_ref().and_then(|message| message.text.as_ref());
        text.is_some_and(|text| text.body == POISON)
    }
}

/// What an index should hold.
#[derive(Default)]
struct Folded {
    values: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    starts: BTreeMap<Clock, Option<i64>>,
    /// Keys of which nothing can be said.
    unknown: BTreeSet<Vec<u8>>,
}

impl World {
    /// Looks at what must hold at any moment.
    pub fn look(&mut self) {
        for partition in 0..self.setup.partitions {
            self.check_index(partition);
        }
        self.check_owners();
        for process in self.processes.values() {
            let running = || process.core.tasks().filter_map(|task| task.running());
            let held: usize = running().map(|running| running.overlay.bytes()).sum();
            assert!(
                held <= self.setup.overlay_max_bytes + self.oracle.largest,
                "[{}] holds {held} bytes in its overlay",
                process.pid
            );
            let cached: usize = running().map(|running| running.cache.held()).sum();
            assert!(
                cached <= self.setup.cache_entries,
                "[{}] holds {cached} entries in the caches of its tasks",
                process.pid
            );
            process.check_rest();
        }
        if !self.healed {
            let ms = self.rng.between(200, 3_000);
            self.after(ms, Happening::Look);
        }
    }

    /// Where all members are content, each partition has an owner.
    fn check_owners(&self) {
        let group = &self.kafka.group;
        let is_content = |id: &String| {
            let process = self.processes.values().find(|process| process.member.id == *id);
            process.is_some_and(|process| process.member.is_settled(group.generation))
        };
        let unowned = group.unowned();
        assert!(
            unowned.is_empty() || !group.ids().all(is_content),
            "partitions {unowned:?} have no owner, and all members are content"
        );
    }

    /// The index up to its marker is the fold of the changelog up to there.
    fn check_index(&self, partition: i32) {
        let is_known = self.is_ahead(partition) || self.redis.is_harmed(partition);
        let Some(marker) = self.redis.marker(partition).filter(|_| !is_known) else {
            return;
        };
        let incarnation = self
            .oracle
            .tasks
            .get(&partition)
            .map(|model| model.progress.incarnation);
        if incarnation != Some(marker.of.incarnation) {
            return;
        }
        let changelog = TopicPartition::new(self.shared.topic(TopicKind::RouterChangelog).clone(), partition);
        let mut folded = Folded::default();
        for (_, slot) in self.kafka.log(&changelog).slots() {
            let key = slot.data.as_ref().and_then(|data| data.key.clone());
            folded.values.extend(key.map(|key| (key, None)));
        }
        for (offset, data) in self
            .kafka
            .history(&changelog)
            .filter(|(offset, _)| *offset < marker.offset)
        {
            let key = RecordKey::parse(data.key.as_deref().unwrap_or_default()).expect("a key of ours");
            for op in clocks::replay(&key, data.value.as_deref()).expect("readable") {
                folded.run(op);
            }
            // Compaction took it for a later one: a build that stands between the two has neither.
            let gone = self.kafka.log(&changelog).is_gone(offset) && data.value.is_some();
            let name = key.as_bytes().to_vec();
            if gone {
                folded.unknown.insert(name)
            } else {
                folded.unknown.remove(&name)
            };
        }
        folded.forget_unknown();
        self.compare(partition, &marker.of, &folded);
    }

    fn compare(&self, partition: i32, of: &Generation, folded: &Folded) {
        let keys: Vec<Vec<u8>> = folded.values.keys().cloned().collect();
        let Read::Found { value, marker } = self.redis.read(partition, of, &keys) else {
            panic!("foreign to its own marker")
        };
        for ((key, expected), actual) in folded.values.iter().zip(value) {
            let key = RecordKey::parse(key).expect("a key of ours");
            assert!(
                *expected == actual,
                "partition {partition}: the index at {} has {key} otherwise",
                marker.offset
            );
        }
        for ((clock, member), expected) in &folded.starts {
            let actual = self.redis.start_of(partition, of, clock, member);
            assert_eq!(
                actual, *expected,
                "partition {partition}: a clock of the index at {}",
                marker.offset
            );
        }
    }

    /// Whether all is consumed, applied and owned; else what is missing.
    pub fn is_quiet(&mut self) -> Result<(), String> {
        for partition in 0..self.setup.partitions {
            let tasks = self.processes.values().flat_map(|process| process.core.tasks());
            let owners: Vec<_> = tasks.filter(|task| task.life.partition == partition).collect();
            match owners.as_slice() {
                [task] if matches!(task.phase, Phase::Running(_)) => {}
                [task] => {
                    return Err(format!(
                        "partition {partition} is not running: closing {}",
                        task.closing
                    ));
                }
                owners => return Err(format!("partition {partition} has {} owners", owners.len())),
            }
            if self.redis.is_harmed(partition) {
                return Err(format!(
                    "partition {partition} goes on with an index that has lost something"
                ));
            }
            let applied = self.redis.marker(partition).map_or(0, |marker| marker.offset);
            let committed = self.oracle.tasks.get(&partition).map_or(0, |model| model.offset + 1);
            if applied < committed {
                return Err(format!(
                    "partition {partition} is applied up to {applied} of {committed}"
                ));
            }
        }
        for kind in TopicKind::INPUTS.into_iter().chain([TopicKind::RouterCommands]) {
            for at in self.kafka.partitions_of(self.shared.topic(kind)) {
                let model = self.oracle.tasks.get(&at.partition.rem_euclid(self.setup.partitions));
                let log = self.kafka.log(&at);
                let next = model
                    .and_then(|model| model.progress.next_of(&self.oracle.input(&at)))
                    .unwrap_or(log.low());
                let high = log.high();
                if next < high {
                    return Err(format!("{at} is read up to {next} of {high}"));
                }
            }
        }
        self.are_timers_fired()
    }

    /// What was due when all was healed has been fired by a sweep, if no record did. Where the group's offsets have expired, the
    /// clock stands still until they are committed again, which is half a day.
    fn are_timers_fired(&mut self) -> Result<(), String> {
        let Some(sure) = self.sure.filter(|_| !self.is_behind()) else {
            return Ok(());
        };
        let table = self.table(self.settings_seen(0));
        for partition in 0..self.setup.partitions {
            if self.oracle.is_due(partition, sure, &table) {
                return Err(format!("partition {partition} has timers that were due by {sure:?}"));
            }
        }
        Ok(())
    }

    /// From end to end: each input has had its one answer, and the rules hold of what is left.
    pub fn check_all(&mut self) {
        self.look();
        self.check_ids();
        self.check_answers();
        self.check_messages();
        self.check_entries();
    }

    fn outputs(&self, kind: TopicKind) -> Vec<Told<'_>> {
        let mut told = Vec::new();
        for at in self.kafka.partitions_of(self.shared.topic(kind)) {
            let history = self.kafka.history(&at);
            // Of an input that nobody ever read, what was deleted is nobody's.
            let begins = match self.judged_to(&at) {
                None => self.kafka.log(&at).low(),
                Some(_) => 0,
            };
            let counts = |offset: i64| begins <= offset && !self.oracle.is_forgone(&at, offset);
            for (_, data) in history.filter(|(offset, _)| counts(*offset)) {
                let value = data.value.as_deref().unwrap_or_default();
                told.push(serde_json::from_slice(value).unwrap_or_default());
            }
        }
        told
    }

    /// No `ce_id` stands twice among the committed outputs.
    fn check_ids(&self) {
        let mut ids = BTreeSet::new();
        for (at, _) in self.kafka.logs.all() {
            for (offset, data) in self.kafka.history(&at) {
                let id = data.headers.iter().find(|(name, _)| name == "ce_id");
                if let Some((_, Some(id))) = id {
                    assert!(ids.insert(id), "{at}@{offset} has a ce_id that was there before");
                }
            }
        }
    }

    /// Every command that could be read has exactly one result.
    fn check_answers(&self) {
        let mut due: BTreeMap<Name<'_>, i64> = BTreeMap::new();
        for kind in [TopicKind::CrmChanges, TopicKind::OutboundRequests] {
            for command in self.outputs(kind) {
                if let (Some(org), Some(request)) = (command.org_id, command.request_id) {
                    *due.entry((org, request)).or_default() += 1;
                }
            }
        }
        for result in self.outputs(TopicKind::CommandResults) {
            if result.kind == "settings.put" {
                continue;
            }
            let name = (result.org_id.unwrap_or_default(), result.request_id.unwrap_or_default());
            *due.entry(name).or_default() -= 1;
        }
        let wrong: Vec<_> = due.iter().filter(|(_, left)| **left != 0).collect();
        assert!(wrong.is_empty(), "commands less results: {wrong:?}");
    }

    /// Every message came to one route, or to none with a reason; the repeat of an unrouted one may come to a route later.
    fn check_messages(&self) {
        let mut seen: BTreeMap<Name<'_>, [u32; 3]> = BTreeMap::new();
        let kinds = [
            TopicKind::RoutedMessages,
            TopicKind::UnroutedMessages,
            TopicKind::DeadLetters,
        ];
        for (place, kind) in kinds.into_iter().enumerate() {
            for message in self.outputs(kind) {
                seen.entry(message.message()).or_default()[place] += 1;
            }
        }
        for message in self.outputs(TopicKind::InboundMessages) {
            let is_poison = message.is_poison();
            let name = message.message();
            let counts = seen.get(&name).copied().unwrap_or_default();
            let [routed, unrouted, dead] = counts;
            // After 8 days a message is another one.
            let forgotten = self.wall_ahead - BEGINNING_MS >= 8 * 86_400_000;
            assert!(
                forgotten || (routed <= 1 && unrouted <= 1),
                "{name:?} came out {counts:?} times"
            );
            assert!(
                routed + unrouted >= 1 || (is_poison && dead >= 1),
                "{name:?} never came out"
            );
        }
    }

    /// R7 and R8 of what is left, and no move that nobody goes on with.
    fn check_entries(&self) {
        let mut homes: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for (key, record) in self.oracle.tasks.values().flat_map(|model| &model.state) {
            match (key, &**record) {
                (Key::Phone(org, phone), Record::Entry(entry)) => {
                    let active: Vec<_> = entry
                        .chatrooms
                        .iter()
                        .filter(|room| room.status == ChatroomStatus::Active)
                        .collect();
                    let pairs: BTreeSet<_> = active.iter().map(|room| room.waba_phone.0).collect();
                    assert_eq!(pairs.len(), active.len(), "R7 is broken of {phone:?}");
                    let owners: Vec<_> = active.iter().filter_map(|room| room.crm_id()).collect();
                    let distinct: BTreeSet<_> = owners.iter().collect();
                    assert_eq!(distinct.len(), owners.len(), "R8 is broken of {phone:?}");
                    for contact in entry.contacts.iter() {
                        let name = (org.to_string(), contact.crm_id.to_string());
                        homes.entry(name).or_default().push(phone.to_string());
                    }
                }
                (Key::Contact(org, crm_id), Record::Directory(directory)) => {
                    let waits = directory.underway.is_some() || !directory.waiting.is_empty();
                    assert!(!waits, "{org}:{crm_id} waits for a step that doesn't come");
                }
                _ => {}
            }
        }
        let twice: Vec<_> = homes.iter().filter(|(_, phones)| phones.len() > 1).collect();
        assert!(twice.is_empty(), "contacts under two phones: {twice:?}");
    }
}

impl Process {
    /// Once it has heard all, it reads nothing of a task that can't judge it, nor an input on from where it has halted it.
    fn check_rest(&self) {
        if !(self.actions.is_empty() && self.events.is_empty() && self.inbox.is_empty()) {
            return;
        }
        let rests = |at: &TopicPartition| self.flows.get(at).is_none_or(|flow| flow.paused);
        for task in self
            .core
            .tasks()
            .filter(|task| task.running().is_none() && !task.closing)
        {
            assert!(
                task.held.iter().all(rests),
                "[{}] reads what partition {} can't judge",
                self.pid,
                task.life.partition
            );
        }
        for (at, from) in &self.halted {
            let running = self.core.tasks().filter_map(|task| task.running());
            let collected = running.filter_map(|running| running.collected.get(at)).max();
            let is_read = |flow: &Flow| !flow.paused && flow.position > *from;
            assert!(
                collected.is_none_or(|next| next > from) || !self.flows.get(at).is_some_and(is_read),
                "[{}] reads {at} on from {from}, where it has halted it",
                self.pid
            );
        }
    }
}

impl Folded {
    fn forget_unknown(&mut self) {
        self.values.retain(|key, _| !self.unknown.contains(key));
        self.starts.retain(|(_, member), _| !self.unknown.contains(member));
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Put { key, value } => drop(self.values.insert(key, Some(value))),
            Op::Delete { key } => drop(self.values.insert(key, None)),
            Op::Clock { clock, member, start } => drop(self.starts.insert((clock, member), start)),
        }
    }
}
