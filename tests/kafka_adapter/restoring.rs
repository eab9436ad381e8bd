//! Readers end at known positions, whatever stands last.

use std::time::{Duration, Instant};

use chatroom_router::kafka::*;

use crate::support::*;

fn read_all(reader: &mut RangeReader, at: TopicPartition, from: i64, to: i64) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    reader.start(at, from, to, Duration::from_secs(2))?;
    loop {
        let progress = reader.next(64, Duration::from_millis(200), &mut found)?;
        if progress.done {
            assert_eq!(progress.position, to);
            assert_eq!(reader.position(), Some(to));
            return Ok(found.iter().map(text).collect());
        }
    }
}

#[test]
fn a_range_ends_at_its_end_when_only_markers_or_aborted_records_stand_there() {
    let settings = settings();
    let topic = Topic::new(&settings, 2, &[]);
    let many: Vec<_> = (0..200).map(|number| topic.record(0, &number.to_string())).collect();
    let idle = done(produce(producer(&settings), &many).commit());
    let idle = done(produce(idle, &[topic.record(0, "x"), topic.record(0, "y")]).abort());
    let idle = done(produce(idle, &[topic.record(1, "other")]).commit());
    // 0..=199, marker 200, x 201, y 202, marker 203
    let mut lookup = Lookup::open(&settings).unwrap();
    high_watermark(&settings, &topic.at(0), 204);
    high_watermark(&settings, &topic.at(1), 2);
    let high = lookup.high_watermarks(&[topic.at(1), topic.at(0)], LONG).unwrap();
    assert_eq!(high, [2, 204]);
    assert_eq!(
        lookup.low_watermarks(&[topic.at(1), topic.at(0)], LONG).unwrap(),
        [0, 0]
    );
    let mut reader = RangeReader::open(&settings).unwrap();
    let all: Vec<_> = (0..200).map(|number: i32| number.to_string()).collect();
    let started = Instant::now();
    assert_eq!(read_all(&mut reader, topic.at(0), 0, 204).unwrap(), all);
    println!("first range took {:?}", started.elapsed());
    let started = Instant::now();
    assert_eq!(read_all(&mut reader, topic.at(1), 0, 2).unwrap(), ["other"]);
    println!("second range took {:?}", started.elapsed());
    // Ends in the middle of records, at a marker, among aborted ones; and empty ranges.
    assert_eq!(read_all(&mut reader, topic.at(0), 10, 20).unwrap(), all[10..20]);
    assert_eq!(read_all(&mut reader, topic.at(0), 198, 201).unwrap(), all[198..]);
    assert_eq!(read_all(&mut reader, topic.at(0), 200, 203).unwrap(), [""; 0]);
    assert_eq!(read_all(&mut reader, topic.at(0), 204, 204).unwrap(), [""; 0]);
    // An open transaction below the end: no progress, and said so; then its end.
    let open = produce(idle, &[topic.record(1, "late")]);
    high_watermark(&settings, &topic.at(1), 3);
    let error = read_all(&mut reader, topic.at(1), 0, 3).unwrap_err();
    assert!(
        matches!(&error, Error::TimedOut { doing, .. } if doing.contains("at 2")),
        "{error}"
    );
    assert_eq!(error.kind(), Kind::Retry);
    done(open.commit());
    assert_eq!(read_all(&mut reader, topic.at(1), 0, 3).unwrap(), ["other", "late"]);
}

#[test]
fn a_range_whose_beginning_is_gone_is_refused() {
    let settings = settings();
    let topic = Topic::new(&settings, 1, &[]);
    done(produce(producer(&settings), &[topic.record(0, "a"), topic.record(0, "b")]).commit());
    let mut admin = admin::Admin::open(&settings).unwrap();
    admin.delete_records(&[(topic.at(0), 1)], LONG).unwrap();
    let mut reader = RangeReader::open(&settings).unwrap();
    let error = read_all(&mut reader, topic.at(0), 0, 3).unwrap_err();
    assert!(matches!(&error, Error::OffsetOutOfRange { offset: 0, .. }), "{error}");
    assert_eq!(read_all(&mut reader, topic.at(0), 1, 3).unwrap(), ["b"]);
}

#[test]
fn a_table_is_read_up_to_the_high_watermark_of_the_call() {
    let settings = settings();
    let topic = Topic::new(
        &settings,
        1,
        &[
            ("cleanup.policy", "compact"),
            ("message.timestamp.type", "LogAppendTime"),
        ],
    );
    let mut table = TableReader::open(&settings, &topic.name, LONG).unwrap();
    let read = |table: &mut TableReader, deadline| {
        let mut found = Vec::new();
        let started = Instant::now();
        let high = table.read_to_high_watermark(deadline, &mut |record| found.push(record));
        println!("table read took {:?}", started.elapsed());
        (high, found)
    };
    let (high, found) = read(&mut table, LONG);
    assert_eq!((high.unwrap(), found.len()), (0, 0));
    let mut idle = producer(&settings);
    for round in 0..3 {
        idle = done(produce(idle, &[topic.record(0, &format!("s{round}"))]).commit());
        let (high, found) = read(&mut table, LONG);
        // Asked right after the commit, when the marker may not have landed yet.
        assert!(high.unwrap() > 2 * round);
        assert_eq!(found.iter().map(text).collect::<Vec<_>>(), [format!("s{round}")]);
        assert_eq!(found[0].timestamp_kind, TimestampKind::Append);
        assert!(found[0].timestamp.unwrap() > 1_600_000_000_000);
    }
    high_watermark(&settings, &topic.at(0), 6);
    let (high, found) = read(&mut table, LONG);
    assert_eq!((high.unwrap(), found.len()), (6, 0));
    // An open transaction: the table may not be taken as read.
    let open = produce(idle, &[topic.record(0, "s3")]);
    let (high, found) = read(&mut table, Duration::from_millis(300));
    assert_eq!((high.unwrap_err().kind(), found.len()), (Kind::Retry, 0));
    let ending = std::thread::spawn(move || {
        done(open.commit());
    });
    let (high, found) = read(&mut table, LONG);
    assert!(high.unwrap() >= 7);
    assert_eq!(found.iter().map(text).collect::<Vec<_>>(), ["s3"]);
    ending.join().unwrap();
    high_watermark(&settings, &topic.at(0), 8);
    let (high, _) = read(&mut table, LONG);
    assert_eq!(high.unwrap(), 8);
}
