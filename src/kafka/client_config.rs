//! From the user's settings to the properties of each client: every property on which exactly-once or the bound on memory
//! rests is set here, on purpose, and can't be set by users. Opens no client.

use std::collections::BTreeMap;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use secrecy::{ExposeSecret, SecretString};

pub use super::forbidden::FORBIDDEN;

/// Bytes that a record may need beyond its value: key, headers, envelope, framing.
pub const RECORD_OVERHEAD_BYTES: usize = 64 * 1024;

/// The client's own default of 3000 made each step of a rebalance so long.
const HEARTBEAT_MS: u32 = 500;

/// How the members of the group agree on who owns what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupProtocol {
    /// The members' leader assigns (cooperative-sticky).
    #[default]
    Classic,
    /// The broker assigns (KIP-848). Session and heartbeat are then the broker's settings.
    Consumer,
}

/// How to reach and to trust the brokers. Paths are of PEM files.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// `plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`.
    pub protocol: Option<String>,
    pub ca_file: Option<String>,
    pub certificate_file: Option<String>,
    pub key_file: Option<String>,
    pub key_password: Option<SecretString>,
    pub sasl_mechanism: Option<String>,
    pub user: Option<String>,
    pub password: Option<SecretString>,
}

/// All that decides the clients' configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    pub brokers: String,
    pub group_id: String,
    /// `group.instance.id` of this consumer: a restarted process takes its own partitions back at once.
    pub instance_id: Option<String>,
    pub security: Security,
    /// Properties of librdkafka as the user gave them. See [`FORBIDDEN`].
    pub properties: BTreeMap<String, String>,
    /// After so long without a heartbeat a member's partitions go to others. Classic protocol only.
    pub session_timeout_ms: u32,
    /// After so long the broker aborts a transaction. Below the session timeout, so that no owner waits for a dead one's.
    pub transaction_timeout_ms: u32,
    pub group_protocol: GroupProtocol,
    /// `limits.record_bytes`: the largest value; with [`RECORD_OVERHEAD_BYTES`] the largest record.
    pub record_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            brokers: "localhost:9092".into(),
            group_id: "chatroom-router".into(),
            instance_id: None,
            security: Security::default(),
            properties: BTreeMap::new(),
            session_timeout_ms: 30_000,
            transaction_timeout_ms: 12_000,
            group_protocol: GroupProtocol::default(),
            record_bytes: 512 * 1024,
        }
    }
}

/// A setting that can't stand, with what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingFault {
    pub key: String,
    pub why: String,
}

/// Two names of one property: what the user sets under either replaces what we set.
const ALIASES: &[(&str, &str)] = &[
    ("queue.buffering.max.ms", "linger.ms"),
    ("max.partition.fetch.bytes", "fetch.message.max.bytes"),
];

impl Settings {
    /// Every fault of these settings at once; none opens a connection to find out.
    pub fn faults(&self) -> Vec<SettingFault> {
        let mut faults = Vec::new();
        let mut fault = |key: &str, why: String| faults.push(SettingFault { key: key.into(), why });
        for (key, value) in [("kafka.brokers", &self.brokers), ("kafka.group_id", &self.group_id)] {
            if value.trim().is_empty() {
                fault(key, "must not be empty".into());
            }
        }
        if self.group_protocol == GroupProtocol::Classic && self.transaction_timeout_ms >= self.session_timeout_ms {
            let why = format!("must be below kafka.session_timeout_ms ({})", self.session_timeout_ms);
            fault("kafka.transaction_timeout_ms", why);
        }
        if self.transaction_timeout_ms < 1_000 {
            fault("kafka.transaction_timeout_ms", "must be at least 1000".into());
        }
        for (name, value) in &self.properties {
            if let Some(why) = self.why_not(name, value) {
                fault(&format!("kafka.properties.{name}"), why);
            }
        }
        faults
    }

    fn why_not(&self, name: &str, value: &str) -> Option<String> {
        if let Some((_, why)) = FORBIDDEN.iter().find(|(forbidden, _)| *forbidden == name) {
            return Some((*why).into());
        }
        if name == "heartbeat.interval.ms" && self.group_protocol == GroupProtocol::Consumer {
            return Some(
                "with the consumer protocol the broker decides it (group.consumer.heartbeat.interval.ms)".into(),
            );
        }
        match ClientConfig::new().set(name, value).create_native_config() {
            Ok(_) => None,
            Err(KafkaError::ClientConfig(_, text, _, _)) => Some(text),
            Err(error) => Some(error.to_string()),
        }
    }

    /// The largest record that may be produced, in bytes.
    pub fn largest_record_bytes(&self) -> usize {
        self.record_bytes + RECORD_OVERHEAD_BYTES
    }

    /// A member of the group. Its records and events are read by [`super::Consumer`] alone.
    pub(super) fn member(&self) -> ClientConfig {
        let mut config = self.reading("read_committed");
        match self.group_protocol {
            GroupProtocol::Classic => {
                config.set("group.protocol", "classic");
                config.set("partition.assignment.strategy", "cooperative-sticky");
                config.set("session.timeout.ms", self.session_timeout_ms.to_string());
                // A member hears of a rebalance with its next heartbeat: nobody gets a partition before all have.
                config.set(
                    "heartbeat.interval.ms",
                    (self.session_timeout_ms / 10).min(HEARTBEAT_MS).to_string(),
                );
            }
            GroupProtocol::Consumer => {
                config.set("group.protocol", "consumer");
            }
        }
        if let Some(instance) = &self.instance_id {
            config.set("group.instance.id", instance);
        }
        // An end of a partition is told when a fetch comes back empty.
        config.set("fetch.wait.max.ms", "100");
        // Some batches ahead and no more: what is fetched stands in memory for each worker, whatever the backlog.
        config.set("queued.max.messages.kbytes", "4096");
        config.set("fetch.message.max.bytes", "524288");
        config.set("fetch.max.bytes", "4194304");
        self.overlay(config)
    }

    /// A reader of given ranges, outside the group, though under its name: its rights are the group's.
    pub(super) fn reader(&self) -> ClientConfig {
        self.reader_waiting("20")
    }

    /// The same, for who waits for the end of each range: that is told when a fetch comes back empty.
    pub(super) fn range_reader(&self) -> ClientConfig {
        self.reader_waiting("5")
    }

    fn reader_waiting(&self, fetch_wait_ms: &str) -> ClientConfig {
        let mut config = self.reading("read_committed");
        config.set("fetch.wait.max.ms", fetch_wait_ms);
        self.overlay(config)
    }

    /// A client that is asked for watermarks: those of a `read_committed` one would be last stable offsets.
    pub(super) fn watermarks(&self) -> ClientConfig {
        let config = self.reading("read_uncommitted");
        self.overlay(config)
    }

    fn reading(&self, isolation: &str) -> ClientConfig {
        let mut config = self.common();
        config.set("group.id", &self.group_id);
        config.set("isolation.level", isolation);
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        config.set("auto.offset.reset", "error");
        config.set("check.crcs", "true");
        config.set("enable.partition.eof", "true");
        config.set("allow.auto.create.topics", "false");
        // All partitions of a consumer share one queue, and these bound the whole of it.
        config.set("queued.min.messages", "20000");
        config.set("queued.max.messages.kbytes", "8192");
        config.set("fetch.message.max.bytes", "1048576");
        config.set("fetch.max.bytes", "8388608");
        // The default of 1000 halves the rate of a consumer that reaches the bound.
        config.set("fetch.queue.backoff.ms", "10");
        config.set("fetch.error.backoff.ms", "100");
        config
    }

    /// A transactional producer.
    pub(super) fn producer(&self, transactional_id: &str) -> ClientConfig {
        let mut config = self.producing();
        config.set("transactional.id", transactional_id);
        config.set("transaction.timeout.ms", self.transaction_timeout_ms.to_string());
        self.overlay(config)
    }

    /// A producer without transactions, for who stands outside of the router.
    pub(super) fn feed(&self) -> ClientConfig {
        self.overlay(self.producing())
    }

    /// A producer whose records each have somebody who waits, and no longer than so long.
    pub(super) fn outlet(&self, give_up: std::time::Duration) -> ClientConfig {
        let mut config = self.producing();
        config.set("linger.ms", "0");
        config.set("message.timeout.ms", give_up.as_millis().to_string());
        self.overlay(config)
    }

    fn producing(&self) -> ClientConfig {
        let mut config = self.common();
        config.set("enable.idempotence", "true");
        config.set("acks", "all");
        config.set("partitioner", "murmur2_random");
        config.set("message.max.bytes", self.largest_record_bytes().to_string());
        // A batch is refused whole when it is larger than the topic's max.message.bytes, which fits one largest record.
        config.set("batch.size", self.largest_record_bytes().min(1_000_000).to_string());
        config.set("linger.ms", "5");
        config.set("queue.buffering.max.kbytes", "32768");
        config
    }

    /// A client for requests about topics.
    pub(super) fn admin(&self) -> ClientConfig {
        self.overlay(self.common())
    }

    fn common(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        // The library's `debug` contexts are of use only at its lowest level.
        let debug = self.properties.contains_key("debug");
        config.set_log_level(if debug {
            RDKafkaLogLevel::Debug
        } else {
            RDKafkaLogLevel::Info
        });
        config.set("bootstrap.servers", &self.brokers);
        config.set("client.id", "chatroom-router");
        // Finding a coordinator or a leader again takes several connections, one after another.
        config.set("reconnect.backoff.max.ms", "500");
        config.set("log.connection.close", "false");
        config.set("socket.keepalive.enable", "true");
        let security = &self.security;
        let plain = [
            ("security.protocol", &security.protocol),
            ("ssl.ca.location", &security.ca_file),
            ("ssl.certificate.location", &security.certificate_file),
            ("ssl.key.location", &security.key_file),
            ("sasl.mechanism", &security.sasl_mechanism),
            ("sasl.username", &security.user),
        ];
        for (name, value) in plain {
            value.iter().for_each(|value| _ = config.set(name, value));
        }
        for (name, value) in [
            ("ssl.key.password", &security.key_password),
            ("sasl.password", &security.password),
        ] {
            value
                .iter()
                .for_each(|value| _ = config.set(name, value.expose_secret()));
        }
        config
    }

    /// The user's properties over ours, but for those that users may not set.
    fn overlay(&self, mut config: ClientConfig) -> ClientConfig {
        for (name, value) in &self.properties {
            if self.why_not(name, value).is_some() {
                continue;
            }
            for (one, other) in ALIASES {
                if name == one {
                    config.remove(other);
                }
            }
            config.set(name, value);
        }
        config
    }
}

#[cfg(test)]
#[path = "client_config_tests.rs"]
mod tests;
