//! Members come and go; partitions of a topic that the group does not subscribe to come along with those that it does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chatroom_router::kafka::client_config::GroupProtocol;
use chatroom_router::kafka::*;

use crate::support::*;

/// Records by input partition, in the order in which they were committed.
type Seen = Arc<Mutex<BTreeMap<i32, Vec<String>>>>;

/// A group at work, as seen from outside.
struct Group {
    settings: Settings,
    tasks: String,
    input: String,
    seen: Seen,
    /// Who holds which task.
    owners: Owners,
}

type Owners = Arc<Mutex<BTreeMap<i32, usize>>>;

struct Member {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Group {
    fn start(&self, name: usize) -> Member {
        let stop = Arc::<AtomicBool>::default();
        let (settings, tasks, input) = (self.settings.clone(), self.tasks.clone(), self.input.clone());
        let (seen, owners, stopped) = (self.seen.clone(), self.owners.clone(), stop.clone());
        let own = move |event: &Rebalance| {
            let mut owners = owners.lock().unwrap();
            for at in event.partitions() {
                match event {
                    Rebalance::Assigned(_) => _ = owners.insert(at.partition, name),
                    _ => _ = owners.remove(&at.partition),
                }
            }
        };
        let thread = std::thread::spawn(move || work(&settings, (&tasks, &input), &seen, &own, &stopped));
        Member { stop, thread }
    }

    fn count(&self) -> usize {
        self.seen.lock().unwrap().values().map(Vec::len).sum()
    }
}

impl Member {
    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

/// A member that takes partition p of the input along with partition p of the tasks, and commits each batch.
fn work(settings: &Settings, (tasks, input): (&str, &str), seen: &Seen, own: &dyn Fn(&Rebalance), stop: &AtomicBool) {
    let mut consumer = Consumer::open(settings).unwrap();
    consumer.subscribe(tasks).unwrap();
    let along = |at: &TopicPartition| TopicPartition::new(input, at.partition);
    let mut idle = Some(producer(settings));
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
                    close_out(&consumer, &mut idle, &mut positions, &mut batch, seen);
                    own(&event);
                    answer(&mut consumer, event, &along);
                }
                _ => {}
            }
        }
        close_out(&consumer, &mut idle, &mut positions, &mut batch, seen);
    }
    consumer.close(LONG);
}

fn answer(consumer: &mut Consumer, event: Rebalance, along: &dyn Fn(&TopicPartition) -> TopicPartition) {
    let union: Vec<_> = event
        .partitions()
        .iter()
        .flat_map(|at| [at.clone(), along(at)])
        .collect();
    match event {
        Rebalance::Assigned(_) => {
            // As the router does: answered at once, and taken once the position is known.
            consumer.incremental_assign(&[]).unwrap();
            let positions = consumer.committed(&union, LONG).unwrap();
            let from: Vec<_> = union
                .into_iter()
                .zip(positions)
                .map(|(at, offset)| (at, offset.unwrap_or(0)))
                .collect();
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
        match Fence::of(consumer).and_then(|fence| open.send_offsets(&fence, &sent, LONG)) {
            Ok(()) => {
                // Within the lock: the next owner commits after this one.
                let mut seen = seen.lock().unwrap();
                *idle = Some(done(open.commit()));
                batch
                    .iter()
                    .for_each(|(at, text)| seen.entry(*at).or_default().push(text.clone()));
                return;
            }
            Err(error) => {
                assert_eq!(error.kind(), Kind::Abort, "{error}");
                *idle = Some(done(open.abort()));
                std::thread::park_timeout(Duration::from_millis(20));
            }
        }
    }
}

/// Three members come one by one and one goes, while records come in.
fn members_come_and_go(protocol: GroupProtocol) {
    let settings = Settings {
        group_protocol: protocol,
        ..settings()
    };
    let (tasks, input) = (Topic::new(&settings, 6, &[]), Topic::new(&settings, 6, &[]));
    let group = Group {
        settings: settings.clone(),
        tasks: tasks.name.clone(),
        input: input.name.clone(),
        seen: Arc::default(),
        owners: Arc::default(),
    };
    let mut idle = Some(producer(&settings));
    let mut total = 0;
    // Produces until it is so, and some more.
    let mut load_until = |so: &dyn Fn() -> bool| {
        let (mut more, started) = (10, Instant::now());
        while more > 0 {
            assert!(started.elapsed() < LONG);
            more -= i32::from(so());
            let records: Vec<_> = (total..total + 60)
                .map(|number| input.record(number % 6, &format!("{number:06}")))
                .collect();
            total += 60;
            idle = Some(done(produce(idle.take().unwrap(), &records).commit()));
            std::thread::park_timeout(Duration::from_millis(20));
        }
        total
    };
    let owners = || group.owners.lock().unwrap().values().collect::<BTreeSet<_>>().len();
    let mut members = Vec::new();
    for count in 1..=3 {
        members.push(group.start(count));
        load_until(&|| owners() == count);
    }
    members.remove(1).stop();
    let total = load_until(&|| owners() == 2) as usize;
    until("all is committed", || group.count() >= total);
    members.into_iter().for_each(Member::stop);
    let seen = group.seen.lock().unwrap();
    let all: BTreeSet<&String> = seen.values().flatten().collect();
    assert_eq!(all.len(), total, "lost");
    assert_eq!(seen.values().map(Vec::len).sum::<usize>(), total, "repeated");
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

/// A member that held nothing of its partitions gives them up all the same.
fn nothing_held_is_given_up(protocol: GroupProtocol) {
    let settings = Settings {
        group_protocol: protocol,
        ..settings()
    };
    let topic = Topic::new(&settings, 2, &[]);
    let mut first = member_of_nothing(&settings, &topic.name);
    let group = settings.clone();
    let name = topic.name.clone();
    let second = std::thread::spawn(move || member(&group, &name));
    poll_until(
        &mut first,
        0,
        |polled| matches!(polled, Polled::Rebalance(Rebalance::Revoked(some)) if some.len() == 1),
    );
    first.incremental_unassign(&[]).unwrap();
    until("the other has been assigned", || {
        if let Polled::Rebalance(Rebalance::Assigned(_)) = first.poll(Duration::from_millis(50)) {
            first.incremental_assign(&[]).unwrap();
        }
        second.is_finished()
    });
    let started = Instant::now();
    first.close(Duration::from_secs(10));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    second.join().unwrap().close(LONG);
}

#[test]
fn what_was_never_held_is_given_up() {
    nothing_held_is_given_up(GroupProtocol::Classic);
}

#[test]
fn what_was_never_held_is_given_up_when_the_broker_assigns() {
    nothing_held_is_given_up(GroupProtocol::Consumer);
}

#[test]
fn what_went_while_it_was_paused_flows_when_it_comes_back() {
    let settings = settings();
    let topic = Topic::new(&settings, 2, &[]);
    done(produce(producer(&settings), &[topic.record(0, "a"), topic.record(1, "b")]).commit());
    let mut first = member(&settings, &topic.name);
    first.pause(&[topic.at(0), topic.at(1)]).unwrap();
    let mut second = joining(&settings, &topic.name);
    let mut gone = Vec::new();
    until("the other has taken one over", || {
        match first.poll(Duration::from_millis(20)) {
            Polled::Rebalance(Rebalance::Revoked(some)) => {
                first.incremental_unassign(&some).unwrap();
                gone = some;
            }
            Polled::Rebalance(_) => first.incremental_assign(&[]).unwrap(),
            _ => {}
        }
        match second.poll(Duration::from_millis(20)) {
            Polled::Rebalance(Rebalance::Assigned(some)) => {
                second.incremental_assign(&[]).unwrap();
                !some.is_empty()
            }
            _ => false,
        }
    });
    second.close(Duration::from_secs(5));
    let came_back = |polled: &Polled| matches!(polled, Polled::Record(record) if gone == [record.at.topic_partition()]);
    poll_until(&mut first, 0, came_back);
}

#[test]
fn a_static_member_that_comes_back_takes_its_place_at_once() {
    let settings = named(&settings(), "host-0");
    let topic = Topic::new(&settings, 2, &[]);
    let first = member(&settings, &topic.name);
    let started = Instant::now();
    drop(first);
    member(&settings, &topic.name);
    println!("back after {:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(10));
}

fn named(settings: &Settings, name: &str) -> Settings {
    Settings {
        instance_id: Some(format!("{}-{name}", settings.group_id)),
        ..settings.clone()
    }
}

/// The one that has all was told to give some up for one that came, and ends before it does.
#[test]
fn what_a_static_member_was_to_give_up_when_it_ended_is_handed_out() {
    let settings = settings();
    let topic = Topic::new(&settings, 4, &[]);
    let mut first = member(&named(&settings, "first"), &topic.name);
    let mut second = joining(&named(&settings, "second"), &topic.name);
    let mut theirs = BTreeSet::new();
    until("partitions to be revoked", || {
        theirs.extend(served(&mut second));
        match first.poll(Duration::from_millis(20)) {
            Polled::Rebalance(Rebalance::Revoked(_)) => true,
            Polled::Rebalance(_) => {
                first.incremental_assign(&[]).unwrap();
                false
            }
            _ => false,
        }
    });
    drop(first);
    let mut back = joining(&named(&settings, "first"), &topic.name);
    until("all to be owned", || {
        theirs.extend(served(&mut back));
        theirs.extend(served(&mut second));
        theirs.len() == 4
    });
}

#[test]
fn a_static_member_that_ends_leaves_its_partitions_where_they_are() {
    let settings = settings();
    let topic = Topic::new(&settings, 4, &[]);
    let mut stays = member(&named(&settings, "stays"), &topic.name);
    let mut goes = joining(&named(&settings, "goes"), &topic.name);
    let mut theirs = Vec::new();
    until("the partitions to be shared out", || {
        served(&mut stays);
        theirs.extend(served(&mut goes));
        !theirs.is_empty()
    });
    goes.close(LONG);
    let mut back = joining(&named(&settings, "goes"), &topic.name);
    let mut again = Vec::new();
    until("it to be back", || {
        assert_eq!(served(&mut stays), [], "partitions moved");
        again.extend(served(&mut back));
        !again.is_empty()
    });
    assert_eq!(again, theirs);
}

/// Takes and gives what the group says, and gives back what came.
fn served(consumer: &mut Consumer) -> Vec<TopicPartition> {
    match consumer.poll(Duration::from_millis(20)) {
        Polled::Rebalance(Rebalance::Assigned(came)) => {
            let from: Vec<_> = came.iter().map(|at| (at.clone(), 0)).collect();
            consumer.incremental_assign(&from).unwrap();
            came
        }
        Polled::Rebalance(Rebalance::Revoked(gone) | Rebalance::Lost(gone)) => {
            consumer.incremental_unassign(&gone).unwrap();
            Vec::new()
        }
        _ => Vec::new(),
    }
}
