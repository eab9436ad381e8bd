//! One transactional producer, as a chain of owned states: [`Transactions`] (nothing open) → [`Transaction`] (open) →
//! [`Ending`]. What is open can only be committed, aborted or dropped with its producer, once. Never decides whether to try
//! again: each error says what it calls for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};

use super::consumer::{Consumer, offsets};
use super::delivery::{Deliveries, Reports, owned_headers};
use super::leaders::{KNOW, Leaders};
use super::{ClientError, Kind, NewRecord, Settings, TopicPartition, native};

pub use super::delivery::{Blame, Delivered};
pub use super::txn_error::TxnError;

type Native = ThreadedProducer<Reports>;

/// How long to wait for one step of `open` before looking whether to go on. Where the coordinator is still busy with the
/// transaction of an earlier one of the same id, the library by itself asks again only after 500 ms, but at once when called.
const STEP: Duration = Duration::from_millis(100);

/// A control request that took longer may still be on its way: a late one could decide a later transaction (KAFKA-17754).
const SLOW: Duration = Duration::from_secs(3);

/// How long one call may wait for the end of a transaction. Called again, the library goes on with what it had begun.
const END: Duration = Duration::from_secs(5);

struct Inner {
    native: Native,
    deliveries: Arc<Deliveries>,
    id: String,
    /// The length of a transaction.
    length: Duration,
    suspect: bool,
    leaders: Leaders,
}

/// A transactional producer with no transaction open.
pub struct Transactions(Box<Inner>);

/// An open transaction. Dropped, its producer goes with it; the broker then aborts it when the next producer of the same
/// id opens, or when it times out.
#[must_use = "a transaction is to be committed or aborted"]
pub struct Transaction(Box<Inner>);

/// What a transaction is fenced by: a consumer's generation and member id as of one moment.
pub struct Fence(native::GroupMetadata);

impl Fence {
    pub fn of(consumer: &Consumer) -> Result<Self, TxnError> {
        consumer.group_metadata().map(Self).ok_or(TxnError::NotAMember)
    }
}

/// How the end of a transaction went.
#[must_use]
pub enum Ending {
    /// Committed, or aborted, whichever was asked for; certainly.
    Done(Transactions),
    /// Not yet known: make the same call again, and no other.
    Again(Transaction, TxnError),
    /// Certainly not committed: abort it.
    MustAbort(Transaction, TxnError),
    /// The producer is gone. Unless the error is a fence or names an abort, the outcome is unknown: only the log knows.
    Gone(TxnError),
}

impl Transactions {
    /// Opens a producer, ends what an earlier one of the same id has left open, and fences that one.
    /// Tries what may pass again until the deadline, or until `cancelled` says so.
    pub fn open(
        settings: &Settings,
        transactional_id: &str,
        deadline: Duration,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Self, TxnError> {
        let until = Instant::now() + deadline;
        let deliveries = Arc::<Deliveries>::default();
        let config = settings.producer(transactional_id);
        let native = Native::from_config_and_context(&config, Reports::to(deliveries.clone()))
            .map_err(|source| TxnError::of("opening a producer", source))?;
        // Called before a broker has answered, the library looks for the coordinator only after 500 ms.
        while !native::reach(native.client(), STEP) && Instant::now() < until && !cancelled() {}
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match native.init_transactions(left.min(STEP)) {
                Ok(()) => break,
                Err(source) => {
                    let error = TxnError::of("opening a transactional producer", source);
                    if error.kind() != Kind::Retry || Instant::now() >= until || cancelled() {
                        return Err(error);
                    }
                    tracing::debug!(%error, transactional_id, "transactions_open_again");
                }
            }
        }
        let length = Duration::from_millis(settings.transaction_timeout_ms.into());
        let id = transactional_id.to_owned();
        Ok(Self(Box::new(Inner {
            native,
            deliveries,
            id,
            length,
            suspect: false,
            leaders: Leaders::default(),
        })))
    }

    /// Begins a transaction, unless the producer is suspect; no request is made. On an error the producer is gone.
    pub fn begin(self) -> Result<Transaction, TxnError> {
        if self.is_suspect() {
            return Err(TxnError::Suspect);
        }
        self.0
            .native
            .begin_transaction()
            .map_err(|source| TxnError::of("beginning a transaction", source))?;
        self.0.deliveries.clear();
        Ok(Transaction(self.0))
    }

    /// A control request was slow or had to be made again, or a record was refused: open another producer before the next
    /// transaction. With this one it may be decided by what is still on its way (KAFKA-17754), or fail once more.
    pub fn is_suspect(&self) -> bool {
        self.0.suspect
    }

    pub fn id(&self) -> &str {
        &self.0.id
    }
}

impl Transaction {
    /// Hands a record to the client, which copies it. `tag` comes back with its offset, or in what is said against it.
    /// Waits while the client's queue is full, up to the transaction's own length.
    pub fn send(&mut self, tag: usize, record: &NewRecord) -> Result<(), TxnError> {
        let mut until = None;
        self.0.leaders.know(self.0.native.client(), &record.topic, KNOW);
        let mut base: BaseRecord<'_, [u8], [u8], usize> = BaseRecord::with_opaque_to(&record.topic, tag);
        base.partition = record.partition;
        base.key = record.key.as_deref();
        base.payload = record.value.as_deref();
        base.timestamp = record.timestamp;
        base.headers = owned_headers(&record.headers);
        loop {
            match self.0.native.send(base) {
                Ok(()) => return Ok(()),
                Err((source, back)) => match TxnError::of_send(tag, source) {
                    TxnError::QueueFull
                        if Instant::now() < *until.get_or_insert_with(|| Instant::now() + self.0.length) =>
                    {
                        native::flush(&self.0.native, Duration::from_millis(20));
                        base = back;
                    }
                    TxnError::Fatal { source, .. } => return Err(self.failed(source)),
                    error => return Err(error),
                },
            }
        }
    }

    /// A record is refused for what the client failed of before, and that alone says whether it was a fence.
    fn failed(&self, source: ClientError) -> TxnError {
        let doing = "producing a record";
        match self.0.native.client().fatal_error() {
            Some((Code::Fenced, text)) => TxnError::Fenced {
                doing,
                source: ClientError::told(Code::Fenced, text),
            },
            _ => TxnError::Fatal { doing, source },
        }
    }

    /// Waits until every record is settled, and no longer than so; whether they are.
    pub fn settle(&self, timeout: Duration) -> bool {
        native::flush(&self.0.native, timeout)
    }

    /// Waits until every record is settled; returns their offsets, in the order of the reports. To be called before
    /// `commit`. On `FlushTimedOut` it may be called again.
    pub fn flush(&mut self, timeout: Duration) -> Result<Vec<Delivered>, TxnError> {
        let flushed = native::flush(&self.0.native, timeout);
        if let Some(failure) = self.0.deliveries.failure() {
            // After a refused batch the library leaves a gap in its sequence numbers, and its next transaction fails on it.
            self.0.suspect = true;
            return Err(failure);
        }
        if !flushed {
            return Err(TxnError::FlushTimedOut {
                unsettled: native::unsettled(&self.0.native),
            });
        }
        Ok(self.0.deliveries.take())
    }

    /// Makes these positions part of the transaction, under that fence. The library may take much longer than `timeout`, or for
    /// ever, while the group's coordinator can't be reached (librdkafka#5456).
    pub fn send_offsets(
        &mut self,
        fence: &Fence,
        positions: &[(TopicPartition, i64)],
        timeout: Duration,
    ) -> Result<(), TxnError> {
        self.offsets(&fence.0, positions, timeout)
    }

    /// Makes these positions part of the transaction without a fence, for an operator, and a partition that stands still:
    /// Kafka takes those of a consumer that is no member without a check, also while the group has members.
    pub fn send_offsets_unfenced(
        &mut self,
        group: &Consumer,
        positions: &[(TopicPartition, i64)],
        timeout: Duration,
    ) -> Result<(), TxnError> {
        let metadata = native::GroupMetadata::of(group.client()).ok_or(TxnError::NotAMember)?;
        self.offsets(&metadata, positions, timeout)
    }

    fn offsets(
        &mut self,
        metadata: &native::GroupMetadata,
        positions: &[(TopicPartition, i64)],
        timeout: Duration,
    ) -> Result<(), TxnError> {
        let list = offsets(positions).map_err(|error| TxnError::Positions(Box::new(error)))?;
        let started = Instant::now();
        let sent = native::send_offsets(&self.0.native, &list, metadata, timeout);
        self.0.suspect |= started.elapsed() > SLOW;
        sent.map_err(|error| TxnError::of_native("sending offsets to the transaction", error))
    }

    /// Commits; waits for the coordinator's answer, and after some seconds gives itself back, to be called again.
    pub fn commit(self) -> Ending {
        self.end("committing a transaction", Native::commit_transaction)
    }

    /// Aborts; waits as `commit` does.
    pub fn abort(self) -> Ending {
        match self.end("aborting a transaction", Native::abort_transaction) {
            // There is nothing left to abort it with.
            Ending::MustAbort(_, error) => Ending::Gone(error),
            ending => ending,
        }
    }

    fn end(
        mut self,
        doing: &'static str,
        call: fn(&Native, rdkafka::util::Timeout) -> Result<(), KafkaError>,
    ) -> Ending {
        let started = Instant::now();
        let ended = call(&self.0.native, END.into());
        self.0.suspect |= ended.is_err() || started.elapsed() > SLOW;
        let Err(source) = ended else {
            return Ending::Done(Transactions(self.0));
        };
        let error = TxnError::of(doing, source);
        tracing::debug!(%error, id = self.0.id, "transaction_end_failed");
        match error.kind() {
            Kind::Retry => Ending::Again(self, error),
            Kind::Abort => Ending::MustAbort(self, error),
            Kind::Replace | Kind::Fatal => Ending::Gone(error),
        }
    }
}
