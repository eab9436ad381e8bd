//! What is found under a phone, a chatroom and a contact, and what would happen to a message, from an index in memory.

use super::*;
use crate::domain::chatroom::{ChatroomStatus, Owner};
use crate::domain::contact::{ContactStatus, Profile};
use crate::domain::directory::Held;
use crate::domain::effect::{Consequence, RouteReason, UnroutedReason};
use crate::domain::event::Sender;
use crate::domain::ids::{ChatroomId, IdHash, Slot};
use crate::domain::phone::{CANONICAL_FORM_VERSION, SpelledPhone};
use crate::domain::settings::{Content, Days, DaysChange, InboundScope, WabaPhone};
use crate::index::{Batch, Begin, Change, Generation, Op};
use crate::state::homes::Partitions;
use crate::state::keys::StateKey;
use crate::state::wire::Format;

const PHONE: Phone = Phone(919_812_345_678);
const WABA: Phone = Phone(12_025_550_100);
const NOON: Instant = Instant(1_795_000_000_000);
const PARTITIONS: i32 = 4;

fn org() -> OrgId {
    OrgId::parse("acme").unwrap()
}

fn crm_id() -> CrmId {
    CrmId::parse("L-17").unwrap()
}

fn expected(partitions: i32) -> Expected {
    Expected {
        format: Format::DEFAULT,
        partitions: Partitions::new(partitions).unwrap(),
        phone_form: CANONICAL_FORM_VERSION,
        configured_key: None,
    }
}

fn chatroom(number: u128, status: ChatroomStatus) -> Chatroom {
    Chatroom {
        id: ChatroomId {
            slot: Slot(murmur2_slot(b"acme:+919812345678")),
            uuid: Uuid::from_u128(number),
        },
        owner: Owner::Contact(crm_id()),
        waba_phone: WABA,
        status,
        since: NOON,
        created_at: NOON,
        activated_at: NOON,
        last_message_at: None,
        phone_changed: false,
        display_name: Arc::from("Asha Rao"),
        external_ref_id: None,
    }
}

fn contact() -> Contact {
    Contact {
        crm_id: crm_id(),
        profile: Profile::default(),
        status: ContactStatus::Active,
        created_at: NOON,
        registered_at: NOON,
        leaving: false,
    }
}

fn directory() -> Directory {
    let phone = SpelledPhone {
        canonical: PHONE,
        spelled: PHONE,
    };
    Directory {
        held: Some(Held {
            phone,
            text: Arc::from("+919812345678"),
            attached: true,
            in_flight: 0,
        }),
        phones: vec![PHONE],
        ..Directory::default()
    }
}

/// A contact with a deactivated chatroom, and an older one that has left the entry.
fn records() -> Vec<(Key, Record)> {
    let (phone, room) = (Key::Phone(org(), PHONE), chatroom(1, ChatroomStatus::Deactivated));
    let name = ChatroomName::from(room.id);
    let entry = Entry {
        contacts: vec![contact()].into(),
        chatrooms: vec![room],
        archived: 1,
        ..Entry::default()
    };
    let of_room = ChatroomRecord {
        phone: Some(PHONE),
        ..ChatroomRecord::default()
    };
    let older = vec![chatroom(2, ChatroomStatus::Expired)];
    vec![
        (phone, Record::Entry(entry)),
        (Key::Archive(org(), PHONE, 0), Record::Archive(older)),
        (Key::Chatroom(org(), name), Record::Chatroom(of_room)),
        (Key::Contact(org(), crm_id()), Record::Directory(directory())),
    ]
}

/// An index that holds these, all partitions of it begun; each with an incarnation of its own.
async fn index(records: &[(Key, Record)], applied_until: Option<Instant>) -> Index {
    let index = Index::memory();
    let homes = Homes::new(murmur2_slot, expected(PARTITIONS).partitions);
    for partition in 0..PARTITIONS {
        let incarnation = Uuid::from_u128(partition as u128 + 1);
        let of = Generation {
            incarnation,
            generation: Uuid::from_u128(9),
            format: 1,
        };
        let begin = Begin {
            expected: None,
            of,
            offset: 0,
            at: NOON.0,
        };
        index.begin(partition, &begin).await.unwrap();
        let key = StateKey::of_incarnation(incarnation);
        let here = records.iter().filter(|(key, _)| homes.partition_of(key) == partition);
        let mut ops: Vec<Op> = here
            .map(|(name, record)| Op::Put {
                key: key.record_key(name).as_bytes().to_vec(),
                value: codec::encode(Format::DEFAULT, name, Some(record)).unwrap(),
            })
            .collect();
        ops.push(Op::Put {
            key: RecordKey::PROGRESS.as_bytes().to_vec(),
            value: Progress::first(&expected(PARTITIONS), incarnation).encode(),
        });
        let batch = Batch {
            from: 0,
            to: 1,
            changes: vec![Change { offset: 0, ops }],
            applied_until: applied_until.map(|at| at.0),
        };
        index.apply(partition, &of, &batch).await.unwrap();
    }
    index
}

async fn inspector() -> Inspector {
    Inspector::new(index(&records(), Some(NOON)).await, expected(PARTITIONS))
}

fn settings() -> OrgSettings {
    let days = Days::default();
    OrgSettings {
        version: 3,
        content: Some(Content {
            default_region: None,
            waba_phones: vec![WabaPhone {
                phone: WABA,
                phone_number_id: None,
                waba_id: None,
            }],
            days,
            expired_auto_reply: None,
            inbound_scope: InboundScope::Phone,
        }),
        changes: vec![DaysChange { at: NOON, days }],
    }
}

fn message(from: Phone) -> Inbound {
    Inbound {
        org: org(),
        from: Sender::Phone(SpelledPhone {
            canonical: from,
            spelled: from,
        }),
        waba_phone: WABA,
        message: IdHash(7),
        sent_at: NOON,
        system: false,
    }
}

#[tokio::test]
async fn all_that_stands_under_a_phone_is_found_by_each_of_its_names() {
    let room = chatroom(1, ChatroomStatus::Deactivated).id;
    let by_phone = inspector().await.phone(&org(), PHONE).await.unwrap();
    let by_room = inspector().await.chatroom(&org(), room.into()).await.unwrap();
    let by_contact = inspector().await.contact(&org(), crm_id()).await.unwrap();
    for found in [by_phone, by_room, by_contact] {
        assert_eq!((found.phone, found.note), (Some(PHONE), None));
        assert_eq!(found.contacts, [contact()]);
        let rooms: Vec<u128> = found.chatrooms.iter().map(|room| room.id.uuid.as_u128()).collect();
        assert_eq!(rooms, [1, 2], "the archived one too");
        assert_eq!(found.applied_until, Some(NOON));
    }
}

#[tokio::test]
async fn what_is_not_there_is_no_failure() {
    let unknown = OrgId::parse("other").unwrap();
    let found = inspector().await.phone(&unknown, PHONE).await.unwrap();
    assert_eq!((found.phone, found.note, found.contacts.len()), (None, None, 0));
    let name = ChatroomName::parse("nonsense").unwrap();
    assert_eq!(inspector().await.chatroom(&org(), name).await.unwrap().phone, None);
}

#[tokio::test]
async fn a_contact_that_was_erased_or_moves_is_told_so() {
    let erased = Directory {
        erased: true,
        ..Directory::default()
    };
    let to = SpelledPhone {
        canonical: Phone(919_867_543_210),
        spelled: Phone(919_867_543_210),
    };
    let moving = Directory {
        underway: Some(Underway::Move {
            to,
            text: Arc::from(""),
            request: IdHash(1),
        }),
        ..directory()
    };
    for (directory, note) in [
        (erased, "The contact was erased."),
        (moving, "The contact is on its way to +919867543210."),
    ] {
        let records = [(Key::Contact(org(), crm_id()), Record::Directory(directory))];
        let mut inspector = Inspector::new(index(&records, Some(NOON)).await, expected(PARTITIONS));
        let found = inspector.contact(&org(), crm_id()).await.unwrap();
        assert_eq!(found.note.as_deref(), Some(note));
    }
}

#[tokio::test]
async fn a_message_is_judged_as_any_other_and_nothing_is_changed() {
    let mut inspector = inspector().await;
    for _ in 0..2 {
        let judgement = inspector.judge(message(PHONE), NOON, Some(&settings())).await.unwrap();
        let reasons: Vec<RouteReason> = judgement
            .effects
            .iter()
            .filter_map(|effect| match &effect.what {
                Consequence::Routed(routed) => Some(routed.reason),
                _ => None,
            })
            .collect();
        assert_eq!(reasons, [RouteReason::Reactivated]);
    }
    assert_eq!(inspector.applied_until(), Some(NOON));
    let stranger = inspector
        .judge(message(Phone(919_899_900_011)), NOON, Some(&settings()))
        .await
        .unwrap();
    let [effect] = stranger.effects.as_slice() else {
        panic!("{stranger:?}")
    };
    assert!(
        matches!(&effect.what, Consequence::Unrouted(unrouted) if unrouted.reason == UnroutedReason::NoContact),
        "{effect:?}"
    );
}

#[tokio::test]
async fn an_index_of_another_configuration_is_told_apart_from_one_that_holds_nothing() {
    let index = index(&records(), Some(NOON)).await;
    let mut fewer = Inspector::new(index, expected(2));
    let failure = fewer.phone(&org(), PHONE).await.unwrap_err();
    assert_eq!(failure.exit, Exit::BadConfig);
    assert!(failure.sentence.ends_with("set topics.partitions to 4"), "{failure}");
    let mut empty = Inspector::new(Index::memory(), expected(PARTITIONS));
    let failure = empty.phone(&org(), PHONE).await.unwrap_err();
    assert_eq!(failure.exit, Exit::BadData);
    assert!(failure.sentence.contains("see whether the router runs"), "{failure}");
}

#[tokio::test]
async fn an_index_that_is_being_rebuilt_says_so() {
    let mut inspector = Inspector::new(index(&records(), None).await, expected(PARTITIONS));
    assert_eq!(inspector.phone(&org(), PHONE).await.unwrap().applied_until, None);
    assert!(inspector.is_rebuilding());
}
