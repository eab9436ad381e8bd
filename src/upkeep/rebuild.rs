//! Builds a partition's index anew from its changelog. Where the router runs, the partition's owner finds its build replaced at
//! its next call, pauses, and replays the same records into the same new build: whoever is first applies a stretch, the other
//! finds it applied. So nobody has to be asked, and it makes no difference who dies.

use super::{Stand, State, Upkeep};
use crate::changelog::Piece;
use crate::failure::{Exit, Failure};
use crate::index::{Applied, Batch, Begin, Begun, ErrorKind, Generation};
use crate::protocol::stops;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long a full Redis is asked again, and how often.
const ROOM: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);
/// Stored keys of older builds given back in one call.
const SWEPT_AT_ONCE: usize = 2_000;

/// How a rebuild ended.
#[derive(Debug, Clone, Copy)]
pub struct Rebuilt {
    pub partition: i32,
    pub records: u64,
    pub took: Duration,
    /// The changelog offset up to which the index is applied.
    pub offset: i64,
}

impl Rebuilt {
    #[must_use]
    pub fn rate(&self) -> u64 {
        (self.records as f64 / self.took.as_secs_f64().max(0.001)) as u64
    }
}

impl Upkeep {
    /// `each` is told the offset reached, after each piece. None: the changelog holds nothing.
    pub fn rebuild(
        &mut self,
        found: &Stand,
        discard: bool,
        each: &mut dyn FnMut(i64),
    ) -> Result<Option<Rebuilt>, Failure> {
        let (partition, began) = (found.partition, Instant::now());
        if found.state() == State::Ahead && !discard {
            return Err(Failure::new(Exit::BadData, stops::ahead_of_changelog(&found.found())));
        }
        if !discard {
            found.readable()?;
        }
        let Some(progress) = &found.progress else {
            self.give_up_unreadable(found)?;
            return Ok(None);
        };
        found.uncut()?;
        self.read_through(partition, (progress.begins, found.high))?;
        self.give_up_unreadable(found)?;
        let of = Generation {
            incarnation: progress.incarnation,
            generation: Uuid::new_v4(),
            format: self.expected.index_format(),
        };
        let begin = Begin {
            expected: found.marker.map(|marker| marker.of.generation),
            of,
            offset: progress.begins,
            at: found.at,
        };
        if let Begun::Other(_) = self.wait(self.index.begin(partition, &begin))? {
            return Err(meanwhile(partition));
        }
        // There may be no room for both.
        while self.wait(self.index.sweep_foreign(partition, SWEPT_AT_ONCE))?.more {}
        let (mut offset, mut records) = (begin.offset, 0);
        let at = self.changelog(partition);
        while offset < found.high {
            let Piece { changes, next } = self.piece(&at, (offset, found.high))?;
            records += changes.len() as u64;
            let batch = Batch {
                from: offset,
                to: next,
                changes,
                applied_until: (next >= found.high).then_some(found.at),
            };
            match self.apply(partition, &of, &batch)? {
                Applied::Applied | Applied::Already => offset = next,
                Applied::Gap(_) | Applied::Foreign(_) => return Err(meanwhile(partition)),
            }
            each(offset);
        }
        Ok(Some(Rebuilt {
            partition,
            records,
            took: began.elapsed(),
            offset,
        }))
    }

    /// No index is given up for a changelog of which something can't be read: it may be the last to hold what that says.
    fn read_through(&mut self, partition: i32, (mut offset, to): (i64, i64)) -> Result<(), Failure> {
        let at = self.changelog(partition);
        while offset < to {
            offset = self.piece(&at, (offset, to))?.next;
        }
        Ok(())
    }

    fn give_up_unreadable(&self, found: &Stand) -> Result<(), Failure> {
        if found.unreadable.is_some() {
            self.wait(self.index.discard(found.partition))?;
        }
        Ok(())
    }

    /// What was given back is free a little later.
    fn apply(&self, partition: i32, of: &Generation, batch: &Batch) -> Result<Applied, Failure> {
        let until = Instant::now() + ROOM;
        loop {
            match self.runtime.block_on(self.index.apply(partition, of, batch)) {
                Err(error) if error.kind() == ErrorKind::Full && Instant::now() < until => std::thread::sleep(PAUSE),
                applied => return Ok(applied?),
            }
        }
    }
}

fn meanwhile(partition: i32) -> Failure {
    let sentence = format!(
        "the index of partition {partition} was begun anew, or lost, by another meanwhile: see `chatroom-router index status`, and \
         try again if it is still wanted"
    );
    Failure::new(Exit::Unreachable, sentence)
}
