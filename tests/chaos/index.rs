//! The index is what the changelog says up to the index's marker, and nothing else: both are read, neither through a running
//! process.

use chatroom_router::index::{Batch, Begin, Change, Generation, Held, Index, Read, Settings as Redis};
use chatroom_router::kafka::{Lookup, RangeReader, Settings, TopicPartition};
use chatroom_router::state::clocks;
use chatroom_router::state::keys::RecordKey;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);
const PIECE: usize = 4_000;
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
        let wanted = self.folded(partition, marker.of, marker.offset, records);
        let [wanted, found] =
            [&wanted, &self.redis].map(|index| self.runtime.block_on(all_of(index, partition, &marker.of)));
        (differences(partition, &wanted, &found), wanted.len())
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

/// All that a build holds, each value and each member of a clock once: which it is, and what is said of it.
type Holdings = BTreeMap<String, String>;

async fn all_of(index: &Index, partition: i32, of: &Generation) -> Holdings {
    let mut all = Holdings::new();
    let mut each = |held| {
        let (name, what) = match held {
            Held::Value { key, value } => (format!("the value of {key:02x?}"), format!("{value:02x?}")),
            Held::Clock { clock, member, start } => {
                let clock = String::from_utf8_lossy(&clock).into_owned();
                (format!("{member:02x?} on the clock {clock}"), start.to_string())
            }
        };
        all.insert(name, what);
    };
    match index.walk(partition, of, &mut each).await.expect("the index answers") {
        Read::Found { .. } => all,
        Read::Foreign(marker) => panic!("the index changed while nobody wrote: {marker:?}"),
    }
}

/// What one has and the other has not, or has otherwise.
fn differences(partition: i32, wanted: &Holdings, found: &Holdings) -> Vec<String> {
    let names: BTreeSet<&String> = wanted.keys().chain(found.keys()).collect();
    let differing = names
        .into_iter()
        .filter_map(|name| match (wanted.get(name), found.get(name)) {
            (Some(wanted), Some(found)) if wanted == found => None,
            (Some(_), Some(_)) => Some(format!("{name} differs")),
            (Some(_), None) => Some(format!("{name} is missing")),
            (None, _) => Some(format!("{name} is one too many")),
        });
    differing
        .map(|difference| format!("partition {partition}: {difference}"))
        .collect()
}

#[test]
fn an_index_is_compared_both_ways() {
    let held = |names: &[(&str, &str)]| -> Holdings {
        let owned = names
            .iter()
            .map(|(name, what)| ((*name).to_owned(), (*what).to_owned()));
        owned.collect()
    };
    let changelog = held(&[("a", "1"), ("b", "2")]);
    assert!(differences(0, &changelog, &changelog).is_empty());
    for (index, fault) in [
        (held(&[("a", "1")]), "b is missing"),
        (held(&[("a", "1"), ("b", "3")]), "b differs"),
        (held(&[("a", "1"), ("b", "2"), ("c", "3")]), "c is one too many"),
    ] {
        assert_eq!(differences(0, &changelog, &index), [format!("partition 0: {fault}")]);
    }
}
