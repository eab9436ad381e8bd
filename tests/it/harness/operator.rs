//! What an operator, or a mishap, does to Kafka behind the program's back.

use super::topics::{Admin, client_config};
use crate::wait::{self, PATIENCE};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::message::{Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

fn place(topic: &str, partition: i32, offset: i64) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(offset))
        .expect("a valid offset");
    list
}

fn member_of(group: &str) -> BaseConsumer {
    let mut config = client_config();
    config.set("group.id", group).set("enable.auto.commit", "false");
    config.create().expect("a consumer")
}

/// Sets the group's offset by hand. Kafka takes that only while the group has no member.
pub fn reset_offset(group: &str, topic: &str, partition: i32, offset: i64) {
    let list = place(topic, partition, offset);
    let done = member_of(group).commit(&list, CommitMode::Sync);
    done.expect("the group is empty, and its offset is set");
}

pub fn committed(group: &str, topic: &str, partition: i32) -> i64 {
    let found = member_of(group).committed_offsets(place(topic, partition, 0), PATIENCE);
    let found = found.expect("Kafka answers");
    let offset = found.find_partition(topic, partition).expect("asked for").offset();
    offset.to_raw().expect("a number")
}

/// Gives a topic more partitions.
pub fn grow(topic: &str, partitions: usize) {
    let (client, options, runtime) = admin();
    let wanted = [NewPartitions::new(topic, partitions)];
    let grown = runtime.block_on(client.create_partitions(&wanted, &options));
    let grown = grown.expect("Kafka answers").remove(0);
    grown.expect("the topic grows");
}

/// The first offset of the topic's partition that is still there, and the one after the last.
pub fn offsets(topic: &str, partition: i32) -> (i64, i64) {
    let found = member_of("operator").fetch_watermarks(topic, partition, PATIENCE);
    found.expect("Kafka answers")
}

fn admin() -> (AdminClient<DefaultClientContext>, AdminOptions, tokio::runtime::Runtime) {
    let client = client_config().create().expect("an admin client");
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    (client, options, runtime.expect("a runtime"))
}

/// Deletes all records below the offset.
pub fn delete_records(topic: &str, partition: i32, before: i64) {
    try_to_delete_records(topic, partition, before).expect("records are deleted");
}

/// Err: the broker refuses it.
fn try_to_delete_records(topic: &str, partition: i32, before: i64) -> KafkaResult<()> {
    let (client, options, runtime) = admin();
    let list = place(topic, partition, before);
    let answered = runtime.block_on(client.delete_records(&list, &options));
    let answered = answered.expect("Kafka answers");
    answered.find_partition(topic, partition).expect("asked for").error()
}

/// The same of a compacted topic, of which Kafka takes it only while that is one from which records may be deleted.
pub fn delete_compacted_records(topic: &str, partition: i32, before: i64) {
    set_cleanup_policy(topic, "compact,delete");
    // The controller knows of that at once, the broker a moment later.
    let deleted = || try_to_delete_records(topic, partition, before).ok();
    wait::until("the broker to let records be deleted", PATIENCE, deleted);
    set_cleanup_policy(topic, "compact");
}

/// All else that was set of the topic stays as it is.
pub fn set_cleanup_policy(topic: &str, policy: &str) {
    Admin::new().set(&[topic.to_owned()], &[("cleanup.policy", policy)]);
}

/// Writes a record as it is.
pub fn write(topic: &str, partition: i32, key: &[u8], value: &[u8]) {
    write_with(topic, partition, (key, value), OwnedHeaders::new());
}

/// The same, with headers.
pub fn write_with(topic: &str, partition: i32, (key, value): (&[u8], &[u8]), headers: OwnedHeaders) {
    let producer: BaseProducer = client_config().create().expect("a producer");
    let record = BaseRecord::to(topic).partition(partition).key(key).payload(value);
    let record = record.headers(headers);
    producer.send(record).map_err(|(error, _)| error).expect("queued");
    producer.flush(PATIENCE).expect("Kafka takes it");
}

/// Key and value of the last record of a topic whose records are committed by transactions, each of which ends in a marker.
pub fn last(topic: &str, partition: i32) -> (Vec<u8>, Vec<u8>) {
    let consumer = member_of("operator");
    let (_, end) = offsets(topic, partition);
    consumer.assign(&place(topic, partition, end - 2)).expect("assigned");
    let found = consumer.poll(PATIENCE).expect("a record").expect("Kafka answers");
    let owned = |bytes: Option<&[u8]>| bytes.expect("some bytes").to_vec();
    (owned(found.key()), owned(found.payload()))
}

/// A transaction that nobody ends, with a record of no meaning in it: what stands after it is read once it is aborted.
pub struct Hanging(BaseProducer);

impl Hanging {
    pub fn start(topic: &str, partition: i32) -> Hanging {
        let mut config = client_config();
        config
            .set("transactional.id", format!("hanging-{topic}-{partition}"))
            .set("transaction.timeout.ms", "600000");
        let producer: BaseProducer = config.create().expect("a producer");
        producer.init_transactions(PATIENCE).expect("Kafka answers");
        producer.begin_transaction().expect("begun");
        let record = BaseRecord::to(topic).partition(partition).key(b"?").payload(b"");
        producer.send(record).map_err(|(error, _)| error).expect("queued");
        producer.flush(PATIENCE).expect("Kafka takes it");
        Hanging(producer)
    }

    pub fn abort(self) {
        self.0.abort_transaction(PATIENCE).expect("Kafka answers");
    }
}
