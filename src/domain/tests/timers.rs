//! I0, A2, A5, C4: when a clock is due, what fires, and in which order.

use super::harness::{content, day, days};
use super::text::{contacts, inbound, settings, show, world};
use crate::domain::effect::Source;
use crate::domain::settings::{Days, DaysChange, OrgSettings};
use crate::domain::time::Instant;
use crate::domain::timers::{Clocks, age_due, clocks, sweep_cutoffs};

/// `0:180 100:1 101:off`: from day 0 on 180 days, ...
fn history(text: &str) -> OrgSettings {
    let change = |word: &str| {
        let (at, count) = word.split_once(':').unwrap();
        let count = count.parse().ok();
        let days = Days {
            deactivate_after: count,
            expire_after: count,
        };
        DaysChange {
            at: day(at.parse().unwrap()),
            days,
        }
    };
    OrgSettings {
        version: 1,
        content: Some(content(&[1])),
        changes: text.split_whitespace().map(change).collect(),
    }
}

#[test]
fn a_clock_is_due_by_the_days_in_force_at_any_instant() {
    struct Row(&'static str, &'static str, f64, f64, Option<f64>);
    let rows = [
        Row("A5 off", "0:off", 0.0, 0.0, None),
        Row("C4", "0:180", 0.0, 0.0, Some(180.0)),
        Row("C4 counts from created_at", "0:180", -100.0, 0.0, Some(80.0)),
        Row("C2 past the age at creation", "0:30", -100.0, 5.0, Some(5.0)),
        Row(
            "A5 a change holds from its instant",
            "0:off 50:30",
            0.0,
            0.0,
            Some(50.0),
        ),
        Row("A5 lowering makes due at once", "0:180 50:30", 0.0, 0.0, Some(50.0)),
        Row("A5 raising before it is due", "0:30 29:180", 0.0, 0.0, Some(180.0)),
        Row("A5 raising at the very instant", "0:30 30:180", 0.0, 0.0, Some(180.0)),
        Row("A5 raising revives nothing", "0:30 31:180", 0.0, 0.0, Some(30.0)),
        Row(
            "A5 180, 1, 180 within an hour",
            "0:180 5:1 5.01:180",
            0.0,
            0.0,
            Some(5.0),
        ),
        Row("A5 180, 1, 180 too young", "0:180 5:1 5.01:180", 4.5, 4.5, Some(184.5)),
        Row("A5 off before it is due", "0:30 10:off", 0.0, 0.0, None),
        Row("A5 off and on again", "0:30 10:off 90:30", 0.0, 0.0, Some(90.0)),
        Row("I0 replaced before we created it", "0:1 5:180", 0.0, 6.0, Some(180.0)),
        Row("I0 replaced as we created it", "0:1 5:180", 0.0, 5.0, Some(180.0)),
        Row("I0 replaced after we created it", "0:1 5:180", 0.0, 4.0, Some(4.0)),
    ];
    for Row(rule, changes, created, registered, due) in rows {
        let mut contact = contacts("A").remove(0);
        (contact.created_at, contact.registered_at) = (day(created), day(registered));
        assert_eq!(age_due(&contact, Some(&history(changes))).map(days), due, "{rule}");
    }
    let removed = OrgSettings {
        content: None,
        ..history("0:1")
    };
    let contact = contacts("A").remove(0);
    assert_eq!(
        age_due(&contact, Some(&removed)),
        None,
        "I0 an org without settings has no timers"
    );
    assert_eq!(age_due(&contact, None), None, "I0");
}

#[test]
fn what_fired_fires_no_more_and_no_record_led_to_it() {
    let mut world = world("deactivate=5 expire=9", "A B", "1 A w1 active 0, 2 B w2 active 7");
    let effects = world.sweep(day(20.0));
    assert_eq!(effects.len(), 5);
    let timers = effects.iter().all(|effect| matches!(effect.source, Source::Timer(_)));
    assert!(timers, "its id must not depend on the record that came by");
    assert_eq!(world.sweep(day(20.0)), []);
}

#[test]
fn a_timer_that_came_too_late_moves_no_decision_time() {
    let mut world = world("deactivate=10 expire=9", "A", "1 A w1 active 0");
    world.sweep(day(30.0));
    assert_eq!(days(world.entry().decided_at), 9.0);
}

#[test]
fn a_sweep_is_no_decision() {
    let mut world = world("deactivate=30", "A", "1 A w1 active 0");
    let before = world.entry();
    world.sweep(day(29.0));
    assert_eq!(world.entry(), before, "nothing fired, nothing written");
    world.sweep(day(50.0));
    assert_eq!(
        world.entry().decided_at,
        day(30.0),
        "a timer counts as judged at its due instant"
    );
}

#[test]
fn decision_times_of_an_entry_never_go_back() {
    let mut world = world("deactivate=30", "A", "1 A w1 deactivated 0");
    let (at, late) = inbound("@20 id=1");
    world.receive(at, late);
    let (at, early) = inbound("@10 id=2 sent=10");
    world.receive(at, early);
    let room = world.entry().chatrooms.remove(0);
    assert_eq!((room.since, room.last_message_at), (day(20.0), Some(day(20.0))));
    assert_eq!(world.entry().decided_at, day(20.0));
}

#[test]
fn settings_that_come_back_judge_from_then_on() {
    let mut world = world("deactivate=30", "A", "1 A w1 active 0");
    world.set(day(10.0), None);
    assert_eq!(show(&world.sweep(day(60.0))), [""; 0], "I0: they stand still");
    world.set(day(70.0), Some(settings("deactivate=30")));
    assert_eq!(
        show(&world.sweep(day(80.0))),
        ["ChatroomDeactivated 1 Inactivity @70"],
        "I0"
    );
}

#[test]
fn clocks_start_where_the_earliest_that_runs_does() {
    let clocks_of = |contacts, rooms| clocks(&world("", contacts, rooms).entry());
    let at = |inactivity: Option<f64>, age: Option<f64>| Clocks {
        inactivity: inactivity.map(day),
        age: age.map(day),
    };
    assert_eq!(clocks_of("", "1 - w1 active 0"), at(None, None));
    assert_eq!(clocks_of("A@5 B@3 !C@1 ~D@2", ""), at(None, Some(3.0)));
    let rooms = "1 A w1 active 7 heard=9, 2 B w2 active 8, 3 C w1 deactivated 1, 4 D w1 expired 1";
    assert_eq!(clocks_of("A@5", rooms), at(Some(8.0), Some(5.0)));
}

#[test]
fn a_cutoff_misses_nothing_that_is_due() {
    let histories = [
        "0:off",
        "0:30",
        "0:180 50:30",
        "0:180 50:1 50.5:180",
        "0:30 10:off 90:30",
        "0:1 1:2 2:3 60:9",
    ];
    let horizons: Vec<Instant> = (-1..130).map(|n| day(f64::from(n))).collect();
    for text in histories {
        let settings = history(text);
        let mut swept = None;
        for &horizon in &horizons {
            let cutoff = sweep_cutoffs(&settings, horizon, swept).age;
            for start in horizons.iter().filter(|start| **start <= horizon) {
                let mut contact = contacts("A").remove(0);
                (contact.created_at, contact.registered_at) = (*start, *start);
                let due = age_due(&contact, Some(&settings)).filter(|due| *due <= horizon);
                let new = due.is_some_and(|due| swept.is_none_or(|swept| due > swept));
                assert!(
                    !new || cutoff.is_some_and(|cutoff| *start <= cutoff),
                    "{text}: {start:?} by {horizon:?}"
                );
            }
            swept = Some(horizon);
        }
    }
    assert_eq!(
        sweep_cutoffs(&history("0:30"), day(40.0), None).inactivity,
        Some(day(10.0)),
        "and not much too much"
    );
    assert_eq!(
        sweep_cutoffs(&history("0:1 1:30"), day(40.0), Some(day(1.0))).age,
        Some(day(10.0))
    );
    let before_the_change = day(9.0).plus(-1);
    assert_eq!(
        sweep_cutoffs(&history("0:1 10:off"), day(40.0), None).age,
        Some(before_the_change)
    );
    assert_eq!(sweep_cutoffs(&history("0:1"), day(-5.0), None), Clocks::default());
}
