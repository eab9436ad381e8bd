//! `crm-changes`: what the CRM wants of contacts and chatrooms. The field `type` says which command it is.

use super::decode::request_id;
use super::read::{self, Text, malformed, present};
use super::record::RawRecord;
use crate::domain::contact::{Field, ProfileChange};
use crate::domain::effect::DeadLetter;
use crate::domain::event::{CreateChatroom, What};
use crate::domain::ids::{ChatroomName, CrmId, ExternalRefId, OrgId, RequestId};
use crate::domain::phone::Phone;
use crate::domain::time::YEAR_2009;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;

const MAX_ATTRIBUTES_BYTES: usize = 4 * 1024;

/// What a record asks for. An affiliate's phone can only be read by who knows the org's region.
pub enum Asked {
    Command(What),
    Affiliate(Box<AffiliateAsked>),
}

pub struct AffiliateAsked {
    pub phone_text: Arc<str>,
    pub waba_phone: Phone,
    pub display_name: Option<Arc<str>>,
    pub external_ref_id: Option<ExternalRefId>,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    org_id: Text<'a>,
    #[serde(borrow, default)]
    request_id: Option<Text<'a>>,
}

pub fn decode(record: &RawRecord<'_>) -> Result<(OrgId, RequestId, Asked), DeadLetter> {
    let json = read::text(record.value)?;
    let head: Head<'_> = read::object("$", json)?;
    let org = head.org_id.id("$.org_id", OrgId::parse)?;
    let request = request_id(head.request_id.as_ref(), record)?;
    let asked = match &*head.kind.0 {
        "contact.upsert" => Asked::Command(upsert(json)?),
        "contact.delete" => Asked::Command(delete(json)?),
        "chatroom.create" => create(json)?,
        "chatroom.activate" => Asked::Command(What::Activate(chatroom(json)?)),
        "chatroom.deactivate" => Asked::Command(What::Deactivate(chatroom(json)?)),
        "chatroom.expire" => Asked::Command(What::Expire(chatroom(json)?)),
        _ => return Err(malformed("$.type", "names no command")),
    };
    Ok((org, request, asked))
}

#[derive(Deserialize)]
struct Upsert<'a> {
    #[serde(borrow)]
    crm_id: Text<'a>,
    #[serde(borrow)]
    phone: Text<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    first_name: Option<Option<Text<'a>>>,
    #[serde(borrow, default, deserialize_with = "present")]
    last_name: Option<Option<Text<'a>>>,
    #[serde(borrow, default, deserialize_with = "present")]
    attributes: Option<Option<&'a RawValue>>,
    #[serde(borrow, default)]
    created_at: Option<Text<'a>>,
}

fn upsert(json: &str) -> Result<What, DeadLetter> {
    let wire: Upsert<'_> = read::object("$", json)?;
    let created_at = wire.created_at.as_ref();
    let created_at = created_at.map(|text| text.instant("$.created_at")).transpose()?;
    if created_at.is_some_and(|instant| instant < YEAR_2009) {
        return Err(malformed("$.created_at", "is before 2009"));
    }
    Ok(What::UpsertContact {
        crm_id: wire.crm_id.id("$.crm_id", CrmId::parse)?,
        phone_text: Arc::from(&*wire.phone.0),
        profile: ProfileChange {
            first_name: name("$.first_name", wire.first_name)?,
            last_name: name("$.last_name", wire.last_name)?,
            attributes: attributes(wire.attributes)?,
        },
        created_at,
    })
}

/// An empty name clears, as null does.
fn name(path: &str, field: Option<Option<Text<'_>>>) -> Result<Field<Arc<str>>, DeadLetter> {
    let Some(given) = field else { return Ok(Field::Keep) };
    let name = given.map(|text| text.name(path)).transpose()?.flatten();
    Ok(name.map_or(Field::Clear, Field::Set))
}

/// Attributes in one canonical text: no spaces, keys in order, of a key that stands twice the last.
fn attributes(field: Option<Option<&RawValue>>) -> Result<Field<Arc<str>>, DeadLetter> {
    const PATH: &str = "$.attributes";
    let Some(given) = field else { return Ok(Field::Keep) };
    let Some(raw) = given else { return Ok(Field::Clear) };
    if !raw.get().starts_with('{') {
        return Err(malformed(PATH, "is no object"));
    }
    let value: serde_json::Value = serde_json::from_str(raw.get())
        .map_err(|_| malformed(PATH, "nests more than 127 deep, or holds a number that is too large"))?;
    let canonical = value.to_string();
    if canonical.len() > MAX_ATTRIBUTES_BYTES {
        return Err(malformed(PATH, format!("is longer than {MAX_ATTRIBUTES_BYTES} bytes")));
    }
    Ok(Field::Set(Arc::from(canonical)))
}

#[derive(Deserialize)]
struct Delete<'a> {
    #[serde(borrow)]
    crm_id: Text<'a>,
}

fn delete(json: &str) -> Result<What, DeadLetter> {
    let wire: Delete<'_> = read::object("$", json)?;
    let crm_id = wire.crm_id.id("$.crm_id", CrmId::parse)?;
    Ok(What::DeleteContact { crm_id })
}

#[derive(Deserialize)]
struct OnChatroom<'a> {
    #[serde(borrow)]
    chatroom_id: Text<'a>,
}

fn chatroom(json: &str) -> Result<ChatroomName, DeadLetter> {
    let wire: OnChatroom<'_> = read::object("$", json)?;
    wire.chatroom_id.id("$.chatroom_id", ChatroomName::parse)
}

/// What a chatroom of either kind has.
#[derive(Deserialize)]
struct Create<'a> {
    #[serde(borrow, default)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    waba_phone: Text<'a>,
    #[serde(borrow, default)]
    display_name: Option<Text<'a>>,
    #[serde(borrow, default)]
    external_ref_id: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct CreateForContact<'a> {
    #[serde(borrow)]
    crm_id: Text<'a>,
    #[serde(default)]
    fail_if_chatroom_exists_on_other_waba_phone: Option<bool>,
    #[serde(default)]
    next_free_waba_phone: Option<bool>,
    #[serde(default)]
    deactivate_existing: Option<bool>,
}

#[derive(Deserialize)]
struct CreateForAffiliate<'a> {
    #[serde(borrow)]
    phone: Text<'a>,
}

fn create(json: &str) -> Result<Asked, DeadLetter> {
    let wire: Create<'_> = read::object("$", json)?;
    let waba_phone = wire.waba_phone.international_phone("$.waba_phone")?.canonical;
    let display_name = wire.display_name.as_ref();
    let display_name = display_name
        .map(|text| text.name("$.display_name"))
        .transpose()?
        .flatten();
    let reference = wire.external_ref_id.as_ref();
    let external_ref_id = reference
        .map(|text| text.id("$.external_ref_id", ExternalRefId::parse))
        .transpose()?;
    match wire.kind.as_ref().map(|kind| &*kind.0) {
        None | Some("CONTACT") => {
            let flags: CreateForContact<'_> = read::object("$", json)?;
            Ok(Asked::Command(What::CreateChatroom(CreateChatroom {
                crm_id: flags.crm_id.id("$.crm_id", CrmId::parse)?,
                waba_phone,
                display_name,
                external_ref_id,
                strict: flags.fail_if_chatroom_exists_on_other_waba_phone.unwrap_or(false),
                next_free: flags.next_free_waba_phone.unwrap_or(false),
                deactivate_existing: flags.deactivate_existing.unwrap_or(false),
            })))
        }
        Some("AFFILIATE") => {
            let wire: CreateForAffiliate<'_> = read::object("$", json)?;
            Ok(Asked::Affiliate(Box::new(AffiliateAsked {
                phone_text: Arc::from(&*wire.phone.0),
                waba_phone,
                display_name,
                external_ref_id,
            })))
        }
        Some(_) => Err(malformed("$.kind", "is neither CONTACT nor AFFILIATE")),
    }
}
