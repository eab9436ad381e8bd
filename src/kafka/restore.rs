//! Reading up to a known position, and ending there: not at an end of partition that nothing says is the end, and not only
//! after a record, since the last offsets may be control records or aborted ones. No group is joined, nothing is committed.

use std::time::{Duration, Instant};

use super::consumer::{Consumer, Fault, Polled};
use super::lookup::Lookup;
use super::{Error, Kind, Record, Settings, TopicPartition};

/// How a reader stands after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// All committed records below this offset were handed out.
    pub position: i64,
    /// The position is at the end of the range.
    pub done: bool,
}

/// Reads committed records of one range after another; one client for all.
pub struct RangeReader {
    consumer: Consumer,
    range: Option<Range>,
}

struct Range {
    at: TopicPartition,
    position: i64,
    to: i64,
    stall: Duration,
    moved: Instant,
}

impl RangeReader {
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        Ok(Self {
            consumer: Consumer::from_config(&settings.range_reader())?,
            range: None,
        })
    }

    /// Turns to `[from, to)` of one partition, dropping the range before. `stall`: after so long without any progress the
    /// reading fails; an open transaction below `to` is one reason why there may be none.
    pub fn start(&mut self, at: TopicPartition, from: i64, to: i64, stall: Duration) -> Result<(), Error> {
        if from < to {
            self.consumer.assign(&[(at.clone(), from)])?;
        }
        self.range = Some(Range {
            at,
            position: from.min(to),
            to,
            stall,
            moved: Instant::now(),
        });
        Ok(())
    }

    /// Appends up to `limit` records, in order. Comes back when it has some, when the range is done, or after about
    /// `patience` with none.
    pub fn next(&mut self, limit: usize, patience: Duration, found: &mut Vec<Record>) -> Result<Progress, Error> {
        let range = self.range.as_mut().ok_or(Error::Misuse("no range was started"))?;
        let until = Instant::now() + patience;
        let (before, began) = (found.len(), range.position);
        while range.position < range.to && found.len() - before < limit {
            let wait = if found.len() > before {
                Duration::ZERO
            } else {
                until.saturating_duration_since(Instant::now())
            };
            match self.consumer.poll(wait) {
                Polled::Nothing if found.len() > before || Instant::now() >= until => break,
                polled => range.take(polled, found)?,
            }
        }
        if range.position > began {
            range.moved = Instant::now();
        }
        let progress = range.progress(found.len() > before)?;
        if progress.done && began < range.to {
            // Else the client would go on reading what nobody takes.
            self.consumer.assign(&[])?;
        }
        Ok(progress)
    }

    /// Where the range stands, without reading on.
    pub fn position(&self) -> Option<i64> {
        self.range.as_ref().map(|range| range.position)
    }
}

impl Range {
    fn take(&mut self, polled: Polled, found: &mut Vec<Record>) -> Result<(), Error> {
        match polled {
            Polled::Record(record) if record.at.partition == self.at.partition && record.at.topic == self.at.topic => {
                self.advance(record.at.offset + 1);
                if record.at.offset < self.to {
                    found.push(record);
                }
            }
            Polled::EndOfPartition(end) if end.topic_partition() == self.at => self.advance(end.offset),
            Polled::Fault(fault) => self.fault(fault)?,
            _ => {}
        }
        Ok(())
    }

    fn advance(&mut self, to: i64) {
        self.position = self.position.max(to.min(self.to));
    }

    fn fault(&self, fault: Fault) -> Result<(), Error> {
        match fault {
            Fault::OffsetOutOfRange { at, offset, .. } if at == self.at => Err(Error::OffsetOutOfRange { at, offset }),
            Fault::Refused { source } | Fault::Fatal { source } => Err(Error::Client {
                doing: format!("reading {}", self.at).into(),
                source,
            }),
            passing => {
                tracing::debug!(%passing, at = %self.at, "kafka_range_fault");
                Ok(())
            }
        }
    }

    fn progress(&self, some: bool) -> Result<Progress, Error> {
        let done = self.position >= self.to;
        let waited = self.moved.elapsed();
        if !done && !some && waited > self.stall {
            let doing = format!("reading {} up to {}, at {}", self.at, self.to, self.position);
            return Err(Error::TimedOut {
                doing: doing.into(),
                waited,
            });
        }
        Ok(Progress {
            position: self.position,
            done,
        })
    }
}

/// Keeps up with a small table of one partition: each call reads on to the high watermark as of that call.
pub struct TableReader {
    consumer: Consumer,
    lookup: Lookup,
    at: TopicPartition,
    position: i64,
}

impl TableReader {
    /// Opens a reader of partition 0 of `topic`, from its beginning.
    pub fn open(settings: &Settings, topic: &str, timeout: Duration) -> Result<Self, Error> {
        let at = TopicPartition::new(topic, 0);
        let mut lookup = Lookup::open(settings)?;
        let position = lookup.low_watermark(&at, timeout)?;
        let mut consumer = Consumer::from_config(&settings.reader())?;
        consumer.assign(&[(at.clone(), position)])?;
        Ok(Self {
            consumer,
            lookup,
            at,
            position,
        })
    }

    /// Asks for the high watermark and hands out every committed record below it that was not handed out before, in order.
    /// Returns that watermark. Waits while an open transaction keeps the last stable offset below it, and no longer than
    /// `deadline`; what was handed out by then stays handed out, and the next call goes on from there.
    pub fn read_to_high_watermark(&mut self, deadline: Duration, each: &mut dyn FnMut(Record)) -> Result<i64, Error> {
        let started = Instant::now();
        let target = self.high_watermark(started, deadline)?;
        if target < self.position {
            return Err(Error::OffsetOutOfRange {
                at: self.at.clone(),
                offset: self.position,
            });
        }
        let moved = started;
        let mut range = Range {
            at: self.at.clone(),
            position: self.position,
            to: i64::MAX,
            stall: deadline,
            moved,
        };
        let mut found = Vec::new();
        while range.position < target {
            let left = deadline.saturating_sub(started.elapsed());
            if left.is_zero() {
                let doing = format!("reading {} up to {target}, at {}", self.at, self.position);
                return Err(Error::TimedOut {
                    doing: doing.into(),
                    waited: deadline,
                });
            }
            let polled = self.consumer.poll(left);
            range.take(polled, &mut found)?;
            self.position = range.position;
            found.drain(..).for_each(&mut *each);
        }
        Ok(target)
    }

    /// Everything committed below this was handed out.
    pub fn position(&self) -> i64 {
        self.position
    }

    fn high_watermark(&mut self, started: Instant, deadline: Duration) -> Result<i64, Error> {
        loop {
            let left = deadline.saturating_sub(started.elapsed()).max(Duration::from_millis(1));
            match self.lookup.high_watermark(&self.at, left) {
                Err(error) if error.kind() == Kind::Retry && started.elapsed() < deadline => {
                    tracing::debug!(%error, "kafka_high_watermark_again");
                    std::thread::sleep(Duration::from_millis(20).min(left));
                }
                answer => return answer,
            }
        }
    }
}
