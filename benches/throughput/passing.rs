//! The programs that the router is measured beside: bytes in, the same bytes out, from one partitioned topic to another by
//! key. One promises nothing but order; one passes them on in transactions of 5,000 records or 20 ms, as the router might.

use crate::Outcome;
use crate::brokers::{Counting, client, send};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The first argument of the process.
pub const WORD: &str = "pass";
pub const PLAIN: &str = "plain";
pub const TRANSACTIONAL: &str = "transactional";

const BATCH: u64 = 5_000;
const BATCH_TIME: Duration = Duration::from_millis(20);
const CALL: Duration = Duration::from_secs(20);

/// Runs until it is ended from outside. Arguments: which, brokers, group, from, to.
pub fn run(words: &[String]) -> Outcome<()> {
    let [which, brokers, group, from, to] = words else {
        return Err("pass: which, brokers, group, from, to".into());
    };
    let consumer: BaseConsumer = client(brokers)
        .set("group.id", group)
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", if which == PLAIN { "true" } else { "false" })
        .set("fetch.queue.backoff.ms", "10")
        .create()?;
    consumer.subscribe(&[from])?;
    let mut config = client(brokers);
    config
        .set("enable.idempotence", "true")
        .set("partitioner", "murmur2_random");
    if which == PLAIN {
        config.set("linger.ms", "5");
        plain(&consumer, &config.create_with_context(Counting::default())?, to)
    } else {
        // A batch waits for its last record: lingering there would be lost.
        config.set("linger.ms", "1").set("transactional.id", group);
        transactional(&consumer, &config.create_with_context(Counting::default())?, to)
    }
}

type Sender = ThreadedProducer<Counting>;

fn plain(consumer: &BaseConsumer, producer: &Sender, to: &str) -> Outcome<()> {
    loop {
        if let Some(message) = consumer.poll(Duration::from_millis(100)) {
            pass(producer, to, &message?)?;
        }
        failed(producer)?;
    }
}

fn transactional(consumer: &BaseConsumer, producer: &Sender, to: &str) -> Outcome<()> {
    producer.init_transactions(CALL)?;
    let mut sent = 0;
    loop {
        let Some(first) = consumer.poll(Duration::from_millis(100)) else {
            continue;
        };
        producer.begin_transaction()?;
        let (count, offsets) = batch(first?, consumer, producer, to)?;
        sent += count;
        settle(producer, sent)?;
        let member = consumer.group_metadata().ok_or("no member of the group")?;
        producer.send_offsets_to_transaction(&offsets, &member, CALL)?;
        producer.commit_transaction(CALL)?;
    }
}

/// Passes a batch on. How many, and where it leaves the input.
fn batch(
    first: BorrowedMessage<'_>,
    consumer: &BaseConsumer,
    producer: &Sender,
    to: &str,
) -> Outcome<(u64, TopicPartitionList)> {
    let until = Instant::now() + BATCH_TIME;
    let topic = first.topic().to_owned();
    let mut last = BTreeMap::new();
    let mut next = Some(first);
    let mut count = 0;
    while let Some(message) = next {
        pass(producer, to, &message)?;
        last.insert(message.partition(), message.offset());
        count += 1;
        let left = until.saturating_duration_since(Instant::now());
        let more = count < BATCH && !left.is_zero();
        next = more.then(|| consumer.poll(left)).flatten().transpose()?;
    }
    let mut offsets = TopicPartitionList::new();
    for (partition, offset) in last {
        offsets.add_partition_offset(&topic, partition, Offset::Offset(offset + 1))?;
    }
    Ok((count, offsets))
}

fn pass(producer: &Sender, to: &str, message: &BorrowedMessage<'_>) -> Outcome<()> {
    let record: BaseRecord<'_, [u8], [u8]> = BaseRecord {
        key: message.key(),
        payload: message.payload(),
        ..BaseRecord::to(to)
    };
    Ok(send(producer, record)?)
}

/// The client's own flush looks every 100 ms only.
fn settle(producer: &Sender, sent: u64) -> Outcome<()> {
    let until = Instant::now() + CALL;
    while producer.context().delivered.load(Ordering::Acquire) < sent {
        failed(producer)?;
        if Instant::now() > until {
            return Err("the brokers do not take the records".into());
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}

fn failed(producer: &Sender) -> Outcome<()> {
    match producer.context().failed.load(Ordering::Relaxed) {
        0 => Ok(()),
        failed => Err(format!("{failed} records were not taken").into()),
    }
}
