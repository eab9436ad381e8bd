//! The consumer and the producer of a replay: reads on, and sends what is to go back in one transaction with the positions. What
//! was aborted is sent again; what was not committed was not sent.

use super::replay::{Replay, Summary};
use super::returning::{Fate, Skip};
use super::scan::{CALL, Span};
use crate::failure::{Exit, Failure};
use crate::kafka::{
    Blame, Consumer, Ending, Fault, Fence, Kind, NewRecord, Polled, Rebalance, Record, Settings, TopicPartition,
    Transaction, Transactions, TxnError,
};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// Bytes of one transaction, about.
const BYTES: usize = 4 * 1024 * 1024;
/// Records that one transaction passes, at most: of what is skipped nothing is sent.
const PASSED: usize = 10_000;
const PATIENCE: Duration = Duration::from_millis(100);
/// To join the group: longer than the session of a replay that was killed.
const JOIN: Duration = Duration::from_secs(60);
/// A transaction that is aborted again and again is given up after so long.
const GIVE_UP: Duration = Duration::from_secs(60);
const OPEN: Duration = Duration::from_secs(30);

/// How far one partition has come, and where it ends.
struct Place {
    next: i64,
    to: i64,
}

/// What one transaction holds.
pub struct Batch {
    pub records: Vec<NewRecord>,
    positions: Vec<(TopicPartition, i64)>,
    summary: Summary,
    /// Offsets that it leaves behind.
    pub passed: u64,
}

/// Owns the consumer and the producer of one replay.
pub struct Sender<'a> {
    settings: &'a Settings,
    replay: &'a Replay<'a>,
    consumer: Consumer,
    /// None: the last transaction took its producer with it.
    transactions: Option<Transactions>,
    spans: Vec<Span>,
    places: BTreeMap<TopicPartition, Place>,
    /// Came while the group was asked for something else.
    ahead: VecDeque<Polled>,
}

impl<'a> Sender<'a> {
    pub fn open(settings: &'a Settings, replay: &'a Replay<'a>, stop: &dyn Fn() -> bool) -> Result<Self, Failure> {
        let transactions = Transactions::open(settings, &replay.place, OPEN, stop).map_err(|error| unsent(&error))?;
        Ok(Self {
            settings,
            replay,
            consumer: Consumer::open(settings)?,
            transactions: Some(transactions),
            spans: Vec::new(),
            places: BTreeMap::new(),
            ahead: VecDeque::new(),
        })
    }

    pub fn close(self) {
        self.consumer.close(CALL);
    }

    /// Waits for the group to hand out all partitions. One replay at a time keeps a place, so this one gets all of them.
    pub fn join(&mut self, spans: Vec<Span>, stop: &dyn Fn() -> bool) -> Result<(), Failure> {
        self.spans = spans;
        let topic = self.replay.topics.name(self.replay.order.shelf.topic());
        self.consumer.subscribe(topic)?;
        let until = Instant::now() + JOIN;
        while self.places.len() < self.spans.len() && !stop() {
            if Instant::now() >= until {
                return Err(alone(&self.replay.place));
            }
            self.settle()?;
        }
        Ok(())
    }

    /// What the group has to say; what is read meanwhile is kept for the next batch.
    fn settle(&mut self) -> Result<(), Failure> {
        match self.consumer.poll(PATIENCE) {
            Polled::Rebalance(rebalance) => self.rebalanced(rebalance),
            Polled::Fault(fault) => faulty(fault),
            Polled::Nothing => Ok(()),
            read => {
                self.ahead.push_back(read);
                Ok(())
            }
        }
    }

    /// What was committed is asked for only now, when nobody else can be committing.
    fn rebalanced(&mut self, rebalance: Rebalance) -> Result<(), Failure> {
        let Rebalance::Assigned(partitions) = rebalance else {
            return Err(taken());
        };
        let stands = self.consumer.committed(&partitions, CALL)?;
        let mut from = Vec::new();
        for (at, stands) in partitions.iter().zip(stands) {
            // One that the topic has got since is the next replay's.
            let Some(span) = self.spans.iter().find(|span| span.at == *at) else {
                continue;
            };
            let next = stands.unwrap_or(0).max(span.from).min(span.to);
            from.push((at.clone(), next));
            self.places.insert(at.clone(), Place { next, to: span.to });
        }
        Ok(self.consumer.incremental_assign(&from)?)
    }

    #[must_use]
    pub fn is_done(&self) -> bool {
        self.places.values().all(|place| place.next >= place.to)
    }

    /// Reads on, for one transaction.
    pub fn collect(&mut self, limit: usize) -> Result<Batch, Failure> {
        let mut batch = Batch {
            records: Vec::new(),
            positions: Vec::new(),
            summary: Summary::default(),
            passed: 0,
        };
        let before: i64 = self.places.values().map(|place| place.next).sum();
        let (mut bytes, mut seen) = (0, 0);
        while batch.records.len() < limit && bytes < BYTES && seen < PASSED && !self.is_done() {
            let polled = self.ahead.pop_front().unwrap_or_else(|| self.consumer.poll(PATIENCE));
            match polled {
                Polled::Record(record) => {
                    seen += 1;
                    bytes += self.take(&record, &mut batch);
                }
                Polled::EndOfPartition(end) => self.reach(&end.topic_partition(), end.offset),
                Polled::Rebalance(rebalance) => self.rebalanced(rebalance)?,
                Polled::Fault(fault) => faulty(fault)?,
                Polled::Nothing => break,
            }
        }
        let places = self.places.iter();
        batch.positions = places.map(|(at, place)| (at.clone(), place.next)).collect();
        let after: i64 = self.places.values().map(|place| place.next).sum();
        batch.passed = u64::try_from(after - before).unwrap_or(0);
        Ok(batch)
    }

    fn take(&mut self, record: &Record, batch: &mut Batch) -> usize {
        let at = record.at.topic_partition();
        let is_meant = self.places.get(&at).is_some_and(|place| record.at.offset < place.to);
        self.reach(&at, record.at.offset + 1);
        if !is_meant {
            return 0;
        }
        match self.replay.order.fate(record, self.replay.topics) {
            Fate::Return(back) => {
                let bytes = back.value.as_ref().map_or(0, Vec::len);
                *batch.summary.returned.entry(back.topic.to_string()).or_default() += 1;
                batch.records.push(*back);
                return bytes;
            }
            Fate::Skip(why) => batch.summary.skip(why),
            Fate::Other => batch.summary.others += 1,
        }
        0
    }

    fn reach(&mut self, at: &TopicPartition, next: i64) {
        if let Some(place) = self.places.get_mut(at) {
            place.next = place.next.max(next.min(place.to));
        }
    }

    /// Until it is committed: what was aborted is sent again from memory.
    pub fn send(&mut self, mut batch: Batch, stop: &dyn Fn() -> bool) -> Result<Summary, Failure> {
        let until = Instant::now() + GIVE_UP;
        while batch.passed > 0 {
            let transaction = self.begin(stop)?;
            let failed = match self.attempt(transaction, &batch) {
                Ok(()) => break,
                Err(failed) => failed,
            };
            let refused = match &failed {
                TxnError::NotDelivered { tags, blame, .. } => self.refused(&batch, tags, *blame, stop)?,
                _ => Vec::new(),
            };
            if !refused.is_empty() {
                batch.refuse(&refused);
                continue;
            }
            if !matches!(failed.kind(), Kind::Retry | Kind::Abort) || Instant::now() >= until || stop() {
                return Err(unsent(&failed));
            }
            tracing::debug!(%failed, "replay_again");
            self.settle()?;
        }
        Ok(batch.summary)
    }

    /// Which of these no broker will ever take. Where nobody says so, each is tried in a transaction of its own, which is aborted.
    fn refused(
        &mut self,
        batch: &Batch,
        tags: &[usize],
        blame: Blame,
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<usize>, Failure> {
        match blame {
            Blame::Record => return Ok(tags.to_vec()),
            Blame::Surroundings => return Ok(Vec::new()),
            Blame::AmongThese => {}
        }
        let mut refused = Vec::new();
        for (tag, record) in tags.iter().filter_map(|tag| Some((*tag, batch.records.get(*tag)?))) {
            let mut transaction = self.begin(stop)?;
            let sent = transaction.send(tag, record).and_then(|()| transaction.flush(OPEN));
            self.end(transaction, Transaction::abort)
                .map_err(|error| unsent(&error))?;
            match sent {
                Ok(_) => {}
                Err(TxnError::NotDelivered {
                    blame: Blame::Record, ..
                }) => refused.push(tag),
                Err(_) => break,
            }
        }
        Ok(refused)
    }

    /// What a suspect producer was told may still be on its way, and could decide what is begun with it: another takes its place.
    fn begin(&mut self, stop: &dyn Fn() -> bool) -> Result<Transaction, Failure> {
        let idle = match self.transactions.take().filter(|idle| !idle.is_suspect()) {
            Some(idle) => Ok(idle),
            None => Transactions::open(self.settings, &self.replay.place, OPEN, stop),
        };
        idle.and_then(Transactions::begin).map_err(|error| unsent(&error))
    }

    /// One transaction, committed or aborted.
    fn attempt(&mut self, mut transaction: Transaction, batch: &Batch) -> Result<(), TxnError> {
        let sent = batch
            .records
            .iter()
            .enumerate()
            .try_for_each(|(tag, record)| transaction.send(tag, record))
            .and_then(|()| transaction.flush(OPEN).map(|_| ()))
            .and_then(|()| transaction.send_offsets(&Fence::of(&self.consumer)?, &batch.positions, CALL));
        match sent {
            Ok(()) => self.end(transaction, Transaction::commit),
            Err(failed) => {
                self.end(transaction, Transaction::abort)?;
                Err(failed)
            }
        }
    }

    fn end(&mut self, mut transaction: Transaction, how: fn(Transaction) -> Ending) -> Result<(), TxnError> {
        loop {
            match how(transaction) {
                Ending::Done(idle) => {
                    self.transactions = Some(idle);
                    return Ok(());
                }
                Ending::Again(open, error) => {
                    tracing::debug!(%error, "replay_end_again");
                    transaction = open;
                }
                Ending::MustAbort(open, error) => {
                    self.end(open, Transaction::abort)?;
                    return Err(error);
                }
                Ending::Gone(error) => return Err(error),
            }
        }
    }
}

impl Batch {
    /// Leaves these out: no broker will ever take them.
    fn refuse(&mut self, tags: &[usize]) {
        for tag in tags.iter().rev() {
            if *tag >= self.records.len() {
                continue;
            }
            let record = self.records.remove(*tag);
            if let Some(count) = self.summary.returned.get_mut(&*record.topic) {
                *count -= 1;
            }
            self.summary.skip(Skip::Refused);
        }
    }
}

fn unsent(error: &TxnError) -> Failure {
    let next =
        "what was not committed was not sent: see whether Kafka is up, then run it again, it goes on where it stands";
    Failure::new(Exit::Unreachable, format!("{error}: {next}"))
}

fn alone(place: &str) -> Failure {
    let next = "see whether another replay with the same filters runs, then try again";
    let sentence = format!(
        "the group {place} did not hand out its partitions within {} s: {next}",
        JOIN.as_secs()
    );
    Failure::new(Exit::Unreachable, sentence)
}

fn taken() -> Failure {
    Failure::new(
        Exit::Unreachable,
        "another replay with the same filters has taken over, and goes on from where this one stood: see to that one",
    )
}

fn faulty(fault: Fault) -> Result<(), Failure> {
    match fault {
        Fault::OffsetOutOfRange { .. } | Fault::Refused { .. } | Fault::Fatal { .. } => Err(Failure::new(
            Exit::Unreachable,
            format!("{fault}: run it again, it goes on where it stands"),
        )),
        passing => {
            tracing::debug!(%passing, "replay_fault");
            Ok(())
        }
    }
}
