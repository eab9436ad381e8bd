//! Entries, settings, messages and effects as short texts, so that a table of cases can be read aloud.

use super::harness::{CUSTOMER, SLOT, World, content, crm, day, days, message, waba};
use crate::domain::chatroom::{Chatroom, ChatroomStatus, Owner};
use crate::domain::contact::{Contact, ContactStatus, Profile};
use crate::domain::effect::{AutoReplySent, Consequence, Effect, Subject};
use crate::domain::entry::Entry;
use crate::domain::event::{Inbound, Sender};
use crate::domain::ids::{ChatroomId, UserId};
use crate::domain::settings::{AutoReply, Content, InboundScope};
use crate::domain::time::Instant;
use std::sync::Arc;
use uuid::Uuid;

pub fn chatroom_id(number: u128) -> ChatroomId {
    let uuid = Uuid::from_u128(number);
    ChatroomId { slot: SLOT, uuid }
}

/// `A@5 !B ~C`: A created on day 5, B expired, C leaving.
pub fn contacts(text: &str) -> Vec<Contact> {
    text.split_whitespace().map(contact).collect()
}

fn contact(word: &str) -> Contact {
    let (name, created) = word.split_once('@').unwrap_or((word, "0"));
    let created_at = day(created.parse().unwrap());
    Contact {
        crm_id: crm(name.trim_start_matches(['!', '~'])),
        profile: Profile::default(),
        status: if name.starts_with('!') {
            ContactStatus::Expired
        } else {
            ContactStatus::Active
        },
        created_at,
        registered_at: created_at,
        leaving: name.starts_with('~'),
    }
}

/// `1 A w1 active 5, 2 - w2 deactivated 7 heard=8`: id, owner (`-` an affiliate), WABA phone, status, since.
pub fn rooms(text: &str) -> Vec<Chatroom> {
    text.split(',')
        .filter(|part| !part.trim().is_empty())
        .map(room)
        .collect()
}

fn room(text: &str) -> Chatroom {
    let words: Vec<&str> = text.split_whitespace().collect();
    let since = day(words[4].parse().unwrap());
    let mut room = Chatroom {
        id: chatroom_id(words[0].parse().unwrap()),
        owner: if words[1] == "-" {
            Owner::Affiliate
        } else {
            Owner::Contact(crm(words[1]))
        },
        waba_phone: waba(words[2].trim_start_matches('w').parse().unwrap()),
        status: match words[3] {
            "active" => ChatroomStatus::Active,
            "deactivated" => ChatroomStatus::Deactivated,
            _ => ChatroomStatus::Expired,
        },
        since,
        created_at: since,
        activated_at: since,
        last_message_at: None,
        phone_changed: words[3] == "moved",
        display_name: Arc::from("x"),
        external_ref_id: None,
    };
    for word in &words[5..] {
        match word.split_once('=').unwrap() {
            ("heard", at) => room.last_message_at = Some(day(at.parse().unwrap())),
            ("created", at) => room.created_at = day(at.parse().unwrap()),
            other => panic!("{other:?}"),
        }
    }
    room
}

/// `pair reply max=2 deactivate=30 expire=180`: WABA phones 1 and 2, and these.
pub fn settings(text: &str) -> Content {
    let mut content = content(&[1, 2]);
    let reply = |max_per_hour| {
        Some(AutoReply {
            text: Arc::from("closed"),
            max_per_hour,
        })
    };
    for word in text.split_whitespace() {
        match word.split_once('=').unwrap_or((word, "")) {
            ("pair", _) => content.inbound_scope = InboundScope::Pair,
            ("reply", _) => content.expired_auto_reply = reply(None),
            ("max", n) => content.expired_auto_reply = reply(n.parse().ok()),
            ("deactivate", n) => content.days.deactivate_after = n.parse().ok(),
            ("expire", n) => content.days.expire_after = n.parse().ok(),
            other => panic!("{other:?}"),
        }
    }
    content
}

/// A world with one entry, its settings in force from day 0 (`none`: never any).
pub fn world(settings_text: &str, contacts_text: &str, rooms_text: &str) -> World {
    let mut world = World::with_entry(Entry {
        contacts: contacts(contacts_text).into(),
        chatrooms: rooms(rooms_text),
        ..Entry::default()
    });
    if settings_text != "none" {
        world.set(day(0.0), Some(settings(settings_text)));
    }
    world
}

/// `@40 w2 id=7 sent=39 system user`: when it is judged, and what it is.
pub fn inbound(text: &str) -> (Instant, Inbound) {
    let at = day(text
        .split_whitespace()
        .find_map(|word| word.strip_prefix('@'))
        .unwrap()
        .parse()
        .unwrap());
    let mut inbound = message(1, at);
    for word in text.split_whitespace() {
        match word.split_once('=').unwrap_or((word, "")) {
            ("id", n) => inbound.message.0 = n.parse().unwrap(),
            ("sent", at) => inbound.sent_at = day(at.parse().unwrap()),
            ("system", _) => inbound.system = true,
            ("user", _) => inbound.from = Sender::User(UserId::parse("bsuid").unwrap()),
            (word, _) if word.starts_with('w') => inbound.waba_phone = waba(word[1..].parse().unwrap()),
            (word, _) => assert!(word.starts_with('@'), "{word}"),
        }
    }
    (at, inbound)
}

pub fn show(effects: &[Effect]) -> Vec<String> {
    effects.iter().map(|effect| show_one(&effect.what)).collect()
}

fn show_one(what: &Consequence) -> String {
    match what {
        Consequence::Lifecycle(event) => {
            let subject = match &event.subject {
                Subject::Contact(crm_id) => crm_id.to_string(),
                Subject::Chatroom(room) => room.id.uuid.as_u128().to_string(),
            };
            format!(
                "{:?} {subject} {:?} @{}",
                event.happening,
                event.reason,
                days(event.occurred_at)
            )
        }
        Consequence::Routed(routed) => {
            let seen: Vec<_> = routed
                .candidates
                .iter()
                .map(|seen| seen.chatroom_id.uuid.as_u128())
                .collect();
            let reply = routed.auto_reply.map_or(String::new(), |reply| format!(" {reply:?}"));
            let id = routed.chatroom.id.uuid.as_u128();
            format!("{:?} {id} {:?} of {seen:?}{reply}", routed.reason, routed.rule)
        }
        Consequence::Unrouted(unrouted) => format!("{:?} {:?}", unrouted.reason, unrouted.crm_ids),
        Consequence::Outbound(sent) => {
            let to = if sent.to == CUSTOMER {
                String::new()
            } else {
                format!(" to {}", sent.to)
            };
            let until = |reply: &AutoReplySent| format!(" until {}", days(reply.not_after));
            let until = sent.auto_reply.as_ref().map_or(String::new(), until);
            format!(
                "Reply {} w{}{to}{until}",
                sent.chatroom_id.uuid.as_u128(),
                sent.waba_phone.0 - waba(0).0
            )
        }
        Consequence::Counted(counted) => format!("{counted:?}"),
        other => format!("{other:?}"),
    }
}
