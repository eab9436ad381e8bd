//! A schedule that fails, made as short as can be within some seconds: the same seed with less of everything that it decided,
//! as long as it still fails.

use crate::setup::{Setup, TROUBLES};
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// How long a failure is shrunk.
const PATIENCE: Duration = Duration::from_secs(20);

/// Something that a seed decided and that there can be less of: its name, its least, and where it stands.
struct Knob {
    name: &'static str,
    least: u64,
    get: fn(&Setup) -> u64,
    set: fn(&mut Setup, u64),
}

const KNOBS: [Knob; 9] = [
    Knob {
        name: "records",
        least: 1,
        get: |setup| setup.records as u64,
        set: |setup, to| setup.records = to as usize,
    },
    Knob {
        name: "faults",
        least: 0,
        get: |setup| setup.faults,
        set: |setup, to| setup.faults = to,
    },
    Knob {
        name: "slots",
        least: 1,
        get: |setup| setup.slots as u64,
        set: |setup, to| setup.slots = to as usize,
    },
    Knob {
        name: "partitions",
        least: 1,
        get: |setup| setup.partitions as u64,
        set: |setup, to| setup.partitions = to.next_power_of_two() as i32,
    },
    Knob {
        name: "flaky",
        least: 0,
        get: |setup| setup.flaky,
        set: |setup, to| setup.flaky = to,
    },
    Knob {
        name: "ambiguous",
        least: 0,
        get: |setup| setup.ambiguous,
        set: |setup, to| setup.ambiguous = to,
    },
    Knob {
        name: "stumbles",
        least: 0,
        get: |setup| setup.stumbles,
        set: |setup, to| setup.stumbles = to,
    },
    Knob {
        name: "nonsense",
        least: 0,
        get: |setup| setup.nonsense,
        set: |setup, to| setup.nonsense = to,
    },
    Knob {
        name: "erasures",
        least: 0,
        get: |setup| setup.erasures,
        set: |setup, to| setup.erasures = to,
    },
];

/// What is taken away from what a seed decides: nothing, or `records=12,slots=1,freeze=0`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Less(BTreeMap<String, u64>);

impl fmt::Display for Less {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(|(name, to)| format!("{name}={to}")).collect();
        f.write_str(&parts.join(","))
    }
}

impl Less {
    pub fn parse(text: &str) -> Self {
        let part = |part: &str| {
            let (name, to) = part
                .split_once('=')
                .unwrap_or_else(|| panic!("{part:?} is not NAME=NUMBER"));
            let known = KNOBS.iter().any(|knob| knob.name == name) || TROUBLES.contains(&name);
            assert!(known, "there is no {name} to have less of");
            let to = to.parse().unwrap_or_else(|_| panic!("{to:?} is not a number"));
            (name.to_owned(), to)
        };
        Self(text.split(',').filter(|part| !part.is_empty()).map(part).collect())
    }

    pub fn of(&self, mut setup: Setup) -> Setup {
        for (name, to) in &self.0 {
            if let Some(knob) = KNOBS.iter().find(|knob| knob.name == name) {
                (knob.set)(&mut setup, *to);
            }
            if let Some(kind) = TROUBLES.iter().position(|known| known == name) {
                setup.troubles[kind] = *to;
            }
        }
        setup
    }

    fn with(&self, name: &str, to: u64) -> Self {
        let mut less = self.clone();
        less.0.insert(name.to_owned(), to);
        less
    }
}

/// How a schedule came to fail.
#[derive(Debug, Clone)]
pub struct Failure {
    pub sentence: String,
    /// Steps of the schedule until then.
    pub steps: u64,
    /// Faults from outside until then.
    pub faults: u64,
}

/// The least that still fails, and how.
pub struct Shrunk<'a> {
    pub less: Less,
    pub failure: Failure,
    whole: &'a Setup,
    /// Runs the schedule with less of everything. None: it does not fail.
    run: &'a dyn Fn(&Less) -> Option<Failure>,
    until: Instant,
}

impl<'a> Shrunk<'a> {
    pub fn new(whole: &'a Setup, failure: Failure, run: &'a dyn Fn(&Less) -> Option<Failure>) -> Self {
        let mut shrunk = Self {
            less: Less::default(),
            failure,
            whole,
            run,
            until: Instant::now() + PATIENCE,
        };
        loop {
            let before = shrunk.less.clone();
            shrunk.round();
            if shrunk.less == before || shrunk.is_late() {
                return shrunk;
            }
        }
    }

    fn is_late(&self) -> bool {
        Instant::now() >= self.until
    }

    /// Takes each thing away, or half of it, and half of the rest.
    fn round(&mut self) {
        let setup = self.less.of(self.whole.clone());
        for (name, weight) in TROUBLES.iter().zip(setup.troubles) {
            if weight > 0 {
                self.fails_with(name, 0);
            }
        }
        for knob in &KNOBS {
            let held = (knob.get)(&self.less.of(self.whole.clone()));
            let most = if knob.name == "faults" {
                self.failure.faults
            } else {
                held
            };
            let (mut low, mut high) = (knob.least, held.min(most));
            while low < high && !self.is_late() {
                let middle = low + (high - low) / 2;
                if self.fails_with(knob.name, middle) {
                    high = middle;
                } else {
                    low = middle + 1;
                }
            }
        }
    }

    fn fails_with(&mut self, name: &str, to: u64) -> bool {
        if self.is_late() {
            return false;
        }
        let less = self.less.with(name, to);
        let Some(failure) = (self.run)(&less) else {
            return false;
        };
        (self.less, self.failure) = (less, failure);
        true
    }
}
