//! `router-commands`: records on their way to the home of their phone or contact.
//!
//! Either a record of an input as it came in, with its position and the decision time that the first task fixed, or a
//! step of a command. Our headers stand after the record's own and are taken off again: what arrives is what was sent.

use super::origin;
use super::record::{Header, OutHeader, OutRecord, RawRecord, TopicKind};
use super::wire::{Reader, Writer};
use crate::domain::phone::{Phone, SpelledPhone};
use crate::domain::time::Instant;
use std::borrow::Cow;

const FORMAT: &[u8] = b"1";
const ORIGIN: &str = "router_origin";
const DECIDED_AT: &str = "router_decided_at";
const PHONE: &str = "router_phone";
const STEP: &str = "router_step";
/// Always the last header.
const FORMAT_HEADER: &str = "router_format";

/// What a record of `router-commands` holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened<'a> {
    Passed {
        /// As it came in first: its topic, position, timestamp, key, value and headers.
        record: RawRecord<'a>,
        decided_at: Instant,
        /// An affiliate's phone, as the first task read it.
        phone: Option<SpelledPhone>,
    },
    /// A step of a command, in the state's own encoding.
    Step(&'a [u8]),
}

/// What is ours and can't be read stops its partition: what it was to do can't be guessed. What somebody else wrote is a dead
/// letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeFault {
    #[error(
        "its last header is not {FORMAT_HEADER}, which all records of router-commands end with: it is none of the router's"
    )]
    Foreign,
    #[error("a record of router-commands is not in the format that this version reads ({FORMAT_HEADER}: 1)")]
    Format,
    #[error("a record of router-commands has a damaged header or value: {0}")]
    Damaged(&'static str),
}

/// Passes on a record to the home whose key is given.
#[must_use]
pub fn pass_on(record: &RawRecord<'_>, home: &str, decided_at: Instant, phone: Option<SpelledPhone>) -> OutRecord {
    let mut position = Writer::default();
    origin::write_position(&mut position, record);
    let owned = |(name, value): &Header<'_>| {
        (
            Cow::Owned((*name).to_owned()),
            value.map(|value| Cow::Owned(value.to_vec())),
        )
    };
    let mut headers: Vec<OutHeader> = record.headers.iter().map(owned).collect();
    headers.push(ours(ORIGIN, position.finish()));
    headers.push(ours(DECIDED_AT, decided_at.0.to_string().into_bytes()));
    if let Some(phone) = phone {
        let digits = format!("{} {}", phone.canonical.0, phone.spelled.0);
        headers.push(ours(PHONE, digits.into_bytes()));
    }
    headers.push(ours(FORMAT_HEADER, FORMAT.to_vec()));
    OutRecord {
        topic: TopicKind::RouterCommands,
        key: Some(home.as_bytes().to_vec()),
        value: record.value.map(<[u8]>::to_vec),
        headers,
    }
}

/// Sends a step, encoded, to the home whose key is given.
#[must_use]
pub fn send_step(step: Vec<u8>, home: &str) -> OutRecord {
    OutRecord {
        topic: TopicKind::RouterCommands,
        key: Some(home.as_bytes().to_vec()),
        value: Some(step),
        headers: vec![ours(STEP, b"1".to_vec()), ours(FORMAT_HEADER, FORMAT.to_vec())],
    }
}

pub fn open<'a>(value: Option<&'a [u8]>, headers: &[Header<'a>]) -> Result<Opened<'a>, EnvelopeFault> {
    let before = match headers.split_last() {
        Some(((FORMAT_HEADER, Some(FORMAT)), before)) => before,
        Some(((FORMAT_HEADER, _), _)) => return Err(EnvelopeFault::Format),
        _ => return Err(EnvelopeFault::Foreign),
    };
    let first_of_ours = before.iter().rposition(|(name, _)| matches!(*name, ORIGIN | STEP));
    let split = first_of_ours.and_then(|place| before.split_at_checked(place));
    let (theirs, ours) = split.ok_or(EnvelopeFault::Damaged("no router_origin and no router_step"))?;
    match ours.first() {
        Some((ORIGIN, Some(position))) => {
            let mut reader = Reader(position);
            let mut record = origin::read_position(&mut reader).ok_or(EnvelopeFault::Damaged(ORIGIN))?;
            record.value = value;
            record.headers = theirs.to_vec();
            let decided_at = number(ours, DECIDED_AT).ok_or(EnvelopeFault::Damaged(DECIDED_AT))?;
            Ok(Opened::Passed {
                record,
                decided_at: Instant(decided_at),
                phone: phone(ours)?,
            })
        }
        Some((STEP, _)) => Ok(Opened::Step(value.unwrap_or_default())),
        _ => Err(EnvelopeFault::Damaged(ORIGIN)),
    }
}

fn phone(headers: &[Header<'_>]) -> Result<Option<SpelledPhone>, EnvelopeFault> {
    let Some(text) = text(headers, PHONE) else {
        return Ok(None);
    };
    let digits = text.split_once(' ').and_then(|(canonical, spelled)| {
        Some(SpelledPhone {
            canonical: Phone(canonical.parse().ok()?),
            spelled: Phone(spelled.parse().ok()?),
        })
    });
    digits.map(Some).ok_or(EnvelopeFault::Damaged(PHONE))
}

fn number(headers: &[Header<'_>], name: &str) -> Option<i64> {
    text(headers, name)?.parse().ok()
}

fn text<'a>(headers: &[Header<'a>], name: &str) -> Option<&'a str> {
    let (_, value) = headers.iter().find(|(known, _)| *known == name)?;
    std::str::from_utf8((*value)?).ok()
}

fn ours(name: &'static str, value: Vec<u8>) -> OutHeader {
    (Cow::Borrowed(name), Some(Cow::Owned(value)))
}

#[cfg(test)]
mod tests;
