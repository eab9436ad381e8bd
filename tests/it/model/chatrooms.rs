//! Opening, activating, deactivating and expiring chatrooms (R1 to R9, A1, A3).

use super::commands::{Command, Verdict};
use super::phone::{canonical, typed};
use super::state::{ACTIVE, About, Cause, DEACTIVATED, EXPIRED, Entry, Home, Org, Room};
use super::{Out, text};
use jiff::Timestamp;
use serde_json::{Value, json};

const MOST: usize = 1000;

impl Org {
    pub(super) fn create(&mut self, command: &Command, name: String, outs: &mut Vec<Out>) -> Verdict {
        let crm_id = text(command.value, "crm_id");
        let flag = |name: &str| command.value[name] == true;
        let phone = match self.homes.get(crm_id) {
            None => return Verdict::refused("CONTACT_NOT_FOUND", About::Nothing, command.cause.at),
            Some(Home::Deleted) => return Verdict::refused("CONTACT_DELETED", About::Nothing, command.cause.at),
            Some(Home::At { phone, .. }) => phone.clone(),
        };
        let at = self.decision_time(&phone, command.cause.at);
        self.apply_timers(command.org_id, &phone, at, outs);
        let wabas = self.waba_phones();
        let entry = self.entry(&phone);
        if entry.contacts[crm_id].expired {
            return Verdict::refused("CONTACT_EXPIRED", About::Contact(crm_id.to_owned()), at);
        }
        let asked = canonical(text(command.value, "waba_phone")).unwrap_or_default();
        if !wabas.contains(&asked) {
            return Verdict::refused("UNKNOWN_WABA_PHONE", About::Nothing, at);
        }
        if let Some(room) = entry.room_of(crm_id).filter(|_| !flag("deactivate_existing")) {
            return Verdict::unchanged(About::Room(room.id.clone()), at);
        }
        let waba_phone = match entry.free_waba_phone(command, &wabas, &asked) {
            Ok(waba_phone) => waba_phone,
            Err(conflict) => return Verdict::refused("CHATROOM_CONFLICT", About::Nothing, at).because_of(conflict),
        };
        if entry.rooms.iter().filter(|room| room.status != EXPIRED).count() >= MOST {
            return Verdict::refused("PHONE_FULL", About::Nothing, at);
        }
        let cause = command.cause_at(at);
        entry.supersede(command.org_id, crm_id, &cause, outs);
        let room = entry.open(name, Some(crm_id), waba_phone, &cause);
        outs.push(created(command, &cause, room, &entry.title(command, crm_id)));
        Verdict::applied(About::Room(room_id(entry)), at)
    }

    pub(super) fn create_affiliate(&mut self, command: &Command, name: String, outs: &mut Vec<Out>) -> Verdict {
        let spelled = typed(text(command.value, "phone"), self.region()).expect("looked at before");
        let phone = canonical(&spelled).expect("a phone");
        let at = self.decision_time(&phone, command.cause.at);
        self.apply_timers(command.org_id, &phone, at, outs);
        let asked = canonical(text(command.value, "waba_phone")).unwrap_or_default();
        if !self.registers(&asked) {
            return Verdict::refused("UNKNOWN_WABA_PHONE", About::Nothing, at);
        }
        let entry = self.entry(&phone);
        let existing = entry
            .rooms
            .iter()
            .find(|room| room.crm_id.is_none() && room.status != EXPIRED && room.waba_phone == asked);
        if let Some(room) = existing {
            return Verdict::unchanged(About::Room(room.id.clone()), at);
        }
        let holders = entry.holders();
        if !holders.is_empty() {
            let conflict = json!({"chatroom_id": null, "crm_id": null, "waba_phone": null, "crm_ids": holders});
            return Verdict::refused("PHONE_HAS_CONTACTS", About::Nothing, at).because_of(conflict);
        }
        let cause = command.cause_at(at);
        entry.written.get_or_insert(spelled);
        let room = entry.open(name, None, asked, &cause);
        outs.push(created(command, &cause, room, text(command.value, "display_name")));
        Verdict::applied(About::Room(room_id(entry)), at)
    }

    pub(super) fn activate(&mut self, command: &Command, outs: &mut Vec<Out>) -> Verdict {
        let (phone, room, at) = match self.target_room(command, outs) {
            Ok(found) => found,
            Err(refused) => return refused,
        };
        let about = About::Room(room.id.clone());
        match room.status {
            EXPIRED => return Verdict::refused("CHATROOM_EXPIRED", about, at),
            _ if !self.registers(&room.waba_phone) => return Verdict::refused("UNKNOWN_WABA_PHONE", about, at),
            ACTIVE => return Verdict::unchanged(about, at),
            _ => {}
        }
        let entry = self.entry(&phone);
        if let Some(other) = entry.taken_by_another(&room.waba_phone, room.crm_id.as_deref()) {
            return Verdict::refused("CHATROOM_CONFLICT", about, at).because_of(named(other));
        }
        entry.activate(command.org_id, &room.id, &command.cause_at(at), outs);
        Verdict::applied(about, at)
    }

    pub(super) fn deactivate(&mut self, command: &Command, outs: &mut Vec<Out>) -> Verdict {
        let (phone, room, at) = match self.target_room(command, outs) {
            Ok(found) => found,
            Err(refused) => return refused,
        };
        let about = About::Room(room.id.clone());
        match room.status {
            EXPIRED => return Verdict::refused("CHATROOM_EXPIRED", about, at),
            DEACTIVATED => return Verdict::unchanged(about, at),
            _ => {}
        }
        self.entry(&phone)
            .deactivate(command.org_id, &room.id, &command.cause_at(at), outs);
        Verdict::applied(about, at)
    }

    /// Of affiliates alone (R6).
    pub(super) fn expire(&mut self, command: &Command, outs: &mut Vec<Out>) -> Verdict {
        let (phone, room, at) = match self.target_room(command, outs) {
            Ok(found) => found,
            Err(refused) => return refused,
        };
        let about = About::Room(room.id.clone());
        if room.crm_id.is_some() {
            return Verdict::refused("NOT_AN_AFFILIATE", about, at);
        }
        if room.status == EXPIRED {
            return Verdict::unchanged(about, at);
        }
        let cause = command.cause_at(at);
        let room = self.entry(&phone).room_mut(&room.id);
        room.status = EXPIRED;
        room.since = at;
        outs.push(cause.of_chatroom(command.org_id, "CHATROOM_EXPIRED", room));
        Verdict::applied(about, at)
    }

    /// The chatroom that a command names, after the timers of its phone.
    pub(super) fn target_room(
        &mut self,
        command: &Command,
        outs: &mut Vec<Out>,
    ) -> Result<(String, Room, Timestamp), Verdict> {
        let id = text(command.value, "chatroom_id");
        let unknown = || Verdict::refused("CHATROOM_NOT_FOUND", About::Nothing, command.cause.at);
        let phone = self.phone_of_room(id).ok_or_else(unknown)?;
        let at = self.decision_time(&phone, command.cause.at);
        self.apply_timers(command.org_id, &phone, at, outs);
        let room = self.entry(&phone).room(id).clone();
        Ok((phone, room, at))
    }
}

impl<'a> Command<'a> {
    pub fn cause_at(&self, at: Timestamp) -> Cause<'a> {
        Cause { at, ..self.cause }
    }
}

fn named(room: &Room) -> Value {
    json!({"chatroom_id": room.id, "crm_id": room.crm_id, "waba_phone": room.waba_phone, "crm_ids": []})
}

fn room_id(entry: &Entry) -> String {
    entry.rooms.last().expect("just opened").id.clone()
}

fn created(command: &Command, cause: &Cause, room: Room, display_name: &str) -> Out {
    let mut out = cause.of_chatroom(command.org_id, "CHATROOM_CREATED", &room);
    out.value["display_name"] = json!(display_name);
    out.value["external_ref_id"] = command.value["external_ref_id"].clone();
    out
}

impl Entry {
    /// The contact's chatroom that is not expired: the active one, else the latest (R2).
    fn room_of(&self, crm_id: &str) -> Option<&Room> {
        let own = self
            .rooms
            .iter()
            .filter(|room| room.belongs_to(crm_id) && room.status != EXPIRED);
        own.max_by_key(|room| (room.status == ACTIVE, room.order()))
    }

    fn taken_by_another(&self, waba_phone: &str, crm_id: Option<&str>) -> Option<&Room> {
        let active = self
            .rooms
            .iter()
            .filter(|room| room.status == ACTIVE && room.waba_phone == waba_phone);
        active
            .filter(|room| crm_id.is_none() || room.crm_id.as_deref() != crm_id)
            .max_by_key(|room| room.order())
    }

    /// R3 and R1: where the chatroom may open, or what stands in the way.
    fn free_waba_phone(&self, command: &Command, wabas: &[String], asked: &str) -> Result<String, Value> {
        let flag = |name: &str| command.value[name] == true;
        let crm_id = text(command.value, "crm_id");
        if flag("fail_if_chatroom_exists_on_other_waba_phone") {
            let others = self
                .rooms
                .iter()
                .filter(|room| room.status == ACTIVE && !room.belongs_to(crm_id));
            let elsewhere = others.filter(|room| room.waba_phone != asked && wabas.contains(&room.waba_phone));
            if let Some(room) = elsewhere.max_by_key(|room| room.order()) {
                return Err(named(room));
            }
        }
        let Some(taken) = self.taken_by_another(asked, Some(crm_id)) else {
            return Ok(asked.to_owned());
        };
        let place = wabas.iter().position(|waba| waba == asked).expect("registered");
        let mut round = wabas[place..].iter().chain(&wabas[..place]);
        let free = round.find(|waba| self.taken_by_another(waba, Some(crm_id)).is_none());
        free.filter(|_| flag("next_free_waba_phone"))
            .cloned()
            .ok_or_else(|| named(taken))
    }

    fn open(&mut self, id: String, crm_id: Option<&str>, waba_phone: String, cause: &Cause) -> Room {
        let room = Room {
            id,
            crm_id: crm_id.map(str::to_owned),
            waba_phone,
            status: ACTIVE,
            since: cause.at,
            last_message: None,
            activated_at: cause.at,
            created_at: cause.at,
            phone_changed: false,
        };
        self.rooms.push(room.clone());
        room
    }

    /// Given, else the contact's names, else its `crm_id`.
    fn title(&self, command: &Command, crm_id: &str) -> String {
        let fields = &self.contacts[crm_id].fields;
        let names = ["first_name", "last_name"]
            .iter()
            .filter_map(|name| fields.get(*name)?.as_str());
        let joined = names.collect::<Vec<_>>().join(" ");
        let given = command.value["display_name"].as_str().unwrap_or(&joined);
        if given.is_empty() {
            crm_id.to_owned()
        } else {
            given.to_owned()
        }
    }
}
