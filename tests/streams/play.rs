//! Plays records on the program and on the model side by side, and compares what each has published.

use crate::dice::Dice;
use crate::harness::names::{INBOUND, LIFECYCLE, RESULTS, SETTINGS};
use crate::model::{In, Model, Out};
use crate::router::{Incoming, Router};
use crate::verify::{alike, comparable};
use chatroom_router::domain::time::Instant;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap, HashSet};

/// 2026-01-01.
const BEGINNING: Timestamp = Timestamp::constant(1_767_225_600, 0);
/// No record is later than this.
pub const LATEST: SignedDuration = SignedDuration::from_hours(48);

/// A record that somebody sends.
#[derive(Clone, Debug)]
pub struct Sent {
    pub topic: &'static str,
    pub key: String,
    /// A chatroom is named by `@` and the key of the result that told of it. None: a tombstone.
    pub value: Option<Value>,
    /// Its own time, so much before the clock's.
    pub late: SignedDuration,
    /// Its clock is wrong, so it is judged by the reader's.
    pub wrong: Option<Wrong>,
    pub api: bool,
    /// May be about anything of its org.
    pub wide: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum Wrong {
    Missing,
    Ahead,
    Ancient,
}

#[derive(Clone, Debug)]
pub enum Act {
    /// Records of one partition, in their order.
    Lane(Vec<Sent>),
    /// All that was sent is judged; then the clock goes on.
    Tick(SignedDuration),
    Sweep,
}

#[derive(Debug)]
pub struct Divergence(pub String);

/// What bears one key in one topic: its order is promised.
#[derive(Default)]
struct Lane {
    wanted: Vec<Value>,
    found: Vec<Value>,
    same: usize,
}

type Name = (&'static str, String);

pub struct Play {
    pub model: Model,
    pub now: Timestamp,
    /// The chatrooms by the keys of the results that told of them.
    pub rooms: HashMap<String, String>,
    router: Router,
    dice: Dice,
    lanes: HashMap<Name, Lane>,
    /// Those with something new to compare.
    fresh: BTreeSet<Name>,
    ids: HashSet<String>,
    /// What the model wants of the records that are not judged yet, and what they are about.
    open: Vec<Out>,
    about: BTreeSet<String>,
}

impl Play {
    pub fn new(seed: u64) -> Play {
        Play {
            model: Model::default(),
            now: BEGINNING,
            rooms: HashMap::new(),
            router: Router::new(Instant(BEGINNING.as_millisecond())),
            dice: Dice::of(!seed),
            lanes: HashMap::new(),
            fresh: BTreeSet::new(),
            ids: HashSet::new(),
            open: Vec::new(),
            about: BTreeSet::new(),
        }
    }

    pub fn act(&mut self, act: &Act) -> Result<(), Divergence> {
        match act {
            Act::Lane(records) => self.lane(records),
            Act::Tick(step) => {
                self.settle()?;
                self.now += *step;
                self.router.now = Instant(self.now.as_millisecond());
                Ok(())
            }
            Act::Sweep => {
                self.settle()?;
                let horizon = self.now - LATEST;
                self.router.sweep(Instant(horizon.as_millisecond()), &mut self.dice, 2);
                self.find()?;
                self.compare(false)
            }
        }
    }

    /// All that is due by now shows, and all is compared.
    pub fn end(mut self) -> Result<(), Divergence> {
        self.settle()?;
        let due = self.model.sweep(self.now);
        self.open.extend(due);
        self.router.sweep(self.router.now, &mut self.dice, 1);
        self.find()?;
        self.want();
        self.compare(true)
    }

    fn lane(&mut self, records: &[Sent]) -> Result<(), Divergence> {
        let records: Vec<Sent> = records.iter().map(|record| self.named(record)).collect();
        let mut about = BTreeSet::new();
        for record in &records {
            self.gather(record, &mut about);
        }
        let meets = |one: &String| {
            let org = one.split('|').next().unwrap_or_default();
            self.about.contains(one) || self.about.contains(&format!("{org}|*"))
        };
        let alone = about.iter().any(|one| one.ends_with("|*"));
        if alone || about.iter().any(meets) {
            self.settle()?;
        }
        for record in &records {
            self.judge(record);
            self.gather(record, &mut about);
        }
        self.about.extend(about);
        if records.iter().any(|record| record.topic == SETTINGS) {
            // Each is appended in a transaction of its own, so no two take effect in the same millisecond.
            return self.act(&Act::Tick(SignedDuration::from_millis(1)));
        }
        Ok(())
    }

    /// With the chatroom's id in place of its name.
    fn named(&self, record: &Sent) -> Sent {
        let mut record = record.clone();
        if let Some(value) = &mut record.value
            && let Some(name) = value["chatroom_id"].as_str().and_then(|id| id.strip_prefix('@'))
        {
            let id = self.rooms.get(name).map_or("nowhere", String::as_str);
            value["chatroom_id"] = id.into();
        }
        record
    }

    /// What a record is about: what else is about any of it must not be judged beside it.
    fn gather(&self, record: &Sent, about: &mut BTreeSet<String>) {
        let none = Value::Null;
        let value = record.value.as_ref().unwrap_or(&none);
        let org = value["org_id"].as_str().unwrap_or(&record.key);
        let mut add = |what: &str| _ = about.insert(format!("{org}|{what}"));
        if record.wide || record.topic == SETTINGS {
            add("*");
        }
        if let Some(crm_id) = value["crm_id"].as_str() {
            add(crm_id);
            self.model
                .contacts(org)
                .get(crm_id)
                .into_iter()
                .for_each(|phone| add(phone));
        }
        if let Some(room) = value["chatroom_id"].as_str() {
            add(room);
            self.model.phone_of_room(org, room).iter().for_each(|phone| add(phone));
        }
        if let Some(from) = value["from"].as_str() {
            crate::model::phone::canonical(from).iter().for_each(|phone| add(phone));
        }
        if let Some(user) = value["from_user_id"].as_str() {
            add(user);
        }
        if let Some(typed) = value["phone"].as_str() {
            for region in [None, Some("IN"), Some("US")] {
                let phone = crate::model::phone::typed(typed, region);
                let phone = phone.and_then(|phone| crate::model::phone::canonical(&phone));
                phone.iter().for_each(|phone| add(phone));
            }
        }
    }

    fn judge(&mut self, record: &Sent) {
        let partition = Router::partition(&record.key);
        let position = self.router.position(record.topic, partition);
        let at = self.now - record.late;
        let outs = self.model.judge(&In {
            topic: record.topic,
            value: record.value.as_ref(),
            key: &record.key,
            at: if record.wrong.is_some() { self.now } else { at },
            position: &position,
            from_api: record.api,
            effective: self.now,
        });
        self.open.extend(outs);
        let origin = record.api.then(|| ("origin".to_owned(), "api".to_owned()));
        let timestamp = match record.wrong {
            None => Some(at.as_millisecond()),
            Some(Wrong::Missing) => None,
            Some(Wrong::Ahead) => Some((self.now + SignedDuration::from_mins(6)).as_millisecond()),
            Some(Wrong::Ancient) => Some(1_000_000_000_000),
        };
        self.router.send(Incoming {
            topic: record.topic,
            partition,
            key: Some(record.key.clone()),
            value: record.value.as_ref().map(|value| value.to_string().into_bytes()),
            headers: origin.into_iter().collect(),
            timestamp,
        });
    }

    /// Judges all that was sent.
    fn settle(&mut self) -> Result<(), Divergence> {
        self.router.run(&mut self.dice);
        self.find()?;
        self.bind()?;
        self.want();
        self.about.clear();
        self.compare(false)
    }

    /// Reads what the program has published since.
    fn find(&mut self) -> Result<(), Divergence> {
        for record in self.router.published.drain(..) {
            let id = record.header("ce_id");
            if !id.is_empty() && !self.ids.insert(id.to_owned()) {
                return Err(Divergence(format!("twice: {} {}", record.topic, record.value)));
            }
            let name = (record.topic, record.key.unwrap_or_default());
            self.fresh.insert(name.clone());
            self.lanes.entry(name).or_default().found.push(record.value);
        }
        Ok(())
    }

    /// Chatrooms get the ids that the program gave them, by the result of the command that opened each.
    fn bind(&mut self) -> Result<(), Divergence> {
        let mut told: HashMap<String, usize> = HashMap::new();
        let mut opened = Vec::new();
        for out in self.open.iter().filter(|out| out.topic == RESULTS) {
            let nth = told.entry(out.key.clone()).or_default();
            if out.value["type"] == "chatroom.create" && out.value["status"] == "APPLIED" {
                let ours = out.value["chatroom"]["chatroom_id"].as_str().unwrap_or_default();
                opened.push((ours.to_owned(), out.key.clone(), *nth));
            }
            *nth += 1;
        }
        for (ours, key, nth) in opened {
            let lane = self.lanes.entry((RESULTS, key.clone())).or_default();
            let result = lane.found.get(lane.wanted.len() + nth);
            let Some(theirs) = result.and_then(|result| result["chatroom"]["chatroom_id"].as_str()) else {
                return Err(Divergence(format!(
                    "the model opens a chatroom by {key}, the program: {result:?}"
                )));
            };
            let theirs = theirs.to_owned();
            self.model.rename(&ours, &theirs);
            for out in &mut self.open {
                replace(&mut out.value, &ours, &theirs);
                if out.key == ours {
                    theirs.clone_into(&mut out.key);
                }
            }
            self.rooms.entry(key).or_insert(theirs);
        }
        Ok(())
    }

    fn want(&mut self) {
        for out in std::mem::take(&mut self.open) {
            let name = (out.topic, out.key);
            self.fresh.insert(name.clone());
            self.lanes.entry(name).or_default().wanted.push(out.value);
        }
    }

    /// Timers fire at their instants, but who looks first is open: until the end one side may be ahead with them, and beyond
    /// it where the org was removed and they stand still.
    fn compare(&mut self, at_the_end: bool) -> Result<(), Divergence> {
        let mut faults: Vec<String> = Vec::new();
        let fresh = std::mem::take(&mut self.fresh);
        let names: Vec<Name> = if at_the_end {
            self.lanes.keys().cloned().collect()
        } else {
            fresh.into_iter().collect()
        };
        for name in names {
            let lane = self.lanes.entry(name.clone()).or_default();
            let both = lane.wanted.len().min(lane.found.len());
            while lane.same < both {
                let (is, not) = (&lane.found[lane.same], &lane.wanted[lane.same]);
                if !alike(&comparable(name.0, is), &comparable(name.0, not)) {
                    break;
                }
                lane.same += 1;
            }
            let longest = lane.wanted.len().max(lane.found.len());
            let org = lane
                .found
                .iter()
                .chain(&lane.wanted)
                .find_map(|value| value["org_id"].as_str());
            let stands_still = !org.is_some_and(|org| self.model.knows(org));
            let open = name.0 == LIFECYCLE && (!at_the_end || stands_still);
            if lane.same < both || (lane.same < longest && !open) {
                let shown = |values: &[Value]| values.get(lane.same).map_or("nothing".to_owned(), Value::to_string);
                faults.push(format!(
                    "{} {}:\n   is {}\n  not {}",
                    name.0,
                    name.1,
                    shown(&lane.found),
                    shown(&lane.wanted)
                ));
            }
        }
        faults.sort();
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Divergence(faults.join("\n")))
        }
    }
}

fn replace(value: &mut Value, ours: &str, theirs: &str) {
    match value {
        Value::String(text) if text == ours => theirs.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, ours, theirs)),
        Value::Object(fields) => fields.values_mut().for_each(|field| replace(field, ours, theirs)),
        _ => {}
    }
}

/// In words, for a report.
pub fn line(act: &Act) -> String {
    match act {
        Act::Tick(step) => format!("... {}", step.as_secs_f64() / 3600.0),
        Act::Sweep => "sweep".to_owned(),
        Act::Lane(records) => {
            let shown = records.iter().map(|record| {
                let topic = if record.topic == INBOUND { "" } else { record.topic };
                let value = record.value.as_ref().map_or("tombstone".to_owned(), Value::to_string);
                let late = record.late.as_secs();
                let wrong = record.wrong.map_or(String::new(), |wrong| format!(" {wrong:?}"));
                let api = if record.api { " api" } else { "" };
                format!("{topic} {} {value} late {late}{wrong}{api}", record.key)
            });
            shown.collect::<Vec<_>>().join("\n & ")
        }
    }
}
