//! The overlay against a plain model: what is read through it, and what is sent again, is what was committed.

use crate::domain::directory::OrgRecord;
use crate::domain::ids::OrgId;
use crate::domain::record::{Key, Record};
use crate::domain::time::Instant;
use crate::index::Change as IndexChange;
use crate::state::cache::Cache;
use crate::state::codec::decode;
use crate::state::homes::Partitions;
use crate::state::keys::{RecordKey, StateKey};
use crate::state::overlay::{Astray, Change, Overlay};
use crate::state::progress::{Expected, Progress};
use crate::state::wire::Format;
use crate::state::working_set::{WorkingSet, Write};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

const KEY: StateKey = StateKey::new([7; 16]);

fn key(n: u8) -> Key {
    Key::Org(OrgId::parse(&n.to_string()).unwrap())
}

/// One transaction that writes these, or deletes where there is no instant.
fn changes(writes: &[(u8, Option<i64>)]) -> Vec<Change> {
    let record = |at: i64| {
        Record::Org(OrgRecord {
            decided_at: Instant(at),
            ..OrgRecord::default()
        })
    };
    let write = |(n, at): &(u8, Option<i64>)| Write::new(Format::NEWEST, key(*n), at.map(record));
    let mut set = WorkingSet::new(KEY);
    set.apply(writes.iter().map(write).collect(), 0);
    set.changes().into_iter().map(|(_, change)| change).collect()
}

/// The same, each at its offset in the changelog.
fn changes_from(offset: i64, writes: &[(u8, Option<i64>)]) -> Vec<(i64, Change)> {
    (offset..).zip(changes(writes)).collect()
}

fn instant(record: &Option<Arc<Record>>) -> Option<i64> {
    match record.as_deref()? {
        Record::Org(org) => Some(org.decided_at.0),
        _ => None,
    }
}

/// A value as the cache keeps it.
fn decoded(key: &RecordKey, value: Option<&[u8]>) -> Option<Arc<Record>> {
    value.and_then(|value| decode(key, value).unwrap().into_record())
}

#[derive(Debug, Clone)]
enum Act {
    Commit(Vec<(u8, Option<i64>)>),
    /// The index stands so far on.
    Acknowledge(i64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        vec((0..5_u8, proptest::option::of(1..1_000_i64)), 0..4).prop_map(Act::Commit),
        (0..20_i64).prop_map(Act::Acknowledge),
    ]
}

/// What was committed: each change, its offset and the end of its transaction.
#[derive(Default)]
struct Model {
    log: Vec<(i64, IndexChange)>,
    latest: HashMap<RecordKey, Option<i64>>,
}

impl Model {
    fn commit(&mut self, to: i64, changes: &[(i64, Change)]) {
        for (offset, change) in changes {
            let (offset, ops) = (*offset, change.ops());
            self.log.push((to, IndexChange { offset, ops }));
            self.latest.insert(change.key, instant(&change.record));
        }
    }

    fn check(&self, overlay: &Overlay, cache: &Cache, acknowledged: i64, committed: i64) -> Result<(), TestCaseError> {
        for (key, expected) in &self.latest {
            let known = match overlay.get(key) {
                Some(record) => Some(record.clone()),
                None => cache.get(key).map(|value| decoded(key, value.as_deref())),
            };
            prop_assert_eq!(known.as_ref().map(instant), Some(*expected));
        }
        let lacking = self.log.iter().filter(|(_, change)| change.offset >= acknowledged);
        let lacking: Vec<IndexChange> = lacking.map(|(_, change)| change.clone()).collect();
        let batch = overlay.batch(None);
        prop_assert_eq!((batch.from, batch.to), (acknowledged, committed));
        prop_assert_eq!((overlay.acknowledged(), overlay.committed()), (acknowledged, committed));
        prop_assert_eq!(batch.changes, lacking);
        let is_empty = self.log.iter().all(|(end, _)| *end <= acknowledged);
        prop_assert_eq!(overlay.bytes() == 0, is_empty);
        Ok(())
    }
}

proptest! {
    #[test]
    fn overlay_over_cache_over_index_is_what_was_committed(acts in vec(act(), 1..30)) {
        let (mut overlay, mut cache, mut model) = (Overlay::new(100), Cache::new(1_000), Model::default());
        let (mut acknowledged, mut committed) = (100, 100);
        for act in acts {
            match act {
                Act::Commit(writes) => {
                    let changes = changes_from(committed, &writes);
                    // The marker of the transaction's end takes an offset too.
                    committed += changes.len() as i64 + 1;
                    model.commit(committed, &changes);
                    overlay.commit(committed, changes).unwrap();
                }
                Act::Acknowledge(further) => {
                    acknowledged = committed.min(acknowledged + further);
                    overlay.acknowledge(acknowledged, &mut cache).unwrap();
                }
            }
            model.check(&overlay, &cache, acknowledged, committed)?;
        }
    }
}

#[test]
fn what_the_index_lacks_begins_where_it_stands() {
    let (mut overlay, mut cache) = (Overlay::new(10), Cache::new(10));
    for from in [10, 20, 30] {
        overlay
            .commit(from + 10, changes_from(from, &[(1, Some(from)), (2, Some(from))]))
            .unwrap();
    }
    let lacks = |overlay: &Overlay| {
        let batch = overlay.batch(Some(7));
        assert_eq!(batch.applied_until, Some(7));
        let offsets: Vec<i64> = batch.changes.iter().map(|change| change.offset).collect();
        (batch.from, batch.to, offsets)
    };
    assert_eq!(lacks(&overlay), (10, 40, vec![10, 11, 20, 21, 30, 31]));
    overlay.acknowledge(21, &mut cache).unwrap();
    assert_eq!(lacks(&overlay), (21, 40, vec![21, 30, 31]));
    let ahead = Err(Astray::Ahead {
        marker: 41,
        committed: 40,
    });
    assert_eq!(overlay.acknowledge(41, &mut cache), ahead, "never committed");
    overlay.acknowledge(40, &mut cache).unwrap();
    assert_eq!(lacks(&overlay), (40, 40, vec![]));
    overlay.acknowledge(9, &mut cache).unwrap();
    assert_eq!(lacks(&overlay), (40, 40, vec![]), "a late answer takes nothing back");
}

#[test]
fn it_says_how_much_it_holds() {
    let (mut overlay, mut cache) = (Overlay::new(0), Cache::new(10));
    for to in 1..10 {
        assert!(overlay.bytes() as i64 >= 200 * (to - 1));
        overlay.commit(to, changes_from(to - 1, &[(1, Some(to))])).unwrap();
    }
    assert!(overlay.bytes() > 9 * 200);
    overlay.acknowledge(9, &mut cache).unwrap();
    assert_eq!(overlay.bytes(), 0);
}

#[test]
fn offsets_only_grow() {
    let mut overlay = Overlay::new(10);
    let backwards = Err(Astray::Backwards { begins: 9, held: 10 });
    assert_eq!(overlay.commit(10, changes_from(9, &[(1, Some(1))])), backwards);
    let across = changes_from(9, &[(1, Some(1)), (2, Some(1))]);
    assert_eq!(overlay.commit(11, across), backwards, "though it ends beyond");
    assert_eq!(overlay.get(&KEY.record_key(&key(1))), None);
    overlay.commit(12, changes_from(10, &[(1, Some(1))])).unwrap();
    assert_eq!(overlay.committed(), 12);
}

#[test]
fn the_progress_record_goes_into_the_index_too() {
    let expected = Expected {
        format: Format::DEFAULT,
        partitions: Partitions::new(1).unwrap(),
        phone_form: 1,
        configured_key: None,
    };
    let progress = Progress::first(&expected, Uuid::from_u128(1));
    let change = Change::progress(&progress);
    let ops = crate::state::clocks::replay(&change.key, change.value.as_deref());
    assert_eq!(ops, Ok(change.ops()));
    assert!(matches!(&change.ops()[..], [crate::index::Op::Put { key, .. }] if key == b"!"));
}
