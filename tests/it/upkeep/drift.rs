//! A topic whose settings somebody changes beneath a router that runs.

use crate::harness::operator;
use crate::harness::world::{Plan, World};
use crate::wait;

fn await_unfit(world: &World, count: usize) {
    let figure = format!("chatroom_router_topics_unfit {count}\n");
    wait::until(&figure, wait::PATIENCE, || {
        world.metrics(0).contains(&figure).then_some(())
    });
}

#[test]
fn a_changelog_that_is_set_up_to_lose_records_is_told_of_while_the_router_runs() {
    let mut plan = Plan::new("drift");
    plan.set.push(("TOPICS__REFRESH_SECONDS", "1"));
    let world = World::start(&plan);
    let changelog = world.topic("router-changelog");
    operator::set_cleanup_policy(&changelog, "delete");
    await_unfit(&world, 1);
    assert!(world.last_words().contains("topic_unfit"), "{}", world.last_words());
    operator::set_cleanup_policy(&changelog, "compact");
    await_unfit(&world, 0);
    assert_eq!(world.ask(0, "/readyz").0, 200, "nothing was stopped for it");
}
