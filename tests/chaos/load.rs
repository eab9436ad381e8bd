//! A steady stream of records whose outcomes the rules determine without waiting for any: each phone is touched by one lane
//! alone, whose records stand in one partition in the order in which they must be judged.

use crate::changes::{Changes, Turn};
use crate::cluster::{Cluster, PARTITIONS};
use crate::dice::Dice;
use crate::harness::client::{Client, Input};
use crate::harness::log::Log;
use crate::harness::tail::timestamps;
use crate::harness::topics::{CRM, INBOUND, OUTBOUND_REQUESTS, RESULTS, SETTINGS};
use crate::ledger::Ledger;
use crate::model::{In, Model, Out};
use crate::wait;
use chatroom_router::kafka::murmur2_slot;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const ORGS: usize = 2;
/// Whose settings change.
const CHANGING: usize = 1;
const LANES: usize = 96;
const WABA_PHONES: [&str; 3] = ["+12025550100", "+12025550101", "+12025550102"];
const TICK: Duration = Duration::from_millis(20);
/// How often the model looks for timers that are due.
const LOOK: Duration = Duration::from_secs(1);
const IDLE_DAYS: i32 = 30;
const MOST_DAYS: i32 = 60;
/// The first timer is due so long after a world's start, the last some seventy times as long.
const FIRST_DUE_MS: f64 = 8_000.0;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Messages of a customer, to any of our numbers.
    Customer,
    /// The same under a key that leads elsewhere: each takes one hop more.
    Astray,
    /// Messages of an agent.
    Agent,
    /// Commands on a chatroom.
    Room,
    /// Commands on a contact, which moves between two phones. One at a time: those that come while it moves wait, and of
    /// many that wait the program refuses some (`BUSY`).
    Contact,
    /// Messages of a customer whose chatroom is nearly too old to stay active without one.
    Idle,
    /// The same of one whose contact is about to expire.
    Old,
}

struct Lane {
    org: String,
    crm_id: String,
    phones: [String; 2],
    kind: Kind,
    rooms: Vec<String>,
    said: Vec<Value>,
    /// The input that was sent last.
    last: String,
    /// When its timer is due, if it has one.
    due: Timestamp,
}

/// What is sent, and the model that says what follows.
pub struct Load {
    client: Client,
    model: Model,
    dice: Dice,
    lanes: Vec<Lane>,
    counter: usize,
    /// Records that timers alone led to.
    timed: usize,
    ledger: Arc<Mutex<Ledger>>,
    changes: Changes,
}

/// A load that runs until it is stopped.
pub struct Flowing {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(Load, usize)>,
}

impl Load {
    /// Makes the orgs, their contacts and chatrooms, and waits for all of them.
    pub fn prepare(cluster: &Cluster, log: &Log, ledger: Arc<Mutex<Ledger>>, dice: Dice) -> Load {
        let mut load = Load {
            client: Client::new(&cluster.prefix),
            model: Model::default(),
            dice,
            lanes: (0..ORGS).flat_map(lanes).collect(),
            counter: 0,
            timed: 0,
            ledger,
            changes: Changes::new(),
        };
        load.spread_timers();
        load.put_settings(cluster, log);
        let upserts: Vec<Input> = (0..load.lanes.len()).map(|lane| load.upsert(lane, 0)).collect();
        load.await_all(log, &upserts);
        for (round, waba_phone) in WABA_PHONES[..2].iter().enumerate() {
            // What is judged in the past is so once: its timer may be due when we come again.
            let has_room = |kind| kind != Kind::Contact && (kind != Kind::Idle || round == 0);
            let with_rooms: Vec<usize> = (0..load.lanes.len())
                .filter(|lane| has_room(load.lanes[*lane].kind))
                .collect();
            let creations: Vec<Input> = with_rooms
                .into_iter()
                .map(|lane| load.create(lane, waba_phone))
                .collect();
            load.await_all(log, &creations);
        }
        for lane in &mut load.lanes {
            lane.rooms = load.model.rooms(&lane.org, &lane.phones[0]);
        }
        load
    }

    /// Half of them in the first minutes, for a world that does not last.
    fn spread_timers(&mut self) {
        for lane in &mut self.lanes {
            let part = self.dice.roll(1_000) as f64 / 1_000.0;
            lane.due = now() + SignedDuration::from_millis((FIRST_DUE_MS * 70_f64.powf(part)) as i64);
        }
    }

    fn put_settings(&mut self, cluster: &Cluster, log: &Log) {
        for org in 0..ORGS {
            let value = settings(org, "s", &WABA_PHONES);
            let input = put(org, &value);
            self.client.send(&input);
            await_result(log, &format!("{}:s", name_of(org)));
            let effective = timestamps(&format!("{}router-settings", cluster.prefix))[org];
            let outs = self.judge(&input, &value, effective);
            self.ledger.lock().unwrap_or_else(PoisonError::into_inner).settled(outs);
        }
    }

    /// Sends these, of which none depends on another, and takes over the names of the chatrooms that they open.
    fn await_all(&mut self, log: &Log, inputs: &[Input]) {
        let mut outs = Vec::new();
        for input in inputs {
            let value: Value = serde_json::from_slice(input.value.as_deref().unwrap_or_default()).expect("JSON");
            outs.extend(self.judge(input, &value, input.at));
            self.client.send(input);
        }
        let mut names = HashMap::new();
        for out in outs.iter().filter(|out| out.topic == RESULTS) {
            let theirs = await_result(log, &out.key);
            if let (Some(ours), Some(theirs)) = (room_of(&out.value), room_of(&theirs)) {
                names.insert(ours, theirs);
            }
        }
        for (ours, theirs) in &names {
            self.model.rename(ours, theirs);
        }
        outs.iter_mut().for_each(|out| rename(out, &names));
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).settled(outs);
    }

    /// So many records a second, from a thread of its own.
    pub fn flow(mut self, rate: usize) -> Flowing {
        let stop = Arc::<AtomicBool>::default();
        let theirs = stop.clone();
        let thread = std::thread::spawn(move || {
            let started = Instant::now();
            let (mut sent, mut look) = (0, started);
            while !theirs.load(Ordering::Relaxed) {
                if look.elapsed() >= LOOK {
                    look = Instant::now();
                    self.expect_timers();
                }
                let due = started.elapsed().as_millis() as usize * rate / 1_000;
                (sent..due).for_each(|_| self.send_one());
                sent = due.max(sent);
                wait::let_pass(TICK);
            }
            self.client.flush();
            (self, sent)
        });
        Flowing { stop, thread }
    }

    /// What timers have led to by now must come, and be said so.
    pub fn expect_timers(&mut self) {
        let outs = self.model.sweep(now());
        self.timed += outs.len();
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).settled(outs);
    }

    /// The same once nobody may be there any more to publish what was due last: it may have come.
    pub fn allow_timers(&mut self) {
        let outs = self.model.sweep(now());
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).allow(outs);
    }

    pub fn timed(&self) -> usize {
        self.timed
    }

    fn send_one(&mut self) {
        let lane = self.dice.roll(self.lanes.len());
        let ledger = self.ledger.clone();
        let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
        if self.lanes[lane].kind == Kind::Contact && ledger.awaits(&self.lanes[lane].last) {
            return;
        }
        if self.changes(lane) {
            match self.changes.turn(&ledger) {
                Turn::Sends => {}
                Turn::Waits => return,
                Turn::Changes => return self.change_settings(&mut ledger),
            }
        }
        let (input, name) = match self.lanes[lane].kind {
            Kind::Customer | Kind::Astray | Kind::Idle | Kind::Old => self.message(lane),
            Kind::Agent => self.answer(lane),
            Kind::Room => self.room_command(lane),
            Kind::Contact => {
                let phone = usize::from(self.dice.one_in(3));
                (self.upsert(lane, phone), self.name("r"))
            }
        };
        self.lanes[lane].last.clone_from(&name);
        if self.changes(lane) {
            self.changes.sent(&name);
        }
        let home = self.lanes[lane].home();
        let value: Value = serde_json::from_slice(input.value.as_deref().unwrap_or_default()).expect("JSON");
        let outs = self.judge(&input, &value, input.at);
        ledger.expect(&name, home, outs);
        drop(ledger);
        self.client.send(&input);
    }

    fn changes(&self, lane: usize) -> bool {
        self.lanes[lane].org == name_of(CHANGING)
    }

    /// Some of our numbers are the org's, and its messages go to chatrooms of all of them or of one. The days stay.
    fn change_settings(&mut self, ledger: &mut Ledger) {
        let name = self.unique("s");
        let some = 1 + self.dice.roll(7);
        let phones = (0..3)
            .filter(|place| some >> place & 1 == 1)
            .map(|place| WABA_PHONES[place]);
        let mut value = settings(CHANGING, &name, &phones.collect::<Vec<_>>());
        value["inbound_scope"] = json!(["PHONE", "PAIR"][self.dice.roll(2)]);
        let input = put(CHANGING, &value);
        let outs = self.judge(&input, &value, input.at);
        self.changes.sent(&name);
        ledger.expect(&name, None, outs);
        self.client.send(&input);
    }

    /// How many settings came into force after the first.
    pub fn changed(&self) -> usize {
        self.changes.made
    }

    fn judge(&mut self, input: &Input, value: &Value, effective: Timestamp) -> Vec<Out> {
        self.model.judge(&In {
            topic: input.topic,
            value: Some(value),
            key: input.key.as_deref().unwrap_or_default(),
            at: input.at,
            position: "",
            from_api: false,
            effective,
        })
    }

    fn unique(&mut self, word: &str) -> String {
        self.counter += 1;
        self.name(word)
    }

    /// The id that was made last.
    fn name(&self, word: &str) -> String {
        format!("{word}-{}", self.counter)
    }

    fn upsert(&mut self, lane: usize, phone: usize) -> Input {
        let request_id = self.unique("r");
        let first_name = format!("Name {}", self.dice.roll(3));
        let of = &self.lanes[lane];
        let Lane {
            org, crm_id, phones, ..
        } = of;
        let mut value = json!({
            "type": "contact.upsert", "request_id": request_id, "org_id": org, "crm_id": crm_id, "phone": phones[phone],
            "first_name": first_name,
        });
        if of.kind == Kind::Old {
            value["created_at"] = json!(of.due - days(MOST_DAYS));
        }
        Input::new(
            CRM,
            &format!("{org}:{crm_id}"),
            value.to_string().as_bytes(),
            of.beginning(),
        )
    }

    fn create(&mut self, lane: usize, waba_phone: &str) -> Input {
        let request_id = self.unique("r");
        let of = &self.lanes[lane];
        let Lane { org, crm_id, .. } = of;
        let value = json!({
            "type": "chatroom.create", "request_id": request_id, "org_id": org, "crm_id": crm_id, "waba_phone": waba_phone,
        });
        Input::new(
            CRM,
            &format!("{org}:{crm_id}"),
            value.to_string().as_bytes(),
            of.beginning(),
        )
    }

    fn message(&mut self, lane: usize) -> (Input, String) {
        let id = self.unique("wamid");
        let waba_phone = WABA_PHONES[self.dice.roll(3)];
        // A repeat of what went nowhere may be under way with nothing to await.
        let repeats = self.dice.one_in(20) && !self.changes(lane);
        let repeat = self.dice.pick(&self.lanes[lane].said).filter(|_| repeats).cloned();
        let of = &mut self.lanes[lane];
        let phone = &of.phones[0];
        let at = now();
        let value = repeat.unwrap_or_else(|| {
            json!({
                "org_id": of.org, "waba_phone": waba_phone, "from": phone, "message_id": id,
                "sent_at": (at - SignedDuration::from_secs(1)).to_string(),
                "message": {"type": "text", "text": {"body": format!("Message {id}")}},
            })
        });
        let key = match of.kind {
            Kind::Astray => format!("astray-{phone}"),
            _ => format!("{}:{phone}", of.org),
        };
        if of.said.len() < 5 {
            of.said.push(value.clone());
        }
        let name = value["message_id"].as_str().unwrap_or_default().to_owned();
        (Input::new(INBOUND, &key, value.to_string().as_bytes(), at), name)
    }

    fn answer(&mut self, lane: usize) -> (Input, String) {
        let id = self.unique("q");
        let of = &self.lanes[lane];
        let room = self.dice.pick(&of.rooms).cloned().unwrap_or_default();
        let value = json!({
            "request_id": id, "org_id": of.org, "chatroom_id": room,
            "message": {"type": "text", "text": {"body": format!("Answer {id}")}},
        });
        let key = format!("{}:{}", of.org, of.phones[0]);
        (
            Input::new(OUTBOUND_REQUESTS, &key, value.to_string().as_bytes(), now()),
            id,
        )
    }

    fn room_command(&mut self, lane: usize) -> (Input, String) {
        let id = self.unique("r");
        let verb = ["activate", "deactivate"][self.dice.roll(2)];
        let of = &self.lanes[lane];
        let room = self.dice.pick(&of.rooms).cloned().unwrap_or_default();
        let value = json!({
            "type": format!("chatroom.{verb}"), "request_id": id, "org_id": of.org, "chatroom_id": room,
        });
        let key = format!("{}:{}", of.org, of.crm_id);
        (Input::new(CRM, &key, value.to_string().as_bytes(), now()), id)
    }
}

impl Lane {
    /// When its contact and its chatroom are made.
    fn beginning(&self) -> Timestamp {
        match self.kind {
            Kind::Idle => self.due - days(IDLE_DAYS),
            _ => now(),
        }
    }

    /// The partition that judges what it sends; that of a contact that moves changes.
    fn home(&self) -> Option<i32> {
        let key = format!("{}:{}", self.org, self.phones[0]);
        let home = i32::from(murmur2_slot(key.as_bytes())) % PARTITIONS;
        (self.kind != Kind::Contact).then_some(home)
    }
}

impl Flowing {
    /// Returns the load and how many records were sent, once Kafka has them all.
    pub fn stop(self) -> (Load, usize) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the load ends well")
    }
}

fn lanes(org: usize) -> impl Iterator<Item = Lane> {
    use Kind::{Agent, Astray, Contact, Customer, Idle, Old, Room};
    const KINDS: [Kind; 12] = [
        Customer, Agent, Idle, Room, Old, Astray, Customer, Contact, Idle, Customer, Old, Customer,
    ];
    (0..LANES).map(move |number| Lane {
        org: name_of(org),
        crm_id: format!("L-{number}"),
        phones: [0, 1].map(|other| format!("+9198{other}23{number:05}")),
        kind: KINDS[number % KINDS.len()],
        rooms: Vec::new(),
        said: Vec::new(),
        last: String::new(),
        due: Timestamp::MAX,
    })
}

fn name_of(org: usize) -> String {
    format!("org-{org}")
}

fn settings(org: usize, request_id: &str, phones: &[&str]) -> Value {
    let wabas = phones
        .iter()
        .map(|phone| json!({"phone": phone, "phone_number_id": phone, "waba_id": "1"}));
    json!({
        "org_id": name_of(org), "request_id": request_id, "waba_phones": wabas.collect::<Vec<_>>(),
        "deactivate_after_days": IDLE_DAYS, "expire_after_days": MOST_DAYS,
        "expired_auto_reply": {"text": "This conversation is closed."},
    })
}

fn put(org: usize, settings: &Value) -> Input {
    Input::new(SETTINGS, &name_of(org), settings.to_string().as_bytes(), now())
}

fn await_result(log: &Log, key: &str) -> Value {
    let is_it = |record: &crate::harness::log::Record| record.topic == RESULTS && record.key.as_deref() == Some(key);
    log.await_first(&format!("the result of {key}"), wait::PATIENCE, is_it)
        .value
        .clone()
}

fn room_of(result: &Value) -> Option<String> {
    Some(result["chatroom"]["chatroom_id"].as_str()?.to_owned())
}

fn rename(out: &mut Out, names: &HashMap<String, String>) {
    if let Some(theirs) = names.get(&out.key) {
        theirs.clone_into(&mut out.key);
    }
    rename_in(&mut out.value, names);
}

fn rename_in(value: &mut Value, names: &HashMap<String, String>) {
    match value {
        Value::String(text) => {
            if let Some(theirs) = names.get(text) {
                theirs.clone_into(text);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename_in(item, names)),
        Value::Object(fields) => fields.values_mut().for_each(|field| rename_in(field, names)),
        _ => {}
    }
}

fn days(count: i32) -> SignedDuration {
    SignedDuration::from_hours(i64::from(count) * 24)
}

/// As exact as Kafka's timestamps are.
fn now() -> Timestamp {
    Timestamp::from_millisecond(Timestamp::now().as_millisecond()).expect("this century")
}
