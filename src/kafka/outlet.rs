//! A producer that many use at once, each of whom waits for a record of its own. In no transaction: what is sent again may
//! stand in the topic twice.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, FutureRecord};

use super::consumer::Quiet;
use super::delivery::owned_headers;
use super::{Error, Kind, NewRecord, Position, Settings};

/// An idempotent producer that waits for all replicas and partitions as Java's default does.
pub struct Outlet {
    settings: Settings,
    give_up: Duration,
    native: Mutex<FutureProducer<Quiet>>,
}

impl Outlet {
    /// Connects in the background. A record that the brokers don't take within `give_up` has failed.
    pub fn open(settings: &Settings, give_up: Duration) -> Result<Self, Error> {
        Ok(Self {
            settings: settings.clone(),
            give_up,
            native: Mutex::new(open(settings, give_up)?),
        })
    }

    /// Sends it, and says where it came to stand. After an error of [`Kind::Retry`] it may stand there all the same.
    pub async fn send(&self, record: &NewRecord) -> Result<Position, Error> {
        let sent = self.deliver(record).await;
        if let Err(error) = &sent
            && error.kind() == Kind::Replace
        {
            tracing::warn!(%error, "kafka_outlet_replaced");
            *self.native.lock().unwrap_or_else(PoisonError::into_inner) = open(&self.settings, self.give_up)?;
        }
        sent
    }

    async fn deliver(&self, record: &NewRecord) -> Result<Position, Error> {
        let fail = |source: KafkaError| Error::client("producing", source);
        let native = self.native.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let ours = FutureRecord::<[u8], [u8]> {
            topic: &record.topic,
            partition: record.partition,
            payload: record.value.as_deref(),
            key: record.key.as_deref(),
            timestamp: record.timestamp,
            headers: owned_headers(&record.headers),
        };
        let delivery = native.send_result(ours).map_err(|(error, _)| fail(error))?;
        let delivered = delivery
            .await
            .map_err(|_| Error::Misuse("a producer ended while its records were under way"))?;
        let delivered = delivered.map_err(|(error, _)| fail(error))?;
        Ok(Position {
            topic: record.topic.clone(),
            partition: delivered.partition,
            offset: delivered.offset,
        })
    }
}

fn open(settings: &Settings, give_up: Duration) -> Result<FutureProducer<Quiet>, Error> {
    FutureProducer::from_config_and_context(&settings.outlet(give_up), Quiet::default())
        .map_err(|source| Error::client("opening a producer", source))
}
