//! Drives the real program over its wire contracts, against a real Kafka and Redis, and checks it by a model of the
//! rules that shares no code with it. `make test` sets `KAFKA_BROKERS` and `REDIS_URL`.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // A test that panics has said what it found.

mod api;
mod events;
mod faults;
mod harness;
mod help;
mod letters;
mod load;
mod model;
mod questions;
mod rules;
mod scenario;
mod upkeep;
mod verify;
mod wait;
