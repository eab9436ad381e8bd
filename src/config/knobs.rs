//! Every setting, once: its key with the unit in its name, its shape, its default and why one would change it.
//! `config show`, the example file and the checks are made from this table; a key that isn't here is a fault.

use super::knob::{Kind, Knob, Preset};
use super::knobs_api::API;
use super::shape;

use Kind::{Choice, File, Flag, Number, Properties, Secret, Text, Url};
use Preset::{Derived, Is};

pub(super) const fn knob(key: &'static str, kind: Kind, default: Preset, why: &'static str) -> Knob {
    Knob {
        key,
        kind,
        default,
        why,
    }
}

/// In the order in which they are shown. Keys of one section stand together.
pub const KNOBS: &[&[Knob]] = &[PROCESS, KAFKA, SECURITY, PROPERTIES, TOPICS, WORK, KEPT, API, SERVICE];

const PROCESS: &[Knob] = &[knob(
    "workers",
    Number(0, 64),
    Derived("the number of cores, at most 4 and at most topics.partitions", "2"),
    "Threads that route, each with a consumer and a producer of its own. More use more cores; beyond the number of partitions they idle. 0: the process routes nothing and only serves the API.",
)];

const KAFKA: &[Knob] = &[
    knob(
        "kafka.brokers",
        Text(shape::brokers),
        Is("localhost:9092"),
        "Where the first brokers answer: host:port, separated by commas.",
    ),
    knob(
        "kafka.group_id",
        Text(shape::name),
        Is("chatroom-router"),
        "The consumer group. It is part of the transactional ids too: another one is another router with another state.",
    ),
    knob(
        "kafka.instance_id",
        Text(shape::name),
        Derived("the host's name and the first free slot on it", "router-0"),
        "Names this process for good, and gives its transactional ids. A second live process with the same id fences the first.",
    ),
    knob(
        "kafka.static_membership",
        Flag,
        Is("false"),
        "Join the group under the instance id, so that a restart within the session timeout takes its partitions back at once; the group then rebalances once, and none of them moves. Needs an instance id that outlives the restart; of a process that ends for good the partitions stand still until the session timeout.",
    ),
    knob(
        "kafka.group_protocol",
        Choice(&["classic", "consumer"]),
        Is("classic"),
        "consumer is KIP-848: the brokers assign, and their group.consumer.session.timeout.ms holds in place of kafka.session_timeout_ms.",
    ),
    knob(
        "kafka.session_timeout_ms",
        Number(6_000, 300_000),
        Is("30000"),
        "How long the partitions of a killed process wait for another. Must exceed kafka.transaction_timeout_ms.",
    ),
    knob(
        "kafka.transaction_timeout_ms",
        Number(2_000, 120_000),
        Is("12000"),
        "After this the brokers abort the open transaction of a process that is gone, and readers get on. Below kafka.session_timeout_ms, so that it is over before another process takes the partition.",
    ),
];

const SECURITY: &[Knob] = &[
    knob(
        "kafka.security.protocol",
        Choice(&["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]),
        Is("plaintext"),
        "How to talk to the brokers.",
    ),
    knob(
        "kafka.security.ca_file",
        File,
        Derived("the system's", "/etc/chatroom-router/ca.pem"),
        "The certificate authorities that may vouch for the brokers, as PEM.",
    ),
    knob(
        "kafka.security.certificate_file",
        File,
        Derived("none", "/etc/chatroom-router/certificate.pem"),
        "Our own certificate, as PEM, where the brokers ask for one. Goes with kafka.security.key_file.",
    ),
    knob(
        "kafka.security.key_file",
        File,
        Derived("none", "/etc/chatroom-router/key.pem"),
        "The private key of kafka.security.certificate_file, as PEM.",
    ),
    knob(
        "kafka.security.key_password",
        Secret(shape::any),
        Derived("none", ""),
        "Opens kafka.security.key_file, if it is locked.",
    ),
    knob(
        "kafka.security.sasl_mechanism",
        Choice(&["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]),
        Is("SCRAM-SHA-512"),
        "How to prove who we are; used if the protocol is a sasl one.",
    ),
    knob(
        "kafka.security.user",
        Text(shape::any),
        Derived("none", "router"),
        "Whom to log in as, if the protocol is a sasl one.",
    ),
    knob(
        "kafka.security.password",
        Secret(shape::any),
        Derived("none", ""),
        "The password of kafka.security.user.",
    ),
];

const PROPERTIES: &[Knob] = &[knob(
    "kafka.properties.*",
    Properties,
    Derived("none", ""),
    "Any property of librdkafka by its own name, for all our clients. Those that exactly-once rests on are refused, with the reason. In the environment _ stands for each dot.",
)];

const TOPICS: &[Knob] = &[
    knob(
        "topics.prefix",
        Text(shape::topic_prefix),
        Is(""),
        "Stands before every topic's name, those set here included.",
    ),
    knob(
        "topics.partitions",
        Number(1, 256),
        Is("32"),
        "Partitions of router-commands and router-changelog: a power of two, the most tasks that can run at once. Fixed once there is state. The inputs may have any number.",
    ),
    knob(
        "topics.replication_factor",
        Number(1, 32),
        Derived("the brokers' own default", "3"),
        "Copies of each topic that `topics apply` makes.",
    ),
    knob(
        "topics.refresh_seconds",
        Number(1, 3_600),
        Is("30"),
        "How often to look whether an input has got more partitions.",
    ),
    knob(
        "topics.purge_seconds",
        Number(1, 3_600),
        Is("60"),
        "How often to delete from router-commands what was judged, since it may be about persons.",
    ),
    knob(
        "topics.inbound_messages",
        Text(shape::topic),
        Is("inbound-messages"),
        "In: what customers write.",
    ),
    knob(
        "topics.crm_changes",
        Text(shape::topic),
        Is("crm-changes"),
        "In: contacts and chatrooms, from the CRM.",
    ),
    knob(
        "topics.org_settings",
        Text(shape::topic),
        Is("org-settings"),
        "In: each org's settings.",
    ),
    knob(
        "topics.outbound_requests",
        Text(shape::topic),
        Is("outbound-requests"),
        "In: what agents want to send.",
    ),
    knob(
        "topics.routed_messages",
        Text(shape::topic),
        Is("routed-messages"),
        "Out: messages with their chatroom.",
    ),
    knob(
        "topics.unrouted_messages",
        Text(shape::topic),
        Is("unrouted-messages"),
        "Out: messages without one, and why.",
    ),
    knob(
        "topics.lifecycle_events",
        Text(shape::topic),
        Is("lifecycle-events"),
        "Out: what became of contacts and chatrooms.",
    ),
    knob(
        "topics.outbound_messages",
        Text(shape::topic),
        Is("outbound-messages"),
        "Out: what the gateway is to send.",
    ),
    knob(
        "topics.command_results",
        Text(shape::topic),
        Is("command-results"),
        "Out: one answer to each command.",
    ),
    knob(
        "topics.dead_letters",
        Text(shape::topic),
        Is("dead-letters"),
        "Out: what could not be read, byte for byte.",
    ),
    knob(
        "topics.router_commands",
        Text(shape::topic),
        Is("router-commands"),
        "Ours: records on their way to their home.",
    ),
    knob(
        "topics.router_changelog",
        Text(shape::topic),
        Is("router-changelog"),
        "Ours: the state.",
    ),
    knob(
        "topics.router_settings",
        Text(shape::topic),
        Is("router-settings"),
        "Ours: the settings that were accepted.",
    ),
];

const WORK: &[Knob] = &[
    knob(
        "batch.max_records",
        Number(1, 100_000),
        Is("10000"),
        "Records in one transaction, at most. More raise the rate under load, and with it the memory, some kilobytes for each, and the time that an abort repeats.",
    ),
    knob(
        "batch.max_bytes",
        Number(65_536, 268_435_456),
        Is("4194304"),
        "Bytes of the records of one transaction, at most. At least limits.record_bytes.",
    ),
    knob(
        "batch.linger_ms",
        Number(0, 1_000),
        Is("5"),
        "How long a batch waits for more, when there is little to do. Adds to the latency; fewer transactions load the brokers less.",
    ),
    knob(
        "timers.grace_seconds",
        Number(0, 86_400),
        Is("600"),
        "How far behind its input and the clock a sweep stays. Less shows what has expired sooner; more forgives producers that are late. Where messages go does not depend on it.",
    ),
    knob(
        "timers.sweep_interval_ms",
        Number(10, 600_000),
        Is("1000"),
        "How often to look for timers that are due.",
    ),
];

const KEPT: &[Knob] = &[
    knob(
        "index.url",
        Url(shape::address),
        Is("redis://localhost:6379/0"),
        "Where Redis or Valkey answers: redis://host:6379/0, or rediss:// for TLS; several hosts with commas, or redis+cluster://host:6379, for a cluster; redis+sentinel://host:26379,host:26379/service/0.",
    ),
    knob(
        "index.user",
        Text(shape::any),
        Derived("the default user", "router"),
        "Whom to log in as, with Redis ACLs.",
    ),
    knob(
        "index.password",
        Secret(shape::any),
        Derived("none", ""),
        "The password of Redis.",
    ),
    knob(
        "index.scrub_seconds",
        Number(0, 86_400),
        Is("10"),
        "How often what was written last is compared with the index, one partition after another. 0: never.",
    ),
    knob(
        "index.prefix",
        Text(shape::name),
        Derived("kafka.group_id", "chatroom-router"),
        "Stands before every key, so that several routers can share one Redis.",
    ),
    knob(
        "index.connect_timeout_ms",
        Number(10, 60_000),
        Is("2000"),
        "How long an attempt to connect may take.",
    ),
    knob(
        "index.timeout_ms",
        Number(10, 60_000),
        Is("5000"),
        "How long a reply may take before the call counts as failed and is made again.",
    ),
    knob(
        "state.overlay_max_bytes",
        Number(1_048_576, 17_179_869_184),
        Is("67108864"),
        "State that is committed and not yet in Redis, at most, for each worker: beyond it partitions pause until Redis has caught up. At least batch.max_bytes.",
    ),
    knob(
        "state.cache_entries",
        Number(0, 100_000_000),
        Is("50000"),
        "Entries kept in memory for each worker, to spare reads of Redis, at 512 bytes of memory: a larger one counts as several, a smaller one as one. Its tasks share them evenly.",
    ),
    knob(
        "state.key",
        Secret(shape::long),
        Derived("made of the state's incarnation", ""),
        "Keys the hashes of phones and ids in the state. Set it before the first start, or never: another one finds nothing again.",
    ),
    knob(
        "state.format",
        Number(1, 2),
        Is("1"),
        "The format in which state is written. Raise it only when every process runs a version that reads the new one. 2 restores faster.",
    ),
];

const SERVICE: &[Knob] = &[
    knob(
        "admin.listen",
        Text(shape::listen),
        Is("127.0.0.1:9464"),
        "Where /livez, /readyz, /metrics, /version and /log-level answer. Empty: nowhere.",
    ),
    knob(
        "limits.record_bytes",
        Number(1_024, 16_777_216),
        Is("524288"),
        "A larger input record is a dead letter. With 65536 more it must fit max.message.bytes of every output.",
    ),
    knob(
        "limits.bad_burst_records",
        Number(10, 1_000_000),
        Is("500"),
        "Over so many of its last records the share of bad ones (dead letters) of an input's partition is taken. Too few halt on a handful of typing errors, or on a test; more move more to the dead letters first: 500 and 50 percent are 250 for each partition. Counted anew after a restart or a rebalance.",
    ),
    knob(
        "limits.bad_share_percent",
        Number(1, 100),
        Is("50"),
        "Of a hundred such records, at most so many may be bad. One more halts that partition alone, at that record, and pages: its producer is broken, and what it sends is safer where it stands. `dead-letters go-on` lets it go on. 100 never halts.",
    ),
    knob(
        "shutdown.drain_seconds",
        Number(1, 600),
        Is("20"),
        "How long to finish what is under way after SIGTERM. Below the time after which the supervisor kills.",
    ),
    knob(
        "log.format",
        Choice(&["text", "json"]),
        Derived("text on a terminal, else json", "json"),
        "One event is one line.",
    ),
    knob(
        "log.level",
        Text(shape::log_level),
        Is("info"),
        "error, warn, info, debug or trace; after commas other levels for parts: info,rdkafka=warn.",
    ),
];

/// All settings, in the order in which they are shown.
pub fn all() -> impl Iterator<Item = &'static Knob> {
    KNOBS.iter().flat_map(|section| section.iter())
}
