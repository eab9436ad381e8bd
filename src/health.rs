//! What each worker last said of itself: whether its loop turns, what it owns, who answers it. Writing is cheap and
//! never waits for a reader; judging is left to whoever asks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A loop that did not turn for so long is stuck: every call that it makes has a shorter time-out, also while Kafka and Redis
/// are away, and is made again. No outage of theirs is a reason to end this process.
pub const HEARTBEAT_DEADLINE: Duration = Duration::from_secs(60);

/// The health of all workers. Shared; the workers write, the admin server reads.
pub struct Health {
    start: Instant,
    workers: Mutex<Vec<Arc<Worker>>>,
    /// Without workers nothing is assigned or restored here.
    has_workers: bool,
    api: Mutex<Option<Arc<Api>>>,
}

/// The API's part: whether those that it asks answer.
pub struct Api {
    kafka: Mutex<Answer>,
    index: Mutex<Answer>,
}

/// One worker's part.
pub struct Worker {
    start: Instant,
    /// Milliseconds from `start` to the loop's last turn.
    turned: AtomicU64,
    said: Mutex<Said>,
}

#[derive(Debug, Clone)]
struct Said {
    stage: Stage,
    partitions: BTreeMap<i32, Partition>,
    /// Partitions of inputs that are not read on, and why.
    halted: BTreeMap<(String, i32), String>,
    kafka: Answer,
    index: Answer,
}

/// How far a worker has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Waits for its first assignment.
    Joining,
    Assigned,
    Draining,
    /// Its loop has ended as it should.
    Ended,
}

/// A partition that a worker owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Partition {
    /// Changelog offsets still to replay.
    Restoring(u64),
    Running,
    /// Waits, and goes on by itself; why.
    Paused(String),
    /// Needs somebody; why, and what to do.
    Stopped(String),
}

/// Whether a service answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Not asked yet.
    Unknown,
    Yes,
    No(String),
}

/// One line of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub name: &'static str,
    pub fine: bool,
    pub reason: String,
}

/// What a probe is told: fine if all its parts are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report(pub Vec<Part>);

impl Report {
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.0.iter().all(|part| part.fine)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|Part { name, fine, reason }| {
            let mark = if *fine { "ok  " } else { "wait" };
            writeln!(f, "{mark} {name}: {reason}")
        })
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl Health {
    #[must_use]
    pub fn new() -> Self {
        Self::of(1, false)
    }

    /// Of a process that is to have so many workers, and to serve the API or not. What it is to have and has not yet is not
    /// ready.
    #[must_use]
    pub fn of(workers: usize, serves_api: bool) -> Self {
        Self {
            start: Instant::now(),
            workers: Mutex::default(),
            has_workers: workers > 0,
            api: Mutex::new(serves_api.then(Api::new)),
        }
    }

    /// The process serves the API too.
    pub fn api(&self) -> Arc<Api> {
        locked(&self.api).get_or_insert_with(Api::new).clone()
    }

    /// A further worker, which from now on has to turn.
    pub fn add_worker(&self) -> Arc<Worker> {
        let worker = Arc::new(Worker::new(self.start));
        worker.beat();
        locked(&self.workers).push(Arc::clone(&worker));
        worker
    }

    /// Do the loops turn?
    #[must_use]
    pub fn live(&self, now: Instant) -> Report {
        let workers = locked(&self.workers).clone();
        let parts = workers
            .iter()
            .enumerate()
            .filter(|(_, worker)| worker.stage() != Stage::Ended);
        Report(parts.map(|(number, worker)| worker.turns(number, now)).collect())
    }

    /// Whether a worker of this process does not read on that partition of an input.
    #[must_use]
    pub fn is_halted(&self, topic: &str, partition: i32) -> bool {
        let workers = locked(&self.workers).clone();
        let at = (topic.to_owned(), partition);
        workers
            .iter()
            .any(|worker| locked(&worker.said).halted.contains_key(&at))
    }

    /// The partitions that run, of all workers.
    #[must_use]
    pub fn running(&self) -> BTreeSet<i32> {
        let workers = locked(&self.workers).clone();
        let said = workers
            .iter()
            .flat_map(|worker| locked(&worker.said).partitions.clone());
        said.filter_map(|(number, state)| (state == Partition::Running).then_some(number))
            .collect()
    }

    /// Assigned, restored, all inputs read, and do Kafka and Redis answer?
    #[must_use]
    pub fn ready(&self) -> Report {
        let workers = locked(&self.workers).clone();
        let said: Vec<Said> = workers.iter().map(|worker| locked(&worker.said).clone()).collect();
        let mut parts = Vec::new();
        if self.has_workers {
            parts = vec![
                assigned(&said),
                restored(&said),
                read(&said),
                answers("kafka", said.iter().map(|said| &said.kafka)),
                answers("index", said.iter().map(|said| &said.index)),
            ];
        }
        if let Some(api) = &*locked(&self.api) {
            parts.push(answer("api_kafka", &locked(&api.kafka)));
            parts.push(answer("api_index", &locked(&api.index)));
        }
        Report(parts)
    }
}

impl Api {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            kafka: Mutex::new(Answer::Unknown),
            index: Mutex::new(Answer::Unknown),
        })
    }

    pub fn kafka(&self, answer: Answer) {
        *locked(&self.kafka) = answer;
    }

    pub fn index(&self, answer: Answer) {
        *locked(&self.index) = answer;
    }
}

impl Worker {
    fn new(start: Instant) -> Self {
        Self {
            start,
            turned: AtomicU64::new(0),
            said: Mutex::new(Said {
                stage: Stage::Joining,
                partitions: BTreeMap::new(),
                halted: BTreeMap::new(),
                kafka: Answer::Unknown,
                index: Answer::Unknown,
            }),
        }
    }

    /// The loop turned.
    pub fn beat(&self) {
        self.beat_at(Instant::now());
    }

    fn beat_at(&self, now: Instant) {
        let since = now.saturating_duration_since(self.start).as_millis();
        self.turned
            .store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The group has answered; with how many partitions shows from [`Worker::partition`].
    pub fn assigned(&self) {
        locked(&self.said).stage = Stage::Assigned;
    }

    /// What became of a partition of ours.
    pub fn partition(&self, number: i32, state: Partition) {
        locked(&self.said).partitions.insert(number, state);
    }

    pub fn forget(&self, number: i32) {
        locked(&self.said).partitions.remove(&number);
    }

    /// A partition of an input is not read on. True: it was until now.
    pub fn halted(&self, topic: &str, number: i32, why: String) -> bool {
        locked(&self.said)
            .halted
            .insert((topic.to_owned(), number), why)
            .is_none()
    }

    /// It is read again, or not ours any more. True: it was halted.
    pub fn halt_over(&self, topic: &str, number: i32) -> bool {
        locked(&self.said).halted.remove(&(topic.to_owned(), number)).is_some()
    }

    pub fn kafka(&self, answer: Answer) {
        locked(&self.said).kafka = answer;
    }

    pub fn index(&self, answer: Answer) {
        locked(&self.said).index = answer;
    }

    /// It takes nothing new.
    pub fn draining(&self) {
        locked(&self.said).stage = Stage::Draining;
    }

    /// Its loop has ended as it should; one that ends otherwise stays, and stops to turn.
    pub fn ended(&self) {
        locked(&self.said).stage = Stage::Ended;
    }

    fn stage(&self) -> Stage {
        locked(&self.said).stage
    }

    fn turns(&self, number: usize, now: Instant) -> Part {
        let turned = self.start + Duration::from_millis(self.turned.load(Ordering::Relaxed));
        let ago = now.saturating_duration_since(turned);
        Part {
            name: "worker",
            fine: ago <= HEARTBEAT_DEADLINE,
            reason: format!("{number} turned {:.1} s ago", ago.as_secs_f64()),
        }
    }
}

/// What was said before a panic still stands.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn part(name: &'static str, faults: Vec<String>, else_fine: String) -> Part {
    let fine = faults.is_empty();
    let reason = if fine { else_fine } else { faults.join("; ") };
    Part { name, fine, reason }
}

fn assigned(said: &[Said]) -> Part {
    let fault = |(number, said): (usize, &Said)| match said.stage {
        Stage::Assigned => None,
        Stage::Joining => Some(format!("worker {number} waits for the group's first assignment")),
        Stage::Draining => Some(format!("worker {number} drains")),
        Stage::Ended => Some(format!("worker {number} has ended")),
    };
    let mut faults: Vec<String> = said.iter().enumerate().filter_map(fault).collect();
    if said.is_empty() {
        faults.push("no worker has started".to_owned());
    }
    let count: usize = said.iter().map(|said| said.partitions.len()).sum();
    part("assigned", faults, format!("{count} partitions"))
}

fn restored(said: &[Said]) -> Part {
    let fault = |(number, state): (&i32, &Partition)| match state {
        Partition::Running => None,
        Partition::Restoring(left) => Some(format!("partition {number} has {left} offsets to replay")),
        Partition::Paused(why) => Some(format!("partition {number} is paused: {why}")),
        Partition::Stopped(why) => Some(format!("partition {number} is stopped: {why}")),
    };
    let faults = said
        .iter()
        .flat_map(|said| said.partitions.iter().filter_map(fault))
        .collect();
    part("restored", faults, "all partitions run".to_owned())
}

fn answer(name: &'static str, answer: &Answer) -> Part {
    let fault = match answer {
        Answer::Yes => None,
        Answer::Unknown => Some("no answer yet".to_owned()),
        Answer::No(why) => Some(why.clone()),
    };
    part(name, fault.into_iter().collect(), "answers".to_owned())
}

fn read(said: &[Said]) -> Part {
    let fault = |((topic, number), why): (&(String, i32), &String)| format!("{topic}-{number} is halted: {why}");
    let faults = said.iter().flat_map(|said| said.halted.iter().map(fault)).collect();
    part("inputs", faults, "all are read".to_owned())
}

fn answers<'a>(name: &'static str, answers: impl Iterator<Item = &'a Answer>) -> Part {
    let fault = |(number, answer): (usize, &Answer)| match answer {
        Answer::Yes => None,
        Answer::Unknown => Some(format!("worker {number} has no answer yet")),
        Answer::No(why) => Some(format!("worker {number}: {why}")),
    };
    let faults = answers.enumerate().filter_map(fault).collect();
    part(name, faults, "answers".to_owned())
}

#[cfg(test)]
mod tests;
