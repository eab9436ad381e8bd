//! Produces to the inputs as the world does: any bytes, key, partition, timestamp and headers.

use super::topics::client_config;
use crate::wait;
use jiff::Timestamp;
use rdkafka::ClientContext;
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, NoCustomPartitioner, Producer, ProducerContext, ThreadedProducer};
use std::sync::mpsc::{Receiver, Sender, channel};

/// A record to be produced. Nothing in it is checked: much of it is wrong on purpose.
#[derive(Clone, Debug)]
pub struct Input {
    pub topic: &'static str,
    pub key: Option<String>,
    pub value: Option<Vec<u8>>,
    pub at: Timestamp,
    pub partition: Option<i32>,
    pub headers: Vec<(String, String)>,
}

impl Input {
    pub fn new(topic: &'static str, key: &str, value: &[u8], at: Timestamp) -> Input {
        Input {
            topic,
            key: Some(key.to_owned()),
            value: Some(value.to_vec()),
            at,
            partition: None,
            headers: Vec::new(),
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Input {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn key(mut self, key: Option<&str>) -> Input {
        self.key = key.map(str::to_owned);
        self
    }

    pub fn partition(mut self, partition: i32) -> Input {
        self.partition = Some(partition);
        self
    }
}

/// Where it came to stand.
pub struct Delivery(Receiver<Result<(i32, i64), String>>);

impl Delivery {
    pub fn place(self) -> (i32, i64) {
        let answer = self.0.recv_timeout(wait::PATIENCE).expect("Kafka answers");
        answer.unwrap_or_else(|error| panic!("Kafka refused a record: {error}"))
    }
}

struct Reports;

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Sender<Result<(i32, i64), String>>>;

    fn delivery(&self, result: &DeliveryResult<'_>, report: Self::DeliveryOpaque) {
        let place = match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(error.to_string()),
        };
        let _ = report.send(place);
    }
}

pub struct Client {
    prefix: String,
    producer: ThreadedProducer<Reports, NoCustomPartitioner>,
}

impl Client {
    /// The brokers take a large record of this producer because it is small once packed.
    pub fn new(prefix: &str) -> Client {
        let mut config = client_config();
        config
            .set("enable.idempotence", "true")
            .set("partitioner", "murmur2_random")
            .set("compression.type", "gzip")
            .set("linger.ms", "0")
            .set("message.max.bytes", (8 << 20).to_string());
        Client {
            prefix: prefix.to_owned(),
            producer: config.create_with_context(Reports).expect("a producer"),
        }
    }

    pub fn send(&self, input: &Input) -> Delivery {
        let (sender, receiver) = channel();
        let topic = format!("{}{}", self.prefix, input.topic);
        let mut record = BaseRecord::<String, Vec<u8>, _>::with_opaque_to(&topic, Box::new(sender));
        record.key = input.key.as_ref();
        record.payload = input.value.as_ref();
        record.partition = input.partition;
        record.timestamp = Some(input.at.as_millisecond());
        let headers = input.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header {
                key,
                value: Some(value.as_str()),
            })
        });
        record.headers = Some(headers);
        self.producer
            .send(record)
            .unwrap_or_else(|(error, _)| panic!("not queued: {error}"));
        Delivery(receiver)
    }

    pub fn flush(&self) {
        self.producer.flush(wait::PATIENCE).expect("Kafka takes what was sent");
    }
}
