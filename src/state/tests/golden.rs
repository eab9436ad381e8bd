//! The bytes of each format, for good: what was once written has to be read by the next version too, so these lines never
//! change. A change of the layout makes a new format, with lines of its own beside these.

use super::golden_values::{KEY, cause, org, progress, records, steps};
use super::samples;
use crate::domain::entry::Entry;
use crate::domain::phone::Phone;
use crate::domain::record::{Key, Record};
use crate::state::clocks::{clocks_of, replay};
use crate::state::codec::{Subject, Value, decode, decode_step, encode, encode_step, head};
use crate::state::keys::RecordKey;
use crate::state::progress::Progress;
use crate::state::wire::Format;
use std::sync::Arc;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The values of each format as they were first written: none of these lines may ever change.
const CORPORA: [(u8, &str); 2] = [(1, include_str!("format_1.hex")), (2, include_str!("format_2.hex"))];

fn progress_in(format: Format) -> Progress {
    Progress { format, ..progress() }
}

/// One line for each value above, in their order.
fn lines(format: Format) -> Vec<String> {
    let records = records();
    let record = |(key, record): &(Key, Option<Record>)| encode(format, key, record.as_ref());
    let values = records.iter().filter_map(record);
    let steps = steps().into_iter().map(|step| encode_step(format, &cause(), &step));
    values
        .chain(steps)
        .chain([progress_in(format).encode()])
        .map(|bytes| hex(&bytes))
        .collect()
}

#[test]
fn every_format_is_written_as_ever() {
    let formats: Vec<u8> = CORPORA.iter().map(|(number, _)| *number).collect();
    let all = Format::OLDEST.number()..=Format::NEWEST.number();
    assert_eq!(formats, all.collect::<Vec<u8>>(), "a corpus of each format is kept");
    for (number, corpus) in CORPORA {
        let expected: Vec<&str> = corpus.lines().collect();
        let lines = lines(Format::new(number).unwrap());
        assert_eq!(lines, expected, "format {number}\n{}", lines.join("\n"));
    }
}

#[test]
fn every_format_is_read_as_ever() {
    for (number, corpus) in CORPORA {
        read_as_ever(Format::new(number).unwrap(), corpus);
    }
}

fn read_as_ever(format: Format, corpus: &str) {
    let unhex = |line: &str| -> Vec<u8> {
        let pairs = line.as_bytes().chunks(2);
        pairs
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    };
    let mut lines = corpus.lines().map(unhex);
    for (key, record) in records() {
        let bytes = lines.next().unwrap();
        let read = decode(&KEY.record_key(&key), &bytes).unwrap();
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
        let clocks = clocks_of(Some(&record));
        let known = subject.clone().filter(|_| format >= Format::CLOCKS_FIRST);
        assert_eq!(head(&bytes).unwrap(), known.map(|subject| (subject, clocks)));
        let record = Arc::new(record);
        assert_eq!(read, Value::Live { subject, record });
    }
    for step in steps() {
        assert_eq!(decode_step(&lines.next().unwrap()), Ok((cause(), step)));
    }
    assert_eq!(Progress::decode(&lines.next().unwrap()), Ok(progress_in(format)));
    assert_eq!(RecordKey::PROGRESS.as_bytes(), b"!");
}

/// In whichever of the two it is written, it does the same to the index.
#[test]
fn neighbouring_formats_are_replayed_to_the_same_clocks() {
    let entry = Record::Entry(samples::entry());
    let key = KEY.record_key(&samples::key());
    let clocks = |format| {
        let value = encode(format, &samples::key(), Some(&entry)).unwrap();
        replay(&key, Some(&value)).unwrap().split_off(1)
    };
    assert_eq!(clocks(Format::OLDEST), clocks(Format::NEWEST));
    assert_eq!(clocks(Format::NEWEST).len(), 2);
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
    empty.contacts_mut().clear();
    empty.chatrooms.clear();
    assert!(!holds(empty));
}
