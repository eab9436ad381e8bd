//! What an org knows: its settings with their history, its phones, and where its contacts live.

use super::Out;
use super::phone::canonical;
use crate::harness::names::LIFECYCLE;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub const DAY: SignedDuration = SignedDuration::from_hours(24);
pub const REMEMBERED: SignedDuration = SignedDuration::from_hours(8 * 24);

#[derive(Default)]
pub struct Org {
    pub settings: Option<Value>,
    pub days: Vec<Days>,
    pub entries: BTreeMap<String, Entry>,
    pub homes: BTreeMap<String, Home>,
    /// Every phone that each contact ever had.
    pub had: BTreeMap<String, BTreeSet<String>>,
    /// By target and request id (K2).
    pub requests: BTreeMap<(String, String), Past>,
    /// The latest decision about each target.
    pub decided: BTreeMap<String, Timestamp>,
}

/// The days in force from an instant on; both absent while the org has no settings.
pub struct Days {
    pub from: Timestamp,
    pub deactivate: Option<i64>,
    pub expire: Option<i64>,
}

pub enum Home {
    /// Under which phone, and what the CRM wrote for it.
    At {
        phone: String,
        text: String,
    },
    Deleted,
}

/// The first time that a request came.
#[derive(Clone)]
pub struct Past {
    pub at: Timestamp,
    pub status: &'static str,
    pub code: Option<&'static str>,
    pub about: About,
}

/// What a result speaks of.
#[derive(Clone)]
pub enum About {
    Contact(String),
    Room(String),
    Nothing,
}

impl About {
    pub fn rename(&mut self, ours: &str, theirs: &str) {
        if let About::Room(id) = self
            && id == ours
        {
            theirs.clone_into(id);
        }
    }
}

#[derive(Default)]
pub struct Entry {
    /// The decision time of its latest record.
    pub last: Timestamp,
    pub contacts: BTreeMap<String, Contact>,
    pub rooms: Vec<Room>,
    /// Message ids: when first, and whether it was routed (I11).
    pub seen: BTreeMap<String, (Timestamp, bool)>,
    /// Auto-replies by full hour (I7).
    pub replies: BTreeMap<i64, u64>,
    /// The way the phone was last received (P2).
    pub spelled: Option<String>,
    /// The way the CRM wrote it first, which serves until then.
    pub written: Option<String>,
}

#[derive(Clone)]
pub struct Contact {
    pub expired: bool,
    pub created_at: Timestamp,
    /// The decision time of its creation.
    pub known_since: Timestamp,
    pub fields: Map<String, Value>,
}

#[derive(Clone)]
pub struct Room {
    pub id: String,
    /// None: an affiliate's.
    pub crm_id: Option<String>,
    pub waba_phone: String,
    pub status: &'static str,
    pub since: Timestamp,
    pub last_message: Option<Timestamp>,
    pub activated_at: Timestamp,
    pub created_at: Timestamp,
    pub phone_changed: bool,
}

pub const ACTIVE: &str = "ACTIVE";
pub const DEACTIVATED: &str = "DEACTIVATED";
pub const EXPIRED: &str = "EXPIRED";

impl Room {
    pub fn kind(&self) -> &'static str {
        if self.crm_id.is_some() { "CONTACT" } else { "AFFILIATE" }
    }

    /// The total order that *latest* means.
    pub fn order(&self) -> (Timestamp, Option<Timestamp>, Timestamp, &str) {
        (self.since, self.last_message, self.created_at, &self.id)
    }

    pub fn state(&self) -> Value {
        json!({
            "chatroom_id": self.id, "crm_id": self.crm_id, "kind": self.kind(), "waba_phone": self.waba_phone,
            "status": self.status, "since": self.since.to_string(),
        })
    }

    pub fn belongs_to(&self, crm_id: &str) -> bool {
        self.crm_id.as_deref() == Some(crm_id)
    }
}

impl Contact {
    pub fn state(&self, crm_id: &str) -> Value {
        let status = if self.expired { EXPIRED } else { ACTIVE };
        json!({"crm_id": crm_id, "status": status, "created_at": self.created_at.to_string()})
    }
}

/// Who or what caused an event, as it shows on the event.
#[derive(Clone, Copy)]
pub struct Cause<'a> {
    pub reason: &'a str,
    pub request_id: Option<&'a str>,
    pub at: Timestamp,
}

impl<'a> Cause<'a> {
    pub fn because(self, reason: &'a str) -> Cause<'a> {
        Cause { reason, ..self }
    }

    pub fn of_chatroom(&self, org_id: &str, kind: &str, room: &Room) -> Out {
        Out {
            topic: LIFECYCLE,
            key: room.id.clone(),
            value: json!({
                "type": kind, "org_id": org_id, "chatroom_id": room.id, "chatroom_kind": room.kind(),
                "crm_id": room.crm_id, "waba_phone": room.waba_phone, "reason": self.reason,
                "occurred_at": self.at.to_string(), "request_id": self.request_id,
            }),
        }
    }

    pub fn of_contact(&self, org_id: &str, kind: &str, crm_id: &str) -> Out {
        Out {
            topic: LIFECYCLE,
            key: format!("{org_id}:{crm_id}"),
            value: json!({
                "type": kind, "org_id": org_id, "crm_id": crm_id, "reason": self.reason,
                "occurred_at": self.at.to_string(), "request_id": self.request_id,
            }),
        }
    }
}

impl Org {
    pub fn waba_phones(&self) -> Vec<String> {
        let list = self
            .settings
            .as_ref()
            .and_then(|settings| settings["waba_phones"].as_array());
        let phones = list
            .into_iter()
            .flatten()
            .filter_map(|waba| canonical(waba["phone"].as_str()?));
        phones.collect()
    }

    pub fn registers(&self, waba_phone: &str) -> bool {
        self.waba_phones().iter().any(|known| known == waba_phone)
    }

    pub fn region(&self) -> Option<&str> {
        self.settings
            .as_ref()
            .and_then(|settings| settings["default_region"].as_str())
    }

    pub fn entry(&mut self, phone: &str) -> &mut Entry {
        self.entries.entry(phone.to_owned()).or_default()
    }

    /// The phone under which a chatroom stands.
    pub fn phone_of_room(&self, id: &str) -> Option<String> {
        let holds = |entry: &Entry| entry.rooms.iter().any(|room| room.id == id);
        self.entries
            .iter()
            .find(|(_, entry)| holds(entry))
            .map(|(phone, _)| phone.clone())
    }

    pub fn phone_of_contact(&self, crm_id: &str) -> Option<String> {
        match self.homes.get(crm_id) {
            Some(Home::At { phone, .. }) => Some(phone.clone()),
            _ => None,
        }
    }

    pub fn state_of(&self, about: &About) -> (Value, Value) {
        let none = (Value::Null, Value::Null);
        match about {
            About::Nothing => none,
            About::Contact(crm_id) => {
                let contact = self
                    .phone_of_contact(crm_id)
                    .map(|phone| self.entries[&phone].contacts[crm_id].state(crm_id));
                (Value::Null, contact.unwrap_or_default())
            }
            About::Room(id) => {
                let room = self
                    .entries
                    .values()
                    .flat_map(|entry| &entry.rooms)
                    .find(|room| room.id == *id);
                (room.map(Room::state).unwrap_or_default(), Value::Null)
            }
        }
    }
}
