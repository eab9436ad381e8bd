//! I11, K2: what is remembered, for how long, and how it grows.

use super::harness::{World, day, phone_key};
use crate::domain::ids::IdHash;
use crate::domain::memory::{Memory, Outcome, RECENT, Shelf};
use crate::domain::record::Record;
use crate::domain::time::{DAY_MS, Instant, MINUTE_MS};

fn remember(world: &mut World, memory: &mut Memory, id: u128, at: Instant, outcome: Outcome) {
    let key = phone_key();
    world
        .draft(at, |draft| {
            Shelf::messages(&key).remember(draft, memory, IdHash(id), outcome)
        })
        .unwrap();
}

fn recall(world: &mut World, memory: &Memory, id: u128, at: Instant) -> Option<Outcome> {
    let key = phone_key();
    let known = world
        .draft(at, |draft| Shelf::messages(&key).recall(draft, memory, IdHash(id)))
        .unwrap();
    known.map(|known| known.outcome)
}

/// As a keyed hash would spread them.
fn hash(n: u128) -> u128 {
    n.wrapping_add(1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
        .rotate_left(64)
}

#[test]
fn eight_days_by_decision_time_and_no_day_more() {
    let rows = [
        ("at once", 0, true),
        ("within 8 days", 8 * DAY_MS - 1, true),
        ("8 days to the millisecond", 8 * DAY_MS, true),
        ("a minute after", 8 * DAY_MS + MINUTE_MS, false),
        ("a day after", 9 * DAY_MS, false),
    ];
    for (case, later, known) in rows {
        for within_minute in [0, 1, 30_000, 59_999] {
            let first = day(1.0).plus(within_minute);
            let (mut world, mut memory) = (World::default(), Memory::default());
            remember(&mut world, &mut memory, 7, first, Outcome::Routed);
            let found = recall(&mut world, &memory, 7, first.plus(later));
            assert_eq!(found.is_some(), known, "I11 {case}, {within_minute} ms into its minute");
        }
    }
}

#[test]
fn another_outcome_keeps_the_first_s_eight_days() {
    let (mut world, mut memory) = (World::default(), Memory::default());
    remember(&mut world, &mut memory, 7, day(1.0), Outcome::Unrouted);
    remember(&mut world, &mut memory, 7, day(8.0), Outcome::Routed);
    assert_eq!(recall(&mut world, &memory, 7, day(9.0)), Some(Outcome::Routed), "I11");
    assert_eq!(recall(&mut world, &memory, 7, day(9.01)), None, "I11: of the first");
    remember(&mut world, &mut memory, 7, day(10.0), Outcome::Unrouted);
    assert_eq!(
        recall(&mut world, &memory, 7, day(18.0)),
        Some(Outcome::Unrouted),
        "a new first"
    );
    assert_eq!(memory.recent.len(), 1);
}

#[test]
fn thousands_are_remembered_in_buckets_of_bounded_size() {
    const IDS: u128 = 3_000;
    let (mut world, mut memory) = (World::default(), Memory::default());
    let at = |n: u128| day(n as f64 / IDS as f64);
    for n in 0..IDS {
        remember(&mut world, &mut memory, hash(n), at(n), Outcome::Unrouted);
        assert!(memory.recent.len() <= RECENT);
    }
    for n in (0..IDS).step_by(3) {
        remember(&mut world, &mut memory, hash(n), at(IDS), Outcome::Routed);
    }
    for n in 0..IDS {
        let expected = if n % 3 == 0 { Outcome::Routed } else { Outcome::Unrouted };
        assert_eq!(recall(&mut world, &memory, hash(n), day(5.0)), Some(expected), "{n}");
        assert_eq!(recall(&mut world, &memory, hash(n), day(9.01)), None, "{n}");
    }
    assert_eq!(recall(&mut world, &memory, hash(IDS), day(5.0)), None);
    let sizes: Vec<usize> = buckets(&world);
    assert_eq!(sizes.iter().sum::<usize>(), memory.spilled as usize);
    assert_eq!(memory.spilled as usize + memory.recent.len(), IDS as usize, "each once");
    assert!(sizes.iter().all(|size| *size <= 4 * RECENT), "{sizes:?}");
    assert!(
        memory.buckets <= 2 * memory.spilled / RECENT as u32,
        "no more than they need: {}",
        memory.buckets
    );
}

#[test]
fn old_ids_are_dropped_where_they_are_touched() {
    let (mut world, mut memory) = (World::default(), Memory::default());
    for n in 0..2_000 {
        remember(&mut world, &mut memory, hash(n), day(0.0), Outcome::Routed);
    }
    let most = memory.buckets;
    for n in 2_000..4_000 {
        remember(&mut world, &mut memory, hash(n), day(9.5), Outcome::Routed);
    }
    assert_eq!(memory.spilled as usize + memory.recent.len(), 2_000);
    assert!(
        memory.buckets <= most + 2,
        "old ids make no bucket: {} after {most}",
        memory.buckets
    );
}

#[test]
fn what_is_forgotten_was_never_there() {
    let key = phone_key();
    let (mut world, mut memory) = (World::default(), Memory::default());
    for n in 0..300 {
        remember(&mut world, &mut memory, hash(n), day(0.0), Outcome::InProgress);
    }
    for n in 0..300 {
        world
            .draft(day(0.0), |draft| {
                Shelf::messages(&key).forget(draft, &mut memory, IdHash(hash(n)))
            })
            .unwrap();
        assert_eq!(recall(&mut world, &memory, hash(n), day(0.0)), None);
    }
    assert_eq!((memory.recent.len(), memory.spilled, world.records.len()), (0, 0, 0));
}

fn buckets(world: &World) -> Vec<usize> {
    let ids = world.records.values().filter_map(|record| match &**record {
        Record::Ids(ids) => Some(ids.len()),
        _ => None,
    });
    ids.collect()
}
