//! The index is what the changelog says up to the index's marker: both are read, neither through a running process.

use chatroom_router::index::{Batch, Begin, Change, Due, Generation, Index, Read, Settings as Redis};
use chatroom_router::kafka::{Lookup, RangeReader, Settings, TopicPartition};
use chatroom_router::state::clocks;
use chatroom_router::state::keys::RecordKey;
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);
const PIECE: usize = 4_000;
/// More than any clock of these tests has.
const ALL: usize = 100_000;

type Values = Vec<Option<Vec<u8>>>;

pub struct Comparison {
    kafka: Settings,
    changelog: String,
    runtime: tokio::runtime::Runtime,
    redis: Index,
}

impl Comparison {
    /// `prefix` is that of the topics, of the group and so of the index's keys.
    pub fn new(brokers: &str, prefix: &str, redis_url: &str) -> Comparison {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let kafka = Settings {
            brokers: brokers.to_owned(),
            group_id: format!("{prefix}compare"),
            ..Settings::default()
        };
        let mut redis = Redis::new(redis_url);
        prefix.clone_into(&mut redis.prefix);
        Comparison {
            kafka,
            changelog: format!("{prefix}router-changelog"),
            runtime: runtime.expect("a runtime"),
            redis: Index::redis(&redis).expect("an address"),
        }
    }

    /// What differs in this partition, and how many records were compared.
    pub fn of(&self, partition: i32) -> (Vec<String>, usize) {
        let asked = self.runtime.block_on(self.redis.marker(partition));
        let Some(marker) = asked.expect("Redis answers") else {
            return (vec![format!("partition {partition} has no index")], 0);
        };
        let records = self.changelog_to(partition, marker.offset);
        let keys: BTreeSet<Vec<u8>> = records.iter().map(|(_, key, _)| key.clone()).collect();
        let keys: Vec<Vec<u8>> = keys.into_iter().collect();
        let wanted = self.folded(partition, marker.of, marker.offset, records);
        let looked =
            [&wanted, &self.redis].map(|index| self.runtime.block_on(all_of(index, partition, &marker.of, &keys)));
        let [(wanted, wanted_clocks), (found, found_clocks)] = looked;
        let values = keys
            .iter()
            .zip(wanted.iter().zip(&found))
            .filter(|(_, (wanted, found))| wanted != found);
        let mut faults: Vec<String> = values
            .map(|(key, _)| format!("partition {partition}: the value of {key:02x?} differs"))
            .collect();
        if wanted_clocks != found_clocks {
            faults.push(format!("partition {partition}: the clocks differ"));
        }
        (faults, keys.len())
    }

    fn changelog_to(&self, partition: i32, end: i64) -> Vec<(i64, Vec<u8>, Option<Vec<u8>>)> {
        let at = TopicPartition::new(self.changelog.as_str(), partition);
        let low = Lookup::open(&self.kafka).and_then(|mut lookup| lookup.low_watermark(&at, PATIENCE));
        let mut reader = RangeReader::open(&self.kafka).expect("a reader");
        reader
            .start(at, low.expect("Kafka answers"), end, PATIENCE)
            .expect("the changelog is there");
        let mut records = Vec::new();
        while !reader.next(PIECE, PATIENCE, &mut records).expect("Kafka answers").done {}
        let found = records
            .into_iter()
            .map(|record| (record.at.offset, record.key.expect("a key"), record.value));
        found.collect()
    }

    fn folded(&self, partition: i32, of: Generation, to: i64, records: Vec<(i64, Vec<u8>, Option<Vec<u8>>)>) -> Index {
        let index = Index::memory();
        let begin = Begin {
            expected: None,
            of,
            offset: 0,
            at: 0,
        };
        let changes = records.into_iter().map(|(offset, key, value)| {
            let key = RecordKey::parse(&key).expect("a key of ours");
            let ops = clocks::replay(&key, value.as_deref()).expect("a value of ours");
            Change { offset, ops }
        });
        let batch = Batch {
            from: 0,
            to,
            changes: changes.collect(),
            applied_until: None,
        };
        self.runtime.block_on(async {
            index.begin(partition, &begin).await.expect("in memory");
            index.apply(partition, &of, &batch).await.expect("in memory");
        });
        index
    }
}

type Clocks = BTreeSet<(Vec<u8>, Vec<u8>, i64)>;

async fn all_of(index: &Index, partition: i32, of: &Generation, keys: &[Vec<u8>]) -> (Values, Clocks) {
    let values = found(index.read(partition, of, keys).await.expect("the index answers"));
    let names = found(index.clocks(partition, of).await.expect("the index answers"));
    let names: HashSet<Vec<u8>> = names.into_iter().collect();
    let mut clocks = Clocks::new();
    for clock in names {
        let due = Due {
            clock: &clock,
            upto: i64::MAX / 2,
            skip: 0,
        };
        let members = index.due(partition, of, &[due], ALL).await.expect("the index answers");
        let members = found(members).into_iter().flatten();
        clocks.extend(members.map(|member| (clock.clone(), member.member, member.start)));
    }
    (values, clocks)
}

fn found<T>(read: Read<T>) -> T {
    match read {
        Read::Found { value, .. } => value,
        Read::Foreign(marker) => panic!("the index changed while nobody wrote: {marker:?}"),
    }
}
