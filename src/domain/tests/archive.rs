//! An entry holds 64 expired chatrooms of a WABA phone; older ones are found by their own record.

use super::harness::{CUSTOMER, World, day, org, phone_key};
use super::text::{inbound, rooms, show, world};
use crate::domain::archive;
use crate::domain::chatroom::Chatroom;
use crate::domain::effect::Consequence;
use crate::domain::entry::{EXPIRED_KEPT_PER_WABA_PHONE, Entry};
use crate::domain::record::{Key, Record};
use std::collections::BTreeSet;

fn put(world: &mut World, entry: Entry) {
    world
        .draft(day(0.0), |draft| draft.put_entry(&phone_key(), entry))
        .unwrap();
}

/// Expired chatrooms, one on each of these days.
fn expired(days: std::ops::Range<usize>, waba: u64, status: &str) -> Vec<Chatroom> {
    let one = |n: usize| format!("{} A w{waba} {status} {n}", n + 1_000 * waba as usize);
    rooms(&days.map(one).collect::<Vec<_>>().join(","))
}

fn blocks(world: &World) -> Vec<usize> {
    let blocks = world.records.values().filter_map(|record| match &**record {
        Record::Archive(chatrooms) => Some(chatrooms.len()),
        _ => None,
    });
    blocks.collect()
}

/// All chatrooms, in the entry or in the block that their own record names.
fn findable(world: &mut World) -> BTreeSet<u128> {
    let entry = world.entry();
    let mut found: BTreeSet<u128> = entry.chatrooms.iter().map(|room| room.id.uuid.as_u128()).collect();
    let records: Vec<Key> = world
        .records
        .keys()
        .filter(|key| matches!(key, Key::Chatroom(..)))
        .cloned()
        .collect();
    for key in records {
        let Key::Chatroom(_, name) = &key else { continue };
        let (id, record) = (
            name.id().unwrap(),
            world.draft(day(0.0), |draft| draft.chatroom_record(&key)).unwrap(),
        );
        let Some(block) = record.block else { continue };
        let room = world
            .draft(day(0.0), |draft| archive::find(&org(), CUSTOMER, block, id, draft))
            .unwrap();
        assert!(
            found.insert(room.expect("in its block").id.uuid.as_u128()),
            "in one place only"
        );
    }
    found
}

#[test]
fn the_latest_stay_and_none_is_lost() {
    let mut world = World::default();
    let mut entry = Entry {
        chatrooms: rooms("1 B w1 active 0, 2 C w2 deactivated 0"),
        ..Entry::default()
    };
    let mut all: BTreeSet<u128> = [1, 2].into();
    for batch in [0..10, 10..64, 64..65, 65..70, 70..200, 200..201] {
        for waba in [1, 2] {
            let more = expired(batch.clone(), waba, "expired");
            all.extend(more.iter().map(|room| room.id.uuid.as_u128()));
            entry.chatrooms.extend(more);
        }
        put(&mut world, entry);
        entry = world.entry();
        assert!(blocks(&world).iter().all(|size| *size <= 64));
        assert_eq!(blocks(&world).len(), entry.archived as usize);
        assert_eq!(findable(&mut world), all);
    }
    assert_eq!(entry.chatrooms.len(), 2 + 2 * EXPIRED_KEPT_PER_WABA_PHONE);
    let oldest = entry
        .chatrooms
        .iter()
        .filter(|room| room.is_expired())
        .map(|room| room.since)
        .min();
    assert_eq!(oldest, Some(day(201.0 - 64.0)));
    assert_eq!(blocks(&world), [64, 64, 64, 64, 18]);
}

#[test]
fn candidates_stay_before_those_whose_contact_moved() {
    let mut world = World::default();
    let mut chatrooms = expired(0..20, 1, "expired");
    chatrooms.extend(expired(20..120, 1, "moved"));
    put(
        &mut world,
        Entry {
            chatrooms,
            ..Entry::default()
        },
    );
    let kept = world.entry().chatrooms;
    assert_eq!(
        (kept.len(), kept.iter().filter(|room| !room.phone_changed).count()),
        (64, 20)
    );
}

#[test]
fn unpacking_brings_all_back() {
    let mut world = World::default();
    put(
        &mut world,
        Entry {
            chatrooms: expired(0..300, 1, "expired"),
            ..Entry::default()
        },
    );
    let mut entry = world.entry();
    world
        .draft(day(0.0), |draft| {
            archive::unpack(&mut entry, &org(), CUSTOMER, draft)?;
            entry.chatrooms.retain(|room| room.since < day(250.0));
            draft.put_entry(&phone_key(), entry)
        })
        .unwrap();
    assert_eq!(world.entry().chatrooms.len(), 64);
    assert_eq!(findable(&mut world).len(), 250);
    assert_eq!(blocks(&world), [64, 64, 58], "no block is left over");
}

#[test]
fn routing_needs_no_block() {
    let mut world = world("reply", "!A", "");
    let settings = world.settings.clone();
    world = World {
        settings,
        ..World::default()
    };
    put(
        &mut world,
        Entry {
            chatrooms: expired(0..300, 1, "expired"),
            ..Entry::default()
        },
    );
    world.records.retain(|key, _| !matches!(key, Key::Archive(..)));
    let (at, message) = inbound("@400 w2");
    let effects = world.receive(at, message);
    assert!(
        show(&effects)[0].starts_with("Expired 1299 I3"),
        "I3: the latest of all"
    );
    let Consequence::Routed(routed) = &effects[0].what else {
        panic!()
    };
    assert_eq!(routed.candidates.len(), 20, "I10");
}
