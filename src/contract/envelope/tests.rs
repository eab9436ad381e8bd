//! What is passed on arrives as it was sent, whatever headers it had of its own.

use super::*;
use crate::contract::record::Topic;

fn borrowed(record: &OutRecord) -> Vec<Header<'_>> {
    record
        .headers
        .iter()
        .map(|(name, value)| (&**name, value.as_deref()))
        .collect()
}

fn record() -> RawRecord<'static> {
    RawRecord {
        topic: Topic {
            kind: TopicKind::OrgSettings,
            prefix: "test.",
            name: "org-settings",
        },
        partition: 2,
        offset: 1 << 40,
        timestamp: Some(Instant(1_795_330_800_000)),
        key: Some(b"acme"),
        value: None,
        headers: vec![("origin", Some(b"api")), ("empty", None), ("origin", Some(b""))],
    }
}

#[test]
fn a_record_arrives_as_it_was() {
    let phone = SpelledPhone {
        canonical: Phone(5511987654321),
        spelled: Phone(551187654321),
    };
    let values: [Option<&[u8]>; 3] = [None, Some(b""), Some(b"\x00not json")];
    for (value, phone) in values.into_iter().zip([None, Some(phone), None]) {
        let record = RawRecord { value, ..record() };
        let sent = pass_on(&record, "acme:+5511987654321", Instant(17), phone);
        assert_eq!(sent.topic, TopicKind::RouterCommands);
        assert_eq!(sent.key.as_deref(), Some(&b"acme:+5511987654321"[..]));
        let opened = open(sent.value.as_deref(), &borrowed(&sent));
        let decided_at = Instant(17);
        assert_eq!(
            opened,
            Ok(Opened::Passed {
                record,
                decided_at,
                phone
            })
        );
    }
}

#[test]
fn headers_that_look_like_ours_are_not_taken_for_ours() {
    let record = RawRecord {
        headers: vec![
            (STEP, Some(b"1")),
            (ORIGIN, Some(b"forged")),
            (DECIDED_AT, Some(b"0")),
            (PHONE, Some(b"1 1")),
            (FORMAT_HEADER, Some(b"1")),
        ],
        ..record()
    };
    let sent = pass_on(&record, "acme", Instant(17), None);
    let opened = open(None, &borrowed(&sent));
    let decided_at = Instant(17);
    let phone = None;
    assert_eq!(
        opened,
        Ok(Opened::Passed {
            record,
            decided_at,
            phone
        })
    );
}

#[test]
fn a_step_arrives_as_it_was() {
    for step in [&b""[..], b"step", b"\xff\x00router_origin"] {
        let sent = send_step(step.to_vec(), "acme:L-17");
        assert_eq!(sent.topic, TopicKind::RouterCommands);
        assert_eq!(sent.key.as_deref(), Some(&b"acme:L-17"[..]));
        let opened = open(sent.value.as_deref(), &borrowed(&sent));
        assert_eq!(opened, Ok(Opened::Step(step)));
    }
}

#[test]
fn what_we_did_not_write_is_a_fault() {
    let phone = SpelledPhone {
        canonical: Phone(1),
        spelled: Phone(2),
    };
    let sent = pass_on(&record(), "acme", Instant(17), Some(phone));
    let headers = borrowed(&sent);
    let newer: Vec<_> = headers
        .iter()
        .map(|header| {
            if header.0 == FORMAT_HEADER {
                (header.0, Some(&b"2"[..]))
            } else {
                *header
            }
        })
        .collect();
    let late = headers
        .iter()
        .filter(|header| header.0 != DECIDED_AT)
        .copied()
        .collect::<Vec<_>>();
    let lost = headers
        .iter()
        .filter(|header| header.0 != ORIGIN)
        .copied()
        .collect::<Vec<_>>();
    assert_eq!(open(None, &[]), Err(EnvelopeFault::Foreign));
    assert_eq!(open(None, &newer), Err(EnvelopeFault::Format));
    assert_eq!(open(None, &late), Err(EnvelopeFault::Damaged(DECIDED_AT)));
    assert!(matches!(open(None, &lost), Err(EnvelopeFault::Damaged(_))));
    let cut = |name: &'static str| {
        let cut = headers.iter().map(|(known, value)| match value {
            Some(value) if *known == name => (*known, value.split_last().map(|(_, rest)| rest)),
            value => (*known, *value),
        });
        open(None, &cut.collect::<Vec<_>>())
    };
    assert_eq!(cut(ORIGIN), Err(EnvelopeFault::Damaged(ORIGIN)));
    assert_eq!(cut(FORMAT_HEADER), Err(EnvelopeFault::Format));
    assert_eq!(cut(PHONE), Err(EnvelopeFault::Damaged(PHONE)));
    let step = send_step(b"step".to_vec(), "acme");
    let step = borrowed(&step);
    assert_eq!(open(Some(b"step"), &step[..1]), Err(EnvelopeFault::Foreign));
    assert!(matches!(
        open(Some(b"step"), &step[1..]),
        Err(EnvelopeFault::Damaged(_))
    ));
}
