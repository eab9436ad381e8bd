//! What an operator, or a mishap, does to Kafka behind the program's back.

use super::topics::client_config;
use crate::wait::PATIENCE;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
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

/// Deletes all records below the offset.
pub fn delete_records(topic: &str, partition: i32, before: i64) {
    let client: AdminClient<DefaultClientContext> = client_config().create().expect("an admin client");
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let list = place(topic, partition, before);
    let deleted = runtime
        .expect("a runtime")
        .block_on(client.delete_records(&list, &options));
    deleted.expect("records are deleted");
}

/// Writes a record as it is.
pub fn write(topic: &str, partition: i32, key: &[u8], value: &[u8]) {
    let producer: BaseProducer = client_config().create().expect("a producer");
    let record = BaseRecord::to(topic).partition(partition).key(key).payload(value);
    producer.send(record).map_err(|(error, _)| error).expect("queued");
    producer.flush(PATIENCE).expect("Kafka takes it");
}
