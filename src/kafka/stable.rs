//! How far a partition goes that others write in transactions: the offset after its last committed record, and not the high
//! watermark, which stands beyond markers, aborted records and open transactions. In no group; commits nothing.

use std::time::{Duration, Instant};

use super::consumer::{Consumer, Fault, Polled};
use super::{Error, Settings, TopicPartition};

/// Looks at one partition after another; one client for all.
pub struct StableEnd {
    consumer: Consumer,
}

impl StableEnd {
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        Ok(Self {
            consumer: Consumer::from_config(&settings.reader())?,
        })
    }

    /// Reads on from `from` to the last stable offset of now, and returns it with the offset after the last committed record
    /// before it: `from` where there is none.
    pub fn read(&mut self, at: &TopicPartition, from: i64, timeout: Duration) -> Result<(i64, i64), Error> {
        self.consumer.assign(&[(at.clone(), from)])?;
        let until = Instant::now() + timeout;
        let mut last = from;
        loop {
            match self.consumer.poll(until.saturating_duration_since(Instant::now())) {
                Polled::Record(record) if record.at.topic_partition() == *at => last = last.max(record.at.offset + 1),
                Polled::EndOfPartition(end) if end.topic_partition() == *at && end.offset >= last => {
                    return Ok((end.offset, last));
                }
                Polled::Fault(Fault::OffsetOutOfRange { at: of, offset, .. }) if of == *at => {
                    return Err(Error::OffsetOutOfRange { at: of, offset });
                }
                Polled::Fault(Fault::Refused { source } | Fault::Fatal { source }) => {
                    return Err(Error::Client {
                        doing: format!("reading {at} to its end").into(),
                        source,
                    });
                }
                _ => {}
            }
            if Instant::now() >= until {
                return Err(Error::TimedOut {
                    doing: format!("reading {at} to its end").into(),
                    waited: timeout,
                });
            }
        }
    }
}
