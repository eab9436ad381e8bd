//! Creating, changing, moving and erasing contacts (C1 to C5).

use super::commands::{Command, Verdict};
use super::phone::{canonical, typed};
use super::state::{About, Contact, EXPIRED, Entry, Home, Org};
use super::{Out, instant, text};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

const MOST: usize = 1000;
const FIELDS: [&str; 3] = ["first_name", "last_name", "attributes"];

impl Org {
    /// None: its phone is none (P1).
    pub(super) fn upsert(&mut self, command: &Command, outs: &mut Vec<Out>) -> Option<Verdict> {
        let crm_id = text(command.value, "crm_id");
        let written = text(command.value, "phone");
        let (old, stored) = match self.homes.get(crm_id) {
            Some(Home::Deleted) => {
                return Some(Verdict::refused("CONTACT_DELETED", About::Nothing, command.cause.at));
            }
            None => {
                let phone = typed(written, self.region())?;
                return Some(self.create_contact(command, phone, outs));
            }
            Some(Home::At { phone, text }) => (phone.clone(), text.clone()),
        };
        // The same text is no change of phone, whatever the region has become.
        let new = if written == stored {
            Some(old.clone())
        } else {
            typed(written, self.region())
        };
        self.update(command, &old, new, outs)
    }

    fn update(&mut self, command: &Command, old: &str, new: Option<String>, outs: &mut Vec<Out>) -> Option<Verdict> {
        let crm_id = text(command.value, "crm_id");
        let about = About::Contact(crm_id.to_owned());
        let at = self.decision_time(old, command.cause.at);
        self.apply_timers(command.org_id, old, at, outs);
        if self.entry(old).contacts[crm_id].expired {
            return Some(Verdict::refused("CONTACT_EXPIRED", about, at));
        }
        let new = new?;
        if canonical(&new).expect("a phone") != old {
            return Some(self.move_contact(command, old, new, outs));
        }
        let written = text(command.value, "phone").to_owned();
        self.stands(crm_id, old, &written);
        let contact = self.entry(old).contacts.get_mut(crm_id).expect("at home");
        let fields = changed(&contact.fields, command.value);
        if fields == contact.fields {
            return Some(Verdict::unchanged(about, at));
        }
        contact.fields = fields;
        let cause = command.cause_at(at);
        outs.push(cause.of_contact(command.org_id, "CONTACT_UPDATED", crm_id));
        Some(Verdict::applied(about, at))
    }

    fn create_contact(&mut self, command: &Command, spelled: String, outs: &mut Vec<Out>) -> Verdict {
        let crm_id = text(command.value, "crm_id");
        let phone = canonical(&spelled).expect("a phone");
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
        entry.written.get_or_insert(spelled);
        entry.contacts.insert(crm_id.to_owned(), contact);
        let cause = command.cause_at(at);
        outs.push(cause.of_contact(command.org_id, "CONTACT_CREATED", crm_id));
        if is_past_age {
            entry.expire_contact(command.org_id, crm_id, &cause.because("age"), outs);
        }
        let written = text(command.value, "phone");
        self.stands(crm_id, &phone, written);
        Verdict::applied(About::Contact(crm_id.to_owned()), at)
    }

    /// Judged at the later of its two entries' (C3).
    fn move_contact(&mut self, command: &Command, old: &str, spelled: String, outs: &mut Vec<Out>) -> Verdict {
        let new = &canonical(&spelled).expect("a phone");
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
        let entry = self.entry(new);
        entry.written.get_or_insert(spelled);
        entry.contacts.insert(crm_id.to_owned(), contact);
        let written = text(command.value, "phone");
        self.stands(crm_id, new, written);
        outs.push(cause.of_contact(command.org_id, "CONTACT_MOVED", crm_id));
        Verdict::applied(about, at)
    }

    fn stands(&mut self, crm_id: &str, phone: &str, written: &str) {
        let home = Home::At {
            phone: phone.to_owned(),
            text: written.to_owned(),
        };
        self.homes.insert(crm_id.to_owned(), home);
        self.had.entry(crm_id.to_owned()).or_default().insert(phone.to_owned());
    }

    /// Under every phone that it ever had (C5).
    pub(super) fn erase(&mut self, command: &Command, outs: &mut Vec<Out>) -> Verdict {
        let crm_id = text(command.value, "crm_id");
        match self.homes.get(crm_id) {
            None => return Verdict::refused("CONTACT_NOT_FOUND", About::Nothing, command.cause.at),
            Some(Home::Deleted) => return Verdict::refused("CONTACT_DELETED", About::Nothing, command.cause.at),
            Some(Home::At { .. }) => {}
        }
        let mut decided = command.cause.at;
        for phone in self.had.remove(crm_id).unwrap_or_default() {
            let at = self.decision_time(&phone, command.cause.at);
            self.apply_timers(command.org_id, &phone, at, outs);
            decided = decided.max(at);
            let cause = command.cause_at(at);
            let entry = self.entry(&phone);
            entry.expire_rooms_of(command.org_id, crm_id, &cause.because("erased"), outs);
            entry.contacts.remove(crm_id);
            entry.rooms.retain(|room| !room.belongs_to(crm_id));
            if entry.rooms.is_empty() && entry.contacts.is_empty() {
                entry.spelled = None;
                entry.written = None;
                let asked = self
                    .requests
                    .keys()
                    .any(|(target, _)| *target == format!("phone:{phone}"));
                if self.entry(&phone).seen.is_empty() && !asked {
                    // Nothing is left of it, so it begins anew.
                    self.entries.remove(&phone);
                }
            }
        }
        let cause = command.cause_at(decided);
        outs.push(cause.of_contact(command.org_id, "CONTACT_DELETED", crm_id));
        self.homes.insert(crm_id.to_owned(), Home::Deleted);
        Verdict::applied(About::Nothing, decided)
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
