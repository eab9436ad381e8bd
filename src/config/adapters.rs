//! What each adapter is told, made from the configuration; and what an adapter alone can find wrong with it.

use super::sections::{Config, GroupProtocol};
use super::topics;
use super::values::Values;
use crate::contract::TopicKind;
use crate::index;
use crate::index::Index;
use crate::kafka::client_config::{self, Settings};
use crate::kafka::topics::{Sizing, TopicNames};
use crate::protocol::burst::Limit;
use secrecy::ExposeSecret;

impl Config {
    /// The settings of Kafka's clients; `member` is the consumer's static identity, if the group is to know it by one.
    #[must_use]
    pub fn kafka_settings(&self, member: Option<String>) -> Settings {
        let kafka = &self.kafka;
        let properties = kafka.properties.iter();
        Settings {
            brokers: kafka.brokers.clone(),
            group_id: kafka.group_id.clone(),
            instance_id: member,
            security: self.kafka_security(),
            properties: properties
                .map(|(name, value)| (name.clone(), value.expose_secret().to_owned()))
                .collect(),
            session_timeout_ms: kafka.session_timeout.as_millis() as u32,
            transaction_timeout_ms: kafka.transaction_timeout.as_millis() as u32,
            group_protocol: match kafka.group_protocol {
                GroupProtocol::Classic => client_config::GroupProtocol::Classic,
                GroupProtocol::Consumer => client_config::GroupProtocol::Consumer,
            },
            record_bytes: self.limits.record_bytes,
        }
    }

    fn kafka_security(&self) -> client_config::Security {
        let security = &self.kafka.security;
        let (tls, sasl) = (security.tls.as_ref(), security.sasl.as_ref());
        client_config::Security {
            protocol: Some(security.protocol.clone()),
            ca_file: tls.and_then(|tls| tls.ca_file.clone()),
            certificate_file: tls.and_then(|tls| tls.certificate_file.clone()),
            key_file: tls.and_then(|tls| tls.key_file.clone()),
            key_password: tls.and_then(|tls| tls.key_password.clone()),
            sasl_mechanism: sasl.map(|sasl| sasl.mechanism.clone()),
            user: sasl.map(|sasl| sasl.user.clone()),
            password: sasl.map(|sasl| sasl.password.clone()),
        }
    }

    #[must_use]
    pub fn topic_names(&self) -> TopicNames {
        let named = TopicKind::ALL.map(|kind| (topics::key(kind), self.topics.topic(kind).name.to_owned()));
        TopicNames {
            prefix: self.topics.prefix.clone(),
            overrides: named.into_iter().collect(),
        }
    }

    #[must_use]
    pub fn topic_sizing(&self) -> Sizing {
        Sizing {
            partitions: self.topics.partitions,
            replicas: self.topics.replication_factor,
            record_bytes: self.limits.record_bytes,
        }
    }

    /// How many bad records halt an input.
    #[must_use]
    pub fn burst_limit(&self) -> Limit {
        Limit {
            records: self.limits.bad_burst_records,
            percent: self.limits.bad_share_percent,
        }
    }

    #[must_use]
    pub fn index_settings(&self) -> index::Settings {
        let index = &self.index;
        index::Settings {
            url: index.url.clone(),
            user: index.user.clone(),
            password: index.password.clone(),
            prefix: index.prefix.clone(),
            connect_timeout: index.connect_timeout,
            reply_timeout: index.timeout,
        }
    }
}

/// What the clients themselves say of it, without asking any server.
pub(super) fn check(config: &Config, values: &mut Values) {
    for fault in config.kafka_settings(None).faults() {
        if !values.is_faulty(&fault.key) && fault.key.starts_with("kafka.properties.") {
            values.fault(&fault.key, "can't be set so", fault.why);
        }
    }
    if !values.is_faulty("index.url")
        && let Err(error) = Index::redis(&config.index_settings())
    {
        values.fault("index.url", "is no address of an index", error.to_string());
    }
}
