//! Which requests the inputs hold more than once: a producer whose leader was killed may write again what had been taken,
//! idempotence or not, and who asks twice is answered twice.

use crate::harness::services::kafka_brokers;
use crate::harness::topics::{CRM, OUTBOUND_REQUESTS};
use crate::wait;
use chatroom_router::kafka::{Reading, Replay, Settings};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

const POLL: Duration = Duration::from_millis(50);

/// How often each request stands there that stands there more than once.
pub fn doubled(prefix: &str) -> HashMap<String, usize> {
    let topics = [CRM, OUTBOUND_REQUESTS].map(|name| Arc::from(format!("{prefix}{name}")));
    let settings = Settings {
        brokers: kafka_brokers(),
        ..Settings::default()
    };
    let beginning = &|_: &_| Some(0);
    let mut replay = Replay::open(&settings, &topics, (0, beginning), wait::PATIENCE).expect("Kafka answers");
    let mut left: BTreeMap<_, _> = replay.ends().iter().filter(|(_, end)| *end > 0).cloned().collect();
    let mut counts = HashMap::<String, usize>::new();
    wait::until("the inputs to be read", wait::PATIENCE, || {
        match replay.next(POLL).expect("Kafka answers") {
            Reading::Record(record) => {
                let value: Value = serde_json::from_slice(record.value.as_deref().unwrap_or_default()).ok()?;
                *counts.entry(value["request_id"].as_str()?.to_owned()).or_default() += 1;
            }
            Reading::UpTo(position) => {
                left.retain(|at, end| *at != position.topic_partition() || *end > position.offset);
            }
            Reading::Nothing => {}
        }
        left.is_empty().then_some(())
    });
    counts.into_iter().filter(|(_, count)| *count > 1).collect()
}
