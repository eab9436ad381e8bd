//! `inbound-messages`: a customer's message, as a webhook gateway hands it on.

use super::hash::IdHasher;
use super::read::{self, Text, malformed};
use super::record::RawRecord;
use crate::domain::effect::DeadLetter;
use crate::domain::event::{Inbound, Sender};
use crate::domain::ids::{OrgId, UserId};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The only `type` of a message that doesn't come from a person (I9).
const SYSTEM: &str = "system";

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    org_id: Text<'a>,
    #[serde(borrow)]
    waba_phone: Text<'a>,
    #[serde(borrow, default)]
    from: Option<Text<'a>>,
    #[serde(borrow, default)]
    from_user_id: Option<Text<'a>>,
    #[serde(borrow)]
    message_id: Text<'a>,
    #[serde(borrow)]
    sent_at: Text<'a>,
    #[serde(borrow)]
    message: &'a RawValue,
}

/// The message as the rules see it, and what the outputs carry on of it.
pub fn decode(record: &RawRecord<'_>, hasher: &IdHasher) -> Result<(Inbound, Carried), DeadLetter> {
    let wire: Wire<'_> = read::object("$", read::text(record.value)?)?;
    if wire.message_id.0.is_empty() {
        return Err(malformed("$.message_id", "is empty"));
    }
    let inbound = Inbound {
        org: wire.org_id.id("$.org_id", OrgId::parse)?,
        from: sender(&wire)?,
        waba_phone: wire.waba_phone.international_phone("$.waba_phone")?.canonical,
        message: hasher.hash(&wire.message_id.0),
        sent_at: wire.sent_at.instant("$.sent_at")?,
        system: read::message_type(wire.message)? == SYSTEM,
    };
    let carried = Carried {
        message_id: wire.message_id.0.into(),
        user_id: wire.from_user_id.map(|user| user.0.into()),
        message: wire.message.to_owned(),
    };
    Ok((inbound, carried))
}

/// A phone where there is one, even beside a user id.
fn sender(wire: &Wire<'_>) -> Result<Sender, DeadLetter> {
    let user = wire.from_user_id.as_ref();
    let user = user.map(|user| user.id("$.from_user_id", UserId::parse)).transpose()?;
    match (&wire.from, user) {
        (Some(phone), _) => Ok(Sender::Phone(phone.international_phone("$.from")?)),
        (None, Some(user)) => Ok(Sender::User(user)),
        (None, None) => Err(malformed(
            "$",
            "has a fault: missing field `from`, and `from_user_id` too",
        )),
    }
}

/// What the outputs carry on of a message: texts that the domain has no use for.
#[derive(Debug, Clone)]
pub struct Carried {
    pub message_id: Box<str>,
    pub user_id: Option<Box<str>>,
    /// Byte for byte.
    pub message: Box<RawValue>,
}

/// The fields of a message that its contract doesn't name, as they came.
pub struct Unknown<'a>(pub Vec<(Text<'a>, &'a RawValue)>);

/// Those that it names, and what a message has that came out unrouted and was sent again.
const KNOWN: [&str; 8] = [
    "org_id",
    "waba_phone",
    "from",
    "from_user_id",
    "message_id",
    "sent_at",
    "message",
    "unrouted",
];

impl<'a> Unknown<'a> {
    pub fn read(record: &RawRecord<'a>) -> Result<Self, DeadLetter> {
        read::object("$", read::text(record.value)?)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Unknown<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Unknown<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut unknown = Vec::new();
                while let Some(name) = map.next_key::<Text<'de>>()? {
                    if KNOWN.contains(&&*name.0) {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        unknown.push((name, map.next_value()?));
                    }
                }
                Ok(Unknown(unknown))
            }
        }

        deserializer.deserialize_map(Fields)
    }
}
