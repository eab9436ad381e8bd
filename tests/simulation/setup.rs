//! What a seed decides before anything runs: sizes, pace and how much goes wrong. And what a process is configured with.

use crate::rng::Rng;
use crate::sabotage::Sabotage;
use chatroom_router::app;
use chatroom_router::config::{self, Environment};
use chatroom_router::contract::TopicKind;
use chatroom_router::judging::Facts;
use chatroom_router::protocol::burst::Limit;
use chatroom_router::protocol::core::Config;
use chatroom_router::state::progress::Expected;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// 2026-01-01.
pub const BEGINNING_MS: i64 = 1_767_225_600_000;

/// Kinds of trouble from outside, by name; what each does stands in `faults`.
pub const TROUBLES: [&str; 21] = [
    "kill",
    "freeze",
    "drain",
    "double",
    "cut",
    "flush",
    "rollback",
    "expiry",
    "compaction",
    "growth",
    "days",
    "age",
    "dump",
    "ahead",
    "reset",
    "rebalance",
    "retention",
    "deletion",
    "deposed",
    "eviction",
    "rot",
];

/// How far two faults are apart.
#[derive(Clone, Copy)]
pub enum Trouble {
    Ms(u64),
    /// Counted in actions of processes, so that they come while something is done.
    Actions(u64),
}

/// How much there is of a schedule. What it costs goes by its records; faults, and the time for what they lead to, cost little. So
/// most have a few records and more faults than that: in a second they show the most of what is wrong. Some have more of all, and a
/// few are long, for what only builds up in time: a changelog that was compacted, a memory that is full.
struct Size {
    records: u64,
    faults: u64,
    aftermath_ms: u64,
}

impl Size {
    fn drawn(rng: &mut Rng) -> Self {
        match rng.below(100) {
            0..84 => Self {
                records: rng.between(3, 9),
                faults: rng.between(1, 16),
                aftermath_ms: rng.pick(&[1_000, 4_000, 8_000]),
            },
            84..99 => Self {
                records: rng.between(8, 32),
                faults: rng.between(4, 24),
                aftermath_ms: rng.pick(&[3_000, 6_000, 10_000]),
            },
            _ => Self {
                records: rng.between(30, 140),
                faults: u64::MAX,
                aftermath_ms: 10_000,
            },
        }
    }
}

#[derive(Clone)]
pub struct Setup {
    pub partitions: i32,
    pub inputs: [i32; 4],
    pub slots: usize,
    pub records: usize,
    /// Between two records of the inputs.
    pub pace_ms: u64,
    pub max_records: usize,
    pub linger_ms: u64,
    pub overlay_max_bytes: usize,
    pub cache_entries: usize,
    pub grace_ms: i64,
    /// Between two faults from outside.
    pub trouble: Trouble,
    /// No more of them than that.
    pub faults: u64,
    /// Trouble goes on for so long after the last record.
    pub aftermath_ms: u64,
    /// Of a thousand calls, those that go wrong.
    pub flaky: u64,
    /// Of a thousand ends of transactions, those whose outcome is not plain.
    pub ambiguous: u64,
    /// Of ten thousand actions, those before which the process stands still for long.
    pub stumbles: u64,
    /// How often each kind of trouble comes, in proportion: most seeds know only some kinds.
    pub troubles: [u64; TROUBLES.len()],
    pub statics: bool,
    /// The longest that a step of a transaction takes.
    pub step_ms: u64,
    /// A member that is silent for so long is expelled; transactions are aborted after two fifths of it.
    pub session_ms: u64,
    /// The questions of recovery take so many times as long as other messages.
    pub recovery: u64,
    /// What blocks in the producer lets the rest of the process go on.
    pub threaded: bool,
    /// Orgs have numbers of days, so that there are timers to search for.
    pub timers: bool,
    /// Of a hundred records, those that erase a contact.
    pub erasures: u64,
    /// Of a thousand records, those that make no sense.
    pub nonsense: u64,
    /// More of them halt their partition.
    pub burst: Limit,
}

impl Setup {
    pub fn new(rng: &mut Rng) -> Self {
        let size = Size::drawn(rng);
        let trouble = match rng.chance(500) {
            true => Trouble::Ms(rng.pick(&[50, 150, 600, 600, 2_000, 2_000])),
            false => Trouble::Actions(rng.pick(&[3, 10, 30, 30, 100, 100])),
        };
        let mut setup = Self {
            partitions: rng.pick(&[1, 2, 2, 2, 4]),
            inputs: std::array::from_fn(|_| rng.between(1, 4) as i32),
            slots: rng.pick(&[1, 2, 2, 3, 3]),
            records: size.records as usize,
            pace_ms: rng.pick(&[20, 60, 200, 200, 600]),
            max_records: rng.pick(&[2, 5, 20, 100]),
            linger_ms: rng.pick(&[0, 5, 50]),
            overlay_max_bytes: rng.pick(&[2_000, 50_000, 10_000_000]),
            cache_entries: rng.pick(&[0, 12, 100_000]),
            grace_ms: rng.pick(&[500, 5_000]),
            trouble,
            faults: size.faults,
            aftermath_ms: size.aftermath_ms,
            flaky: rng.pick(&[0, 0, 5, 5, 20, 60]),
            ambiguous: rng.pick(&[0, 10, 50, 200, 400]),
            stumbles: rng.pick(&[0, 0, 5, 20]),
            troubles: std::array::from_fn(|_| rng.pick(&[0, 0, 1, 2, 6])),
            statics: rng.chance(300),
            step_ms: rng.pick(&[2, 5, 40]),
            session_ms: rng.pick(&[3_000, 6_000, 30_000]),
            recovery: rng.pick(&[1, 1, 1, 20]),
            threaded: rng.chance(300),
            timers: rng.chance(750),
            erasures: rng.pick(&[0, 0, 3, 3, 3, 3, 12, 12, 30]),
            nonsense: rng.pick(&[10, 10, 10, 200, 500]),
            burst: Limit {
                records: rng.pick(&[3, 6, 500]),
                percent: 50,
            },
        };
        if setup.threaded {
            // Long enough for other things to come in between.
            setup.step_ms *= 8;
        }
        if setup.is_erasing() { setup.forgetful() } else { setup }
    }

    /// Contacts come and go all the time.
    pub fn is_erasing(&self) -> bool {
        self.erasures > 12
    }

    /// What was erased is worth most where the index comes back from before it, and nothing else takes the index away.
    fn forgetful(mut self) -> Self {
        for (weight, name) in self.troubles.iter_mut().zip(TROUBLES) {
            match name {
                "age" | "compaction" => *weight = 6,
                "flush" | "dump" | "ahead" | "eviction" | "rot" => *weight = 0,
                _ => *weight = (*weight).min(1),
            }
        }
        // Time for something to be erased, and then for the index to come back without it.
        self.records = self.records.max(24);
        self.faults = self.faults.max(16);
        self.aftermath_ms = self.aftermath_ms.max(3_000);
        self
    }
}

/// No variable is set, no file is there.
struct Nothing {
    partitions: i32,
}

impl Environment for Nothing {
    fn variables(&self) -> Vec<(String, String)> {
        let name = "CHATROOM_ROUTER_TOPICS__PARTITIONS".to_owned();
        vec![(name, self.partitions.to_string())]
    }

    fn read(&self, _: &Path) -> std::io::Result<String> {
        Err(std::io::ErrorKind::NotFound.into())
    }

    fn cores(&self) -> usize {
        1
    }
}

/// What all processes and the checks share.
#[derive(Clone)]
pub struct Shared {
    pub config: Arc<config::Config>,
    pub expected: Expected,
}

/// Made once for each number of partitions.
static SHARED: Mutex<BTreeMap<i32, Shared>> = Mutex::new(BTreeMap::new());

impl Shared {
    pub fn of(partitions: i32) -> Self {
        let mut all = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(partitions).or_insert_with(|| Self::new(partitions)).clone()
    }

    fn new(partitions: i32) -> Self {
        let loaded = config::load(&Nothing { partitions }, None);
        let config = Arc::new(loaded.unwrap_or_else(|faults| panic!("the defaults: {faults}")).config);
        let expected = app::expected(&config).unwrap_or_else(|failure| panic!("{failure}"));
        Self { config, expected }
    }

    pub fn topic(&self, kind: TopicKind) -> &Arc<str> {
        self.config.topics.name(kind)
    }

    pub fn facts(&self, partition: i32, incarnation: Uuid) -> Facts {
        app::facts(&self.config, self.expected)(partition, incarnation)
    }

    pub fn protocol(&self, setup: &Setup, off: Option<Sabotage>) -> Config {
        let unbounded = off == Some(Sabotage::OverlayUnbounded);
        Config {
            commands_topic: self.topic(TopicKind::RouterCommands).clone(),
            changelog_topic: self.topic(TopicKind::RouterChangelog).clone(),
            max_records: setup.max_records,
            max_bytes: 1_000_000,
            linger_ms: setup.linger_ms,
            overlay_max_bytes: if unbounded { usize::MAX } else { setup.overlay_max_bytes },
            cache_entries: setup.cache_entries,
            grace_ms: setup.grace_ms,
            close_ms: setup.session_ms / 6,
            burst: setup.burst,
            facts: Box::new(app::facts(&self.config, self.expected)),
            expected: self.expected,
            rules: Sabotage::rules(off),
        }
    }
}
