//! Reads a topic from a time on, up to where it ended when it was looked at: so it ends, whatever is written meanwhile. Joins
//! no group, commits nothing.

use crate::kafka::{Error, Lookup, RangeReader, Record, Settings, TopicPartition};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// A call to a broker that should take milliseconds.
pub const CALL: Duration = Duration::from_secs(10);
/// Without a record or an end for so long the reading fails: a transaction is open, or the brokers are away.
pub const STALL: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_millis(200);
const AT_ONCE: usize = 1_000;

/// The offsets `from..to` of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub at: TopicPartition,
    pub from: i64,
    pub to: i64,
}

/// All that a topic holds by now, from that time on (milliseconds since 1970).
pub fn spans(lookup: &mut Lookup, topic: &Arc<str>, since: Option<i64>) -> Result<Vec<Span>, Error> {
    let missing = || {
        Error::Unfit(format!(
            "topic {topic} does not exist (see `chatroom-router topics plan`)"
        ))
    };
    let count = lookup.partitions(topic, CALL)?.ok_or_else(missing)?;
    let all: Vec<TopicPartition> = (0..count)
        .map(|partition| TopicPartition::new(topic.clone(), partition))
        .collect();
    let ends = lookup.high_watermarks(&all, CALL)?;
    let begins = match since {
        Some(time) => lookup.offsets_at(&all, time, CALL)?,
        None => lookup.low_watermarks(&all, CALL)?,
    };
    let spans = all.into_iter().zip(begins.into_iter().zip(ends));
    Ok(spans
        .map(|(at, (from, to))| Span {
            at,
            from: from.min(to),
            to,
        })
        .collect())
}

/// How many offsets that is: no fewer than there are records.
#[must_use]
pub fn length(spans: &[Span]) -> u64 {
    let lengths = spans.iter().map(|span| span.to - span.from);
    lengths.map(|length| u64::try_from(length).unwrap_or(0)).sum()
}

/// Hands out every committed record of these, in the order of each partition, until one is enough. `passed` hears how many
/// offsets were left behind.
pub fn read(
    settings: &Settings,
    spans: &[Span],
    passed: &mut dyn FnMut(u64),
    each: &mut dyn FnMut(Record) -> ControlFlow<()>,
) -> Result<(), Error> {
    let mut reader = RangeReader::open(settings)?;
    let mut found = Vec::new();
    for span in spans.iter().filter(|span| span.from < span.to) {
        reader.start(span.at.clone(), span.from, span.to, STALL)?;
        let mut before = span.from;
        loop {
            let progress = reader.next(AT_ONCE, PATIENCE, &mut found)?;
            passed(u64::try_from(progress.position - before).unwrap_or(0));
            before = progress.position;
            for record in found.drain(..) {
                if each(record).is_break() {
                    return Ok(());
                }
            }
            if progress.done {
                break;
            }
        }
    }
    Ok(())
}
