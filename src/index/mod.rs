//! The index: what a task reads instead of its changelog, and may lose at any moment without losing a record.
//!
//! Per partition it holds a [`Marker`], values (opaque bytes under opaque keys) and clocks (members ordered by the instant they
//! start from). The marker names the build that the rest belongs to and the changelog offset up to which it is applied; every
//! call that reads or writes for a task names the build it means and is refused as *foreign* when the marker names another.
//! So the index trails the changelog, is never ahead of it, and a task that no longer owns a partition can neither harm its
//! index nor be fed from it unawares.
//!
//! Absent here: what the bytes mean, when to rebuild, and any clock (instants are arguments, in milliseconds since 1970).

mod batch;
mod error;
mod memory;
mod redis;

use std::sync::Arc;

use uuid::Uuid;

pub use batch::{Batch, Change, Op};
pub use error::{Error, ErrorKind, Fault};
pub use redis::Settings;

use memory::Memory;
use redis::Redis;

/// One build of one partition's index. Every stored key belongs to one, so two builds never share a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Generation {
    /// The changelog's own identity: made by its first owner, repeated by every progress record.
    pub incarnation: Uuid,
    /// Random (v4) for each rebuild.
    pub generation: Uuid,
    /// The format of the values. A build keeps the format that it was begun with.
    pub format: u32,
}

/// What a partition's index says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The build that the values and clocks belong to.
    pub of: Generation,
    /// The next changelog offset to apply: everything below it is in the index.
    pub offset: i64,
    /// When this build was begun.
    pub begun_at: i64,
    /// The instant up to which the writer knew the index to hold everything; it never goes back within a build.
    /// `None` until a rebuild has caught up for the first time, and readers should say so.
    pub applied_until: Option<i64>,
}

impl Marker {
    /// Whether this build has once held everything.
    pub fn is_complete(&self) -> bool {
        self.applied_until.is_some()
    }

    /// The instant since which the changelog must still hold every tombstone for a replay from `offset` to be sound.
    /// If it is longer ago than the changelog keeps tombstones, only a rebuild is sound.
    pub fn needs_tombstones_since(&self) -> i64 {
        self.applied_until.unwrap_or(self.begun_at)
    }
}

/// What [`Index::begin`] is asked to do: start a build over, in place of the one that the caller saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin {
    /// The generation that the marker named when the caller looked; `None` if there was no marker.
    pub expected: Option<Uuid>,
    /// The build to start, under a fresh random generation.
    pub of: Generation,
    /// The changelog offset that it starts from.
    pub offset: i64,
    /// The present instant.
    pub at: i64,
}

/// How [`Index::begin`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// The marker names the new build, and nothing of an older one can be read or written any more.
    /// A repeated call for a build that has begun says so too, and leaves its offset as it is.
    Begun(Marker),
    /// Somebody else was there first: the marker isn't the expected one. Nothing was changed.
    Other(Option<Marker>),
}

/// How [`Index::apply`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The marker now stands at the batch's `to`.
    Applied,
    /// The marker stood at the batch's `to` or beyond before the call; no value or clock was touched.
    Already,
    /// The index lacks what comes before the batch: its marker is below `from`. Send again from the marker, then this.
    Gap(Marker),
    /// The partition's index isn't (or is no longer) the build that the caller means. Nothing (more) was applied.
    Foreign(Option<Marker>),
}

/// The answer to a question about one build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read<T> {
    /// What was found, and the marker that it was found under, taken in the same instant. An answer fetched in several
    /// pieces carries the marker of the lowest offset among them.
    Found { marker: Marker, value: T },
    /// The partition's index isn't the build that the caller means.
    Foreign(Option<Marker>),
}

impl<T> Read<T> {
    fn try_map<U>(self, convert: impl FnOnce(T) -> Result<U, Error>) -> Result<Read<U>, Error> {
        match self {
            Read::Found { marker, value } => convert(value).map(|value| Read::Found { marker, value }),
            Read::Foreign(marker) => Ok(Read::Foreign(marker)),
        }
    }
}

/// One clock's part of the question [`Index::due`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due<'a> {
    /// The clock's name.
    pub clock: &'a [u8],
    /// Members that started at this instant or before are wanted.
    pub upto: i64,
    /// How many of the earliest to leave out.
    pub skip: usize,
}

/// One member of a clock, and the instant it started from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub member: Vec<u8>,
    pub start: i64,
}

/// One thing that a build holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    Value {
        key: Vec<u8>,
        value: Vec<u8>,
    },
    /// Where a member of a clock started.
    Clock {
        clock: Vec<u8>,
        member: Vec<u8>,
        start: i64,
    },
}

/// How much [`Index::sweep_foreign`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swept {
    /// Stored keys given back by this call.
    pub removed: usize,
    /// Whether anything of an older build is left.
    pub more: bool,
}

/// One index of all partitions. Cloning shares the connection; [`Index::handle`] opens another.
#[derive(Clone, Debug)]
pub enum Index {
    /// In this process, gone with it: for the demo and for tests.
    Memory(Arc<Memory>),
    /// In Redis or Valkey.
    Redis(Arc<Redis>),
}

/// Forwards a call to whichever index this is.
macro_rules! forward {
    ($self:ident, $index:ident => $call:expr) => {
        match $self {
            Index::Memory($index) => $call,
            Index::Redis($index) => $call,
        }
    };
}

impl Index {
    /// An empty index in memory.
    pub fn memory() -> Self {
        Index::Memory(Arc::new(Memory::default()))
    }

    /// The index in Redis that the settings lead to. Nothing is sent yet: the first call connects.
    pub fn redis(settings: &Settings) -> Result<Self, Error> {
        Redis::new(settings).map(|index| Index::Redis(Arc::new(index)))
    }

    /// The same index over a connection of its own: one for each worker, so that none waits for another's replies.
    pub fn handle(&self) -> Self {
        match self {
            Index::Memory(index) => Index::Memory(Arc::clone(index)),
            Index::Redis(index) => Index::Redis(Arc::new(index.another())),
        }
    }

    /// What the partition's index says of itself; `None` if it was never begun, or was lost.
    pub async fn marker(&self, partition: i32) -> Result<Option<Marker>, Error> {
        forward!(self, index => index.marker(partition).await)
    }

    /// Starts a build over, if the marker is still the one that the caller saw: a compare-and-set.
    pub async fn begin(&self, partition: i32, begin: &Begin) -> Result<Begun, Error> {
        forward!(self, index => index.begin(partition, begin).await)
    }

    /// Takes the marker away, be it one that can't be read: what stood under it is foreign to every build from now on.
    pub async fn discard(&self, partition: i32) -> Result<(), Error> {
        forward!(self, index => index.discard(partition).await)
    }

    /// Applies a stretch of the changelog and moves the marker to its end. Applying it again does nothing; a call cut short
    /// leaves the marker at a point from which applying again completes it.
    pub async fn apply(&self, partition: i32, of: &Generation, batch: &Batch) -> Result<Applied, Error> {
        batch.check()?;
        forward!(self, index => index.apply(partition, of, batch).await)
    }

    /// The values under `keys`, in their order, with the marker of the same instant. The only read that may feed a decision.
    pub async fn read<K: AsRef<[u8]> + Sync>(
        &self,
        partition: i32,
        of: &Generation,
        keys: &[K],
    ) -> Result<Read<Vec<Option<Vec<u8>>>>, Error> {
        forward!(self, index => index.read(partition, of, keys).await)
    }

    /// The values under `keys` in whatever build the marker names, for those who only look. No marker, no values.
    pub async fn read_any<K: AsRef<[u8]> + Sync>(
        &self,
        partition: i32,
        keys: &[K],
    ) -> Result<(Option<Marker>, Vec<Option<Vec<u8>>>), Error> {
        let mut seen = self.marker(partition).await?;
        for _ in 0..READ_ANY_TRIES {
            let Some(marker) = seen else {
                return Ok((None, vec![None; keys.len()]));
            };
            match self.read(partition, &marker.of, keys).await? {
                Read::Found { marker, value } => return Ok((Some(marker), value)),
                Read::Foreign(now) => seen = now,
            }
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            format!("the index of partition {partition} is begun anew again and again"),
        ))
    }

    /// For each question, in their order, at most `limit` members, earliest first (those of one instant by their bytes).
    pub async fn due(
        &self,
        partition: i32,
        of: &Generation,
        questions: &[Due<'_>],
        limit: usize,
    ) -> Result<Read<Vec<Vec<Member>>>, Error> {
        forward!(self, index => index.due(partition, of, questions, limit).await)
    }

    /// The names of the clocks that have members, in no particular order.
    pub async fn clocks(&self, partition: i32, of: &Generation) -> Result<Read<Vec<Vec<u8>>>, Error> {
        forward!(self, index => index.clocks(partition, of).await)
    }

    /// Hands out all that the build holds, in no order and some of it perhaps twice; what changes meanwhile is handed out as it
    /// was, as it is, or both. The marker is that of the beginning.
    pub async fn walk(
        &self,
        partition: i32,
        of: &Generation,
        each: &mut (dyn FnMut(Held) + Send),
    ) -> Result<Read<()>, Error> {
        forward!(self, index => index.walk(partition, of, each).await)
    }

    /// Gives back what builds that the marker does not name still hold, about `limit` stored keys a call. Without a marker
    /// nothing is swept: the next build that begins makes all older ones sweepable.
    pub async fn sweep_foreign(&self, partition: i32, limit: usize) -> Result<Swept, Error> {
        forward!(self, index => index.sweep_foreign(partition, limit).await)
    }

    /// Those of the partitions of whose entries some were thrown away since their build was begun, however the index is set up by
    /// now. A server that has started anew since tells only of what it threw away itself. Of no build it means nothing.
    pub async fn evicted(&self, partitions: impl IntoIterator<Item = i32>) -> Result<Vec<i32>, Error> {
        forward!(self, index => index.evicted(partitions).await)
    }

    /// Whether the index answers and is set up to keep what it is given. A fault says what to change.
    pub async fn check(&self) -> Result<(), Fault> {
        forward!(self, index => index.check().await)
    }
}

/// How often a read that names no build follows a marker that changes under it.
const READ_ANY_TRIES: usize = 5;
