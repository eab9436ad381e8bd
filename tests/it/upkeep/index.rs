//! `index status|verify|rebuild`, with a router and without.

use super::desk::Desk;
use super::{ask, done, stand_of};
use crate::harness::redis::Redis;
use crate::harness::world::{Plan, World};
use crate::wait;
use serde_json::{Value, json};

fn redis(world: &World) -> &Redis {
    world.redis.as_ref().expect("a Redis of its own")
}

/// Until the index has all that was committed.
fn caught_up(world: &World) -> Vec<Value> {
    wait::until("an index that is not behind", wait::PATIENCE, || {
        let (code, answer, said) = ask(world, &["index", "status"]);
        assert_eq!(code, Some(0), "{said}");
        let partitions = answer["partitions"].as_array().expect("partitions").clone();
        partitions.iter().all(|one| one["behind"] == 0).then_some(partitions)
    })
}

#[test]
fn an_index_is_shown_compared_and_built_anew_while_the_router_runs() {
    let mut world = World::start(&Plan::new("keep"));
    let (desk, leads) = Desk::open(&world);
    let partitions = caught_up(&world);
    assert_eq!(partitions.len(), 4);
    assert!(
        partitions.iter().all(|one| one["state"] == "complete"),
        "{partitions:?}"
    );
    let (code, answer, said) = ask(&world, &["index", "verify"]);
    assert_eq!((code, &answer["equal"]), (Some(0), &json!(true)), "{said}{answer}");

    let hurt = leads[0].partition;
    let generation = stand_of(&world, hurt)["generation"].clone();
    let lost = redis(&world).lose_a_value(world.group(), hurt, generation.as_str().expect("a generation"));
    let (code, answer, said) = ask(&world, &["index", "verify"]);
    assert_eq!(code, Some(65), "{answer}");
    assert!(
        said.contains(&format!("in partition {hurt}:")) && said.contains("index rebuild"),
        "{said}"
    );
    let found = &answer["partitions"][hurt as usize];
    assert_eq!(
        (&found["equal"], &found["differing"][0]["fault"]),
        (&json!(false), &json!("missing")),
        "{answer}"
    );
    assert_eq!(found["some"].as_array().map(Vec::len), Some(1), "{answer}");
    assert!(
        found["some"][0].as_str().expect("text").contains(&lost),
        "{lost} in {answer}"
    );
    assert!(
        leads.iter().all(|lead| !answer.to_string().contains(&lead.phone[3..])),
        "{answer}"
    );

    let rebuilt = done(&world, &["index", "rebuild"], hurt);
    assert!(
        rebuilt["partitions"][0]["records"].as_u64().expect("a number") > 0,
        "{rebuilt}"
    );
    leads.iter().for_each(|lead| desk.routes(&world, lead));
    world.await_ready();
    caught_up(&world);
    let (code, answer, said) = ask(&world, &["index", "verify"]);
    assert_eq!((code, &answer["equal"]), (Some(0), &json!(true)), "{said}{answer}");
    let now = done(&world, &["index", "status"], hurt);
    assert_ne!(now["partitions"][0]["generation"], generation, "under a new generation");
    assert_eq!(ask(&world, &["index", "rebuild", "--partition", "4"]).0, Some(64));
}

#[test]
fn an_index_is_built_anew_without_a_router() {
    let mut world = World::start(&Plan::new("alone"));
    let (desk, leads) = Desk::open(&world);
    assert_eq!(world.terminate(0), Some(0));
    redis(&world).flush_all();
    let (_, answer, _) = ask(&world, &["index", "status"]);
    let states: Vec<&Value> = answer["partitions"]
        .as_array()
        .expect("some")
        .iter()
        .map(|one| &one["state"])
        .collect();
    assert!(states.contains(&&json!("missing")), "{answer}");
    assert_eq!(ask(&world, &["index", "verify"]).0, Some(65));
    let (code, answer, said) = ask(&world, &["index", "rebuild"]);
    assert_eq!(code, Some(0), "{said}{answer}");
    let partitions = caught_up(&world);
    assert!(
        partitions
            .iter()
            .all(|one| one["state"] == "complete" || one["state"] == "empty"),
        "{partitions:?}"
    );
    assert_eq!(ask(&world, &["index", "verify"]).0, Some(0));
    let before: Vec<Value> = partitions.iter().map(|one| one["generation"].clone()).collect();
    world.launch(0);
    world.await_ready();
    leads.iter().for_each(|lead| desk.routes(&world, lead));
    let after: Vec<Value> = caught_up(&world).iter().map(|one| one["generation"].clone()).collect();
    let kept = before.iter().zip(&after).filter(|(before, _)| !before.is_null());
    assert!(
        kept.into_iter().all(|(before, after)| before == after),
        "the router takes it as it is"
    );
}

#[test]
fn a_format_that_is_raised_and_lowered_again_needs_no_rebuild() {
    let mut world = World::start(&Plan::new("format"));
    let (desk, leads) = Desk::open(&world);
    let generations =
        |world: &World| -> Vec<Value> { caught_up(world).iter().map(|one| one["generation"].clone()).collect() };
    let before = generations(&world);
    for format in ["2", "1"] {
        assert_eq!(world.terminate(0), Some(0));
        world.set("STATE__FORMAT", format);
        world.launch(0);
        world.await_ready();
        leads.iter().for_each(|lead| desk.routes(&world, lead));
        assert_eq!(generations(&world), before, "in format {format}");
        assert_eq!(ask(&world, &["index", "verify"]).0, Some(0), "in format {format}");
    }
    // And what is written in both is built anew all the same.
    redis(&world).flush_all();
    leads.iter().for_each(|lead| desk.routes(&world, lead));
    caught_up(&world);
    assert_eq!(ask(&world, &["index", "verify"]).0, Some(0));
    let figures = world.metrics(0);
    assert!(
        !figures.contains("chatroom_router_restore_records_total 0\n"),
        "restored, and counted: {figures}"
    );
    assert!(
        figures.contains("restore_remaining_records{partition=\"0\"} 0\n"),
        "none is left: {figures}"
    );
}

#[test]
fn a_value_that_the_index_lost_is_found_and_the_index_built_anew() {
    let mut world = World::start(&Plan::new("scrub"));
    let (desk, leads) = Desk::open(&world);
    assert_eq!(world.terminate(0), Some(0));
    world.set("INDEX__SCRUB_SECONDS", "1");
    world.launch(0);
    world.await_ready();
    let hurt = leads[0].partition;
    let generation = stand_of(&world, hurt)["generation"].clone();
    wait::until("values that are compared", wait::PATIENCE, || {
        let figures = world.metrics(0);
        (!figures.contains("scrubbed_values_total 0\n")).then_some(())
    });
    assert!(
        world.metrics(0).contains("scrub_differences_total 0\n"),
        "all are equal"
    );
    redis(&world).lose_a_value(world.group(), hurt, generation.as_str().expect("a generation"));
    wait::until("the difference to be found", wait::PATIENCE, || {
        world.metrics(0).contains("scrub_differences_total 1\n").then_some(())
    });
    leads.iter().for_each(|lead| desk.routes(&world, lead));
    let now = stand_of(&world, hurt)["generation"].clone();
    assert_ne!(now, generation);
    caught_up(&world);
    assert_eq!(ask(&world, &["index", "verify"]).0, Some(0));
}

fn generation_of(world: &World, partition: i32) -> String {
    let generation = stand_of(world, partition)["generation"].clone();
    generation.as_str().expect("a generation").to_owned()
}

#[test]
fn a_full_redis_has_room_for_a_build_that_takes_the_place_of_an_older_one() {
    let mut world = World::start(&Plan::new("full"));
    let (desk, leads) = Desk::open(&world);
    caught_up(&world);
    let hurt = leads[0].partition;
    let group = world.group().to_owned();

    // Its owner begins it.
    let before = generation_of(&world, hurt);
    redis(&world).fill(&group, hurt, &before);
    redis(&world).lose_marker(&group, hurt);
    leads.iter().for_each(|lead| desk.routes(&world, lead));
    caught_up(&world);
    world.await_ready();
    assert_eq!(redis(&world).keys_of(&group, hurt, &before), 0);
    assert_eq!(ask(&world, &["index", "verify"]).0, Some(0));

    // An operator begins it.
    let before = generation_of(&world, hurt);
    redis(&world).fill(&group, hurt, &before);
    done(&world, &["index", "rebuild"], hurt);
    leads.iter().for_each(|lead| desk.routes(&world, lead));
    caught_up(&world);
    assert_eq!(redis(&world).keys_of(&group, hurt, &before), 0);
    assert_eq!(ask(&world, &["index", "verify"]).0, Some(0));
}

#[test]
fn what_an_older_build_left_is_given_back_by_who_comes_next() {
    let mut world = World::start(&Plan::new("left"));
    let (_, leads) = Desk::open(&world);
    caught_up(&world);
    assert_eq!(world.terminate(0), Some(0));
    let (group, hurt) = (world.group().to_owned(), leads[0].partition);
    let left = uuid::Uuid::new_v4().to_string();
    redis(&world).leave_a_build(&group, hurt, &left);
    let kept = generation_of(&world, hurt);
    world.launch(0);
    wait::until("the older build to be gone", wait::PATIENCE, || {
        (redis(&world).keys_of(&group, hurt, &left) == 0).then_some(())
    });
    assert!(redis(&world).keys_of(&group, hurt, &kept) > 0);
}
