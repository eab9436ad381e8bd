//! The mock cluster carries the happy path, quickly.

use std::time::{Duration, Instant};

use chatroom_router::kafka::mock::MockCluster;
use chatroom_router::kafka::*;

use crate::support::*;

fn mocked(topics: &[(&str, i32)]) -> (MockCluster, Settings) {
    let cluster = MockCluster::start(topics).unwrap();
    let settings = Settings {
        brokers: cluster.brokers().into(),
        ..Settings::default()
    };
    (cluster, settings)
}

#[test]
fn the_mock_cluster_carries_a_transaction_and_assigns_at_once() {
    let (_cluster, settings) = mocked(&[("in", 2), ("out", 1)]);
    let started = Instant::now();
    let mut consumer = member(&settings, "in");
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "first assignment after {:?}",
        started.elapsed()
    );
    let record = |topic: &str, partition, value: &str| NewRecord {
        topic: topic.into(),
        partition: Some(partition),
        value: Some(value.into()),
        ..NewRecord::default()
    };
    let mut open = Transactions::open(&settings, "t", LONG, &|| false)
        .unwrap()
        .begin()
        .unwrap();
    open.send(3, &record("in", 1, "a")).unwrap();
    open.send(4, &record("out", 0, "b")).unwrap();
    let mut delivered = open.flush(LONG).unwrap();
    delivered.sort_by_key(|delivered| delivered.tag);
    assert_eq!(
        delivered.iter().map(|one| (one.tag, one.partition)).collect::<Vec<_>>(),
        [(3, 1), (4, 0)]
    );
    Fence::of(&consumer)
        .and_then(|fence| open.send_offsets(&fence, &[(TopicPartition::new("in", 1), 0)], LONG))
        .unwrap();
    done(open.commit());
    let seen = poll_until(&mut consumer, 0, |polled| matches!(polled, Polled::Record(_)));
    assert_eq!(texts(&seen), ["a"]);
    let closing = Instant::now();
    consumer.close(Duration::from_secs(5));
    assert!(
        closing.elapsed() < Duration::from_secs(4),
        "closed after {:?}",
        closing.elapsed()
    );
}

#[test]
fn watermarks_are_answered_again_once_partitions_have_leaders_again() {
    let (cluster, settings) = mocked(&[("one", 2), ("other", 1)]);
    let of = [("one", 0), ("one", 1), ("other", 0)].map(|(topic, partition)| TopicPartition::new(topic, partition));
    let mut lookup = Lookup::open(&settings).unwrap();
    for lost in [&of[..], &of[1..2]] {
        lost.iter().for_each(|at| cluster.set_led(at, false).unwrap());
        let mut fresh = Lookup::open(&settings).unwrap();
        for lookup in [&mut lookup, &mut fresh] {
            let _ = lookup.partitions("one", LONG).unwrap();
            let refused = lookup.high_watermarks(&of, LONG).unwrap_err();
            assert_eq!(refused.kind(), Kind::Retry, "{refused}");
        }
        lost.iter().for_each(|at| cluster.set_led(at, true).unwrap());
        for lookup in [&mut lookup, &mut fresh] {
            assert_eq!(lookup.high_watermarks(&of, LONG).unwrap(), [0, 0, 0]);
        }
    }
}

#[test]
fn the_end_of_a_transaction_keeps_nobody_waiting_for_a_cluster_that_is_away() {
    let (cluster, settings) = mocked(&[("out", 1)]);
    let mut idle = Transactions::open(&settings, "t", LONG, &|| false).unwrap();
    for commits in [true, false] {
        let mut open = idle.begin().unwrap();
        let record = NewRecord {
            topic: "out".into(),
            partition: Some(0),
            value: Some("a".into()),
            ..NewRecord::default()
        };
        open.send(0, &record).unwrap();
        open.flush(LONG).unwrap();
        cluster.set_reachable(false).unwrap();
        let began = Instant::now();
        let end = |open: Transaction| if commits { open.commit() } else { open.abort() };
        let Ending::Again(open, error) = end(open) else {
            panic!("ended without an answer");
        };
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{error} after {:?}",
            began.elapsed()
        );
        cluster.set_reachable(true).unwrap();
        let mut ending = end(open);
        while let Ending::Again(open, _) = ending {
            assert!(began.elapsed() < LONG, "not ended after {:?}", began.elapsed());
            ending = end(open);
        }
        idle = done(ending);
        assert!(idle.is_suspect());
        let refused = idle.begin().err();
        assert!(matches!(refused, Some(TxnError::Suspect)), "{refused:?}");
        idle = Transactions::open(&settings, "t", LONG, &|| false).unwrap();
    }
}

/// What came late may come again.
#[test]
fn a_producer_that_was_answered_late_begins_no_other_transaction() {
    let (cluster, settings) = mocked(&[("in", 1), ("out", 1)]);
    let consumer = member(&settings, "in");
    let fence = || Fence::of(&consumer).unwrap();
    let late = Duration::from_millis(3_300);
    let record = NewRecord {
        topic: "out".into(),
        partition: Some(0),
        value: Some("a".into()),
        ..NewRecord::default()
    };
    let mut sound = Transactions::open(&settings, "t", LONG, &|| false).unwrap();
    for slow in ["nothing", "offsets", "end"] {
        let is_late = |step| cluster.set_round_trip(if slow == step { late } else { Duration::from_millis(1) });
        let mut open = sound.begin().unwrap();
        open.send(0, &record).unwrap();
        open.flush(LONG).unwrap();
        is_late("offsets").unwrap();
        open.send_offsets(&fence(), &[(TopicPartition::new("in", 0), 0)], LONG)
            .unwrap();
        is_late("end").unwrap();
        let idle = done(open.commit());
        cluster.set_round_trip(Duration::from_millis(1)).unwrap();
        assert_eq!(idle.is_suspect(), slow != "nothing", "{slow} was late");
        sound = if idle.is_suspect() {
            Transactions::open(&settings, "t", LONG, &|| false).unwrap()
        } else {
            idle
        };
    }
}

#[test]
fn a_cluster_that_is_cut_off_is_told_and_comes_back() {
    let (cluster, settings) = mocked(&[("in", 1)]);
    let mut consumer = member(&settings, "in");
    cluster.set_reachable(false).unwrap();
    poll_until(&mut consumer, 0, |polled| {
        matches!(polled, Polled::Fault(Fault::AllBrokersDown(_)))
    });
    let mut lookup = Lookup::open(&settings).unwrap();
    let error = lookup.reach(Duration::from_millis(300)).unwrap_err();
    assert_eq!(error.kind(), Kind::Retry);
    cluster.set_reachable(true).unwrap();
    lookup.reach(LONG).unwrap();
}

#[test]
fn closing_has_a_bound_when_nobody_answers() {
    let (cluster, settings) = mocked(&[("in", 1)]);
    let consumer = member(&settings, "in");
    cluster.set_reachable(false).unwrap();
    let started = Instant::now();
    consumer.close(Duration::from_secs(1));
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

/// Between an answer that is on its way and a seek, the seek stands.
#[test]
fn no_record_is_skipped_by_a_seek_before_the_broker_has_answered() {
    let (cluster, settings) = mocked(&[("in", 1)]);
    let mut feed = Feed::open(&settings).unwrap();
    let record = NewRecord {
        topic: "in".into(),
        partition: Some(0),
        value: Some("a".into()),
        ..NewRecord::default()
    };
    feed.send(&vec![record.clone(); 10], LONG).unwrap();
    for pause in [0, 600] {
        let mut consumer = member_of_nothing(&settings, "in");
        cluster.set_round_trip(Duration::from_millis(300)).unwrap();
        let at = TopicPartition::new("in", 0);
        consumer.incremental_assign(&[(at.clone(), 7)]).unwrap();
        consumer.pause(std::slice::from_ref(&at)).unwrap();
        let paused = consumer.poll(Duration::from_millis(pause));
        assert!(matches!(paused, Polled::Nothing), "{paused:?}");
        consumer.seek(&[(at.clone(), 2)], LONG).unwrap();
        consumer.resume(std::slice::from_ref(&at)).unwrap();
        for wanted in 2..10 {
            let record = poll_until(&mut consumer, 0, |polled| matches!(polled, Polled::Record(_))).pop();
            assert!(
                matches!(&record, Some(Polled::Record(record)) if record.at.offset == wanted),
                "{wanted}: {record:?}"
            );
        }
        cluster.set_round_trip(Duration::from_millis(1)).unwrap();
        consumer.close(Duration::from_secs(2));
    }
}

/// A broker that ends takes nothing with it but its place as a leader.
#[test]
fn a_question_goes_to_the_new_leader_once_the_old_one_was_silent() {
    let cluster = rdkafka::mocking::MockCluster::new(2).unwrap();
    cluster.create_topic("log", 1, 2).unwrap();
    cluster.partition_leader("log", 0, Some(2)).unwrap();
    let settings = Settings {
        brokers: cluster.bootstrap_servers(),
        ..Settings::default()
    };
    let at = TopicPartition::new("log", 0);
    let mut lookup = Lookup::open(&settings).unwrap();
    assert_eq!(lookup.high_watermark(&at, LONG).unwrap(), 0);
    cluster.partition_leader("log", 0, Some(1)).unwrap();
    cluster.broker_down(2).unwrap();
    let mut ask = || lookup.high_watermark(&at, Duration::from_secs(2));
    let (first, second) = (ask(), ask());
    assert!(first.is_err(), "the old leader was not asked: this test shows nothing");
    assert_eq!(second.unwrap(), 0);
}
