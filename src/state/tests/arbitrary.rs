//! Any record at all, valid or not by the rules: the format may not care.

use super::arbitrary_commands::{answer_parts, cause, command};
use crate::domain::chatroom::{Chatroom, ChatroomStatus, Owner};
use crate::domain::contact::{Contact, ContactStatus, Profile};
use crate::domain::directory::{ChatroomRecord, Directory, Held, OrgRecord, Underway, Waiting};
use crate::domain::entry::{Entry, RepliesInHour};
use crate::domain::ids::{ChatroomId, ChatroomName, CrmId, ExternalRefId, IdHash, OrgId, RequestId, Slot, UserId};
use crate::domain::memory::{Memory, Outcome, Remembered};
use crate::domain::phone::{Phone, SpelledPhone};
use crate::domain::record::{Key, MemoryKind, Record};
use crate::domain::time::Instant;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use std::sync::Arc;
use uuid::Uuid;

pub fn text() -> impl Strategy<Value = Arc<str>> {
    let short = vec(any::<char>(), 0..12);
    let long = vec(any::<char>(), 60..140);
    prop_oneof![9 => short, 1 => long].prop_map(|chars| Arc::from(chars.into_iter().collect::<String>()))
}

fn id_text() -> impl Strategy<Value = String> {
    let good = any::<char>().prop_filter("no id", |c| !c.is_control() && *c != ':');
    vec(good, 1..8).prop_map(|chars| chars.into_iter().collect())
}

macro_rules! ids {
    ($($function:ident: $name:ident),* $(,)?) => {$(
        pub fn $function() -> impl Strategy<Value = $name> {
            id_text().prop_map(|text| $name::parse(&text).unwrap())
        }
    )*};
}

ids!(org: OrgId, crm_id: CrmId, request: RequestId, user: UserId, external: ExternalRefId);

pub fn instant() -> impl Strategy<Value = Instant> {
    prop_oneof![
        any::<i64>().prop_map(Instant),
        (1_600_000_000_000_i64..1_900_000_000_000).prop_map(Instant),
    ]
}

pub fn phone() -> impl Strategy<Value = Phone> {
    prop_oneof![
        any::<u64>().prop_map(Phone),
        (1_000_000_u64..1_000_000_000_000_000).prop_map(Phone)
    ]
}

pub fn spelled() -> impl Strategy<Value = SpelledPhone> {
    (phone(), phone()).prop_map(|(canonical, spelled)| SpelledPhone { canonical, spelled })
}

pub fn id_hash() -> impl Strategy<Value = IdHash> {
    any::<u128>().prop_map(IdHash)
}

pub fn chatroom_id() -> impl Strategy<Value = ChatroomId> {
    (0..0x1000_u16, any::<u128>()).prop_map(|(slot, uuid)| ChatroomId {
        slot: Slot(slot),
        uuid: Uuid::from_u128(uuid),
    })
}

pub fn chatroom_name() -> impl Strategy<Value = ChatroomName> {
    prop_oneof![
        chatroom_id().prop_map(ChatroomName::from),
        id_text().prop_map(|text| ChatroomName::parse(&text).unwrap()),
    ]
}

pub fn contact() -> BoxedStrategy<Contact> {
    let profile = (of(text()), of(text()), of(text())).prop_map(|(first_name, last_name, attributes)| Profile {
        first_name,
        last_name,
        attributes,
    });
    let status = prop_oneof![Just(ContactStatus::Active), Just(ContactStatus::Expired)];
    (crm_id(), profile, status, instant(), instant(), any::<bool>())
        .prop_map(
            |(crm_id, profile, status, created_at, registered_at, leaving)| Contact {
                crm_id,
                profile,
                status,
                created_at,
                registered_at,
                leaving,
            },
        )
        .boxed()
}

fn chatroom() -> BoxedStrategy<Chatroom> {
    let owner = prop_oneof![crm_id().prop_map(Owner::Contact), Just(Owner::Affiliate)];
    let status = prop_oneof![
        Just(ChatroomStatus::Active),
        Just(ChatroomStatus::Deactivated),
        Just(ChatroomStatus::Expired)
    ];
    let instants = (instant(), instant(), instant(), of(instant()));
    let rest = (any::<bool>(), text(), of(external()));
    (chatroom_id(), owner, phone(), status, instants, rest)
        .prop_map(
            |(id, owner, waba_phone, status, instants, (phone_changed, display_name, external_ref_id))| Chatroom {
                id,
                owner,
                waba_phone,
                status,
                since: instants.0,
                created_at: instants.1,
                activated_at: instants.2,
                last_message_at: instants.3,
                phone_changed,
                display_name,
                external_ref_id,
            },
        )
        .boxed()
}

fn remembered() -> BoxedStrategy<Remembered> {
    let answered = answer_parts().prop_map(|(status, code, chatroom)| Outcome::Answered { status, code, chatroom });
    let outcome = prop_oneof![
        Just(Outcome::Routed),
        Just(Outcome::Unrouted),
        Just(Outcome::InProgress),
        answered
    ];
    (id_hash(), any::<u32>(), outcome)
        .prop_map(|(id, minute, outcome)| Remembered { id, minute, outcome })
        .boxed()
}

fn memory() -> BoxedStrategy<Memory> {
    (vec(remembered(), 0..5), any::<u32>(), any::<u32>())
        .prop_map(|(recent, buckets, spilled)| Memory {
            recent,
            buckets,
            spilled,
        })
        .boxed()
}

pub fn entry() -> BoxedStrategy<Entry> {
    let held = (vec(contact(), 0..3), vec(chatroom(), 0..3));
    let replies = (any::<i64>(), any::<u32>()).prop_map(|(hour, count)| RepliesInHour { hour, count });
    (instant(), of(phone()), held, 0..3_u32, replies, memory(), memory())
        .prop_map(
            |(decided_at, spelling, (contacts, chatrooms), archived, replies, messages, requests)| Entry {
                decided_at,
                spelling,
                contacts: contacts.into(),
                chatrooms,
                archived,
                replies,
                messages,
                requests,
            },
        )
        .boxed()
}

fn directory() -> BoxedStrategy<Directory> {
    let held = (spelled(), text(), any::<bool>(), any::<u32>()).prop_map(|(phone, text, attached, in_flight)| Held {
        phone,
        text,
        attached,
        in_flight,
    });
    let moving = (spelled(), text(), id_hash()).prop_map(|(to, text, request)| Underway::Move { to, text, request });
    let erasing = (command(), vec(phone(), 0..3)).prop_map(|(command, left)| Underway::Erasure {
        command: Box::new(command),
        left,
    });
    let waiting = (command(), instant(), cause()).prop_map(|(command, at, cause)| Waiting { command, at, cause });
    let busy = (of(prop_oneof![moving, erasing]), vec(waiting, 0..3));
    (instant(), of(held), vec(phone(), 0..3), any::<bool>(), busy, memory())
        .prop_map(
            |(decided_at, held, phones, erased, (underway, waiting), requests)| Directory {
                decided_at,
                held,
                phones,
                erased,
                underway,
                waiting,
                requests,
            },
        )
        .boxed()
}

fn with_owner() -> BoxedStrategy<Key> {
    prop_oneof![
        (org(), phone()).prop_map(|(org, phone)| Key::Phone(org, phone)),
        (org(), user()).prop_map(|(org, user)| Key::User(org, user)),
        (org(), crm_id()).prop_map(|(org, crm_id)| Key::Contact(org, crm_id)),
        (org(), chatroom_name()).prop_map(|(org, name)| Key::Chatroom(org, name)),
        org().prop_map(Key::Org),
    ]
    .boxed()
}

/// A key, and a record as stands under such a key.
pub fn stored() -> BoxedStrategy<(Key, Record)> {
    let chatroom_record =
        (instant(), of(phone()), of(any::<u32>()), memory()).prop_map(|(decided_at, phone, block, requests)| {
            ChatroomRecord {
                decided_at,
                phone,
                block,
                requests,
            }
        });
    let org_record = (instant(), memory()).prop_map(|(decided_at, requests)| OrgRecord { decided_at, requests });
    let memory_kind = prop_oneof![Just(MemoryKind::Messages), Just(MemoryKind::Requests)];
    prop_oneof![
        (org(), phone(), entry()).prop_map(|(org, phone, entry)| (Key::Phone(org, phone), Record::Entry(entry))),
        (org(), user(), entry()).prop_map(|(org, user, entry)| (Key::User(org, user), Record::Entry(entry))),
        (org(), crm_id(), directory()).prop_map(|(org, id, record)| (Key::Contact(org, id), Record::Directory(record))),
        (org(), chatroom_name(), chatroom_record)
            .prop_map(|(org, name, record)| (Key::Chatroom(org, name), Record::Chatroom(record))),
        (org(), org_record).prop_map(|(org, record)| (Key::Org(org), Record::Org(record))),
        (with_owner(), memory_kind, any::<u32>(), vec(remembered(), 0..5))
            .prop_map(|(owner, kind, block, ids)| (Key::Ids(Box::new(owner), kind, block), Record::Ids(ids))),
        (org(), phone(), any::<u32>(), vec(chatroom(), 0..3))
            .prop_map(|(org, phone, block, rooms)| (Key::Archive(org, phone, block), Record::Archive(rooms))),
    ]
    .boxed()
}
