//! Positions past control records: exact, and never past a record that was not handed out.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use chatroom_router::kafka::*;

use crate::support::*;

/// Reads until the end of the partition at `end`, minding that no position overtakes a record.
fn read_to(consumer: &mut Consumer, at: &TopicPartition, end: i64) -> Vec<String> {
    let mut position = 0;
    let seen = poll_until(consumer, 0, |polled| {
        match polled {
            Polled::Record(record) => {
                assert!(
                    record.at.offset >= position,
                    "{} came after position {position}",
                    record.at
                );
                position = record.at.offset + 1;
            }
            Polled::EndOfPartition(found) if found.topic_partition() == *at => {
                assert!(found.offset >= position);
                position = found.offset;
            }
            Polled::Fault(fault) => panic!("{fault}"),
            _ => {}
        }
        assert!(position <= end, "{position} is past {end}");
        position == end
    });
    texts(&seen)
}

#[test]
fn an_end_of_partition_is_a_position_past_markers_and_aborted_records() {
    let settings = settings();
    let topic = Topic::new(&settings, 1, &[]);
    let mut consumer = member(&settings, &topic.name);
    let idle = done(produce(producer(&settings), &[topic.record(0, "a"), topic.record(0, "b")]).commit());
    // a b marker
    high_watermark(&settings, &topic.at(0), 3);
    assert_eq!(read_to(&mut consumer, &topic.at(0), 3), ["a", "b"]);
    // x marker, c marker
    let idle = done(produce(idle, &[topic.record(0, "x")]).abort());
    let idle = done(produce(idle, &[topic.record(0, "c")]).commit());
    assert_eq!(read_to(&mut consumer, &topic.at(0), 7), ["c"]);
    // Nothing but an aborted transaction: nothing to hand out, and yet a new position.
    let idle = done(produce(idle, &[topic.record(0, "y")]).abort());
    assert_eq!(read_to(&mut consumer, &topic.at(0), 9), [""; 0]);
    // An open transaction holds the end back, also from records that were committed behind it.
    let open = produce(idle, &[topic.record(0, "d")]);
    done(produce(producer(&settings), &[topic.record(0, "e")]).commit());
    high_watermark(&settings, &topic.at(0), 12);
    let held = consumer.poll(Duration::from_millis(500));
    assert!(matches!(held, Polled::Nothing), "{held:?}");
    done(open.commit());
    assert_eq!(read_to(&mut consumer, &topic.at(0), 13), ["d", "e"]);
}

#[test]
fn under_load_no_end_of_partition_overtakes_a_record() {
    let settings = settings();
    let topic = Topic::new(&settings, 2, &[]);
    let mut consumer = member(&settings, &topic.name);
    let (writer, name) = (settings.clone(), topic.name.clone());
    let total = 3_000;
    let writing = std::thread::spawn(move || {
        let mut idle = producer(&writer);
        let mut number = 0;
        while number < total {
            let mut open = idle.begin().unwrap();
            let aborted = number % 7 == 3;
            for _ in 0..1 + number % 50 {
                let value = if aborted { "aborted".into() } else { number.to_string() };
                let value = Some(value.into_bytes());
                let partition = Some(number % 2);
                open.send(
                    0,
                    &NewRecord {
                        topic: name.as_str().into(),
                        partition,
                        value,
                        ..NewRecord::default()
                    },
                )
                .unwrap();
                number += 1;
            }
            open.flush(LONG).unwrap();
            idle = done(if aborted { open.abort() } else { open.commit() });
        }
    });
    let mut positions = [0, 0];
    let mut next = [0, 1];
    let started = Instant::now();
    let mut lookup = Lookup::open(&settings).unwrap();
    let at = [topic.at(0), topic.at(1)];
    loop {
        assert!(started.elapsed() < LONG * 2, "{positions:?}");
        match consumer.poll(Duration::from_millis(200)) {
            Polled::Record(record) => {
                let partition = record.at.partition as usize;
                assert!(
                    record.at.offset >= positions[partition],
                    "{} after {positions:?}",
                    record.at
                );
                positions[partition] = record.at.offset + 1;
                let number: i32 = text(&record).parse().unwrap();
                assert!(number >= next[partition]);
                next[partition] = number + 2;
            }
            Polled::EndOfPartition(end) => {
                let partition = end.partition as usize;
                assert!(end.offset >= positions[partition]);
                positions[partition] = end.offset;
            }
            _ => {}
        }
        if writing.is_finished() && lookup.high_watermarks(&at, LONG).unwrap() == positions {
            break;
        }
    }
    writing.join().unwrap();
    assert!(next.iter().all(|next| *next > total - 100));
}

#[test]
fn a_partition_that_was_assigned_and_paused_goes_on_from_where_it_was_assigned() {
    let settings = settings();
    let topic = Topic::new(&settings, 1, &[]);
    let records: Vec<_> = (0..500).map(|number| topic.record(0, &number.to_string())).collect();
    done(produce(producer(&settings), &records).commit());
    let mut consumer = Consumer::open(&settings).unwrap();
    consumer.subscribe(&topic.name).unwrap();
    let started = Instant::now();
    loop {
        assert!(started.elapsed() < LONG);
        if let Polled::Rebalance(Rebalance::Assigned(some)) = consumer.poll(Duration::from_millis(100)) {
            if some.is_empty() {
                consumer.incremental_assign(&[]).unwrap();
                continue;
            }
            consumer.incremental_assign(&[(topic.at(0), 100)]).unwrap();
            consumer.pause(&[topic.at(0)]).unwrap();
            break;
        }
    }
    let quiet = consumer.poll(Duration::from_millis(700));
    assert!(matches!(quiet, Polled::Nothing), "{quiet:?}");
    consumer.resume(&[topic.at(0)]).unwrap();
    let mut wanted = 100;
    // Paused again in the middle, with fetched records dropped: none may be lost.
    while wanted < 500 {
        let polled = consumer.poll(LONG);
        let Polled::Record(record) = polled else {
            panic!("{polled:?}")
        };
        assert_eq!(text(&record), wanted.to_string());
        wanted += 1;
        if wanted % 150 == 0 {
            consumer.pause(&[topic.at(0)]).unwrap();
            assert!(matches!(consumer.poll(Duration::from_millis(200)), Polled::Nothing));
            consumer.resume(&[topic.at(0)]).unwrap();
        }
    }
    assert!(matches!(consumer.poll(LONG), Polled::EndOfPartition(end) if end.offset == 501));
    consumer.seek(&[(topic.at(0), 498)], LONG).unwrap();
    assert!(matches!(consumer.poll(LONG), Polled::Record(record) if record.at.offset == 498));
}

#[test]
fn a_position_that_is_gone_is_told_with_its_offset() {
    let settings = settings();
    let topic = Topic::new(&settings, 1, &[]);
    done(produce(producer(&settings), &[topic.record(0, "a"), topic.record(0, "b")]).commit());
    let mut admin = admin::Admin::open(&settings).unwrap();
    assert_eq!(
        admin.delete_records(&[(topic.at(0), 2)], LONG).unwrap(),
        [(topic.at(0), 2)]
    );
    let mut consumer = member(&settings, &topic.name);
    let seen = poll_until(&mut consumer, 0, |polled| matches!(polled, Polled::Fault(_)));
    let Some(Polled::Fault(Fault::OffsetOutOfRange { at, offset, .. })) = seen.last() else {
        panic!("{seen:?}")
    };
    assert_eq!((at, *offset), (&topic.at(0), 0));
}

#[test]
fn headers_keys_and_timestamps_come_back_as_they_were_sent() {
    let settings = settings();
    let topic = Topic::new(&settings, 1, &[]);
    let sent = NewRecord {
        headers: vec![
            ("a".into(), Some(b"1"[..].into())),
            ("a".into(), None),
            ("b".into(), Some(vec![].into())),
            ("c".into(), Some(vec![0, 255].into())),
        ],
        key: None,
        value: None,
        timestamp: Some(1_234_567_890_123),
        ..topic.record(0, "")
    };
    let empty = NewRecord {
        key: Some(vec![]),
        value: Some(vec![]),
        ..topic.record(0, "")
    };
    done(produce(producer(&settings), &[sent.clone(), empty]).commit());
    let mut consumer = member(&settings, &topic.name);
    let mut found = Vec::new();
    let started = Instant::now();
    while found.len() < 2 && started.elapsed() < LONG {
        consumer.drain(10, Duration::from_millis(100), &mut found);
        found.retain(|polled| matches!(polled, Polled::Record(_)));
    }
    let [Polled::Record(first), Polled::Record(second)] = &found[..] else {
        panic!("{found:?}")
    };
    let owned = |(name, value): NewHeader| (name.into_owned(), value.map(Cow::into_owned));
    let headers: Vec<_> = sent.headers.into_iter().map(owned).collect();
    assert_eq!((&first.headers, &first.key, &first.value), (&headers, &None, &None));
    assert_eq!(
        (first.timestamp, first.timestamp_kind),
        (Some(1_234_567_890_123), TimestampKind::Create)
    );
    assert_eq!((&second.key, &second.value), (&Some(vec![]), &Some(vec![])));
}
