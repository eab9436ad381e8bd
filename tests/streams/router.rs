//! The program without its clients: every partition's task, its state in memory, and a queue between each two. What comes
//! next is a matter of chance; each partition keeps its order.

use crate::dice::Dice;
use crate::harness::log::Record as Published;
use crate::harness::names::OUTPUTS;
use chatroom_router::app;
use chatroom_router::config::{self, Environment};
use chatroom_router::contract::{TopicKind, settings_table};
use chatroom_router::domain::record::{Key, Known, Needs, Record, View};
use chatroom_router::domain::time::Instant;
use chatroom_router::judging::{Facts, Judged, Prepared, SettingsTable, judge, prepare, prepare_sweep};
use chatroom_router::kafka::{self, NewRecord, Position, TimestampKind};
use chatroom_router::state::codec;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

/// Of `router-commands`; the inputs have other numbers, so that most records are at home elsewhere.
const PARTITIONS: i32 = 4;
const INPUT_PARTITIONS: i32 = 3;

/// A record of an input.
pub struct Incoming {
    pub topic: &'static str,
    pub partition: i32,
    pub key: Option<String>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, String)>,
    /// None: of a format without timestamps.
    pub timestamp: Option<i64>,
}

type Queue = (TopicKind, i32);

pub struct Router {
    tasks: Vec<Facts>,
    table: SettingsTable,
    records: HashMap<Key, Arc<Record>>,
    queues: BTreeMap<Queue, VecDeque<kafka::Record>>,
    ends: HashMap<Queue, i64>,
    /// The clock of whoever reads a record, and of the broker that appends settings.
    pub now: Instant,
    pub published: Vec<Published>,
}

/// No variable is set but one, no file is there.
struct Nothing;

impl Environment for Nothing {
    fn variables(&self) -> Vec<(String, String)> {
        let name = "CHATROOM_ROUTER_TOPICS__PARTITIONS".to_owned();
        vec![(name, PARTITIONS.to_string())]
    }

    fn read(&self, _: &Path) -> std::io::Result<String> {
        Err(std::io::ErrorKind::NotFound.into())
    }

    fn cores(&self) -> usize {
        1
    }
}

/// One task reads its own records and no other's.
struct Own<'r>(&'r HashMap<Key, Arc<Record>>, &'r Facts);

impl View for Own<'_> {
    fn get(&self, key: &Key) -> Known {
        assert_eq!(
            self.1.homes.partition_of(key),
            self.1.partition,
            "a task reads what is another's"
        );
        self.0
            .get(key)
            .map_or(Known::Absent, |record| Known::Here(record.clone()))
    }
}

impl Router {
    pub fn new(now: Instant) -> Router {
        let config = Arc::new(config::load(&Nothing, None).map_err(drop).expect("the defaults").config);
        let expected = app::expected(&config).map_err(drop).expect("the defaults");
        let facts = app::facts(&config, expected);
        Router {
            tasks: (0..PARTITIONS).map(|number| facts(number, uuid::Uuid::nil())).collect(),
            table: SettingsTable::default(),
            records: HashMap::new(),
            queues: BTreeMap::new(),
            ends: HashMap::new(),
            now,
            published: Vec::new(),
        }
    }

    /// The partition of an input that a key leads to.
    pub fn partition(key: &str) -> i32 {
        i32::from(kafka::murmur2_slot(key.as_bytes())) % INPUT_PARTITIONS
    }

    /// Where the next record of that partition will stand.
    pub fn position(&self, topic: &str, partition: i32) -> String {
        let offset = self.ends.get(&(kind(topic), partition)).copied().unwrap_or_default();
        format!("{topic}-{partition}-{offset}")
    }

    pub fn send(&mut self, incoming: Incoming) {
        let headers = incoming.headers.into_iter();
        self.append(
            (kind(incoming.topic), incoming.partition),
            kafka::Record {
                at: self.next_position((kind(incoming.topic), incoming.partition)),
                key: incoming.key.map(String::into_bytes),
                value: incoming.value,
                headers: headers.map(|(name, value)| (name, Some(value.into_bytes()))).collect(),
                timestamp: incoming.timestamp,
                timestamp_kind: TimestampKind::Create,
            },
        );
    }

    /// Judges until nothing is left.
    pub fn run(&mut self, dice: &mut Dice) {
        loop {
            let waiting = self.queues.iter().filter(|(_, queue)| !queue.is_empty());
            let waiting: Vec<Queue> = waiting.map(|(name, _)| *name).collect();
            let Some(name) = dice.pick(&waiting).copied() else {
                return;
            };
            let record = self.queues.get_mut(&name).and_then(VecDeque::pop_front);
            let task = self.tasks[(name.1 % PARTITIONS) as usize].clone();
            let prepared = prepare(record.expect("not empty"), &task, self.now).expect("readable");
            self.judge(&prepared, &task);
        }
    }

    /// Fires what was due by an instant, under one in so many phones.
    pub fn sweep(&mut self, horizon: Instant, dice: &mut Dice, one_in: usize) {
        let entries = self.records.iter().filter(|(key, _)| matches!(key, Key::Phone(..)));
        let mut entries: Vec<(Key, Arc<Record>)> = entries.map(|(key, record)| (key.clone(), record.clone())).collect();
        entries.sort_by(|one, other| one.0.cmp(&other.0));
        for (key, record) in entries {
            let task = self.tasks[self.tasks[0].homes.partition_of(&key) as usize].clone();
            let bytes = codec::encode(task.format, &key, Some(&record)).expect("an entry has a value");
            if let Some(prepared) = prepare_sweep(&bytes, &task, horizon).filter(|_| dice.one_in(one_in)) {
                self.judge(&prepared, &task);
            }
        }
    }

    fn judge(&mut self, prepared: &Prepared, task: &Facts) {
        let judged: Result<Judged, Needs> = judge(prepared, task, &Own(&self.records, task), &self.table);
        let judged = judged.expect("all is read");
        for write in judged.writes {
            let Some(record) = write.record else {
                self.records.remove(&write.key);
                continue;
            };
            let bytes = write.value.expect("a record has a value");
            let read = codec::decode(&task.state_key.record_key(&write.key), &bytes).expect("as it was written");
            let read = read.into_record().expect("a record");
            assert_eq!(*read, record, "it comes back from the changelog as it was");
            self.records.insert(write.key, read);
        }
        judged.records.into_iter().for_each(|record| self.produce(record));
    }

    fn produce(&mut self, record: NewRecord) {
        let kind = self.tasks[0].topics.kind(&record.topic).expect("a topic of ours");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("a text");
        match kind {
            TopicKind::RouterCommands => {
                let name = (kind, record.partition.expect("the home of its key"));
                let headers = record.headers.into_iter();
                self.append(
                    name,
                    kafka::Record {
                        at: self.next_position(name),
                        key: record.key,
                        value: record.value,
                        headers: headers
                            .map(|(name, value)| (name.into_owned(), value.map(|value| value.into_owned())))
                            .collect(),
                        timestamp: Some(self.now.0),
                        timestamp_kind: TimestampKind::Append,
                    },
                );
            }
            TopicKind::RouterSettings => {
                let value = record.value.expect("settings have a value");
                let read = settings_table::read(&value, self.table.next_offset(), self.now);
                let (org, settings) = read.expect("as they were written");
                self.table.put(org, settings);
            }
            _ => {
                let bytes = record.value.unwrap_or_default();
                let headers = record.headers.into_iter();
                self.published.push(Published {
                    topic: OUTPUTS
                        .into_iter()
                        .find(|name| *name == kind.default_name())
                        .expect("an output"),
                    partition: 0,
                    offset: self.published.len() as i64,
                    key: record.key.map(text),
                    headers: headers
                        .map(|(name, value)| {
                            (
                                name.into_owned(),
                                value.map(|value| text(value.into_owned())).unwrap_or_default(),
                            )
                        })
                        .collect(),
                    value: serde_json::from_slice(&bytes).unwrap_or_default(),
                    bytes,
                });
            }
        }
    }

    fn append(&mut self, name: Queue, record: kafka::Record) {
        *self.ends.entry(name).or_default() += 1;
        self.queues.entry(name).or_default().push_back(record);
    }

    fn next_position(&self, name: Queue) -> Position {
        Position {
            topic: self.tasks[0].topics.name(name.0).clone(),
            partition: name.1,
            offset: self.ends.get(&name).copied().unwrap_or_default(),
        }
    }
}

fn kind(topic: &str) -> TopicKind {
    let found = TopicKind::INPUTS.into_iter().find(|kind| kind.default_name() == topic);
    found.expect("an input")
}
