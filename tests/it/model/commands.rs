//! Commands and their results (K1, K2), and settings (A5).

use super::phone::{canonical, typed};
use super::state::{About, Cause, Days, Org, Past, REMEMBERED};
use super::{In, Model, Out, text};
use crate::harness::names::{DEAD, OUTBOUND_REQUESTS, RESULTS};
use jiff::Timestamp;
use serde_json::{Value, json};

/// How a command ended.
pub struct Verdict {
    pub status: &'static str,
    pub code: Option<&'static str>,
    pub about: About,
    pub conflict: Value,
    pub at: Timestamp,
}

impl Verdict {
    pub fn applied(about: About, at: Timestamp) -> Verdict {
        Verdict::new("APPLIED", about, at)
    }

    pub fn unchanged(about: About, at: Timestamp) -> Verdict {
        Verdict::new("UNCHANGED", about, at)
    }

    pub fn refused(code: &'static str, about: About, at: Timestamp) -> Verdict {
        Verdict {
            code: Some(code),
            ..Verdict::new("REFUSED", about, at)
        }
    }

    pub fn because_of(self, conflict: Value) -> Verdict {
        Verdict { conflict, ..self }
    }

    fn new(status: &'static str, about: About, at: Timestamp) -> Verdict {
        Verdict {
            status,
            code: None,
            about,
            conflict: Value::Null,
            at,
        }
    }
}

/// A command on its way through the rules.
pub struct Command<'a> {
    pub org_id: &'a str,
    pub kind: &'a str,
    pub value: &'a Value,
    pub cause: Cause<'a>,
}

impl Model {
    pub(super) fn command(&mut self, record: &In) -> Vec<Out> {
        let value = record.value.expect("a command has a value");
        let org_id = text(value, "org_id");
        let request_id = value["request_id"].as_str().unwrap_or(record.position);
        let kind = if record.topic == OUTBOUND_REQUESTS {
            "outbound.send"
        } else {
            text(value, "type")
        };
        let room_name = self.new_room_name();
        let org = self.orgs.entry(org_id.to_owned()).or_default();
        let mut command = Command {
            org_id,
            kind,
            value,
            cause: Cause {
                reason: if record.from_api { "api" } else { "crm" },
                request_id: Some(request_id),
                at: record.at,
            },
        };
        let target = command.target(org);
        command.cause.at = org.not_before(&target, record.at);
        let mut outs = Vec::new();
        let past = org.past(&command, request_id);
        let dead = Out {
            topic: DEAD,
            key: record.key.to_owned(),
            value: value.clone(),
        };
        let (verdict, first) = if org.settings.is_none() {
            let at = org.raised(&command);
            org.not_before(&target, at);
            if past.is_none() {
                let about = org.target_of(&command);
                org.remember(&command, request_id, &Verdict::refused("UNKNOWN_ORG", about, at));
            }
            let verdict = Verdict::refused("UNKNOWN_ORG", About::Nothing, at);
            (verdict, None)
        } else if command.value["kind"] == "AFFILIATE" && command.phone(org).is_none() {
            return vec![dead];
        } else if let Some(past) = past {
            (org.repeat(&command, &past, &mut outs), Some(past))
        } else if let Some(verdict) = org.decide(&command, room_name, &mut outs) {
            org.remember(&command, request_id, &verdict);
            org.not_before(&target, verdict.at);
            (verdict, None)
        } else {
            // Looked at where the contact stands, for its state comes before its phone (P1).
            if let Some(phone) = org.phone_of_contact(text(value, "crm_id")) {
                let at = org.decision_time(&phone, command.cause.at);
                org.not_before(&target, at);
            }
            outs.push(dead);
            return outs;
        };
        outs.push(org.result(&command, request_id, &verdict, first.as_ref()));
        outs
    }

    pub(super) fn settings(&mut self, record: &In) -> Vec<Out> {
        let org = self.orgs.entry(record.key.to_owned()).or_default();
        let request_id = record
            .value
            .and_then(|value| value["request_id"].as_str())
            .unwrap_or(record.position);
        let wanted = record.value.map(|value| {
            let mut value = value.clone();
            let fields = value.as_object_mut().expect("an object");
            // What is absent, null or the default says the same (I5).
            fields.retain(|name, field| {
                name != "request_id" && !field.is_null() && !(name == "inbound_scope" && field == "PHONE")
            });
            value
        });
        let at = org.not_before("", record.at);
        let target = (String::new(), request_id.to_owned());
        let past = org
            .requests
            .get(&target)
            .filter(|past| at < past.at + REMEMBERED)
            .cloned();
        let status = match &past {
            Some(_) => "DUPLICATE",
            None if org.settings == wanted => "UNCHANGED",
            None => {
                org.put(wanted, record.effective);
                "APPLIED"
            }
        };
        let first = past
            .clone()
            .map(|past| json!({"status": past.status, "code": past.code}));
        org.requests.entry(target).or_insert(Past {
            at,
            status,
            code: None,
            about: About::Nothing,
        });
        let value = json!({
            "request_id": request_id, "org_id": record.key, "type": "settings.put", "status": status,
            "first": first, "decided_at": at.to_string(),
        });
        vec![Out {
            topic: RESULTS,
            key: format!("{}:{request_id}", record.key),
            value,
        }]
    }
}

impl Org {
    fn put(&mut self, wanted: Option<Value>, from: Timestamp) {
        let days = |name: &str| wanted.as_ref().and_then(|settings| settings[name].as_i64());
        self.days.push(Days {
            from,
            deactivate: days("deactivate_after_days"),
            expire: days("expire_after_days"),
        });
        self.settings = wanted;
    }

    /// None: a phone in it is none, a dead letter.
    fn decide(&mut self, command: &Command, room_name: String, outs: &mut Vec<Out>) -> Option<Verdict> {
        Some(match command.kind {
            "contact.upsert" => return self.upsert(command, outs),
            "contact.delete" => self.erase(command, outs),
            "chatroom.create" if command.value["kind"] == "AFFILIATE" => {
                self.create_affiliate(command, room_name, outs)
            }
            "chatroom.create" => self.create(command, room_name, outs),
            "chatroom.activate" => self.activate(command, outs),
            "chatroom.deactivate" => self.deactivate(command, outs),
            "chatroom.expire" => self.expire(command, outs),
            "outbound.send" => self.send(command, outs),
            other => panic!("{other} is no command"),
        })
    }

    fn past(&self, command: &Command, request_id: &str) -> Option<Past> {
        let past = self.requests.get(&(command.target(self), request_id.to_owned()))?;
        (command.cause.at < past.at + REMEMBERED).then(|| past.clone())
    }

    fn remember(&mut self, command: &Command, request_id: &str, verdict: &Verdict) {
        let target = (command.target(self), request_id.to_owned());
        let past = Past {
            at: verdict.at,
            status: verdict.status,
            code: verdict.code,
            about: verdict.about.clone(),
        };
        self.requests.insert(target, past);
    }

    /// No effect; the state is that of now, with what is due by now.
    fn repeat(&mut self, command: &Command, past: &Past, outs: &mut Vec<Out>) -> Verdict {
        let phone = match &past.about {
            About::Contact(crm_id) => self.phone_of_contact(crm_id),
            About::Room(id) => self.phone_of_room(id),
            About::Nothing if command.value["kind"] == "AFFILIATE" => command.phone(self),
            About::Nothing => self.phone_of_contact(text(command.value, "crm_id")),
        };
        let at = match phone {
            Some(phone) => {
                let at = self.decision_time(&phone, command.cause.at);
                self.apply_timers(command.org_id, &phone, at, outs);
                at
            }
            None => command.cause.at,
        };
        Verdict {
            status: "DUPLICATE",
            ..Verdict::applied(past.about.clone(), at)
        }
    }

    /// A decision about one contact, chatroom or org is never before an earlier one, as those of a phone (S1).
    fn not_before(&mut self, target: &str, at: Timestamp) -> Timestamp {
        if target.starts_with("phone:") {
            return at;
        }
        let last = self.decided.entry(target.to_owned()).or_insert(at);
        *last = at.max(*last);
        *last
    }

    /// Where a chatroom or an affiliate's phone is named, the decision is one of that phone.
    fn raised(&mut self, command: &Command) -> Timestamp {
        let phone = match command.value["chatroom_id"].as_str() {
            Some(id) => self.phone_of_room(id),
            None => command.phone(self).filter(|_| command.value["kind"] == "AFFILIATE"),
        };
        phone.map_or(command.cause.at, |phone| self.decision_time(&phone, command.cause.at))
    }

    /// The chatroom or contact that a command names.
    fn target_of(&self, command: &Command) -> About {
        match (command.value["crm_id"].as_str(), command.value["chatroom_id"].as_str()) {
            (Some(crm_id), _) => About::Contact(crm_id.to_owned()),
            (None, Some(id)) => About::Room(id.to_owned()),
            (None, None) => About::Nothing,
        }
    }

    fn result(&self, command: &Command, request_id: &str, verdict: &Verdict, first: Option<&Past>) -> Out {
        let (chatroom, contact) = self.state_of(&verdict.about);
        let value = json!({
            "request_id": request_id, "org_id": command.org_id, "type": command.kind, "status": verdict.status,
            "code": verdict.code, "chatroom": chatroom, "contact": contact, "conflict": verdict.conflict,
            "first": first.map(|past| json!({"status": past.status, "code": past.code})),
            "decided_at": verdict.at.to_string(),
        });
        Out {
            topic: RESULTS,
            key: format!("{}:{request_id}", command.org_id),
            value,
        }
    }
}

impl Command<'_> {
    /// `crm_id`, else `chatroom_id`, else the affiliate's phone (K2).
    fn target(&self, org: &Org) -> String {
        for field in ["crm_id", "chatroom_id"] {
            if let Some(id) = self.value[field].as_str() {
                return format!("{field}:{id}");
            }
        }
        format!("phone:{}", self.phone(org).unwrap_or_default())
    }

    fn phone(&self, org: &Org) -> Option<String> {
        typed(text(self.value, "phone"), org.region()).and_then(|phone| canonical(&phone))
    }
}
