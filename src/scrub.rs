//! Compares, now and then, what was written last with what the index holds of it: a sample, small enough to go on all the time.
//! The last records of a changelog say of their keys what an index applied that far must hold, and there are enough of them
//! to meet most parts that a partition's values are spread over. Asks only; whoever owns the partition draws the conclusion.

use crate::changelog::read_all;
use crate::health::Health;
use crate::index::{Index, Marker, Op, Read};
use crate::kafka::lookup::Lookup;
use crate::kafka::restore::RangeReader;
use crate::kafka::{Settings, TopicPartition};
use crate::protocol::Event;
use crate::shutdown::Shutdown;
use crate::state::clocks;
use crate::telemetry::metrics::Metrics;
use crate::worker::Mailboxes;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

const STEP: Duration = Duration::from_millis(500);
const CALL: Duration = Duration::from_secs(5);
/// Offsets that are looked at, and keys: fewer than one call of the index reads at one instant.
const OFFSETS: i64 = 1_000;
const KEYS: usize = 400;

/// What it looks at, and whom it tells.
pub struct Parts {
    pub changelog: Arc<str>,
    pub index: Index,
    pub runtime: Handle,
    pub health: Arc<Health>,
    pub metrics: Arc<Metrics>,
    pub mailboxes: Mailboxes,
    pub shutdown: Shutdown,
    /// From one partition to the next.
    pub pace: Duration,
}

/// Goes over the partitions that this process runs, one after another.
pub struct Scrub {
    parts: Parts,
    lookup: Lookup,
    reader: RangeReader,
}

/// What the last records say of their keys. None: deleted.
type Expected = HashMap<Vec<u8>, Option<Vec<u8>>>;

type Failed = Box<dyn std::error::Error>;

impl Scrub {
    pub fn open(settings: &Settings, parts: Parts) -> Result<Self, crate::kafka::Error> {
        Ok(Self {
            parts,
            lookup: Lookup::open(settings)?,
            reader: RangeReader::open(settings)?,
        })
    }

    /// Until the end is wished for.
    pub fn run(mut self) {
        let (mut looked, mut last) = (Instant::now(), -1);
        while !self.parts.shutdown.is_wished() {
            std::thread::sleep(STEP);
            if looked.elapsed() < self.parts.pace {
                continue;
            }
            looked = Instant::now();
            let running = self.parts.health.running();
            let next = running
                .iter()
                .find(|partition| **partition > last)
                .or_else(|| running.first());
            let Some(partition) = next.copied() else { continue };
            last = partition;
            match self.look_twice(partition) {
                Ok(0) => {}
                Ok(differing) => self.tell(partition, differing),
                Err(error) => tracing::debug!(partition, %error, "scrub_failed"),
            }
        }
    }

    fn tell(&self, partition: i32, differing: usize) {
        self.parts.metrics.index.scrub_differences.inc_by(differing as u64);
        tracing::error!(partition, differing, "index_differs");
        self.parts.mailboxes.tell(|| Event::IndexDiffers(partition));
    }

    /// Only what is found twice is told: once it may have been the moment.
    fn look_twice(&mut self, partition: i32) -> Result<usize, Failed> {
        match self.look(partition)? {
            0 => Ok(0),
            _ => self.look(partition),
        }
    }

    /// How many of the sampled keys the index holds otherwise than the changelog has it.
    fn look(&mut self, partition: i32) -> Result<usize, Failed> {
        let at = TopicPartition::new(self.parts.changelog.clone(), partition);
        let marker = self.parts.runtime.block_on(self.parts.index.marker(partition))?;
        let Some(marker) = marker.filter(Marker::is_complete) else {
            return Ok(0);
        };
        let low = self.lookup.low_watermark(&at, CALL)?;
        let mut expected = self.latest(&at, (low.max(marker.offset - OFFSETS), marker.offset), KEYS)?;
        let keys: Vec<Vec<u8>> = expected.keys().cloned().collect();
        let read = self.parts.index.read(partition, &marker.of, &keys);
        let (now, values) = match self.parts.runtime.block_on(read)? {
            Read::Found { marker, value } => (marker, value),
            Read::Foreign(_) => return Ok(0),
        };
        // What was applied between the two answers.
        for (key, value) in self.latest(&at, (marker.offset, now.offset), usize::MAX)? {
            expected.entry(key).and_modify(|held| *held = value);
        }
        self.parts.metrics.index.scrubbed.inc_by(keys.len() as u64);
        let differing = keys
            .iter()
            .zip(&values)
            .filter(|(key, value)| expected.get(*key) != Some(*value));
        Ok(differing.count())
    }

    /// The last value of each of so many keys, those that were written last.
    fn latest(&mut self, at: &TopicPartition, (from, to): (i64, i64), most: usize) -> Result<Expected, Failed> {
        let mut latest = Expected::new();
        if from >= to {
            return Ok(latest);
        }
        for record in read_all(&mut self.reader, at, (from, to), CALL)?.into_iter().rev() {
            let Some(key) = record.key.filter(|_| latest.len() < most) else {
                continue;
            };
            for op in clocks::change(record.at.offset, key, record.value)?.ops {
                match op {
                    Op::Put { key, value } => _ = latest.entry(key).or_insert(Some(value)),
                    Op::Delete { key } => _ = latest.entry(key).or_insert(None),
                    Op::Clock { .. } => {}
                }
            }
        }
        Ok(latest)
    }
}
