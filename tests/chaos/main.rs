//! Real processes on a real Kafka of three nodes and a real Redis, under load, while all of them are killed, frozen, cut off
//! and restarted, timers fall due and settings change. Judged from the logs alone, once every transaction has ended: the outputs are what the
//! model of the rules says, per key and in order; none came twice; the index is what the changelog says.
//!
//! `make test` plays a minute of it, on one node, `make chaos` the whole script; `make chaos ARGS='mode=random seconds=3600 seed=7'`
//! goes on by chance. Every seed is printed and repeats its run.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // A test that panics has said what it found.
#![allow(dead_code)] // What is shared with the tests of one world has more to it than is needed here.

mod brokers;
mod changes;
mod cluster;
#[path = "../it/faults/dice.rs"]
mod dice;
mod faults;
#[path = "../it/harness/mod.rs"]
mod harness;
mod index;
mod inputs;
mod ledger;
mod load;
#[path = "../it/model/mod.rs"]
mod model;
mod options;
mod proxy;
mod report;
mod script;
mod stage;
mod store;
mod timeline;
#[path = "../it/verify.rs"]
mod verify;
#[path = "../it/wait.rs"]
mod wait;

use options::{Mode, Options};
use report::Report;

#[test]
fn a_minute_of_trouble() {
    let options = Options::of_the_caller();
    eprintln!("CHAOS='{}' repeats this run", options.words());
    let mut report = Report::new();
    script::minute(&options, &mut report);
    report.conclude();
}

#[test]
#[ignore = "takes half an hour: make chaos"]
fn all_of_the_trouble() {
    let options = Options::of_the_caller();
    eprintln!("CHAOS='{}' repeats this run", options.words());
    let mut report = Report::new();
    match options.mode {
        Mode::Script => script::whole(&options, &mut report),
        Mode::Random => script::chance(&options, &mut report),
    }
    report.conclude();
}
