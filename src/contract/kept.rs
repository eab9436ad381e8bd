//! What was put aside, read back: why, whose it is and where it first stood; and the headers with which it goes back to its
//! input. What lacks them is none of ours, and nothing of it is guessed.

use super::read::{Object, Text};
use super::record::{Header, OutHeader, RawRecord, Topic};
use crate::domain::ids::OrgId;
use crate::domain::time::Instant;
use serde::Deserialize;
use std::borrow::Cow;

/// How often a record was sent back by a replay: a guard against loops.
pub const REPLAY_COUNT: &str = "replay_count";
/// Where a record that was sent back first stood: `<topic>-<partition>-<offset>`, the topic without its prefix. A command
/// without a request id is known by it, so that sending it back twice does nothing twice.
pub const REPLAY_OF: &str = "replay_of";

/// A dead letter or an unrouted message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The contract's word, or one of a newer version.
    pub reason: String,
    /// In a sentence; of an unrouted message none.
    pub detail: Option<String>,
    /// Of a dead letter: as it first came in.
    pub first: Option<First>,
    pub org: Option<OrgId>,
    /// The contacts that hold the phone of an unrouted message.
    pub crm_ids: Vec<String>,
    /// Only the first of its value is left.
    pub truncated: bool,
    pub replays: u32,
}

/// Where and when a record first came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct First {
    /// The whole name.
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub timestamp: Option<Instant>,
}

#[derive(Deserialize)]
struct Whose<'a> {
    #[serde(borrow)]
    org_id: Text<'a>,
}

#[derive(Deserialize)]
struct Unrouted<'a> {
    #[serde(borrow)]
    org_id: Text<'a>,
    #[serde(borrow)]
    unrouted: Object<Why<'a>>,
}

#[derive(Deserialize)]
struct Why<'a> {
    #[serde(borrow)]
    reason: Text<'a>,
    #[serde(default)]
    crm_ids: Vec<String>,
}

/// A record of `dead-letters`. None: it lacks the headers of one.
#[must_use]
pub fn dead_letter(record: &RawRecord<'_>) -> Option<Kept> {
    let timestamp: i64 = number(record, "dlq_timestamp").unwrap_or(-1);
    Some(Kept {
        reason: text(record, "dlq_reason")?.to_owned(),
        detail: text(record, "dlq_detail").map(str::to_owned),
        first: Some(First {
            topic: text(record, "dlq_topic")?.to_owned(),
            partition: number(record, "dlq_partition")?,
            offset: number(record, "dlq_offset")?,
            timestamp: (timestamp >= 0).then_some(Instant(timestamp)),
        }),
        org: org(record),
        crm_ids: Vec::new(),
        truncated: text(record, "dlq_truncated") == Some("true"),
        replays: number(record, REPLAY_COUNT).unwrap_or(0),
    })
}

/// A record of `unrouted-messages`. None: it does not say why.
#[must_use]
pub fn unrouted(record: &RawRecord<'_>) -> Option<Kept> {
    let Object(found) = serde_json::from_slice::<Object<Unrouted<'_>>>(record.value?).ok()?;
    Some(Kept {
        reason: found.unrouted.0.reason.0.into_owned(),
        detail: None,
        first: None,
        org: OrgId::parse(&found.org_id.0).ok(),
        crm_ids: found.unrouted.0.crm_ids,
        truncated: false,
        replays: 0,
    })
}

/// The headers with which a dead letter goes back: its own, how often it went, and where it first stood.
#[must_use]
pub fn headers_back(record: &RawRecord<'_>, kept: &Kept, topic: Topic<'_>) -> Vec<OutHeader> {
    let is_ours = |name: &str| name.starts_with("dlq_") || [REPLAY_COUNT, REPLAY_OF].contains(&name);
    let mut headers: Vec<OutHeader> = owned(record, |name| !is_ours(name));
    headers.push(ours(REPLAY_COUNT, (kept.replays + 1).to_string()));
    let again = text(record, REPLAY_OF).map(str::to_owned);
    let place = kept
        .first
        .as_ref()
        .map(|first| format!("{}-{}-{}", topic.name, first.partition, first.offset));
    headers.extend(again.or(place).map(|place| ours(REPLAY_OF, place)));
    headers
}

/// Those with which an unrouted message goes back: its trace. The others were of the output.
#[must_use]
pub fn headers_of_message(record: &RawRecord<'_>) -> Vec<OutHeader> {
    owned(record, |name| !name.starts_with("ce_") && name != "content-type")
}

fn owned(record: &RawRecord<'_>, keeps: impl Fn(&str) -> bool) -> Vec<OutHeader> {
    let kept = record.headers.iter().filter(|(name, _)| keeps(name));
    let owned = |(name, value): &Header<'_>| {
        let value = value.map(|value| Cow::Owned(value.to_vec()));
        (Cow::Owned((*name).to_owned()), value)
    };
    kept.map(owned).collect()
}

fn ours(name: &'static str, value: String) -> OutHeader {
    (Cow::Borrowed(name), Some(Cow::Owned(value.into_bytes())))
}

/// By the value, where it is JSON that says so; else the key's first part, as the contracts recommend keys.
fn org(record: &RawRecord<'_>) -> Option<OrgId> {
    let said = record
        .value
        .and_then(|value| serde_json::from_slice::<Object<Whose<'_>>>(value).ok());
    if let Some(Object(whose)) = said {
        return OrgId::parse(&whose.org_id.0).ok();
    }
    let key = std::str::from_utf8(record.key?).ok()?;
    OrgId::parse(key.split(':').next()?).ok()
}

fn text<'a>(record: &'a RawRecord<'_>, name: &str) -> Option<&'a str> {
    std::str::from_utf8(record.header(name)?).ok()
}

fn number<T: std::str::FromStr>(record: &RawRecord<'_>, name: &str) -> Option<T> {
    text(record, name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::TopicKind;

    fn record<'a>(headers: Vec<Header<'a>>, key: &'a [u8], value: &'a [u8]) -> RawRecord<'a> {
        RawRecord {
            topic: Topic {
                kind: TopicKind::DeadLetters,
                prefix: "p.",
                name: "dead-letters",
            },
            partition: 0,
            offset: 0,
            timestamp: None,
            key: Some(key),
            value: Some(value),
            headers,
        }
    }

    const CRM: Topic<'_> = Topic {
        kind: TopicKind::CrmChanges,
        prefix: "p.",
        name: "crm-changes",
    };

    fn dlq<'a>() -> Vec<Header<'a>> {
        let pairs: [(&str, &[u8]); 6] = [
            ("dlq_reason", b"BAD_PHONE"),
            ("dlq_detail", b"$.phone is none"),
            ("dlq_topic", b"p.crm-changes"),
            ("dlq_partition", b"3"),
            ("dlq_offset", b"41"),
            ("dlq_timestamp", b"1800000000000"),
        ];
        pairs.map(|(name, value)| (name, Some(value))).to_vec()
    }

    fn named(headers: &[OutHeader]) -> Vec<(String, String)> {
        let text = |value: &Option<Cow<'_, [u8]>>| String::from_utf8_lossy(value.as_deref().unwrap()).into_owned();
        headers
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect()
    }

    #[test]
    fn a_dead_letter_says_why_whose_and_from_where() {
        let kept = dead_letter(&record(dlq(), b"acme:L-1", br#"{"org_id":"other"}"#)).unwrap();
        let first = kept.first.clone().unwrap();
        assert_eq!(
            (kept.reason.as_str(), first.topic.as_str()),
            ("BAD_PHONE", "p.crm-changes")
        );
        assert_eq!((first.partition, first.offset), (3, 41));
        assert_eq!(kept.org.map(|org| org.to_string()).as_deref(), Some("other"));
        let by_key = dead_letter(&record(dlq(), b"acme:L-1", b"{nonsense")).unwrap();
        assert_eq!(by_key.org.map(|org| org.to_string()).as_deref(), Some("acme"));
        for missing in 0..5 {
            let mut headers = dlq();
            headers.remove(missing);
            let needs_it = missing != 1;
            assert_eq!(dead_letter(&record(headers, b"", b"")).is_none(), needs_it, "{missing}");
        }
    }

    #[test]
    fn what_goes_back_has_its_own_headers_and_counts_how_often() {
        let mut headers = dlq();
        headers.extend([("x-own", Some(&b"kept"[..])), ("origin", Some(b"api"))]);
        let once = record(headers.clone(), b"k", b"v");
        let back = headers_back(&once, &dead_letter(&once).unwrap(), CRM);
        let wanted = [
            ("x-own", "kept"),
            ("origin", "api"),
            (REPLAY_COUNT, "1"),
            (REPLAY_OF, "crm-changes-3-41"),
        ];
        assert_eq!(
            named(&back),
            wanted.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        headers.extend([(REPLAY_COUNT, Some(&b"1"[..])), (REPLAY_OF, Some(b"crm-changes-0-7"))]);
        let twice = record(headers, b"k", b"v");
        let back = named(&headers_back(&twice, &dead_letter(&twice).unwrap(), CRM));
        assert_eq!(
            back[2..],
            [
                (REPLAY_COUNT.to_owned(), "2".to_owned()),
                (REPLAY_OF.to_owned(), "crm-changes-0-7".to_owned())
            ]
        );
    }

    #[test]
    fn an_unrouted_message_says_why_and_goes_back_with_its_trace_alone() {
        let value = br#"{"org_id":"acme","unrouted":{"reason":"NO_CHATROOM","rule":"I4","crm_ids":["L-1"],"settings_version":3}}"#;
        let headers: Vec<Header<'_>> = vec![
            ("ce_id", Some(b"1")),
            ("content-type", Some(b"x")),
            ("traceparent", Some(b"00-1")),
        ];
        let record = record(headers, b"acme:+1", value);
        let kept = unrouted(&record).unwrap();
        assert_eq!(
            (kept.reason.as_str(), kept.crm_ids),
            ("NO_CHATROOM", vec!["L-1".to_owned()])
        );
        assert_eq!(
            named(&headers_of_message(&record)),
            [("traceparent".to_owned(), "00-1".to_owned())]
        );
        assert!(unrouted(&super::tests::record(Vec::new(), b"k", b"{}")).is_none());
    }
}
