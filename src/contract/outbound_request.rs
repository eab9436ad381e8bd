//! `outbound-requests`: a message that an agent wants to send.

use super::read::{self, Text};
use super::record::RawRecord;
use crate::domain::effect::DeadLetter;
use crate::domain::event::What;
use crate::domain::ids::{ChatroomName, OrgId, RequestId};
use crate::domain::time::Instant;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A record as it stands; `outbound` reads it again for what the domain keeps no copy of.
#[derive(Deserialize)]
pub struct Asked<'a> {
    #[serde(borrow)]
    org_id: Text<'a>,
    #[serde(borrow, default)]
    request_id: Option<Text<'a>>,
    #[serde(borrow)]
    chatroom_id: Text<'a>,
    /// Byte for byte.
    #[serde(borrow)]
    pub message: &'a RawValue,
    #[serde(borrow, default)]
    requested_by: Option<Text<'a>>,
    #[serde(borrow, default)]
    not_after: Option<Text<'a>>,
}

impl<'a> Asked<'a> {
    pub fn read(record: &RawRecord<'a>) -> Result<Self, DeadLetter> {
        read::object("$", read::text(record.value)?)
    }

    pub fn requested_by(&self) -> Option<&str> {
        self.requested_by.as_ref().map(|agent| &*agent.0)
    }

    pub fn not_after(&self) -> Result<Option<Instant>, DeadLetter> {
        let not_after = self.not_after.as_ref();
        not_after.map(|text| text.instant("$.not_after")).transpose()
    }
}

pub fn decode(record: &RawRecord<'_>) -> Result<(OrgId, RequestId, What), DeadLetter> {
    let asked = Asked::read(record)?;
    let org = asked.org_id.id("$.org_id", OrgId::parse)?;
    let request = super::decode::request_id(asked.request_id.as_ref(), record)?;
    let chatroom = asked.chatroom_id.id("$.chatroom_id", ChatroomName::parse)?;
    read::message_type(asked.message)?;
    asked.not_after()?;
    Ok((org, request, What::Send(chatroom)))
}
