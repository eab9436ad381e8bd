//! The protocol of a worker and its tasks as a state machine without I/O: events in, actions out. It never waits, reads no
//! clock and draws no lot, so what ships is what the simulator runs.
//!
//! A *task* owns one partition of `router-commands` and of `router-changelog`. A *worker* has some tasks, one consumer and one
//! transactional producer. What a worker promises: a transaction holds the outputs, the changed records, a progress record
//! and the offsets of all inputs of each task it touched; nothing is folded from a value that the index may have lost; and
//! every doubt ends in the same recovery.
//!
//! - [`core`]: which event goes where.
//! - `membership`: tasks that come and go; `trust`: when a task may believe its index.
//! - [`task`], `recovering`, [`recovery`], `stops`: from an assigned partition to a running task, or why it can't run.
//! - `pending`, [`batch`]: records collected, what they need read, the fold.
//! - [`stage`], [`transaction`]: what the one batch is at, and its way to its one end.
//! - `settings`: those that a batch is judged by.
//! - `unreadable`: a record of ours that can't be read.
//! - [`burst`]: when an input has so many bad records that somebody should look first.
//! - [`sweep`]: how far timers may be fired; [`horizon`]: how far the clock says so.
//! - `renewal`: when a consumer that was fenced is replaced.
//! - [`rules`]: what the simulation switches off, one at a time.

pub mod batch;
pub mod burst;
pub mod core;
pub mod horizon;
mod membership;
mod pending;
mod recovering;
pub mod recovery;
mod renewal;
mod retry;
pub mod rules;
mod settings;
pub mod stage;
pub mod stops;
pub mod sweep;
pub mod task;
pub mod transaction;
mod trust;
mod unreadable;

use crate::domain::time::Instant;
use crate::index::{Applied, Begin, Begun, Change, Generation, Marker, Read};
use crate::judging::SettingsTable;
use crate::kafka::{NewRecord, Position, Rebalance, Record, TopicPartition};
use crate::state::progress::Progress;
use std::sync::Arc;

pub use self::core::Core;
pub use self::renewal::Renewal;

/// A partition of `router-commands` and `router-changelog`, and so the task that owns it.
pub type Partition = i32;

/// Counts the lives of tasks, so that an answer to a question of an earlier life is known as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Life {
    pub partition: Partition,
    pub epoch: u64,
}

/// Both clocks at the moment of an event. `wall` judges timestamps and timers, `steady` only measures waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    pub wall: Instant,
    pub steady_ms: u64,
}

#[derive(Debug)]
pub enum Event {
    Rebalance(Rebalance),
    Record(Record),
    /// The consumer stands at the end of a partition: nothing that it may read lies before this position.
    EndReached(Position),
    /// Offsets are gone: the log begins after the position that was asked for.
    OutOfRange(TopicPartition),
    /// Number of partitions of each input topic, in the order of the configuration.
    InputCounts(Vec<(Arc<str>, i32)>),
    /// Up to this instant all inputs of the group have been consumed (with the grace taken off).
    ClockHorizon(Instant),
    Recovered(Life, RecoveryAnswer),
    Values(Life, Result<Read<Vec<Option<Vec<u8>>>>, Unanswered>),
    Applied(Life, Result<Applied, Unanswered>),
    Due(Life, Result<Read<DueEntries>, Unanswered>),
    /// The settings as of a high watermark that was asked for after the question of that number. None: it could not be read.
    Settings(u64, Option<Arc<SettingsTable>>),
    /// Which record of the settings can't be read, and why: until another stands for it there are none.
    SettingsUnreadable(String),
    Transaction(TransactionAnswer),
    /// The client may read this partition of an input from another place than it was told to.
    SeekFailed(TopicPartition),
    /// The index of this partition was found to hold something else than the changelog.
    IndexDiffers(Partition),
    /// The index may lose what it is given.
    IndexUnfit,
    Tick,
    /// An operator lets a halted partition go on, whatever comes of it for so many milliseconds.
    GoOn(TopicPartition, u64),
    /// Finish what is open, start nothing new.
    Drain,
}

/// Why a question to the index has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// It could not be asked: the same question may be answered later.
    Unavailable,
    /// It holds what this program did not write: the sentence says what. Asked again, it would say the same.
    Unreadable(String),
}

#[derive(Debug)]
pub enum Action {
    /// Read these too, each from there: what the client is handed when its position is known, and never before. An
    /// assignment is answered at once, with none.
    Assign(Vec<(TopicPartition, i64)>),
    /// Answer a revocation, or a loss, once: with all that the client was handed of it.
    Unassign(Vec<TopicPartition>),
    /// Seek there and let them flow again.
    Resume(Vec<(TopicPartition, i64)>),
    Pause(Vec<TopicPartition>),
    /// The same partitions as before, from where they stand.
    Unpause(Vec<TopicPartition>),
    Recover(Life, RecoveryQuestion),
    Read {
        life: Life,
        of: Generation,
        keys: Vec<Vec<u8>>,
    },
    Apply {
        life: Life,
        of: Generation,
        batch: crate::index::Batch,
    },
    FindDue(DueQuestion),
    SyncSettings(u64),
    /// Builds of this partition's index that nobody reads any more may be given back.
    SweepForeign(Partition),
    Transaction(TransactionStep),
    /// The program must end: the sentence says what to change.
    Fail(String),
    /// Something an operator should know of: said once, in a sentence.
    Report(Report),
}

/// Which entries may have timers due?
#[derive(Debug)]
pub struct DueQuestion {
    pub life: Life,
    pub of: Generation,
    /// Names of clocks, and the latest start of interest.
    pub cutoffs: Vec<(Vec<u8>, i64)>,
    /// Members of each clock to leave out, earliest first, and how many to find after them.
    pub skip: usize,
    pub limit: usize,
}

/// Entries that may have timers due.
#[derive(Debug, Default)]
pub struct DueEntries {
    /// Their values, as the index holds them.
    pub values: Vec<Vec<u8>>,
    /// No clock had more than were asked for.
    pub whole: bool,
}

/// One step of recovery that needs the outside.
#[derive(Debug, Clone)]
pub enum RecoveryQuestion {
    /// Committed offsets, stable ones: this waits for open transactions to end.
    Committed(Vec<TopicPartition>),
    /// Asked only after the committed offsets have come: the changelog's ends by a `read_uncommitted` client, never the
    /// last stable offset (KAFKA-10167), where each input begins and ends, and, asked for after the changelog's, where the settings end.
    Watermarks {
        changelog: TopicPartition,
        inputs: Vec<TopicPartition>,
    },
    /// The last progress record within [low, high).
    LastProgress {
        changelog: TopicPartition,
        low: i64,
        high: i64,
    },
    Marker,
    /// The last progress record within [low, marker), if it stands near the marker: see [`recovery::NEAR`].
    ProgressBelow {
        changelog: TopicPartition,
        low: i64,
        marker: i64,
    },
    Begin(Begin),
    /// The next committed records of [from, to); the answer says how far it came.
    Replay {
        changelog: TopicPartition,
        from: i64,
        to: i64,
    },
    Apply {
        of: Generation,
        batch: crate::index::Batch,
    },
}

/// What an index says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    pub marker: Option<Marker>,
    /// The progress record that it holds: the last one of the changelog that was applied to it.
    pub progress: Option<Progress>,
    /// Redis has thrown entries away since it was begun, or something else stands where they should be.
    pub spoilt: bool,
}

#[derive(Debug)]
pub enum RecoveryAnswer {
    Committed(Vec<Option<i64>>),
    Watermarks {
        low: i64,
        high: i64,
        input_lows: Vec<i64>,
        input_ends: Vec<i64>,
        settings_end: i64,
    },
    LastProgress(Option<Progress>),
    Seen(Seen),
    ProgressBelow(Option<Progress>),
    Begun(Begun),
    /// What the records read do to the index, and the offset from which to read on.
    Replayed {
        changes: Vec<Change>,
        next: i64,
    },
    Applied(Applied),
    /// It could not be asked: the sentence says what failed; the question is asked again.
    Unavailable(String),
    /// It can't be answered by asking again: the partition stops.
    Hopeless(String),
    /// The index holds what this program did not write: the sentence says what.
    Unreadable(String),
    /// The index may lose what it is given: whatever stands there is given up, and the partition stops.
    Untrusted {
        why: String,
        marker: Option<Marker>,
    },
}

/// The steps of one transaction, each answered before the next.
#[derive(Debug)]
pub enum TransactionStep {
    Begin,
    /// Send all of these; an answer names the first that was refused.
    Produce(Vec<NewRecord>),
    Flush,
    SendOffsets(Vec<(TopicPartition, i64)>),
    Commit,
    Abort,
    /// A new producer under the same transactional id, which fences the old one and ends its open transaction.
    ReplaceProducer,
}

#[derive(Debug)]
pub enum TransactionAnswer {
    Begun,
    /// This producer may not begin another, though its last transaction ended as it was said to: replace it. Nothing is lost.
    NotBegun,
    Produced,
    /// Offsets by the place of the record in `Produce`.
    Flushed(Vec<Option<i64>>),
    OffsetsSent,
    Committed,
    Aborted,
    Replaced,
    /// The broker says of this one record (by its place) that it can't be taken: the only cause that names a record.
    RecordRefused {
        place: usize,
        sentence: String,
    },
    /// One or more of them can't be taken, and nobody says which: each is to be tried alone.
    SomeRefused(String),
    /// The transaction must be aborted; the batch is folded again.
    MustAbort(String),
    /// This producer is done for (fatal, fenced, unknown outcome): replace it, and doubt everything.
    ProducerLost(String),
}

/// What happened, for the log and the figures. Never an org, a phone or a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    Assigned {
        count: usize,
    },
    RecoveryBegun {
        partition: Partition,
        cause: &'static str,
    },
    Rebuilding {
        partition: Partition,
        why: &'static str,
    },
    /// The changelog begins there, since somebody deleted what stood before: the index alone holds all by now.
    ChangelogCut {
        partition: Partition,
        begins: i64,
    },
    Restored {
        partition: Partition,
        records: u64,
    },
    RestoreProgress {
        partition: Partition,
        remaining: i64,
        replayed: u64,
    },
    Stopped {
        partition: Partition,
        why: String,
    },
    Closed {
        partition: Partition,
    },
    /// A partition of an input is not read on from there.
    Halted {
        at: TopicPartition,
        offset: i64,
        why: String,
    },
    /// It is read again, or has gone to another process.
    HaltOver {
        at: TopicPartition,
    },
    Committed(Box<crate::judging::Tally>),
    Aborted {
        why: String,
    },
    NoProgress {
        seconds: u64,
        why: String,
    },
    Unavailable {
        partition: Partition,
        what: String,
    },
    Fenced {
        why: String,
    },
    /// Changelog offsets committed and not in the index yet.
    Overlay {
        partition: Partition,
        behind: i64,
    },
}
