//! Reads the changelog of one partition: its last progress record, and what its records do to an index, piece by piece and read
//! ahead. Joins no group and writes nothing; what to make of it is the caller's.

mod ahead;

pub use ahead::{Piece, Replay};

use crate::kafka::restore::RangeReader;
use crate::kafka::{Error, Record, TopicPartition};
use crate::state::keys::RecordKey;
use crate::state::progress::Progress;
use std::time::Duration;

/// Without a record for so long a reading fails; an open transaction below the watermark may be why.
const STALL: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_millis(500);
/// How far from its end the changelog is first searched for its last progress record.
const TAIL: i64 = 64;

/// Why a changelog could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error(transparent)]
    Kafka(#[from] Error),
    /// This version can't read what stands there; asking again won't help.
    #[error("{0}")]
    Unreadable(String),
}

/// Searches backwards, in windows that grow: compaction keeps the last record of the key, so it is near the end unless aborted
/// transactions follow it. None: there is none in `[low, high)`.
pub fn last_progress(
    reader: &mut RangeReader,
    changelog: &TopicPartition,
    low: i64,
    high: i64,
) -> Result<Option<Progress>, Fault> {
    let last = search(reader, changelog, (low, high), &mut |at, value| {
        Some((at, Progress::decode(value)))
    })?;
    last.map_or(Ok(None), |(at, progress)| {
        let at = changelog.at(at);
        progress
            .map(Some)
            .map_err(|error| Fault::Unreadable(format!("the progress record {at} can't be read: {error}")))
    })
}

/// The last that can be read, whatever follows it.
pub fn last_readable_progress(
    reader: &mut RangeReader,
    changelog: &TopicPartition,
    low: i64,
    high: i64,
) -> Result<Option<Progress>, Fault> {
    let readable = &mut |_, value: &[u8]| Progress::decode(value).ok();
    Ok(search(reader, changelog, (low, high), readable)?)
}

/// The last progress record of which something is made.
fn search<T>(
    reader: &mut RangeReader,
    changelog: &TopicPartition,
    (low, high): (i64, i64),
    make: &mut dyn FnMut(i64, &[u8]) -> Option<T>,
) -> Result<Option<T>, Error> {
    let (mut window, mut to) = (TAIL, high);
    while to > low {
        let from = low.max(to - window);
        let records = read_all(reader, changelog, (from, to), STALL)?;
        let progress = |record: &Record| record.key.as_deref() == Some(RecordKey::PROGRESS.as_bytes());
        let mut latest_first = records.into_iter().rev().filter(progress);
        let made = latest_first.find_map(|record| make(record.at.offset, record.value.as_deref()?));
        if made.is_some() {
            return Ok(made);
        }
        to = from;
        window *= 8;
    }
    Ok(None)
}

/// All committed records of `[from, to)`: not for long stretches.
pub fn read_all(
    reader: &mut RangeReader,
    at: &TopicPartition,
    (from, to): (i64, i64),
    stall: Duration,
) -> Result<Vec<Record>, Error> {
    reader.start(at.clone(), from, to, stall)?;
    let mut records = Vec::new();
    while !reader.next(usize::MAX, PATIENCE, &mut records)?.done {}
    Ok(records)
}
