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
  phase_seconds=300  the longest that any one program may take
  remembered=0       ids of messages that the state remembers of each customer, about: the messages' timestamps are spread over
                     the past, since an id is forgotten after 8 days. 0: all came today";

/// Eight days.
const REMEMBERED_MS: i64 = 8 * 86_400_000;

#[derive(Clone)]
pub struct Options {
    pub records: u64,
    pub phones: u64,
    pub orgs: u64,
    pub partitions: i32,
    pub known_percent: u64,
    pub workers: u32,
    pub rounds: usize,
    pub phase: Duration,
    pub remembered: u64,
    /// When the run was asked for, in milliseconds since 1970.
    now: i64,
}

impl Options {
    pub fn parse(words: &[String]) -> Outcome<Self> {
        let options = Self {
            records: 1_000_000,
            phones: 100_000,
            orgs: 20,
            partitions: 8,
            known_percent: 90,
            workers: 0,
            rounds: 1,
            phase: Duration::from_secs(300),
            remembered: 0,
            now: jiff::Timestamp::now().as_millisecond(),
        };
        options.with(words)
    }

    /// With these instead of what stands there.
    pub fn with(mut self, words: &[String]) -> Outcome<Self> {
        for word in words {
            let (name, value) = word.split_once('=').ok_or_else(|| unknown(word))?;
            let number: u32 = value.parse().map_err(|_| format!("{word}: not a number"))?;
            match name {
                "records" => self.records = number.into(),
                "phones" => self.phones = number.clamp(1, 10_000_000).into(),
                "orgs" => self.orgs = number.clamp(1, 9_000).into(),
                "partitions" => self.partitions = i32::try_from(number)?,
                "known_percent" => self.known_percent = number.min(100).into(),
                "workers" => self.workers = number,
                "rounds" => self.rounds = number.max(1) as usize,
                "phase_seconds" => self.phase = Duration::from_secs(number.into()),
                "remembered" => self.remembered = number.into(),
                _ => return Err(unknown(word).into()),
            }
        }
        Ok(self)
    }

    /// The timestamp of that message, if the brokers' clock is not to give it.
    pub fn written_at(&self, number: u64) -> Option<i64> {
        let ids = self.phones.checked_mul(self.remembered).filter(|ids| *ids > 0)?;
        let span = REMEMBERED_MS as f64 * self.records as f64 / ids as f64;
        let left = 1.0 - number as f64 / self.records as f64;
        Some(self.now - (span * left) as i64)
    }

    /// Before all messages, so that none of them is judged any later.
    pub fn loaded_at(&self) -> Option<i64> {
        self.written_at(0).map(|first| first - 60_000)
    }

    /// Customers with a contact: the first so many.
    pub fn known(&self) -> u64 {
        self.phones * self.known_percent / 100
    }
}

fn unknown(word: &str) -> String {
    format!("{word}: no such option\n{HELP}")
}
