//! What was accepted is read again, with its own change of days from its append time on.

use super::*;

fn days(expire_after: u32) -> Days {
    Days {
        deactivate_after: None,
        expire_after: Some(expire_after),
    }
}

fn change(at: i64, days: Days) -> DaysChange {
    DaysChange { at: Instant(at), days }
}

fn content(days: Days) -> Content {
    Content {
        default_region: Region::parse("IN"),
        waba_phones: vec![
            WabaPhone {
                phone: Phone(12025550100),
                phone_number_id: Some("1065".into()),
                waba_id: None,
            },
            WabaPhone {
                phone: Phone(7),
                phone_number_id: None,
                waba_id: Some("1020".into()),
            },
        ],
        days,
        expired_auto_reply: Some(AutoReply {
            text: "Closed \"for good\".".into(),
            max_per_hour: Some(60),
        }),
        inbound_scope: InboundScope::Pair,
    }
}

fn round_trip(content: Option<Content>, changes: Vec<DaysChange>) -> OrgSettings {
    let org = OrgId::parse("acme").unwrap();
    let record = write(&AcceptedSettings {
        org: org.clone(),
        content,
        changes,
    });
    let record = record.unwrap();
    assert_eq!(
        (record.topic, record.key.as_deref()),
        (TopicKind::RouterSettings, Some(&b"acme"[..]))
    );
    let (read_org, settings) = read(&record.value.unwrap(), 12, Instant(5_000)).unwrap();
    assert_eq!((read_org, settings.version), (org, 12));
    settings
}

#[test]
fn accepted_settings_are_read_again() {
    let settings = round_trip(Some(content(days(180))), vec![change(1, days(30))]);
    assert_eq!(settings.content, Some(content(days(180))));
    assert_eq!(settings.changes, [change(1, days(30)), change(5_000, days(180))]);
}

#[test]
fn a5_what_changes_no_days_is_no_change() {
    let settings = round_trip(Some(content(days(30))), vec![change(1, days(30))]);
    assert_eq!(settings.changes, [change(1, days(30))]);
}

#[test]
fn i0_a_removed_org_has_no_timers_from_then_on() {
    let settings = round_trip(None, vec![change(1, days(30))]);
    assert_eq!(settings.content, None);
    assert_eq!(settings.changes, [change(1, days(30)), change(5_000, Days::default())]);
}

#[test]
fn the_last_changes_are_kept() {
    let before = (1..=40_u32).map(|n| change(i64::from(n), days(n))).collect();
    let settings = round_trip(Some(content(days(99))), before);
    assert_eq!(settings.changes.len(), DAYS_CHANGES_KEPT);
    assert_eq!(settings.changes.last(), Some(&change(5_000, days(99))));
    assert_eq!(settings.changes.first(), Some(&change(10, days(10))));
}

#[test]
fn a_newer_format_stops() {
    let newer = br#"{"format":2,"org_id":"acme","content":null,"changes":[]}"#;
    let fault = read(newer, 0, Instant(0)).unwrap_err();
    assert!(fault.to_string().contains("format 2"), "{fault}");
    assert!(read(b"{}", 0, Instant(0)).is_err());
}
