//! Questions to the cluster, answered as of now: watermarks, the group's committed offsets, numbers of partitions. Reads
//! `read_uncommitted`, so that a high watermark is one, and not the last stable offset; joins no group, changes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::{Offset, TopicPartitionList};

use super::consumer::{Consumer, committed_offsets};
use super::{ClientError, Error, Settings, TopicPartition, leaders, native};

/// A call of no time at all would never be answered.
const LEAST: Duration = Duration::from_millis(1);

/// A client that only asks. One thread at a time; opens its connections when first asked.
pub struct Lookup {
    client: Consumer,
    /// Topics whose leaders did not answer in time: they may be gone, and others in their place. The library goes on asking whom
    /// it knows.
    silent: BTreeSet<Arc<str>>,
}

impl Lookup {
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        Ok(Self {
            client: Consumer::from_config(&settings.watermarks())?,
            silent: BTreeSet::new(),
        })
    }

    /// The offset after the last record, committed or not, of each partition, in the order asked for: one request to each
    /// leader.
    pub fn high_watermarks(&mut self, of: &[TopicPartition], timeout: Duration) -> Result<Vec<i64>, Error> {
        self.edges(of, Offset::End, timeout)
    }

    /// The first offset that is still there, of each partition, in the order asked for.
    pub fn low_watermarks(&mut self, of: &[TopicPartition], timeout: Duration) -> Result<Vec<i64>, Error> {
        self.edges(of, Offset::Beginning, timeout)
    }

    pub fn high_watermark(&mut self, of: &TopicPartition, timeout: Duration) -> Result<i64, Error> {
        Ok(self.high_watermarks(std::slice::from_ref(of), timeout)?[0])
    }

    pub fn low_watermark(&mut self, of: &TopicPartition, timeout: Duration) -> Result<i64, Error> {
        Ok(self.low_watermarks(std::slice::from_ref(of), timeout)?[0])
    }

    /// The first offset of each partition whose record is of that time (milliseconds since 1970) or later, in the order
    /// asked for; the high watermark where there is none.
    pub fn offsets_at(&mut self, of: &[TopicPartition], time: i64, timeout: Duration) -> Result<Vec<i64>, Error> {
        let ends = self.high_watermarks(of, timeout)?;
        let found = self.offsets_for(of, Offset::Offset(time.max(0)), timeout)?;
        let found = found.into_iter().zip(ends);
        Ok(found.map(|(offset, end)| offset.unwrap_or(end)).collect())
    }

    /// What the group has committed, in the order asked for; `None` where nothing. Offsets of open transactions are not in
    /// it and are not waited for: to take over a partition, ask [`Consumer::committed`].
    pub fn committed(&mut self, of: &[TopicPartition], timeout: Duration) -> Result<Vec<Option<i64>>, Error> {
        self.settle();
        committed_offsets(self.client.client(), of, timeout)
    }

    /// How many partitions a topic has; `None`: there is no such topic. Never makes one.
    pub fn partitions(&mut self, topic: &str, timeout: Duration) -> Result<Option<i32>, Error> {
        Ok(self.layout(topic, timeout)?.map(|(partitions, _)| partitions))
    }

    /// Numbers of partitions and of replicas (the least of any partition).
    pub(super) fn layout(&mut self, topic: &str, timeout: Duration) -> Result<Option<(i32, i32)>, Error> {
        self.settle();
        let fail = |source: KafkaError| Error::client(format!("asking about topic {topic}"), source);
        let unknown = |code| matches!(code, Some(Code::UnknownTopicOrPartition | Code::UnknownTopic));
        let metadata = match self.client.client().fetch_metadata(Some(topic), timeout) {
            Ok(metadata) => metadata,
            Err(error) if unknown(error.rdkafka_error_code()) => return Ok(None),
            Err(error) => return Err(fail(error)),
        };
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
            return Ok(None);
        };
        match found.error().map(Code::from) {
            None => {
                let replicas = found
                    .partitions()
                    .iter()
                    .map(|partition| partition.replicas().len())
                    .min();
                let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
                Ok(Some((count(found.partitions().len()), count(replicas.unwrap_or(0)))))
            }
            code if unknown(code) => Ok(None),
            Some(code) => Err(fail(KafkaError::MetadataFetch(code))),
        }
    }

    /// Asks any broker for the cluster's id. An error: none answers in time.
    pub fn reach(&mut self, timeout: Duration) -> Result<String, Error> {
        self.settle();
        let client = self.client.client().client();
        let reached = native::reach(client, timeout);
        // What was answered is known at once.
        let id = client.fetch_cluster_id(Duration::ZERO).filter(|_| reached);
        id.ok_or(Error::TimedOut {
            doing: "reaching the brokers".into(),
            waited: timeout,
        })
    }

    fn edges(&mut self, of: &[TopicPartition], edge: Offset, timeout: Duration) -> Result<Vec<i64>, Error> {
        let found = self.offsets_for(of, edge, timeout)?;
        let lacks = |at: &TopicPartition| Error::TimedOut {
            doing: format!("asking for the watermark of {at}").into(),
            waited: timeout,
        };
        let mut found = of.iter().zip(found);
        found.try_fold(Vec::with_capacity(of.len()), |mut edges, (at, offset)| {
            edges.push(offset.ok_or_else(|| lacks(at))?);
            Ok(edges)
        })
    }

    /// What the leaders answer for that edge or time; None: nothing is there.
    fn offsets_for(
        &mut self,
        of: &[TopicPartition],
        what: Offset,
        timeout: Duration,
    ) -> Result<Vec<Option<i64>>, Error> {
        self.settle();
        if of.is_empty() {
            return Ok(Vec::new());
        }
        let until = Instant::now() + timeout;
        let has_learned = self.learn_of_silent(of, Instant::now() + timeout / 2);
        let left = || until.saturating_duration_since(Instant::now()).max(LEAST);
        let mut answer = self.ask_leaders(of, what, left());
        if code(&answer).is_some_and(is_of_leaders) {
            leaders::learn(self.client.client().client(), of, until);
            answer = self.ask_leaders(of, what, left());
        }
        // Where brokers are slow, every other question has all of its time.
        if !has_learned && code(&answer).is_some_and(is_of_silence) {
            self.silent.extend(of.iter().map(|at| at.topic.clone()));
        }
        answer.map_err(|source| Error::Client {
            doing: "asking for offsets".into(),
            source: match source.rdkafka_error_code() {
                Some(Code::UnknownPartition) => {
                    ClientError::told(Code::LeaderNotAvailable, format!("no leader is known of {}", of[0]))
                }
                _ => ClientError::of(&source),
            },
        })
    }

    /// Whether there was anything to learn.
    fn learn_of_silent(&mut self, of: &[TopicPartition], until: Instant) -> bool {
        let doubted = of.iter().filter(|at| self.silent.contains(&at.topic));
        let doubted: Vec<TopicPartition> = doubted.cloned().collect();
        leaders::learn(self.client.client().client(), &doubted, until);
        for at in &doubted {
            self.silent.remove(&at.topic);
        }
        !doubted.is_empty()
    }

    fn ask_leaders(
        &self,
        of: &[TopicPartition],
        what: Offset,
        timeout: Duration,
    ) -> Result<Vec<Option<i64>>, KafkaError> {
        let mut list = TopicPartitionList::with_capacity(of.len());
        for at in of {
            list.add_partition_offset(&at.topic, at.partition, what)?;
        }
        let answer = self.client.client().offsets_for_times(list, timeout)?;
        let found = of
            .iter()
            .map(|at| match answer.find_partition(&at.topic, at.partition) {
                None => Ok(None),
                Some(element) => {
                    element.error()?;
                    Ok(element.offset().to_raw().filter(|offset| *offset >= 0))
                }
            });
        found.collect()
    }

    /// Logs what the client has to say; unread, it would pile up.
    fn settle(&mut self) {
        self.client.settle();
    }
}

fn code<T>(answer: &Result<T, KafkaError>) -> Option<Code> {
    answer.as_ref().err().and_then(KafkaError::rdkafka_error_code)
}

fn is_of_silence(code: Code) -> bool {
    matches!(
        code,
        Code::OperationTimedOut | Code::TimedOutQueue | Code::RequestTimedOut | Code::BrokerTransportFailure
    )
}

/// What was known of leaders is no longer so, or nothing was known: of partitions without one the library's own word is that
/// they are unknown.
fn is_of_leaders(code: Code) -> bool {
    matches!(
        code,
        Code::UnknownPartition
            | Code::UnknownTopicOrPartition
            | Code::UnknownTopic
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
    )
}
