//! The values whose bytes are kept: every kind of record and step, every tag at least once.

use super::arbitrary_commands::{CODES, STATUSES};
use super::samples;
use crate::domain::chatroom::{Chatroom, ChatroomStatus, Owner};
use crate::domain::contact::{Field, ProfileChange};
use crate::domain::directory::{ChatroomRecord, Directory, Held, OrgRecord, Underway, Waiting};
use crate::domain::effect::{Code, Conflict, ConflictingChatroom, Passed, Status};
use crate::domain::entry::Entry;
use crate::domain::event::{Answer, Cause, Command, CreateAffiliate, CreateChatroom, Step, Via, What};
use crate::domain::ids::{ChatroomId, ChatroomName, CrmId, IdHash, OrgId, RequestId, Slot, UserId};
use crate::domain::memory::{Memory, Outcome, Remembered};
use crate::domain::phone::{Phone, SpelledPhone};
use crate::domain::record::{Key, MemoryKind, Record};
use crate::domain::settings::{AutoReply, Content, Days, InboundScope, Region, WabaPhone};
use crate::domain::time::Instant;
use crate::state::homes::Partitions;
use crate::state::keys::StateKey;
use crate::state::progress::{Expected, Input, Progress};
use crate::state::wire::Format;
use std::sync::Arc;
use uuid::Uuid;

pub const KEY: StateKey = StateKey::new([7; 16]);
const PHONE: Phone = Phone(919_812_345_678);
const SPELLED: SpelledPhone = SpelledPhone {
    canonical: PHONE,
    spelled: Phone(919_812_345_679),
};

pub fn org() -> OrgId {
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

pub fn cause() -> Cause {
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
            in_flight: 1,
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

fn erasing() -> Directory {
    Directory {
        erased: true,
        underway: Some(Underway::Erasure {
            command: Box::new(Command {
                via: Via::Crm,
                ..upsert()
            }),
            left: vec![PHONE],
        }),
        ..Directory::default()
    }
}

pub fn records() -> Vec<(Key, Option<Record>)> {
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
        (ids.clone(), Some(Record::Ids(requests().recent))),
        (ids, Some(Record::Ids(every_outcome()))),
        (Key::Archive(org(), PHONE, 1), Some(Record::Archive(every_chatroom()))),
        (
            Key::Contact(org(), CrmId::parse("L-18").unwrap()),
            Some(Record::Directory(erasing())),
        ),
        (
            Key::Archive(org(), PHONE, 0),
            Some(Record::Archive(vec![samples::chatroom("L-17", 9)])),
        ),
    ]
}

pub fn steps() -> Vec<Passed> {
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
    let phone = SPELLED;
    let upserts = every_what().map(|what| Step::Upsert {
        command: command(what),
        phone,
    });
    [done, attach]
        .into_iter()
        .chain(other_steps())
        .chain(upserts)
        .map(step)
        .collect()
}

/// Those beside `Done`, `Attach` and `Upsert`.
fn other_steps() -> [Step; 8] {
    let phone = PHONE;
    let send = || command(What::Send(ChatroomName::parse("room").unwrap()));
    let moved = samples::contact("L-17");
    [
        Step::BadPhone {
            command: send(),
            phone,
            detail: Arc::from("why"),
        },
        Step::Leave {
            command: send(),
            phone,
            to: SPELLED,
        },
        Step::Detach {
            command: send(),
            phone,
            moved,
        },
        Step::Stay {
            command: send(),
            phone,
            code: Code::PhoneFull,
            conflict: Some(conflict()),
        },
        Step::Erase { command: send(), phone },
        Step::CreateChatroom { command: send(), phone },
        Step::Repeat {
            command: send(),
            phone,
            first: Answer {
                status: Status::Duplicate,
                code: Some(Code::Busy),
                chatroom: None,
            },
        },
        Step::Erased {
            crm_id: CrmId::parse("L-17").unwrap(),
            phone,
        },
    ]
}

fn conflict() -> Conflict {
    let room = samples::chatroom("L-18", 8);
    let chatroom = ConflictingChatroom {
        id: room.id,
        crm_id: room.crm_id().cloned(),
        waba_phone: room.waba_phone,
    };
    Conflict {
        chatroom: Some(chatroom),
        crm_ids: vec![CrmId::parse("L-19").unwrap()],
    }
}

fn every_what() -> impl Iterator<Item = What> {
    let crm_id = || CrmId::parse("L-17").unwrap();
    let room = || ChatroomName::parse("room").unwrap();
    let create = CreateChatroom {
        crm_id: crm_id(),
        waba_phone: PHONE,
        display_name: Some(Arc::from("Asha")),
        external_ref_id: None,
        strict: true,
        next_free: false,
        deactivate_existing: false,
    };
    let affiliate = CreateAffiliate {
        phone: SPELLED,
        waba_phone: PHONE,
        display_name: None,
        external_ref_id: None,
    };
    let content = Content {
        default_region: Some(Region(*b"IN")),
        waba_phones: vec![WabaPhone {
            phone: PHONE,
            phone_number_id: Some(Arc::from("1065")),
            waba_id: None,
        }],
        days: Days {
            deactivate_after: Some(30),
            expire_after: Some(180),
        },
        expired_auto_reply: Some(AutoReply {
            text: Arc::from("closed"),
            max_per_hour: Some(60),
        }),
        inbound_scope: InboundScope::Pair,
    };
    let last = [
        What::Expire(room()),
        What::PutSettings(None),
        What::PutSettings(Some(content)),
    ];
    let first = [
        What::DeleteContact { crm_id: crm_id() },
        What::CreateChatroom(create),
        What::CreateAffiliate(affiliate),
        What::Activate(room()),
        What::Deactivate(room()),
    ];
    first.into_iter().chain(last)
}

/// One remembered id for each thing that may have become of it.
fn every_outcome() -> Vec<Remembered> {
    let answered = |status, code| Outcome::Answered {
        status,
        code,
        chatroom: None,
    };
    let plain = [Outcome::Routed, Outcome::Unrouted, Outcome::InProgress];
    let statuses = STATUSES.into_iter().map(|status| answered(status, None));
    let codes = CODES.into_iter().map(|code| answered(Status::Refused, Some(code)));
    let outcomes = plain.into_iter().chain(statuses).chain(codes);
    outcomes
        .map(|outcome| Remembered {
            id: IdHash(1),
            minute: 1,
            outcome,
        })
        .collect()
}

/// One of each owner and status, with what is optional left out.
fn every_chatroom() -> Vec<Chatroom> {
    let statuses = [
        ChatroomStatus::Active,
        ChatroomStatus::Deactivated,
        ChatroomStatus::Expired,
    ];
    let chatroom = |status| Chatroom {
        owner: Owner::Affiliate,
        status,
        last_message_at: None,
        external_ref_id: None,
        phone_changed: true,
        ..samples::chatroom("L-17", 9)
    };
    statuses.into_iter().map(chatroom).collect()
}

pub fn progress() -> Progress {
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
