//! The stage on which the scenarios of the rules play: an org of its own per scenario, under a clock that the scenario
//! sets. The program plays it, and so does the model, so that each is checked by what is written in the scenario.

use crate::harness::assert::has;
use crate::harness::client::{Delivery, Input};
use crate::harness::log::{Log, Record};
use crate::harness::topics::{CRM, DEAD, INBOUND, LIFECYCLE, OUTBOUND_REQUESTS, RESULTS, ROUTED, SETTINGS, UNROUTED};
use crate::harness::world::{Plan, World};
use crate::model::{In, Model};
use crate::{verify, wait};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

pub const PHONE: &str = "+919812345678";
pub const OTHER_PHONE: &str = "+919812345679";
pub const W1: &str = "+12025550100";
pub const W2: &str = "+12025550101";
pub const W3: &str = "+12025550102";

pub const SECOND: SignedDuration = SignedDuration::from_secs(1);
pub const MINUTE: SignedDuration = SignedDuration::from_mins(1);
pub const HOUR: SignedDuration = SignedDuration::from_hours(1);
pub const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Plays each scenario twice. Those that ask for what only a program has (bytes, headers, dead letters) play once.
macro_rules! scenarios {
    (both: $($both:ident),* $(,)?; program: $($program:ident),* $(,)?) => {
        mod program {
            $(#[test] fn $both() { super::$both(&crate::scenario::Org::of_the_program(stringify!($both))) })*
            $(#[test] fn $program() { super::$program(&crate::scenario::Org::of_the_program(stringify!($program))) })*
        }
        mod model {
            $(#[test] fn $both() { super::$both(&crate::scenario::Org::of_the_model(stringify!($both))) })*
        }
    };
}
pub(crate) use scenarios;

/// One process for all scenarios: each has an org of its own, and nothing crosses from one to another.
static WORLD: LazyLock<World> = LazyLock::new(|| {
    World::start(&Plan {
        own_redis: false,
        ..Plan::new("rules")
    })
});

enum Stage {
    Program(&'static World),
    Model { model: RefCell<Model>, log: Log },
}

pub struct Org {
    pub id: String,
    stage: Stage,
    clock: Cell<Option<Timestamp>>,
    steps: Cell<SignedDuration>,
    counter: Cell<usize>,
    requests: RefCell<Vec<String>>,
}

/// A message from a customer, as a gateway passes it on.
#[derive(Clone)]
pub struct Message {
    pub id: Option<String>,
    pub from: String,
    pub waba_phone: String,
    pub sent_at: Option<Timestamp>,
    pub body: Value,
}

pub fn message(from: &str, waba_phone: &str) -> Message {
    Message {
        id: None,
        from: from.to_owned(),
        waba_phone: waba_phone.to_owned(),
        sent_at: None,
        body: json!({"type": "text", "text": {"body": "Is the flat still free?"}}),
    }
}

impl Message {
    pub fn id(self, id: &str) -> Message {
        Message {
            id: Some(id.to_owned()),
            ..self
        }
    }

    pub fn sent_at(self, sent_at: Timestamp) -> Message {
        Message {
            sent_at: Some(sent_at),
            ..self
        }
    }

    /// Of the network, not of a person (I9).
    pub fn system(self) -> Message {
        let body = json!({"type": "system", "system": {"type": "customer_changed_number"}});
        Message { body, ..self }
    }
}

/// An instant in the past at a full second, far from all that is due by settings put today.
pub fn long_ago() -> Timestamp {
    days_ago(300)
}

pub fn days_ago(days: i32) -> Timestamp {
    now() - DAY * days
}

/// The clock, to the second: as exact as WhatsApp counts.
pub fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).expect("this century")
}

impl Org {
    pub fn of_the_program(name: &str) -> Org {
        Org::on(Stage::Program(&WORLD), name)
    }

    pub fn of_the_model(name: &str) -> Org {
        let stage = Stage::Model {
            model: RefCell::default(),
            log: Log::default(),
        };
        Org::on(stage, name)
    }

    fn on(stage: Stage, name: &str) -> Org {
        let rule = name.split('_').next().unwrap_or(name);
        let unique = uuid::Uuid::new_v4().simple().to_string();
        Org {
            id: format!("{rule}-{}", &unique[..10]),
            stage,
            clock: Cell::new(None),
            steps: Cell::new(SECOND),
            counter: Cell::new(0),
            requests: RefCell::default(),
        }
    }

    /// From here on records bear this time, each a second after the one before.
    pub fn at(&self, instant: Timestamp) {
        self.clock.set(Some(instant));
        self.steps.set(SECOND);
    }

    /// From here on all records bear this one time.
    pub fn still(&self, instant: Timestamp) {
        self.at(instant);
        self.steps.set(SignedDuration::ZERO);
    }

    /// From here on records come from just ahead of the clock, where what was due in the last minutes has been due.
    pub fn ahead(&self) {
        self.at(now() + MINUTE * 3);
    }

    pub fn pass(&self, time: SignedDuration) {
        self.clock.set(self.clock.get().map(|clock| clock + time));
    }

    fn tick(&self) -> Timestamp {
        let instant = self.clock.get().unwrap_or_else(now_to_the_millisecond);
        self.clock.set(self.clock.get().map(|clock| clock + self.steps.get()));
        instant
    }

    pub fn unique(&self, word: &str) -> String {
        self.counter.set(self.counter.get() + 1);
        format!("{word}-{}", self.counter.get())
    }

    pub fn log(&self) -> &Log {
        match &self.stage {
            Stage::Program(world) => world.log(),
            Stage::Model { log, .. } => log,
        }
    }

    pub fn world(&self) -> &'static World {
        match &self.stage {
            Stage::Program(world) => world,
            Stage::Model { .. } => panic!("this scenario is for the program alone"),
        }
    }

    /// Sends any record; what comes of it is for the caller to await.
    pub fn send(&self, input: &Input) -> Option<Delivery> {
        match &self.stage {
            Stage::Program(world) => Some(world.client.send(input)),
            Stage::Model { model, log } => {
                let value = input
                    .value
                    .as_ref()
                    .map(|bytes| serde_json::from_slice(bytes).expect("JSON"));
                let position = self.unique(input.topic);
                let outs = model.borrow_mut().judge(&In {
                    topic: input.topic,
                    value: value.as_ref(),
                    key: input.key.as_deref().unwrap_or_default(),
                    at: input.at,
                    position: &position,
                    from_api: input
                        .headers
                        .iter()
                        .any(|(name, value)| name == "origin" && value == "api"),
                    effective: Timestamp::now(),
                });
                outs.into_iter()
                    .for_each(|out| log.push(verify::as_record(out, log.len())));
                None
            }
        }
    }

    /// The first record of this org that the predicate wants.
    pub fn await_record(&self, what: &str, wanted: impl Fn(&Record) -> bool) -> Arc<Record> {
        let wanted = |record: &Record| record.text("org_id") == self.id && wanted(record);
        match &self.stage {
            Stage::Program(world) => world.log().await_first(what, wait::PATIENCE, wanted),
            Stage::Model { model, log } => wait::until(what, wait::PATIENCE, || {
                let outs = model.borrow_mut().sweep(Timestamp::now());
                outs.into_iter()
                    .for_each(|out| log.push(verify::as_record(out, log.len())));
                log.first(wanted)
            }),
        }
    }

    /// All that this org has published to a topic by now.
    pub fn published(&self, topic: &str) -> Vec<Arc<Record>> {
        if let Stage::Program(world) = &self.stage {
            world.tail.settle();
        }
        self.log()
            .all(|record| record.topic == topic && record.text("org_id") == self.id)
    }

    /// Puts settings with three WABA phones and these fields.
    pub fn settings(&self, fields: Value) -> Value {
        let wabas = [W1, W2, W3]
            .map(|phone| json!({"phone": phone, "phone_number_id": format!("id-{phone}"), "waba_id": "1020"}));
        let mut settings = json!({"org_id": self.id, "request_id": self.unique("s"), "waba_phones": wabas});
        merge(&mut settings, fields);
        self.put(&settings)
    }

    pub fn put(&self, settings: &Value) -> Value {
        let request_id = settings["request_id"].as_str().expect("given").to_owned();
        let bytes = settings.to_string();
        self.send(&Input::new(
            SETTINGS,
            &self.id,
            bytes.as_bytes(),
            now_to_the_millisecond(),
        ));
        self.result(&request_id)
    }

    /// A tombstone: the org is unknown from here on. Its one result has a request id of its position.
    pub fn remove_settings(&self) -> Value {
        let results = || {
            self.log()
                .all(|record| record.text("org_id") == self.id && record.text("type") == "settings.put")
        };
        let before = results().len();
        let mut tombstone = Input::new(SETTINGS, &self.id, b"", now_to_the_millisecond());
        tombstone.value = None;
        self.send(&tombstone);
        wait::until("the result of a tombstone", wait::PATIENCE, || {
            results().get(before).map(|record| record.value.clone())
        })
    }

    /// Puts settings that must be refused, and returns the reason on their dead letter.
    pub fn dead_settings(&self, fields: Value) -> String {
        let mut settings =
            json!({"org_id": self.id, "waba_phones": [{"phone": W1, "phone_number_id": "1", "waba_id": "2"}]});
        merge(&mut settings, fields);
        let input = Input::new(
            SETTINGS,
            &self.id,
            settings.to_string().as_bytes(),
            now_to_the_millisecond(),
        );
        self.dead_letter(&input).header("dlq_reason").to_owned()
    }

    /// Sends a record and awaits its dead letter.
    pub fn dead_letter(&self, input: &Input) -> Arc<Record> {
        let (partition, offset) = self.world().client.send(input).place();
        dead_letter_of(self.log(), input.topic, partition, offset)
    }

    /// The first record of any org that the predicate wants.
    pub fn await_any(&self, wanted: impl Fn(&Record) -> bool) -> Arc<Record> {
        self.log().await_first("a record", wait::PATIENCE, wanted)
    }

    pub fn is_model(&self) -> bool {
        matches!(self.stage, Stage::Model { .. })
    }

    /// Sends a command and returns its result.
    pub fn run(&self, command: Value) -> Value {
        let request_id = self.start(command);
        self.result(&request_id)
    }

    /// As it comes through our API.
    pub fn run_by_api(&self, command: Value) -> Value {
        let (input, request_id) = self.command(command);
        self.send(&input.header("origin", "api"));
        self.result(&request_id)
    }

    /// Sends a command without waiting for its result; returns its request id.
    pub fn start(&self, command: Value) -> String {
        let (input, request_id) = self.command(command);
        self.send(&input);
        request_id
    }

    /// The record of a command, with the recommended key and a request id of its own where it has none.
    pub fn command(&self, mut command: Value) -> (Input, String) {
        let topic = if command.get("type").is_some() {
            CRM
        } else {
            OUTBOUND_REQUESTS
        };
        command["org_id"] = json!(self.id);
        if command.get("request_id").is_none() {
            command["request_id"] = json!(self.unique("r"));
        }
        let id = ["crm_id", "chatroom_id", "phone"]
            .iter()
            .find_map(|field| command[*field].as_str());
        let key = format!("{}:{}", self.id, id.unwrap_or_default());
        let request_id = command["request_id"].as_str().expect("set").to_owned();
        self.requests.borrow_mut().push(request_id.clone());
        (
            Input::new(topic, &key, command.to_string().as_bytes(), self.tick()),
            request_id,
        )
    }

    /// The latest result of a request: a repeat has one more.
    pub fn result(&self, request_id: &str) -> Value {
        let sent = self
            .requests
            .borrow()
            .iter()
            .filter(|id| *id == request_id)
            .count()
            .max(1);
        let counted = |record: &Record| record.topic == RESULTS && record.text("request_id") == request_id;
        let seen = Cell::new(0);
        let nth = |record: &Record| {
            seen.set(seen.get() + usize::from(counted(record)));
            counted(record) && seen.get() == sent
        };
        let what = format!("result {sent} of {request_id}");
        match &self.stage {
            Stage::Program(_) => self.await_record(&what, nth).value.clone(),
            Stage::Model { log, .. } => log
                .first(|record| record.text("org_id") == self.id && nth(record))
                .expect(&what)
                .value
                .clone(),
        }
    }

    pub fn contact(&self, crm_id: &str, phone: &str) -> Value {
        let result = self.upsert(crm_id, phone);
        has(
            &result,
            json!({"status": "APPLIED", "type": "contact.upsert", "contact": {"crm_id": crm_id}}),
        );
        result
    }

    pub fn upsert(&self, crm_id: &str, phone: &str) -> Value {
        self.run(json!({"type": "contact.upsert", "crm_id": crm_id, "phone": phone}))
    }

    /// A new chatroom of a contact; returns its id.
    pub fn room(&self, crm_id: &str, waba_phone: &str) -> String {
        let result = self.create(crm_id, waba_phone, json!({}));
        has(
            &result,
            json!({"status": "APPLIED", "chatroom": {"crm_id": crm_id, "status": "ACTIVE", "kind": "CONTACT"}}),
        );
        id_of(&result)
    }

    pub fn create(&self, crm_id: &str, waba_phone: &str, fields: Value) -> Value {
        let mut command = json!({"type": "chatroom.create", "crm_id": crm_id, "waba_phone": waba_phone});
        merge(&mut command, fields);
        self.run(command)
    }

    pub fn affiliate(&self, phone: &str, waba_phone: &str) -> Value {
        let place =
            json!({"kind": "AFFILIATE", "phone": phone, "waba_phone": waba_phone, "display_name": "Back office"});
        let mut command = json!({"type": "chatroom.create"});
        merge(&mut command, place);
        self.run(command)
    }

    /// An affiliate's chatroom that is expired: the only way to have one before today.
    pub fn expired_affiliate(&self, phone: &str, waba_phone: &str) -> String {
        let room = id_of(&self.affiliate(phone, waba_phone));
        has(
            &self.about("expire", &room),
            json!({"status": "APPLIED", "chatroom": {"status": "EXPIRED"}}),
        );
        room
    }

    /// `chatroom.<verb>` of a chatroom.
    pub fn about(&self, verb: &str, room: &str) -> Value {
        self.run(json!({"type": format!("chatroom.{verb}"), "chatroom_id": room}))
    }

    pub fn delete(&self, crm_id: &str) -> Value {
        self.run(json!({"type": "contact.delete", "crm_id": crm_id}))
    }

    pub fn say(&self, room: &str) -> Value {
        self.run(json!({"chatroom_id": room, "message": {"type": "text", "text": {"body": "Yes, shall we visit?"}}}))
    }

    /// A new text message, and the record that came of it, routed or not.
    pub fn receive(&self, from: &str, waba_phone: &str) -> Arc<Record> {
        self.deliver(message(from, waba_phone))
    }

    /// Receives a message that must be routed, and returns the record.
    pub fn routed(&self, from: &str, waba_phone: &str) -> Value {
        let record = self.receive(from, waba_phone);
        assert_eq!(record.topic, ROUTED, "unrouted: {}", record.value);
        record.value.clone()
    }

    /// Receives a message that must not find a chatroom.
    pub fn unrouted(&self, from: &str, waba_phone: &str) -> Value {
        let record = self.receive(from, waba_phone);
        assert_eq!(record.topic, UNROUTED, "routed: {}", record.value);
        record.value.clone()
    }

    pub fn deliver(&self, message: Message) -> Arc<Record> {
        let (input, id) = self.inbound(message);
        self.send(&input);
        self.outcome(&id)
    }

    pub fn outcome(&self, message_id: &str) -> Arc<Record> {
        self.await_record(&format!("message {message_id}"), |record| {
            [ROUTED, UNROUTED].contains(&record.topic) && record.text("message_id") == message_id
        })
    }

    pub fn inbound(&self, message: Message) -> (Input, String) {
        let at = self.tick();
        let id = message.id.unwrap_or_else(|| self.unique("wamid"));
        let value = json!({
            "org_id": self.id, "waba_phone": message.waba_phone, "from": message.from, "message_id": id,
            "sent_at": message.sent_at.unwrap_or(at).to_string(), "message": message.body,
        });
        let key = format!("{}:{}", self.id, message.from);
        (Input::new(INBOUND, &key, value.to_string().as_bytes(), at), id)
    }

    /// The events of a chatroom or contact in their order, as `TYPE reason`.
    pub fn story(&self, id: &str) -> Vec<String> {
        let told = |event: &Value| {
            format!(
                "{} {}",
                event["type"].as_str().unwrap_or("?"),
                event["reason"].as_str().unwrap_or("-")
            )
        };
        self.events(id).iter().map(told).collect()
    }

    pub fn events(&self, id: &str) -> Vec<Value> {
        let key = format!("{}:{id}", self.id);
        let all = self.published(LIFECYCLE);
        let own = all
            .iter()
            .filter(|record| record.key.as_deref().is_some_and(|found| found == id || found == key));
        own.map(|record| record.value.clone()).collect()
    }

    /// Awaits an event of a chatroom or contact that comes of itself.
    pub fn await_event(&self, kind: &str, id: &str) -> Value {
        let about = |record: &Record| record.text("chatroom_id") == id || record.text("crm_id") == id;
        let event = self.await_record(&format!("{kind} of {id}"), |record| {
            record.topic == LIFECYCLE && record.text("type") == kind && about(record)
        });
        event.value.clone()
    }
}

/// At the end of every scenario: nothing was published twice, and no command was forgotten.
impl Drop for Org {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for record in self.log().all(|record| record.text("org_id") == self.id) {
                eprintln!("{} {}", record.topic, record.value);
            }
            if let Stage::Program(world) = &self.stage {
                eprintln!("{}", world.last_words());
            }
            return;
        }
        if let Stage::Program(world) = &self.stage {
            world.tail.settle();
        }
        let records = self.log().all(|record| record.text("org_id") == self.id);
        let mut faults = verify::twice(&records);
        let mut wanted = BTreeMap::<String, usize>::new();
        self.requests
            .borrow()
            .iter()
            .for_each(|id| *wanted.entry(id.clone()).or_default() += 1);
        faults.extend(verify::unanswered(&records, &wanted));
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}

fn now_to_the_millisecond() -> Timestamp {
    Timestamp::from_millisecond(Timestamp::now().as_millisecond()).expect("this century")
}

/// The dead letter of the record that stands here. Its topic is named with or without the world's prefix.
pub fn dead_letter_of(log: &Log, topic: &str, partition: i32, offset: i64) -> Arc<Record> {
    let what = format!("the dead letter of {topic}-{partition}-{offset}");
    log.await_first(&what, wait::PATIENCE, |record| {
        record.topic == DEAD
            && record.header("dlq_topic").ends_with(topic)
            && record.header("dlq_partition") == partition.to_string()
            && record.header("dlq_offset") == offset.to_string()
    })
}

/// The chatroom that a result speaks of.
pub fn id_of(result: &Value) -> String {
    result["chatroom"]["chatroom_id"]
        .as_str()
        .unwrap_or_else(|| panic!("no chatroom in {result}"))
        .to_owned()
}

pub fn instant(value: &Value) -> Timestamp {
    value
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("{value} is no instant"))
}

pub fn merge(into: &mut Value, fields: Value) {
    let Value::Object(fields) = fields else {
        panic!("{fields} are no fields");
    };
    into.as_object_mut().expect("an object").extend(fields);
}
