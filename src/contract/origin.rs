//! What a record leaves behind in its `Cause`: all of it, so that whoever publishes, however much later and wherever,
//! has the message byte for byte, its trace, and the bytes of a dead letter.

use super::record::{Header, RawRecord, Topic, TopicKind};
use super::uuid5;
use super::wire::{Reader, Writer};
use crate::domain::event::Cause;
use crate::domain::time::Instant;
use std::sync::Arc;
use uuid::Uuid;

/// Of the encoding below. It waits in `router-commands` and in the state, so an old one may come back.
const FORMAT: u8 = 1;

/// Under which all our ids are made. Never to be changed: a replay would give other ids.
pub(super) const NAMESPACE: Uuid = Uuid::from_u128(0x5f0c_9d1e_7a52_4c3b_9e64_2d8a_41f7_b310);

/// An origin that this version can't read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the origin of a record can't be read: it is damaged, or of a newer format")]
pub struct UnreadableOrigin;

#[must_use]
pub fn cause(record: &RawRecord<'_>) -> Cause {
    Cause {
        seed: seed(record),
        origin: write(record),
    }
}

fn seed(record: &RawRecord<'_>) -> Uuid {
    uuid5(&NAMESPACE, &[record.position().as_bytes()])
}

fn write(record: &RawRecord<'_>) -> Arc<[u8]> {
    let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    let header = |(name, value): &Header<'_>| 9 + name.len() + length(*value);
    let headers: usize = record.headers.iter().map(header).sum();
    let mut writer = Writer::with_capacity(128 + length(record.key) + length(record.value) + headers);
    writer.byte(FORMAT);
    write_position(&mut writer, record);
    writer.optional(record.value);
    writer.i32(i32::try_from(record.headers.len()).unwrap_or(i32::MAX));
    for (name, value) in &record.headers {
        writer.bytes(name.as_bytes());
        writer.optional(*value);
    }
    Arc::from(writer.finish())
}

pub fn read(bytes: &[u8]) -> Result<RawRecord<'_>, UnreadableOrigin> {
    whole(bytes).ok_or(UnreadableOrigin)
}

fn whole(bytes: &[u8]) -> Option<RawRecord<'_>> {
    let mut reader = Reader(bytes);
    if reader.byte()? != FORMAT {
        return None;
    }
    let mut record = read_position(&mut reader)?;
    record.value = reader.optional()?;
    for _ in 0..reader.i32()? {
        let header: Header<'_> = (reader.text()?, reader.optional()?);
        record.headers.push(header);
    }
    reader.end()?;
    Some(record)
}

/// Where the record stood, when, and under which key: all but its value and headers.
pub(super) fn write_position(writer: &mut Writer, record: &RawRecord<'_>) {
    writer.byte(code(record.topic.kind));
    writer.bytes(record.topic.prefix.as_bytes());
    writer.bytes(record.topic.name.as_bytes());
    writer.i32(record.partition);
    writer.i64(record.offset);
    writer.i64(record.timestamp.map_or(-1, |at| at.0));
    writer.optional(record.key);
}

pub(super) fn read_position<'a>(reader: &mut Reader<'a>) -> Option<RawRecord<'a>> {
    let topic = Topic {
        kind: kind(reader.byte()?)?,
        prefix: reader.text()?,
        name: reader.text()?,
    };
    Some(RawRecord {
        topic,
        partition: reader.i32()?,
        offset: reader.i64()?,
        timestamp: Some(Instant(reader.i64()?)).filter(|at| at.0 >= 0),
        key: reader.optional()?,
        value: None,
        headers: Vec::new(),
    })
}

/// Only inputs are the origin of anything.
fn code(kind: TopicKind) -> u8 {
    let place = TopicKind::INPUTS.iter().position(|input| *input == kind);
    place.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX)
}

fn kind(code: u8) -> Option<TopicKind> {
    TopicKind::INPUTS.get(usize::from(code)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_bytes() -> impl Strategy<Value = Option<Vec<u8>>> {
        proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40))
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_again(
            (kind, partition, offset) in (0..4_usize, any::<i32>(), any::<i64>()),
            timestamp in proptest::option::of(0..i64::MAX),
            (key, value) in (any_bytes(), any_bytes()),
            headers in proptest::collection::vec((".{0,8}", any_bytes()), 0..5),
        ) {
            let record = RawRecord {
                topic: Topic { kind: TopicKind::INPUTS[kind], prefix: "test.", name: "in" },
                partition,
                offset,
                timestamp: timestamp.map(Instant),
                key: key.as_deref(),
                value: value.as_deref(),
                headers: headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect(),
            };
            let cause = cause(&record);
            prop_assert_eq!(read(&cause.origin), Ok(record));
            for end in 0..cause.origin.len() {
                prop_assert!(read(&cause.origin[..end]).is_err());
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }
    }

    #[test]
    fn the_seed_is_of_the_position_without_the_prefix() {
        let record = |prefix| RawRecord {
            topic: Topic {
                kind: TopicKind::CrmChanges,
                prefix,
                name: "crm-changes",
            },
            partition: 3,
            offset: 41,
            timestamp: None,
            key: None,
            value: None,
            headers: Vec::new(),
        };
        assert_eq!(cause(&record("")).seed, cause(&record("test.")).seed);
        assert_eq!(cause(&record("")).seed, uuid5(&NAMESPACE, &[b"crm-changes-3-41"]));
    }
}
