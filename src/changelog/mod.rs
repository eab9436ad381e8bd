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
    let (mut window, mut to) = (TAIL, high);
    while to > low {
        let from = low.max(to - window);
        let records = read_all(reader, changelog, (from, to), STALL)?;
        let mut latest_first = records.into_iter().rev();
        let last = latest_first.find(|record| record.key.as_deref() == Some(RecordKey::PROGRESS.as_bytes()));
        if let Some(value) = last.and_then(|record| record.value) {
            return Progress::decode(&value).map(Some).map_err(|error| {
                Fault::Unreadable(format!("the progress record of {changelog} can't be read: {error}"))
            });
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
