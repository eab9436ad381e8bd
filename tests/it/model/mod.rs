//! The rules once more, from their text alone: slow, plain and without storage. Says what the program must publish for
//! records judged in a known order. Knows nothing of how the program is built.

mod chatrooms;
mod commands;
mod contacts;
mod outbound;
pub mod phone;
mod routing;
mod state;
mod timers;

use crate::harness::names::{CRM, INBOUND, OUTBOUND_REQUESTS, SETTINGS};
use jiff::Timestamp;
use serde_json::Value;
use state::{Home, Org};
use std::collections::BTreeMap;

/// A record that must be published.
#[derive(Clone, Debug)]
pub struct Out {
    pub topic: &'static str,
    pub key: String,
    pub value: Value,
}

/// A record that came in, with all that a decision may depend on.
pub struct In<'a> {
    pub topic: &'static str,
    pub value: Option<&'a Value>,
    pub key: &'a str,
    /// Its Kafka timestamp, from which the decision time follows.
    pub at: Timestamp,
    /// `<topic>-<partition>-<offset>`, the request id of a command without one.
    pub position: &'a str,
    pub from_api: bool,
    /// When accepted settings take effect.
    pub effective: Timestamp,
}

#[derive(Default)]
pub struct Model {
    orgs: BTreeMap<String, Org>,
    /// Chatrooms get a name of the model's own until `rename` says what the program called it.
    named: usize,
}

impl Model {
    pub fn judge(&mut self, record: &In) -> Vec<Out> {
        match record.topic {
            INBOUND => self.inbound(record),
            SETTINGS => self.settings(record),
            CRM | OUTBOUND_REQUESTS => self.command(record),
            other => panic!("{other} is no input"),
        }
    }

    pub fn rename(&mut self, ours: &str, theirs: &str) {
        let rooms = self
            .orgs
            .values_mut()
            .flat_map(|org| org.entries.values_mut())
            .flat_map(|entry| &mut entry.rooms);
        for room in rooms.filter(|room| room.id == ours) {
            theirs.clone_into(&mut room.id);
        }
        for past in self.orgs.values_mut().flat_map(|org| org.requests.values_mut()) {
            past.about.rename(ours, theirs);
        }
    }

    /// What a sweep up to this instant publishes: the events of all timers due by then. Those of an org without settings
    /// stand still.
    pub fn sweep(&mut self, until: Timestamp) -> Vec<Out> {
        let mut outs = Vec::new();
        for (org_id, org) in self.orgs.iter_mut().filter(|(_, org)| org.settings.is_some()) {
            let phones: Vec<String> = org.entries.keys().cloned().collect();
            for phone in phones {
                org.apply_timers(org_id, &phone, until, &mut outs);
            }
        }
        outs
    }

    /// Whether the org has settings.
    #[allow(dead_code)] // The streams in this process ask.
    pub fn knows(&self, org_id: &str) -> bool {
        self.orgs.get(org_id).is_some_and(|org| org.settings.is_some())
    }

    /// Under which phone each contact of an org stands that was not erased.
    pub fn contacts(&self, org_id: &str) -> BTreeMap<String, String> {
        let homes = self.orgs.get(org_id).into_iter().flat_map(|org| &org.homes);
        let at_home = homes.filter_map(|(crm_id, home)| match home {
            Home::At { phone, .. } => Some((crm_id.clone(), phone.clone())),
            Home::Deleted => None,
        });
        at_home.collect()
    }

    pub fn rooms(&self, org_id: &str, phone: &str) -> Vec<String> {
        let entry = self.orgs.get(org_id).and_then(|org| org.entries.get(phone));
        entry
            .into_iter()
            .flat_map(|entry| &entry.rooms)
            .map(|room| room.id.clone())
            .collect()
    }

    #[allow(dead_code)] // The streams in this process ask.
    pub fn phone_of_room(&self, org_id: &str, id: &str) -> Option<String> {
        self.orgs.get(org_id)?.phone_of_room(id)
    }

    fn new_room_name(&mut self) -> String {
        self.named += 1;
        format!("room-{}", self.named)
    }
}

/// A field's text, empty where there is none.
fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn instant(value: &Value) -> Option<Timestamp> {
    value.as_str().map(|text| text.parse().expect("an instant"))
}
