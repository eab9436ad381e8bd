//! The Kafka adapter against a real Kafka (`KAFKA_BROKERS`), and against the mock cluster for what that can show.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // A test that panics has said what it found.

mod mock;
mod positions;
mod prompt;
mod rebalances;
mod restoring;
mod searching;
mod support;
mod topics;
mod transactions;
