//! What an operator does to a partition from outside of the router: look at its index beside its changelog, compare the two as a
//! whole, build the index anew, and say from where a stopped partition goes on. Joins no group; safe while the router runs.

pub mod positions;
pub mod rebuild;
mod unreadable;
pub mod verify;

use crate::app;
use crate::changelog::{self, Piece, Replay};
use crate::config::Config;
use crate::contract::TopicKind;
use crate::failure::{Exit, Failure};
use crate::index::{ErrorKind, Index, Marker};
use crate::kafka::lookup::Lookup;
use crate::kafka::restore::RangeReader;
use crate::kafka::{Settings, TopicPartition};
use crate::protocol::recovery::Found;
use crate::protocol::{Seen, stops};
use crate::state::progress::{Expected, Progress};
use crate::worker::recovery::seen;
use crate::worker::settings::Reading;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::runtime::Runtime;

const CALL: Duration = Duration::from_secs(20);
/// A reading that makes no progress fails by itself before that.
const WAIT: Duration = Duration::from_secs(60);
/// So few offsets are looked at one by one, and no longer than that.
const FEW: i64 = 100;
const SOON: Duration = Duration::from_secs(2);

/// Finds a progress record of a changelog between two offsets.
type Find = fn(&mut RangeReader, &TopicPartition, i64, i64) -> Result<Option<Progress>, changelog::Fault>;

/// The clients that all of it needs.
pub struct Upkeep {
    config: Config,
    expected: Expected,
    kafka: Settings,
    index: Index,
    lookup: Lookup,
    reader: RangeReader,
    replay: Replay,
    settings: Reading,
    runtime: Runtime,
}

/// One partition's changelog and its index, as they were found: the marker was asked for before the changelog's end, so that where
/// the router is at work none seems to be beyond it.
#[derive(Debug, Clone)]
pub struct Stand {
    pub partition: i32,
    pub low: i64,
    pub high: i64,
    pub progress: Option<Progress>,
    pub marker: Option<Marker>,
    /// Why its marker can't be read: there is none that anybody knows of then.
    pub unreadable: Option<String>,
    /// The progress record that the index holds.
    applied: Option<Progress>,
    /// The last one below the marker that the changelog holds near it.
    below: Option<Progress>,
    /// Records of the changelog that the index lacks; offsets, where there are many.
    pub behind: i64,
    /// Before the changelog's end was asked for: what was committed by then lies before it.
    pub at: i64,
}

/// How an index stands beside its changelog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It has once held everything, and follows.
    Complete,
    /// It was begun and has not held everything yet.
    Rebuilding,
    /// Nothing of it is there, though the changelog holds something.
    Missing,
    /// Neither holds anything.
    Empty,
    /// It belongs to another changelog, and will be built anew by the partition's owner.
    Another,
    /// It holds more of the changelog than the changelog does.
    Ahead,
    /// What stands where its marker should is not ours.
    Unreadable,
}

impl State {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Rebuilding => "rebuilding",
            Self::Missing => "missing",
            Self::Empty => "empty",
            Self::Another => "of another changelog",
            Self::Ahead => "ahead of the changelog",
            Self::Unreadable => "unreadable",
        }
    }
}

impl Stand {
    /// As the partition's owner finds it.
    fn found(&self) -> Found {
        Found {
            partition: self.partition,
            low: self.low,
            high: self.high,
            last: self.progress.clone(),
            seen: Seen {
                marker: self.marker,
                progress: self.applied.clone(),
                spoilt: false,
            },
            below: self.below.clone(),
            suspect: false,
            formats: Expected::index_formats(),
            now: self.at,
        }
    }

    /// A changelog that lost its beginning says nothing of an index as a whole.
    fn uncut(&self) -> Result<(), Failure> {
        if self.found().is_cut() {
            return Err(Failure::new(Exit::BadData, stops::cut(self.partition, self.low)));
        }
        Ok(())
    }

    /// Of an index that can't be read nothing can be said but that.
    fn readable(&self) -> Result<(), Failure> {
        match &self.unreadable {
            None => Ok(()),
            Some(what) => {
                let why = stops::unreadable_index(self.partition, what);
                Err(Failure::new(Exit::BadData, why))
            }
        }
    }

    fn is_ahead(&self) -> bool {
        self.found().is_ahead()
    }

    #[must_use]
    pub fn state(&self) -> State {
        let incarnation = self.progress.as_ref().map(|progress| progress.incarnation);
        match self.marker {
            None if self.unreadable.is_some() => State::Unreadable,
            None if self.low < self.high => State::Missing,
            None => State::Empty,
            // A first owner begins its index before its first record.
            Some(marker) if incarnation.is_none() && marker.offset <= self.low && self.low == self.high => State::Empty,
            Some(marker) if incarnation != Some(marker.of.incarnation) => State::Another,
            Some(_) if self.is_ahead() => State::Ahead,
            Some(marker) if marker.is_complete() => State::Complete,
            Some(_) => State::Rebuilding,
        }
    }
}

impl Upkeep {
    /// Opens the clients, and reaches Kafka.
    pub fn open(config: &Config) -> Result<Self, Failure> {
        let kafka = config.kafka_settings(None);
        let mut lookup = Lookup::open(&kafka)?;
        let reached = lookup.reach(CALL);
        reached.map_err(|error| Failure::kafka_away(config, &error))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        Ok(Self {
            expected: app::expected(config)?,
            index: Index::redis(&config.index_settings())?,
            lookup,
            reader: RangeReader::open(&kafka)?,
            replay: Replay::open(&kafka)?,
            settings: Reading::new(kafka.clone(), config.topics.name(TopicKind::RouterSettings)),
            runtime: runtime.map_err(|error| Failure::new(Exit::Internal, error.to_string()))?,
            config: config.clone(),
            kafka,
        })
    }

    /// These partitions, or all. A number that can't be is wrong usage.
    pub fn chosen(&self, wanted: &[i32]) -> Result<Vec<i32>, Failure> {
        let count = self.expected.partitions.count();
        if let Some(wrong) = wanted.iter().find(|partition| !(0..count).contains(*partition)) {
            let sentence = format!("there is no partition {wrong}: give one from 0 to {}", count - 1);
            return Err(Failure::new(Exit::Usage, sentence));
        }
        let mut chosen = wanted.to_vec();
        chosen.sort_unstable();
        chosen.dedup();
        Ok(if chosen.is_empty() {
            (0..count).collect()
        } else {
            chosen
        })
    }

    fn changelog(&self, partition: i32) -> TopicPartition {
        let topic: &Arc<str> = self.config.topics.name(TopicKind::RouterChangelog);
        TopicPartition::new(topic.clone(), partition)
    }

    pub fn stand(&mut self, partition: i32) -> Result<Stand, Failure> {
        self.stand_by(partition, changelog::last_progress)
    }

    /// By the progress record that this finds.
    fn stand_by(&mut self, partition: i32, progress: Find) -> Result<Stand, Failure> {
        let (at, now) = (self.changelog(partition), now());
        let (seen, unreadable) = match self.runtime.block_on(seen(&self.index, partition)) {
            Err(error) if error.kind() == ErrorKind::Corrupt => (Seen::default(), Some(error.to_string())),
            seen => (seen?, None),
        };
        let high = self.lookup.high_watermark(&at, CALL)?;
        let low = self.lookup.low_watermark(&at, CALL)?;
        let progress = progress(&mut self.reader, &at, low, high)?;
        if let Some(progress) = &progress {
            let checked = self.expected.check(progress);
            checked.map_err(|mismatch| Failure::new(Exit::BadConfig, mismatch.to_string()))?;
        }
        let Seen {
            marker,
            progress: applied,
            ..
        } = seen;
        let from = marker.map_or(low, |marker| marker.offset.max(low));
        let mut stand = Stand {
            partition,
            low,
            high,
            progress,
            marker,
            unreadable,
            applied,
            below: None,
            behind: self.behind(&at, from, high),
            at: now,
        };
        if let Some((from, to)) = stand.found().below_marker() {
            stand.below = changelog::progress_below(&mut self.reader, &at, from, to)?;
        }
        Ok(stand)
    }

    /// The last offsets of a changelog are the ends of transactions, which no index lacks.
    fn behind(&mut self, at: &TopicPartition, from: i64, to: i64) -> i64 {
        let offsets = (to - from).max(0);
        if offsets == 0 || offsets > FEW {
            return offsets;
        }
        match changelog::read_all(&mut self.reader, at, (from, to), SOON) {
            Ok(records) => i64::try_from(records.len()).unwrap_or(offsets),
            // A transaction may be open: what it holds is not known yet.
            Err(_) => offsets,
        }
    }

    /// The next piece of a stretch of a changelog.
    fn piece(&mut self, at: &TopicPartition, (from, to): (i64, i64)) -> Result<Piece, Failure> {
        self.replay.next(at, from, to, WAIT).map_err(|fault| match fault {
            changelog::Fault::Unreadable(why) => Failure::new(Exit::BadData, stops::changelog_unreadable(at, &why)),
            fault @ changelog::Fault::Kafka(_) => fault.into(),
        })
    }

    fn wait<T>(&self, asked: impl Future<Output = Result<T, crate::index::Error>>) -> Result<T, Failure> {
        Ok(self.runtime.block_on(asked)?)
    }
}

fn now() -> i64 {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

impl From<changelog::Fault> for Failure {
    fn from(fault: changelog::Fault) -> Self {
        match fault {
            changelog::Fault::Kafka(error) => error.into(),
            changelog::Fault::Unreadable(why) => Self::new(Exit::BadData, why),
        }
    }
}
