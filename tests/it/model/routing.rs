//! Where a message from a customer goes (I0 to I11).

use super::phone::{canonical, spelled};
use super::state::{ACTIVE, Cause, DAY, DEACTIVATED, EXPIRED, Entry, Org, REMEMBERED, Room};
use super::{In, Model, Out, instant, text};
use crate::harness::names::{OUTBOUND, ROUTED, UNROUTED};
use jiff::Timestamp;
use serde_json::{Value, json};

impl Model {
    pub(super) fn inbound(&mut self, record: &In) -> Vec<Out> {
        let message = record.value.expect("a message has a value");
        let org_id = text(message, "org_id");
        let org = self.orgs.entry(org_id.to_owned()).or_default();
        let mut outs = Vec::new();
        let Some(phone) = message["from"].as_str().and_then(canonical) else {
            let why = org.gate(message).unwrap_or("NO_PHONE");
            let user = text(message, "from_user_id");
            let at = org.decision_time(user, record.at);
            let seen = &mut org.entry(user).seen;
            let id = text(message, "message_id").to_owned();
            if seen.get(&id).is_some_and(|(first, _)| at < *first + REMEMBERED) {
                return outs;
            }
            seen.insert(id, (at, false));
            return vec![unrouted(format!("{org_id}:{user}"), message, why, &[])];
        };
        let at = org.decision_time(&phone, record.at);
        let entry = org.entry(&phone);
        let known = entry
            .seen
            .get(text(message, "message_id"))
            .filter(|(first, _)| at < *first + REMEMBERED)
            .copied();
        if known.is_some_and(|(_, routed)| routed) {
            return outs;
        }
        let why = org.gate(message);
        if why.is_none() {
            org.apply_timers(org_id, &phone, at, &mut outs);
        }
        let routed = why.is_none() && org.route(message, &phone, at, &mut outs);
        if !routed && known.is_none() {
            let holders = if why.is_none() {
                org.entry(&phone).holders()
            } else {
                Vec::new()
            };
            let nobody = if holders.is_empty() {
                "NO_CONTACT"
            } else {
                "NO_CHATROOM"
            };
            outs.push(unrouted(
                format!("{org_id}:{phone}"),
                message,
                why.unwrap_or(nobody),
                &holders,
            ));
        }
        let first = known.map_or(at, |(first, _)| first);
        let entry = org.entry(&phone);
        entry
            .seen
            .insert(text(message, "message_id").to_owned(), (first, routed));
        entry.spelled = Some(international(text(message, "from")));
        outs
    }
}

fn international(from: &str) -> String {
    format!("+{}", from.trim_start_matches('+'))
}

fn unrouted(key: String, message: &Value, why: &str, holders: &[String]) -> Out {
    let mut value = message.clone();
    for (name, phone) in [
        ("from", spelled(text(message, "from"))),
        ("waba_phone", canonical(text(message, "waba_phone"))),
    ] {
        if let Some(phone) = phone {
            value[name] = json!(phone);
        }
    }
    value["unrouted"] = json!({"reason": why, "rule": "I4", "crm_ids": holders});
    Out {
        topic: UNROUTED,
        key,
        value,
    }
}

impl Org {
    /// Never before the decision time of an earlier record of the same entry.
    pub fn decision_time(&mut self, phone: &str, at: Timestamp) -> Timestamp {
        let entry = self.entry(phone);
        entry.last = entry.last.max(at);
        entry.last
    }

    /// Why a message can't be judged at all (I4).
    fn gate(&self, message: &Value) -> Option<&'static str> {
        let waba_phone = canonical(text(message, "waba_phone")).unwrap_or_default();
        if self.settings.is_none() {
            return Some("UNKNOWN_ORG");
        }
        (!self.registers(&waba_phone)).then_some("UNKNOWN_WABA_PHONE")
    }

    fn route(&mut self, message: &Value, phone: &str, at: Timestamp, outs: &mut Vec<Out>) -> bool {
        let org_id = text(message, "org_id");
        let received_on = canonical(text(message, "waba_phone")).expect("registered");
        let candidates = self.candidates(phone, &received_on);
        let Some(chosen) = candidates.first().cloned() else {
            return false;
        };
        let is_person = message["message"]["type"] != "system";
        let (reason, rule) = match (chosen.status, is_person) {
            (ACTIVE, _) => ("ACTIVE", "I1"),
            (DEACTIVATED, true) => ("REACTIVATED", "I2"),
            (DEACTIVATED, false) => ("DEACTIVATED", "I9"),
            _ => ("EXPIRED", "I3"),
        };
        if reason == "REACTIVATED" {
            let cause = Cause {
                reason: "inbound",
                request_id: None,
                at,
            };
            self.entry(phone).activate(org_id, &chosen.id, &cause, outs);
        }
        if is_person {
            let sent_at = instant(&message["sent_at"]).expect("required").min(at);
            let room = self.entry(phone).room_mut(&chosen.id);
            room.last_message = Some(room.last_message.map_or(sent_at, |old| old.max(sent_at)));
        }
        let auto_reply = (reason == "EXPIRED").then(|| self.auto_reply(message, phone, &chosen, outs));
        let status = self.entry(phone).room(&chosen.id).status;
        let listed: Vec<Value> = candidates.iter().take(20).map(candidate).collect();
        let route = json!({"reason": reason, "rule": rule, "candidates": listed, "auto_reply": auto_reply});
        let value = json!({
            "org_id": org_id, "chatroom_id": chosen.id, "chatroom_status": status, "chatroom_kind": chosen.kind(),
            "crm_id": chosen.crm_id, "waba_phone": chosen.waba_phone, "received_on": received_on,
            "from": international(text(message, "from")), "message_id": message["message_id"],
            "sent_at": message["sent_at"], "message": message["message"], "route": route,
        });
        outs.push(Out {
            topic: ROUTED,
            key: chosen.id,
            value,
        });
        true
    }

    /// Every chatroom that may take it, best first (I1 to I3, I5, I6, R5).
    fn candidates(&self, phone: &str, received_on: &str) -> Vec<Room> {
        let pair_only = self
            .settings
            .as_ref()
            .is_some_and(|settings| settings["inbound_scope"] == "PAIR");
        let rooms = self
            .entries
            .get(phone)
            .map(|entry| entry.rooms.as_slice())
            .unwrap_or_default();
        let mut allowed: Vec<Room> = rooms
            .iter()
            .filter(|room| !room.phone_changed)
            .filter(|room| !pair_only || room.waba_phone == received_on)
            .filter(|room| room.status != DEACTIVATED || self.registers(&room.waba_phone))
            .cloned()
            .collect();
        let rank = |room: &Room| {
            let status = [ACTIVE, DEACTIVATED, EXPIRED]
                .iter()
                .position(|status| *status == room.status);
            (status, room.waba_phone != received_on)
        };
        allowed.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| b.order().cmp(&a.order())));
        allowed
    }

    /// What becomes of the auto-reply (I7), in words of the routed message.
    fn auto_reply(&mut self, message: &Value, phone: &str, room: &Room, outs: &mut Vec<Out>) -> &'static str {
        let settings = self.settings.clone().unwrap_or_default();
        let reply = &settings["expired_auto_reply"];
        let sent_at = instant(&message["sent_at"]).expect("required");
        let entry = self.entry(phone);
        let at = entry.last;
        let hour = at.as_second().div_euclid(3600);
        let sent = entry.replies.entry(hour).or_default();
        if message["message"]["type"] == "system" {
            return "NOT_A_PERSON";
        }
        if reply.is_null() {
            return "NOT_CONFIGURED";
        }
        if at.duration_since(sent_at) > DAY {
            return "TOO_OLD";
        }
        if reply["max_per_hour"].as_u64().is_some_and(|most| *sent >= most) {
            return "RATE_LIMITED";
        }
        *sent += 1;
        let org_id = text(message, "org_id");
        outs.push(Out {
            topic: OUTBOUND,
            key: format!("{org_id}:{phone}"),
            value: json!({
                "org_id": org_id, "chatroom_id": room.id, "waba_phone": canonical(text(message, "waba_phone")),
                "to": international(text(message, "from")), "origin": "AUTO_REPLY",
                "in_reply_to": message["message_id"], "not_after": (sent_at + DAY).to_string(),
                "message": {"type": "text", "text": {"body": reply["text"]}},
            }),
        });
        "SENT"
    }
}

fn candidate(room: &Room) -> Value {
    json!({
        "chatroom_id": room.id, "crm_id": room.crm_id, "waba_phone": room.waba_phone, "status": room.status,
        "since": room.since.to_string(),
    })
}

impl Entry {
    pub fn room(&self, id: &str) -> &Room {
        self.rooms.iter().find(|room| room.id == id).expect("known")
    }

    pub fn room_mut(&mut self, id: &str) -> &mut Room {
        self.rooms.iter_mut().find(|room| room.id == id).expect("known")
    }

    /// The contacts that hold the phone and are not expired.
    pub fn holders(&self) -> Vec<String> {
        let alive = self.contacts.iter().filter(|(_, contact)| !contact.expired);
        alive.map(|(crm_id, _)| crm_id.clone()).collect()
    }
}
