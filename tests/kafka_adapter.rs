//! The Kafka adapter against a real Kafka (`KAFKA_BROKERS`), and against the mock cluster for what that can show.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chatroom_router::kafka::mock::MockCluster;
use chatroom_router::kafka::*;

const LONG: Duration = Duration::from_secs(30);

fn commit(transaction: Transaction) -> Transactions {
    match transaction.commit() {
        Ending::Done(idle) => idle,
        Ending::Again(_, error) | Ending::MustAbort(_, error) | Ending::Gone(error) => panic!("commit: {error}"),
    }
}

fn abort(transaction: Transaction) -> Transactions {
    match transaction.abort() {
        Ending::Done(idle) => idle,
        Ending::Again(_, error) | Ending::MustAbort(_, error) | Ending::Gone(error) => panic!("abort: {error}"),
    }
}

fn record(topic: &str, partition: i32, text: &str) -> NewRecord {
    NewRecord {
        topic: topic.into(),
        partition: Some(partition),
        key: Some(format!("key of {text}").into_bytes()),
        value: Some(text.as_bytes().to_vec()),
        ..NewRecord::default()
    }
}

/// Polls until `wanted` says so; answers assignments from the given offset.
fn poll_until(consumer: &mut Consumer, from: i64, mut wanted: impl FnMut(&Polled) -> bool) -> Vec<Polled> {
    let started = Instant::now();
    let mut seen = Vec::new();
    while started.elapsed() < LONG {
        let polled = consumer.poll(Duration::from_millis(100));
        if let Polled::Rebalance(Rebalance::Assigned(partitions)) = &polled {
            let union: Vec<_> = partitions.iter().map(|at| (at.clone(), from)).collect();
            consumer.incremental_assign(&union).unwrap();
        }
        let done = wanted(&polled);
        seen.push(polled);
        if done {
            return seen;
        }
    }
    panic!("not seen within {LONG:?}: {seen:?}");
}

fn values(seen: &[Polled]) -> Vec<String> {
    seen.iter()
        .filter_map(|polled| match polled {
            Polled::Record(record) => Some(String::from_utf8(record.value.clone().unwrap()).unwrap()),
            _ => None,
        })
        .collect()
}

#[test]
fn the_mock_cluster_carries_a_transaction_and_assigns_at_once() {
    let cluster = MockCluster::start(&[("in", 2), ("out", 1)]).unwrap();
    let settings = Settings { brokers: cluster.brokers().into(), ..Settings::default() };
    let started = Instant::now();
    let mut consumer = Consumer::open(&settings).unwrap();
    consumer.subscribe("in").unwrap();
    poll_until(&mut consumer, 0, |polled| matches!(polled, Polled::Rebalance(Rebalance::Assigned(_))));
    println!("first assignment after {:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(2));
    let mut transaction =
        Transactions::open(&settings, "t", LONG, &|| false).unwrap().begin().unwrap();
    transaction.send(3, &record("in", 1, "a")).unwrap();
    transaction.send(4, &record("out", 0, "b")).unwrap();
    let mut delivered = transaction.flush(LONG).unwrap();
    delivered.sort_by_key(|delivered| delivered.tag);
    assert_eq!(delivered.iter().map(|one| (one.tag, one.partition)).collect::<Vec<_>>(), [(3, 1), (4, 0)]);
    transaction.send_offsets(&consumer, &[(TopicPartition::new("in", 1), 0)], LONG).unwrap();
    let _idle = commit(transaction);
    let seen = poll_until(&mut consumer, 0, |polled| matches!(polled, Polled::Record(_)));
    assert_eq!(values(&seen), ["a"]);
    let closing = Instant::now();
    consumer.close(Duration::from_secs(5));
    println!("closed after {:?}", closing.elapsed());
    assert!(closing.elapsed() < Duration::from_secs(4));
    let _ = BTreeMap::<(), ()>::new();
}
