//! Two processes that were given one name, by mistake.

use super::desk::Desk;
use crate::harness::world::{Plan, World};
use crate::wait;

/// Each opening of a producer takes the name from the other. So many are a few seconds of two that do so at once.
const MANY: u64 = 30;

fn fences(world: &World, slot: usize) -> u64 {
    let metrics = world.metrics(slot);
    let figure = metrics
        .lines()
        .find_map(|line| line.strip_prefix("chatroom_router_fences_total "));
    figure.and_then(|figure| figure.parse().ok()).unwrap_or_default()
}

#[test]
fn two_processes_of_one_name_take_turns_and_say_so_and_each_message_is_judged_once() {
    let mut plan = Plan::new("twins");
    plan.processes = 2;
    let mut world = World::start(&plan);
    let (desk, leads) = Desk::open(&world);
    assert_eq!(world.terminate(1), Some(0));
    world.launch_as(1, 0);
    let mut sent = Vec::new();
    wait::until("both to say what is wrong", wait::PATIENCE, || {
        sent.extend(leads.iter().map(|lead| desk.send(&world, &lead.phone).0));
        let says = |slot| {
            world
                .readiness(slot)
                .is_some_and(|said| said.contains("have one kafka.instance_id"))
        };
        (says(0) && says(1)).then_some(())
    });
    // Both go on meanwhile, in turns.
    for id in sent.iter().rev().take(leads.len()) {
        desk.outcome(&world, id);
    }
    assert!(fences(&world, 0) + fences(&world, 1) < MANY, "{}", world.last_words());
    assert_eq!(world.terminate(1), Some(0));
    leads.iter().for_each(|lead| desk.routes(&world, lead));
    world.await_ready();
    world.tail.settle();
    for id in &sent {
        assert_eq!(desk.outcomes(&world, id), 1, "{id}");
    }
}
