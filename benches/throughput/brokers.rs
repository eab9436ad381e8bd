//! What a run needs of Kafka: topics of its own, records in them, and how far a program has come.

use crate::Outcome;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::ToBytes;
use rdkafka::producer::{BaseRecord, DeliveryResult, NoCustomPartitioner, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;

const CALL: Duration = Duration::from_secs(20);

pub struct Brokers {
    pub addresses: String,
    admin: AdminClient<DefaultClientContext>,
    runtime: Runtime,
}

impl Brokers {
    pub fn open(addresses: &str) -> Outcome<Self> {
        Ok(Self {
            addresses: addresses.to_owned(),
            admin: client(addresses).create()?,
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
        })
    }

    pub fn create_topics(&self, names: &[String], partitions: i32) -> Outcome<()> {
        self.create(names, partitions, &[])
    }

    /// Their records stay, however old they say they are.
    pub fn create_lasting_topics(&self, names: &[String], partitions: i32) -> Outcome<()> {
        self.create(names, partitions, &[("retention.ms", "-1")])
    }

    fn create(&self, names: &[String], partitions: i32, settings: &[(&str, &str)]) -> Outcome<()> {
        let topic = |name| {
            let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(-1));
            settings
                .iter()
                .fold(topic, |topic, (name, value)| topic.set(name, value))
        };
        let topics: Vec<_> = names.iter().map(|name| topic(name)).collect();
        let options = AdminOptions::new().operation_timeout(Some(CALL));
        for made in self.runtime.block_on(self.admin.create_topics(&topics, &options))? {
            made.map_err(|(topic, code)| format!("{topic} can't be made: {code}"))?;
        }
        Ok(())
    }

    /// Takes away all topics and groups whose names begin so.
    pub fn remove(&self, prefix: &str) -> Outcome<()> {
        let metadata = self.admin.inner().fetch_metadata(None, CALL)?;
        let topics = metadata.topics().iter().map(|topic| topic.name());
        let topics: Vec<&str> = topics.filter(|name| name.starts_with(prefix)).collect();
        let found = self.admin.inner().fetch_group_list(None, CALL)?;
        let groups = found.groups().iter().map(|group| group.name());
        let groups: Vec<&str> = groups.filter(|name| name.starts_with(prefix)).collect();
        let options = AdminOptions::new().operation_timeout(Some(CALL));
        if !groups.is_empty() {
            self.runtime.block_on(self.admin.delete_groups(&groups, &options))?;
        }
        if !topics.is_empty() {
            self.runtime.block_on(self.admin.delete_topics(&topics, &options))?;
        }
        Ok(())
    }

    /// Returns when the brokers have them all.
    pub fn produce<T: ToBytes>(&self, topic: &str, pairs: impl Iterator<Item = (T, T)>) -> Outcome<u64> {
        self.produce_at(topic, &|_| None, pairs)
    }

    /// The same, each with the timestamp of its number, in milliseconds since 1970.
    pub fn produce_at<T: ToBytes>(
        &self,
        topic: &str,
        at: &dyn Fn(u64) -> Option<i64>,
        pairs: impl Iterator<Item = (T, T)>,
    ) -> Outcome<u64> {
        let producer: ThreadedProducer<Counting> = client(&self.addresses)
            .set("enable.idempotence", "true")
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "20")
            .create_with_context(Counting::default())?;
        let mut sent = 0;
        for (key, value) in pairs {
            let record = BaseRecord {
                timestamp: at(sent),
                ..BaseRecord::to(topic).key(&key).payload(&value)
            };
            send(&producer, record)?;
            sent += 1;
        }
        producer.flush(CALL)?;
        match producer.context().delivered.load(Ordering::Acquire) {
            delivered if delivered == sent => Ok(sent),
            delivered => Err(format!("{topic}: {delivered} of {sent} records were taken").into()),
        }
    }

    /// Watches from outside, by a client that is no member of any group.
    pub fn watch(&self, group: &str, topic: &str, partitions: i32) -> Outcome<Watch> {
        let client: BaseConsumer = client(&self.addresses)
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_uncommitted")
            .create()?;
        let topic = topic.to_owned();
        Ok(Watch {
            client,
            topic,
            partitions,
        })
    }
}

pub struct Watch {
    client: BaseConsumer,
    topic: String,
    partitions: i32,
}

impl Watch {
    /// The sum of the group's committed offsets.
    pub fn committed(&self) -> Outcome<u64> {
        let mut wanted = TopicPartitionList::new();
        wanted.add_partition_range(&self.topic, 0, self.partitions - 1);
        let found = self.client.committed_offsets(wanted, CALL)?;
        let offsets = found
            .elements()
            .into_iter()
            .filter_map(|element| match element.offset() {
                Offset::Offset(offset) => u64::try_from(offset).ok(),
                _ => None,
            });
        Ok(offsets.sum())
    }

    /// The sum of the offsets at which the partitions end.
    pub fn ends(&self) -> Outcome<u64> {
        let mut sum = 0;
        for partition in 0..self.partitions {
            let (_, high) = self.client.fetch_watermarks(&self.topic, partition, CALL)?;
            sum += u64::try_from(high)?;
        }
        Ok(sum)
    }
}

pub fn client(addresses: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", addresses);
    config
}

/// Sends, waiting while the client's queue is full.
pub fn send<C: ProducerContext<NoCustomPartitioner, DeliveryOpaque = ()> + 'static>(
    producer: &ThreadedProducer<C>,
    mut record: BaseRecord<'_, impl ToBytes + ?Sized, impl ToBytes + ?Sized>,
) -> Result<(), KafkaError> {
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                std::thread::sleep(Duration::from_millis(1));
                record = back;
            }
            Err((error, _)) => return Err(error),
        }
    }
}

/// Counts what the brokers have taken, and what they have not.
#[derive(Default)]
pub struct Counting {
    pub delivered: AtomicU64,
    pub failed: AtomicU64,
}

impl ClientContext for Counting {}

impl ProducerContext<NoCustomPartitioner> for Counting {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let count = if result.is_ok() { &self.delivered } else { &self.failed };
        count.fetch_add(1, Ordering::Release);
    }
}
