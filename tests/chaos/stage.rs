//! A world under load: its services and processes, what is sent, and who matches what comes.

use crate::brokers::Brokers;
use crate::cluster::{Cluster, PARTITIONS};
use crate::dice::Dice;
use crate::harness::services::kafka_brokers;
use crate::harness::tail::Tail;
use crate::harness::topics::Admin;
use crate::index::Comparison;
use crate::inputs;
use crate::ledger::Ledger;
use crate::load::{Flowing, Load};
use crate::store::Store;
use crate::wait;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Processes between two faults.
pub const USUAL: usize = 3;

/// Within so long all partitions must be at work again, on a loaded machine.
const BACK: Duration = Duration::from_secs(90);
/// They mostly are within so long.
const SOON: Duration = Duration::from_secs(25);

pub struct Stage<'a> {
    pub brokers: &'a mut Brokers,
    pub store: Store,
    pub cluster: Cluster,
    ledger: Arc<Mutex<Ledger>>,
    flowing: Flowing,
    collector: Collector,
    dir: PathBuf,
}

/// Matches what comes as it comes.
struct Collector {
    tail: Arc<Tail>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// What a world came to.
#[derive(Default)]
pub struct Outcome {
    pub sent: usize,
    pub matched: usize,
    /// Outputs to which timers alone led.
    pub timed: usize,
    /// How often settings changed meanwhile.
    pub changed: usize,
    pub compared: usize,
}

impl<'a> Stage<'a> {
    pub fn start(
        brokers: &'a mut Brokers,
        store: Store,
        dir: &Path,
        is_static: bool,
        (rate, dice): (usize, Dice),
    ) -> Stage<'a> {
        let admin = Admin::new();
        let mut cluster = Cluster::new(dir, is_static, &admin);
        let tail = Arc::new(Tail::start_apart(admin.partitions(&cluster.outputs())));
        (0..USUAL).for_each(|slot| cluster.launch(slot, brokers, &store));
        cluster.await_ready();
        let ledger = Arc::<Mutex<Ledger>>::default();
        let load = Load::prepare(&cluster, &tail.log, ledger.clone(), dice);
        let collector = Collector::start(tail, ledger.clone());
        let stage = Stage {
            brokers,
            store,
            cluster,
            ledger,
            flowing: load.flow(rate),
            collector,
            dir: dir.to_owned(),
        };
        stage.await_work(Instant::now());
        stage
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on times are taken.
    pub fn mark(&self) -> Instant {
        self.ledger().timeline.mark()
    }

    pub fn longest_stop(&self, since: Instant) -> Duration {
        self.ledger().timeline.longest_stop(since)
    }

    pub fn launch(&mut self, slot: usize) {
        self.cluster.launch(slot, self.brokers, &self.store);
    }

    /// Until every partition has committed what was sent after this instant: how long that took.
    pub fn await_work(&self, since: Instant) -> Duration {
        let first_commits = || self.ledger().timeline.first_commits(since);
        let soon = wait::within(SOON, first_commits);
        // Of what Kafka has lost nothing comes back, and there are other worlds.
        let is_hopeless = || !self.brokers.own_faults(&self.cluster.prefix).is_empty();
        let back = soon.or_else(|| (!is_hopeless()).then(|| wait::within(BACK, first_commits))?);
        back.unwrap_or_else(|| {
            let ledger = self.ledger();
            panic!(
                "not all partitions work again after {:?}; {} inputs wait, such as {}\n{}",
                since.elapsed(),
                ledger.awaited(),
                ledger.some_awaited(),
                self.cluster.last_words()
            )
        })
    }

    /// Lets all end, and judges the whole of what was committed.
    pub fn finish(mut self) -> Outcome {
        let (mut load, sent) = self.flowing.stop();
        load.expect_timers();
        let (timed, changed) = (load.timed(), load.changed());
        let done = wait::within(BACK, || {
            let ledger = self.ledger.lock().ok()?;
            (ledger.awaited() == 0 && ledger.owed() == 0).then_some(())
        });
        // First: whose processes are asked for their last words by a failure.
        if done.is_none() {
            let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
            eprintln!(
                "{} inputs were never answered, such as {}, and {} outputs never came",
                ledger.awaited(),
                ledger.some_awaited(),
                ledger.owed(),
            );
        }
        for slot in self.cluster.running() {
            self.cluster.terminate(slot);
        }
        self.collector.stop();
        load.allow_timers();
        allow_repeats(&self.ledger, &self.cluster.prefix);
        let (mut faults, matched) = {
            let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
            (ledger.faults(), ledger.matched)
        };
        let comparison = Comparison::new(&kafka_brokers(), &self.cluster.prefix, &self.store.url());
        let mut compared = 0;
        for partition in 0..PARTITIONS {
            let (differences, count) = comparison.of(partition);
            faults.extend(differences);
            compared += count;
        }
        let shown: Vec<String> = faults.iter().take(10).cloned().collect();
        assert!(
            faults.is_empty(),
            "{} faults (the logs are in {}):\n{}",
            faults.len(),
            self.dir.display(),
            shown.join("\n")
        );
        Admin::new().delete(&self.cluster.topics());
        Outcome {
            sent,
            matched,
            timed,
            changed,
            compared,
        }
    }
}

/// What the inputs hold twice is answered twice.
fn allow_repeats(ledger: &Mutex<Ledger>, prefix: &str) {
    let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
    if ledger.has_repeats() {
        let doubled = inputs::doubled(prefix);
        eprintln!("the inputs hold more than once: {doubled:?}");
        ledger.allow_repeats(&doubled);
    }
}

impl Collector {
    fn start(tail: Arc<Tail>, ledger: Arc<Mutex<Ledger>>) -> Collector {
        let stop = Arc::<AtomicBool>::default();
        let (theirs, log) = (stop.clone(), tail.log.clone());
        let thread = std::thread::spawn(move || {
            loop {
                let is_last = theirs.load(Ordering::Relaxed);
                let records = log.take();
                let at = Instant::now();
                let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
                records.iter().for_each(|record| ledger.found(record, at));
                drop(ledger);
                if is_last {
                    return;
                }
                wait::let_pass(Duration::from_millis(2));
            }
        });
        Collector { tail, stop, thread }
    }

    /// Once all that was written is matched, open transactions included.
    fn stop(self) {
        self.tail.settle();
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the collector ends well");
    }
}
