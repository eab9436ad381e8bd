//! Reads all partitions of some topics, from known positions or from an instant on, and says how far it has come also where
//! no record is. In no group; commits nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::consumer::{Consumer, Fault, Polled};
use super::lookup::Lookup;
use super::{Error, Kind, Position, Record, Settings, TopicPartition};

/// Between two tries to get an answer.
const AGAIN: Duration = Duration::from_millis(50);

/// What a call found.
#[derive(Debug)]
pub enum Reading {
    Record(Record),
    /// All that is committed below it was handed out; it may stand above the last record.
    UpTo(Position),
    Nothing,
}

/// From where to read: the first record at or after an instant (milliseconds since 1970), unless the position is known.
pub type From<'a> = (i64, &'a dyn Fn(&TopicPartition) -> Option<i64>);

pub struct Replay {
    consumer: Consumer,
    lookup: Lookup,
    topics: Vec<Arc<str>>,
    starts: Vec<(TopicPartition, i64)>,
    ends: Vec<(TopicPartition, i64)>,
    known: BTreeSet<TopicPartition>,
}

impl Replay {
    pub fn open(settings: &Settings, topics: &[Arc<str>], from: From<'_>, timeout: Duration) -> Result<Self, Error> {
        let mut lookup = Lookup::open(settings)?;
        let until = Instant::now() + timeout;
        let (starts, ends) = loop {
            match edges(&mut lookup, topics, from, timeout) {
                // As of topics that were made a moment ago.
                Err(error) if error.kind() == Kind::Retry && Instant::now() < until => std::thread::sleep(AGAIN),
                found => break found?,
            }
        };
        let mut consumer = Consumer::from_config(&settings.reader())?;
        consumer.assign(&starts)?;
        Ok(Self {
            consumer,
            lookup,
            topics: topics.to_vec(),
            known: starts.iter().map(|(at, _)| at.clone()).collect(),
            starts,
            ends,
        })
    }

    /// Where it began.
    pub fn starts(&self) -> &[(TopicPartition, i64)] {
        &self.starts
    }

    /// Where the partitions ended when it began.
    pub fn ends(&self) -> &[(TopicPartition, i64)] {
        &self.ends
    }

    /// The next of any of them, in the order of its partition.
    pub fn next(&mut self, wait: Duration) -> Result<Reading, Error> {
        match self.consumer.poll(wait) {
            Polled::Record(record) => Ok(Reading::Record(record)),
            Polled::EndOfPartition(position) => Ok(Reading::UpTo(position)),
            Polled::Fault(Fault::Refused { source } | Fault::Fatal { source }) => Err(Error::Client {
                doing: "reading".into(),
                source,
            }),
            Polled::Fault(Fault::OffsetOutOfRange { at, offset, .. }) => Err(Error::OffsetOutOfRange { at, offset }),
            Polled::Rebalance(_) | Polled::Fault(_) | Polled::Nothing => Ok(Reading::Nothing),
        }
    }

    /// Reads the partitions too that the topics have got since, from their beginning. An error: nobody answers.
    pub fn refresh(&mut self, timeout: Duration) -> Result<(), Error> {
        let all = partitions(&mut self.lookup, &self.topics, timeout)?;
        let new: Vec<(TopicPartition, i64)> = all
            .into_iter()
            .filter(|at| !self.known.contains(at))
            .map(|at| (at, 0))
            .collect();
        if !new.is_empty() {
            self.consumer.incremental_assign(&new)?;
            self.known.extend(new.into_iter().map(|(at, _)| at));
        }
        Ok(())
    }
}

type Edge = Vec<(TopicPartition, i64)>;

/// From where to read, and where the partitions end.
fn edges(
    lookup: &mut Lookup,
    topics: &[Arc<str>],
    (since, known): From<'_>,
    timeout: Duration,
) -> Result<(Edge, Edge), Error> {
    let all = partitions(lookup, topics, timeout)?;
    let ends = lookup.high_watermarks(&all, timeout)?;
    let found = lookup.offsets_at(&all, since, timeout)?;
    let starts = all.iter().zip(found);
    let starts = starts
        .map(|(at, found)| (at.clone(), known(at).unwrap_or(found)))
        .collect();
    Ok((starts, all.into_iter().zip(ends).collect()))
}

fn partitions(lookup: &mut Lookup, topics: &[Arc<str>], timeout: Duration) -> Result<Vec<TopicPartition>, Error> {
    let mut found = Vec::new();
    for topic in topics {
        let missing = || Error::Unfit(format!("topic {topic} does not exist"));
        let count = lookup.partitions(topic, timeout)?.ok_or_else(missing)?;
        found.extend((0..count).map(|partition| TopicPartition::new(topic.clone(), partition)));
    }
    Ok(found)
}
