//! `outbound-requests`: a message that an agent wants to send.

use super::read::{self, Text};
use super::record::RawRecord;
use crate::domain::effect::DeadLetter;
use crate::domain::event::What;
use crate::domain::ids::{ChatroomName, OrgId, RequestId};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    org_id: Text<'a>,
    #[serde(borrow, default)]
    request_id: Option<Text<'a>>,
    #[serde(borrow)]
    chatroom_id: Text<'a>,
    #[serde(borrow)]
    message: &'a RawValue,
    /// Only that it is a text: it is passed on.
    #[serde(borrow, default, rename = "requested_by")]
    _requested_by: Option<Text<'a>>,
    #[serde(borrow, default)]
    not_after: Option<Text<'a>>,
}

pub fn decode(record: &RawRecord<'_>) -> Result<(OrgId, RequestId, What), DeadLetter> {
    let wire: Wire<'_> = read::object("$", read::text(record.value)?)?;
    let org = wire.org_id.id("$.org_id", OrgId::parse)?;
    let request = super::decode::request_id(wire.request_id.as_ref(), record)?;
    let chatroom = wire.chatroom_id.id("$.chatroom_id", ChatroomName::parse)?;
    read::message_type(wire.message)?;
    if let Some(not_after) = &wire.not_after {
        not_after.instant("$.not_after")?;
    }
    Ok((org, request, What::Send(chatroom)))
}
