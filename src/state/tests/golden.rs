//! The bytes of format 1, for good: what was once written has to be read for ever, so these lines never change. A change of
//! the layout makes a new format, with lines of its own beside these.

use super::golden_values::{KEY, cause, org, progress, records, steps};
use super::samples;
use crate::domain::entry::Entry;
use crate::domain::phone::Phone;
use crate::domain::record::{Key, Record};
use crate::state::codec::{Subject, Value, decode, decode_step, encode, encode_step};
use crate::state::keys::RecordKey;
use crate::state::progress::Progress;
use crate::state::wire::Format;
use std::sync::Arc;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One line for each value above, in their order.
fn lines() -> Vec<String> {
    let records = records();
    let record = |(key, record): &(Key, Option<Record>)| encode(Format::OLDEST, key, record.as_ref());
    let values = records.iter().filter_map(record);
    let steps = steps()
        .into_iter()
        .map(|step| encode_step(Format::OLDEST, &cause(), &step));
    values
        .chain(steps)
        .chain([progress().encode()])
        .map(|bytes| hex(&bytes))
        .collect()
}

#[test]
fn format_1_is_written_as_ever() {
    let expected: Vec<&str> = FORMAT_1.lines().collect();
    let lines = lines();
    assert_eq!(lines, expected, "\n{}", lines.join("\n"));
}

#[test]
fn format_1_is_read_as_ever() {
    let unhex = |line: &str| -> Vec<u8> {
        let pairs = line.as_bytes().chunks(2);
        pairs
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    };
    let mut lines = FORMAT_1.lines().map(unhex);
    for (key, record) in records() {
        let read = decode(&KEY.record_key(&key), &lines.next().unwrap()).unwrap();
        let Some(record) = record else {
            assert_eq!(read, Value::Gone(org()));
            continue;
        };
        let subject = match (&key, &record) {
            (Key::Phone(org, phone), Record::Entry(entry)) => Some(Subject {
                org: org.clone(),
                phone: (*entry != Entry::default()).then_some(*phone),
            }),
            _ => None,
        };
        let record = Arc::new(record);
        assert_eq!(read, Value::Live { subject, record });
    }
    for step in steps() {
        assert_eq!(decode_step(&lines.next().unwrap()), Ok((cause(), step)));
    }
    assert_eq!(Progress::decode(&lines.next().unwrap()), Ok(progress()));
    assert_eq!(RecordKey::PROGRESS.as_bytes(), b"!");
}

/// What is kept of every phone should fit many times into a gigabyte.
#[test]
fn an_ordinary_entry_is_small() {
    let entry = Record::Entry(samples::entry());
    let bytes = encode(Format::DEFAULT, &samples::key(), Some(&entry)).unwrap();
    assert!(bytes.len() < 900, "{}", bytes.len());
}

#[test]
fn an_entry_without_contact_and_chatroom_does_not_name_its_phone() {
    let Key::Phone(_, Phone(phone)) = samples::key() else {
        panic!("the sample is a phone")
    };
    let mut written = vec![];
    let mut number = phone;
    while number >= 0x80 {
        written.push(number as u8 | 0x80);
        number >>= 7;
    }
    let holds = |entry: Entry| {
        let bytes = encode(Format::NEWEST, &samples::key(), Some(&Record::Entry(entry))).unwrap();
        bytes.windows(written.len()).any(|window| window == written)
    };
    let mut empty = samples::entry();
    assert!(holds(empty.clone()));
    empty.spelling = None;
    empty.contacts.clear();
    empty.chatrooms.clear();
    assert!(!holds(empty));
}

const FORMAT_1: &str = include_str!("format_1.hex");
