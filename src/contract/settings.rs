//! `org-settings`: what an org asks for. A record that breaks a rule is refused whole.

use super::decode::request_id;
use super::read::{self, Object, Text, dead, malformed};
use super::record::RawRecord;
use crate::domain::effect::{DeadLetter, DeadReason};
use crate::domain::event::What;
use crate::domain::ids::{OrgId, RequestId};
use crate::domain::settings::{AutoReply, Content, Days, InboundScope, Region, WabaPhone};
use serde::Deserialize;
use serde_json::Number;
use std::sync::Arc;

const MAX_DAYS: u32 = 36_500;
const MAX_REPLIES_PER_HOUR: u32 = 1_000;
/// WhatsApp's limit for the body of a text message.
const MAX_REPLY_CHARS: usize = 4_096;

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    org_id: Text<'a>,
    #[serde(borrow, default)]
    request_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    default_region: Option<Text<'a>>,
    #[serde(borrow)]
    waba_phones: Vec<Object<WireWabaPhone<'a>>>,
    #[serde(default)]
    deactivate_after_days: Option<Number>,
    #[serde(default)]
    expire_after_days: Option<Number>,
    #[serde(borrow, default)]
    expired_auto_reply: Option<Object<WireAutoReply<'a>>>,
    #[serde(borrow, default)]
    inbound_scope: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct WireWabaPhone<'a> {
    #[serde(borrow)]
    phone: Text<'a>,
    #[serde(borrow, default)]
    phone_number_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    waba_id: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct WireAutoReply<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(default)]
    max_per_hour: Option<Number>,
}

fn bad(path: &str, fault: impl std::fmt::Display) -> DeadLetter {
    dead(DeadReason::BadSettings, format!("{path} {fault}"))
}

pub fn decode(record: &RawRecord<'_>) -> Result<(OrgId, RequestId, What), DeadLetter> {
    let key = record.key.and_then(|key| std::str::from_utf8(key).ok());
    if record.value.is_none() {
        let key = key.ok_or_else(|| bad("the key", "is no org_id, and the record is a tombstone"))?;
        let org = OrgId::parse(key).map_err(|fault| bad("the key", fault))?;
        return Ok((org, request_id(None, record)?, What::PutSettings(None)));
    }
    let wire: Wire<'_> = read::object("$", read::text(record.value)?)?;
    let org = wire.org_id.id("$.org_id", OrgId::parse)?;
    let request = request_id(wire.request_id.as_ref(), record)?;
    if key != Some(org.as_str()) {
        return Err(bad("the key", "is not the org_id of the settings"));
    }
    Ok((org, request, What::PutSettings(Some(content(&wire)?))))
}

fn content(wire: &Wire<'_>) -> Result<Content, DeadLetter> {
    let region = wire.default_region.as_ref();
    let reply = wire.expired_auto_reply.as_ref();
    let scope = wire.inbound_scope.as_ref().map(|scope| &*scope.0);
    Ok(Content {
        default_region: region.map(default_region).transpose()?,
        waba_phones: waba_phones(&wire.waba_phones)?,
        days: Days {
            deactivate_after: days("$.deactivate_after_days", wire.deactivate_after_days.as_ref())?,
            expire_after: days("$.expire_after_days", wire.expire_after_days.as_ref())?,
        },
        expired_auto_reply: reply.map(|Object(reply)| auto_reply(reply)).transpose()?,
        inbound_scope: match scope {
            None | Some("PHONE") => InboundScope::Phone,
            Some("PAIR") => InboundScope::Pair,
            Some(_) => return Err(bad("$.inbound_scope", "is neither PHONE nor PAIR")),
        },
    })
}

fn default_region(text: &Text<'_>) -> Result<Region, DeadLetter> {
    let fault = || {
        bad(
            "$.default_region",
            "is no region of libphonenumber: two upper-case letters",
        )
    };
    Region::parse(&text.0).ok_or_else(fault)
}

/// In the order given, which `next_free_waba_phone` goes by. None at all is allowed; the same twice is not.
fn waba_phones(given: &[Object<WireWabaPhone<'_>>]) -> Result<Vec<WabaPhone>, DeadLetter> {
    let mut seen = std::collections::BTreeSet::new();
    let mut phones = Vec::with_capacity(given.len());
    for (index, Object(wire)) in given.iter().enumerate() {
        let path = format!("$.waba_phones[{index}].phone");
        let phone = wire.phone.international_phone(&path)?.canonical;
        if !seen.insert(phone) {
            return Err(bad(&path, "stands twice"));
        }
        let owned = |text: &Option<Text<'_>>| text.as_ref().map(|text| Arc::from(&*text.0));
        phones.push(WabaPhone {
            phone,
            phone_number_id: owned(&wire.phone_number_id),
            waba_id: owned(&wire.waba_id),
        });
    }
    Ok(phones)
}

fn days(path: &str, given: Option<&Number>) -> Result<Option<u32>, DeadLetter> {
    whole(path, given, MAX_DAYS)
}

fn auto_reply(wire: &WireAutoReply<'_>) -> Result<AutoReply, DeadLetter> {
    const PATH: &str = "$.expired_auto_reply.text";
    let text = &*wire.text.0;
    if text.trim().is_empty() {
        return Err(bad(PATH, "is empty"));
    }
    if text.chars().count() > MAX_REPLY_CHARS {
        return Err(bad(PATH, format!("is longer than {MAX_REPLY_CHARS} characters")));
    }
    let limit = wire.max_per_hour.as_ref();
    Ok(AutoReply {
        text: Arc::from(text),
        max_per_hour: whole("$.expired_auto_reply.max_per_hour", limit, MAX_REPLIES_PER_HOUR)?,
    })
}

/// A whole number from 1 on; `30.0` is one too, as in JSON Schema.
fn whole(path: &str, given: Option<&Number>, most: u32) -> Result<Option<u32>, DeadLetter> {
    let Some(number) = given else { return Ok(None) };
    let float = number.as_f64().unwrap_or(f64::NAN);
    if float.fract() != 0.0 && float.is_finite() {
        return Err(malformed(path, "is no whole number"));
    }
    if !(1.0..=f64::from(most)).contains(&float) {
        return Err(bad(path, format!("is not from 1 to {most}; null turns it off")));
    }
    Ok(Some(float as u32))
}
