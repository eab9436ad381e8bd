//! A record as it came, made ready to be judged: read once, its decision time fixed, its home known.

use super::Facts;
use crate::contract::envelope::{self, EnvelopeFault};
use crate::contract::{Affiliate, Carried, Decoded, RawRecord, TopicKind, origin};
use crate::domain::effect::{DeadLetter, DeadReason};
use crate::domain::event::{Body, Cause, Event, What};
use crate::domain::ids::{OrgId, Slot};
use crate::domain::phone::SpelledPhone;
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
    pub(super) from: Option<From>,
    pub(super) decided_at: Instant,
    pub(super) content: Content,
    bytes: usize,
}

/// Where a record stood, and when it says that it was written.
pub(super) struct From {
    at: Position,
    pub(super) kind: TopicKind,
    pub(super) timestamp: Option<i64>,
}

pub(super) enum Content {
    AtHome(Box<AtHome>),
    /// An affiliate's phone is yet to be read, by the org's region.
    Affiliate(Cause, Box<Affiliate>),
    /// At home elsewhere.
    Away(Key, Record),
    Dead(DeadLetter, Record),
}

/// What is judged here.
pub(super) struct AtHome {
    pub event: Event,
    /// The record that it is about first, and that record's slot.
    pub key: Key,
    pub slot: Slot,
    /// Of a message.
    pub carried: Option<Carried>,
}

impl AtHome {
    /// Without what a message carries.
    pub fn new(event: Event, facts: &Facts) -> Self {
        let key = event.body.key();
        let slot = facts.homes.slot_of(&key);
        let carried = None;
        Self {
            event,
            key,
            slot,
            carried,
        }
    }
}

impl Prepared {
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// It could not be read: a dead letter, whatever is known.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        matches!(self.content, Content::Dead(..))
    }

    /// The records that judging reads first.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        match &self.content {
            Content::AtHome(at_home) => std::slice::from_ref(&at_home.key),
            _ => &[],
        }
    }

    #[must_use]
    pub fn decided_at(&self) -> Instant {
        self.decided_at
    }

    /// Where the record stood in the partition that it was read from. None: a sweep.
    #[must_use]
    pub fn at(&self) -> Option<&Position> {
        self.from.as_ref().map(|from| &from.at)
    }

    /// The record's own, in milliseconds.
    #[must_use]
    pub fn timestamp(&self) -> Option<i64> {
        self.from.as_ref()?.timestamp
    }

    /// The record as it first came in. What is judged here carries it in its cause.
    pub(super) fn first<'a>(&'a self, facts: &'a Facts) -> Option<RawRecord<'a>> {
        match &self.content {
            Content::AtHome(at_home) => origin::read(&at_home.event.cause.origin).ok(),
            Content::Affiliate(cause, _) => origin::read(&cause.origin).ok(),
            Content::Away(_, record) => raw(record, facts),
            Content::Dead(_, record) => {
                let raw = raw(record, facts)?;
                match envelope::open(raw.value, &raw.headers) {
                    Ok(envelope::Opened::Passed { record, .. }) if raw.topic.kind == TopicKind::RouterCommands => {
                        Some(record)
                    }
                    _ => Some(raw),
                }
            }
        }
    }

    /// The org whose settings this is to put, if it is judged here.
    #[must_use]
    pub fn settings_of(&self) -> Option<&OrgId> {
        match &self.content {
            Content::AtHome(at_home) => match &at_home.event.body {
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
    let from = From {
        at: record.at.clone(),
        kind: raw.topic.kind,
        timestamp: record.timestamp,
    };
    let (decided_at, read) = if from.kind == TopicKind::RouterCommands {
        passed_on(&raw, facts, now)?
    } else {
        let decided_at = decision_time(raw.timestamp, now);
        // Judged here if its home is here, whatever its key and partition say.
        let is_here = |slot| facts.homes.partitions().of(slot) == facts.partition;
        (decided_at, read(&raw, None, decided_at, facts, is_here))
    };
    let content = match read {
        Read::Whole(content) => content,
        Read::Away(key) => Content::Away(key, record),
        Read::Dead(dead) => Content::Dead(dead, record),
    };
    Ok(Prepared {
        from: Some(from),
        decided_at,
        content,
        bytes,
    })
}

/// What was read of a record: all of it, or what the record itself has to be kept for.
enum Read {
    Whole(Content),
    Away(Key),
    Dead(DeadLetter),
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
    let event = Event {
        at: horizon,
        cause,
        body: Body::Sweep(org, phone),
    };
    let at_home = AtHome::new(event, facts);
    debug_assert_eq!(facts.homes.partitions().of(at_home.slot), facts.partition);
    Some(Prepared {
        from: None,
        decided_at: horizon,
        content: Content::AtHome(Box::new(at_home)),
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
fn raw<'a>(record: &'a Record, facts: &'a Facts) -> Option<RawRecord<'a>> {
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

fn passed_on(raw: &RawRecord<'_>, facts: &Facts, now: Instant) -> Result<(Instant, Read), String> {
    let opened = match envelope::open(raw.value, &raw.headers) {
        Err(fault @ EnvelopeFault::Foreign) => {
            let dead = DeadLetter {
                reason: DeadReason::Malformed,
                detail: fault.to_string().into(),
            };
            return Ok((decision_time(raw.timestamp, now), Read::Dead(dead)));
        }
        opened => opened.map_err(|fault| fault.to_string())?,
    };
    match opened {
        envelope::Opened::Step(step) => {
            let (cause, passed) = codec::decode_step(step).map_err(|error| error.to_string())?;
            let at = passed.at;
            let body = Body::Step(passed.org, Box::new(passed.step));
            let at_home = AtHome::new(Event { at, cause, body }, facts);
            Ok((at, Read::Whole(Content::AtHome(Box::new(at_home)))))
        }
        envelope::Opened::Passed {
            record,
            decided_at,
            phone,
        } => Ok((decided_at, read(&record, phone, decided_at, facts, |_| true))),
    }
}

/// Reads a record of an input that came in here or was passed on; whether it is judged here is for its home to say.
fn read(
    raw: &RawRecord<'_>,
    phone: Option<SpelledPhone>,
    at: Instant,
    facts: &Facts,
    is_here: impl Fn(Slot) -> bool,
) -> Read {
    let (body, carried) = match (facts.decoder.decode(raw), phone) {
        (Err(dead), _) => return Read::Dead(dead),
        (Ok(Decoded::Affiliate(affiliate)), None) => {
            return Read::Whole(Content::Affiliate(origin::cause(raw), affiliate));
        }
        (Ok(Decoded::Affiliate(affiliate)), Some(phone)) => {
            (Body::Command(Box::new(affiliate.with_phone(phone))), None)
        }
        (Ok(Decoded::Command(command)), _) => (Body::Command(command), None),
        (Ok(Decoded::Message(inbound, carried)), _) => (Body::Inbound(inbound), Some(carried)),
    };
    let key = body.key();
    let slot = facts.homes.slot_of(&key);
    if !is_here(slot) {
        return Read::Away(key);
    }
    let cause = origin::cause(raw);
    Read::Whole(Content::AtHome(Box::new(AtHome {
        event: Event { at, cause, body },
        key,
        slot,
        carried,
    })))
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
