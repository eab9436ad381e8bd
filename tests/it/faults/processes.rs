//! Several processes that are killed, stopped and replaced while a random stream runs, against the model.

use super::stream::Stream;
use crate::harness::topics::{CRM, INBOUND, OUTBOUND_REQUESTS, SETTINGS};
use crate::harness::world::{Plan, World};
use crate::wait;
use std::time::Duration;

#[test]
fn three_processes_publish_what_the_model_says() {
    let mut world = World::start(&Plan {
        processes: 3,
        ..Plan::new("three")
    });
    let mut stream = Stream::start(&world);
    stream.play_yesterday(&mut world, 40, |_, _| {});
    stream.turn_to_today(&world, 40);
    stream.play(&mut world, 40, |_, _| {});
    stream.finish(&mut world);
}

#[test]
fn processes_that_are_killed_lose_nothing_and_repeat_nothing() {
    let mut world = World::start(&Plan {
        processes: 3,
        ..Plan::new("kill")
    });
    let strike = |round: usize, world: &mut World| {
        let slot = round % 3;
        match round % 6 {
            1 => {
                world.kill(slot);
                world.launch(slot);
            }
            3 => {
                for slot in 0..3 {
                    world.kill(slot);
                }
                (0..3).for_each(|slot| world.launch(slot));
            }
            _ => {}
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
fn a_process_that_stood_still_is_fenced() {
    let mut world = World::start(&Plan {
        processes: 2,
        ..Plan::new("stop")
    });
    let mut stream = Stream::start(&world);
    stream.play_yesterday(&mut world, 5, |_, _| {});
    stream.turn_to_today(&world, 10);
    stream.play(&mut world, 10, |round, world| match round {
        // Longer than the session's time: the other takes over, and this one wakes up in another generation.
        3 => world.signal(0, "STOP"),
        6 => {
            wait::let_pass(Duration::from_secs(2));
            world.signal(0, "CONT");
        }
        _ => {}
    });
    stream.finish(&mut world);
}

#[test]
fn processes_come_and_go() {
    let mut world = World::start(&Plan {
        processes: 2,
        ..Plan::new("scale")
    });
    let mut stream = Stream::start(&world);
    stream.turn_to_today(&world, 15);
    stream.play(&mut world, 15, |round, world| match round {
        3 => assert_eq!(world.terminate(1), Some(0), "a drain ends well"),
        7 => world.launch(1),
        10 => {
            world.await_ready();
            assert_eq!(world.terminate(0), Some(0), "a drain ends well");
        }
        12 => world.launch(0),
        _ => {}
    });
    world.await_ready();
    stream.finish(&mut world);
}

#[test]
fn inputs_may_have_any_number_of_partitions() {
    let mut world = World::start(&Plan {
        processes: 2,
        created: vec![(INBOUND, 3), (CRM, 7), (OUTBOUND_REQUESTS, 1), (SETTINGS, 5)],
        ..Plan::new("odd")
    });
    let mut stream = Stream::start(&world);
    stream.play_yesterday(&mut world, 20, |_, _| {});
    stream.turn_to_today(&world, 20);
    stream.play(&mut world, 20, |_, _| {});
    stream.finish(&mut world);
}
