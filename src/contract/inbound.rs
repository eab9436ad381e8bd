//! `inbound-messages`: a customer's message, as a webhook gateway hands it on.

use super::hash::IdHasher;
use super::read::{self, Text, malformed};
use super::record::RawRecord;
use crate::domain::effect::DeadLetter;
use crate::domain::event::{Inbound, Sender};
use crate::domain::ids::{OrgId, UserId};
use serde::Deserialize;
use serde_json::value::RawValue;

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

pub fn decode(record: &RawRecord<'_>, hasher: &IdHasher) -> Result<Inbound, DeadLetter> {
    let wire: Wire<'_> = read::object("$", read::text(record.value)?)?;
    if wire.message_id.0.is_empty() {
        return Err(malformed("$.message_id", "is empty"));
    }
    Ok(Inbound {
        org: wire.org_id.id("$.org_id", OrgId::parse)?,
        from: sender(&wire)?,
        waba_phone: wire.waba_phone.international_phone("$.waba_phone")?.canonical,
        message: hasher.hash(&wire.message_id.0),
        sent_at: wire.sent_at.instant("$.sent_at")?,
        system: read::message_type(wire.message)? == SYSTEM,
    })
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
