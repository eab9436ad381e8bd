//! What a run is to be: from `CHAOS`, words such as `mode=random seconds=600 seed=7 rate=200`, else as it comes.

use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Every fault of a process with every fault of a service, once each.
    Script,
    /// Whatever the seed says, for so long.
    Random,
}

#[derive(Clone, Debug)]
pub struct Options {
    pub mode: Mode,
    pub time: Duration,
    pub seed: u64,
    /// Records a second.
    pub rate: usize,
    /// Of a script, only faults whose name has this in it, or one of these (a comma between them); `alone`: no pairs.
    pub only: String,
    /// The logs stay also of what went well.
    pub keeps: bool,
}

impl Options {
    pub fn of_the_caller() -> Options {
        let clock = jiff::Timestamp::now().as_second() as u64;
        let plain = Options {
            mode: Mode::Script,
            time: Duration::from_secs(600),
            seed: clock,
            rate: 200,
            only: String::new(),
            keeps: false,
        };
        let words = std::env::var("CHAOS").unwrap_or_default();
        words.split_whitespace().fold(plain, Options::with)
    }

    fn with(self, word: &str) -> Options {
        let number = || word.split_once('=').and_then(|(_, text)| text.parse::<u64>().ok());
        match (word.split('=').next(), word, number()) {
            (_, "mode=script", _) => Options {
                mode: Mode::Script,
                ..self
            },
            (_, "mode=random", _) => Options {
                mode: Mode::Random,
                ..self
            },
            (Some("seconds"), _, Some(seconds)) => Options {
                time: Duration::from_secs(seconds),
                ..self
            },
            (Some("seed"), _, Some(seed)) => Options { seed, ..self },
            (Some("rate"), _, Some(rate)) => Options {
                rate: rate as usize,
                ..self
            },
            (Some("only"), _, _) => Options {
                only: word.split_once('=').unwrap_or_default().1.replace('_', " "),
                ..self
            },
            (Some("keep"), _, Some(1)) => Options { keeps: true, ..self },
            _ => panic!(
                "CHAOS has the word {word}: say mode=script or mode=random, seconds=600, seed=7, rate=200, only=kill_-9, keep=1"
            ),
        }
    }

    /// Whether the fault of this name is to be played.
    pub fn wishes(&self, name: &str) -> bool {
        let mut words = self.only.split(',');
        words.any(|word| name.contains(word) || word == "alone" && !name.contains(" + "))
    }

    /// The words that repeat this run.
    pub fn words(&self) -> String {
        let mode = match self.mode {
            Mode::Script => "script",
            Mode::Random => "random",
        };
        let only = match self.only.replace(' ', "_") {
            only if only.is_empty() => only,
            only => format!(" only={only}"),
        };
        let Options { time, seed, rate, .. } = self;
        format!("mode={mode} seconds={} seed={seed} rate={rate}{only}", time.as_secs())
    }
}
