//! The two clocks of an entry: inactivity of a chatroom (A2) and age of a contact (C4). Late or early, a timer fires at
//! the same instant and with the same event (I0, A5); when it is looked at is not known here.

use super::chatroom::{Chatroom, ChatroomStatus, Owner};
use super::contact::{Contact, ContactStatus};
use super::draft::Draft;
use super::effect::Reason;
use super::entry::Entry;
use super::ids::{ChatroomId, CrmId, OrgId};
use super::lifecycle::contact_expired;
use super::phone::Phone;
use super::record::{Key, Needs};
use super::settings::{Days, DaysChange, OrgSettings};
use super::time::{DAY_MS, Instant};

/// Opens the entry of a key for a record.
pub fn open_entry(draft: &mut Draft, org: &OrgId, key: &Key) -> Result<Entry, Needs> {
    let entry = draft.entry(key)?;
    Ok(open(draft, org, entry))
}

/// The decision time is raised to the entry's last, then what is due by it fires (I0).
pub fn open(draft: &mut Draft, org: &OrgId, mut entry: Entry) -> Entry {
    draft.at = draft.at.max(entry.decided_at);
    apply_due(&mut entry, org, draft.at, draft);
    entry.decided_at = draft.at;
    entry
}

/// Fires what is due by the sweep's horizon, and does nothing else: the horizon is no decision time.
pub fn sweep(draft: &mut Draft, org: &OrgId, phone: Phone) -> Result<(), Needs> {
    let key = Key::Phone(org.clone(), phone);
    let mut entry = draft.entry(&key)?;
    if apply_due(&mut entry, org, draft.at, draft) {
        draft.put_entry(&key, entry)?;
    }
    Ok(())
}

/// Fires all that is due by `upto`, one after another, each at its own instant. Whether anything did.
fn apply_due(entry: &mut Entry, org: &OrgId, upto: Instant, draft: &mut Draft) -> bool {
    let due = due_timers(entry, changes(draft.around.settings), upto);
    for (at, timer) in &due {
        let fired = match timer {
            Timer::Age(crm_id) => {
                expire(entry, org, crm_id, *at, draft);
                true
            }
            Timer::Inactivity(id) => deactivate(entry, org, *id, *at, draft),
        };
        // A timer that fired counts as a record judged at its due instant; one that came too late is none.
        if fired {
            entry.decided_at = entry.decided_at.max(*at);
        }
    }
    !due.is_empty()
}

/// The instant at which the contact is due to expire by its age, if the settings so far say one.
#[must_use]
pub fn age_due(contact: &Contact, settings: Option<&OrgSettings>) -> Option<Instant> {
    Clock::age(contact).due(changes(settings))
}

/// Of two at one instant expiry comes first: what it expired, the other no longer finds active.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Age(CrmId),
    Inactivity(ChatroomId),
}

fn due_timers(entry: &Entry, changes: &[DaysChange], upto: Instant) -> Vec<(Instant, Timer)> {
    let by_then = |clock: Clock| clock.due(changes).filter(|due| *due <= upto);
    let ages = aging(entry).filter_map(|contact| {
        let due = by_then(Clock::age(contact))?;
        Some((due, Timer::Age(contact.crm_id.clone())))
    });
    let inactive = resting(entry).filter_map(|chatroom| {
        let due = by_then(Clock::inactivity(chatroom))?;
        Some((due, Timer::Inactivity(chatroom.id)))
    });
    let mut due: Vec<_> = ages.chain(inactive).collect();
    due.sort_unstable();
    due
}

/// The contacts whose age clock runs: not that of one between two phones (C3).
fn aging(entry: &Entry) -> impl Iterator<Item = &Contact> {
    let runs = |contact: &&Contact| contact.status == ContactStatus::Active && !contact.leaving;
    entry.contacts.iter().filter(runs)
}

/// The chatrooms whose inactivity clock runs: never an affiliate's (R6).
fn resting(entry: &Entry) -> impl Iterator<Item = &Chatroom> {
    let runs = |chatroom: &&Chatroom| chatroom.is_active() && chatroom.owner != Owner::Affiliate;
    entry.chatrooms.iter().filter(runs)
}

fn expire(entry: &mut Entry, org: &OrgId, crm_id: &CrmId, at: Instant, draft: &mut Draft) {
    if let Some(contact) = entry.contact_mut(crm_id) {
        contact.status = ContactStatus::Expired;
        draft.emit_timer(at, contact_expired(org, crm_id, at));
    }
    let its = |chatroom: &&mut Chatroom| chatroom.crm_id() == Some(crm_id) && !chatroom.is_expired();
    let mut chatrooms: Vec<&mut Chatroom> = entry.chatrooms.iter_mut().filter(its).collect();
    chatrooms.sort_unstable_by_key(|chatroom| chatroom.id);
    for chatroom in chatrooms {
        chatroom.turn(ChatroomStatus::Expired, at);
        draft.emit_timer(at, chatroom.told(org, Reason::Age));
    }
}

fn deactivate(entry: &mut Entry, org: &OrgId, id: ChatroomId, at: Instant, draft: &mut Draft) -> bool {
    let still_active = |chatroom: &&mut Chatroom| chatroom.id == id && chatroom.is_active();
    let Some(chatroom) = entry.chatrooms.iter_mut().find(still_active) else {
        return false;
    };
    chatroom.turn(ChatroomStatus::Deactivated, at);
    draft.emit_timer(at, chatroom.told(org, Reason::Inactivity));
    true
}

/// When it started, from when on settings judge it, and which days it goes by.
struct Clock {
    start: Instant,
    judged_from: Instant,
    days: fn(&Days) -> Option<u32>,
}

impl Clock {
    fn age(contact: &Contact) -> Self {
        Self {
            start: contact.created_at,
            judged_from: contact.registered_at,
            days: |days| days.expire_after,
        }
    }

    fn inactivity(chatroom: &Chatroom) -> Self {
        Self {
            start: chatroom.active_since(),
            judged_from: chatroom.active_since(),
            days: |days| days.deactivate_after,
        }
    }

    /// The first instant at which it was due by the days in force then (A5). An interval that was over before the clock
    /// is judged has no such instant.
    fn due(&self, changes: &[DaysChange]) -> Option<Instant> {
        intervals(changes).find_map(|interval| {
            let rung = self.start.plus_days((self.days)(&interval.days)?);
            let due = rung.max(interval.from).max(self.judged_from);
            interval.until.is_none_or(|until| due < until).then_some(due)
        })
    }
}

/// Days in force from one instant until before another.
struct Interval {
    from: Instant,
    until: Option<Instant>,
    days: Days,
}

fn intervals(changes: &[DaysChange]) -> impl Iterator<Item = Interval> {
    changes.iter().enumerate().map(|(i, change)| Interval {
        from: change.at,
        until: changes.get(i + 1).map(|next| next.at),
        days: change.days,
    })
}

/// None for an org without settings: its timers stand still.
fn changes(settings: Option<&OrgSettings>) -> &[DaysChange] {
    match settings {
        Some(settings) if settings.content.is_some() => &settings.changes,
        _ => &[],
    }
}

/// Where the clocks of an entry start: what the sweeper's index keeps of it, and what it asks the index for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Clocks {
    pub inactivity: Option<Instant>,
    pub age: Option<Instant>,
}

/// The earliest start of each kind among the clocks that run.
#[must_use]
pub fn clocks(entry: &Entry) -> Clocks {
    Clocks {
        inactivity: resting(entry).map(Chatroom::active_since).min(),
        age: aging(entry).map(|contact| contact.created_at).min(),
    }
}

/// The latest start that may be due by `horizon`. `swept_to`: what was due by then under these very settings has fired
/// already; None after any change of them, since a change may be learnt of after the sweep passed its instant.
#[must_use]
pub fn sweep_cutoffs(settings: &OrgSettings, horizon: Instant, swept_to: Option<Instant>) -> Clocks {
    let cutoff = |days: fn(&Days) -> Option<u32>| {
        intervals(changes(Some(settings)))
            .filter(|interval| interval.from <= horizon)
            .filter(|interval| {
                interval
                    .until
                    .is_none_or(|until| swept_to.is_none_or(|swept| until > swept))
            })
            .filter_map(|interval| {
                let last = interval.until.map_or(horizon, |until| horizon.min(until.plus(-1)));
                Some(last.plus(-i64::from(days(&interval.days)?) * DAY_MS))
            })
            .max()
    };
    Clocks {
        inactivity: cutoff(|days| days.deactivate_after),
        age: cutoff(|days| days.expire_after),
    }
}
