//! The last progress record is found wherever it stands, and a search that is kept waiting keeps nobody else.

use std::time::{Duration, Instant};

use chatroom_router::changelog::{self, Fault, Search};
use chatroom_router::kafka::*;
use chatroom_router::state::homes::Partitions;
use chatroom_router::state::keys::RecordKey;
use chatroom_router::state::progress::{Expected, Progress};
use chatroom_router::state::wire::Format;

use crate::support::*;

/// More than the first windows of a search hold.
const LONG_PART: usize = 3_000;

fn progress(topic: &Topic, partition: i32, sequence: u64) -> NewRecord {
    let expected = Expected {
        format: Format::DEFAULT,
        partitions: Partitions::new(2).unwrap(),
        phone_form: 1,
        configured_key: None,
    };
    let progress = Progress {
        sequence,
        ..Progress::first(&expected, uuid::Uuid::from_u128(1))
    };
    NewRecord {
        key: Some(RecordKey::PROGRESS.as_bytes().to_vec()),
        value: Some(progress.encode()),
        ..topic.record(partition, "")
    }
}

fn sequence(found: Result<Option<Progress>, Fault>) -> Option<u64> {
    found.unwrap().map(|progress| progress.sequence)
}

#[test]
fn the_last_progress_record_is_found_before_a_long_transaction_and_in_it() {
    let settings = settings();
    let topic = Topic::new(&settings, 1, &[]);
    let mut long: Vec<NewRecord> = (0..LONG_PART)
        .map(|number| topic.record(0, &number.to_string()))
        .collect();
    long.push(progress(&topic, 0, 2));
    let idle = done(produce(producer(&settings), &[progress(&topic, 0, 1)]).commit());
    done(produce(idle, &long).commit());
    // The first 0, its marker 1, the long one from 2 on, and its marker.
    let (at, end) = (topic.at(0), LONG_PART as i64 + 4);
    high_watermark(&settings, &at, end);
    let mut reader = RangeReader::open(&settings).unwrap();
    assert_eq!(sequence(changelog::last_progress(&mut reader, &at, 0, end)), Some(2));
    for marker in [2_900, 70, 2, 1] {
        assert_eq!(
            sequence(changelog::progress_below(&mut reader, &at, 0, marker)),
            Some(1),
            "below {marker}"
        );
    }
    assert_eq!(sequence(changelog::progress_below(&mut reader, &at, 1, 2_900)), None);
    let mut near = Search::new(&at, (0, 2_900), 100);
    assert_eq!(sequence(near.go_on(&mut reader, LONG)), None, "it is not near");
}

#[test]
fn a_search_that_an_open_transaction_holds_up_lets_others_pass_and_goes_on_afterwards() {
    let settings = settings();
    let topic = Topic::new(&settings, 2, &[]);
    done(produce(producer(&settings), &[progress(&topic, 1, 7)]).commit());
    let open = produce(producer(&settings), &[topic.record(0, "late"), progress(&topic, 0, 9)]);
    high_watermark(&settings, &topic.at(0), 2);
    high_watermark(&settings, &topic.at(1), 2);
    let mut reader = RangeReader::open(&settings).unwrap();
    let mut held_up = Search::new(&topic.at(0), (0, 2), usize::MAX);
    let began = Instant::now();
    let error = held_up.go_on(&mut reader, Duration::from_millis(500)).unwrap_err();
    assert!(matches!(error, Fault::Kafka(Error::TimedOut { .. })), "{error}");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(
        sequence(changelog::last_progress(&mut reader, &topic.at(1), 0, 2)),
        Some(7)
    );
    done(open.commit());
    assert_eq!(sequence(held_up.go_on(&mut reader, LONG)), Some(9));
}
