//! A batch's working set: what it finds, what it changes, and what becomes of it when judgements are taken back.

use super::samples;
use crate::domain::directory::{ChatroomRecord, OrgRecord};
use crate::domain::ids::{ChatroomName, OrgId};
use crate::domain::record::{Key, Known, Record, View};
use crate::domain::time::Instant;
use crate::index::Op;
use crate::state::cache::Cache;
use crate::state::clocks::{ClockKind, replay};
use crate::state::codec::encode;
use crate::state::keys::{RecordKey, StateKey};
use crate::state::overlay::{Change, Overlay};
use crate::state::wire::Format;
use crate::state::working_set::{WorkingSet, Write};
use std::sync::Arc;

const KEY: StateKey = StateKey::new([7; 16]);

fn org_key(name: &str) -> Key {
    Key::Org(OrgId::parse(name).unwrap())
}

fn record(at: i64) -> Record {
    Record::Org(OrgRecord {
        decided_at: Instant(at),
        ..OrgRecord::default()
    })
}

fn writes(writes: Vec<(Key, Option<Record>)>) -> Vec<Write> {
    let write = |(key, record)| Write::new(Format::NEWEST, key, record);
    writes.into_iter().map(write).collect()
}

fn changes(set: &WorkingSet) -> Vec<Change> {
    set.changes().into_iter().map(|(_, change)| change).collect()
}

fn missed(key: &Key) -> (Key, RecordKey) {
    (key.clone(), KEY.record_key(key))
}

/// What the view says: the record's instant, 0 if there is none, None if it isn't read.
fn seen(set: &WorkingSet, key: &Key) -> Option<i64> {
    match set.get(key) {
        Known::Unread => None,
        Known::Absent => Some(0),
        Known::Here(record) => match &*record {
            Record::Org(org) => Some(org.decided_at.0),
            _ => Some(-1),
        },
    }
}

struct Task {
    overlay: Overlay,
    cache: Cache,
}

fn task() -> Task {
    Task {
        overlay: Overlay::new(0),
        cache: Cache::new(100),
    }
}

fn set() -> WorkingSet {
    WorkingSet::new(KEY)
}

/// A set that has read these, each absent or at an instant.
fn having_read(rows: &[(&str, i64)]) -> WorkingSet {
    let (mut set, mut task) = (set(), task());
    for (name, at) in rows {
        let value = encode(Format::NEWEST, &org_key(name), Some(&record(*at))).filter(|_| *at > 0);
        set.read(missed(&org_key(name)), value.as_deref(), &mut task.cache)
            .unwrap();
    }
    set
}

fn commit(task: &mut Task, key: Key, record: Record, to: i64) {
    let mut set = set();
    set.apply(writes(vec![(key, Some(record))]), 0);
    let changes = changes(&set).into_iter().map(|change| (to - 1, change));
    task.overlay.commit(to, changes.collect()).unwrap();
}

#[test]
fn what_is_found_is_a_copy() {
    let mut task = task();
    commit(&mut task, org_key("a"), record(1), 10);
    task.cache.put(KEY.record_key(&org_key("b")), None);
    let mut set = set();
    let keys = [org_key("a"), org_key("b"), org_key("c"), org_key("c")];
    let misses = set.look_up(&keys, &task.overlay, &task.cache);
    assert_eq!(misses, [(org_key("c"), KEY.record_key(&org_key("c")))]);
    commit(&mut task, org_key("a"), record(2), 20);
    task.cache = Cache::new(100);
    assert_eq!(seen(&set, &org_key("a")), Some(1));
    assert_eq!(seen(&set, &org_key("b")), Some(0));
    assert_eq!(seen(&set, &org_key("c")), None);
    set.read(missed(&org_key("c")), None, &mut task.cache).unwrap();
    assert!(set.look_up(&keys, &task.overlay, &task.cache).is_empty());
    assert_eq!(task.cache.get(&KEY.record_key(&org_key("c"))), Some(&None));
}

#[test]
fn the_overlay_goes_before_the_cache() {
    let mut task = task();
    let old = encode(Format::NEWEST, &org_key("a"), Some(&record(1)));
    set()
        .read(missed(&org_key("a")), old.as_deref(), &mut task.cache)
        .unwrap();
    commit(&mut task, org_key("a"), record(2), 10);
    let found = |task: &Task| {
        let mut set = set();
        assert!(set.look_up(&[org_key("a")], &task.overlay, &task.cache).is_empty());
        seen(&set, &org_key("a"))
    };
    assert_eq!(found(&task), Some(2));
    task.overlay.acknowledge(10, &mut task.cache).unwrap();
    assert_eq!(task.overlay.get(&KEY.record_key(&org_key("a"))), None);
    assert_eq!(found(&task), Some(2), "the cache was told");
}

#[test]
fn changes_are_last_values_in_the_order_of_the_first() {
    let mut set = having_read(&[("a", 1), ("b", 1), ("c", 1), ("d", 0), ("e", 1)]);
    set.apply(
        writes(vec![(org_key("c"), Some(record(2))), (org_key("a"), Some(record(2)))]),
        0,
    );
    set.apply(
        writes(vec![
            (org_key("b"), None),
            (org_key("d"), None),
            (org_key("e"), Some(record(2))),
        ]),
        0,
    );
    set.apply(
        writes(vec![(org_key("a"), Some(record(3))), (org_key("e"), Some(record(1)))]),
        0,
    );
    let changes = changes(&set);
    let value = |name: &str, at| encode(Format::NEWEST, &org_key(name), Some(&record(at)));
    let expected = [("c", value("c", 2)), ("a", value("a", 3)), ("b", None)];
    let told: Vec<_> = changes
        .iter()
        .map(|change| (change.key, change.value.as_deref()))
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, value)| (KEY.record_key(&org_key(name)), value.as_deref()))
        .collect();
    assert_eq!(told, expected, "d was absent and e is as it was");
}

#[test]
fn a_record_written_unread_is_a_change_whatever_it_was() {
    let (mut set, mut task) = (set(), task());
    set.apply(writes(vec![(org_key("a"), None)]), 0);
    set.read(
        missed(&org_key("a")),
        encode(Format::NEWEST, &org_key("a"), Some(&record(1))).as_deref(),
        &mut task.cache,
    )
    .unwrap();
    assert_eq!(seen(&set, &org_key("a")), Some(0));
    assert_eq!(set.changes().len(), 1);
    set.start_over();
    assert_eq!(seen(&set, &org_key("a")), None);
}

#[test]
fn a_change_names_the_item_that_wrote_last() {
    let mut set = having_read(&[("a", 1), ("b", 1)]);
    let written = |name, at| writes(vec![(org_key(name), Some(record(at)))]);
    for (name, at, by) in [("a", 2, 3), ("b", 2, 4), ("a", 3, 5)] {
        set.apply(written(name, at), by);
    }
    let by: Vec<usize> = set.changes().into_iter().map(|(by, _)| by).collect();
    assert_eq!(by, [5, 4]);
}

#[test]
fn a_batch_that_starts_over_gives_the_same() {
    let mut set = having_read(&[("a", 1), ("b", 1)]);
    let fold = |set: &mut WorkingSet| {
        set.apply(writes(vec![(org_key("b"), Some(record(2)))]), 0);
        set.apply(writes(vec![(org_key("a"), None), (org_key("b"), Some(record(3)))]), 0);
        changes(set)
    };
    let first = fold(&mut set);
    set.start_over();
    assert!(set.changes().is_empty());
    assert_eq!(seen(&set, &org_key("a")), Some(1));
    assert_eq!(fold(&mut set), first);
}

fn clock_ops(change: &Change) -> Vec<(Vec<u8>, Option<i64>)> {
    let clock = |op: Op| match op {
        Op::Clock { clock, start, member } => {
            assert_eq!(member, change.key.as_bytes());
            Some((clock, start))
        }
        _ => None,
    };
    change.ops().into_iter().filter_map(clock).collect()
}

#[test]
fn only_clocks_that_moved_are_set_and_a_replay_sets_both() {
    let (mut task, org) = (task(), OrgId::parse("acme").unwrap());
    let (inactivity, age) = (ClockKind::Inactivity.name(&org), ClockKind::Age.name(&org));
    let mut entry = samples::entry();
    let started = (entry.chatrooms[0].active_since().0, entry.contacts[0].created_at.0);
    let mut change_to = |entry: Option<Record>| {
        let mut set = set();
        let found = set.look_up(&[samples::key()], &task.overlay, &task.cache);
        for missed in found {
            set.read(missed, None, &mut task.cache).unwrap();
        }
        set.apply(writes(vec![(samples::key(), entry)]), 0);
        let change = changes(&set).remove(0);
        let to = task.overlay.committed() + 1;
        task.overlay.commit(to, vec![(to - 1, change.clone())]).unwrap();
        change
    };
    let created = change_to(Some(Record::Entry(entry.clone())));
    let both = [(inactivity.clone(), Some(started.0)), (age.clone(), Some(started.1))];
    assert_eq!(clock_ops(&created), both);
    assert_eq!(replay(&created.key, created.value.as_deref()), Ok(created.ops()));

    for chatroom in &mut entry.chatrooms {
        chatroom.last_message_at = Some(Instant(started.0 + 9));
    }
    let moved = change_to(Some(Record::Entry(entry.clone())));
    assert_eq!(clock_ops(&moved), [(inactivity.clone(), Some(started.0 + 9))]);
    assert_eq!(replay(&moved.key, moved.value.as_deref()).unwrap().len(), 3);

    entry.contacts_mut().clear();
    entry.chatrooms.clear();
    let erased = change_to(Some(Record::Entry(entry)));
    assert_eq!(clock_ops(&erased), [(inactivity, None), (age, None)]);
    assert_eq!(replay(&erased.key, erased.value.as_deref()), Ok(erased.ops()));

    let gone = change_to(None);
    assert!(clock_ops(&gone).is_empty());
    assert!(matches!(gone.ops()[..], [Op::Delete { .. }]));
    assert!(matches!(
        replay(&gone.key, gone.value.as_deref()).unwrap()[..],
        [Op::Delete { .. }, ..]
    ));
}

#[test]
fn a_value_under_the_wrong_key_is_an_error() {
    let bytes = encode(Format::NEWEST, &org_key("a"), Some(&record(1))).unwrap();
    let room = Key::Chatroom(OrgId::parse("a").unwrap(), ChatroomName::parse("r").unwrap());
    let said = set().read(missed(&room), Some(&bytes), &mut task().cache).unwrap_err();
    assert!(said.to_string().contains("can't be of the kind 5"), "{said}");
    let right = Record::Chatroom(ChatroomRecord::default());
    let bytes = encode(Format::NEWEST, &room, Some(&right)).unwrap();
    let mut set = set();
    set.read(missed(&room), Some(&bytes), &mut task().cache).unwrap();
    match set.get(&room) {
        Known::Here(record) => assert_eq!(record, Arc::new(right)),
        other => panic!("{other:?}"),
    }
}
