//! `dead-letters`: a record as received, byte for byte, and in headers what was wrong with it.

use super::record::{OutHeader, OutRecord, RawRecord, TopicKind};
use super::words::Word;
use crate::domain::effect::{DeadLetter, DeadReason};
use std::borrow::Cow;

/// What is kept of a value that is too large.
const KEPT_BYTES: usize = 64 * 1024;
/// Headers of these names that a record brings along are of an earlier dead letter.
const OURS: [&str; 7] = [
    "dlq_reason",
    "dlq_detail",
    "dlq_topic",
    "dlq_partition",
    "dlq_offset",
    "dlq_timestamp",
    "dlq_truncated",
];

/// The record is the one that first came in, also when it was passed on since.
#[must_use]
pub fn write(record: &RawRecord<'_>, letter: &DeadLetter) -> OutRecord {
    let theirs = record.headers.iter().filter(|(name, _)| !OURS.contains(name));
    let mut headers: Vec<OutHeader> = theirs
        .map(|(name, value)| {
            (
                Cow::Owned((*name).to_owned()),
                value.map(|value| Cow::Owned(value.to_vec())),
            )
        })
        .collect();
    let kept = match letter.reason {
        DeadReason::TooLarge => record.value.map(|value| value.get(..KEPT_BYTES).unwrap_or(value)),
        _ => record.value,
    };
    let timestamp = record.timestamp.map_or(-1, |at| at.0);
    let values = [
        letter.reason.word().to_owned(),
        letter.detail.to_string(),
        record.topic.to_string(),
        record.partition.to_string(),
        record.offset.to_string(),
        timestamp.to_string(),
    ];
    let ours = OURS.into_iter().zip(values);
    headers.extend(ours.map(|(name, value)| (Cow::Borrowed(name), Some(Cow::Owned(value.into_bytes())))));
    if kept.map(<[u8]>::len) != record.value.map(<[u8]>::len) {
        headers.push((Cow::Borrowed("dlq_truncated"), Some(Cow::Borrowed(b"true"))));
    }
    OutRecord {
        topic: TopicKind::DeadLetters,
        key: record.key.map(<[u8]>::to_vec),
        value: kept.map(<[u8]>::to_vec),
        headers,
    }
}
