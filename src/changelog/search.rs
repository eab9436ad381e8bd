//! The last progress record of a stretch of the changelog, searched for backwards. A search that had no time to come to its end
//! goes on where it was left, with any reader; it never holds more of the changelog than it has just read.

use super::Fault;
use crate::kafka::restore::RangeReader;
use crate::kafka::{Error, TopicPartition};
use crate::state::keys::RecordKey;
use crate::state::progress::Progress;
use std::time::{Duration, Instant};

/// How far from its end the stretch is searched first: compaction keeps the last record of the key, so it is near the end unless
/// aborted transactions follow it. The windows before grow, up to so many offsets.
const FIRST: i64 = 64;
const GROWTH: i64 = 8;
const LARGEST: i64 = 32_768;
/// Records taken at once, and how long some are waited for.
const STEP: usize = 1_000;
const PATIENCE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub struct Search {
    at: TopicPartition,
    low: i64,
    high: i64,
    /// It gives up after so many records.
    most: usize,
    /// What can't be read is passed over.
    of_readable: bool,
    window: Window,
    /// Records that it has met.
    met: usize,
}

/// What is read in one go, forwards.
#[derive(Debug)]
struct Window {
    from: i64,
    to: i64,
    /// All below it was read.
    position: i64,
    /// The last progress record in it, so far: where it stands, and its value.
    last: Option<(i64, Vec<u8>)>,
}

impl Window {
    fn before(to: i64, low: i64, length: i64) -> Self {
        let from = low.max(to - length);
        Self {
            from,
            to,
            position: from,
            last: None,
        }
    }
}

impl Search {
    /// Among the last `most` committed records of `[low, high)`, or a few more.
    #[must_use]
    pub fn new(at: &TopicPartition, (low, high): (i64, i64), most: usize) -> Self {
        Self {
            at: at.clone(),
            low,
            high,
            most,
            of_readable: false,
            window: Window::before(high, low, FIRST),
            met: 0,
        }
    }

    /// The same, of those that can be read.
    #[must_use]
    pub fn of_readable(self) -> Self {
        Self {
            of_readable: true,
            ..self
        }
    }

    /// Whether it is this one that was begun.
    #[must_use]
    pub fn is_of(&self, at: &TopicPartition, (low, high): (i64, i64)) -> bool {
        self.at == *at && (self.low, self.high) == (low, high)
    }

    /// The end of the window that is read, and how far it was read.
    #[must_use]
    pub fn stands(&self) -> (i64, i64) {
        (self.window.to, self.window.position)
    }

    /// Searches on, for about so long: then it has timed out, and is to be asked again. None: there is none.
    pub fn go_on(&mut self, reader: &mut RangeReader, wait: Duration) -> Result<Option<Progress>, Fault> {
        let until = Instant::now() + wait;
        while self.window.to > self.low {
            self.read_window(reader, until, wait)?;
            if let Some((offset, value)) = self.window.last.take() {
                return Progress::decode(&value).map(Some).map_err(|error| {
                    let at = self.at.at(offset);
                    Fault::Unreadable(format!("the progress record {at} can't be read: {error}"))
                });
            }
            if self.met >= self.most {
                break;
            }
            let Window { from, to, .. } = self.window;
            self.window = Window::before(from, self.low, LARGEST.min((to - from) * GROWTH));
        }
        Ok(None)
    }

    fn read_window(&mut self, reader: &mut RangeReader, until: Instant, wait: Duration) -> Result<(), Error> {
        let window = &mut self.window;
        reader.start(self.at.clone(), window.position, window.to, wait)?;
        let mut found = Vec::new();
        loop {
            let progress = reader.next(STEP, PATIENCE, &mut found)?;
            self.met += found.len();
            for record in found.drain(..) {
                if record.key.as_deref() != Some(RecordKey::PROGRESS.as_bytes()) {
                    continue;
                }
                let is_wanted = |value: &Vec<u8>| !self.of_readable || Progress::decode(value).is_ok();
                let wanted = record.value.filter(is_wanted);
                window.last = wanted.map(|value| (record.at.offset, value)).or(window.last.take());
            }
            window.position = progress.position;
            if progress.done {
                return Ok(());
            }
            if Instant::now() >= until {
                return Err(Error::TimedOut {
                    doing: format!("searching {} before {}, at {}", self.at, window.to, window.position).into(),
                    waited: wait,
                });
            }
        }
    }
}
