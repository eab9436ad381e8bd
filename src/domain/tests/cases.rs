//! Runs the tables in `cases/`: each case an entry, the events that reach it, and after `=>` what follows from the last.
//!
//! The first line of a case names its rule; `#` begins a remark. `nothing` follows from an event without effects.

use super::harness::World;
use super::text::{inbound, show, world};

#[test]
fn the_first_rule_that_finds_one_chooses() {
    check(include_str!("cases/choice.txt"));
}

#[test]
fn those_on_the_pair_come_first_within_each_rule() {
    check(include_str!("cases/scope.txt"));
}

#[test]
fn what_is_due_fires_in_order_at_its_own_instant() {
    check(include_str!("cases/timers.txt"));
}

#[test]
fn due_timers_come_before_the_message() {
    check(include_str!("cases/due_first.txt"));
}

#[test]
fn an_expired_chatroom_answers_for_itself() {
    check(include_str!("cases/answers.txt"));
}

#[test]
fn a_repeat_is_one_message() {
    check(include_str!("cases/repeats.txt"));
}

fn check(table: &str) {
    for case in table.split("\n\n") {
        let (rule, lines) = case.trim().split_once('\n').expect("a rule, then lines");
        let lines = || lines.lines();
        let given = |name| lines().find_map(|line| line.strip_prefix(name)).unwrap_or("");
        let mut world = world(given("settings: "), given("contacts: "), given("rooms: "));
        let mut effects = Vec::new();
        for event in lines().filter(|line| line.starts_with('@')) {
            effects = happen(&mut world, event);
        }
        let expected: Vec<&str> = lines().filter_map(|line| line.strip_prefix("=> ")).collect();
        assert_eq!(effects, expected, "{rule}");
    }
}

/// `@40 sweep`, or a message.
fn happen(world: &mut World, event: &str) -> Vec<String> {
    let (at, message) = inbound(event.trim_end_matches(" sweep"));
    let effects = if event.ends_with(" sweep") {
        world.sweep(at)
    } else {
        world.receive(at, message)
    };
    if effects.is_empty() {
        vec!["nothing".to_owned()]
    } else {
        show(&effects)
    }
}
