//! Where the Kafka and the Redis of the tests are: both given by the caller, neither guessed.

use std::env;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, OnceLock};

static OWN_KAFKA: OnceLock<String> = OnceLock::new();

pub fn kafka_brokers() -> String {
    OWN_KAFKA.get().cloned().unwrap_or_else(|| given("KAFKA_BROKERS"))
}

/// For tests that start a Kafka of their own: this is it, from now on and for all of this process.
pub fn use_kafka(brokers: &str) {
    let set = OWN_KAFKA.set(brokers.to_owned());
    assert!(set.is_ok(), "one Kafka for all tests of a process");
}

pub fn redis_url() -> String {
    given("REDIS_URL")
}

fn given(variable: &str) -> String {
    env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: run `make test`, which starts a Kafka and a Redis, or set it to one of your own")
    })
}

/// A port of 127.0.0.1 that nobody listened on a moment ago. None of those that systems give to connections (on Linux from 32768
/// on): so none takes it before somebody listens there, nor while that one is away. Nor is it given twice.
pub fn free_port() -> u16 {
    static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(RandomState::new().hash_one("anywhere")));
    loop {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 15_000 + (next % 15_000) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
