//! Makes rounds of records whose outcome the rules determine. Within a round each phone is touched by one lane alone:
//! records that stand in one partition in the order in which they must be judged.

use super::dice::Dice;
use crate::harness::client::Input;
use crate::harness::topics::{CRM, INBOUND, OUTBOUND_REQUESTS};
use crate::model::Model;
use crate::scenario::{DAY, HOUR, MINUTE, W1, W2, W3, merge};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

const PHONES: usize = 8;

/// An org of the stream, and what it is about to exercise.
pub struct OrgPlan {
    pub id: String,
    pub settings: Value,
    /// Erasure forgets what a counter of replies or a repeat would need, so it is exercised apart from them.
    pub erases: bool,
    pub erased: Vec<String>,
}

pub struct Generator {
    pub dice: Dice,
    pub orgs: Vec<OrgPlan>,
    counter: usize,
    /// Messages that may be repeated, by org and phone.
    heard: HashMap<(usize, String), Vec<Value>>,
    /// Commands that may be repeated, by org and contact.
    said: HashMap<(usize, String), Vec<Value>>,
}

/// One round while it is made.
struct Round<'a> {
    org: usize,
    org_id: String,
    at: Timestamp,
    model: &'a Model,
    homes: BTreeMap<String, String>,
    taken: BTreeSet<String>,
}

impl Generator {
    pub fn new(orgs: Vec<OrgPlan>, dice: Dice) -> Generator {
        Generator {
            dice,
            orgs,
            counter: 0,
            heard: HashMap::new(),
            said: HashMap::new(),
        }
    }

    pub fn phones() -> Vec<String> {
        (0..PHONES).map(|number| format!("+9198123456{number:02}")).collect()
    }

    /// The lanes of a round, all judged at one instant.
    pub fn round(&mut self, model: &Model, at: Timestamp) -> Vec<Vec<Input>> {
        let mut lanes = Vec::new();
        for org in 0..self.orgs.len() {
            let org_id = self.orgs[org].id.clone();
            let homes = model.contacts(&org_id);
            let mut round = Round {
                org,
                org_id,
                at,
                model,
                homes,
                taken: BTreeSet::new(),
            };
            let mut phones = Generator::phones();
            self.dice.shuffle(&mut phones);
            for phone in phones {
                if round.taken.insert(phone.clone()) {
                    lanes.push(self.lane(&mut round, &phone));
                }
            }
        }
        self.dice.shuffle(&mut lanes);
        lanes
    }

    fn lane(&mut self, round: &mut Round, phone: &str) -> Vec<Input> {
        let rooms = round.model.rooms(&round.org_id, phone);
        let room = self.dice.pick(&rooms).cloned();
        let (topic, key, values) = match (self.dice.roll(10), room) {
            (0..=3, _) => (INBOUND, phone.to_owned(), self.messages(round, phone)),
            (4..=6, _) => self.contact_commands(round, phone),
            (7, Some(room)) => (CRM, room.clone(), self.room_commands(&room)),
            (8, Some(room)) => (OUTBOUND_REQUESTS, phone.to_owned(), self.agent_messages(&room)),
            (9, _) => (CRM, phone.to_owned(), vec![self.affiliate(phone)]),
            _ => return Vec::new(),
        };
        // Now and then under a key that leads elsewhere: still one partition, so still in order.
        let key = if self.dice.one_in(8) {
            format!("astray-{}", self.dice.roll(9))
        } else {
            format!("{}:{key}", round.org_id)
        };
        let inputs = values.into_iter().map(|mut value| {
            value["org_id"] = json!(round.org_id);
            let input = Input::new(topic, &key, value.to_string().as_bytes(), round.at);
            if value["by_api"] == true {
                input.header("origin", "api")
            } else {
                input
            }
        });
        inputs.collect()
    }

    fn unique(&mut self, word: &str) -> String {
        self.counter += 1;
        format!("{word}-{}", self.counter)
    }

    fn waba_phone(&mut self) -> &'static str {
        [W1, W2, W3][self.dice.roll(3)]
    }

    /// The last is always a new one, whose outcome says that those before it have been judged.
    fn messages(&mut self, round: &Round, phone: &str) -> Vec<Value> {
        let mut values = Vec::new();
        for _ in 0..self.dice.roll(5) {
            let heard = self
                .heard
                .get(&(round.org, phone.to_owned()))
                .cloned()
                .unwrap_or_default();
            match self.dice.pick(&heard).filter(|_| self.counter.is_multiple_of(3)) {
                Some(repeat) => values.push(repeat.clone()),
                None => values.push(self.message(round, phone)),
            }
        }
        values.push(self.message(round, phone));
        values
    }

    fn message(&mut self, round: &Round, phone: &str) -> Value {
        let id = self.unique("wamid");
        let waba_phone = if self.dice.one_in(20) {
            "+12025550199"
        } else {
            self.waba_phone()
        };
        let kind = if self.dice.one_in(8) { "system" } else { "text" };
        let age = [MINUTE, MINUTE, HOUR, HOUR * 30][self.dice.roll(4)];
        let message = json!({
            "waba_phone": waba_phone, "from": phone, "message_id": id, "sent_at": (round.at - age).to_string(),
            "message": {"type": kind, kind: {"body": format!("Message {id}")}},
        });
        self.heard
            .entry((round.org, phone.to_owned()))
            .or_default()
            .push(message.clone());
        message
    }

    /// Commands of one contact that lives here, or of one that lives nowhere yet. A move takes the other phone too.
    fn contact_commands(&mut self, round: &mut Round, phone: &str) -> (&'static str, String, Vec<Value>) {
        let living = round.homes.iter().filter(|(_, home)| *home == phone);
        let mut able: Vec<String> = living.map(|(crm_id, _)| crm_id.clone()).collect();
        able.extend(self.gone(round));
        let crm_id = match self.dice.pick(&able).cloned() {
            Some(crm_id) if !self.dice.one_in(3) => crm_id,
            _ => self.unique("L"),
        };
        round.taken.insert(crm_id.clone());
        let mut values = vec![self.upsert(round, &crm_id, phone)];
        for _ in 0..self.dice.roll(3) {
            let said = self.said.get(&(round.org, crm_id.clone())).cloned().unwrap_or_default();
            let next = match self.dice.roll(12) {
                0..=4 => self.create(&crm_id),
                5..=6 => self.moving(round, &crm_id),
                7 if self.orgs[round.org].erases => vec![self.erase(round, &crm_id)],
                8..=9 => self.dice.pick(&said).cloned().into_iter().collect(),
                _ => vec![self.upsert(round, &crm_id, phone)],
            };
            values.extend(next);
        }
        let known = self.said.entry((round.org, crm_id.clone())).or_default();
        known.extend(values.iter().filter(|value| value["type"] != "contact.delete").cloned());
        if values
            .iter()
            .any(|value| value["type"] == "contact.delete" || value["moves"] == true)
        {
            known.clear();
        }
        (CRM, crm_id, values)
    }

    /// An erased contact, now and then. One whose erasure was refused may stand under a phone of another lane by now.
    fn gone(&mut self, round: &Round) -> Option<String> {
        let erased = &self.orgs[round.org].erased;
        let crm_id = self.dice.pick(erased).cloned()?;
        let free = !round.taken.contains(&crm_id) && !round.homes.contains_key(&crm_id);
        (self.dice.one_in(5) && free).then_some(crm_id)
    }

    fn upsert(&mut self, round: &Round, crm_id: &str, phone: &str) -> Value {
        let mut value = json!({
            "type": "contact.upsert", "request_id": self.unique("r"), "crm_id": crm_id, "phone": phone,
            "first_name": format!("Name {}", self.dice.roll(3)), "by_api": self.dice.one_in(4),
        });
        if self.dice.one_in(3) {
            let days = DAY * (1 + self.dice.roll(2) as i32);
            let age = days - MINUTE * (self.dice.roll(8) as i32);
            value["created_at"] = json!((round.at - age).to_string());
        }
        value
    }

    fn moving(&mut self, round: &mut Round, crm_id: &str) -> Vec<Value> {
        let mut free: Vec<String> = Generator::phones()
            .into_iter()
            .filter(|phone| !round.taken.contains(phone))
            .collect();
        self.dice.shuffle(&mut free);
        let Some(phone) = free.pop() else {
            return Vec::new();
        };
        round.taken.insert(phone.clone());
        let mut value = self.upsert(round, crm_id, &phone);
        value["moves"] = json!(true);
        vec![value]
    }

    fn create(&mut self, crm_id: &str) -> Vec<Value> {
        vec![json!({
            "type": "chatroom.create", "request_id": self.unique("r"), "crm_id": crm_id, "waba_phone": self.waba_phone(),
            "next_free_waba_phone": self.dice.one_in(3), "deactivate_existing": self.dice.one_in(3),
        })]
    }

    /// Forgets all that an erasure makes the program forget.
    fn erase(&mut self, round: &Round, crm_id: &str) -> Value {
        self.heard.retain(|(org, _), _| *org != round.org);
        self.said.retain(|(org, _), _| *org != round.org);
        self.orgs[round.org].erased.push(crm_id.to_owned());
        json!({"type": "contact.delete", "request_id": self.unique("r"), "crm_id": crm_id})
    }

    fn room_commands(&mut self, room: &str) -> Vec<Value> {
        let verbs = ["activate", "activate", "deactivate", "deactivate", "expire"];
        let command = |this: &mut Generator| {
            let verb = verbs[this.dice.roll(5)];
            json!({"type": format!("chatroom.{verb}"), "request_id": this.unique("r"), "chatroom_id": room, "by_api": this.dice.one_in(4)})
        };
        (0..=self.dice.roll(3)).map(|_| command(self)).collect()
    }

    fn agent_messages(&mut self, room: &str) -> Vec<Value> {
        let say = |this: &mut Generator| {
            let id = this.unique("q");
            json!({"request_id": id, "chatroom_id": room, "message": {"type": "text", "text": {"body": format!("Answer {id}")}}})
        };
        let mut values: Vec<Value> = (0..=self.dice.roll(4)).map(|_| say(self)).collect();
        if self.dice.one_in(3) {
            values.push(values[0].clone());
        }
        values
    }

    fn affiliate(&mut self, phone: &str) -> Value {
        let mut value = json!({"type": "chatroom.create", "request_id": self.unique("r")});
        merge(
            &mut value,
            json!({"kind": "AFFILIATE", "phone": phone, "waba_phone": self.waba_phone(), "display_name": "Back office"}),
        );
        value
    }

    /// A new message on every phone, by which all that is due shows.
    pub fn last_words(&mut self, model: &Model, at: Timestamp) -> Vec<Vec<Input>> {
        let mut lanes = Vec::new();
        for org in 0..self.orgs.len() {
            let org_id = self.orgs[org].id.clone();
            let round = Round {
                org,
                org_id: org_id.clone(),
                at,
                model,
                homes: BTreeMap::new(),
                taken: BTreeSet::new(),
            };
            for phone in Generator::phones() {
                let mut value = self.message(&round, &phone);
                merge(&mut value, json!({"org_id": org_id, "waba_phone": W1}));
                lanes.push(vec![Input::new(
                    INBOUND,
                    &format!("{org_id}:{phone}"),
                    value.to_string().as_bytes(),
                    at,
                )]);
            }
        }
        lanes
    }
}
