//! The configuration as the program reads it: typed, valid, one struct for each section.

use super::tokens::{self, Token};
use super::topics::{self, Topics};
use super::values::Values;
use crate::contract::TopicKind;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// All that can be set. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Config {
    pub workers: usize,
    pub kafka: Kafka,
    pub topics: Topics,
    pub batch: Batch,
    pub timers: Timers,
    pub index: Index,
    pub state: State,
    pub api: Api,
    pub admin: Admin,
    pub limits: Limits,
    pub shutdown: Shutdown,
    pub log: Log,
}

/// `kafka.*`
#[derive(Debug, Clone)]
pub struct Kafka {
    pub brokers: String,
    pub group_id: String,
    /// None: made of the host's name and the first free slot on it.
    pub instance_id: Option<String>,
    pub static_membership: bool,
    pub group_protocol: GroupProtocol,
    pub session_timeout: Duration,
    pub transaction_timeout: Duration,
    pub security: Security,
    /// librdkafka's own, by their own names; none of those that exactly-once rests on.
    pub properties: BTreeMap<String, SecretString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupProtocol {
    Classic,
    /// KIP-848.
    Consumer,
}

/// `kafka.security.*`: how the brokers know us, and we them.
#[derive(Debug, Clone)]
pub struct Security {
    /// `plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`.
    pub protocol: String,
    pub tls: Option<Tls>,
    pub sasl: Option<Sasl>,
}

/// Paths of PEM files. What is absent is the system's, or not shown to the brokers.
#[derive(Debug, Clone)]
pub struct Tls {
    pub ca_file: Option<String>,
    pub certificate_file: Option<String>,
    pub key_file: Option<String>,
    pub key_password: Option<SecretString>,
}

#[derive(Debug, Clone)]
pub struct Sasl {
    /// By its name in the protocol, such as `SCRAM-SHA-512`.
    pub mechanism: String,
    pub user: String,
    pub password: SecretString,
}

/// `batch.*`: the bounds of a transaction.
#[derive(Debug, Clone, Copy)]
pub struct Batch {
    pub max_records: usize,
    pub max_bytes: usize,
    pub linger: Duration,
}

/// `timers.*`
#[derive(Debug, Clone, Copy)]
pub struct Timers {
    pub grace: Duration,
    pub sweep_interval: Duration,
}

/// `index.*`
#[derive(Debug, Clone)]
pub struct Index {
    /// May hold a password.
    pub url: SecretString,
    pub user: Option<String>,
    pub password: Option<SecretString>,
    pub prefix: String,
    pub connect_timeout: Duration,
    /// Of a reply.
    pub timeout: Duration,
    /// From one comparison with the changelog to the next; none: zero.
    pub scrub: Duration,
}

/// `state.*`
#[derive(Debug, Clone)]
pub struct State {
    pub overlay_max_bytes: usize,
    pub cache_entries: usize,
    /// None: made of the incarnation.
    pub key: Option<SecretString>,
    pub format: u32,
}

/// `api.*`
#[derive(Debug, Clone)]
pub struct Api {
    /// None: off.
    pub listen: Option<String>,
    pub tokens: Vec<Token>,
    pub result_timeout: Duration,
    pub request_timeout: Duration,
    pub max_connections: usize,
    /// Of one token.
    pub requests_per_second: u32,
    /// Of one token.
    pub requests_at_once: usize,
    pub events: Events,
    /// None: plain HTTP.
    pub tls: Option<ApiTls>,
}

/// `api.events.*`
#[derive(Debug, Clone, Copy)]
pub struct Events {
    pub max_readers: usize,
    pub max_readers_per_token: usize,
    pub ring_bytes: usize,
}

/// Paths of PEM files.
#[derive(Debug, Clone)]
pub struct ApiTls {
    pub certificate_file: String,
    pub key_file: String,
}

/// `admin.*`
#[derive(Debug, Clone)]
pub struct Admin {
    /// None: off.
    pub listen: Option<String>,
}

/// `limits.*`
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub record_bytes: usize,
    pub bad_burst_records: usize,
    pub bad_share_percent: usize,
}

/// `shutdown.*`
#[derive(Debug, Clone, Copy)]
pub struct Shutdown {
    pub drain: Duration,
}

/// `log.*`
#[derive(Debug, Clone)]
pub struct Log {
    pub format: LogFormat,
    pub level: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    Text,
    Json,
}

impl Config {
    /// Whole numbers fit their types, since the ranges of the knobs do.
    pub(super) fn from(values: &mut Values) -> Self {
        Self {
            workers: values.count("workers"),
            kafka: Kafka::from(values),
            topics: all_topics(values),
            batch: Batch {
                max_records: values.count("batch.max_records"),
                max_bytes: values.count("batch.max_bytes"),
                linger: values.millis("batch.linger_ms"),
            },
            timers: Timers {
                grace: values.seconds("timers.grace_seconds"),
                sweep_interval: values.millis("timers.sweep_interval_ms"),
            },
            index: Index {
                url: values.secret("index.url").unwrap_or_default(),
                user: values.text_if_any("index.user"),
                password: values.secret("index.password"),
                prefix: values.text("index.prefix"),
                connect_timeout: values.millis("index.connect_timeout_ms"),
                timeout: values.millis("index.timeout_ms"),
                scrub: values.seconds("index.scrub_seconds"),
            },
            state: State {
                overlay_max_bytes: values.count("state.overlay_max_bytes"),
                cache_entries: values.count("state.cache_entries"),
                key: values.secret("state.key"),
                format: values.number("state.format") as u32,
            },
            api: Api::from(values),
            admin: Admin {
                listen: values.text_if_any("admin.listen").filter(|listen| !listen.is_empty()),
            },
            limits: Limits {
                record_bytes: values.count("limits.record_bytes"),
                bad_burst_records: values.count("limits.bad_burst_records"),
                bad_share_percent: values.count("limits.bad_share_percent"),
            },
            shutdown: Shutdown {
                drain: values.seconds("shutdown.drain_seconds"),
            },
            log: Log::from(values),
        }
    }
}

impl Kafka {
    fn from(values: &mut Values) -> Self {
        Self {
            brokers: values.text("kafka.brokers"),
            group_id: values.text("kafka.group_id"),
            instance_id: values.text_if_any("kafka.instance_id"),
            static_membership: values.flag("kafka.static_membership"),
            group_protocol: match values.text("kafka.group_protocol").as_str() {
                "consumer" => GroupProtocol::Consumer,
                _ => GroupProtocol::Classic,
            },
            session_timeout: values.millis("kafka.session_timeout_ms"),
            transaction_timeout: values.millis("kafka.transaction_timeout_ms"),
            security: Security::from(values),
            properties: values.properties(),
        }
    }
}

impl Security {
    fn from(values: &mut Values) -> Self {
        let protocol = values.text("kafka.security.protocol");
        let tls = Tls {
            ca_file: values.text_if_any("kafka.security.ca_file"),
            certificate_file: values.text_if_any("kafka.security.certificate_file"),
            key_file: values.text_if_any("kafka.security.key_file"),
            key_password: values.secret("kafka.security.key_password"),
        };
        let sasl = Sasl {
            mechanism: values.text("kafka.security.sasl_mechanism"),
            user: values.text("kafka.security.user"),
            password: values.secret("kafka.security.password").unwrap_or_default(),
        };
        Self {
            tls: protocol.ends_with("ssl").then_some(tls),
            sasl: protocol.starts_with("sasl").then_some(sasl),
            protocol,
        }
    }
}

impl Api {
    fn from(values: &mut Values) -> Self {
        let certificate = values.text_if_any("api.tls.certificate_file");
        let key = values.text_if_any("api.tls.key_file");
        let tls = certificate.zip(key).map(|(certificate_file, key_file)| ApiTls {
            certificate_file,
            key_file,
        });
        Self {
            listen: values.text_if_any("api.listen").filter(|listen| !listen.is_empty()),
            // What was written can be read, or it was a fault.
            tokens: tokens::parse(&values.text("api.tokens")).unwrap_or_default(),
            result_timeout: values.millis("api.result_timeout_ms"),
            request_timeout: values.millis("api.request_timeout_ms"),
            max_connections: values.count("api.max_connections"),
            requests_per_second: values.number("api.requests_per_second") as u32,
            requests_at_once: values.count("api.requests_at_once"),
            events: Events {
                max_readers: values.count("api.events.max_readers"),
                max_readers_per_token: values.count("api.events.max_readers_per_token"),
                ring_bytes: values.count("api.events.ring_bytes"),
            },
            tls,
        }
    }
}

impl Log {
    fn from(values: &mut Values) -> Self {
        Self {
            format: match values.text("log.format").as_str() {
                "text" => LogFormat::Text,
                "json" => LogFormat::Json,
                _ => LogFormat::Auto,
            },
            level: values.text("log.level"),
        }
    }
}

fn all_topics(values: &mut Values) -> Topics {
    let prefix = values.text("topics.prefix");
    let names = TopicKind::ALL.map(|kind| {
        let name = values.text(&format!("topics.{}", topics::key(kind)));
        Arc::from(format!("{prefix}{name}"))
    });
    Topics {
        prefix,
        partitions: values.number("topics.partitions") as i32,
        replication_factor: values
            .number_if_any("topics.replication_factor")
            .map(|factor| factor as i32),
        refresh: values.seconds("topics.refresh_seconds"),
        purge: values.seconds("topics.purge_seconds"),
        names,
    }
}
