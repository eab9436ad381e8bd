//! What an agent wants to send (O1 to O3).

use super::Out;
use super::commands::{Command, Verdict};
use super::state::{About, DEACTIVATED, EXPIRED, Org};
use crate::harness::names::OUTBOUND;
use serde_json::json;

impl Org {
    pub(super) fn send(&mut self, command: &Command, outs: &mut Vec<Out>) -> Verdict {
        let (phone, room, at) = match self.target_room(command, outs) {
            Ok(found) => found,
            Err(refused) => return refused,
        };
        let about = About::Room(room.id.clone());
        match room.status {
            EXPIRED => return Verdict::refused("CHATROOM_EXPIRED", about, at),
            _ if !self.registers(&room.waba_phone) => return Verdict::refused("UNKNOWN_WABA_PHONE", about, at),
            DEACTIVATED => return Verdict::refused("CHATROOM_DEACTIVATED", about, at),
            _ => {}
        }
        let entry = self.entry(&phone);
        let to = entry.spelled.clone().or_else(|| entry.written.clone());
        let to = to.unwrap_or_else(|| phone.clone());
        outs.push(Out {
            topic: OUTBOUND,
            key: format!("{}:{phone}", command.org_id),
            value: json!({
                "org_id": command.org_id, "chatroom_id": room.id, "waba_phone": room.waba_phone, "to": to,
                "origin": "AGENT", "request_id": command.cause.request_id, "in_reply_to": null,
                "requested_by": command.value["requested_by"], "not_after": command.value["not_after"],
                "message": command.value["message"],
            }),
        });
        Verdict::applied(about, at)
    }
}
