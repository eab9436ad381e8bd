//! Drives the real program over its wire contracts, against a real Kafka and Redis, and checks it by a model of the
//! rules that shares no code with it. `make test` sets `KAFKA_BROKERS` and `REDIS_URL`.

mod faults;
mod harness;
mod model;
mod rules;
mod scenario;
mod verify;
mod wait;
