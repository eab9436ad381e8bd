//! `unrouted-messages`: the whole message, fields that we don't know included, and why it went nowhere.

use super::cloud_events::Subject;
use super::inbound::{Carried, Unknown};
use super::publish::{PublishFault, Written};
use super::record::{RawRecord, TopicKind};
use super::routed::spelled;
use super::write::{As, Shown, Utc, crm_ids, json};
use crate::domain::effect::{RouteRule, Unrouted, UnroutedReason};
use crate::domain::event::{Inbound, Sender};
use crate::domain::time::Instant;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

#[derive(Serialize)]
struct Why<'a> {
    reason: As<UnroutedReason>,
    rule: As<RouteRule>,
    crm_ids: Vec<&'a str>,
    settings_version: Option<i64>,
}

/// The fields that we know in the order of the contract, then those that we don't as they came, then why. A message
/// that was sent again after it came out here has an old `unrouted`, which is left out.
struct Wire<'a> {
    inbound: &'a Inbound,
    carried: &'a Carried,
    unknown: &'a Unknown<'a>,
    why: Why<'a>,
}

impl Serialize for Wire<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("org_id", self.inbound.org.as_str())?;
        map.serialize_entry("waba_phone", &Shown(self.inbound.waba_phone))?;
        if let Some(from) = spelled(&self.inbound.from) {
            map.serialize_entry("from", &from)?;
        }
        if let Some(user) = &self.carried.user_id {
            map.serialize_entry("from_user_id", user)?;
        }
        map.serialize_entry("message_id", &self.carried.message_id)?;
        map.serialize_entry("sent_at", &Utc(self.inbound.sent_at))?;
        map.serialize_entry("message", &self.carried.message)?;
        for (name, value) in &self.unknown.0 {
            map.serialize_entry(&*name.0, value)?;
        }
        map.serialize_entry("unrouted", &self.why)?;
        map.end()
    }
}

pub fn write<'a>(
    at: Instant,
    (inbound, carried): (&Inbound, &Carried),
    unrouted: &Unrouted,
    record: &RawRecord<'_>,
) -> Result<Written<'a>, PublishFault> {
    let wire = Wire {
        inbound,
        carried,
        unknown: &Unknown::read(record)?,
        why: Why {
            reason: As(unrouted.reason),
            rule: As(RouteRule::I4),
            crm_ids: crm_ids(&unrouted.crm_ids),
            settings_version: unrouted.settings_version,
        },
    };
    let sender = match &inbound.from {
        Sender::Phone(phone) => phone.canonical.to_string(),
        Sender::User(user) => user.to_string(),
    };
    Ok(Written {
        topic: TopicKind::UnroutedMessages,
        key: format!("{}:{sender}", inbound.org),
        value: json(&wire)?,
        subject: Subject {
            kind: "com.chatroom-router.message.unrouted",
            name: carried.message_id.to_string().into(),
            time: at,
        },
    })
}
