//! Redis that is flushed, gone and empty again while a random stream runs: nothing is lost, nothing comes twice.

use super::stream::Stream;
use crate::harness::redis::Redis;
use crate::harness::world::{Plan, World};
use crate::wait;
use std::time::Duration;

fn redis(world: &mut World) -> &mut Redis {
    world.redis.as_mut().expect("a Redis of its own")
}

#[test]
fn a_flushed_redis_is_built_again() {
    let mut world = World::start(&Plan {
        processes: 2,
        ..Plan::new("flush")
    });
    let strike = |round: usize, world: &mut World| {
        if round % 3 == 1 {
            redis(world).flush_all();
        }
    };
    let mut stream = Stream::start(&world);
    stream.play_yesterday(&mut world, 12, strike);
    stream.turn_to_today(&world, 12);
    stream.play(&mut world, 12, strike);
    stream.finish(&mut world);
}

#[test]
fn a_redis_that_went_away_is_waited_for() {
    let mut world = World::start(&Plan {
        processes: 2,
        ..Plan::new("away")
    });
    let strike = |round: usize, world: &mut World| {
        if round % 4 == 2 {
            redis(world).kill();
            wait::let_pass(Duration::from_secs(1));
            redis(world).restart();
        }
    };
    let mut stream = Stream::start(&world);
    stream.play_yesterday(&mut world, 8, strike);
    stream.turn_to_today(&world, 8);
    stream.play(&mut world, 8, strike);
    world.await_ready();
    stream.finish(&mut world);
}

#[test]
fn redis_and_a_process_may_go_at_once() {
    let mut world = World::start(&Plan {
        processes: 2,
        // As it comes, a process has more than one.
        set: vec![("WORKERS", "2")],
        ..Plan::new("both")
    });
    let mut stream = Stream::start(&world);
    stream.turn_to_today(&world, 9);
    stream.play(&mut world, 9, |round, world| {
        if round % 3 == 1 {
            world.kill(round % 2);
            redis(world).flush_all();
            world.launch(round % 2);
        }
    });
    world.await_ready();
    stream.finish(&mut world);
}
