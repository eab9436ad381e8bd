//! An input that was created anew with fewer partitions, and each way to go on.

use super::desk::{Desk, Lead};
use super::stops::hurt;
use super::{await_stop, done};
use crate::harness::operator;
use crate::harness::topics::{INBOUND, ROUTED};
use crate::harness::world::{PARTITIONS, World};

/// With the topic of the messages created anew, with two partitions fewer.
fn shrunk(name: &'static str) -> (World, Desk, Lead) {
    let (mut world, desk, lead, _) = hurt(name);
    assert_eq!(world.terminate(0), Some(0));
    world.set("TOPICS__REFRESH_SECONDS", "1");
    world.launch(0);
    world.await_ready();
    world.shrink(INBOUND, PARTITIONS - 2);
    await_stop(&world, lead.partition, "had 4 partitions and has 2");
    (world, desk, lead)
}

/// What was next is gone; what comes is read once that was accepted.
fn goes_on(mut world: World, desk: &Desk, phone: &str, partitions: usize) {
    for partition in 0..partitions as i32 {
        await_stop(&world, partition, "positions accept log --partition");
        done(&world, &["positions", "accept", "log"], partition);
    }
    world.await_ready();
    let (id, ..) = desk.send(&world, phone);
    assert_eq!(desk.outcome(&world, &id).topic, ROUTED);
}

#[test]
fn an_input_that_was_created_anew_with_fewer_partitions_goes_on_once_it_has_them_again() {
    let (world, desk, lead) = shrunk("regrown");
    operator::grow(&world.topic(INBOUND), PARTITIONS);
    goes_on(world, &desk, &lead.phone, PARTITIONS);
}

#[test]
fn an_input_that_was_created_anew_with_fewer_partitions_goes_on_with_these_after_a_start() {
    let (mut world, desk, lead) = shrunk("fewer");
    assert_eq!(world.terminate(0), Some(0));
    world.launch(0);
    goes_on(world, &desk, &lead.phone, PARTITIONS - 2);
}
