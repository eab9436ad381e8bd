//! What recovery concludes from what it found. Pure: each function is one paragraph of the protocol, and can be read beside it.

use super::{Seen, stops};
use crate::kafka::TopicPartition;
use crate::state::progress::Progress;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Tombstones live for `delete.retention.ms` (7 days) in the changelog; a marker that needs older ones is rebuilt. A day is
/// kept in hand for clocks that differ.
pub const TOMBSTONES_TRUSTED_MS: i64 = 6 * 24 * 3_600 * 1_000;

/// A marker may be so much younger than now by the clock of another host. One of a later day was written by a clock that nobody
/// can reckon with.
const CLOCKS_DIFFER_MS: i64 = 24 * 3_600 * 1_000;

/// The progress record before a marker is looked for among so many committed records. No transaction has more in one partition
/// (some thousand records are judged in it, and each changes a few entries), so there is one among them unless it was compacted away.
pub const NEAR: usize = 100_000;

/// What was found of a partition before its index is trusted.
#[derive(Debug, Clone)]
pub struct Found {
    pub partition: i32,
    pub low: i64,
    pub high: i64,
    /// The changelog's last progress record; None: none yet.
    pub last: Option<Progress>,
    pub seen: Seen,
    /// The last one below the marker, where something stands beyond it and the changelog still holds that one.
    pub below: Option<Progress>,
    /// The index may have lost something, whatever its marker says.
    pub suspect: bool,
    /// The oldest and the newest format that we read.
    pub formats: (u32, u32),
    pub now: i64,
}

/// How the index is brought up to the high watermark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// The marker's build is sound: replay [from, high).
    Replay { from: i64 },
    /// Start over under a new generation, from the low watermark.
    Rebuild { why: &'static str },
    /// Neither is safe: the sentence says what to do.
    Stop { why: String },
}

impl Found {
    /// Where the changelog may begin. Of one without a progress record nothing is known that could be missed.
    #[must_use]
    pub fn begins(&self) -> i64 {
        self.last.as_ref().map_or(self.low, |last| last.begins)
    }

    /// The incarnation that the changelog names.
    #[must_use]
    pub fn incarnation(&self) -> Option<Uuid> {
        self.last.as_ref().map(|last| last.incarnation)
    }

    /// Compaction leaves the beginning of a log where it is: records were deleted, and some may have been the last of their key.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.low > self.begins()
    }

    /// The index holds what the changelog does not. The offsets alone don't always say so: other transactions, or the ends of
    /// those that were open, may have been written up to the marker since, and beyond.
    #[must_use]
    pub fn is_ahead(&self) -> bool {
        let beyond = self.seen.marker.is_some_and(|marker| marker.offset > self.high);
        let sequence = |progress: &Option<Progress>| progress.as_ref().map(|progress| progress.sequence);
        beyond || sequence(&self.seen.progress) > sequence(&self.last) || self.is_other()
    }

    /// What the changelog holds below the marker is not what was applied from there. Wherever in a transaction the marker
    /// stands, the last progress record below it was applied last. One of the same number may be another: so all of it counts.
    fn is_other(&self) -> bool {
        let both = self.seen.progress.as_ref().zip(self.at_marker());
        both.is_some_and(|(applied, held)| applied != held)
    }

    /// The last progress record below the marker, as far as it is known.
    pub(super) fn at_marker(&self) -> Option<&Progress> {
        let is_reached = self.seen.marker.is_some_and(|marker| marker.offset == self.high);
        if is_reached {
            self.last.as_ref()
        } else {
            self.below.as_ref()
        }
    }

    /// Where to look for the progress record that was applied last, if the index holds one and lacks what follows it.
    #[must_use]
    pub fn below_marker(&self) -> Option<(i64, i64)> {
        // Of one that can't be read, or was not applied yet, there is nothing to compare.
        self.seen.progress.as_ref()?;
        let marker = self
            .seen
            .marker
            .filter(|marker| Some(marker.of.incarnation) == self.incarnation())?;
        let is_within = self.low < marker.offset && marker.offset < self.high;
        is_within.then_some((self.low, marker.offset))
    }
}

#[must_use]
pub fn plan(found: &Found) -> Plan {
    match cut(found) {
        Some(why) => Plan::Stop { why },
        None => by_marker(found),
    }
}

/// Why it stops, if it is for the changelog's lost beginning.
#[must_use]
pub fn cut(found: &Found) -> Option<String> {
    let is_built = matches!(by_marker(found), Plan::Rebuild { .. });
    (is_built && found.is_cut()).then(|| stops::cut(found.partition, found.low))
}

fn by_marker(found: &Found) -> Plan {
    let Some(marker) = found.seen.marker else {
        return Plan::Rebuild {
            why: "the index holds nothing of this partition",
        };
    };
    if found.incarnation() != Some(marker.of.incarnation) {
        return Plan::Rebuild {
            why: "the index belongs to another changelog",
        };
    }
    let (oldest, newest) = found.formats;
    if !(oldest..=newest).contains(&marker.of.format) {
        return Plan::Rebuild {
            why: "the index is written in a format that this version doesn't read",
        };
    }
    if found.is_ahead() {
        return Plan::Stop {
            why: stops::ahead_of_changelog(found),
        };
    }
    if found.suspect {
        return Plan::Rebuild {
            why: "the index may lack what it was given",
        };
    }
    let missing = marker.offset < found.high;
    let age = found.now.saturating_sub(marker.needs_tombstones_since());
    if missing && !(-CLOCKS_DIFFER_MS..=TOMBSTONES_TRUSTED_MS).contains(&age) {
        return Plan::Rebuild {
            why: "the index is older than the tombstones that the changelog still holds",
        };
    }
    if missing && marker.offset < found.low {
        return Plan::Rebuild {
            why: "the changelog no longer begins where the index ends",
        };
    }
    Plan::Replay { from: marker.offset }
}

/// Where one input goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    At(i64),
    /// The two that must agree do not.
    Disagree {
        committed: Option<i64>,
        progress: Option<i64>,
    },
}

/// The progress record is the truth; the committed offset must be equal or have expired (Kafka expires those of topics that a
/// group doesn't subscribe to). Both absent: from the earliest.
#[must_use]
pub fn start(committed: Option<i64>, progress: Option<i64>, earliest: i64) -> Start {
    match (committed, progress) {
        (None, None) => Start::At(earliest),
        (None, Some(progress)) => Start::At(progress),
        (Some(committed), Some(progress)) if committed == progress => Start::At(progress),
        (committed, progress) => Start::Disagree { committed, progress },
    }
}

/// The positions of all inputs of a task, or the sentence why it stops. Each log: its first offset, and the one after its last.
pub fn positions(
    partition: i32,
    inputs: &[TopicPartition],
    committed: &[Option<i64>],
    logs: &[(i64, i64)],
    progress: &dyn Fn(&TopicPartition) -> Option<i64>,
) -> Result<BTreeMap<TopicPartition, i64>, String> {
    let mut positions = BTreeMap::new();
    for ((input, committed), (earliest, end)) in inputs.iter().zip(committed).zip(logs) {
        let offset = match start(*committed, progress(input), *earliest) {
            Start::At(offset) if offset < *earliest => Err(stops::deleted(partition, input, offset, *earliest)),
            Start::At(offset) if offset > *end => Err(stops::out_of_range(partition, input, offset)),
            Start::At(offset) => Ok(offset),
            Start::Disagree {
                committed: Some(committed),
                progress: None,
            } => Err(stops::unknown_to_changelog(partition, input, committed)),
            Start::Disagree { committed, progress } => {
                Err(stops::disagree(partition, input, committed, progress.unwrap_or(0)))
            }
        };
        positions.insert(input.clone(), offset?);
    }
    Ok(positions)
}

#[cfg(test)]
mod tests;
