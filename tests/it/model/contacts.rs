//! Creating, changing, moving and erasing contacts (C1 to C5).

use super::commands::{Command, Verdict};
use super::phone::canonical;
use super::state::{About, Contact, EXPIRED, Entry, Home, Org};
use super::{Out, instant, text};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

const MOST: usize = 1000;
const FIELDS: [&str; 3] = ["first_name", "last_name", "attributes"];

impl Org {
    pub(super) fn upsert(&mut self, command: &Command, outs: &mut Vec<Out>) -> Verdict {
        let crm_id = text(command.value, "crm_id");
        let about = About::Contact(crm_id.to_owned());
        let at = command.cause.at;
        match self.homes.get(crm_id) {
            Some(Home::Deleted) => return Verdict::refused("CONTACT_DELETED", About::Nothing, at),
            None => return self.create_contact(command, outs),
            Some(Home::At(_)) => {}
        }
        let old = self.phone_of_contact(crm_id).expect("at home");
        let at = self.decision_time(&old, at);
        self.apply_timers(command.org_id, &old, at, outs);
        if self.entry(&old).contacts[crm_id].expired {
            return Verdict::refused("CONTACT_EXPIRED", about, at);
        }
        let new = command.value["phone"]
            .as_str()
            .and_then(|phone| canonical(phone, self.region()));
        if let Some(new) = new.filter(|new| *new != old) {
            return self.move_contact(command, &old, &new, outs);
        }
        let contact = self.entry(&old).contacts.get_mut(crm_id).expect("at home");
        let fields = changed(&contact.fields, command.value);
        if fields == contact.fields {
            return Verdict::unchanged(about, at);
        }
        contact.fields = fields;
        let cause = command.cause_at(at);
        outs.push(cause.of_contact(command.org_id, "CONTACT_UPDATED", crm_id));
        Verdict::applied(about, at)
    }

    fn create_contact(&mut self, command: &Command, outs: &mut Vec<Out>) -> Verdict {
        let crm_id = text(command.value, "crm_id");
        let phone = canonical(text(command.value, "phone"), self.region()).expect("the tests send a phone here");
        let at = self.decision_time(&phone, command.cause.at);
        self.apply_timers(command.org_id, &phone, at, outs);
        if let Some(refused) = self.entry(&phone).refuses_contact(at) {
            return refused;
        }
        let contact = Contact {
            expired: false,
            created_at: instant(&command.value["created_at"]).unwrap_or(at).min(at),
            known_since: at,
            fields: changed(&Map::new(), command.value),
        };
        let is_past_age = self.age_due(contact.created_at, at).is_some_and(|due| due <= at);
        let entry = self.entry(&phone);
        entry.contacts.insert(crm_id.to_owned(), contact);
        let cause = command.cause_at(at);
        outs.push(cause.of_contact(command.org_id, "CONTACT_CREATED", crm_id));
        if is_past_age {
            entry.expire_contact(command.org_id, crm_id, &cause.because("age"), outs);
        }
        self.homes.insert(crm_id.to_owned(), Home::At(phone));
        Verdict::applied(About::Contact(crm_id.to_owned()), at)
    }

    /// Judged at the later of its two entries' (C3).
    fn move_contact(&mut self, command: &Command, old: &str, new: &str, outs: &mut Vec<Out>) -> Verdict {
        let crm_id = text(command.value, "crm_id");
        let about = About::Contact(crm_id.to_owned());
        let at = self.decision_time(old, command.cause.at);
        let at = self.decision_time(new, at);
        self.apply_timers(command.org_id, new, at, outs);
        self.decision_time(old, at);
        self.apply_timers(command.org_id, old, at, outs);
        if self.entry(old).contacts[crm_id].expired {
            return Verdict::refused("CONTACT_EXPIRED", about, at);
        }
        if let Some(refused) = self.entry(new).refuses_contact(at) {
            return Verdict { about, ..refused };
        }
        let cause = command.cause_at(at);
        let entry = self.entry(old);
        entry.expire_rooms_of(command.org_id, crm_id, &cause.because("phone_changed"), outs);
        let mut contact = entry.contacts.remove(crm_id).expect("at home");
        contact.fields = changed(&contact.fields, command.value);
        self.entry(new).contacts.insert(crm_id.to_owned(), contact);
        self.homes.insert(crm_id.to_owned(), Home::At(new.to_owned()));
        outs.push(cause.of_contact(command.org_id, "CONTACT_MOVED", crm_id));
        Verdict::applied(about, at)
    }

    pub(super) fn erase(&mut self, command: &Command, outs: &mut Vec<Out>) -> Verdict {
        let crm_id = text(command.value, "crm_id");
        let at = command.cause.at;
        let phone = match self.homes.get(crm_id) {
            None => return Verdict::refused("CONTACT_NOT_FOUND", About::Nothing, at),
            Some(Home::Deleted) => return Verdict::refused("CONTACT_DELETED", About::Nothing, at),
            Some(Home::At(phone)) => phone.clone(),
        };
        let at = self.decision_time(&phone, at);
        self.apply_timers(command.org_id, &phone, at, outs);
        let cause = command.cause_at(at);
        let entry = self.entry(&phone);
        entry.expire_rooms_of(command.org_id, crm_id, &cause.because("erased"), outs);
        entry.contacts.remove(crm_id);
        outs.push(cause.of_contact(command.org_id, "CONTACT_DELETED", crm_id));
        for entry in self.entries.values_mut() {
            entry.rooms.retain(|room| !room.belongs_to(crm_id));
        }
        self.homes.insert(crm_id.to_owned(), Home::Deleted);
        Verdict::applied(About::Nothing, at)
    }
}

impl Entry {
    /// C1 and R9.
    fn refuses_contact(&self, at: Timestamp) -> Option<Verdict> {
        let affiliate = self
            .rooms
            .iter()
            .find(|room| room.crm_id.is_none() && room.status != EXPIRED);
        if let Some(room) = affiliate {
            let conflict =
                json!({"chatroom_id": room.id, "crm_id": null, "waba_phone": room.waba_phone, "crm_ids": []});
            return Some(Verdict::refused("PHONE_IS_AFFILIATE", About::Nothing, at).because_of(conflict));
        }
        (self.holders().len() >= MOST).then(|| Verdict::refused("PHONE_FULL", About::Nothing, at))
    }
}

/// Absent keeps and null clears.
fn changed(old: &Map<String, Value>, update: &Value) -> Map<String, Value> {
    let mut fields = old.clone();
    for name in FIELDS {
        match update.get(name) {
            None => {}
            Some(Value::Null) => {
                fields.remove(name);
            }
            Some(value) => {
                fields.insert(name.to_owned(), value.clone());
            }
        }
    }
    fields
}
