//! Where the records of a load go in, and where its answers come out. Waits for nothing on the way in.

use super::answer::{Answer, Ids};
use super::world::Made;
use crate::config::Topics;
use crate::failure::Failure;
use crate::kafka::{Feed, NewRecord, Tail};
use std::time::{Duration, Instant};

pub struct Entrance<'a> {
    pub topics: &'a Topics,
    pub feed: Feed,
}

impl Entrance<'_> {
    pub fn record(&self, made: &Made) -> NewRecord {
        NewRecord {
            topic: self.topics.name(made.topic).clone(),
            key: Some(made.key.clone().into_bytes()),
            value: Some(made.value.to_string().into_bytes()),
            ..NewRecord::default()
        }
    }

    /// False: the client's queue is full.
    pub fn post(&mut self, record: &NewRecord) -> Result<bool, Failure> {
        Ok(self.feed.post(record)?)
    }

    /// Fails if a record that was handed over could not be sent.
    pub fn settle(&mut self) -> Result<(), Failure> {
        Ok(self.feed.taken().map(drop)?)
    }
}

pub struct Exits<'a> {
    pub topics: &'a Topics,
    pub ids: Ids,
    pub tail: Tail,
}

impl Exits<'_> {
    /// The next answer to a record of this run; None once the time is up.
    pub fn next(&mut self, wait: Duration) -> Result<Option<Answer>, Failure> {
        let until = Instant::now() + wait;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let found = self.tail.next(left)?;
            let is_over = found.is_none() && left.is_zero();
            let answer = found.and_then(|record| self.ids.read(&record, self.topics));
            if answer.is_some() || is_over {
                return Ok(answer);
            }
        }
    }
}
