//! The index: one contract for the twin in memory, a real Redis and a real cluster; and what becomes of calls when servers fail.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // A test that panics has said what it found.

mod contract;
mod failures;
mod servers;
mod speed;
mod walk;

use chatroom_router::index::{Batch, Change, Generation, Index, Op, Settings};
use uuid::Uuid;

/// The Redis that REDIS_URL names, under a prefix of its own.
fn shared_redis() -> Index {
    let url = std::env::var("REDIS_URL").expect("set REDIS_URL to a Redis to test with, as `make test` does");
    redis_at(&url)
}

fn redis_at(url: &str) -> Index {
    let mut settings = Settings::new(url);
    settings.prefix = format!("test-{}", Uuid::new_v4().simple());
    Index::redis(&settings).expect("the address of a Redis")
}

fn generation() -> Generation {
    Generation {
        incarnation: Uuid::from_u128(1),
        generation: Uuid::new_v4(),
        format: 1,
    }
}

fn put(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Op {
    Op::Put {
        key: key.as_ref().to_vec(),
        value: value.as_ref().to_vec(),
    }
}

fn delete(key: &str) -> Op {
    Op::Delete { key: key.into() }
}

fn clock(clock: &str, member: &str, start: impl Into<Option<i64>>) -> Op {
    Op::Clock {
        clock: clock.into(),
        member: member.into(),
        start: start.into(),
    }
}

fn change(offset: i64, ops: impl Into<Vec<Op>>) -> Change {
    Change {
        offset,
        ops: ops.into(),
    }
}

fn batch(from: i64, to: i64, changes: impl Into<Vec<Change>>) -> Batch {
    Batch {
        from,
        to,
        changes: changes.into(),
        applied_until: None,
    }
}
