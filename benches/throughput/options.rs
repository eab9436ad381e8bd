//! What can be asked of a run, as `name=value`.

use crate::Outcome;
use std::time::Duration;

pub const HELP: &str = "\
make bench ARGS='name=value ...'
  records=1000000    messages of about 400 bytes, their phones at random
  phones=100000      customers who write
  orgs=20            organisations, each with its settings and one number of its own
  partitions=8       of every topic
  known_percent=90   customers that the CRM has sent a contact and a chatroom for, before; the others' messages are unrouted
  workers=0          threads of the router; 0: as many as it takes by itself
  rounds=1           the whole so often, and medians
  phase_seconds=300  the longest that any one program may take";

pub struct Options {
    pub records: u64,
    pub phones: u64,
    pub orgs: u64,
    pub partitions: i32,
    pub known_percent: u64,
    pub workers: u32,
    pub rounds: usize,
    pub phase: Duration,
}

impl Options {
    pub fn parse(words: &[String]) -> Outcome<Self> {
        let mut options = Self {
            records: 1_000_000,
            phones: 100_000,
            orgs: 20,
            partitions: 8,
            known_percent: 90,
            workers: 0,
            rounds: 1,
            phase: Duration::from_secs(300),
        };
        for word in words {
            let (name, value) = word.split_once('=').ok_or_else(|| unknown(word))?;
            let number: u32 = value.parse().map_err(|_| format!("{word}: not a number"))?;
            match name {
                "records" => options.records = number.into(),
                "phones" => options.phones = number.clamp(1, 10_000_000).into(),
                "orgs" => options.orgs = number.clamp(1, 9_000).into(),
                "partitions" => options.partitions = i32::try_from(number)?,
                "known_percent" => options.known_percent = number.min(100).into(),
                "workers" => options.workers = number,
                "rounds" => options.rounds = number.max(1) as usize,
                "phase_seconds" => options.phase = Duration::from_secs(number.into()),
                _ => return Err(unknown(word).into()),
            }
        }
        Ok(options)
    }

    /// Customers with a contact: the first so many.
    pub fn known(&self) -> u64 {
        self.phones * self.known_percent / 100
    }
}

fn unknown(word: &str) -> String {
    format!("{word}: no such option\n{HELP}")
}
