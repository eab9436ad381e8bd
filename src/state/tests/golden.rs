//! The bytes of format 1, for good: what was once written has to be read for ever, so these lines never change. A change of
//! the layout makes a new format, with lines of its own beside these.

use super::samples;
use crate::domain::contact::{Field, ProfileChange};
use crate::domain::directory::{ChatroomRecord, Directory, Held, OrgRecord, Underway, Waiting};
use crate::domain::effect::{Code, Passed, Status};
use crate::domain::entry::Entry;
use crate::domain::event::{Answer, Cause, Command, Step, Via, What};
use crate::domain::ids::{ChatroomId, ChatroomName, CrmId, IdHash, OrgId, RequestId, Slot, UserId};
use crate::domain::memory::{Memory, Outcome, Remembered};
use crate::domain::phone::{Phone, SpelledPhone};
use crate::domain::record::{Key, MemoryKind, Record};
use crate::domain::time::Instant;
use crate::state::codec::{Stored, Value, decode, decode_step, encode, encode_step};
use crate::state::homes::Partitions;
use crate::state::keys::{RecordKey, StateKey};
use crate::state::progress::{Expected, Input, Progress};
use crate::state::wire::Format;
use std::sync::Arc;
use uuid::Uuid;

const KEY: StateKey = StateKey::new([7; 16]);
const PHONE: Phone = Phone(919_812_345_678);
const SPELLED: SpelledPhone = SpelledPhone {
    canonical: PHONE,
    spelled: Phone(919_812_345_679),
};

fn org() -> OrgId {
    OrgId::parse("acme").unwrap()
}

fn requests() -> Memory {
    let remembered = Remembered {
        id: IdHash(0x0102),
        minute: 29_916_000,
        outcome: Outcome::Answered {
            status: Status::Refused,
            code: Some(Code::ChatroomConflict),
            chatroom: Some(samples::chatroom("L-17", 7).id),
        },
    };
    Memory {
        recent: vec![remembered],
        buckets: 2,
        spilled: 70,
    }
}

fn command(what: What) -> Command {
    Command {
        org: org(),
        request: RequestId::parse("r1").unwrap(),
        request_hash: IdHash(0xff),
        via: Via::Api,
        what,
    }
}

fn upsert() -> Command {
    command(What::UpsertContact {
        crm_id: CrmId::parse("L-17").unwrap(),
        phone_text: Arc::from("98123 45678"),
        profile: ProfileChange {
            first_name: Field::Set(Arc::from("Asha")),
            last_name: Field::Clear,
            attributes: Field::Keep,
        },
        created_at: Some(Instant(1_700_000_000_000)),
    })
}

fn cause() -> Cause {
    Cause {
        seed: Uuid::from_u128(3),
        origin: Arc::from(&b"origin"[..]),
    }
}

fn directory() -> Directory {
    Directory {
        decided_at: Instant(1_700_000_000_000),
        held: Some(Held {
            phone: SPELLED,
            text: Arc::from("98123 45678"),
            attached: true,
            upserts_in_flight: 1,
        }),
        phones: vec![PHONE],
        erased: false,
        underway: Some(Underway::Move {
            to: SPELLED,
            text: Arc::from("x"),
            request: IdHash(1),
        }),
        waiting: vec![Waiting {
            command: upsert(),
            at: Instant(-1),
            cause: cause(),
        }],
        requests: requests(),
    }
}

fn records() -> Vec<(Key, Option<Record>)> {
    let id = ChatroomId {
        slot: Slot(0x1f3),
        uuid: Uuid::from_u128(1),
    };
    let chatroom = ChatroomRecord {
        decided_at: Instant(1),
        phone: Some(PHONE),
        block: Some(300),
        requests: Memory::default(),
    };
    let org_record = OrgRecord {
        decided_at: Instant(2),
        requests: requests(),
    };
    let user = Key::User(org(), UserId::parse("u1").unwrap());
    let ids = Key::Ids(Box::new(user.clone()), MemoryKind::Messages, 3);
    vec![
        (samples::key(), Some(Record::Entry(samples::entry()))),
        (samples::key(), Some(Record::Entry(Entry::default()))),
        (samples::key(), None),
        (user, Some(Record::Entry(Entry::default()))),
        (
            Key::Contact(org(), CrmId::parse("L-17").unwrap()),
            Some(Record::Directory(directory())),
        ),
        (
            Key::Chatroom(org(), ChatroomName::from(id)),
            Some(Record::Chatroom(chatroom)),
        ),
        (Key::Org(org()), Some(Record::Org(org_record))),
        (ids, Some(Record::Ids(requests().recent))),
        (
            Key::Archive(org(), PHONE, 0),
            Some(Record::Archive(vec![samples::chatroom("L-17", 9)])),
        ),
    ]
}

fn steps() -> Vec<Passed> {
    let step = |step| Passed {
        org: org(),
        at: Instant(1_700_000_000_000),
        step,
    };
    let done = Step::Done {
        crm_id: CrmId::parse("L-17").unwrap(),
        request: IdHash(5),
        answer: Some(Answer {
            status: Status::Applied,
            code: None,
            chatroom: None,
        }),
        phone: PHONE,
        attached: true,
    };
    let attach = Step::Attach {
        command: upsert(),
        from: PHONE,
        to: SPELLED,
        contact: Some(samples::contact("L-17")),
    };
    vec![step(done), step(attach)]
}

fn progress() -> Progress {
    let expected = Expected {
        format: Format::OLDEST,
        partitions: Partitions::new(32).unwrap(),
        phone_form: 1,
        configured_key: Some(KEY),
    };
    let mut progress = Progress::first(&expected, Uuid::from_u128(9));
    let input = Input {
        topic: Arc::from("crm-changes"),
        partition: 35,
    };
    progress.consumed(&input, 1_000, Instant(1_700_000_000_000));
    progress.sequence = 300;
    progress
}

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
        match record {
            Some(record) => assert_eq!(read, Value::Live(Stored::new(&key, Arc::new(record)))),
            None => assert_eq!(read, Value::Gone(org())),
        }
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
    let phone = SPELLED.canonical.0;
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
