//! The orgs, customers and agents of a load, and the records that they send, by the contracts. All names follow from
//! numbers: the same numbers are the same orgs and phones again.

use super::dice::What;
use super::plan::Plan;
use crate::contract::{TopicKind, instant};
use crate::domain::time::Instant;
use serde_json::{Value, json};

/// About as long as people write.
const WORDS: &str = "Is the flat near the lake still free, and could we come and see it on Sunday after four?";

pub struct World {
    seed: u32,
    pub orgs: u32,
    pub phones: u32,
    /// By customer, once they are there.
    pub chatrooms: Vec<Box<str>>,
}

/// A record as the contracts want it.
pub struct Made {
    pub topic: TopicKind,
    pub key: String,
    pub value: Value,
}

impl World {
    pub fn of(plan: &Plan) -> Self {
        Self {
            seed: plan.seed,
            orgs: plan.orgs,
            phones: plan.phones,
            chatrooms: Vec::new(),
        }
    }

    fn org(&self, number: u32) -> String {
        format!("load-{}-{}", self.seed, number + 1)
    }

    fn org_of(&self, customer: u32) -> String {
        self.org(customer % self.orgs)
    }

    fn waba_phone(&self, org: u32) -> String {
        format!("+1202555{:04}", 1_000 + org)
    }

    fn waba_phone_of(&self, customer: u32) -> String {
        self.waba_phone(customer % self.orgs)
    }

    /// An Indian mobile number; those of strangers are others.
    fn phone(customer: u32, is_stranger: bool) -> String {
        let operator = if is_stranger { "97" } else { "98" };
        format!("+91{operator}{customer:08}")
    }

    fn crm_id(customer: u32) -> String {
        format!("L-{customer}")
    }

    pub fn settings(&self, org: u32, request: &str) -> Made {
        let id = self.org(org);
        Made {
            topic: TopicKind::OrgSettings,
            value: json!({
                "org_id": id, "request_id": request, "default_region": "IN",
                "waba_phones": [{"phone": self.waba_phone(org)}],
            }),
            key: id,
        }
    }

    pub fn contact(&self, customer: u32, request: &str) -> Made {
        self.upsert(customer, request, json!({}))
    }

    fn upsert(&self, customer: u32, request: &str, attributes: Value) -> Made {
        let (org, crm_id) = (self.org_of(customer), Self::crm_id(customer));
        Made {
            topic: TopicKind::CrmChanges,
            key: format!("{org}:{crm_id}"),
            value: json!({
                "type": "contact.upsert", "request_id": request, "org_id": org, "crm_id": crm_id,
                "phone": Self::phone(customer, false), "first_name": "Asha", "last_name": "Rao", "attributes": attributes,
            }),
        }
    }

    pub fn chatroom(&self, customer: u32, request: &str) -> Made {
        let (org, crm_id) = (self.org_of(customer), Self::crm_id(customer));
        Made {
            topic: TopicKind::CrmChanges,
            key: format!("{org}:{crm_id}"),
            value: json!({
                "type": "chatroom.create", "request_id": request, "org_id": org, "crm_id": crm_id,
                "waba_phone": self.waba_phone_of(customer),
            }),
        }
    }

    /// What somebody sends; `id` is the message's or the request's.
    pub fn made(&self, (what, customer): (What, u32), id: &str, now: Instant) -> Made {
        match what {
            What::Message { is_stranger } => self.message(customer, is_stranger, id, now),
            What::Reply => self.reply(customer, id),
            What::Change => self.upsert(customer, id, json!({"seen": id})),
            What::Activate => self.turn("chatroom.activate", customer, id),
            What::Deactivate => self.turn("chatroom.deactivate", customer, id),
        }
    }

    fn message(&self, customer: u32, is_stranger: bool, id: &str, now: Instant) -> Made {
        let (org, from) = (self.org_of(customer), Self::phone(customer, is_stranger));
        Made {
            topic: TopicKind::InboundMessages,
            key: format!("{org}:{from}"),
            value: json!({
                "org_id": org, "waba_phone": self.waba_phone_of(customer), "from": from, "message_id": id,
                "sent_at": instant::format(now), "message": words(id),
            }),
        }
    }

    fn reply(&self, customer: u32, id: &str) -> Made {
        let org = self.org_of(customer);
        Made {
            topic: TopicKind::OutboundRequests,
            key: format!("{org}:{}", Self::phone(customer, false)),
            value: json!({
                "request_id": id, "org_id": org, "chatroom_id": self.chatroom_id(customer),
                "message": words(id), "requested_by": format!("agent-{}", customer % 7),
            }),
        }
    }

    fn turn(&self, kind: &str, customer: u32, id: &str) -> Made {
        let (org, chatroom_id) = (self.org_of(customer), self.chatroom_id(customer));
        Made {
            topic: TopicKind::CrmChanges,
            key: format!("{org}:{chatroom_id}"),
            value: json!({"type": kind, "request_id": id, "org_id": org, "chatroom_id": chatroom_id}),
        }
    }

    fn chatroom_id(&self, customer: u32) -> &str {
        self.chatrooms.get(customer as usize).map_or("", |id| id)
    }
}

/// As WhatsApp writes a message of text.
fn words(id: &str) -> Value {
    json!({"type": "text", "id": id, "text": {"body": WORDS}})
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::plan;
    use super::*;
    use crate::domain::phone::parse_international;

    fn schema(topic: TopicKind) -> jsonschema::Validator {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
        let text = std::fs::read_to_string(folder.join(topic.default_name()).with_extension("json")).unwrap();
        let schema = serde_json::from_str(&text).unwrap();
        let options = jsonschema::draft202012::options().should_validate_formats(true);
        options.build(&schema).unwrap()
    }

    #[test]
    fn all_that_is_sent_holds_by_the_contracts() {
        let mut world = World::of(&plan("--orgs 3 --phones 10"));
        world.chatrooms = vec!["da9-6df27029-4744-5a3b-9c51-7dcf02a7aa90".into(); 10];
        let now = Instant(1_800_000_000_000);
        let made = |what| world.made((what, 7), "load-x-i1", now);
        for made in [
            world.settings(2, "load-x-s2"),
            world.contact(7, "load-x-c7"),
            world.chatroom(7, "load-x-r7"),
            made(What::Message { is_stranger: false }),
            made(What::Message { is_stranger: true }),
            made(What::Reply),
            made(What::Change),
            made(What::Activate),
            made(What::Deactivate),
        ] {
            let faults: Vec<String> = schema(made.topic)
                .iter_errors(&made.value)
                .map(|fault| fault.to_string())
                .collect();
            assert!(faults.is_empty(), "{}: {faults:?}", made.value);
            assert!(made.key.starts_with("load-1-"), "{}", made.key);
        }
    }

    #[test]
    fn every_phone_is_one() {
        let world = World::of(&plan("--orgs 1000 --phones 1000000"));
        for org in 0..world.orgs {
            assert!(parse_international(&world.waba_phone(org)).is_ok(), "{org}");
        }
        for customer in (0..world.phones).step_by(997).chain([world.phones - 1]) {
            for is_stranger in [false, true] {
                let phone = World::phone(customer, is_stranger);
                assert!(parse_international(&phone).is_ok(), "{phone}");
            }
        }
    }
}
