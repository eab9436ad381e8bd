//! What recovery concludes, row by row.

use super::*;
use crate::index::{Generation, Marker};
use crate::state::homes::Partitions;
use crate::state::progress::Expected;
use crate::state::wire::Format;

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

fn progress(sequence: u64) -> Progress {
    let expected = Expected {
        format: Format::DEFAULT,
        partitions: Partitions::new(8).unwrap(),
        phone_form: 1,
        configured_key: None,
    };
    Progress {
        sequence,
        ..Progress::first(&expected, Uuid::from_u128(1))
    }
}

fn found(marker: Option<Marker>) -> Found {
    Found {
        partition: 3,
        low: 0,
        high: 100,
        last: Some(progress(20)),
        seen: Seen {
            marker,
            progress: marker.map(|_| progress(20)),
            spoilt: false,
        },
        below: None,
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
        last: Some(Progress {
            incarnation: Uuid::from_u128(9),
            ..progress(20)
        }),
        ..found(Some(marker(40)))
    };
    assert!(matches!(plan(&other), Plan::Rebuild { .. }));
    let suspect = Found {
        suspect: true,
        ..found(Some(marker(100)))
    };
    assert!(matches!(plan(&suspect), Plan::Rebuild { .. }));
}

/// Found with an index that holds the progress record of that number.
fn holding(offset: i64, sequence: Option<u64>) -> Found {
    let found = found(Some(marker(offset)));
    let seen = Seen {
        progress: sequence.map(progress),
        ..found.seen
    };
    Found { seen, ..found }
}

#[test]
fn an_index_that_has_more_transactions_than_the_changelog_stops_though_its_marker_is_reached() {
    assert!(matches!(plan(&holding(100, Some(21))), Plan::Stop { .. }));
    for sequence in [Some(20), None] {
        assert_eq!(plan(&holding(100, sequence)), Plan::Replay { from: 100 });
    }
    let compacted_away = holding(90, Some(21));
    assert!(matches!(plan(&compacted_away), Plan::Stop { .. }), "nothing to compare");
    let suspect = Found {
        suspect: true,
        ..holding(90, Some(21))
    };
    assert!(matches!(plan(&suspect), Plan::Stop { .. }), "it may hold the last copy");
}

#[test]
fn an_index_that_was_applied_from_other_transactions_than_stand_there_by_now_stops() {
    let beside = |below| Found {
        below,
        ..found(Some(marker(90)))
    };
    assert!(matches!(plan(&beside(Some(progress(19)))), Plan::Stop { .. }));
    for same in [Some(progress(20)), None] {
        assert_eq!(plan(&beside(same)), Plan::Replay { from: 90 });
    }
    let of_the_same_number = Progress {
        settings_next: 1,
        ..progress(20)
    };
    assert!(matches!(
        plan(&beside(Some(of_the_same_number.clone()))),
        Plan::Stop { .. }
    ));
    let grown_to_the_marker = Found {
        last: Some(of_the_same_number),
        ..found(Some(marker(100)))
    };
    assert!(matches!(plan(&grown_to_the_marker), Plan::Stop { .. }));
}

#[test]
fn the_record_that_was_applied_last_is_looked_for_however_long_its_transaction_is() {
    assert_eq!(found(Some(marker(90))).below_marker(), Some((0, 90)));
    assert_eq!(found(Some(marker(100))).below_marker(), None, "it lacks nothing");
    assert_eq!(holding(90, None).below_marker(), None, "there is nothing to compare");
}

#[test]
fn nothing_is_rebuilt_from_a_changelog_that_lost_its_beginning_until_that_is_accepted() {
    let cut = |marker, begins| Found {
        low: 10,
        last: Some(Progress { begins, ..progress(20) }),
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
fn a_marker_of_a_day_to_come_is_rebuilt_if_something_is_missing_since_nobody_knows_its_age() {
    let ahead = |ahead_ms, offset| {
        let applied_until = Some(1_000 + ahead_ms);
        let marker = Marker {
            applied_until,
            ..marker(offset)
        };
        plan(&found(Some(marker)))
    };
    assert!(matches!(ahead(CLOCKS_DIFFER_MS + 1, 40), Plan::Rebuild { .. }));
    assert_eq!(ahead(CLOCKS_DIFFER_MS, 40), Plan::Replay { from: 40 }, "clocks differ");
    assert_eq!(ahead(CLOCKS_DIFFER_MS + 1, 100), Plan::Replay { from: 100 });
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
        positions(3, &input, &[committed], &[(earliest, 20)], &|_| progress).unwrap_err()
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
            said(Some(21), 0, Some(21)),
            "was created anew",
            "positions accept log --partition 3",
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
