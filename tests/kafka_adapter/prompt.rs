//! What a fresh client does, it does at once: by itself the library would wait for one of its timers, of half a second or of a
//! whole one, and each of these waits is a part of every start, restart and hand-over. Shown by a race with a client that is left
//! to itself: whatever is done before that one has even found the brokers waited for no timer. One race of many is enough, so that
//! a machine that is busy for a minute is no failure.

use std::time::Duration;

use chatroom_router::kafka::*;
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use crate::support::*;

const RACES: usize = 60;

fn left_to_itself(settings: &Settings) -> BaseConsumer {
    let mut config = rdkafka::ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.brokers)
        .set("group.id", &settings.group_id);
    config.create().expect("a client")
}

fn is_prompt(what: &str, settings: &Settings, mut attempt: impl FnMut()) {
    for _ in 0..RACES {
        let other = left_to_itself(settings);
        attempt();
        if other.client().fetch_cluster_id(Duration::ZERO).is_none() {
            let found = other.client().fetch_cluster_id(LONG);
            return assert!(found.is_some(), "it was left to itself, and finds them");
        }
    }
    panic!("{what} takes as long as a client needs that is left to itself, each of {RACES} times");
}

#[test]
fn a_fresh_client_finds_the_brokers_at_once() {
    let settings = settings();
    is_prompt("reaching the brokers", &settings, || {
        Lookup::open(&settings).unwrap().reach(LONG).unwrap();
    });
}

#[test]
fn a_fresh_reader_reads_at_once() {
    let settings = settings();
    let topic = Topic::new(&settings, 1, &[]);
    done(produce(producer(&settings), &[topic.record(0, "one")]).commit());
    high_watermark(&settings, &topic.at(0), 2);
    is_prompt("reading a range", &settings, || {
        let mut reader = RangeReader::open(&settings).unwrap();
        reader.start(topic.at(0), 0, 2, LONG).unwrap();
        let mut found = Vec::new();
        while !reader.next(10, LONG, &mut found).unwrap().done {}
        assert_eq!(found.len(), 1);
    });
}

#[test]
fn a_consumer_takes_up_a_topic_that_it_has_not_met_at_once() {
    let settings = settings();
    let topic = Topic::new(&settings, 1, &[]);
    done(produce(producer(&settings), &[topic.record(0, "one")]).commit());
    is_prompt("taking up a topic", &settings, || {
        let mut consumer = Consumer::open(&settings).unwrap();
        consumer.incremental_assign(&[(topic.at(0), 0)]).unwrap();
        poll_until(&mut consumer, 0, |polled| matches!(polled, Polled::Record(_)));
    });
}

#[test]
fn a_restarted_producer_ends_what_it_left_open_and_commits_at_once() {
    let settings = settings();
    let topic = Topic::new(&settings, 1, &[]);
    let id = random("id");
    let open = || Transactions::open(&settings, &id, LONG, &|| false).unwrap();
    let mut left = produce(open(), &[topic.record(0, "left")]);
    is_prompt("opening a producer again", &settings, || {
        let again = done(produce(open(), &[topic.record(0, "done")]).commit());
        left = produce(again, &[topic.record(0, "left")]);
    });
}
