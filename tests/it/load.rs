//! `load`: what it says of a router that answers, that stands still, and that is not there.

use crate::harness::world::{Plan, World};
use crate::wait;
use serde_json::Value;
use std::process::Output;
use std::thread;
use std::time::Duration;

const STANDS_STILL: Duration = Duration::from_secs(2);

fn world(name: &'static str, processes: usize) -> World {
    World::start(&Plan {
        own_redis: false,
        processes,
        ..Plan::new(name)
    })
}

fn load(world: &World, line: &str) -> Output {
    let words: Vec<&str> = "load --output json --orgs 3 --phones 20"
        .split(' ')
        .chain(line.split_whitespace())
        .collect();
    world.command(&words)
}

fn told(output: &Output) -> Value {
    let words = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no result\n{words}"))
}

fn sum(outcomes: &Value) -> u64 {
    let counts = outcomes.as_object().expect("counts by outcome").values();
    counts.map(|count| count.as_u64().expect("a count")).sum()
}

/// The first message of a load that is under way.
fn await_first_message(world: &World) {
    let known = world.log().len();
    let is_one = |id: &str| id.starts_with("load-") && id.split('-').nth(2).is_some_and(|id| id.starts_with('i'));
    wait::until("a message of the load", wait::PATIENCE, || {
        let fresh = world.log().from(known);
        fresh
            .iter()
            .any(|record| is_one(record.text("message_id")))
            .then_some(())
    });
}

#[test]
fn every_record_of_a_load_is_answered_once_and_timed() {
    let world = world("load", 1);
    // Again: the orgs and phones are there already.
    for _ in 0..2 {
        let output = load(&world, "--rate 200 --seconds 2 --strangers 20");
        let result = told(&output);
        assert_eq!(output.status.code(), Some(0), "{result}");
        for (field, wanted) in [("sent", 400), ("answered", 400), ("missing", 0), ("repeated", 0)] {
            assert_eq!(result[field], wanted, "{field} of {result}");
        }
        for kind in ["inbound", "outbound", "crm"] {
            let score = &result["kinds"][kind];
            assert_eq!(
                Some(sum(&score["outcomes"])),
                score["sent"].as_u64(),
                "{kind} of {result}"
            );
            let [p50, max] = ["p50", "max"].map(|name| score["latency_ms"][name].as_f64().expect("milliseconds"));
            assert!(0.0 < p50 && p50 <= max && max < 60_000.0, "{kind} of {result}");
        }
        let outcomes = &result["kinds"]["inbound"]["outcomes"];
        assert!(
            outcomes["ACTIVE"].is_u64() && outcomes["NO_CONTACT"].is_u64(),
            "{outcomes}"
        );
    }
}

#[test]
fn a_router_that_stands_still_slows_no_sender_and_is_seen_in_the_percentiles() {
    let world = world("load-still", 1);
    let output = thread::scope(|scope| {
        let load = scope.spawn(|| load(&world, "--rate 200 --seconds 6 --inbound 100 --outbound 0 --crm 0"));
        await_first_message(&world);
        world.signal(0, "STOP");
        wait::let_pass(STANDS_STILL);
        world.signal(0, "CONT");
        load.join().expect("it ends")
    });
    let result = told(&output);
    assert_eq!(
        (output.status.code(), &result["missing"]),
        (Some(0), &Value::from(0)),
        "{result}"
    );
    assert!(result["rate"]["sent"].as_f64().expect("a rate") > 180.0, "{result}");
    // A third of the records were due in those two seconds.
    let latency = &result["kinds"]["inbound"]["latency_ms"];
    assert!(latency["p90"].as_f64().expect("milliseconds") > 1_000.0, "{result}");
}

#[test]
fn what_nobody_answers_is_bad_data() {
    let world = world("load-lost", 1);
    let output = thread::scope(|scope| {
        let load = scope.spawn(|| load(&world, "--rate 100 --seconds 3 --patience 10"));
        await_first_message(&world);
        world.signal(0, "STOP");
        let output = load.join().expect("it ends");
        world.signal(0, "CONT");
        output
    });
    let result = told(&output);
    assert_eq!(
        (output.status.code(), &result["sent"]),
        (Some(65), &Value::from(300)),
        "{result}"
    );
    assert!(result["missing"].as_u64() > Some(0), "{result}");
}

#[test]
fn a_load_without_a_router_says_so() {
    let world = world("load-alone", 0);
    let output = load(&world, "--patience 1");
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(65), "{words}");
    assert!(words.contains("see whether a router runs on these topics"), "{words}");
    assert!(output.stdout.is_empty());
}
