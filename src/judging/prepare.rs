//! A record as it came, made ready to be judged: read once, its decision time fixed, its home known.

use super::Facts;
use crate::contract::{Affiliate, Decoded, RawRecord, TopicKind, envelope, origin};
use crate::domain::effect::DeadLetter;
use crate::domain::event::{Body, Cause, Event, What};
use crate::domain::ids::OrgId;
use crate::domain::record::Key;
use crate::domain::time::{Instant, MINUTE_MS};
use crate::kafka::{Position, Record};
use crate::state::codec;
use std::sync::Arc;

/// 2009-01-01: a timestamp before WhatsApp is nobody's.
const EARLIEST: Instant = Instant(1_230_768_000_000);
const AHEAD_MS: i64 = 5 * MINUTE_MS;

pub struct Prepared {
    /// None: a sweep, which no record asked for.
    record: Option<Record>,
    pub(super) decided_at: Instant,
    pub(super) content: Content,
    keys: Vec<Key>,
    bytes: usize,
}

pub(super) enum Content {
    /// At home here.
    Event(Box<Event>),
    /// An affiliate's phone is yet to be read, by the org's region.
    Affiliate(Cause, Box<Affiliate>),
    /// At home elsewhere.
    Away(Key),
    Dead(DeadLetter),
}

impl Prepared {
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// It could not be read: a dead letter, whatever is known.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        matches!(self.content, Content::Dead(_))
    }

    /// The records that judging reads first.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    #[must_use]
    pub fn decided_at(&self) -> Instant {
        self.decided_at
    }

    /// Where the record stood in the partition that it was read from. None: a sweep.
    #[must_use]
    pub fn at(&self) -> Option<&Position> {
        self.record.as_ref().map(|record| &record.at)
    }

    #[must_use]
    pub fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    /// The org whose settings this is to put, if it is judged here.
    #[must_use]
    pub fn settings_of(&self) -> Option<&OrgId> {
        match &self.content {
            Content::Event(event) => match &event.body {
                Body::Command(command) if matches!(command.what, What::PutSettings(_)) => Some(&command.org),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Reads a record. Err: one of our own that this version can't read; the partition must stop, since nothing of it may be
/// guessed.
pub fn prepare(record: Record, facts: &Facts, now: Instant) -> Result<Prepared, String> {
    let bytes = weight(&record);
    let Some(raw) = raw(&record, facts) else {
        return Err(format!("{} is none of the router's topics", record.at));
    };
    let (decided_at, content) = if raw.topic.kind == TopicKind::RouterCommands {
        passed_on(&raw, facts).map_err(|error| format!("{}: {error}", record.at))?
    } else {
        let decided_at = decision_time(raw.timestamp, now);
        (decided_at, read(&raw, facts, decided_at))
    };
    let keys = match &content {
        Content::Event(event) => vec![event.body.key()],
        _ => Vec::new(),
    };
    Ok(Prepared {
        record: Some(record),
        decided_at,
        content,
        keys,
        bytes,
    })
}

/// Timers of the entry whose value that is. None: it names no phone, so nothing is due.
#[must_use]
pub fn prepare_sweep(value: &[u8], facts: &Facts, horizon: Instant) -> Option<Prepared> {
    let Key::Phone(org, phone) = codec::subject(value)?.key()? else {
        return None;
    };
    let cause = Cause {
        seed: uuid::Uuid::nil(),
        origin: Arc::from([]),
    };
    let key = Key::Phone(org.clone(), phone);
    debug_assert_eq!(facts.homes.partition_of(&key), facts.partition);
    let event = Event {
        at: horizon,
        cause,
        body: Body::Sweep(org, phone),
    };
    let content = Content::Event(Box::new(event));
    Some(Prepared {
        record: None,
        decided_at: horizon,
        content,
        keys: vec![key],
        bytes: 0,
    })
}

/// The record's timestamp; the reader's clock where it is missing, or can't be right.
fn decision_time(timestamp: Option<Instant>, now: Instant) -> Instant {
    timestamp
        .filter(|at| *at >= EARLIEST && *at <= now.plus(AHEAD_MS))
        .unwrap_or(now)
}

fn weight(record: &Record) -> usize {
    let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
    length(&record.key) + length(&record.value)
}

/// The same record in the words of the contract.
pub(super) fn raw<'a>(record: &'a Record, facts: &'a Facts) -> Option<RawRecord<'a>> {
    Some(RawRecord {
        topic: facts.topics.parse(&record.at.topic)?,
        partition: record.at.partition,
        offset: record.at.offset,
        timestamp: record.timestamp.map(Instant),
        key: record.key.as_deref(),
        value: record.value.as_deref(),
        headers: record
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_deref()))
            .collect(),
    })
}

fn passed_on(raw: &RawRecord<'_>, facts: &Facts) -> Result<(Instant, Content), String> {
    match envelope::open(raw.value, &raw.headers).map_err(|error| error.to_string())? {
        envelope::Opened::Step(step) => {
            let (cause, passed) = codec::decode_step(step).map_err(|error| error.to_string())?;
            let body = Body::Step(passed.org, passed.step);
            Ok((
                passed.at,
                Content::Event(Box::new(Event {
                    at: passed.at,
                    cause,
                    body,
                })),
            ))
        }
        envelope::Opened::Passed {
            record,
            decided_at,
            phone,
        } => {
            let cause = origin::cause(&record);
            let content = match (facts.decoder.decode(&record), phone) {
                (Ok(Decoded::Body(body)), _) => Content::Event(Box::new(Event {
                    at: decided_at,
                    cause,
                    body,
                })),
                (Ok(Decoded::Affiliate(affiliate)), Some(phone)) => {
                    let body = Body::Command(affiliate.with_phone(phone));
                    Content::Event(Box::new(Event {
                        at: decided_at,
                        cause,
                        body,
                    }))
                }
                (Ok(Decoded::Affiliate(affiliate)), None) => Content::Affiliate(cause, Box::new(affiliate)),
                (Err(dead), _) => Content::Dead(dead),
            };
            Ok((decided_at, content))
        }
    }
}

/// A record of an input: judged here if its home is here, whatever its key and partition say.
fn read(raw: &RawRecord<'_>, facts: &Facts, decided_at: Instant) -> Content {
    match facts.decoder.decode(raw) {
        Err(dead) => Content::Dead(dead),
        Ok(Decoded::Affiliate(affiliate)) => Content::Affiliate(origin::cause(raw), Box::new(affiliate)),
        Ok(Decoded::Body(body)) => {
            let key = body.key();
            if facts.homes.partition_of(&key) == facts.partition {
                let cause = origin::cause(raw);
                return Content::Event(Box::new(Event {
                    at: decided_at,
                    cause,
                    body,
                }));
            }
            Content::Away(key)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decision_time_is_the_records_unless_its_clock_was_wrong() {
        let now = Instant(1_800_000_000_000);
        let rows = [
            (Some(Instant(now.0 - 5)), now.0 - 5),
            (Some(Instant(now.0 + AHEAD_MS)), now.0 + AHEAD_MS),
            (Some(Instant(now.0 + AHEAD_MS + 1)), now.0),
            (Some(EARLIEST), EARLIEST.0),
            (Some(Instant(EARLIEST.0 - 1)), now.0),
            (Some(Instant(-1)), now.0),
            (None, now.0),
        ];
        for (timestamp, expected) in rows {
            assert_eq!(decision_time(timestamp, now), Instant(expected), "{timestamp:?}");
        }
    }
}
