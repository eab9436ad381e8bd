//! The shipped protocol in a world of models: Kafka, the index and the processes, with everything that goes wrong between
//! them drawn from a seed. One seed is one schedule and replays exactly: `SIM_SEED=17 cargo test --test simulation`, with
//! `SIM_TRACE=1` for every step of it. A failure prints its seed and the least of it that still fails, as a command that
//! replays just that. `SIM_SEEDS=100000` runs so many fresh ones, some 1,000 a second on each core: most schedules are
//! short, and some long (see `setup`).
//!
//! The order of reading: `world` (what exists, what happens next), `kafka` and `index` (the models), `process` (a worker,
//! with `perform`, `transact`, `recovery`, `membership`), `workload`, `faults`, `losses`, `distrust` and `operator`; then `oracle` and `checks`,
//! which say what is promised; last `sabotage`, which shows that they would notice, and `kill-table.md`, which says how soon. `by_hand`: what no schedule shows.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // A test that panics has said what it found.

mod by_hand;
mod checks;
mod distrust;
mod faults;
mod index;
mod insight;
mod kafka;
mod losses;
mod membership;
mod monitor;
mod operator;
mod oracle;
mod perform;
mod process;
mod queue;
mod recovery;
mod rng;
mod sabotage;
mod setup;
mod shrink;
mod table;
mod trace;
mod transact;
mod workload;
mod world;

use sabotage::Sabotage;
use shrink::{Failure, Less, Shrunk};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, Once};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use world::{Happening, World};

/// Virtual time within which all must be well again, once nothing goes wrong any more.
const PATIENCE_MS: u64 = 300_000;
/// The seeds that every run begins with, and how many fresh ones follow if nobody asks for another number.
const KNOWN: u64 = 2_000;
const FRESH: u64 = 10_000;

type Seen = BTreeMap<&'static str, u64>;

/// One schedule, to its end.
fn drive(world: &mut World) {
    let slots = world.slots.len();
    for slot in 0..slots {
        world.slots[slot].starting = true;
        let ms = world.rng.between(0, 2_000);
        world.after(ms, Happening::Start(slot));
    }
    for happening in [
        Happening::Expire,
        Happening::Workload,
        Happening::Monitor,
        Happening::Look,
    ] {
        world.after(1, happening);
    }
    world.first_fault();
    let mut heal_at = None;
    let mut quiet_by = u64::MAX;
    let mut look_at = 0;
    while world.step() {
        if world.workload.left == 0 && heal_at.is_none() {
            heal_at = Some(world.now + world.setup.aftermath_ms);
        }
        if !world.healed && heal_at.is_some_and(|at| at <= world.now) {
            // None is without a fault, however soon its records were through.
            if world.faults == 0 && world.setup.faults > 0 {
                world.fault();
                heal_at = Some(world.now + world.setup.aftermath_ms);
                continue;
            }
            world.heal();
            quiet_by = world.now + PATIENCE_MS;
        }
        if world.healed && look_at <= world.now {
            look_at = world.now + 250;
            match world.is_quiet() {
                Ok(()) => break,
                Err(why) if world.now > quiet_by => panic!("no rest after {PATIENCE_MS} ms without a fault: {why}"),
                Err(_) => {}
            }
        }
    }
    world.check_all();
}

thread_local! {
    /// What panics here is caught, and said by whoever caught it.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

fn quietly<T>(run: impl FnOnce() -> T) -> std::thread::Result<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !CAUGHT.get() {
                loud(info);
            }
        }));
    });
    CAUGHT.set(true);
    let result = catch_unwind(AssertUnwindSafe(run));
    CAUGHT.set(false);
    result
}

/// Runs a seed, less some of it, with a rule switched off or none.
fn run(seed: u64, less: &Less, off: Option<Sabotage>) -> Result<Seen, Failure> {
    let mut world = World::new(seed, less, off);
    let result = quietly(|| drive(&mut world));
    let (steps, faults) = (world.steps, world.faults);
    match result {
        Ok(()) => Ok(world.oracle.seen),
        Err(said) => {
            let text = said.downcast_ref::<String>().map(String::as_str);
            let text = text.or(said.downcast_ref::<&str>().copied());
            Err(Failure {
                sentence: text.unwrap_or("it panicked").to_owned(),
                steps,
                faults,
            })
        }
    }
}

/// All that shows of a schedule, from its end.
fn end_of(seed: u64) -> (u64, u64, u64, Seen, Vec<i64>) {
    let mut world = World::new(seed, &Less::default(), None);
    drive(&mut world);
    let ends = world.kafka.logs.all().map(|(_, log)| log.high()).collect();
    (world.steps, world.now, world.actions, world.oracle.seen, ends)
}

#[test]
fn one_seed_is_one_schedule() {
    for seed in 1..=40 {
        assert_eq!(end_of(seed), end_of(seed), "seed {seed}");
    }
    assert_ne!(end_of(1), end_of(2));
}

/// The least of a seed that still fails, in words.
fn shortest(seed: u64, first: Failure) -> String {
    let setup = World::new(seed, &Less::default(), None).setup;
    let steps = first.steps;
    let again = |less: &Less| run(seed, less, None).err();
    let Shrunk { less, failure, .. } = Shrunk::new(&setup, first, &again);
    format!(
        "seed {seed} fails after {steps} steps, and the least of it after {}: {}\n    SIM_SEED={seed} SIM_LESS={less} SIM_TRACE=1 cargo test \
         --test simulation what_is_promised",
        failure.steps, failure.sentence
    )
}

/// What came of some seeds.
#[derive(Default)]
struct Ran {
    count: u64,
    seen: Seen,
    failed: BTreeMap<u64, Failure>,
}

impl Ran {
    fn take(&mut self, seed: u64, result: Result<Seen, Failure>) {
        self.count += 1;
        match result {
            Ok(seen) => seen
                .into_iter()
                .for_each(|(what, times)| *self.seen.entry(what).or_default() += times),
            Err(failure) => {
                let first = failure.sentence.lines().next().unwrap_or_default();
                eprintln!("seed {seed} fails: {first}");
                self.failed.insert(seed, failure);
            }
        }
    }
}

/// Runs these seeds, on every core; panics with those that fail. The first is made as short as can be.
fn run_all(seeds: impl Iterator<Item = u64> + Send) {
    let began = Instant::now();
    let (seeds, ran) = (Mutex::new(seeds), Mutex::new(Ran::default()));
    let next = || seeds.lock().expect("nobody panicked").next();
    let work = || {
        while let Some(seed) = next() {
            let result = run(seed, &Less::default(), None);
            ran.lock().expect("nobody panicked").take(seed, result);
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    let Ran { count, seen, failed } = ran.into_inner().expect("nobody panicked");
    let seconds = began.elapsed().as_secs_f64();
    let pace = count as f64 / seconds;
    eprintln!("{count} schedules in {seconds:.1} s on {cores} cores, {pace:.0} a second: {seen:?}");
    let seeds: Vec<u64> = failed.keys().copied().collect();
    if let Some((seed, failure)) = failed.into_iter().next() {
        panic!("these seeds fail: {seeds:?}\n{}", shortest(seed, failure));
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// One seed, if it is given; else the known ones, and fresh ones, as many as `SIM_SEEDS` asks for.
#[test]
fn what_is_promised_holds_on_any_schedule() {
    if let Some(seed) = number("SIM_SEED") {
        let less = Less::parse(&std::env::var("SIM_LESS").unwrap_or_default());
        if let Err(failure) = run(seed, &less, None) {
            panic!("seed {seed} fails: {}", failure.sentence);
        }
        return;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let first = 1_000_000 * now.as_secs();
    run_all((1..=KNOWN).chain(first..first + number("SIM_SEEDS").unwrap_or(FRESH)));
}
