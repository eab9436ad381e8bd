//! A member of the group. Records, ends of partitions and rebalances come in the order of one queue; the consumer assigns
//! nothing, commits nothing and seeks nothing by itself.

use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::{Offset, TopicPartitionList};

use super::client_log::ClientLog;
pub use super::fault::Fault;
use super::fault::classify;
use super::leaders::{KNOW, Leaders};
use super::native::{Event, Events, GroupMetadata};
use super::rebalance::{Pending, Rebalance};
use super::{Error, Position, Record, Settings, TopicPartition};

/// What a poll found.
#[derive(Debug)]
pub enum Polled {
    Record(Record),
    /// Everything below `offset` that is committed was handed out before this. So it is a position, and it may stand above
    /// the last record: control records and aborted ones take offsets. It is the partition's last stable offset as of the
    /// fetch; told again each time that it has moved and is reached.
    EndOfPartition(Position),
    /// To be answered before the group can go on.
    Rebalance(Rebalance),
    Fault(Fault),
    /// The time ran out.
    Nothing,
}

/// Logs what the library has to say. Its rebalances are answered here only while a consumer is dropped.
#[derive(Default)]
pub(super) struct Quiet(ClientLog);

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.0.line(level as i32, &format!("{facility}: {line}"));
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka_client_error");
    }
}

impl ConsumerContext for Quiet {}

/// A consumer on its owner's thread. Dropping it leaves the group, in up to some seconds; [`Consumer::close`] has a bound.
pub struct Consumer {
    events: Events<Quiet>,
    pending: Pending,
    /// Static membership: the group waits for another of this name.
    is_static: bool,
    /// A static member that comes back is handed what its place was left with, without a rebalance. What its earlier self had
    /// been told to give up, and gave up by ending, nobody hands out then: who revokes is the one to join again, and it is
    /// gone (in Kafka 4: GroupMetadataManager.updateStaticMemberThenRebalanceOrCompleteJoin, of a stable group). So it joins
    /// once more after its first assignment, holding that, and nothing moves but what nobody has. A subscription that comes
    /// while an assignment waits for its answer is put off by the client, and is then a reason to join, be it the same.
    joins_again: Option<String>,
    leaders: Leaders,
}

impl Consumer {
    /// A member of the group, subscribed to nothing yet. Connects in the background.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        Self::from_config(&settings.member())
    }

    /// A client of any of the configurations of [`super::client_config`].
    pub(super) fn from_config(config: &rdkafka::ClientConfig) -> Result<Self, Error> {
        let client = BaseConsumer::from_config_and_context(config, Quiet::default())
            .map_err(|source| Error::client("opening a consumer", source))?;
        super::native::reach(client.client(), Duration::ZERO);
        let events = Events::of(client).ok_or(Error::Misuse("a consumer needs a group id"))?;
        let is_static = config.get("group.instance.id").is_some();
        Ok(Self {
            events,
            pending: Pending::Nothing,
            is_static,
            joins_again: (is_static && config.get("group.protocol") != Some("consumer")).then(String::new),
            leaders: Leaders::default(),
        })
    }

    pub fn subscribe(&mut self, topic: &str) -> Result<(), Error> {
        if let Some(again) = &mut self.joins_again {
            topic.clone_into(again);
        }
        self.subscribe_to(topic)
    }

    fn subscribe_to(&self, topic: &str) -> Result<(), Error> {
        self.client()
            .subscribe(&[topic])
            .map_err(|source| Error::client("subscribing", source))
    }

    /// Waits up to `timeout` for the next thing. To be called at least every `max.poll.interval.ms` (5 minutes), even when
    /// everything is paused: heartbeats go on without it, but rebalances and faults come through here.
    pub fn poll(&mut self, timeout: Duration) -> Polled {
        if timeout.is_zero() {
            return self.poll_at_once();
        }
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.events.poll(left) {
                Some(event) => {
                    if let Some(polled) = self.translate(event) {
                        return polled;
                    }
                }
                // The library may wake up early, with nothing.
                None if left.is_zero() || Instant::now() >= deadline => return Polled::Nothing,
                None => {}
            }
        }
    }

    /// What is there by now. Asks no clock: most records of a backlog are taken so.
    fn poll_at_once(&mut self) -> Polled {
        while let Some(event) = self.events.poll(Duration::ZERO) {
            if let Some(polled) = self.translate(event) {
                return polled;
            }
        }
        Polled::Nothing
    }

    /// Appends what is there, up to `limit` things, to `found`; waits up to `timeout` for the first. Ends early after
    /// anything that isn't a record, so that what comes after a rebalance is not taken along with it. Returns how many.
    pub fn drain(&mut self, limit: usize, timeout: Duration, found: &mut Vec<Polled>) -> usize {
        let before = found.len();
        let mut wait = timeout;
        while found.len() - before < limit {
            match self.poll(wait) {
                Polled::Nothing => break,
                Polled::Record(record) => found.push(Polled::Record(record)),
                Polled::EndOfPartition(end) => found.push(Polled::EndOfPartition(end)),
                other => {
                    found.push(other);
                    break;
                }
            }
            wait = Duration::ZERO;
        }
        found.len() - before
    }

    fn translate(&mut self, event: Event) -> Option<Polled> {
        match event {
            Event::Record(record) => Some(Polled::Record(record)),
            Event::EndOfPartition(end) => Some(Polled::EndOfPartition(end)),
            Event::Rebalance { assign, partitions } => {
                let event = Rebalance::told(assign, self.assignment_lost(), partitions);
                self.pending = Pending::of(&event);
                Some(Polled::Rebalance(event))
            }
            Event::Error { code, text, fatal, at } => {
                // Of what is fatal the event names no cause.
                let cause = self.client().client().fatal_error().filter(|_| fatal);
                let code = cause.map_or(code, |(cause, _)| cause);
                Some(Polled::Fault(classify(code, text, fatal, at)))
            }
            Event::Log { level, text } => {
                self.client().client().context().0.line(level, &text);
                None
            }
            Event::Other => None,
        }
    }

    /// Reads these partitions too, each from this offset: the answer to `Assigned` (one call, of what goes along with them
    /// too, or of nothing yet), or more at any other time. Fetching starts at once.
    ///
    /// Always at a number. Of an end or a beginning the client would ask the broker, and in 2.12.1 the answer wins over a
    /// seek that was made meanwhile: what lies between is never handed out (rd_kafka_toppar_handle_Offset asks again when
    /// an answer is out of date, whatever the position is by then). So a partition is taken once its position is known.
    pub fn incremental_assign(&mut self, from: &[(TopicPartition, i64)]) -> Result<(), Error> {
        self.pending.allow_assign()?;
        let list = offsets(from)?;
        self.know(from);
        if let Some(topic) = self.joins_again.take_if(|_| self.pending == Pending::Assign) {
            self.subscribe_to(&topic)?;
        }
        self.client()
            .incremental_assign(&list)
            .map_err(|source| Error::client("assigning partitions", source))?;
        self.pending = Pending::Nothing;
        if from.is_empty() {
            return Ok(());
        }
        // The client keeps the mark of a pause through an unassignment: what went while it was paused would come back so.
        let names: Vec<TopicPartition> = from.iter().map(|(at, _)| at.clone()).collect();
        self.resume(&names)
    }

    /// Gives these partitions up: the answer to `Revoked` and `Lost`, one call, of the union. Refused at any other time.
    pub fn incremental_unassign(&mut self, partitions: &[TopicPartition]) -> Result<(), Error> {
        self.pending.allow_unassign()?;
        let list = names(partitions);
        self.client()
            .incremental_unassign(&list)
            .map_err(|source| Error::client("unassigning partitions", source))?;
        self.pending = Pending::Nothing;
        Ok(())
    }

    /// Reads exactly these, outside any group. For readers, never for a member of a group.
    pub(super) fn assign(&mut self, from: &[(TopicPartition, i64)]) -> Result<(), Error> {
        let list = offsets(from)?;
        self.know(from);
        self.client()
            .assign(&list)
            .map_err(|source| Error::client("assigning partitions", source))
    }

    /// All topics of an assignment share one wait.
    fn know(&mut self, of: &[(TopicPartition, i64)]) {
        let until = Instant::now() + KNOW;
        for (at, _) in of {
            let left = until.saturating_duration_since(Instant::now());
            self.leaders.know(self.events.consumer().client(), &at.topic, left);
        }
    }

    /// Stops fetching these, and drops what was fetched and not yet handed out.
    pub fn pause(&self, partitions: &[TopicPartition]) -> Result<(), Error> {
        self.client()
            .pause(&names(partitions))
            .map_err(|source| Error::client("pausing partitions", source))
    }

    /// Goes on after the last record that was handed out, else where the partition was assigned.
    pub fn resume(&self, partitions: &[TopicPartition]) -> Result<(), Error> {
        self.client()
            .resume(&names(partitions))
            .map_err(|source| Error::client("resuming partitions", source))
    }

    /// Goes on from other positions; what was fetched from the old ones and not yet handed out is dropped.
    pub fn seek(&self, to: &[(TopicPartition, i64)], timeout: Duration) -> Result<(), Error> {
        let fail = |source| Error::client("seeking", source);
        let done = self.client().seek_partitions(offsets(to)?, timeout).map_err(fail)?;
        done.elements()
            .iter()
            .try_for_each(|element| element.error())
            .map_err(fail)
    }

    /// The group's committed offsets, in the order asked for; `None` where there is none. Waits for transactions that
    /// have offsets of these partitions open, as a `read_committed` consumer must (KIP-447), and no longer than `timeout`.
    pub fn committed(&self, partitions: &[TopicPartition], timeout: Duration) -> Result<Vec<Option<i64>>, Error> {
        committed_offsets(self.client(), partitions, timeout).map_err(|error| match error {
            Error::Client { source, .. } if source.code() == Some(Code::OperationTimedOut) => Error::TimedOut {
                doing: "asking for committed offsets, which wait for the transactions that hold them".into(),
                waited: timeout,
            },
            error => error,
        })
    }

    /// What the next transactional commit would be fenced by: generation (or member epoch) and member id.
    /// `None` while this consumer is no member.
    pub fn group_generation(&self) -> Option<(i32, String)> {
        let metadata = self.group_metadata()?;
        Some((metadata.generation(), metadata.member_id()))
    }

    /// The metadata, if it names a member of a generation: Kafka takes a commit of generation −1 without a check.
    pub(super) fn group_metadata(&self) -> Option<GroupMetadata> {
        GroupMetadata::of(self.client()).filter(|found| found.generation() >= 0 && !found.member_id().is_empty())
    }

    /// The group has gone on without this member: another may own its partitions already.
    pub fn assignment_lost(&self) -> bool {
        self.client().assignment_lost()
    }

    /// Leaves the group and ends, within about `timeout`; what is left then goes on in the background. Whoever calls this
    /// has closed out all its tasks before. A static member does not leave: its partitions wait for it to come back.
    pub fn close(mut self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        // The client takes an unsubscription for a wish to leave also of a static member.
        if !self.is_static {
            self.leave(deadline);
        }
        let (done, finished) = std::sync::mpsc::channel();
        let spawned = std::thread::Builder::new().name("kafka-close".into()).spawn(move || {
            drop(self);
            _ = done.send(());
        });
        let left = deadline
            .saturating_duration_since(Instant::now())
            .max(Duration::from_millis(100));
        if spawned.is_ok() && finished.recv_timeout(left).is_err() {
            tracing::warn!("kafka_close_timed_out");
        }
    }

    fn leave(&mut self, deadline: Instant) {
        self.client().unsubscribe();
        while let Ok(list) = self.client().assignment()
            && list.count() > 0
            && Instant::now() < deadline
        {
            // The group waits for an answer to either: another member may be leaving at the same time.
            let answered = match self.pending {
                Pending::Unassign => self.client().incremental_unassign(&list),
                Pending::Assign => self.client().incremental_assign(&TopicPartitionList::new()),
                Pending::Nothing => Ok(()),
            };
            self.pending = Pending::Nothing;
            if let Err(error) = answered {
                tracing::warn!(%error, "kafka_close_answer_failed");
                break;
            }
            self.poll(Duration::from_millis(50));
        }
    }

    /// Logs what is waiting to be logged, for a client of which nothing else is expected.
    pub(super) fn settle(&mut self) {
        while let Some(event) = self.events.poll(Duration::ZERO) {
            if let Some(polled) = self.translate(event) {
                tracing::debug!(?polled, "kafka_client_event");
            }
        }
    }

    pub(super) fn client(&self) -> &BaseConsumer<Quiet> {
        self.events.consumer()
    }
}

pub(super) fn committed_offsets(
    client: &BaseConsumer<Quiet>,
    partitions: &[TopicPartition],
    timeout: Duration,
) -> Result<Vec<Option<i64>>, Error> {
    let fail = |source| Error::client("asking for committed offsets", source);
    let answer = client.committed_offsets(names(partitions), timeout).map_err(fail)?;
    partitions
        .iter()
        .map(|at| match answer.find_partition(&at.topic, at.partition) {
            None => Err(Error::Misuse("an answer about committed offsets lacks a partition")),
            Some(element) => {
                element.error().map_err(fail)?;
                Ok(element.offset().to_raw().filter(|offset| *offset >= 0))
            }
        })
        .collect()
}

/// A list with offsets. An offset below zero is refused: it would have a meaning of its own to the library.
pub(super) fn offsets(of: &[(TopicPartition, i64)]) -> Result<TopicPartitionList, Error> {
    let mut list = TopicPartitionList::with_capacity(of.len());
    for (at, offset) in of {
        if *offset < 0 {
            return Err(Error::Misuse("an offset below zero"));
        }
        list.add_partition_offset(&at.topic, at.partition, Offset::Offset(*offset))
            .map_err(|source| Error::client("naming an offset", source))?;
    }
    Ok(list)
}

pub(super) fn names(partitions: &[TopicPartition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for at in partitions {
        list.add_partition(&at.topic, at.partition);
    }
    list
}
