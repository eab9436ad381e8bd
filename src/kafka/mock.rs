//! A Kafka cluster inside this process, with nothing to install: for `demo`, and for the error paths of clients. It proves
//! nothing about exactly-once: its EndTxn does nothing, offsets of transactions are dropped, aborted records stay visible, a
//! partition's log is cut at 5 MiB or 100,000 records, and it knows neither topic settings nor DeleteRecords.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::mocking;
use rdkafka::producer::{BaseProducer, DefaultProducerContext, Producer as _};

use super::{Error, native};

/// The cluster; it ends when this is dropped, so after its clients.
pub struct MockCluster {
    client: BaseProducer,
    brokers: String,
}

impl MockCluster {
    /// Starts one broker with these topics. A group's first assignment comes at once.
    pub fn start(topics: &[(&str, i32)]) -> Result<Self, Error> {
        let fail = |source: KafkaError| Error::client("starting the mock cluster", source);
        let client: BaseProducer = ClientConfig::new()
            .set("test.mock.num.brokers", "1")
            .set("log_level", "3")
            .create()
            .map_err(fail)?;
        let brokers = {
            let cluster = client
                .client()
                .mock_cluster()
                .ok_or(Error::Misuse("there is no mock cluster"))?;
            for (topic, partitions) in topics {
                cluster.create_topic(topic, *partitions, 1).map_err(fail)?;
            }
            cluster.bootstrap_servers()
        };
        native::set_mock_rebalance_delay(client.client(), Duration::ZERO);
        Ok(Self { client, brokers })
    }

    /// What to set as `kafka.brokers`.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Every answer of the broker takes so long.
    pub fn set_round_trip(&self, time: Duration) -> Result<(), Error> {
        self.cluster()?
            .broker_round_trip_time(-1, time)
            .map_err(|source| Error::client("slowing the mock cluster down", source))
    }

    /// A partition has no leader, as while its broker is fenced, or has one again.
    pub fn set_led(&self, of: &super::TopicPartition, led: bool) -> Result<(), Error> {
        self.cluster()?
            .partition_leader(&of.topic, of.partition, led.then_some(1))
            .map_err(|source| Error::client("taking a partition's leader away", source))
    }

    fn cluster(&self) -> Result<mocking::MockCluster<'_, DefaultProducerContext>, Error> {
        self.client
            .client()
            .mock_cluster()
            .ok_or(Error::Misuse("there is no mock cluster"))
    }

    /// Cuts every connection and refuses new ones, or takes them again.
    pub fn set_reachable(&self, reachable: bool) -> Result<(), Error> {
        let cluster = self.cluster()?;
        let done = if reachable {
            cluster.broker_up(-1)
        } else {
            cluster.broker_down(-1)
        };
        done.map_err(|source| Error::client("cutting the mock cluster off", source))
    }
}
