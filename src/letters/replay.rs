//! Sends letters back to their inputs, each once: what is sent and how far it has come are one transaction, in a group of the
//! replay's own. So it may be stopped at any moment, and goes on from there. Ends where the letters ended when it began.

use super::returning::{Fate, Order, Skip};
use super::scan::{self, CALL, STALL, Span};
use super::sender::Sender;
use crate::config::Topics;
use crate::failure::{Exit, Failure};
use crate::kafka::{Lookup, Settings, TopicPartition};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Records of one transaction, at most.
const AT_ONCE: usize = 500;
/// A paced replay sends so often in a second.
const STEPS: usize = 4;
/// A replay that was killed holds its partitions for so long.
const SESSION_MS: u32 = 12_000;
const TRANSACTION_MS: u32 = 10_000;

/// A replay as it was asked for.
pub struct Replay<'a> {
    pub order: &'a Order,
    pub topics: &'a Topics,
    /// The group, and the transactional id, in which it keeps its place.
    pub place: String,
    pub max: Option<u64>,
    /// Records a second.
    pub rate: Option<u32>,
}

/// What came of it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Summary {
    /// By the topic that they went to.
    pub returned: BTreeMap<String, u64>,
    pub skipped: BTreeMap<Skip, u64>,
    /// Letters that were not asked for.
    pub others: u64,
    /// Nothing that it was asked for is left.
    pub is_done: bool,
}

impl Summary {
    #[must_use]
    pub fn count(&self) -> u64 {
        self.returned.values().sum()
    }

    pub(super) fn skip(&mut self, why: Skip) {
        *self.skipped.entry(why).or_default() += 1;
    }

    fn add(&mut self, other: Self) {
        for (topic, count) in other.returned {
            *self.returned.entry(topic).or_default() += count;
        }
        for (why, count) in other.skipped {
            *self.skipped.entry(why).or_default() += count;
        }
        self.others += other.others;
    }
}

/// What is left to read by now: from where this replay stands, else from the time that it was asked for.
pub fn left(kafka: &Settings, replay: &Replay<'_>) -> Result<Vec<Span>, Failure> {
    let mut lookup = Lookup::open(&of_place(kafka, replay))?;
    let topic = replay.topics.name(replay.order.shelf.topic());
    let mut spans = scan::spans(&mut lookup, topic, replay.order.filter.since.map(|since| since.0))?;
    let all: Vec<TopicPartition> = spans.iter().map(|span| span.at.clone()).collect();
    let stands = lookup.committed(&all, CALL)?;
    for (span, stands) in spans.iter_mut().zip(stands) {
        span.from = stands.unwrap_or(0).max(span.from).min(span.to);
    }
    Ok(spans)
}

/// What a replay would do now; sends nothing, and keeps no place.
pub fn rehearse(kafka: &Settings, replay: &Replay<'_>, passed: &mut dyn FnMut(u64)) -> Result<Summary, Failure> {
    let spans = left(kafka, replay)?;
    let mut summary = Summary::default();
    let mut enough = false;
    scan::read(kafka, &spans, passed, &mut |record| {
        match replay.order.fate(&record, replay.topics) {
            Fate::Return(back) => *summary.returned.entry(back.topic.to_string()).or_default() += 1,
            Fate::Skip(why) => summary.skip(why),
            Fate::Other => summary.others += 1,
        }
        enough = replay.max.is_some_and(|max| summary.count() >= max);
        if enough {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    summary.is_done = !enough;
    Ok(summary)
}

/// Sends back what is left, until it is done, is enough, or `stop` says so.
pub fn run(
    kafka: &Settings,
    replay: &Replay<'_>,
    stop: &dyn Fn() -> bool,
    passed: &mut dyn FnMut(u64),
) -> Result<Summary, Failure> {
    let spans = left(kafka, replay)?;
    let mut summary = Summary::default();
    if spans.iter().all(|span| span.from >= span.to) {
        summary.is_done = true;
        return Ok(summary);
    }
    let settings = of_place(kafka, replay);
    let mut sender = Sender::open(&settings, replay, stop)?;
    sender.join(spans, stop)?;
    let mut moved = Instant::now();
    while !stop() && !sender.is_done() {
        let left = replay.max.map_or(u64::MAX, |max| max.saturating_sub(summary.count()));
        if left == 0 {
            break;
        }
        let started = Instant::now();
        let batch = sender.collect(limit(replay.rate, left))?;
        let sent = batch.records.len();
        if batch.passed > 0 {
            moved = started;
        } else if moved.elapsed() > STALL {
            return Err(stalled());
        }
        passed(batch.passed);
        summary.add(sender.send(batch, stop)?);
        pace(replay.rate, sent, started);
    }
    summary.is_done = sender.is_done();
    sender.close();
    Ok(summary)
}

fn stalled() -> Failure {
    let next =
        "an open transaction may hold the topic's end back: run it again in a minute, it goes on where it stands";
    let sentence = format!("nothing could be read for {} s: {next}", STALL.as_secs());
    Failure::new(Exit::Unreachable, sentence)
}

/// Two replays of one place are one: the second takes it from the first.
fn of_place(kafka: &Settings, replay: &Replay<'_>) -> Settings {
    Settings {
        group_id: replay.place.clone(),
        instance_id: None,
        session_timeout_ms: kafka.session_timeout_ms.min(SESSION_MS),
        transaction_timeout_ms: kafka.transaction_timeout_ms.min(TRANSACTION_MS),
        ..kafka.clone()
    }
}

fn limit(rate: Option<u32>, left: u64) -> usize {
    let paced = rate.map_or(AT_ONCE, |rate| (rate as usize / STEPS).clamp(1, AT_ONCE));
    paced.min(usize::try_from(left).unwrap_or(usize::MAX))
}

fn pace(rate: Option<u32>, sent: usize, started: Instant) {
    let Some(rate) = rate else { return };
    let due = Duration::from_secs_f64(sent as f64 / f64::from(rate.max(1)));
    std::thread::sleep(due.saturating_sub(started.elapsed()));
}
