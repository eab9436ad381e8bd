//! The questions of recovery, answered on a thread of their own with clients of their own, so that the worker keeps polling.

use crate::index::Index;
use crate::kafka::lookup::Lookup;
use crate::kafka::restore::RangeReader;
use crate::kafka::{Consumer, Error, Kind, Record, Settings, TopicPartition};
use crate::protocol::{Event, Life, RecoveryAnswer, RecoveryQuestion};
use crate::state::keys::RecordKey;
use crate::state::progress::Progress;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tokio::runtime::Handle;

/// An answer that takes longer is asked for again, so that one partition's open transaction keeps no other waiting long.
const CALL: Duration = Duration::from_secs(2);
/// Without a record for so long a replay is asked for again; an open transaction below the watermark may be why.
const STALL: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_millis(500);
/// Records of one replayed piece: a few hundred calls' worth of bytes, bounded.
const PIECE: usize = 4_000;
/// How far from its end the changelog is first searched for its last progress record.
const TAIL: i64 = 64;

pub struct Recovery {
    questions: Sender<(Life, RecoveryQuestion)>,
}

impl Recovery {
    pub fn start(settings: Settings, index: &Index, runtime: &Handle, mail: Sender<Event>) -> Result<Self, Error> {
        let (questions, asked) = channel();
        let answering = Answering {
            members: Consumer::open(&settings)?,
            lookup: Lookup::open(&settings)?,
            reader: RangeReader::open(&settings)?,
            reading: None,
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
    /// What the reader is set on: partition, position, end.
    reading: Option<(TopicPartition, i64, i64)>,
    index: Index,
    runtime: Handle,
}

impl Answering {
    fn run(mut self, asked: &Receiver<(Life, RecoveryQuestion)>, mail: &Sender<Event>) {
        let mut waiting: VecDeque<(Life, RecoveryQuestion)> = VecDeque::new();
        let mut last: Option<Life> = None;
        loop {
            if waiting.is_empty() {
                match asked.recv() {
                    Ok(question) => waiting.push_back(question),
                    Err(_) => return,
                }
            }
            waiting.extend(asked.try_iter());
            // One partition after another: a replay that is begun is read to its end.
            let place = waiting.iter().position(|(life, _)| Some(*life) == last).unwrap_or(0);
            let Some((life, question)) = waiting.remove(place) else {
                continue;
            };
            last = Some(life);
            let answer = self.answer(life, question);
            if mail.send(Event::Recovered(life, answer)).is_err() {
                return;
            }
        }
    }

    fn answer(&mut self, life: Life, question: RecoveryQuestion) -> RecoveryAnswer {
        let partition = life.partition;
        match question {
            RecoveryQuestion::Committed(inputs) => {
                told(self.members.committed(&inputs, CALL), RecoveryAnswer::Committed)
            }
            RecoveryQuestion::Watermarks { changelog, inputs } => {
                told(self.watermarks(&changelog, &inputs), |answer| answer)
            }
            RecoveryQuestion::LastProgress { changelog, low, high } => self.last_progress(&changelog, low, high),
            RecoveryQuestion::Replay { changelog, from, to } => {
                told(self.replay(&changelog, from, to), |answer| answer)
            }
            RecoveryQuestion::Marker => indexed(
                self.runtime.block_on(self.index.marker(partition)),
                RecoveryAnswer::Marker,
            ),
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

    fn watermarks(&mut self, changelog: &TopicPartition, inputs: &[TopicPartition]) -> Result<RecoveryAnswer, Error> {
        let high = self.lookup.high_watermark(changelog, CALL)?;
        let low = self.lookup.low_watermark(changelog, CALL)?;
        let input_lows = self.lookup.low_watermarks(inputs, CALL)?;
        Ok(RecoveryAnswer::Watermarks { low, high, input_lows })
    }

    /// Searches backwards, in windows that grow: compaction keeps the last record of the key, so it is near the end unless
    /// aborted transactions follow it.
    fn last_progress(&mut self, changelog: &TopicPartition, low: i64, high: i64) -> RecoveryAnswer {
        let mut window = TAIL;
        let mut to = high;
        while to > low {
            let from = low.max(to - window);
            let records = match self.read_all(changelog, from, to) {
                Ok(records) => records,
                Err(error) => return failed(&error),
            };
            let last = records
                .into_iter()
                .rev()
                .find(|record| record.key.as_deref() == Some(RecordKey::PROGRESS.as_bytes()));
            if let Some(value) = last.and_then(|record| record.value) {
                return match Progress::decode(&value) {
                    Ok(progress) => RecoveryAnswer::LastProgress(Some(progress)),
                    Err(error) => {
                        RecoveryAnswer::Hopeless(format!("the progress record of {changelog} can't be read: {error}"))
                    }
                };
            }
            to = from;
            window *= 8;
        }
        RecoveryAnswer::LastProgress(None)
    }

    fn read_all(&mut self, at: &TopicPartition, from: i64, to: i64) -> Result<Vec<Record>, Error> {
        self.reading = None;
        self.reader.start(at.clone(), from, to, STALL)?;
        let mut records = Vec::new();
        while !self.reader.next(PIECE, PATIENCE, &mut records)?.done {}
        Ok(records)
    }

    fn replay(&mut self, at: &TopicPartition, from: i64, to: i64) -> Result<RecoveryAnswer, Error> {
        let set_on = (at.clone(), from, to);
        if self.reading.as_ref() != Some(&set_on) {
            self.reader.start(at.clone(), from, to, STALL)?;
        }
        self.reading = None;
        let mut found = Vec::new();
        let mut progress = self.reader.next(PIECE, PATIENCE, &mut found)?;
        while found.is_empty() && !progress.done {
            progress = self.reader.next(PIECE, PATIENCE, &mut found)?;
        }
        self.reading = Some((at.clone(), progress.position, to));
        let records = found
            .into_iter()
            .filter_map(|record| Some((record.at.offset, record.key?, record.value)))
            .collect();
        Ok(RecoveryAnswer::Replayed {
            records,
            next: progress.position,
        })
    }
}

fn told<T>(answer: Result<T, Error>, tell: impl FnOnce(T) -> RecoveryAnswer) -> RecoveryAnswer {
    answer.map_or_else(|error| failed(&error), tell)
}

fn failed(error: &Error) -> RecoveryAnswer {
    match (error, error.kind()) {
        (Error::OffsetOutOfRange { .. }, _) => {
            RecoveryAnswer::Hopeless(format!("{error}: was the changelog created anew?"))
        }
        (_, Kind::Fatal | Kind::Replace | Kind::Abort | Kind::Retry) => RecoveryAnswer::Unavailable(error.to_string()),
    }
}

fn indexed<T>(answer: Result<T, crate::index::Error>, tell: impl FnOnce(T) -> RecoveryAnswer) -> RecoveryAnswer {
    answer.map_or_else(|error| RecoveryAnswer::Unavailable(error.to_string()), tell)
}
