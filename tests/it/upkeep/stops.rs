//! Each way in which a partition comes to a stop.

use super::desk::{Desk, Lead};
use super::{ask, await_stop, done, stand_of};
use crate::harness::operator;
use crate::harness::topics::{COMMANDS, INBOUND, ROUTED, UNROUTED};
use crate::harness::world::{PARTITIONS, Plan, World};
use crate::wait;
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::Duration;

/// A world with some leads, and of these one whose partition is to be hurt, and one of another partition.
pub fn hurt(name: &'static str) -> (World, Desk, Lead, Lead) {
    let world = World::start(&Plan::new(name));
    let (desk, mut leads) = Desk::open(&world);
    let hurt = leads.remove(0);
    let other = leads.into_iter().find(|lead| lead.partition != hurt.partition);
    (world, desk, hurt, other.expect("two partitions"))
}

/// Its index is not built over what it may be the last to hold until an operator says so.
fn built_anew_once_given_up(world: &World, partition: i32) {
    let number = partition.to_string();
    let (code, _, said) = ask(world, &["index", "rebuild", "--partition", &number]);
    assert_eq!(code, Some(65), "{said}");
    assert!(said.contains("--discard-index"), "{said}");
    done(world, &["index", "rebuild", "--discard-index"], partition);
}

#[test]
fn a_marker_beyond_the_changelog_stops_its_partition_until_the_index_is_given_up() {
    let (mut world, desk, lead, other) = hurt("beyond");
    assert_eq!(world.terminate(0), Some(0));
    let redis = world.redis.as_ref().expect("a Redis of its own");
    redis.set_marker(world.group(), lead.partition, "offset", "1000000");
    world.launch(0);
    await_stop(&world, lead.partition, "index rebuild --partition");
    desk.routes(&world, &other);
    let (waiting, ..) = desk.send(&world, &lead.phone);
    built_anew_once_given_up(&world, lead.partition);
    desk.outcome(&world, &waiting);
    world.await_ready();
    desk.routes(&world, &lead);
}

#[test]
fn an_index_that_holds_more_transactions_than_the_changelog_stops_its_partition_though_its_marker_is_reached() {
    let (mut world, desk, lead, other) = hurt("lost");
    assert_eq!(world.terminate(0), Some(0));
    let stand = stand_of(&world, lead.partition);
    let generation = stand["generation"].as_str().expect("a generation");
    let redis = world.redis.as_ref().expect("a Redis of its own");
    redis.raise_sequence(world.group(), lead.partition, generation);
    let stand = stand_of(&world, lead.partition);
    assert_eq!(stand["state"], "ahead of the changelog", "{stand}");
    world.launch(0);
    await_stop(&world, lead.partition, "the index holds transaction 127");
    desk.routes(&world, &other);
    built_anew_once_given_up(&world, lead.partition);
    desk.routes(&world, &lead);
    world.await_ready();
}

/// With the group's offset of the hurt partition set two records back.
fn reset(name: &'static str) -> (World, Desk, Lead, [String; 2]) {
    let (mut world, desk, lead, other) = hurt(name);
    let ids = [0, 1].map(|_| {
        let (id, ..) = desk.send(&world, &lead.phone);
        desk.outcome(&world, &id);
        id
    });
    assert_eq!(world.terminate(0), Some(0));
    let (group, topic) = (world.group().to_owned(), world.topic(INBOUND));
    let next = operator::committed(&group, &topic, lead.partition);
    operator::reset_offset(&group, &topic, lead.partition, next - 2);
    world.launch(0);
    await_stop(&world, lead.partition, "positions accept changelog --partition");
    desk.routes(&world, &other);
    (world, desk, lead, ids)
}

#[test]
fn offsets_that_were_reset_by_hand_are_undone_by_the_changelogs() {
    let (mut world, desk, lead, ids) = reset("undone");
    let accepted = done(&world, &["positions", "accept", "changelog"], lead.partition);
    assert_eq!(accepted["accepted"][0]["stopped"], Value::Null, "{accepted}");
    desk.routes(&world, &lead);
    world.await_ready();
    world.tail.settle();
    ids.iter()
        .for_each(|id| assert_eq!(desk.outcomes(&world, id), 1, "judged once"));
    let again = done(&world, &["positions", "accept", "changelog"], lead.partition);
    assert_eq!(again["unchanged"][0], lead.partition, "{again}");
}

#[test]
fn offsets_that_were_reset_by_hand_hold_if_they_are_accepted() {
    let (mut world, desk, lead, ids) = reset("held");
    done(&world, &["positions", "accept", "group"], lead.partition);
    desk.routes(&world, &lead);
    world.await_ready();
    world.tail.settle();
    // Both were judged again, and their ids are remembered.
    ids.iter()
        .for_each(|id| assert_eq!(desk.outcomes(&world, id), 1, "remembered"));
    assert!(
        world.metrics(0).contains("duplicates_total{kind=\"routed\"} 2"),
        "{}",
        world.metrics(0)
    );
}

#[test]
fn nothing_that_was_passed_on_to_a_stopped_partition_is_deleted_before_it_was_judged() {
    let (mut world, desk, lead, other) = hurt("unjudged");
    let (group, commands) = (world.group().to_owned(), world.topic(COMMANDS));
    assert_eq!(world.terminate(0), Some(0));
    let next = operator::committed(&group, &world.topic(INBOUND), lead.partition);
    operator::reset_offset(&group, &world.topic(INBOUND), lead.partition, next - 1);
    world.set("TOPICS__PURGE_SECONDS", "1");
    world.launch(0);
    await_stop(&world, lead.partition, "positions accept changelog --partition");
    // Other homes pass new contacts on to the one that stands still.
    let (_, judged) = operator::offsets(&commands, lead.partition);
    let contact = |number| {
        let crm_id = format!("N-{number}");
        let upsert = json!({"type": "contact.upsert", "crm_id": crm_id, "phone": lead.phone});
        desk.ask(&world, &crm_id, upsert)
    };
    let asked: Vec<String> = (0..12).map(contact).collect();
    wait::until("contacts that were passed on", wait::PATIENCE, || {
        (operator::offsets(&commands, lead.partition).1 > judged).then_some(())
    });
    assert_eq!(world.terminate(0), Some(0));
    let (_, latest) = operator::offsets(&commands, lead.partition);
    operator::reset_offset(&group, &commands, lead.partition, latest);
    world.launch(0);
    await_stop(&world, lead.partition, "positions accept changelog --partition");
    for _ in 0..2 {
        a_purge(&world, &desk, &other, lead.partition);
    }
    let (first, _) = operator::offsets(&commands, lead.partition);
    assert!(first <= judged, "records {judged} to {} are gone", first - 1);
    done(&world, &["positions", "accept", "changelog"], lead.partition);
    asked.iter().for_each(|request_id| desk.is_applied(&world, request_id));
    world.await_ready();
    desk.routes(&world, &lead);
}

/// Has a message passed on to a home that runs, and waits until it was judged and deleted.
fn a_purge(world: &World, desk: &Desk, lead: &Lead, stopped: i32) {
    let commands = world.topic(COMMANDS);
    let (_, end) = operator::offsets(&commands, lead.partition);
    let by = (0..PARTITIONS as i32).find(|by| ![lead.partition, stopped].contains(by));
    let (id, ..) = desk.send_by(world, &lead.phone, by);
    assert_eq!(desk.outcome(world, &id).topic, ROUTED);
    wait::until("what was judged to be deleted", wait::PATIENCE, || {
        (operator::offsets(&commands, lead.partition).0 > end).then_some(())
    });
}

#[test]
fn a_partition_whose_input_grows_is_taken_for_one_that_stands_still() {
    let (mut world, desk, lead, _) = reset("grows");
    let number = lead.partition.to_string();
    let arguments = ["positions", "accept", "changelog", "--partition", &number];
    let mut command = world.program(&arguments);
    let mut accepting = command.stdout(Stdio::null()).spawn().expect("the program starts");
    let mut ids = Vec::new();
    let ended = wait::until("the command to end", wait::PATIENCE, || {
        ids.push(desk.send(&world, &lead.phone).0);
        accepting.try_wait().expect("it is ours")
    });
    assert_eq!(ended.code(), Some(0));
    ids.iter().for_each(|id| _ = desk.outcome(&world, id));
    world.await_ready();
}

#[test]
fn a_partition_whose_positions_move_is_left_as_it_is() {
    let (mut world, desk, lead, _) = reset("moves");
    assert_eq!(world.terminate(0), Some(0));
    let (group, topic) = (world.group().to_owned(), world.topic(INBOUND));
    let number = lead.partition.to_string();
    let arguments = ["positions", "accept", "group", "--partition", &number];
    let mut command = world.program(&arguments);
    let mut accepting = command.stderr(Stdio::piped()).spawn().expect("the program starts");
    let mut next = 1_000;
    wait::until("the command to end", wait::PATIENCE, || {
        next += 1;
        operator::reset_offset(&group, &topic, lead.partition, next);
        accepting.try_wait().expect("it is ours")
    });
    let output = accepting.wait_with_output().expect("it has ended");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains("does not stand still"), "{said}");
    assert_eq!(operator::committed(&group, &topic, lead.partition), next);
    done(&world, &["positions", "accept", "changelog"], lead.partition);
    world.launch(0);
    desk.routes(&world, &lead);
    world.await_ready();
}

/// Each question about its changelog is given up soon, and asked again once others had their answers.
#[test]
fn a_transaction_that_hangs_in_one_changelog_keeps_no_other_partition_from_its_recovery() {
    let (mut world, desk, lead, other) = hurt("hangs");
    assert_eq!(world.terminate(0), Some(0));
    let hanging = operator::Hanging::start(&world.topic("router-changelog"), lead.partition);
    world.launch(0);
    let (waiting, ..) = desk.send(&world, &lead.phone);
    let (id, ..) = desk.send(&world, &other.phone);
    wait::until("another partition to be at work", Duration::from_secs(60), || {
        (desk.outcomes(&world, &id) == 1).then_some(())
    });
    assert_eq!(desk.outcomes(&world, &waiting), 0, "its changelog can't be read");
    hanging.abort();
    desk.outcome(&world, &waiting);
    world.await_ready();
}

#[test]
fn records_that_are_deleted_beneath_a_running_partition_stop_it_until_they_are_given_up() {
    let (mut world, desk, lead, other) = hurt("beneath");
    // Frozen until the broker has answered that nothing is there, and for less than the group waits.
    world.signal(0, "STOP");
    wait::let_pass(Duration::from_secs(1));
    let (lost, partition, offset) = desk.send(&world, &lead.phone);
    operator::delete_records(&world.topic(INBOUND), partition, offset + 1);
    world.signal(0, "CONT");
    await_stop(&world, lead.partition, "positions accept log --partition");
    desk.routes(&world, &other);
    done(&world, &["positions", "accept", "log"], lead.partition);
    desk.routes(&world, &lead);
    world.await_ready();
    assert_eq!(desk.outcomes(&world, &lost), 0);
}

#[test]
fn records_that_were_deleted_before_they_were_judged_stop_their_partition_until_they_are_given_up() {
    let (mut world, desk, lead, other) = hurt("deleted");
    assert_eq!(world.terminate(0), Some(0));
    let (lost, partition, offset) = desk.send(&world, &lead.phone);
    operator::delete_records(&world.topic(INBOUND), partition, offset + 1);
    world.launch(0);
    await_stop(&world, lead.partition, "positions accept log --partition");
    desk.routes(&world, &other);
    done(&world, &["positions", "accept", "log"], lead.partition);
    desk.routes(&world, &lead);
    world.await_ready();
    assert_eq!(desk.outcomes(&world, &lost), 0);
}

#[test]
fn a_changelog_that_was_created_anew_stops_all_until_what_it_held_is_given_up() {
    let (mut world, desk, lead, _) = hurt("anew");
    assert_eq!(world.terminate(0), Some(0));
    let before = stand_of(&world, lead.partition)["generation"].clone();
    world.recreate("router-changelog");
    world.launch(0);
    await_stop(&world, lead.partition, "positions accept group --partition");
    let now = stand_of(&world, lead.partition)["generation"].clone();
    assert_eq!(before, now, "the index may be the last to hold it");
    for partition in 0..4 {
        done(&world, &["positions", "accept", "group"], partition);
    }
    world.await_ready();
    let (id, ..) = desk.send(&world, &lead.phone);
    assert_eq!(desk.outcome(&world, &id).topic, UNROUTED, "its contact was lost");
    desk.lead(&world, 0);
}

#[test]
fn settings_that_were_created_anew_stop_all_until_what_they_held_is_given_up() {
    let (mut world, desk, lead, other) = hurt("unset");
    world.recreate("router-settings");
    let (waiting, ..) = desk.send(&world, &lead.phone);
    await_stop(&world, lead.partition, "positions accept log --partition");
    assert_eq!(
        desk.outcomes(&world, &waiting),
        0,
        "it is not judged by the settings of before, nor without"
    );
    for partition in 0..4 {
        done(&world, &["positions", "accept", "log"], partition);
    }
    let outcome = desk.outcome(&world, &waiting);
    assert_eq!(outcome.value["unrouted"]["reason"], "UNKNOWN_ORG", "{}", outcome.value);
    world.await_ready();
    desk.settings(&world, "s2");
    [lead, other].iter().for_each(|lead| desk.routes(&world, lead));
    // And a process that never saw the table of before finds nothing amiss.
    assert_eq!(world.terminate(0), Some(0));
    world.launch(0);
    world.await_ready();
}

#[test]
fn settings_that_cant_be_read_stop_all_until_they_are_given_up_and_put_again() {
    let (mut world, desk, lead, other) = hurt("torn");
    let settings = world.topic("router-settings");
    operator::write(&settings, 0, desk.org.as_bytes(), b"{\"format\":99}");
    let (waiting, ..) = desk.send(&world, &lead.phone);
    for partition in [lead.partition, other.partition] {
        await_stop(&world, partition, "positions accept log --partition");
    }
    assert_eq!(desk.outcomes(&world, &waiting), 0, "not judged by those of before");
    // Nor does a process run that never saw those of before.
    assert_eq!(world.terminate(0), Some(0));
    world.launch(0);
    await_stop(&world, lead.partition, &format!("of org {}", desk.org));
    let stand = done(&world, &["positions", "show"], lead.partition)["partitions"][0].clone();
    assert!(
        stand["stopped"].as_str().is_some_and(|why| why.contains("UNKNOWN_ORG")),
        "{stand}"
    );
    done(&world, &["positions", "accept", "log"], lead.partition);
    let outcome = desk.outcome(&world, &waiting);
    assert_eq!(outcome.value["unrouted"]["reason"], "UNKNOWN_ORG", "{}", outcome.value);
    world.await_ready();
    desk.settings(&world, "s2");
    [lead, other].iter().for_each(|lead| desk.routes(&world, lead));
}

#[test]
fn a_later_record_of_the_same_org_heals_settings_that_cant_be_read() {
    let (mut world, desk, lead, _) = hurt("healed");
    let settings = world.topic("router-settings");
    let (key, written) = operator::last(&settings, 0);
    operator::write(&settings, 0, &key, b"torn");
    let (waiting, ..) = desk.send(&world, &lead.phone);
    await_stop(&world, lead.partition, "router-settings-0@");
    operator::write(&settings, 0, &key, &written);
    assert_eq!(desk.outcome(&world, &waiting).topic, ROUTED);
    world.await_ready();
}

#[test]
fn a_changelog_whose_beginning_was_deleted_stops_its_partition_once_the_index_is_lost_too() {
    let (mut world, desk, lead, other) = hurt("cut");
    assert_eq!(world.terminate(0), Some(0));
    let changelog = world.topic("router-changelog");
    let stand = stand_of(&world, lead.partition);
    // The last two are a progress record, and the end of its transaction.
    let last = stand["changelog_ends"].as_i64().expect("a number") - 2;
    operator::delete_compacted_records(&changelog, lead.partition, last);
    world.launch(0);
    world.await_ready();
    assert!(world.last_words().contains("changelog_beginning_deleted"));
    let stand = done(&world, &["positions", "show"], lead.partition)["partitions"][0].clone();
    assert_eq!(stand["stopped"], Value::Null, "the index has all: {stand}");

    world.redis.as_ref().expect("a Redis of its own").flush_all();
    await_stop(&world, lead.partition, "positions accept log --partition");
    desk.routes(&world, &other);
    let number = lead.partition.to_string();
    for command in ["rebuild", "verify"] {
        let (code, answer, said) = ask(&world, &["index", command, "--partition", &number]);
        assert_eq!(code, Some(65), "{command}: {said}{answer}");
    }
    let (waiting, ..) = desk.send(&world, &lead.phone);
    done(&world, &["positions", "accept", "log"], lead.partition);
    assert_eq!(desk.outcome(&world, &waiting).topic, UNROUTED, "its contact was lost");
    world.await_ready();

    // What was accepted is accepted for good.
    world.redis.as_ref().expect("a Redis of its own").flush_all();
    desk.routes(&world, &other);
    let (next, ..) = desk.send(&world, &lead.phone);
    assert_eq!(desk.outcome(&world, &next).topic, UNROUTED);
    await_whole(&world, lead.partition);
}

/// What is in memory is judged before anybody finds out that the index is gone.
fn await_whole(world: &World, partition: i32) {
    let number = partition.to_string();
    wait::until("the index to be built anew", wait::PATIENCE, || {
        let (code, ..) = ask(world, &["index", "verify", "--partition", &number]);
        (code == Some(0)).then_some(())
    });
}

#[test]
fn a_state_of_a_later_format_stops_its_partition_and_another_number_of_partitions_the_program() {
    let (mut world, desk, lead, other) = hurt("later");
    assert_eq!(world.terminate(0), Some(0));
    operator::write(&world.topic("router-changelog"), lead.partition, b"!", &[99, 0]);
    world.launch(0);
    await_stop(&world, lead.partition, "written in format 99");
    await_stop(&world, lead.partition, "positions accept group --partition");
    desk.routes(&world, &other);
    let said = world.run_to_end(&[("CHATROOM_ROUTER_TOPICS__PARTITIONS", "8")]);
    assert_eq!(said.0, Some(78), "{}", said.1);
    let (waiting, ..) = desk.send(&world, &lead.phone);
    done(&world, &["positions", "accept", "group"], lead.partition);
    assert_eq!(desk.outcome(&world, &waiting).topic, ROUTED);
    world.await_ready();
    // Nor does it matter to an index that is built anew.
    world.redis.as_ref().expect("a Redis of its own").flush_all();
    desk.routes(&world, &lead);
    await_whole(&world, lead.partition);
}

#[test]
fn a_state_of_other_partitions_or_of_another_form_of_phones_stops_the_program() {
    let (mut world, _, lead, _) = hurt("other");
    assert_eq!(world.terminate(0), Some(0));
    for (partitions, form, what) in [
        (8, 1, "set topics.partitions to 8"),
        (4, 2, "phones in canonical form 2"),
    ] {
        // Format, incarnation, number of partitions, form of phones; then a check value, a count, no inputs, no settings,
        // no sweep.
        let progress = [&[1][..], &[7; 16], &[partitions, form], &[0, 0, 0, 0, 0]].concat();
        operator::write(&world.topic("router-changelog"), lead.partition, b"!", &progress);
        let (code, said) = world.run_to_end(&[]);
        assert_eq!(code, Some(78), "{said}");
        assert!(said.contains(what), "{what} in {said}");
        let number = lead.partition.to_string();
        let (code, _, said) = ask(&world, &["index", "status", "--partition", &number]);
        assert!(code == Some(78) && said.contains(what), "{code:?} {said}");
    }
}

#[test]
fn a_marker_that_can_t_be_read_stops_its_partition_until_the_index_is_given_up() {
    let (mut world, desk, lead, other) = hurt("illegible");
    let redis = world.redis.as_ref().expect("a Redis of its own");
    redis.set_marker(world.group(), lead.partition, "offset", "a poem");
    await_stop(&world, lead.partition, "index rebuild --partition");
    desk.routes(&world, &other);
    let (waiting, ..) = desk.send(&world, &lead.phone);
    assert_eq!(stand_of(&world, lead.partition)["state"], "unreadable");
    let number = lead.partition.to_string();
    let (code, _, said) = ask(&world, &["index", "verify", "--partition", &number]);
    assert_eq!(code, Some(65), "{said}");
    built_anew_once_given_up(&world, lead.partition);
    desk.outcome(&world, &waiting);
    world.await_ready();
    desk.routes(&world, &lead);

    // Nor does it matter what else was written over what is known of its builds.
    let redis = world.redis.as_ref().expect("a Redis of its own");
    redis.scribble_over_builds(world.group(), other.partition);
    await_stop(&world, other.partition, "index rebuild --partition");
    built_anew_once_given_up(&world, other.partition);
    desk.routes(&world, &other);
    world.await_ready();
    done(&world, &["index", "verify"], other.partition);
}

#[test]
fn an_index_that_something_else_was_written_over_is_built_anew() {
    let (mut world, desk, lead, other) = hurt("scribbled");
    let before = stand_of(&world, lead.partition)["generation"].clone();
    let redis = world.redis.as_ref().expect("a Redis of its own");
    redis.scribble(world.group(), lead.partition, before.as_str().expect("a generation"));
    desk.routes(&world, &other);
    desk.routes(&world, &lead);
    // What is in memory is routed before anybody finds out.
    wait::until("another build", wait::PATIENCE, || {
        (stand_of(&world, lead.partition)["generation"] != before).then_some(())
    });
    world.await_ready();
    done(&world, &["index", "verify"], lead.partition);
}

#[test]
fn a_redis_that_may_throw_entries_away_stops_all_and_is_built_anew() {
    let (mut world, desk, lead, _) = hurt("evicts");
    let redis = world.redis.as_ref().expect("a Redis of its own");
    let before = stand_of(&world, lead.partition)["generation"].clone();
    redis.set_policy("allkeys-lru");
    await_stop(&world, lead.partition, "maxmemory-policy allkeys-lru");
    let (waiting, ..) = desk.send(&world, &lead.phone);
    assert_eq!(world.run_to_end(&[]).0, Some(78), "nor does it start");
    redis.set_policy("noeviction");
    desk.outcome(&world, &waiting);
    let now = stand_of(&world, lead.partition)["generation"].clone();
    assert_ne!(before, now, "what may have been thrown away is there again");
    world.await_ready();
}

#[test]
fn what_redis_threw_away_between_two_looks_at_its_policy_is_built_anew() {
    let (mut world, desk, lead, _) = hurt("glimpsed");
    let stand = stand_of(&world, lead.partition);
    let generation = stand["generation"].as_str().expect("a generation");
    let redis = world.redis.as_ref().expect("a Redis of its own");
    redis.evict(world.group(), lead.partition, generation);
    wait::until("another build", wait::PATIENCE, || {
        let now = stand_of(&world, lead.partition);
        (now["generation"] != stand["generation"]).then_some(())
    });
    desk.routes(&world, &lead);
    world.await_ready();
    done(&world, &["index", "verify"], lead.partition);
}

#[test]
fn what_redis_threw_away_while_no_router_ran_is_built_anew() {
    let (mut world, desk, lead, other) = hurt("evicted");
    assert_eq!(world.terminate(0), Some(0));
    let stand = stand_of(&world, lead.partition);
    let generation = stand["generation"].as_str().expect("a generation");
    let redis = world.redis.as_ref().expect("a Redis of its own");
    redis.evict(world.group(), lead.partition, generation);
    world.launch(0);
    world.await_ready();
    let now = stand_of(&world, lead.partition);
    assert_ne!(now["generation"], stand["generation"]);
    [lead, other].iter().for_each(|lead| desk.routes(&world, lead));
}
