//! What is known under a phone, as JSON: for the API, and for the commands that look into the index.

use crate::contract::instant;
use crate::contract::words::Word;
use crate::domain::chatroom::Chatroom;
use crate::domain::contact::Contact;
use crate::domain::settings::{Content, OrgSettings, WabaPhone};
use crate::domain::time::Instant;
use crate::inspect::Found;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// All that an org knows under a phone.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Phone)]
pub struct ShownPhone {
    /// Null: nothing is known.
    #[schema(example = "+919812345678")]
    pub phone: Option<String>,
    /// What else there is to say.
    pub note: Option<String>,
    pub contacts: Vec<ShownContact>,
    /// The latest first.
    pub chatrooms: Vec<ShownChatroom>,
    /// The index holds all that was decided up to here. Null: it is being rebuilt, and may lack much.
    #[schema(format = DateTime)]
    pub applied_until: Option<String>,
}

/// A lead in the CRM.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Contact)]
pub struct ShownContact {
    pub crm_id: String,
    #[schema(example = "ACTIVE")]
    pub status: &'static str,
    /// On its way to another phone.
    pub moving: bool,
    #[schema(format = DateTime)]
    pub created_at: String,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    #[schema(value_type = Option<Object>)]
    pub attributes: Option<Box<RawValue>>,
}

/// The thread between a contact, or an affiliate, and one WABA phone.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Chatroom)]
pub struct ShownChatroom {
    pub chatroom_id: String,
    /// Null: an affiliate's.
    pub crm_id: Option<String>,
    #[schema(example = "CONTACT")]
    pub kind: &'static str,
    pub waba_phone: String,
    #[schema(example = "ACTIVE")]
    pub status: &'static str,
    /// Of the last change of its status.
    #[schema(format = DateTime)]
    pub since: String,
    /// The last message from the contact.
    #[schema(format = DateTime)]
    pub last_message_at: Option<String>,
    pub display_name: String,
    pub external_ref_id: Option<String>,
}

/// A contact with its phone and its chatrooms.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ContactInFull)]
pub struct OneContact {
    #[serde(flatten)]
    pub contact: ShownContact,
    pub phone: String,
    /// The latest first.
    pub chatrooms: Vec<ShownChatroom>,
    /// The index holds all that was decided up to here. Null: it is being rebuilt, and may lack much.
    #[schema(format = DateTime)]
    pub applied_until: Option<String>,
}

/// A chatroom with its phone.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChatroomInFull)]
pub struct OneChatroom {
    #[serde(flatten)]
    pub chatroom: ShownChatroom,
    pub phone: String,
    /// The index holds all that was decided up to here. Null: it is being rebuilt, and may lack much.
    #[schema(format = DateTime)]
    pub applied_until: Option<String>,
}

/// An org's settings that are in force.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SettingsInForce)]
pub struct ShownSettings {
    pub org_id: String,
    /// The number that routed messages and results name.
    pub settings_version: i64,
    pub default_region: Option<String>,
    pub waba_phones: Vec<ShownWabaPhone>,
    pub deactivate_after_days: Option<u32>,
    pub expire_after_days: Option<u32>,
    pub expired_auto_reply: Option<ShownAutoReply>,
    pub inbound_scope: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WabaPhoneInForce)]
pub struct ShownWabaPhone {
    pub phone: String,
    pub phone_number_id: Option<String>,
    pub waba_id: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AutoReplyInForce)]
pub struct ShownAutoReply {
    pub text: String,
    pub max_per_hour: Option<u32>,
}

#[must_use]
pub fn phone(found: &Found) -> ShownPhone {
    ShownPhone {
        phone: found.phone.map(|phone| phone.to_string()),
        note: found.note.clone(),
        contacts: found.contacts.iter().map(contact).collect(),
        chatrooms: latest_first(&found.chatrooms).into_iter().map(chatroom).collect(),
        applied_until: until(found.applied_until),
    }
}

#[must_use]
pub fn contact(contact: &Contact) -> ShownContact {
    let profile = &contact.profile;
    let attributes = profile.attributes.as_deref();
    ShownContact {
        crm_id: contact.crm_id.to_string(),
        status: contact.status.word(),
        moving: contact.leaving,
        created_at: instant::format(contact.created_at),
        first_name: profile.first_name.as_deref().map(str::to_owned),
        last_name: profile.last_name.as_deref().map(str::to_owned),
        attributes: attributes.and_then(|json| RawValue::from_string(json.to_owned()).ok()),
    }
}

#[must_use]
pub fn chatroom(room: &Chatroom) -> ShownChatroom {
    ShownChatroom {
        chatroom_id: room.id.to_string(),
        crm_id: room.crm_id().map(ToString::to_string),
        kind: if room.crm_id().is_some() {
            "CONTACT"
        } else {
            "AFFILIATE"
        },
        waba_phone: room.waba_phone.to_string(),
        status: room.status.word(),
        since: instant::format(room.since),
        last_message_at: until(room.last_message_at),
        display_name: room.display_name.to_string(),
        external_ref_id: room.external_ref_id.as_ref().map(ToString::to_string),
    }
}

#[must_use]
pub fn latest_first(rooms: &[Chatroom]) -> Vec<&Chatroom> {
    let mut rooms: Vec<&Chatroom> = rooms.iter().collect();
    rooms.sort_by(|one, other| other.cmp_latest(one));
    rooms
}

/// None: there is none, or not yet.
#[must_use]
pub fn until(instant: Option<Instant>) -> Option<String> {
    instant.map(instant::format)
}

/// None: the org was removed.
#[must_use]
pub fn settings(org: &str, settings: &OrgSettings) -> Option<ShownSettings> {
    let Content {
        default_region,
        waba_phones,
        days,
        expired_auto_reply,
        inbound_scope,
    } = settings.content.as_ref()?;
    Some(ShownSettings {
        org_id: org.to_owned(),
        settings_version: settings.version,
        default_region: default_region.map(|region| region.as_str().to_owned()),
        waba_phones: waba_phones.iter().map(waba_phone).collect(),
        deactivate_after_days: days.deactivate_after,
        expire_after_days: days.expire_after,
        expired_auto_reply: expired_auto_reply.as_ref().map(|reply| ShownAutoReply {
            text: reply.text.to_string(),
            max_per_hour: reply.max_per_hour,
        }),
        inbound_scope: inbound_scope.word(),
    })
}

fn waba_phone(waba: &WabaPhone) -> ShownWabaPhone {
    ShownWabaPhone {
        phone: waba.phone.to_string(),
        phone_number_id: waba.phone_number_id.as_deref().map(str::to_owned),
        waba_id: waba.waba_id.as_deref().map(str::to_owned),
    }
}
