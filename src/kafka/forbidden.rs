//! The properties of librdkafka that users may not set, each with its reason. Judges no values.

const OURS: &str = "the program relies on the value that it sets itself; remove it";
const ONCE: &str = "exactly-once rests on the value that the program sets itself; remove it";
const SECURITY: &str = "set it under kafka.security, where secrets are kept out of logs and of what is shown";

/// Properties that users may not set, and why.
pub const FORBIDDEN: &[(&str, &str)] = &[
    ("bootstrap.servers", "set kafka.brokers"),
    ("metadata.broker.list", "set kafka.brokers"),
    ("group.id", "set kafka.group_id"),
    ("group.instance.id", "set kafka.instance_id"),
    ("group.protocol", "set kafka.group_protocol"),
    ("group.protocol.type", ONCE),
    ("group.remote.assignor", ONCE),
    (
        "partition.assignment.strategy",
        "tasks move one by one, which only cooperative-sticky does; remove it",
    ),
    (
        "session.timeout.ms",
        "set kafka.session_timeout_ms, which is checked against the transactions' timeout",
    ),
    (
        "transaction.timeout.ms",
        "set kafka.transaction_timeout_ms, which is checked against the session's timeout",
    ),
    (
        "transactional.id",
        "made from group, host and slot, so that a restarted process ends its own transaction; remove it",
    ),
    ("enable.idempotence", ONCE),
    ("acks", ONCE),
    ("request.required.acks", ONCE),
    ("retries", ONCE),
    ("message.send.max.retries", ONCE),
    (
        "message.timeout.ms",
        "a record is given up with its transaction, never before; remove it",
    ),
    (
        "delivery.timeout.ms",
        "a record is given up with its transaction, never before; remove it",
    ),
    (
        "partitioner",
        "a record's home is a partition by murmur2, as Java's producers pick it; remove it",
    ),
    ("isolation.level", "aborted records must never be read; remove it"),
    (
        "enable.auto.commit",
        "offsets are committed in the transaction of what they caused; remove it",
    ),
    (
        "auto.commit.enable",
        "offsets are committed in the transaction of what they caused; remove it",
    ),
    (
        "auto.commit.interval.ms",
        "offsets are committed in the transaction of what they caused; remove it",
    ),
    ("enable.auto.offset.store", ONCE),
    ("offset.store.method", ONCE),
    (
        "auto.offset.reset",
        "a lost position must stop the partition, not skip or repeat records; remove it",
    ),
    (
        "check.crcs",
        "a damaged record must not be taken for a whole one; remove it",
    ),
    ("enable.partition.eof", OURS),
    ("message.max.bytes", "set limits.record_bytes"),
    (
        "allow.auto.create.topics",
        "a topic made by accident has the wrong settings: use `topics apply`",
    ),
    ("test.mock.num.brokers", OURS),
    ("security.protocol", SECURITY),
    ("ssl.ca.location", SECURITY),
    ("ssl.certificate.location", SECURITY),
    ("ssl.key.location", SECURITY),
    ("ssl.key.password", SECURITY),
    ("sasl.mechanism", SECURITY),
    ("sasl.mechanisms", SECURITY),
    ("sasl.username", SECURITY),
    ("sasl.password", SECURITY),
];
