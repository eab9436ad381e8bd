//! CloudEvents 1.0 in binary mode: the headers of every output. The same cause always gives the same `ce_id`, so that a
//! consumer can drop what it has seen.

use super::instant;
use super::origin::NAMESPACE;
use super::record::{OutHeader, RawRecord, TopicKind};
use super::uuid5;
use crate::domain::effect::Source;
use crate::domain::ids::OrgId;
use crate::domain::time::Instant;
use std::borrow::Cow;
use uuid::Uuid;

const SOURCE: &str = "/chatroom-router";
/// W3C trace context, passed on as it came.
const TRACE: [&str; 2] = ["traceparent", "tracestate"];

/// What an output is about.
pub struct Subject<'a> {
    pub kind: &'static str,
    pub name: Cow<'a, str>,
    pub time: Instant,
}

/// Makes the ids of one event's outputs, in order: the same type about the same subject twice gets two ids.
#[derive(Debug, Default)]
pub struct Ordinals(Vec<Uuid>);

impl Ordinals {
    /// UUIDv5 of the cause (the record's first position, or the timer: org and due instant), topic, type, subject and
    /// ordinal. So what a sweep publishes has the id that it has when a message comes first.
    pub fn id(&mut self, source: &Source, org: &OrgId, topic: TopicKind, subject: &Subject<'_>) -> Uuid {
        // The parts can't run together: only the subject may hold a line break, and nothing but the ordinal follows it.
        let (topic, Subject { kind, name, .. }) = (topic.default_name(), subject);
        let (mut seed, timer);
        let cause = match source {
            Source::Record(cause) => {
                seed = Uuid::encode_buffer();
                &*cause.seed.hyphenated().encode_lower(&mut seed)
            }
            Source::Timer(due) => {
                timer = format!("{org}@{}", due.0);
                &timer
            }
        };
        let numbered = |ordinal: &str| {
            let parts = [cause, "\n", topic, "\n", kind, "\n", name, "\n", ordinal];
            uuid5(&NAMESPACE, &parts.map(str::as_bytes))
        };
        let first = numbered("0");
        let ordinal = self.0.iter().filter(|known| **known == first).count();
        self.0.push(first);
        match ordinal {
            0 => first,
            _ => numbered(&ordinal.to_string()),
        }
    }
}

pub fn headers(id: Uuid, subject: Subject<'_>, cause: Option<&RawRecord<'_>>) -> Vec<OutHeader> {
    let fixed = |name: &'static str, value: &'static str| (Cow::Borrowed(name), Some(Cow::Borrowed(value.as_bytes())));
    let made = |name: &'static str, value: String| (Cow::Borrowed(name), Some(Cow::Owned(value.into_bytes())));
    let mut headers = Vec::with_capacity(9);
    headers.extend([
        fixed("ce_specversion", "1.0"),
        made(
            "ce_id",
            id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).to_owned(),
        ),
        fixed("ce_type", subject.kind),
        fixed("ce_source", SOURCE),
        made("ce_time", instant::format(subject.time)),
        made("ce_subject", subject.name.into_owned()),
        fixed("content-type", "application/json"),
    ]);
    for name in TRACE {
        if let Some(value) = cause.and_then(|record| record.header(name)) {
            headers.push((Cow::Borrowed(name), Some(Cow::Owned(value.to_vec()))));
        }
    }
    headers
}
