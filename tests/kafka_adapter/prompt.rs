//! What a fresh client does, it does at once: by itself the library would wait for one of its timers, of half a second or of a
//! whole one, and each of these waits is a part of every start, restart and hand-over. The quickest of some tries counts, so
//! that a busy machine is no failure.

use std::time::{Duration, Instant};

use chatroom_router::kafka::*;

use crate::support::*;

const TRIES: usize = 5;

fn is_quick(what: &str, bound: Duration, mut attempt: impl FnMut()) {
    let mut took = Vec::new();
    for _ in 0..TRIES {
        let began = Instant::now();
        attempt();
        took.push(began.elapsed());
        if began.elapsed() < bound {
            return;
        }
    }
    panic!("{what} takes more than {bound:?}: {took:?}");
}

#[test]
fn a_fresh_client_finds_the_brokers_at_once() {
    let settings = settings();
    is_quick("reaching the brokers", Duration::from_millis(500), || {
        Lookup::open(&settings).unwrap().reach(LONG).unwrap();
    });
}

#[test]
fn a_fresh_reader_reads_at_once() {
    let settings = settings();
    let topic = Topic::new(&settings, 1, &[]);
    done(produce(producer(&settings), &[topic.record(0, "one")]).commit());
    high_watermark(&settings, &topic.at(0), 2);
    is_quick("reading a range", Duration::from_millis(700), || {
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
    is_quick("taking up a topic", Duration::from_millis(700), || {
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
    is_quick("opening a producer again", Duration::from_millis(800), || {
        let again = done(produce(open(), &[topic.record(0, "done")]).commit());
        left = produce(again, &[topic.record(0, "left")]);
    });
}
