//! The smallest shell around the fold: records in a map, steps passed on in order, settings in force at once.
//!
//! Each event is judged twice, once with all records at hand and once with none read at first; both must agree.

use crate::domain::draft::Draft;
use crate::domain::effect::{Consequence, Effect};
use crate::domain::entry::Entry;
use crate::domain::event::{Body, Cause, Event, Inbound, Sender, Surroundings};
use crate::domain::ids::{CrmId, IdHash, OrgId, Slot};
use crate::domain::judge::judge;
use crate::domain::phone::{Phone, SpelledPhone};
use crate::domain::record::{Judgement, Key, Known, Record, View};
use crate::domain::settings::{Content, DaysChange, OrgSettings, WabaPhone};
use crate::domain::time::{DAY_MS, Instant};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use uuid::Uuid;

pub const CUSTOMER: Phone = Phone(919_812_345_678);
pub const SLOT: Slot = Slot(0x1f3);
/// Day 0 of all tests, far enough from 1970 for any days before it.
const DAY_0: i64 = 20_000 * DAY_MS;

pub fn day(days: f64) -> Instant {
    Instant(DAY_0 + (days * DAY_MS as f64) as i64)
}

/// The inverse of `day`, for what a test prints.
pub fn days(at: Instant) -> f64 {
    (at.0 - DAY_0) as f64 / DAY_MS as f64
}

pub fn org() -> OrgId {
    OrgId::parse("acme").unwrap()
}

pub fn crm(text: &str) -> CrmId {
    CrmId::parse(text).unwrap()
}

/// The org's WABA phones by their numbers: 1, 2, ...
pub fn waba(number: u64) -> Phone {
    Phone(12_025_550_100 + number)
}

pub fn phone_key() -> Key {
    Key::Phone(org(), CUSTOMER)
}

pub fn cause(number: u128) -> Cause {
    let seed = Uuid::from_u128(number);
    Cause {
        seed,
        origin: Arc::from(number.to_be_bytes()),
    }
}

/// Settings with these WABA phones, and nothing else set.
pub fn content(wabas: &[u64]) -> Content {
    let waba_phones = wabas.iter().map(|n| WabaPhone {
        phone: waba(*n),
        phone_number_id: None,
        waba_id: None,
    });
    Content {
        default_region: None,
        waba_phones: waba_phones.collect(),
        days: Default::default(),
        expired_auto_reply: None,
        inbound_scope: Default::default(),
    }
}

/// A message of the customer to WABA phone 1, from a person, sent when it is judged.
pub fn message(id: u128, at: Instant) -> Inbound {
    Inbound {
        org: org(),
        from: Sender::Phone(SpelledPhone {
            canonical: CUSTOMER,
            spelled: CUSTOMER,
        }),
        waba_phone: waba(1),
        message: IdHash(id),
        sent_at: at,
        system: false,
    }
}

#[derive(Default, Clone)]
pub struct World {
    pub records: BTreeMap<Key, Arc<Record>>,
    pub settings: Option<OrgSettings>,
    /// Numbers the events, so that each has a cause of its own.
    pub events: u128,
}

impl View for World {
    fn get(&self, key: &Key) -> Known {
        self.records
            .get(key)
            .map_or(Known::Absent, |record| Known::Here(record.clone()))
    }
}

/// Knows only what was asked for.
struct Reading<'w> {
    world: &'w World,
    read: RefCell<BTreeSet<Key>>,
}

impl View for Reading<'_> {
    fn get(&self, key: &Key) -> Known {
        if self.read.borrow().contains(key) {
            self.world.get(key)
        } else {
            Known::Unread
        }
    }
}

impl World {
    pub fn with_entry(entry: Entry) -> Self {
        let mut world = Self::default();
        world.records.insert(phone_key(), Arc::new(Record::Entry(entry)));
        world
    }

    pub fn entry(&self) -> Entry {
        match self.records.get(&phone_key()).map(|record| &**record) {
            Some(Record::Entry(entry)) => entry.clone(),
            _ => Entry::default(),
        }
    }

    /// Puts settings in force from an instant on; None removes the org.
    pub fn set(&mut self, at: Instant, content: Option<Content>) {
        let before = self.settings.take();
        let version = before.as_ref().map_or(1, |settings| settings.version + 1);
        let mut changes = before.map_or(Vec::new(), |settings| settings.changes);
        let days = content.as_ref().map(|content| content.days).unwrap_or_default();
        if changes.last().is_none_or(|last| last.days != days) {
            changes.push(DaysChange { at, days });
        }
        self.settings = Some(OrgSettings {
            version,
            content,
            changes,
        });
    }

    pub fn around(&self) -> Surroundings<'_> {
        Surroundings {
            settings: self.settings.as_ref(),
            slot: SLOT,
        }
    }

    /// Judges one event and all the steps that follow from it; what was published, in order.
    pub fn run(&mut self, at: Instant, body: Body) -> Vec<Effect> {
        self.events += 1;
        let mut waiting = VecDeque::from([Event {
            at,
            cause: cause(self.events),
            body,
        }]);
        let mut published = Vec::new();
        while let Some(event) = waiting.pop_front() {
            for effect in self.step(&event) {
                match &effect.what {
                    Consequence::PassOn(passed) => waiting.push_back(Event {
                        at: passed.at,
                        cause: event.cause.clone(),
                        body: Body::Step(passed.org.clone(), Box::new(passed.step.clone())),
                    }),
                    Consequence::Settings(accepted) => self.set(event.at, accepted.content.clone()),
                    _ => published.push(effect),
                }
            }
        }
        published
    }

    pub fn receive(&mut self, at: Instant, inbound: Inbound) -> Vec<Effect> {
        self.run(at, Body::Inbound(inbound))
    }

    pub fn sweep(&mut self, horizon: Instant) -> Vec<Effect> {
        self.run(horizon, Body::Sweep(org(), CUSTOMER))
    }

    /// One event alone: its effects, the steps passed on among them.
    pub fn step(&mut self, event: &Event) -> Vec<Effect> {
        let judgement = judge(self, event, self.around()).expect("all is read");
        assert_eq!(
            self.judge_unread(event),
            judgement,
            "what was not read at first changed the judgement"
        );
        self.apply(judgement.writes);
        judgement.effects
    }

    /// Begins with nothing read, and reads what the fold asks for until it has judged.
    pub fn judge_unread(&self, event: &Event) -> Judgement {
        let view = Reading {
            world: self,
            read: RefCell::default(),
        };
        loop {
            match judge(&view, event, self.around()) {
                Ok(judgement) => return judgement,
                Err(needs) => {
                    let mut read = view.read.borrow_mut();
                    for key in needs.0 {
                        assert!(read.insert(key), "the fold asked twice for the same record");
                    }
                }
            }
        }
    }

    /// Runs a part of the rules outside of `judge`, and writes what it wrote.
    pub fn draft<T>(&mut self, at: Instant, act: impl FnOnce(&mut Draft) -> T) -> T {
        let event = Event {
            at,
            cause: cause(0),
            body: Body::Sweep(org(), CUSTOMER),
        };
        let mut draft = Draft::new(self, &event, self.around());
        let outcome = act(&mut draft);
        let writes = draft.finish().writes;
        self.apply(writes);
        outcome
    }

    fn apply(&mut self, writes: Vec<(Key, Option<Record>)>) {
        for (key, record) in writes {
            match record {
                Some(record) => self.records.insert(key, Arc::new(record)),
                None => self.records.remove(&key),
            };
        }
    }
}
