//! What time alone does (C4, A2, A5, I0): each timer at its own due instant, in their order.

use super::Out;
use super::state::{ACTIVE, Cause, DAY, DEACTIVATED, Days, EXPIRED, Entry, Org};
use jiff::Timestamp;

enum Timer {
    Age(String),
    Inactivity(String),
}

impl Org {
    /// Judges the entry as of an instant: fires what was due by then, and never goes back.
    /// Returns the decision time.
    pub fn apply_timers(&mut self, org_id: &str, phone: &str, at: Timestamp, outs: &mut Vec<Out>) -> Timestamp {
        while let Some((due, timer)) = self.next_timer(phone).filter(|(due, _)| *due <= at) {
            let entry = self.entry(phone);
            entry.last = entry.last.max(due);
            let cause = |reason| Cause {
                reason,
                request_id: None,
                at: due,
            };
            match timer {
                Timer::Age(crm_id) => entry.expire_contact(org_id, &crm_id, &cause("age"), outs),
                Timer::Inactivity(id) => entry.deactivate(org_id, &id, &cause("inactivity"), outs),
            }
        }
        self.entry(phone).last
    }

    /// Of two due at the same instant, expiry comes first.
    fn next_timer(&self, phone: &str) -> Option<(Timestamp, Timer)> {
        let entry = self.entries.get(phone)?;
        let ages = entry
            .contacts
            .iter()
            .filter(|(_, contact)| !contact.expired)
            .filter_map(|(crm_id, contact)| {
                let due = self.age_due(contact.created_at, contact.known_since)?;
                Some((due, 0, Timer::Age(crm_id.clone())))
            });
        let waiting = entry
            .rooms
            .iter()
            .filter(|room| room.status == ACTIVE && room.crm_id.is_some());
        let silences = waiting.filter_map(|room| {
            let start = room
                .last_message
                .into_iter()
                .chain([room.activated_at, room.created_at])
                .max()?;
            let due = due(&self.days, |days| days.deactivate, start, None)?;
            Some((due, 1, Timer::Inactivity(room.id.clone())))
        });
        let first = ages.chain(silences).min_by_key(|(due, rank, _)| (*due, *rank));
        first.map(|(due, _, timer)| (due, timer))
    }

    pub fn age_due(&self, created_at: Timestamp, known_since: Timestamp) -> Option<Timestamp> {
        due(&self.days, |days| days.expire, created_at, Some(known_since))
    }
}

/// The first instant at which the days then in force had run out. Settings that were replaced before `known_since` do
/// not judge.
fn due(
    history: &[Days],
    pick: impl Fn(&Days) -> Option<i64>,
    start: Timestamp,
    known_since: Option<Timestamp>,
) -> Option<Timestamp> {
    let spans = history
        .iter()
        .enumerate()
        .map(|(index, days)| (days, history.get(index + 1).map(|next| next.from)));
    let mut judging = spans.filter(|(_, until)| until.is_none() || known_since.is_none() || *until > known_since);
    judging.find_map(|(days, until)| {
        let ran_out = start + DAY * i32::try_from(pick(days)?).ok()?;
        let due = ran_out.max(days.from).max(known_since.unwrap_or(days.from));
        until.is_none_or(|until| due < until).then_some(due)
    })
}

impl Entry {
    pub fn expire_contact(&mut self, org_id: &str, crm_id: &str, cause: &Cause, outs: &mut Vec<Out>) {
        self.contacts.get_mut(crm_id).expect("known").expired = true;
        outs.push(cause.of_contact(org_id, "CONTACT_EXPIRED", crm_id));
        self.expire_rooms_of(org_id, crm_id, cause, outs);
    }

    pub fn expire_rooms_of(&mut self, org_id: &str, crm_id: &str, cause: &Cause, outs: &mut Vec<Out>) {
        for room in self
            .rooms
            .iter_mut()
            .filter(|room| room.belongs_to(crm_id) && room.status != EXPIRED)
        {
            room.status = EXPIRED;
            room.since = cause.at;
            room.phone_changed = cause.reason == "phone_changed";
            outs.push(cause.of_chatroom(org_id, "CHATROOM_EXPIRED", room));
        }
    }

    pub fn deactivate(&mut self, org_id: &str, id: &str, cause: &Cause, outs: &mut Vec<Out>) {
        let room = self.rooms.iter_mut().find(|room| room.id == id).expect("known");
        room.status = DEACTIVATED;
        room.since = cause.at;
        outs.push(cause.of_chatroom(org_id, "CHATROOM_DEACTIVATED", room));
    }

    /// Another active chatroom of the same contact gives way first (R8).
    pub fn activate(&mut self, org_id: &str, id: &str, cause: &Cause, outs: &mut Vec<Out>) {
        let owner = self.room(id).crm_id.clone();
        if let Some(crm_id) = owner {
            self.supersede(org_id, &crm_id, cause, outs);
        }
        let room = self.rooms.iter_mut().find(|room| room.id == id).expect("known");
        room.status = ACTIVE;
        room.since = cause.at;
        room.activated_at = cause.at;
        outs.push(cause.of_chatroom(org_id, "CHATROOM_ACTIVATED", room));
    }

    pub fn supersede(&mut self, org_id: &str, crm_id: &str, cause: &Cause, outs: &mut Vec<Out>) {
        let active = self
            .rooms
            .iter()
            .filter(|room| room.belongs_to(crm_id) && room.status == ACTIVE);
        let ids: Vec<String> = active.map(|room| room.id.clone()).collect();
        let superseded = Cause {
            reason: "superseded",
            ..*cause
        };
        ids.iter().for_each(|id| self.deactivate(org_id, id, &superseded, outs));
    }
}
