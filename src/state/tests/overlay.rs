//! The overlay against a plain model: what is read through it, and what is sent again, is what was committed.

use crate::domain::directory::OrgRecord;
use crate::domain::ids::OrgId;
use crate::domain::record::{Judgement, Key, Record};
use crate::domain::time::Instant;
use crate::state::cache::Cache;
use crate::state::codec::Stored;
use crate::state::homes::Partitions;
use crate::state::keys::{RecordKey, StateKey};
use crate::state::overlay::{Astray, Change, Overlay};
use crate::state::progress::{Expected, Progress};
use crate::state::wire::Format;
use crate::state::working_set::WorkingSet;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::HashMap;
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
    let mut set = WorkingSet::new(Format::NEWEST, KEY);
    set.apply(Judgement {
        writes: writes.iter().map(|(n, at)| (key(*n), at.map(record))).collect(),
        effects: Vec::new(),
    });
    set.changes()
}

fn instant(stored: &Option<Stored>) -> Option<i64> {
    match &*stored.as_ref()?.record {
        Record::Org(org) => Some(org.decided_at.0),
        _ => None,
    }
}

#[derive(Debug, Clone)]
enum Act {
    Commit(Vec<(u8, Option<i64>)>),
    /// So many of the transactions in flight, and so far into the next.
    Acknowledge(usize, i64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        vec((0..5_u8, proptest::option::of(1..1_000_i64)), 0..4).prop_map(Act::Commit),
        (0..4_usize, 0..3_i64).prop_map(|(whole, part)| Act::Acknowledge(whole, part)),
    ]
}

proptest! {
    #[test]
    fn overlay_over_cache_over_index_is_what_was_committed(acts in vec(act(), 1..30)) {
        let (mut overlay, mut cache) = (Overlay::new(1_000_000, 100), Cache::new(1_000));
        let mut committed: HashMap<RecordKey, Option<i64>> = HashMap::new();
        for act in acts {
            match act {
                Act::Commit(writes) => {
                    let changes = changes(&writes);
                    for change in &changes {
                        committed.insert(change.key, instant(&change.stored));
                    }
                    overlay.commit(overlay.committed() + 3, changes).unwrap();
                }
                Act::Acknowledge(whole, part) => {
                    let ends: Vec<i64> = overlay.pending().map(|held| held.to).collect();
                    let end = whole.checked_sub(1).and_then(|last| ends.get(last)).copied();
                    let marker = end.unwrap_or(overlay.acknowledged()) + part;
                    overlay.acknowledge(marker.min(overlay.committed()), &mut cache).unwrap();
                }
            }
            for (key, expected) in &committed {
                let known = overlay.get(key).or_else(|| cache.get(key));
                prop_assert_eq!(known.map(instant), Some(*expected));
            }
            let mut at = overlay.pending().next().map_or(overlay.committed(), |first| first.from);
            prop_assert!(at <= overlay.acknowledged() + 2);
            for held in overlay.pending() {
                prop_assert_eq!(held.from, at);
                at = held.to;
            }
            prop_assert_eq!(overlay.bytes() == 0, overlay.pending().all(|held| held.changes.is_empty()));
        }
    }
}

#[test]
fn a_gap_is_filled_from_the_transaction_that_it_is_in() {
    let mut overlay = Overlay::new(1_000_000, 10);
    for to in [20, 30, 40] {
        overlay.commit(to, changes(&[(to as u8, Some(to))])).unwrap();
    }
    let lacks = |marker| -> Result<Vec<(i64, i64)>, Astray> {
        let pending = overlay.pending_from(marker)?;
        Ok(pending.map(|held| (held.from, held.to)).collect())
    };
    assert_eq!(lacks(10), Ok(vec![(10, 20), (20, 30), (30, 40)]));
    assert_eq!(lacks(25), Ok(vec![(20, 30), (30, 40)]));
    assert_eq!(lacks(40), Ok(vec![]));
    let (marker, acknowledged, committed) = (9, 10, 40);
    assert_eq!(lacks(9), Err(Astray::RolledBack { marker, acknowledged }));
    assert_eq!(lacks(41), Err(Astray::Ahead { marker: 41, committed }));
    let batch = overlay.pending().next().unwrap().batch(Some(7));
    assert_eq!((batch.from, batch.to, batch.changes[0].offset), (10, 20, 10));
    assert_eq!((batch.changes.len(), batch.applied_until), (1, Some(7)));
}

#[test]
fn it_is_bounded_by_what_it_holds() {
    let (mut overlay, mut cache) = (Overlay::new(1_000, 0), Cache::new(10));
    assert!(!overlay.is_full());
    for to in 1..10 {
        overlay.commit(to, changes(&[(1, Some(to))])).unwrap();
    }
    assert!(overlay.is_full() && overlay.bytes() > 9 * 200);
    assert!(overlay.acknowledge(10, &mut cache).is_err(), "never committed");
    overlay.acknowledge(9, &mut cache).unwrap();
    assert_eq!((overlay.bytes(), overlay.is_full()), (0, false));
    assert_eq!((overlay.acknowledged(), overlay.committed()), (9, 9));
}

#[test]
fn offsets_only_grow() {
    let mut overlay = Overlay::new(1_000, 10);
    let backwards = Err(Astray::Backwards { to: 10, held: 10 });
    assert_eq!(overlay.commit(10, changes(&[(1, Some(1))])), backwards);
    overlay.commit(12, changes(&[(1, Some(1))])).unwrap();
    overlay.clear(5);
    assert_eq!((overlay.committed(), overlay.bytes()), (5, 0));
    assert_eq!(overlay.get(&KEY.record_key(&key(1))), None);
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
