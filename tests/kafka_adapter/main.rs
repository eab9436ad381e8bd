//! The Kafka adapter against a real Kafka (`KAFKA_BROKERS`), and against the mock cluster for what that can show.

mod mock;
mod positions;
mod rebalances;
mod restoring;
mod support;
mod topics;
mod transactions;
