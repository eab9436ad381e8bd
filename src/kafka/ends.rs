//! The two ends outside of the router: a plain producer of what goes in, a reader of what comes out. In no group and in no
//! transaction; they commit nothing, and what they send may arrive twice only if the caller sends it twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::producer::{BaseRecord, ThreadedProducer};

use super::consumer::{Consumer, Fault, Polled};
use super::delivery::{Deliveries, Reports, owned_headers};
use super::lookup::Lookup;
use super::{Delivered, Error, Kind, NewRecord, Record, Settings, TopicPartition, TxnError, native};

/// Between two tries to get an answer.
const AGAIN: Duration = Duration::from_millis(50);

/// An idempotent producer that partitions as Java's default does.
pub struct Feed {
    native: ThreadedProducer<Reports>,
    deliveries: Arc<Deliveries>,
}

impl Feed {
    /// Connects in the background.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        let deliveries = Arc::<Deliveries>::default();
        let native = ThreadedProducer::from_config_and_context(&settings.feed(), Reports::to(deliveries.clone()))
            .map_err(|source| Error::client("opening a producer", source))?;
        Ok(Self { native, deliveries })
    }

    /// Sends these and waits until the brokers have them all; says where each one went, by its place.
    pub fn send(&mut self, records: &[NewRecord], timeout: Duration) -> Result<Vec<Delivered>, Error> {
        self.deliveries.clear();
        for (place, record) in records.iter().enumerate() {
            self.hand_over(place, record)?;
        }
        let settled = native::flush(&self.native, timeout);
        if let Some(TxnError::NotDelivered { source, .. }) = self.deliveries.failure() {
            let doing = "producing".into();
            return Err(Error::Client { doing, source });
        }
        if !settled {
            return Err(Error::TimedOut {
                doing: "producing".into(),
                waited: timeout,
            });
        }
        Ok(self.deliveries.take())
    }

    /// Hands a record over and does not wait for the brokers. False: the client's queue is full, for now.
    pub fn post(&mut self, record: &NewRecord) -> Result<bool, Error> {
        match self.hand_over(0, record) {
            Ok(()) => Ok(true),
            Err(Error::Client { source, .. }) if source.code() == Some(Code::QueueFull) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// How many of the records that were posted the brokers have taken since the last call; an error if they did not take
    /// one.
    pub fn taken(&mut self) -> Result<usize, Error> {
        match self.deliveries.failure() {
            Some(TxnError::NotDelivered { source, .. }) => Err(Error::Client {
                doing: "producing".into(),
                source,
            }),
            _ => Ok(self.deliveries.take().len()),
        }
    }

    fn hand_over(&self, place: usize, record: &NewRecord) -> Result<(), Error> {
        let mut base: BaseRecord<'_, [u8], [u8], usize> = BaseRecord::with_opaque_to(&record.topic, place);
        base.partition = record.partition;
        base.key = record.key.as_deref();
        base.payload = record.value.as_deref();
        base.timestamp = record.timestamp;
        base.headers = owned_headers(&record.headers);
        let sent = self.native.send(base);
        sent.map_err(|(source, _)| Error::client("producing", source))
    }
}

/// Reads all partitions of some topics, from their ends as they were when it was opened.
pub struct Tail {
    consumer: Consumer,
    lookup: Lookup,
    topics: Vec<Arc<str>>,
    next: BTreeMap<TopicPartition, i64>,
}

impl Tail {
    pub fn open(settings: &Settings, topics: &[Arc<str>], timeout: Duration) -> Result<Self, Error> {
        let mut lookup = Lookup::open(settings)?;
        let partitions = all_partitions(&mut lookup, topics, timeout)?;
        let ends = ends(&mut lookup, &partitions, timeout)?;
        let mut consumer = Consumer::from_config(&settings.reader())?;
        let from: Vec<(TopicPartition, i64)> = partitions.into_iter().zip(ends).collect();
        consumer.assign(&from)?;
        Ok(Self {
            consumer,
            lookup,
            topics: topics.to_vec(),
            next: from.into_iter().collect(),
        })
    }

    /// Reads the partitions too that the topics have got since, from their beginning. An error: nobody answers.
    pub fn refresh(&mut self, timeout: Duration) -> Result<(), Error> {
        let partitions = all_partitions(&mut self.lookup, &self.topics, timeout)?;
        if partitions.iter().all(|at| self.next.contains_key(at)) {
            return Ok(());
        }
        for at in partitions {
            self.next.entry(at).or_insert(0);
        }
        let from: Vec<(TopicPartition, i64)> = self.next.iter().map(|(at, next)| (at.clone(), *next)).collect();
        self.consumer.assign(&from)
    }

    /// The next committed record of any of them, in the order of its partition. None: the time ran out, or nothing more
    /// than an end was reached.
    pub fn next(&mut self, wait: Duration) -> Result<Option<Record>, Error> {
        match self.consumer.poll(wait) {
            Polled::Record(record) => {
                self.next.insert(record.at.topic_partition(), record.at.offset + 1);
                Ok(Some(record))
            }
            Polled::Fault(Fault::Refused { source } | Fault::Fatal { source }) => Err(Error::Client {
                doing: "reading".into(),
                source,
            }),
            Polled::Fault(Fault::OffsetOutOfRange { at, offset, .. }) => Err(Error::OffsetOutOfRange { at, offset }),
            Polled::EndOfPartition(_) | Polled::Rebalance(_) | Polled::Fault(_) | Polled::Nothing => Ok(None),
        }
    }
}

/// Asks again while the answer may come yet, as of topics that were made a moment ago.
fn ends(lookup: &mut Lookup, of: &[TopicPartition], timeout: Duration) -> Result<Vec<i64>, Error> {
    let until = Instant::now() + timeout;
    loop {
        match lookup.high_watermarks(of, timeout) {
            Err(error) if error.kind() == Kind::Retry && Instant::now() < until => std::thread::sleep(AGAIN),
            answer => return answer,
        }
    }
}

fn all_partitions(lookup: &mut Lookup, topics: &[Arc<str>], timeout: Duration) -> Result<Vec<TopicPartition>, Error> {
    let mut partitions = Vec::new();
    for topic in topics {
        let missing = || Error::Unfit(format!("topic {topic} does not exist"));
        let count = lookup.partitions(topic, timeout)?.ok_or_else(missing)?;
        partitions.extend((0..count).map(|partition| TopicPartition::new(topic.clone(), partition)));
    }
    Ok(partitions)
}
