//! Reads the changelog of one partition: its last progress record, and what its records do to an index, piece by piece and read
//! ahead. Joins no group and writes nothing; what to make of it is the caller's.

mod ahead;
mod search;

pub use ahead::{Piece, Replay};
pub use search::Search;

use crate::kafka::restore::RangeReader;
use crate::kafka::{Error, Record, TopicPartition};
use crate::protocol::recovery::NEAR;
use crate::state::progress::Progress;
use std::time::Duration;

/// Without a record for so long a reading fails; an open transaction below the watermark may be why.
const STALL: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_millis(500);

/// Why a changelog could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error(transparent)]
    Kafka(#[from] Error),
    /// This version can't read what stands there; asking again won't help.
    #[error("{0}")]
    Unreadable(String),
}

/// The last progress record of `[low, high)`. None: there is none.
pub fn last_progress(
    reader: &mut RangeReader,
    changelog: &TopicPartition,
    low: i64,
    high: i64,
) -> Result<Option<Progress>, Fault> {
    to_its_end(Search::new(changelog, (low, high), usize::MAX), reader)
}

/// The last that can be read, whatever follows it.
pub fn last_readable_progress(
    reader: &mut RangeReader,
    changelog: &TopicPartition,
    low: i64,
    high: i64,
) -> Result<Option<Progress>, Fault> {
    to_its_end(Search::new(changelog, (low, high), usize::MAX).of_readable(), reader)
}

/// The last progress record of `[low, marker)`. None: there is none near the marker.
pub fn progress_below(
    reader: &mut RangeReader,
    changelog: &TopicPartition,
    low: i64,
    marker: i64,
) -> Result<Option<Progress>, Fault> {
    to_its_end(Search::new(changelog, (low, marker), NEAR), reader)
}

/// However long it takes, as long as it moves.
fn to_its_end(mut search: Search, reader: &mut RangeReader) -> Result<Option<Progress>, Fault> {
    loop {
        let stood = search.stands();
        match search.go_on(reader, STALL) {
            Err(Fault::Kafka(Error::TimedOut { .. })) if search.stands() != stood => {}
            found => return found,
        }
    }
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
