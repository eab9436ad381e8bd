//! One org of a world of one's own: its settings, leads, and what becomes of their messages.

use crate::harness::client::Input;
use crate::harness::log::Record;
use crate::harness::topics::{CRM, INBOUND, RESULTS, ROUTED, SETTINGS, UNROUTED};
use crate::harness::world::{PARTITIONS, World};
use crate::wait;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

const WABA: &str = "+12025550100";

pub struct Desk {
    pub org: String,
    counter: Cell<usize>,
}

/// A lead, and the partition that its phone is at home in.
pub struct Lead {
    pub phone: String,
    pub partition: i32,
}

impl Desk {
    /// With leads in every partition, so that each has something to keep: one without a record has nothing that its index
    /// could be taken back by.
    pub fn open(world: &World) -> (Desk, Vec<Lead>) {
        let desk = Desk {
            org: format!("desk-{}", &uuid::Uuid::new_v4().simple().to_string()[..8]),
            counter: Cell::new(0),
        };
        desk.settings(world, "s");
        let mut leads = Vec::new();
        let mut without: BTreeSet<i32> = (0..PARTITIONS as i32).collect();
        while leads.len() < 8 || !without.is_empty() {
            let lead = desk.lead(world, leads.len());
            without.remove(&lead.partition);
            leads.push(lead);
        }
        (desk, leads)
    }

    pub fn settings(&self, world: &World, request_id: &str) {
        let settings = json!({"org_id": self.org, "request_id": request_id, "waba_phones": [{"phone": WABA, "phone_number_id": "1", "waba_id": "2"}]});
        self.put(world, SETTINGS, &self.org, &settings);
        assert_eq!(self.result(world, request_id)["status"], "APPLIED");
    }

    pub fn lead(&self, world: &World, number: usize) -> Lead {
        let (phone, crm_id) = (format!("+9198123400{number:02}"), format!("L-{number}"));
        self.command(
            world,
            &crm_id,
            json!({"type": "contact.upsert", "crm_id": crm_id, "phone": phone}),
        );
        self.command(
            world,
            &crm_id,
            json!({"type": "chatroom.create", "crm_id": crm_id, "waba_phone": WABA}),
        );
        let (id, partition, _) = self.send(world, &phone);
        assert_eq!(self.outcome(world, &id).topic, ROUTED);
        Lead { phone, partition }
    }

    pub fn command(&self, world: &World, crm_id: &str, command: Value) {
        let request_id = self.ask(world, crm_id, command);
        self.is_applied(world, &request_id);
    }

    /// Sends a command, and waits for nothing: the id of the request.
    pub fn ask(&self, world: &World, crm_id: &str, mut command: Value) -> String {
        let request_id = self.unique("r");
        command["org_id"] = json!(self.org);
        command["request_id"] = json!(request_id);
        self.put(world, CRM, &format!("{}:{crm_id}", self.org), &command);
        request_id
    }

    pub fn is_applied(&self, world: &World, request_id: &str) {
        let result = self.result(world, request_id);
        assert_eq!(result["status"], "APPLIED", "{result}");
    }

    /// A message of a customer: its id, and where it came to stand. The input has as many partitions as the router.
    pub fn send(&self, world: &World, phone: &str) -> (String, i32, i64) {
        self.send_by(world, phone, None)
    }

    /// By that partition, be it another than the one that the phone's key names.
    pub fn send_by(&self, world: &World, phone: &str, partition: Option<i32>) -> (String, i32, i64) {
        let id = self.unique("wamid");
        let message = json!({
            "org_id": self.org, "waba_phone": WABA, "from": phone, "message_id": id,
            "sent_at": Timestamp::now().to_string(), "message": {"type": "text", "text": {"body": "Hello"}},
        });
        let mut input = Input::new(
            INBOUND,
            &format!("{}:{phone}", self.org),
            message.to_string().as_bytes(),
            Timestamp::now(),
        );
        input.partition = partition;
        let (partition, offset) = world.client.send(&input).place();
        (id, partition, offset)
    }

    pub fn outcome(&self, world: &World, id: &str) -> Arc<Record> {
        world
            .log()
            .await_first(&format!("message {id}"), wait::PATIENCE, |record| {
                [ROUTED, UNROUTED].contains(&record.topic) && record.text("message_id") == id
            })
    }

    pub fn outcomes(&self, world: &World, id: &str) -> usize {
        let is_it = |record: &Record| [ROUTED, UNROUTED].contains(&record.topic) && record.text("message_id") == id;
        world.log().all(is_it).len()
    }

    /// A message is sent and must be routed.
    pub fn routes(&self, world: &World, lead: &Lead) {
        let (id, ..) = self.send(world, &lead.phone);
        let outcome = self.outcome(world, &id);
        assert_eq!(outcome.topic, ROUTED, "{}", outcome.value);
    }

    fn put(&self, world: &World, topic: &'static str, key: &str, value: &Value) {
        let input = Input::new(topic, key, value.to_string().as_bytes(), Timestamp::now());
        world.client.send(&input).place();
    }

    fn result(&self, world: &World, request_id: &str) -> Value {
        let record = world
            .log()
            .await_first(&format!("the result of {request_id}"), wait::PATIENCE, |record| {
                record.topic == RESULTS && record.text("org_id") == self.org && record.text("request_id") == request_id
            });
        record.value.clone()
    }

    fn unique(&self, word: &str) -> String {
        self.counter.set(self.counter.get() + 1);
        format!("{word}-{}-{}", self.org, self.counter.get())
    }
}
