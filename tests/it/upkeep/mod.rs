//! What an operator does with `index` and `positions`, on the real thing: each way in which a partition comes to a stop, that it
//! stops alone and says what to do, and that it goes on once that was done, without a restart.

mod desk;
mod drift;
mod index;
mod shrunk;
mod stops;
mod stuck;
mod twins;
mod unreadable;

use crate::harness::world::World;
use crate::wait;
use serde_json::Value;

/// A command of the program: its exit code, what it printed as JSON, and what it said.
fn ask(world: &World, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let arguments = [&["--output", "json"], arguments].concat();
    let output = world.command(&arguments);
    let answer = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), answer, said)
}

/// The same, of one partition: it must succeed.
fn done(world: &World, arguments: &[&str], partition: i32) -> Value {
    let number = partition.to_string();
    let arguments = [arguments, &["--partition", &number]].concat();
    let (code, answer, said) = ask(world, &arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {said}{answer}");
    answer
}

/// How a partition's index stands, as `index status` says.
fn stand_of(world: &World, partition: i32) -> Value {
    done(world, &["index", "status"], partition)["partitions"][0].clone()
}

/// Waits until the process says that this partition is stopped, and for that reason.
fn await_stop(world: &World, partition: i32, reason: &str) {
    let stopped = format!("partition {partition} is stopped: ");
    let said = wait::within(wait::PATIENCE, || {
        let said = world.readiness(0)?;
        let (_, why) = said.split_once(&stopped)?;
        let (why, _) = why.split_once("; partition ").unwrap_or((why, ""));
        why.contains(reason).then_some(())
    });
    assert!(
        said.is_some(),
        "no {stopped:?} with {reason:?} in\n{:?}\n{}",
        world.readiness(0),
        world.last_words()
    );
}
