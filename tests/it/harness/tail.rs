//! Follows the output topics as a consumer must (`read_committed`), and knows when everything that was written is seen.

use super::log::{Log, Record};
use super::topics::{OUTPUTS, client_config};
use crate::wait;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const POLL: Duration = Duration::from_millis(50);

/// Partition counts by whole name.
pub type Partitions = BTreeMap<String, i32>;

pub struct Tail {
    pub log: Arc<Log>,
    partitions: Partitions,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Tail {
    pub fn start(partitions: Partitions) -> Tail {
        let whole = list(each(&partitions));
        Tail::by(partitions, vec![whole], "20")
    }

    /// For where brokers fail: each partition has a consumer of its own. Of one that has several, an answer that names the new
    /// leader of one and none of another ends the process (librdkafka#5280).
    pub fn start_apart(partitions: Partitions) -> Tail {
        let apart = each(&partitions).map(|one| list([one])).collect();
        // So many ask seldom; what comes is sent at once.
        Tail::by(partitions, apart, "500")
    }

    fn by(partitions: Partitions, lists: Vec<TopicPartitionList>, wait_ms: &str) -> Tail {
        let (log, stop) = (Arc::<Log>::default(), Arc::<AtomicBool>::default());
        let follow = |list| {
            let consumer = config("read_committed").set("fetch.wait.max.ms", wait_ms).create();
            let consumer: BaseConsumer = consumer.expect("a consumer");
            consumer.assign(&list).expect("assigned");
            let (log, stop) = (log.clone(), stop.clone());
            std::thread::spawn(move || follow(&consumer, &log, &stop))
        };
        let threads = lists.into_iter().map(follow).collect();
        Tail {
            log,
            partitions,
            stop,
            threads,
        }
    }

    /// Returns once the log holds all that had been written to the outputs when it was called, open transactions
    /// included: only then does the absence of a record mean something.
    pub fn settle(&self) {
        let ends = ends_of(&consumer("read_uncommitted"), &self.partitions);
        let committed = consumer("read_committed");
        wait::until("open transactions to end", wait::PATIENCE, || {
            let stable = ends_of(&committed, &self.partitions);
            ends.iter().all(|(place, end)| stable[place] >= *end).then_some(())
        });
        for (place, last) in self.last_committed() {
            wait::until("the tail to catch up", wait::PATIENCE, || {
                (self.log.last_offset(logical(&place.0), place.1) >= last).then_some(())
            });
        }
    }

    /// Per partition, the offset of the last record (not: marker of a transaction) that can be read.
    fn last_committed(&self) -> HashMap<(String, i32), i64> {
        let probe = Arc::new(consumer("read_committed"));
        let mut list = TopicPartitionList::new();
        for (topic, partition) in each(&self.partitions) {
            let next = self.log.last_offset(logical(&topic), partition) + 1;
            list.add_partition_offset(&topic, partition, Offset::Offset(next))
                .expect("a valid offset");
        }
        probe.assign(&list).expect("assigned");
        let mut open: Vec<_> = each(&self.partitions)
            .map(|(topic, partition)| {
                let queue = probe.split_partition_queue(&topic, partition).expect("assigned above");
                ((topic, partition), queue)
            })
            .collect();
        let mut last = HashMap::new();
        wait::until("the ends of the outputs", wait::PATIENCE, || {
            let _ = probe.poll(Duration::ZERO);
            open.retain(|(place, queue)| {
                while let Some(polled) = queue.poll(Duration::ZERO) {
                    match polled {
                        Ok(message) => last.insert(place.clone(), message.offset()),
                        Err(KafkaError::PartitionEOF(_)) => return false,
                        Err(error) => panic!("reading {place:?}: {error}"),
                    };
                }
                true
            });
            open.is_empty().then_some(())
        });
        last
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn consumer(isolation: &str) -> BaseConsumer {
    config(isolation).create().expect("a consumer")
}

fn config(isolation: &str) -> ClientConfig {
    let mut config = client_config();
    config
        .set("group.id", "chatroom-router-tests")
        .set("isolation.level", isolation)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "20")
        .set("auto.offset.reset", "error");
    config
}

/// The timestamps of all records of a topic with one partition, in their order.
pub fn timestamps(topic: &str) -> Vec<jiff::Timestamp> {
    let consumer = consumer("read_committed");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Beginning)
        .expect("a valid offset");
    consumer.assign(&list).expect("assigned");
    let mut found = Vec::new();
    wait::until("the end of a topic", wait::PATIENCE, || match consumer.poll(POLL) {
        Some(Ok(message)) => {
            let millis = message.timestamp().to_millis().expect("every record has one");
            found.push(jiff::Timestamp::from_millisecond(millis).expect("this century"));
            None
        }
        Some(Err(KafkaError::PartitionEOF(_))) => Some(()),
        Some(Err(error)) => panic!("reading {topic}: {error}"),
        None => None,
    });
    found
}

/// From their beginnings.
fn list(places: impl IntoIterator<Item = (String, i32)>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (topic, partition) in places {
        list.add_partition_offset(&topic, partition, Offset::Beginning)
            .expect("a valid offset");
    }
    list
}

fn each(partitions: &Partitions) -> impl Iterator<Item = (String, i32)> {
    partitions
        .iter()
        .flat_map(|(topic, count)| (0..*count).map(move |partition| (topic.clone(), partition)))
}

/// Where the next record (of `read_committed`: the next that is decided) will stand.
fn ends_of(consumer: &BaseConsumer, partitions: &Partitions) -> HashMap<(String, i32), i64> {
    let mut list = TopicPartitionList::new();
    for (topic, partition) in each(partitions) {
        list.add_partition_offset(&topic, partition, Offset::End)
            .expect("a valid offset");
    }
    // Brokers that come and go name no leader for a while.
    wait::until("the ends of the outputs", wait::PATIENCE, || {
        let found = consumer.offsets_for_times(list.clone(), wait::PATIENCE).ok()?;
        let ends = found.elements().into_iter().map(|element| match element.offset() {
            Offset::Offset(end) => Some(((element.topic().to_owned(), element.partition()), end)),
            _ => None,
        });
        ends.collect()
    })
}

fn follow(consumer: &BaseConsumer, log: &Log, stop: &AtomicBool) {
    // Of an outage the first error says enough.
    let mut is_told = false;
    while !stop.load(Ordering::Relaxed) {
        match consumer.poll(POLL) {
            Some(Ok(message)) => {
                log.push(record(&message));
                is_told = false;
            }
            Some(Err(KafkaError::PartitionEOF(_))) | None => {}
            Some(Err(error)) => {
                if !std::mem::replace(&mut is_told, true) {
                    eprintln!("the tail: {error}");
                }
            }
        }
    }
}

fn record(message: &BorrowedMessage) -> Record {
    let bytes = message.payload().unwrap_or_default().to_vec();
    let headers = message.headers().map(|headers| {
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        headers
            .iter()
            .map(|header| (header.key.to_owned(), text(header.value)))
            .collect()
    });
    Record {
        topic: logical(message.topic()),
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(|key| String::from_utf8_lossy(key).into_owned()),
        headers: headers.unwrap_or_default(),
        value: serde_json::from_slice(&bytes).unwrap_or_default(),
        bytes,
    }
}

/// The name in the contracts of a topic of ours, whose prefix ends in a dash.
fn logical(topic: &str) -> &'static str {
    let known = OUTPUTS
        .iter()
        .find(|name| topic.strip_suffix(**name).is_some_and(|prefix| prefix.ends_with('-')));
    known.unwrap_or_else(|| panic!("{topic} is no output"))
}
