//! What the tests share. Topics and groups have random names, so that runs don't meet.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chatroom_router::kafka::admin::{Admin, TopicToCreate};
use chatroom_router::kafka::*;

pub const LONG: Duration = Duration::from_secs(30);

pub fn random(what: &str) -> String {
    format!("test-{what}-{}", uuid::Uuid::new_v4().simple())
}

pub fn settings() -> Settings {
    let brokers = std::env::var("KAFKA_BROKERS").expect("set KAFKA_BROKERS to a running Kafka: these tests need one");
    Settings {
        brokers,
        group_id: random("group"),
        ..Settings::default()
    }
}

/// A topic that is deleted at the end of the test.
pub struct Topic {
    pub name: String,
    admin: Admin,
}

impl Topic {
    pub fn new(settings: &Settings, partitions: i32, with: &[(&str, &str)]) -> Self {
        let name = random("topic");
        let mut admin = Admin::open(settings).unwrap();
        let with: BTreeMap<_, _> = with
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let topic = TopicToCreate {
            name: name.clone(),
            partitions,
            replicas: Some(1),
            settings: with,
        };
        admin.create(&[topic], LONG).unwrap();
        Self { name, admin }
    }

    pub fn at(&self, partition: i32) -> TopicPartition {
        TopicPartition::new(self.name.as_str(), partition)
    }

    pub fn record(&self, partition: i32, text: &str) -> NewRecord {
        NewRecord {
            topic: self.name.as_str().into(),
            partition: Some(partition),
            key: Some(format!("key of {text}").into_bytes()),
            value: Some(text.as_bytes().to_vec()),
            ..NewRecord::default()
        }
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        _ = self.admin.delete(std::slice::from_ref(&self.name), LONG);
    }
}

pub fn producer(settings: &Settings) -> Transactions {
    Transactions::open(settings, &random("id"), LONG, &|| false).unwrap()
}

pub fn done(ending: Ending) -> Transactions {
    match ending {
        Ending::Done(idle) => idle,
        Ending::Again(_, error) | Ending::MustAbort(_, error) | Ending::Gone(error) => panic!("{error}"),
    }
}

/// Produces these in one transaction and leaves it open.
pub fn produce(idle: Transactions, records: &[NewRecord]) -> Transaction {
    let mut open = idle.begin().unwrap();
    for (tag, record) in records.iter().enumerate() {
        open.send(tag, record).unwrap();
    }
    open.flush(LONG).unwrap();
    open
}

/// Polls until `enough`; answers assignments from the given offset.
pub fn poll_until(consumer: &mut Consumer, from: i64, mut enough: impl FnMut(&Polled) -> bool) -> Vec<Polled> {
    let started = Instant::now();
    let mut seen = Vec::new();
    while started.elapsed() < LONG {
        let polled = consumer.poll(Duration::from_millis(100));
        if let Polled::Rebalance(Rebalance::Assigned(partitions)) = &polled {
            let union: Vec<_> = partitions.iter().map(|at| (at.clone(), from)).collect();
            consumer.incremental_assign(&union).unwrap();
        }
        let end = enough(&polled);
        seen.push(polled);
        if end {
            return seen;
        }
    }
    panic!("not seen within {LONG:?}: {seen:?}");
}

pub fn text(record: &Record) -> String {
    String::from_utf8(record.value.clone().unwrap()).unwrap()
}

pub fn texts(seen: &[Polled]) -> Vec<String> {
    seen.iter()
        .filter_map(|polled| match polled {
            Polled::Record(record) => Some(text(record)),
            _ => None,
        })
        .collect()
}

/// A consumer that is subscribed, and was not told of anything yet.
pub fn joining(settings: &Settings, topic: &str) -> Consumer {
    let mut consumer = Consumer::open(settings).unwrap();
    consumer.subscribe(topic).unwrap();
    consumer
}

/// A subscribed consumer that was assigned what the topic has.
pub fn member(settings: &Settings, topic: &str) -> Consumer {
    let mut consumer = joining(settings, topic);
    let assigned = |polled: &Polled| matches!(polled, Polled::Rebalance(Rebalance::Assigned(some)) if !some.is_empty());
    poll_until(&mut consumer, 0, assigned);
    consumer
}

/// A subscribed consumer whose first assignment was answered with nothing.
pub fn member_of_nothing(settings: &Settings, topic: &str) -> Consumer {
    let mut consumer = joining(settings, topic);
    until("the first assignment", || {
        match consumer.poll(Duration::from_millis(100)) {
            Polled::Rebalance(Rebalance::Assigned(some)) => {
                consumer.incremental_assign(&[]).unwrap();
                !some.is_empty()
            }
            _ => false,
        }
    });
    consumer
}

/// Looks again and again until it is so.
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !so() {
        assert!(started.elapsed() < LONG * 2, "not yet: {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// Waits until a partition's high watermark is this: markers land after the commit was answered.
pub fn high_watermark(settings: &Settings, at: &TopicPartition, wanted: i64) {
    let mut lookup = Lookup::open(settings).unwrap();
    until(&format!("{at} ends at {wanted}"), || {
        let high = lookup.high_watermark(at, LONG).unwrap();
        assert!(high <= wanted, "{at} ends at {high}, not {wanted}");
        high == wanted
    });
}
