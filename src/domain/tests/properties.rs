//! What holds after any stream of messages, sweeps and settings: R7, R8, C4, and that no sweep changes anything (I0).

use super::harness;
use super::harness::{World, day};
use super::text::{settings, show, world};
use crate::domain::chatroom::{Chatroom, ChatroomStatus};
use crate::domain::effect::Effect;
use crate::domain::entry::Entry;
use crate::domain::time::HOUR_MS;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// What comes after so many hours more.
#[derive(Debug, Clone)]
enum Then {
    Message {
        id: u128,
        waba: u64,
        sent_hours_ago: i64,
        system: bool,
    },
    Settings(&'static str),
    Sweep,
}

fn then() -> impl Strategy<Value = Then> {
    let message = (0..40_u128, 1..4_u64, -5..60_i64, prop::bool::weighted(0.1));
    prop_oneof![
        6 => message.prop_map(|(id, waba, sent_hours_ago, system)| Then::Message { id, waba, sent_hours_ago, system }),
        1 => prop::sample::select(SETTINGS).prop_map(Then::Settings),
        2 => Just(Then::Sweep),
    ]
}

const SETTINGS: &[&str] = &[
    "none",
    "",
    "pair",
    "deactivate=3",
    "deactivate=3 pair reply",
    "deactivate=5 expire=5 max=1",
    "expire=9",
    "expire=2",
];

fn streams() -> impl Strategy<Value = Vec<(i64, Then)>> {
    prop::collection::vec((0..40_i64, then()), 1..40)
}

/// A start that keeps R7 and R8: contacts A to D with chatrooms on WABA phones 1 and 2, one of each pair active.
fn starts() -> impl Strategy<Value = String> {
    let room = (0..4_usize, 1..4_u64, 0..3_usize);
    prop::collection::vec(room, 0..9).prop_map(|drawn| {
        let mut busy = BTreeSet::new();
        let mut texts = Vec::new();
        for (n, (owner, waba, status)) in drawn.into_iter().enumerate() {
            let owner = ["A", "B", "C", "D"][owner];
            let free = busy.insert(format!("w{waba}")) & busy.insert(owner.to_owned());
            let status = match status {
                _ if owner == "D" => "expired",
                0 if free => "active",
                1 => "moved",
                _ => "deactivated",
            };
            texts.push(format!("{n} {owner} w{waba} {status} {}", -(n as f64)));
        }
        texts.join(",")
    })
}

/// Runs the stream; after it a last sweep, so that all that is due has been told.
fn run(start: &str, stream: &[(i64, Then)], sweeping: bool) -> (World, Vec<Effect>) {
    let mut world = world("", "A@-3 B@-1 ~C !D", start);
    let mut effects = Vec::new();
    let mut now = day(1.0);
    for (hours, then) in stream {
        now = now.plus(hours * HOUR_MS + 1);
        let before = world.entry();
        match then {
            Then::Message {
                id,
                waba,
                sent_hours_ago,
                system,
            } => {
                let mut message = harness::message(*id, now.plus(-sent_hours_ago * HOUR_MS));
                (message.waba_phone, message.system) = (harness::waba(*waba), *system);
                effects.extend(world.receive(now, message));
            }
            Then::Settings("none") => world.set(now, None),
            Then::Settings(text) => world.set(now, Some(settings(text))),
            Then::Sweep if sweeping => effects.extend(world.sweep(now)),
            Then::Sweep => {}
        }
        holds(&before, &world.entry());
    }
    world.set(now.plus(1), Some(settings("")));
    effects.extend(world.sweep(now.plus(2)));
    (world, effects)
}

fn holds(before: &Entry, after: &Entry) {
    let active: Vec<&Chatroom> = after.chatrooms.iter().filter(|room| room.is_active()).collect();
    let pairs: BTreeSet<_> = active.iter().map(|room| room.waba_phone).collect();
    assert_eq!(pairs.len(), active.len(), "R7");
    let owners: Vec<_> = active.iter().filter_map(|room| room.crm_id()).collect();
    assert_eq!(owners.iter().collect::<BTreeSet<_>>().len(), owners.len(), "R8");
    for old in before.chatrooms.iter().filter(|room| room.is_expired()) {
        let now = after
            .chatrooms
            .iter()
            .find(|room| room.id == old.id)
            .map(|room| room.status);
        assert_eq!(now, Some(ChatroomStatus::Expired), "C4: expiry is final");
    }
    assert!(after.decided_at >= before.decided_at);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sweeps_change_nothing_but_when(start in starts(), stream in streams()) {
        let (swept, early) = run(&start, &stream, true);
        let (judged, late) = run(&start, &stream, false);
        let (mut early, mut late) = (show(&early), show(&late));
        let routes = |lines: &[String]| {
            lines.iter().filter(|line| line.contains(" of [") || line.starts_with("No")).cloned().collect::<Vec<_>>()
        };
        prop_assert_eq!(routes(&early), routes(&late));
        early.sort();
        late.sort();
        prop_assert_eq!(early, late);
        prop_assert_eq!(swept.entry(), judged.entry());
    }

    #[test]
    fn judging_again_gives_the_same(start in starts(), stream in streams()) {
        let (first, published) = run(&start, &stream, true);
        let (again, repeated) = run(&start, &stream, true);
        prop_assert_eq!(published, repeated);
        prop_assert_eq!(first.records, again.records);
    }
}
