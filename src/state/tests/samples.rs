//! A phone as a support team would have it: two contacts, two chatrooms, twenty messages remembered.

use crate::domain::chatroom::{Chatroom, ChatroomStatus, Owner};
use crate::domain::contact::{Contact, ContactStatus, Profile};
use crate::domain::entry::{Entry, RepliesInHour};
use crate::domain::ids::{ChatroomId, CrmId, ExternalRefId, IdHash, OrgId, Slot};
use crate::domain::memory::{Memory, Outcome, Remembered};
use crate::domain::phone::Phone;
use crate::domain::record::Key;
use crate::domain::time::Instant;
use std::sync::Arc;
use uuid::Uuid;

const DAY: Instant = Instant(1_795_000_000_000);

pub fn key() -> Key {
    Key::Phone(OrgId::parse("acme").unwrap(), Phone(919_812_345_678))
}

pub fn contact(crm_id: &str) -> Contact {
    Contact {
        crm_id: CrmId::parse(crm_id).unwrap(),
        profile: Profile {
            first_name: Some(Arc::from("Asha")),
            last_name: Some(Arc::from("Rao")),
            attributes: Some(Arc::from(r#"{"city":"Pune"}"#)),
        },
        status: ContactStatus::Active,
        created_at: DAY,
        registered_at: DAY.plus(5),
        leaving: false,
    }
}

pub fn chatroom(crm_id: &str, n: u128) -> Chatroom {
    Chatroom {
        id: ChatroomId {
            slot: Slot(0x1f3),
            uuid: Uuid::from_u128(n),
        },
        owner: Owner::Contact(CrmId::parse(crm_id).unwrap()),
        waba_phone: Phone(12_025_550_100),
        status: ChatroomStatus::Active,
        since: DAY.plus(60_000),
        created_at: DAY.plus(60_000),
        activated_at: DAY.plus(60_000),
        last_message_at: Some(DAY.plus(120_000)),
        phone_changed: false,
        display_name: Arc::from("Asha Rao"),
        external_ref_id: Some(ExternalRefId::parse("deal-9").unwrap()),
    }
}

pub fn entry() -> Entry {
    let routed = |n: u32| Remembered {
        id: IdHash(u128::from(n) << 100 | 0xabcdef),
        minute: 29_916_000 + n,
        outcome: Outcome::Routed,
    };
    Entry {
        decided_at: DAY.plus(120_000),
        spelling: Some(Phone(919_812_345_678)),
        contacts: vec![contact("L-17"), contact("L-18")].into(),
        chatrooms: vec![chatroom("L-17", 1 << 127 | 1), chatroom("L-18", 1 << 127 | 2)],
        archived: 0,
        replies: RepliesInHour {
            hour: 498_600,
            count: 1,
        },
        messages: Memory {
            recent: (0..20).map(routed).collect(),
            buckets: 0,
            spilled: 0,
        },
        requests: Memory::default(),
    }
}
