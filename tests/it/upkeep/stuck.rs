//! A process that can't go on, and that others take over from.

use super::desk::Desk;
use crate::harness::services::redis_url;
use crate::harness::world::{Plan, World};
use crate::wait;

/// With a batch that waits for its index, and another that has no room for more, nothing is asked of the client but whether
/// somebody wants its partitions.
#[test]
fn a_process_without_an_index_and_with_all_the_records_it_can_take_hands_its_partitions_over_all_the_same() {
    let mut plan = Plan::new("stuck");
    plan.processes = 2;
    plan.set.push(("BATCH__MAX_RECORDS", "1"));
    let mut world = World::start(&plan);
    let (desk, _) = Desk::open(&world);
    assert_eq!(world.terminate(1), Some(0));
    world.await_ready();
    world.redis.as_mut().expect("a Redis of its own").kill();
    // Of phones that nobody has met, so that nothing in memory tells of them.
    let waiting: Vec<String> = (0..40)
        .map(|number| desk.send(&world, &format!("+91981235{number:04}")).0)
        .collect();
    wait::until("the process to miss its index", wait::PATIENCE, || {
        (world.ask(0, "/readyz").0 == 503).then_some(())
    });
    let judged = |id: &String| desk.outcomes(&world, id) > 0;
    assert!(!waiting.iter().any(judged), "nothing is judged without");
    // The one that comes has an index elsewhere, and builds it.
    world.set("INDEX__URL", &redis_url());
    world.launch(1);
    wait::until("a message to be judged by who came", wait::PATIENCE, || {
        let judged = waiting.iter().any(|id| desk.outcomes(&world, id) == 1);
        judged.then_some(())
    });
}
