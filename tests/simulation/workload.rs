//! What the world outside writes: messages, commands of the CRM, settings and agents' requests, some of them twice, late, in
//! the wrong place, in transactions of their own, or no sense at all. It learns the chatrooms' ids from our results.

use crate::kafka::log::Data;
use crate::rng::Rng;
use crate::setup::Setup;
use crate::world::{Happening, World};
use chatroom_router::contract::{TopicKind, instant};
use chatroom_router::kafka::{NewRecord, TopicPartition, murmur2_slot};
use serde::Deserialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Brokers take no output with this text in it.
pub const POISON: &str = "p0ison";

const ORGS: [&str; 2] = ["acme", "beta"];
const WABAS: [&str; 2] = ["+12025550100", "+12025550101"];

pub struct Workload {
    pub left: usize,
    pace_ms: u64,
    made: u64,
    turns: u64,
    phones: usize,
    contacts: u64,
    erasures: u64,
    nonsense: u64,
    timers: bool,
    /// Contacts come and go all the time.
    erasing: bool,
    rng: Rng,
    /// Org and id of chatrooms that results have named, and of those that contacts own.
    chatrooms: Vec<(String, String)>,
    owners: Vec<(String, String)>,
    cursors: BTreeMap<TopicPartition, i64>,
    earlier: Vec<Written>,
}

/// What a result says of a chatroom.
#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow)]
    org_id: Option<Cow<'a, str>>,
    chatroom: Option<Chatroom>,
}

#[derive(Deserialize)]
struct Chatroom {
    chatroom_id: Option<String>,
    crm_id: Option<String>,
}

#[derive(Clone)]
struct Written {
    kind: TopicKind,
    key: String,
    value: Option<Vec<u8>>,
}

impl Workload {
    pub fn new(mut rng: Rng, setup: &Setup) -> Self {
        Self {
            left: setup.records,
            pace_ms: setup.pace_ms,
            made: 0,
            turns: 0,
            phones: rng.between(2, 6) as usize,
            contacts: if setup.is_erasing() { 2 } else { rng.between(2, 8) },
            erasures: setup.erasures,
            nonsense: setup.nonsense,
            timers: setup.timers,
            erasing: setup.is_erasing(),
            chatrooms: Vec::new(),
            owners: Vec::new(),
            cursors: BTreeMap::new(),
            earlier: Vec::new(),
            rng,
        }
    }

    fn next(&mut self, rng: &mut Rng, now: i64) -> Written {
        self.made += 1;
        if self.made <= ORGS.len() as u64 {
            return self.settings(ORGS[self.made as usize - 1], rng);
        }
        if rng.chance(100) && !self.earlier.is_empty() {
            return self.earlier[rng.place(self.earlier.len())].clone();
        }
        if rng.chance(self.nonsense) {
            return nonsense();
        }
        let org = if rng.chance(20) {
            "nobody"
        } else if self.erasing {
            ORGS[0]
        } else {
            ORGS[rng.place(ORGS.len())]
        };
        if self.erasing && rng.chance(800) {
            return self.come_or_go(org, rng, now);
        }
        if rng.below(100) < self.erasures {
            return self.delete(org, rng);
        }
        let written = match rng.below(100) {
            0..40 => self.inbound(org, rng, now),
            40..60 => self.upsert(org, rng, now),
            60..75 => self.create(org, rng),
            75..84 => self.change(rng),
            84..92 => self.send(rng),
            92..97 => self.settings(org, rng),
            _ => self.affiliate(org, rng),
        };
        self.earlier.push(written.clone());
        written
    }

    /// A contact, its chatroom, its erasure. Of a chatroom that no request has named that leaves nothing: a tombstone.
    fn come_or_go(&mut self, org: &str, rng: &mut Rng, now: i64) -> Written {
        let written = match self.turns % 3 {
            0 => self.upsert(org, rng, now),
            1 => self.create(org, rng),
            _ => self.delete(org, rng),
        };
        self.turns += 1;
        written
    }

    fn phone(&self, rng: &mut Rng) -> String {
        format!("+9198123456{:02}", rng.place(self.phones))
    }

    fn crm_id(&self, rng: &mut Rng) -> String {
        if self.erasing {
            return format!("L-{}", self.turns / 3 % self.contacts);
        }
        format!("L-{}", rng.below(self.contacts))
    }

    fn request(&self) -> String {
        format!("r{}", self.made)
    }

    fn inbound(&self, org: &str, rng: &mut Rng, now: i64) -> Written {
        let phone = self.phone(rng);
        let sent_at = instant::format(chatroom_router::domain::time::Instant(now - rng.below(5_000) as i64));
        let body = if rng.chance(15) { POISON } else { "hello" };
        let kind = if rng.chance(30) { "system" } else { "text" };
        let value = json!({"org_id": org, "waba_phone": rng.pick(&WABAS), "from": phone, "message_id": format!("wamid.{}", self.made),
            "sent_at": sent_at, "message": {"type": kind, "text": {"body": body}}});
        written(TopicKind::InboundMessages, format!("{org}:{phone}"), value)
    }

    fn upsert(&self, org: &str, rng: &mut Rng, now: i64) -> Written {
        let crm_id = self.crm_id(rng);
        let mut value = json!({"type": "contact.upsert", "request_id": self.request(), "org_id": org, "crm_id": crm_id,
            "phone": self.phone(rng), "first_name": rng.pick(&["Asha", "Ravi"])});
        if rng.chance(300) {
            let created = now - rng.below(3 * 86_400_000) as i64;
            value["created_at"] = json!(instant::format(chatroom_router::domain::time::Instant(created)));
        }
        written(TopicKind::CrmChanges, format!("{org}:{crm_id}"), value)
    }

    fn create(&self, org: &str, rng: &mut Rng) -> Written {
        let crm_id = self.crm_id(rng);
        let value = json!({"type": "chatroom.create", "request_id": self.request(), "org_id": org, "crm_id": crm_id,
            "waba_phone": rng.pick(&WABAS), "next_free_waba_phone": rng.chance(300), "deactivate_existing": rng.chance(300),
            "fail_if_chatroom_exists_on_other_waba_phone": rng.chance(200)});
        written(TopicKind::CrmChanges, format!("{org}:{crm_id}"), value)
    }

    fn affiliate(&self, org: &str, rng: &mut Rng) -> Written {
        let phone = self.phone(rng);
        let value = json!({"type": "chatroom.create", "request_id": self.request(), "org_id": org, "kind": "AFFILIATE",
            "phone": phone, "waba_phone": rng.pick(&WABAS)});
        written(TopicKind::CrmChanges, format!("{org}:{phone}"), value)
    }

    fn chatroom(&self, rng: &mut Rng) -> (String, String) {
        if self.chatrooms.is_empty() || rng.chance(30) {
            return (ORGS[0].to_owned(), "nowhere".to_owned());
        }
        self.chatrooms[rng.place(self.chatrooms.len())].clone()
    }

    fn change(&self, rng: &mut Rng) -> Written {
        let (org, id) = self.chatroom(rng);
        let kind = rng.pick(&[
            "chatroom.activate",
            "chatroom.activate",
            "chatroom.deactivate",
            "chatroom.expire",
        ]);
        let value = json!({"type": kind, "request_id": self.request(), "org_id": org, "chatroom_id": id});
        written(TopicKind::CrmChanges, format!("{org}:{id}"), value)
    }

    fn send(&self, rng: &mut Rng) -> Written {
        let (org, id) = self.chatroom(rng);
        let body = if rng.chance(30) { POISON } else { "yes" };
        let value = json!({"request_id": self.request(), "org_id": org, "chatroom_id": id,
            "message": {"type": "text", "text": {"body": body}}});
        written(TopicKind::OutboundRequests, format!("{org}:{id}"), value)
    }

    fn delete(&self, org: &str, rng: &mut Rng) -> Written {
        let (mut org, mut crm_id) = (org.to_owned(), self.crm_id(rng));
        if !self.owners.is_empty() && !self.erasing && rng.chance(800) {
            (org, crm_id) = self.owners[rng.place(self.owners.len())].clone();
        }
        let value = json!({"type": "contact.delete", "request_id": self.request(), "org_id": org, "crm_id": crm_id});
        written(TopicKind::CrmChanges, format!("{org}:{crm_id}"), value)
    }

    fn settings(&self, org: &str, rng: &mut Rng) -> Written {
        let phones: Vec<Value> = WABAS.iter().map(|phone| json!({"phone": phone})).collect();
        let timers = self.timers;
        let days = |rng: &mut Rng| rng.pick(&[None, Some(1), Some(2), Some(30)]).filter(|_| timers);
        let mut value = json!({"org_id": org, "request_id": self.request(), "default_region": "IN", "waba_phones": phones,
            "deactivate_after_days": days(rng), "expire_after_days": days(rng), "inbound_scope": rng.pick(&["PHONE", "PAIR"])});
        if rng.chance(500) {
            value["expired_auto_reply"] = json!({"text": "closed", "max_per_hour": 3});
        }
        if rng.chance(100) {
            // Not a number of days: refused.
            value["expire_after_days"] = json!(0);
        }
        let mut settings = written(TopicKind::OrgSettings, org.to_owned(), value);
        if rng.chance(50) && self.made > ORGS.len() as u64 {
            settings.value = None;
        }
        settings
    }
}

/// All of it comes to one partition, most of it in a row.
fn nonsense() -> Written {
    Written {
        kind: TopicKind::CrmChanges,
        key: "nonsense".to_owned(),
        value: Some(b"{".to_vec()),
    }
}

fn written(kind: TopicKind, key: String, value: Value) -> Written {
    Written {
        kind,
        key,
        value: Some(value.to_string().into_bytes()),
    }
}

impl World {
    pub fn produce_input(&mut self) {
        if self.workload.left == 0 {
            return;
        }
        self.workload.left -= 1;
        self.learn();
        let wall = self.wall().0;
        let mut rng = self.workload.rng.clone();
        let written = self.workload.next(&mut rng, wall);
        let topic = self.shared.topic(written.kind).clone();
        let count = self.kafka.counts.get(&topic).copied().unwrap_or(1);
        let astray = rng.chance(150);
        let by_key = i32::from(murmur2_slot(written.key.as_bytes())) % count;
        let partition = if astray { rng.below(count as u64) as i32 } else { by_key };
        // Most are fresh, some late, a few later than a sweep waits.
        let late = match rng.below(100) {
            0..70 => 0,
            70..97 => rng.below(400),
            _ => rng.below(3 * self.setup.grace_ms as u64),
        };
        let record = NewRecord {
            key: Some(written.key.into_bytes()),
            value: written.value,
            ..NewRecord::default()
        };
        let data = Rc::new(Data {
            record: Rc::new(record),
            timestamp: wall - late as i64,
        });
        let at = TopicPartition::new(topic, partition);
        let foreign = rng
            .chance(40)
            .then(|| rng.chance(600))
            .map(|commit| (self.kafka.coordinator.foreign(commit), commit));
        self.kafka.log_mut(&at).append(data, foreign.map(|(no, _)| no));
        self.moved(&at);
        if let Some((no, commit)) = foreign {
            let ms = rng.between(1, 3_000);
            self.after(ms, Happening::ForeignEnd(at, no, commit));
        }
        let ms = rng.between(0, 2 * self.workload.pace_ms);
        self.workload.rng = rng;
        self.after(ms, Happening::Workload);
    }

    /// Reads the results that are committed by now for ids of chatrooms.
    fn learn(&mut self) {
        use crate::kafka::log::Met;
        for at in self.kafka.partitions_of(self.shared.topic(TopicKind::CommandResults)) {
            let cursor = self.workload.cursors.entry(at.clone()).or_default();
            while let Met::Record(offset, data) = self.kafka.log(&at).read(*cursor, i64::MAX) {
                *cursor = offset + 1;
                let told: Told<'_> =
                    serde_json::from_slice(data.value.as_deref().unwrap_or_default()).expect("we wrote it");
                let Some(Chatroom { chatroom_id, crm_id }) = told.chatroom else {
                    continue;
                };
                let org = told.org_id.unwrap_or_default().into_owned();
                self.workload.owners.extend(crm_id.map(|owner| (org.clone(), owner)));
                self.workload.chatrooms.extend(chatroom_id.map(|id| (org, id)));
            }
        }
    }
}
