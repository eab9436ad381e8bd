//! The topics of a world by their names in the contracts, and what the tests ask of Kafka's admin protocol.

pub use super::names::*;
use super::services::kafka_brokers;
use crate::wait::PATIENCE;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigSource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use std::collections::BTreeMap;

pub fn client_config() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka_brokers());
    // What waits is the program under test, never we.
    config.set("reconnect.backoff.ms", "20");
    config.set("reconnect.backoff.max.ms", "100");
    config
}

pub struct Admin {
    client: AdminClient<DefaultClientContext>,
    runtime: tokio::runtime::Runtime,
}

impl Admin {
    pub fn new() -> Admin {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Admin {
            client: client_config().create().expect("an admin client"),
            runtime: runtime.expect("a runtime"),
        }
    }

    /// As an operator might have made them before we came: the broker's settings but for the compaction of settings.
    pub fn create(&self, topics: &[(String, usize)]) {
        let wanted: Vec<NewTopic> = topics
            .iter()
            .map(|(name, partitions)| {
                let topic = NewTopic::new(name, *partitions as i32, TopicReplication::Fixed(1));
                if name.ends_with(SETTINGS) {
                    topic.set("cleanup.policy", "compact")
                } else {
                    topic
                }
            })
            .collect();
        let made = self.runtime.block_on(self.client.create_topics(&wanted, &options()));
        for topic in made.expect("Kafka answers") {
            topic.expect("the topic is created");
        }
    }

    /// The scenarios live in the past, which the usual retention would remove, and send records larger than usual.
    pub fn keep_all(&self, topics: &[String]) {
        self.set(topics, &[("retention.ms", "-1"), ("max.message.bytes", "4194304")]);
    }

    /// Adds to what was set on each topic.
    pub fn set(&self, topics: &[String], settings: &[(&str, &str)]) {
        let specifiers: Vec<ResourceSpecifier> = topics.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let described = self
            .runtime
            .block_on(self.client.describe_configs(&specifiers, &options()));
        let mut set: Vec<BTreeMap<String, String>> = Vec::new();
        for resource in described.expect("Kafka answers") {
            let entries = resource.expect("the topic is described").entries;
            let own = entries
                .into_iter()
                .filter(|entry| entry.source == ConfigSource::DynamicTopic);
            let mut own: BTreeMap<String, String> =
                own.map(|entry| (entry.name, entry.value.unwrap_or_default())).collect();
            own.extend(settings.iter().map(|(name, value)| ((*name).into(), (*value).into())));
            set.push(own);
        }
        let wanted: Vec<AlterConfig> = specifiers
            .into_iter()
            .zip(&set)
            .map(|(specifier, own)| {
                let start = AlterConfig::new(specifier);
                own.iter().fold(start, |config, (name, value)| config.set(name, value))
            })
            .collect();
        let altered = self.runtime.block_on(self.client.alter_configs(&wanted, &options()));
        for resource in altered.expect("Kafka answers") {
            resource.expect("the topic is altered");
        }
    }

    pub fn delete(&self, topics: &[String]) {
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        let _ = self.runtime.block_on(self.client.delete_topics(&names, &options()));
    }

    /// How many partitions each topic has, by its whole name.
    pub fn partitions(&self, topics: &[String]) -> BTreeMap<String, i32> {
        let metadata = self
            .client
            .inner()
            .fetch_metadata(None, PATIENCE)
            .expect("Kafka answers");
        let ours = metadata
            .topics()
            .iter()
            .filter(|topic| topics.iter().any(|name| name == topic.name()));
        ours.map(|topic| (topic.name().to_owned(), topic.partitions().len() as i32))
            .collect()
    }
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(PATIENCE))
        .operation_timeout(Some(PATIENCE))
}
