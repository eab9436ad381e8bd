//! Transactions on a real broker: offsets of records, fences, refusals by name, and the time a commit takes.

use std::time::{Duration, Instant};

use chatroom_router::kafka::transaction::Blame;
use chatroom_router::kafka::*;

use crate::support::*;

#[test]
fn each_record_comes_back_with_its_offset() {
    let settings = settings();
    let topic = Topic::new(&settings, 2, &[]);
    let mut open = producer(&settings).begin().unwrap();
    for tag in 0..1_000 {
        open.send(tag, &topic.record((tag % 2) as i32, "x")).unwrap();
    }
    let mut delivered = open.flush(LONG).unwrap();
    delivered.sort_by_key(|one| one.tag);
    let wanted: Vec<_> = (0..1_000)
        .map(|tag| Delivered {
            tag,
            partition: (tag % 2) as i32,
            offset: (tag / 2) as i64,
        })
        .collect();
    assert_eq!(delivered, wanted);
    assert_eq!(open.flush(LONG).unwrap(), []);
    done(open.commit());
}

#[test]
fn a_record_without_a_partition_goes_where_java_would_send_it() {
    let settings = settings();
    let topic = Topic::new(&settings, 8, &[]);
    let mut open = producer(&settings).begin().unwrap();
    for tag in 0..50_usize {
        let key = format!("acme:+1202555{tag:04}");
        let record = NewRecord {
            partition: None,
            key: Some(key.into_bytes()),
            ..topic.record(0, "x")
        };
        open.send(tag, &record).unwrap();
    }
    for one in open.flush(LONG).unwrap() {
        let key = format!("acme:+1202555{:04}", one.tag);
        assert_eq!(one.partition, i32::from(murmur2_slot(key.as_bytes()) % 8));
    }
    done(open.abort());
}

#[test]
fn offsets_are_committed_with_the_transaction_and_only_by_a_member() {
    let settings = settings();
    let topic = Topic::new(&settings, 2, &[]);
    let at = [topic.at(0), topic.at(1)];
    let outsider = Consumer::open(&settings).unwrap();
    assert_eq!(outsider.group_generation(), None);
    let mut open = producer(&settings).begin().unwrap();
    let error = Fence::of(&outsider)
        .and_then(|fence| open.send_offsets(&fence, &[(topic.at(0), 5)], LONG))
        .unwrap_err();
    assert!(matches!(error, TxnError::NotAMember), "{error}");
    assert_eq!(error.kind(), Kind::Abort);
    let idle = done(open.abort());
    let consumer = member(&settings, &topic.name);
    let (generation, id) = consumer.group_generation().unwrap();
    assert!(generation > 0 && !id.is_empty());
    assert_eq!(consumer.committed(&at, LONG).unwrap(), [None, None]);
    let mut open = idle.begin().unwrap();
    Fence::of(&consumer)
        .and_then(|fence| open.send_offsets(&fence, &[(topic.at(0), 5)], LONG))
        .unwrap();
    // Require-stable: a member that asks now must wait for the open transaction.
    let asked = consumer.committed(&at, Duration::from_millis(700));
    assert_eq!(asked.unwrap_err().kind(), Kind::Retry);
    let idle = done(open.abort());
    assert_eq!(consumer.committed(&at, LONG).unwrap(), [None, None]);
    let mut open = idle.begin().unwrap();
    Fence::of(&consumer)
        .and_then(|fence| open.send_offsets(&fence, &[(topic.at(0), 7)], LONG))
        .unwrap();
    done(open.commit());
    assert_eq!(consumer.committed(&at, LONG).unwrap(), [Some(7), None]);
    let mut lookup = Lookup::open(&settings).unwrap();
    assert_eq!(lookup.committed(&at, LONG).unwrap(), [Some(7), None]);
    consumer.close(LONG);
    drop(outsider);
}

#[test]
fn a_second_producer_of_the_same_id_fences_the_first() {
    let settings = settings();
    let topic = Topic::new(&settings, 1, &[]);
    let id = random("id");
    let first = Transactions::open(&settings, &id, LONG, &|| false).unwrap();
    assert_eq!(first.id(), id);
    let open = produce(first, &[topic.record(0, "zombie")]);
    let second = Transactions::open(&settings, &id, LONG, &|| false).unwrap();
    match open.commit() {
        Ending::Gone(error) => assert!(matches!(error, TxnError::Fenced { .. }), "{error:?}"),
        Ending::Done(_) => panic!("a zombie committed"),
        Ending::Again(_, error) | Ending::MustAbort(_, error) => panic!("{error:?}"),
    }
    done(produce(second, &[topic.record(0, "owner")]).commit());
    let mut consumer = member(&settings, &topic.name);
    let seen = poll_until(&mut consumer, 0, |polled| matches!(polled, Polled::EndOfPartition(_)));
    assert_eq!(texts(&seen), ["owner"]);
}

#[test]
fn a_member_of_an_older_generation_is_fenced() {
    let settings = settings();
    let topic = Topic::new(&settings, 2, &[]);
    let mut old = member(&settings, &topic.name);
    let (generation, _) = old.group_generation().unwrap();
    let joining = settings.clone();
    let name = topic.name.clone();
    let other = std::thread::spawn(move || member(&joining, &name));
    // Give up one partition as asked, but not the place in the old generation: commit while the group has moved on.
    let started = Instant::now();
    let mut fenced = false;
    let mut idle = producer(&settings);
    while !other.is_finished() && started.elapsed() < LONG {
        match old.poll(Duration::from_millis(10)) {
            Polled::Rebalance(Rebalance::Revoked(some)) => old.incremental_unassign(&some).unwrap(),
            Polled::Rebalance(Rebalance::Assigned(some)) => {
                let from: Vec<_> = some.into_iter().map(|at| (at, 0)).collect();
                old.incremental_assign(&from).unwrap();
            }
            _ => {}
        }
        let mut open = idle.begin().unwrap();
        match Fence::of(&old).and_then(|fence| open.send_offsets(&fence, &[(topic.at(0), 1)], LONG)) {
            Ok(()) => {}
            Err(error @ TxnError::GroupFence { .. }) => {
                assert_eq!(error.kind(), Kind::Abort);
                fenced = true;
            }
            Err(TxnError::NotAMember) => {}
            Err(error) => panic!("{error:?}"),
        }
        idle = done(open.abort());
    }
    println!("fenced on the way: {fenced}");
    let mut other = other.join().unwrap();
    assert!(other.group_generation().unwrap().0 > generation);
    other.poll(Duration::ZERO);
}

#[test]
fn a_record_that_no_broker_takes_is_named() {
    let settings = settings();
    let topic = Topic::new(
        &settings,
        1,
        &[("cleanup.policy", "compact"), ("max.message.bytes", "400000")],
    );
    let big = NewRecord {
        value: Some(vec![b'x'; 600_000]),
        ..topic.record(0, "")
    };
    let mut open = producer(&settings).begin().unwrap();
    let error = open.send(17, &big).unwrap_err();
    assert!(
        matches!(&error, TxnError::NotDelivered { tags, blame: Blame::Record, .. } if tags == &[17]),
        "{error:?}"
    );
    let idle = done(open.abort());
    // Small enough for the client, too large for the topic.
    let large = NewRecord {
        value: Some(vec![b'x'; 450_000]),
        ..topic.record(0, "")
    };
    let mut open = idle.begin().unwrap();
    open.send(4, &large).unwrap();
    let error = open.flush(LONG).unwrap_err();
    assert!(
        matches!(&error, TxnError::NotDelivered { tags, blame: Blame::Record, .. } if tags == &[4]),
        "{error:?}"
    );
    done(open.abort());
}

#[test]
fn what_a_refused_batch_leaves_behind() {
    let settings = settings();
    let topic = Topic::new(&settings, 1, &[("cleanup.policy", "compact")]);
    let keyless = NewRecord {
        key: None,
        ..topic.record(0, "keyless")
    };
    // A compacted topic takes no record without a key, nor what came in one batch with it.
    let mut open = producer(&settings).begin().unwrap();
    open.send(1, &topic.record(0, "fine")).unwrap();
    open.send(2, &keyless).unwrap();
    open.send(3, &topic.record(0, "fine")).unwrap();
    let error = open.flush(LONG).unwrap_err();
    assert!(
        matches!(&error, TxnError::NotDelivered { tags, blame: Blame::AmongThese, .. } if tags.contains(&2)),
        "{error:?}"
    );
    assert!(done(open.abort()).is_suspect());
    let mut open = producer(&settings).begin().unwrap();
    open.send(2, &keyless).unwrap();
    let error = open.flush(LONG).unwrap_err();
    assert!(
        matches!(&error, TxnError::NotDelivered { tags, blame: Blame::Record, .. } if tags == &[2]),
        "{error:?}"
    );
    let idle = done(open.abort());
    // The library has skipped the refused record's sequence number, and its next transaction would fail too.
    assert!(idle.is_suspect());
    assert!(matches!(idle.begin().err(), Some(TxnError::Suspect)));
    let mut open = producer(&settings).begin().unwrap();
    open.send(0, &topic.record(0, "after")).unwrap();
    open.flush(LONG).unwrap();
    done(open.commit());
}

#[test]
fn a_commit_takes_milliseconds() {
    let settings = settings();
    let topic = Topic::new(&settings, 1, &[]);
    let consumer = member(&settings, &topic.name);
    let mut idle = producer(&settings);
    let mut times = Vec::new();
    let mut phases = [Duration::ZERO; 3];
    for round in 0..60 {
        let started = Instant::now();
        let mut open = idle.begin().unwrap();
        for tag in 0..100 {
            open.send(tag, &topic.record(0, "a record of some length, as they are"))
                .unwrap();
        }
        open.flush(LONG).unwrap();
        let flushed = started.elapsed();
        Fence::of(&consumer)
            .and_then(|fence| open.send_offsets(&fence, &[(topic.at(0), round)], LONG))
            .unwrap();
        let sent = started.elapsed();
        idle = done(open.commit());
        times.push(started.elapsed());
        for (sum, phase) in phases
            .iter_mut()
            .zip([flushed, sent - flushed, started.elapsed() - sent])
        {
            *sum += phase / 60;
        }
        // The next AddPartitionsToTxn would else be refused while the markers are written, and tried again after 20 ms.
        high_watermark(&settings, &topic.at(0), (round + 1) * 101);
    }
    times.sort();
    println!(
        "whole transaction: median {:?}, worst {:?}; mean flush, offsets, commit {phases:?}",
        times[30], times[59]
    );
    assert!(times[30] < Duration::from_millis(80), "median {:?}", times[30]);
}
