//! Reads a stretch of the changelog ahead of whoever applies it, on a thread of its own, so that Kafka, the decoding and the
//! index work at the same time. Bounded: at most a few pieces wait.

use super::{Fault, STALL};
use crate::index::Change;
use crate::kafka::restore::RangeReader;
use crate::kafka::{Error, Settings, TopicPartition};
use crate::state::clocks;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A piece is sent on when it holds so many records, or so many bytes, or after so long: whichever comes first.
const RECORDS: usize = 8_000;
const BYTES: usize = 4 << 20;
const PACE: Duration = Duration::from_millis(50);
/// Records taken at once, between two looks at the bounds.
const STEP: usize = 250;
const PATIENCE: Duration = Duration::from_millis(100);
/// Pieces that wait to be taken.
const WAITING: usize = 2;

/// What a stretch of the changelog does to an index.
#[derive(Debug)]
pub struct Piece {
    pub changes: Vec<Change>,
    /// The offset from which to read on: all that is committed below it has been handed out.
    pub next: i64,
}

/// Reads one stretch after another, each to its known end.
pub struct Replay {
    settings: Settings,
    /// None while a stretch is read.
    reader: Option<RangeReader>,
    ahead: Option<Ahead>,
}

/// A stretch under way.
struct Ahead {
    at: TopicPartition,
    /// Where the next piece begins, and where the last ends.
    next: i64,
    to: i64,
    pieces: Receiver<Result<Piece, Fault>>,
    /// Nobody waits for them any more.
    given_up: Arc<AtomicBool>,
    thread: JoinHandle<RangeReader>,
}

impl Replay {
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        Ok(Self {
            settings: settings.clone(),
            reader: Some(RangeReader::open(settings)?),
            ahead: None,
        })
    }

    /// The next piece of `[from, to)`. Goes on with the stretch under way if it stands there, and else begins another. Waits
    /// up to `wait`; what was not read by then is read on, for the next call.
    pub fn next(&mut self, at: &TopicPartition, from: i64, to: i64, wait: Duration) -> Result<Piece, Fault> {
        let goes_on = |ahead: &Ahead| ahead.at == *at && ahead.next == from && ahead.to == to;
        if !self.ahead.as_ref().is_some_and(goes_on) {
            self.begin(at, from, to)?;
        }
        let Some(ahead) = &mut self.ahead else {
            return Err(Error::Misuse("no stretch was begun").into());
        };
        match ahead.pieces.recv_timeout(wait) {
            Ok(Ok(piece)) => {
                ahead.next = piece.next;
                Ok(piece)
            }
            Ok(Err(fault)) => {
                self.end();
                Err(fault)
            }
            Err(RecvTimeoutError::Timeout) => Err(Error::TimedOut {
                doing: format!("reading {at} up to {to}, at {from}").into(),
                waited: wait,
            }
            .into()),
            Err(RecvTimeoutError::Disconnected) => {
                self.end();
                Err(Error::Misuse("the stretch was read to its end").into())
            }
        }
    }

    /// Whether the stretch under way has not been handed out to its end.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.ahead.as_ref().is_some_and(|ahead| ahead.next < ahead.to)
    }

    fn begin(&mut self, at: &TopicPartition, from: i64, to: i64) -> Result<(), Error> {
        self.end();
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => RangeReader::open(&self.settings)?,
        };
        reader.start(at.clone(), from, to, STALL)?;
        let (pieces, taken) = sync_channel(WAITING);
        let thread = std::thread::Builder::new().name("changelog".to_owned());
        let given_up = Arc::<AtomicBool>::default();
        let is_given_up = given_up.clone();
        let spawned = thread.spawn(move || {
            read(&mut reader, &pieces, &is_given_up);
            reader
        });
        let thread = spawned.map_err(|error| Error::Unfit(format!("no thread can be started: {error}")))?;
        self.ahead = Some(Ahead {
            at: at.clone(),
            next: from,
            to,
            pieces: taken,
            given_up,
            thread,
        });
        Ok(())
    }

    /// Gives up the stretch under way. A reader that is lost with its thread is opened anew.
    fn end(&mut self) {
        if let Some(ahead) = self.ahead.take() {
            ahead.given_up.store(true, Ordering::Relaxed);
            drop(ahead.pieces);
            self.reader = ahead.thread.join().ok();
        }
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.end();
    }
}

/// Until the end of the stretch, a fault, or that nobody takes the pieces any more.
fn read(reader: &mut RangeReader, pieces: &SyncSender<Result<Piece, Fault>>, given_up: &AtomicBool) {
    loop {
        let (piece, is_last) = match piece(reader, given_up) {
            Ok(Some((piece, is_last))) => (Ok(piece), is_last),
            Ok(None) => return,
            Err(fault) => (Err(fault), true),
        };
        if pieces.send(piece).is_err() || is_last {
            return;
        }
    }
}

/// With whether it is the last. None: given up.
fn piece(reader: &mut RangeReader, given_up: &AtomicBool) -> Result<Option<(Piece, bool)>, Fault> {
    let (mut changes, mut bytes) = (Vec::new(), 0);
    let mut found = Vec::with_capacity(STEP);
    let mut began = Instant::now();
    while !given_up.load(Ordering::Relaxed) {
        let progress = reader.next(STEP, PATIENCE, &mut found)?;
        if changes.is_empty() {
            began = Instant::now();
        }
        for record in found.drain(..) {
            let Some(key) = record.key else { continue };
            bytes += record.value.as_ref().map_or(0, Vec::len);
            changes.push(clocks::change(record.at.offset, key, record.value).map_err(Fault::Unreadable)?);
        }
        let is_enough = changes.len() >= RECORDS || bytes >= BYTES || began.elapsed() >= PACE;
        if progress.done || (is_enough && !changes.is_empty()) {
            let next = progress.position;
            return Ok(Some((Piece { changes, next }, progress.done)));
        }
    }
    Ok(None)
}
