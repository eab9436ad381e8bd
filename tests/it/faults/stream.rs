//! Plays a random stream on a world and on the model side by side, and judges the world by its committed outputs.

use super::dice::Dice;
use super::generator::{Generator, OrgPlan};
use crate::harness::client::Input;
use crate::harness::log::Record;
use crate::harness::topics::{DEAD, INBOUND, RESULTS, ROUTED, SETTINGS, UNROUTED};
use crate::harness::world::World;
use crate::model::{In, Model, Out};
use crate::scenario::{DAY, MINUTE, SECOND, W1, W2, W3, dead_letter_of, merge, now};
use crate::{verify, wait};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

pub struct Stream {
    generator: Generator,
    model: Model,
    wanted: Vec<Out>,
    /// How often each request was sent, by its result's key.
    requests: BTreeMap<String, usize>,
    dead: Vec<(String, i32, i64)>,
    settings: usize,
    at: Timestamp,
    step: jiff::SignedDuration,
}

impl Stream {
    pub fn start(world: &World) -> Stream {
        let mut stream = Stream {
            generator: Generator::new(orgs(), Dice::new()),
            model: Model::default(),
            wanted: Vec::new(),
            requests: BTreeMap::new(),
            dead: Vec::new(),
            settings: 0,
            at: now() - DAY - MINUTE * 4,
            step: SECOND,
        };
        stream.put_days(world, 30);
        stream
    }

    /// Rounds of yesterday, when nothing was due: they end where half of what they leave is due today.
    pub fn play_yesterday(&mut self, world: &mut World, rounds: usize, fault: impl FnMut(usize, &mut World)) {
        self.step = MINUTE * 5 / (rounds.max(1) as i32);
        self.play(world, rounds, fault);
    }

    /// `fault` strikes after the records of a round are sent, and before any of
    /// their outcomes is awaited.
    pub fn play(&mut self, world: &mut World, rounds: usize, mut fault: impl FnMut(usize, &mut World)) {
        for round in 0..rounds {
            let lanes = self.generator.round(&self.model, self.at);
            self.play_lanes(world, lanes, |world| fault(round, world));
            self.at += self.step;
        }
    }

    /// From yesterday to today, by settings under which all of yesterday is due at once or within minutes. From here on
    /// rounds run a little ahead of the clock, so that no sweep can be ahead of them.
    pub fn turn_to_today(&mut self, world: &World, rounds: usize) {
        for days in [1, 30, 1] {
            self.put_days(world, days);
        }
        self.at = now() + SECOND * 5;
        self.step = MINUTE * 3 / (rounds.max(1) as i32);
    }

    fn put_days(&mut self, world: &World, days: i64) {
        for org in 0..self.generator.orgs.len() {
            let plan = &self.generator.orgs[org];
            let id = plan.id.clone();
            let request_id = format!("s-{}", self.settings);
            let mut value = plan.settings.clone();
            merge(
                &mut value,
                json!({"org_id": id, "request_id": request_id, "deactivate_after_days": days, "expire_after_days": days + 1}),
            );
            let sent = now();
            world
                .client
                .send(&Input::new(SETTINGS, &id, value.to_string().as_bytes(), sent));
            self.requests.insert(format!("{id}:{request_id}"), 1);
            await_count(world, &HashMap::from([(format!("{RESULTS} {id}:{request_id}"), 1)]));
            let instants = world.settings_instants();
            assert_eq!(
                instants.len(),
                self.settings + 1,
                "one record in router-settings per accepted change"
            );
            let outs = self.model.judge(&In {
                topic: SETTINGS,
                value: Some(&value),
                key: &id,
                at: sent,
                position: "",
                from_api: false,
                effective: instants[self.settings],
            });
            self.wanted.extend(outs);
            self.settings += 1;
        }
    }

    fn play_lanes(&mut self, world: &mut World, lanes: Vec<Vec<Input>>, fault: impl FnOnce(&mut World)) {
        let mut outs = Vec::new();
        for input in lanes.iter().flatten() {
            outs.extend(self.judge(input));
        }
        // Taken in turns from the lanes, as records come in.
        let longest = lanes.iter().map(Vec::len).max().unwrap_or_default();
        for index in 0..longest {
            for input in lanes.iter().filter_map(|lane| lane.get(index)) {
                world.client.send(input);
            }
        }
        self.send_garbage(world);
        world.client.flush();
        fault(world);
        let before = outcomes(&self.wanted);
        await_count(
            world,
            &outcomes(&outs)
                .into_iter()
                .map(|(key, count)| {
                    let earlier = before.get(&key).copied().unwrap_or_default();
                    (key, count + earlier)
                })
                .collect(),
        );
        self.bind(world, &mut outs);
        self.wanted.extend(outs);
    }

    fn judge(&mut self, input: &Input) -> Vec<Out> {
        let value: Value = serde_json::from_slice(input.value.as_deref().unwrap_or_default()).expect("JSON");
        if let Some(request_id) = value["request_id"].as_str() {
            let key = format!("{}:{request_id}", value["org_id"].as_str().unwrap_or_default());
            *self.requests.entry(key).or_default() += 1;
        }
        self.model.judge(&In {
            topic: input.topic,
            value: Some(&value),
            key: input.key.as_deref().unwrap_or_default(),
            at: input.at,
            position: "",
            from_api: !input.headers.is_empty(),
            effective: input.at,
        })
    }

    fn send_garbage(&mut self, world: &World) {
        if self.generator.dice.one_in(2) {
            let input = Input::new(INBOUND, "org-0:nobody", b"{\"org_id\":\xff", self.at);
            let (partition, offset) = world.client.send(&input).place();
            self.dead.push((INBOUND.to_owned(), partition, offset));
        }
    }

    /// Chatrooms get the ids under which they were first seen: on the result of the command that opened them.
    fn bind(&mut self, world: &World, outs: &mut [Out]) {
        let opened: Vec<(String, String)> = outs
            .iter()
            .filter(|out| {
                out.topic == RESULTS && out.value["type"] == "chatroom.create" && out.value["status"] == "APPLIED"
            })
            .map(|out| {
                (
                    out.value["chatroom"]["chatroom_id"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned(),
                    out.key.clone(),
                )
            })
            .collect();
        for (ours, key) in opened {
            let result = world
                .log()
                .first(|record| record.topic == RESULTS && record.key.as_deref() == Some(&key));
            let result = result.expect("awaited");
            let Some(theirs) = result.value["chatroom"]["chatroom_id"].as_str() else {
                panic!("no chatroom in {}, though the model opens one", result.value);
            };
            self.model.rename(&ours, theirs);
            for out in outs.iter_mut() {
                replace(&mut out.value, &ours, theirs);
                if out.key == ours {
                    theirs.clone_into(&mut out.key);
                }
            }
        }
    }

    /// A last message on every phone; then the whole of what was committed against the whole of what must be.
    pub fn finish(mut self, world: &mut World) {
        let lanes = self.generator.last_words(&self.model, self.at);
        self.play_lanes(world, lanes, |_| {});
        for (topic, partition, offset) in &self.dead {
            dead_letter_of(world.log(), topic, *partition, *offset);
        }
        world.tail.settle();
        let records = world.log().from(0);
        let (dead, alive): (Vec<Arc<Record>>, Vec<Arc<Record>>) =
            records.into_iter().partition(|record| record.topic == DEAD);
        let open = self.model.sweep(self.at.max(Timestamp::now()));
        let mut faults = verify::twice(&alive);
        faults.extend(verify::dead_letters(&dead, &self.dead));
        faults.extend(verify::unanswered_keys(&alive, &self.requests));
        faults.extend(verify::differences(&alive, &self.wanted, &open));
        let shown: Vec<String> = faults.iter().take(10).cloned().collect();
        assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), shown.join("\n"));
        eprintln!("{} records, as the model says", self.wanted.len());
    }
}

/// Two orgs, so that neither may see the other's: one answers at most twice an hour, one erases and keeps to pairs.
pub fn orgs() -> Vec<OrgPlan> {
    let plan = |number: usize, fields: Value| {
        let wabas = [W1, W2, W3].map(|phone| json!({"phone": phone, "phone_number_id": phone, "waba_id": "1"}));
        let mut settings = json!({"waba_phones": wabas});
        merge(&mut settings, fields);
        OrgPlan {
            id: format!("org-{number}"),
            settings,
            erases: number == 1,
            erased: Vec::new(),
        }
    };
    vec![
        plan(0, json!({"expired_auto_reply": {"text": "Closed.", "max_per_hour": 2}})),
        plan(
            1,
            json!({"expired_auto_reply": {"text": "Gone."}, "inbound_scope": "PAIR"}),
        ),
    ]
}

/// How many results each request has, and messages each place.
fn outcomes(outs: &[Out]) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for out in outs {
        if let Some(name) = outcome(out.topic, &out.key, &out.value) {
            *counts.entry(name).or_default() += 1;
        }
    }
    counts
}

fn outcome(topic: &str, key: &str, value: &Value) -> Option<String> {
    match topic {
        RESULTS => Some(format!("{RESULTS} {key}")),
        ROUTED | UNROUTED => Some(format!("{topic} {} {}", value["org_id"], value["message_id"])),
        _ => None,
    }
}

/// Until each outcome has come as often as it must. What comes besides is found at the end.
fn await_count(world: &World, wanted: &HashMap<String, usize>) {
    let mut missing = wanted.clone();
    let mut next = 0;
    let done = wait::within(wait::PATIENCE, || {
        let fresh = world.log().from(next);
        next += fresh.len();
        for record in fresh {
            let Some(name) = outcome(record.topic, record.key.as_deref().unwrap_or_default(), &record.value) else {
                continue;
            };
            if let Some(count) = missing.get_mut(&name) {
                *count -= 1;
                if *count == 0 {
                    missing.remove(&name);
                }
            }
        }
        missing.is_empty().then_some(())
    });
    if done.is_none() {
        let some: HashSet<&String> = missing.keys().take(5).collect();
        panic!(
            "{} of {} outcomes are missing, such as {some:?}\n{}",
            missing.len(),
            wanted.len(),
            world.last_words()
        );
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
