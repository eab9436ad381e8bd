//! Records of our own topics that can't be read. Each way out that the stop names is taken.

use super::stops::hurt;
use super::{ask, await_stop, done, stand_of};
use crate::harness::operator;
use crate::harness::topics::{COMMANDS, DEAD, ROUTED};
use crate::harness::world::World;
use crate::wait;
use rdkafka::message::{Header, OwnedHeaders};
use std::sync::Arc;

fn letter(world: &World, key: &str) -> Arc<crate::harness::log::Record> {
    world.log().await_first("a dead letter", wait::PATIENCE, |record| {
        record.topic == DEAD && record.key.as_deref() == Some(key)
    })
}

#[test]
fn a_passed_on_record_of_a_later_format_stops_its_partition_until_it_is_given_up() {
    let (mut world, desk, lead, other) = hurt("ahead");
    let commands = world.topic(COMMANDS);
    let later = OwnedHeaders::new().insert(Header {
        key: "router_format",
        value: Some("99"),
    });
    operator::write_with(&commands, lead.partition, (b"later", b"what it says"), later);
    await_stop(&world, lead.partition, "positions accept log --partition");
    desk.routes(&world, &other);
    let (waiting, ..) = desk.send(&world, &lead.phone);
    let stand = done(&world, &["positions", "show"], lead.partition)["partitions"][0].clone();
    assert!(
        stand["stopped"].as_str().is_some_and(|why| why.contains("dead letter")),
        "{stand}"
    );
    done(&world, &["positions", "accept", "log"], lead.partition);
    assert_eq!(desk.outcome(&world, &waiting).topic, ROUTED);
    let letter = letter(&world, "later");
    assert_eq!(letter.bytes, b"what it says");
    assert_eq!(letter.header("dlq_reason"), "CANNOT_BE_JUDGED");
    assert_eq!(letter.header("router_format"), "99", "so it can be sent again by hand");
    world.await_ready();
    let again = done(&world, &["positions", "accept", "log"], lead.partition);
    assert_eq!(again["unchanged"][0], lead.partition, "{again}");
}

#[test]
fn what_somebody_else_wrote_to_the_passed_on_records_is_a_dead_letter_and_stops_nothing() {
    let (mut world, desk, lead, _) = hurt("foreign");
    operator::write(&world.topic(COMMANDS), lead.partition, b"foreign", b"noise");
    let letter = letter(&world, "foreign");
    assert_eq!(
        (letter.header("dlq_reason"), &letter.bytes[..]),
        ("MALFORMED", &b"noise"[..])
    );
    assert_eq!(letter.header("dlq_topic"), world.topic(COMMANDS));
    desk.routes(&world, &lead);
    world.await_ready();
}

#[test]
fn a_state_record_that_cant_be_read_stops_the_building_of_an_index_until_it_is_deleted_with_all_before_it() {
    let (mut world, desk, lead, other) = hurt("rotten");
    let changelog = world.topic("router-changelog");
    let (_, end) = operator::offsets(&changelog, lead.partition);
    operator::write(&changelog, lead.partition, &[&b"p"[..], &[7; 16]].concat(), &[99, 0]);
    desk.routes(&world, &lead);
    // The index that has all is not given up for it.
    let before = stand_of(&world, lead.partition)["generation"].clone();
    for command in ["verify", "rebuild"] {
        let (code, answer, said) = ask(&world, &["index", command, "--partition", &lead.partition.to_string()]);
        assert_eq!(code, Some(65), "{said}");
        assert!(
            format!("{answer}{said}").contains("kafka-delete-records.sh"),
            "{command}: {answer}{said}"
        );
    }
    assert_eq!(stand_of(&world, lead.partition)["generation"], before);
    world.redis.as_ref().expect("a Redis of its own").flush_all();
    await_stop(&world, lead.partition, "kafka-delete-records.sh");
    desk.routes(&world, &other);
    operator::delete_compacted_records(&changelog, lead.partition, end + 1);
    await_stop(&world, lead.partition, "positions accept log --partition");
    done(&world, &["positions", "accept", "log"], lead.partition);
    // Its own entry was written once more after that.
    desk.routes(&world, &lead);
    world.await_ready();
}
