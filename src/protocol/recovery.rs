//! What recovery concludes from what it found. Pure: each function is one paragraph of the protocol, and can be read beside it.

use super::{Seen, stops};
use crate::kafka::TopicPartition;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Tombstones live for `delete.retention.ms` (7 days) in the changelog; a marker that needs older ones is rebuilt. A day is
/// kept in hand for clocks that differ.
pub const TOMBSTONES_TRUSTED_MS: i64 = 6 * 24 * 3_600 * 1_000;

/// Few transactions are longer: the progress record before a marker is looked for among so many offsets.
const NEAR: i64 = 64;

/// What was found of a partition before its index is trusted.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    pub partition: i32,
    pub low: i64,
    pub high: i64,
    /// Where the changelog may begin, as its last progress record says.
    pub begins: i64,
    /// The incarnation that the changelog's last progress record names; None: no progress record yet.
    pub incarnation: Option<Uuid>,
    /// The sequence of that record.
    pub sequence: Option<u64>,
    pub seen: Seen,
    /// That of the last progress record below the marker, where the changelog still holds one near it.
    pub at_marker: Option<u64>,
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
    /// Compaction leaves the beginning of a log where it is: records were deleted, and some may have been the last of their key.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.low > self.begins
    }

    /// The index holds what the changelog does not. The offsets alone don't always say so: other transactions, or the ends of
    /// those that were open, may have been written up to the marker since, and beyond.
    #[must_use]
    pub fn is_ahead(&self) -> bool {
        let beyond = self.seen.marker.is_some_and(|marker| marker.offset > self.high);
        beyond || self.seen.sequence > self.sequence || self.is_other()
    }

    /// What the changelog holds below the marker is not what was applied from there.
    fn is_other(&self) -> bool {
        let both = self.seen.sequence.zip(self.at_marker);
        both.is_some_and(|(applied, held)| applied != held)
    }

    /// Where to look for the progress record that was applied last, if the index lacks what follows it.
    #[must_use]
    pub fn below_marker(&self) -> Option<(i64, i64)> {
        let marker = self
            .seen
            .marker
            .filter(|marker| Some(marker.of.incarnation) == self.incarnation)?;
        let is_within = self.low < marker.offset && marker.offset < self.high;
        is_within.then(|| (self.low.max(marker.offset - NEAR), marker.offset))
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
    if found.incarnation != Some(marker.of.incarnation) {
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
    if missing && found.now.saturating_sub(marker.needs_tombstones_since()) > TOMBSTONES_TRUSTED_MS {
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

/// The positions of all inputs of a task, or the sentence why it stops.
pub fn positions(
    partition: i32,
    inputs: &[TopicPartition],
    committed: &[Option<i64>],
    earliest: &[i64],
    progress: &dyn Fn(&TopicPartition) -> Option<i64>,
) -> Result<BTreeMap<TopicPartition, i64>, String> {
    let mut positions = BTreeMap::new();
    for ((input, committed), earliest) in inputs.iter().zip(committed).zip(earliest) {
        let offset = match start(*committed, progress(input), *earliest) {
            Start::At(offset) if offset < *earliest => Err(stops::deleted(partition, input, offset, *earliest)),
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
mod tests {
    use super::*;
    use crate::index::{Generation, Marker};

    fn marker(offset: i64) -> Marker {
        let of = Generation {
            incarnation: Uuid::from_u128(1),
            generation: Uuid::from_u128(2),
            format: 1,
        };
        Marker {
            of,
            offset,
            begun_at: 0,
            applied_until: Some(0),
        }
    }

    fn found(marker: Option<Marker>) -> Found {
        Found {
            partition: 3,
            low: 0,
            high: 100,
            begins: 0,
            incarnation: Some(Uuid::from_u128(1)),
            sequence: Some(20),
            seen: Seen {
                marker,
                sequence: marker.map(|_| 20),
                evicted: false,
            },
            at_marker: None,
            suspect: false,
            formats: (1, 2),
            now: 1_000,
        }
    }

    #[test]
    fn the_marker_decides_between_replay_rebuild_and_stop() {
        assert_eq!(plan(&found(Some(marker(40)))), Plan::Replay { from: 40 });
        assert_eq!(plan(&found(Some(marker(100)))), Plan::Replay { from: 100 });
        assert!(matches!(plan(&found(None)), Plan::Rebuild { .. }));
        assert!(matches!(plan(&found(Some(marker(101)))), Plan::Stop { .. }));
        let other = Found {
            incarnation: Some(Uuid::from_u128(9)),
            ..found(Some(marker(40)))
        };
        assert!(matches!(plan(&other), Plan::Rebuild { .. }));
        let suspect = Found {
            suspect: true,
            ..found(Some(marker(100)))
        };
        assert!(matches!(plan(&suspect), Plan::Rebuild { .. }));
    }

    #[test]
    fn an_index_that_has_more_transactions_than_the_changelog_stops_though_its_marker_is_reached() {
        let holds = |sequence| {
            let found = found(Some(marker(100)));
            let seen = Seen { sequence, ..found.seen };
            plan(&Found { seen, ..found })
        };
        assert!(matches!(holds(Some(21)), Plan::Stop { .. }));
        for sequence in [Some(20), Some(19), None] {
            assert_eq!(holds(sequence), Plan::Replay { from: 100 });
        }
    }

    #[test]
    fn an_index_that_was_applied_from_other_transactions_than_stand_there_by_now_stops() {
        let beside = |at_marker| Found {
            at_marker,
            ..found(Some(marker(90)))
        };
        assert_eq!(beside(None).below_marker(), Some((26, 90)));
        assert_eq!(found(Some(marker(100))).below_marker(), None, "it lacks nothing");
        assert!(matches!(plan(&beside(Some(19))), Plan::Stop { .. }));
        for same in [Some(20), None] {
            assert_eq!(plan(&beside(same)), Plan::Replay { from: 90 });
        }
    }

    #[test]
    fn nothing_is_rebuilt_from_a_changelog_that_lost_its_beginning_until_that_is_accepted() {
        let cut = |marker, begins| Found {
            low: 10,
            begins,
            ..found(marker)
        };
        assert_eq!(plan(&cut(Some(marker(40)), 0)), Plan::Replay { from: 40 }, "it has all");
        for lost in [None, Some(marker(9))] {
            assert!(matches!(plan(&cut(lost, 0)), Plan::Stop { .. }));
            assert!(matches!(plan(&cut(lost, 9)), Plan::Stop { .. }), "more is gone");
            assert!(matches!(plan(&cut(lost, 10)), Plan::Rebuild { .. }));
        }
    }

    #[test]
    fn an_index_is_not_rebuilt_between_neighbouring_formats() {
        for (formats, rebuilt) in [
            ((1, 1), false),
            ((1, 2), false),
            ((0, 1), false),
            ((2, 3), true),
            ((0, 0), true),
        ] {
            let other = Found {
                formats,
                ..found(Some(marker(40)))
            };
            assert_eq!(matches!(plan(&other), Plan::Rebuild { .. }), rebuilt, "{formats:?}");
        }
    }

    #[test]
    fn a_marker_older_than_the_tombstones_is_rebuilt_only_if_something_is_missing() {
        let old = Found {
            now: TOMBSTONES_TRUSTED_MS + 1,
            ..found(Some(marker(40)))
        };
        assert!(matches!(plan(&old), Plan::Rebuild { .. }));
        let idle = Found {
            now: TOMBSTONES_TRUSTED_MS + 1,
            ..found(Some(marker(100)))
        };
        assert_eq!(plan(&idle), Plan::Replay { from: 100 });
    }

    #[test]
    fn the_progress_record_is_the_truth_of_positions() {
        assert_eq!(start(None, None, 7), Start::At(7));
        assert_eq!(start(None, Some(9), 7), Start::At(9));
        assert_eq!(start(Some(9), Some(9), 7), Start::At(9));
        assert!(matches!(start(Some(8), Some(9), 7), Start::Disagree { .. }));
        assert!(matches!(start(Some(8), None, 7), Start::Disagree { .. }));
    }

    #[test]
    fn a_stop_says_what_each_way_out_loses_and_which_command_takes_it() {
        let input = [TopicPartition::new("inbound-messages", 3)];
        let said = |committed, earliest, progress: Option<i64>| {
            positions(3, &input, &[committed], &[earliest], &|_| progress).unwrap_err()
        };
        let ahead = match plan(&found(Some(marker(101)))) {
            Plan::Stop { why } => why,
            other => panic!("{other:?}"),
        };
        let cut = Found { low: 10, ..found(None) };
        let Plan::Stop { why: cut } = plan(&cut) else {
            panic!("it is rebuilt");
        };
        for (said, loss, command) in [
            (
                cut,
                "the contacts and chatrooms whose last records stood there",
                "positions accept log --partition 3",
            ),
            (
                ahead,
                "give up what only the index holds",
                "index rebuild --partition 3 --discard-index",
            ),
            (
                said(Some(8), 0, Some(5)),
                "records 5 to 7 are then never judged",
                "positions accept changelog --partition 3",
            ),
            (
                said(Some(8), 0, Some(5)),
                "nothing is lost",
                "positions accept group --partition 3",
            ),
            (
                said(Some(5), 0, Some(8)),
                "records 5 to 7 are then judged again",
                "positions accept changelog --partition 3",
            ),
            (
                said(Some(5), 0, None),
                "the contacts and chatrooms that it lacks",
                "positions accept group --partition 3",
            ),
            (
                said(Some(5), 9, Some(5)),
                "records 5 to 8 were deleted",
                "positions accept log --partition 3",
            ),
        ] {
            assert!(
                said.contains(loss) && said.contains(&format!("`chatroom-router {command}`")),
                "{said}"
            );
        }
    }
}
