//! The questions of recovery, answered on a thread of their own with clients of their own, so that the worker keeps polling.

use crate::changelog::{self, Piece, Replay, Search};
use crate::index::{Applied, ErrorKind, Fault, Index, Read};
use crate::kafka::lookup::Lookup;
use crate::kafka::restore::RangeReader;
use crate::kafka::{Consumer, Error, Kind, Settings, TopicPartition};
use crate::protocol::recovery::NEAR;
use crate::protocol::{Event, Life, Partition, RecoveryAnswer, RecoveryQuestion, Seen, stops};
use crate::state::keys::RecordKey;
use crate::state::progress::Progress;
use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// An answer that takes longer is asked for again, so that one partition's open transaction keeps no other waiting long.
const CALL: Duration = Duration::from_secs(2);
/// A call of no time at all would never be answered.
const LEAST: Duration = Duration::from_millis(100);
/// How long a replay under way keeps others waiting for its next question.
const STAY: Duration = Duration::from_millis(200);

pub struct Recovery {
    questions: Sender<(Life, RecoveryQuestion)>,
}

impl Recovery {
    pub fn start(
        settings: Settings,
        table: super::settings::Settings,
        index: &Index,
        runtime: &Handle,
        mail: Sender<Event>,
    ) -> Result<Self, Error> {
        let (questions, asked) = channel();
        let answering = Answering {
            members: Consumer::open(&settings)?,
            lookup: Lookup::open(&settings)?,
            reader: RangeReader::open(&settings)?,
            replay: Replay::open(&settings)?,
            replaying: None,
            searches: BTreeMap::new(),
            table,
            index: index.handle(),
            runtime: runtime.clone(),
        };
        let thread = std::thread::Builder::new().name("recovery".to_owned());
        let spawned = thread.spawn(move || answering.run(&asked, &mail));
        spawned.map_err(|error| Error::Unfit(format!("no thread can be started: {error}")))?;
        Ok(Self { questions })
    }

    pub fn ask(&self, life: Life, question: RecoveryQuestion) {
        // It ends only with the worker.
        _ = self.questions.send((life, question));
    }
}

struct Answering {
    /// In the group for its committed offsets alone; subscribed to nothing.
    members: Consumer,
    lookup: Lookup,
    reader: RangeReader,
    replay: Replay,
    replaying: Option<Life>,
    /// Those that had no time to come to their end: asked again, they go on.
    searches: BTreeMap<Partition, Search>,
    /// Of the accepted settings.
    table: super::settings::Settings,
    index: Index,
    runtime: Handle,
}

impl Answering {
    fn run(mut self, asked: &Receiver<(Life, RecoveryQuestion)>, mail: &Sender<Event>) {
        let mut waiting = VecDeque::new();
        while let Some((life, question)) = self.next(asked, &mut waiting) {
            let answer = self.answer(life, question);
            self.replaying = self.is_replaying(life, &answer);
            if mail.send(Event::Recovered(life, answer)).is_err() {
                return;
            }
        }
    }

    /// One partition after another: a replay that is begun is read to its end, or all that was read ahead would be in vain.
    fn next(
        &self,
        asked: &Receiver<(Life, RecoveryQuestion)>,
        waiting: &mut VecDeque<(Life, RecoveryQuestion)>,
    ) -> Option<(Life, RecoveryQuestion)> {
        waiting.extend(asked.try_iter());
        if let Some(life) = self.replaying {
            let until = Instant::now() + STAY;
            loop {
                if let Some(place) = waiting.iter().position(|(asking, _)| *asking == life) {
                    return waiting.remove(place);
                }
                match asked.recv_timeout(until.saturating_duration_since(Instant::now())) {
                    Ok(question) => waiting.push_back(question),
                    Err(_) => break,
                }
            }
        }
        waiting.pop_front().or_else(|| asked.recv().ok())
    }

    /// The partition of which another question is to come before others are asked.
    fn is_replaying(&self, life: Life, answer: &RecoveryAnswer) -> Option<Life> {
        let goes_on = match answer {
            RecoveryAnswer::Replayed { .. } => true,
            RecoveryAnswer::Applied(Applied::Applied | Applied::Already) => self.replay.has_more(),
            _ => false,
        };
        goes_on.then_some(life)
    }

    fn answer(&mut self, life: Life, question: RecoveryQuestion) -> RecoveryAnswer {
        let partition = life.partition;
        match question {
            RecoveryQuestion::Committed(inputs) => {
                told(self.members.committed(&inputs, CALL), RecoveryAnswer::Committed)
            }
            RecoveryQuestion::Watermarks { changelog, inputs } => match self.table.unreadable() {
                Some(what) => RecoveryAnswer::Hopeless(stops::settings_unreadable(partition, &what)),
                None => told(self.watermarks(&changelog, &inputs), |answer| answer),
            },
            RecoveryQuestion::LastProgress { changelog, low, high } => {
                let found = self.search(&changelog, (low, high), usize::MAX);
                let say = |why: &str| stops::progress_unreadable(partition, why);
                found.map_or_else(|fault| unread(&fault, say), RecoveryAnswer::LastProgress)
            }
            RecoveryQuestion::ProgressBelow { changelog, low, marker } => {
                let found = self.search(&changelog, (low, marker), NEAR);
                let say = |why: &str| stops::progress_unreadable(partition, why);
                found.map_or_else(|fault| unread(&fault, say), RecoveryAnswer::ProgressBelow)
            }
            RecoveryQuestion::Replay { changelog, from, to } => match self.replay.next(&changelog, from, to, CALL) {
                Ok(Piece { changes, next }) => RecoveryAnswer::Replayed { changes, next },
                Err(fault) => unread(&fault, |why| stops::changelog_unreadable(&changelog, why)),
            },
            RecoveryQuestion::Marker => {
                let checked = self.runtime.block_on(self.index.check());
                let unfit = checked.err().filter(Fault::loses_entries);
                let seen = self.runtime.block_on(seen(&self.index, partition));
                indexed(seen, |seen| match unfit {
                    Some(fault) => RecoveryAnswer::Untrusted {
                        why: fault.to_string(),
                        marker: seen.marker,
                    },
                    None => RecoveryAnswer::Seen(seen),
                })
            }
            RecoveryQuestion::Begin(begin) => indexed(
                self.runtime.block_on(self.index.begin(partition, &begin)),
                RecoveryAnswer::Begun,
            ),
            RecoveryQuestion::Apply { of, batch } => indexed(
                self.runtime.block_on(self.index.apply(partition, &of, &batch)),
                RecoveryAnswer::Applied,
            ),
        }
    }

    /// One that timed out is kept.
    fn search(
        &mut self,
        at: &TopicPartition,
        among: (i64, i64),
        most: usize,
    ) -> Result<Option<Progress>, changelog::Fault> {
        let begun = self
            .searches
            .remove(&at.partition)
            .filter(|search| search.is_of(at, among));
        let mut search = begun.unwrap_or_else(|| Search::new(at, among, most));
        let found = search.go_on(&mut self.reader, CALL);
        if matches!(found, Err(changelog::Fault::Kafka(Error::TimedOut { .. }))) {
            self.searches.insert(at.partition, search);
        }
        found
    }

    fn watermarks(&mut self, changelog: &TopicPartition, inputs: &[TopicPartition]) -> Result<RecoveryAnswer, Error> {
        let until = Instant::now() + CALL;
        let left = || until.saturating_duration_since(Instant::now()).max(LEAST);
        let high = self.lookup.high_watermark(changelog, left())?;
        let low = self.lookup.low_watermark(changelog, left())?;
        let input_lows = self.lookup.low_watermarks(inputs, left())?;
        let input_ends = self.lookup.high_watermarks(inputs, left())?;
        let settings_end = self.lookup.high_watermark(&self.table.at(), left())?;
        Ok(RecoveryAnswer::Watermarks {
            low,
            high,
            input_lows,
            input_ends,
            settings_end,
        })
    }
}

/// What the index of a partition says of itself.
pub async fn seen(index: &Index, partition: i32) -> Result<Seen, crate::index::Error> {
    let Some(marker) = index.marker(partition).await? else {
        return Ok(Seen::default());
    };
    let of_progress = [RecordKey::PROGRESS.as_bytes()];
    let (marker, held) = match index.read(partition, &marker.of, &of_progress).await {
        Ok(Read::Found { marker, value }) => (Some(marker), value),
        Ok(Read::Foreign(marker)) => (marker, Vec::new()),
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            return Ok(Seen {
                marker: Some(marker),
                progress: None,
                spoilt: true,
            });
        }
        Err(error) => return Err(error),
    };
    let progress = held.into_iter().flatten().next();
    let progress = progress.and_then(|value| Progress::decode(&value).ok());
    Ok(Seen {
        marker,
        progress,
        spoilt: !index.evicted([partition]).await?.is_empty(),
    })
}

fn told<T>(answer: Result<T, Error>, tell: impl FnOnce(T) -> RecoveryAnswer) -> RecoveryAnswer {
    answer.map_or_else(|error| failed(&error), tell)
}

fn unread(fault: &changelog::Fault, say: impl FnOnce(&str) -> String) -> RecoveryAnswer {
    match fault {
        changelog::Fault::Kafka(error) => failed(error),
        changelog::Fault::Unreadable(why) => RecoveryAnswer::Hopeless(say(why)),
    }
}

fn failed(error: &Error) -> RecoveryAnswer {
    match (error, error.kind()) {
        (Error::OffsetOutOfRange { .. }, _) => {
            // All is looked up anew before this is said: by then the changelog says itself what it lacks.
            RecoveryAnswer::Hopeless(format!(
                "{error}: the changelog lost records while it was read; bring it back from a copy, or wait until nobody deletes from it \
                 any more: it is looked at again by itself, and what is lost is said then"
            ))
        }
        (_, Kind::Fatal | Kind::Replace | Kind::Abort | Kind::Retry) => RecoveryAnswer::Unavailable(error.to_string()),
    }
}

fn indexed<T>(answer: Result<T, crate::index::Error>, tell: impl FnOnce(T) -> RecoveryAnswer) -> RecoveryAnswer {
    answer.map_or_else(
        |error| match error.kind() {
            ErrorKind::Corrupt => RecoveryAnswer::Unreadable(error.to_string()),
            _ => RecoveryAnswer::Unavailable(error.to_string()),
        },
        tell,
    )
}
