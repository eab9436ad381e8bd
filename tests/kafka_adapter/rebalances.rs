//! Members come and go; partitions of a topic that the group does not subscribe to come along with those that it does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chatroom_router::kafka::client_config::GroupProtocol;
use chatroom_router::kafka::*;

use crate::support::*;

/// Records by input partition, in the order in which they were committed.
type Seen = Arc<Mutex<BTreeMap<i32, Vec<String>>>>;

/// A member that takes partition p of `input` along with partition p of `tasks`, and commits each batch.
fn work(settings: Settings, tasks: String, input: String, seen: Seen, stop: Arc<AtomicBool>) {
    let mut consumer = Consumer::open(&settings).unwrap();
    consumer.subscribe(&tasks).unwrap();
    let along = |at: &TopicPartition| TopicPartition::new(input.as_str(), at.partition);
    let mut idle = Some(producer(&settings));
    while !stop.load(Ordering::Relaxed) {
        let mut found = Vec::new();
        consumer.drain(200, Duration::from_millis(20), &mut found);
        let mut positions = BTreeMap::new();
        let mut batch = Vec::new();
        for polled in found {
            match polled {
                Polled::Record(record) => {
                    positions.insert(record.at.topic_partition(), record.at.offset + 1);
                    batch.push((record.at.partition, text(&record)));
                }
                Polled::Rebalance(event) => {
                    close_out(&consumer, &mut idle, &mut positions, &mut batch, &seen);
                    answer(&mut consumer, event, &along);
                }
                _ => {}
            }
        }
        close_out(&consumer, &mut idle, &mut positions, &mut batch, &seen);
    }
    consumer.close(LONG);
}

fn answer(consumer: &mut Consumer, event: Rebalance, along: &dyn Fn(&TopicPartition) -> TopicPartition) {
    let union: Vec<_> = event.partitions().iter().flat_map(|at| [at.clone(), along(at)]).collect();
    match event {
        Rebalance::Assigned(_) => {
            let positions = consumer.committed(&union, LONG).unwrap();
            let from: Vec<_> = union.into_iter().zip(positions).map(|(at, offset)| (at, offset.unwrap_or(0))).collect();
            consumer.incremental_assign(&from).unwrap();
        }
        Rebalance::Revoked(_) | Rebalance::Lost(_) => consumer.incremental_unassign(&union).unwrap(),
    }
}

/// Commits the batch; what can't be committed is read again from the committed position.
fn close_out(
    consumer: &Consumer,
    idle: &mut Option<Transactions>,
    positions: &mut BTreeMap<TopicPartition, i64>,
    batch: &mut Vec<(i32, String)>,
    seen: &Seen,
) {
    let sent: Vec<_> = std::mem::take(positions).into_iter().collect();
    let batch = std::mem::take(batch);
    let started = Instant::now();
    while !sent.is_empty() && started.elapsed() < LONG {
        let mut open = idle.take().unwrap().begin().unwrap();
        match open.send_offsets(consumer, &sent, LONG) {
            Ok(()) => {
                // Within the lock: the next owner commits after this one.
                let mut seen = seen.lock().unwrap();
                *idle = Some(done(open.commit()));
                batch.iter().for_each(|(at, text)| seen.entry(*at).or_default().push(text.clone()));
                return;
            }
            Err(error) => {
                println!("not committed: {error}");
                assert_eq!(error.kind(), Kind::Abort);
                *idle = Some(done(open.abort()));
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

fn members_come_and_go(protocol: GroupProtocol) {
    let settings = Settings { group_protocol: protocol, ..settings() };
    let (tasks, input) = (Topic::new(&settings, 6, &[]), Topic::new(&settings, 6, &[]));
    let seen: Seen = Arc::default();
    let start = |stop: &Arc<AtomicBool>| {
        let (settings, tasks, input) = (settings.clone(), tasks.name.clone(), input.name.clone());
        let (seen, stop) = (seen.clone(), stop.clone());
        std::thread::spawn(move || work(settings, tasks, input, seen, stop))
    };
    let stops: Vec<Arc<AtomicBool>> = (0..3).map(|_| Arc::default()).collect();
    let mut members = vec![start(&stops[0])];
    let mut idle = producer(&settings);
    let rounds = 60;
    for round in 0..rounds {
        let records: Vec<_> =
            (0..60).map(|number| input.record(number % 6, &format!("{:05}", round * 60 + number))).collect();
        idle = done(produce(idle, &records).commit());
        match round {
            10 => members.push(start(&stops[1])),
            20 => members.push(start(&stops[2])),
            40 => stops[1].store(true, Ordering::Relaxed),
            _ => std::thread::sleep(Duration::from_millis(150)),
        }
    }
    let total = rounds * 60;
    let started = Instant::now();
    while seen.lock().unwrap().values().map(Vec::len).sum::<usize>() < total as usize && started.elapsed() < LONG * 2 {
        std::thread::sleep(Duration::from_millis(50));
    }
    stops.iter().for_each(|stop| stop.store(true, Ordering::Relaxed));
    members.into_iter().for_each(|member| member.join().unwrap());
    let seen = seen.lock().unwrap();
    let all: BTreeSet<&String> = seen.values().flatten().collect();
    assert_eq!(all.len(), total as usize, "lost");
    assert_eq!(seen.values().map(Vec::len).sum::<usize>(), total as usize, "repeated");
    assert!(seen.values().all(|texts| texts.is_sorted()), "out of order");
}

#[test]
fn inputs_come_along_with_tasks_while_members_come_and_go() {
    members_come_and_go(GroupProtocol::Classic);
}

#[test]
fn inputs_come_along_with_tasks_when_the_broker_assigns() {
    members_come_and_go(GroupProtocol::Consumer);
}

#[test]
fn a_member_that_closes_gives_its_partitions_up_at_once() {
    let settings = settings();
    let topic = Topic::new(&settings, 2, &[]);
    let first = member(&settings, &topic.name);
    let started = Instant::now();
    first.close(Duration::from_secs(10));
    println!("closed after {:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(5));
    let second = member(&settings, &topic.name);
    assert!(started.elapsed() < Duration::from_secs(15));
    drop(second);
}

#[test]
fn a_static_member_that_comes_back_keeps_its_generation() {
    let settings = Settings { instance_id: Some("host-0".into()), ..settings() };
    let topic = Topic::new(&settings, 2, &[]);
    let first = member(&settings, &topic.name);
    let (generation, _) = first.group_generation().unwrap();
    let started = Instant::now();
    drop(first);
    let second = member(&settings, &topic.name);
    println!("back after {:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(second.group_generation().unwrap().0, generation);
}
