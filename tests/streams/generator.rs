//! Makes streams that touch every rule: few phones, contacts and ids, so that much happens to each of them.

use crate::dice::Dice;
use crate::harness::names::{CRM, INBOUND, OUTBOUND_REQUESTS, SETTINGS};
use crate::model::phone::canonical;
use crate::play::{Act, LATEST, Play, Sent, Wrong};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Changes of settings in one stream: fewer than an org remembers.
const MOST_SETTINGS: usize = 25;
/// Whether an id is still known is left open between the one and the other: late records blur it.
const KNOWN_FOR: SignedDuration = SignedDuration::from_hours(5 * 24);
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(12 * 24);

const WABAS: [&str; 4] = ["+12025550100", "+12025550101", "+12025550102", "+12025550103"];

/// A phone: as machines write it, the variants of P2 among them, and as people do.
struct Phone {
    machine: &'static [&'static str],
    typed: &'static [&'static str],
}

const PHONES: [Phone; 6] = [
    Phone {
        machine: &["+919812345600", "919812345600"],
        typed: &["+91 98123-45600", "98123 45600"],
    },
    Phone {
        machine: &["+5511961234567", "+551161234567", "551161234567"],
        typed: &["+55 11 6123-4567"],
    },
    Phone {
        machine: &["+919812345601"],
        typed: &["(98123) 45601"],
    },
    Phone {
        machine: &["+522221234567", "5212221234567"],
        typed: &["+52 1 222 123 4567"],
    },
    Phone {
        machine: &["+541123456789", "+5491123456789"],
        typed: &["+54 11 2345-6789"],
    },
    Phone {
        machine: &["+12025550170"],
        typed: &["202-555-0170"],
    },
];

pub struct Generator {
    dice: Dice,
    /// What is left to make.
    rounds: usize,
    lanes: usize,
    made: usize,
    longest: usize,
    phones: usize,
    contacts: usize,
    orgs: usize,
    late: bool,
    pace: usize,
    counter: usize,
    settings: usize,
    /// The request that last put settings, and when.
    put: Option<(Timestamp, String)>,
    /// What may be repeated, and when it came.
    said: Vec<(Timestamp, Sent)>,
}

impl Generator {
    pub fn new(seed: u64) -> Generator {
        let mut dice = Dice::of(seed);
        let late = dice.one_in(3);
        Generator {
            rounds: 20 + dice.roll(150),
            lanes: [1, 1, 2, 6][dice.roll(4)],
            made: 0,
            // What is passed on to a phone that refuses the contact meanwhile still moves the phone's decision time.
            longest: if late { 1 } else { [1, 2, 5][dice.roll(3)] },
            phones: 1 + dice.roll(PHONES.len()),
            contacts: 1 + dice.roll(8),
            orgs: 1 + dice.roll(2),
            late,
            pace: dice.roll(4),
            counter: 0,
            settings: 0,
            put: None,
            said: Vec::new(),
            dice,
        }
    }

    pub fn next(&mut self, play: &Play) -> Option<Act> {
        if self.made < self.lanes {
            self.made += 1;
            return Some(Act::Lane(self.lane(play)));
        }
        self.made = 0;
        self.rounds = self.rounds.checked_sub(1)?;
        if self.dice.one_in(6) {
            return Some(Act::Sweep);
        }
        Some(Act::Tick(self.step()))
    }

    fn step(&mut self) -> SignedDuration {
        let steps = [
            [SignedDuration::ZERO, MILLISECOND, MINUTE, MINUTE * 20],
            [MINUTE, MINUTE * 20, HOUR, HOUR * 5],
            [SignedDuration::ZERO, HOUR, HOUR * 7, DAY],
            [MINUTE, HOUR * 12, DAY, DAY * 3],
        ];
        steps[self.pace][self.dice.roll(4)] * (1 + self.dice.roll(3) as i32)
    }

    fn lane(&mut self, play: &Play) -> Vec<Sent> {
        let org = format!("org-{}", self.dice.roll(self.orgs));
        let known = self.settings >= self.orgs;
        match self.dice.roll(22) {
            _ if !known && self.dice.one_in(2) => self.put(play, &org),
            0..=5 => self.messages(play, &org),
            6..=11 => self.of_contact(play, &org),
            12..=14 => self.of_room(play, &org),
            15..=16 => self.answers(play, &org),
            17 => self.affiliate(play, &org),
            18 => self.strangers(play, &org),
            19 => self.repeats(play),
            _ if self.settings < MOST_SETTINGS => self.put(play, &org),
            _ => self.messages(play, &org),
        }
    }

    fn unique(&mut self, word: &str) -> String {
        self.counter += 1;
        format!("{word}-{}", self.counter)
    }

    fn count(&mut self) -> usize {
        1 + self.dice.roll(self.longest)
    }

    fn one_of<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[self.dice.roll(texts.len())]
    }

    /// Under the recommended key, or one that leads elsewhere.
    fn key(&mut self, key: String) -> String {
        if self.dice.one_in(6) {
            format!("astray-{}", self.dice.roll(9))
        } else {
            key
        }
    }

    fn lateness(&mut self) -> SignedDuration {
        let choice = [SignedDuration::ZERO, MINUTE, HOUR, DAY, LATEST];
        if self.late {
            choice[self.dice.roll(5)]
        } else {
            choice[0]
        }
    }

    /// Sent under one key, so that their order is promised.
    fn sent(&mut self, topic: &'static str, key: String, org: &str, values: Vec<Value>) -> Vec<Sent> {
        let key = self.key(key);
        let mut lane = Vec::new();
        for mut value in values {
            value["org_id"] = json!(org);
            let wide = value["type"] == "contact.delete";
            lane.push(Sent {
                topic,
                key: key.clone(),
                value: Some(value),
                late: self.lateness(),
                wrong: None,
                api: self.dice.one_in(4),
                wide,
            });
            if self.dice.one_in(30) {
                let last = lane.last_mut().expect("just pushed");
                last.wrong = [Some(Wrong::Missing), Some(Wrong::Ahead), Some(Wrong::Ancient)][self.dice.roll(3)];
            }
        }
        lane
    }

    fn waba_phone(&mut self) -> &'static str {
        if self.dice.one_in(25) {
            return "+12025550199";
        }
        if self.dice.one_in(10) {
            return &self.one_of(&WABAS)[1..];
        }
        self.one_of(&WABAS)
    }

    fn messages(&mut self, play: &Play, org: &str) -> Vec<Sent> {
        let phone = self.dice.roll(self.phones);
        let mut values = Vec::new();
        for _ in 0..self.count() {
            let id = self.unique("wamid");
            let kind = self.one_of(&["text", "text", "text", "text", "system", "reaction", "unsupported"]);
            let ages = [
                SignedDuration::ZERO,
                MINUTE,
                HOUR,
                DAY,
                DAY + MILLISECOND,
                DAY * 40,
                -HOUR,
            ];
            let age = ages[self.dice.roll(7)];
            values.push(json!({
                "waba_phone": self.waba_phone(), "from": self.one_of(PHONES[phone].machine), "message_id": id,
                "sent_at": (play.now - age).to_string(), "message": {"type": kind, kind: {"body": id}},
            }));
        }
        let key = format!("{org}:{}", canonical(PHONES[phone].machine[0]).expect("a phone"));
        let lane = self.sent(INBOUND, key, org, values);
        self.remember(play, &lane);
        lane
    }

    /// Senders without a phone (P3), and an org that nobody has heard of.
    fn strangers(&mut self, play: &Play, org: &str) -> Vec<Sent> {
        let org = if self.dice.one_in(3) { "org-9" } else { org };
        let id = self.unique("wamid");
        let user = format!("user-{}", self.dice.roll(2));
        let mut value = json!({
            "waba_phone": self.waba_phone(), "message_id": id, "sent_at": play.now.to_string(),
            "message": {"type": "text", "text": {"body": id}},
        });
        if org == "org-9" {
            value["from"] = json!(PHONES[0].machine[0]);
        } else {
            value["from_user_id"] = json!(user);
        }
        let lane = self.sent(INBOUND, format!("{org}:{user}"), org, vec![value]);
        self.remember(play, &lane);
        lane
    }

    fn of_contact(&mut self, play: &Play, org: &str) -> Vec<Sent> {
        let crm_id = if self.dice.one_in(12) {
            self.unique("N")
        } else {
            format!("L-{}", self.dice.roll(self.contacts))
        };
        let mut values = Vec::new();
        let mut opens = false;
        for _ in 0..self.count() {
            let value = match self.dice.roll(20) {
                0 => json!({"type": "contact.delete"}),
                // Two that open in one lane would tie, and the ids that the program gives are not known yet.
                1..=8 if !opens => {
                    opens = true;
                    self.create()
                }
                _ => self.upsert(play, org, &crm_id),
            };
            values.push(value);
        }
        for value in &mut values {
            value["crm_id"] = json!(crm_id);
            self.request(value);
        }
        let mut lane = self.sent(CRM, format!("{org}:{crm_id}"), org, values);
        self.remember(play, &lane);
        if self.dice.one_in(4) {
            let mut again = lane[self.dice.roll(lane.len())].clone();
            if again
                .value
                .as_ref()
                .is_some_and(|value| value["request_id"].is_string())
            {
                again.wide = true;
                lane.push(again);
            }
        }
        lane
    }

    /// Now and then none: its position then stands in for it.
    fn request(&mut self, value: &mut Value) {
        if !self.dice.one_in(12) {
            value["request_id"] = json!(self.unique("r"));
        }
    }

    fn upsert(&mut self, play: &Play, org: &str, crm_id: &str) -> Value {
        let held = play.model.contacts(org).get(crm_id).cloned();
        let place = PHONES.iter().position(|phone| canonical(phone.machine[0]) == held);
        let phone = match place {
            Some(place) if !self.dice.one_in(3) => place,
            _ => self.dice.roll(self.phones),
        };
        let mut text = if self.dice.one_in(3) {
            self.one_of(PHONES[phone].typed).to_owned()
        } else {
            format!("+{}", self.one_of(PHONES[phone].machine).trim_start_matches('+'))
        };
        if self.dice.one_in(25) {
            "12".clone_into(&mut text);
        }
        let mut value = json!({"type": "contact.upsert", "phone": text});
        for name in ["first_name", "last_name"] {
            match self.dice.roll(6) {
                0 => value[name] = Value::Null,
                1..=2 => value[name] = json!(format!("Name {}", self.dice.roll(3))),
                _ => {}
            }
        }
        if self.dice.one_in(5) {
            value["attributes"] = json!({"city": self.dice.roll(2)});
        }
        if self.dice.one_in(3) {
            let ages = [-HOUR, HOUR, HOUR * 23, DAY, HOUR * 71, DAY * 3, DAY * 100];
            value["created_at"] = json!((play.now - ages[self.dice.roll(7)]).to_string());
        }
        value
    }

    fn create(&mut self) -> Value {
        let mut value = json!({"type": "chatroom.create", "waba_phone": self.waba_phone()});
        for flag in [
            "fail_if_chatroom_exists_on_other_waba_phone",
            "next_free_waba_phone",
            "deactivate_existing",
        ] {
            if self.dice.one_in(3) {
                value[flag] = json!(!self.dice.one_in(5));
            }
        }
        if self.dice.one_in(4) {
            value["display_name"] = json!("Given");
            value["external_ref_id"] = json!("deal-9");
        }
        value
    }

    fn affiliate(&mut self, play: &Play, org: &str) -> Vec<Sent> {
        let phone = self.dice.roll(self.phones);
        let mut value = json!({"type": "chatroom.create", "kind": "AFFILIATE", "display_name": "Back office"});
        value["phone"] = json!(self.one_of(PHONES[phone].typed));
        value["waba_phone"] = json!(self.waba_phone());
        value["fail_if_chatroom_exists_on_other_waba_phone"] = json!(self.dice.one_in(3));
        value["request_id"] = json!(self.unique("r"));
        let key = format!("{org}:{}", canonical(PHONES[phone].machine[0]).expect("a phone"));
        let lane = self.sent(CRM, key, org, vec![value]);
        self.remember(play, &lane);
        lane
    }

    /// The chatroom may be long gone, or of another org.
    fn room(&mut self, play: &Play) -> String {
        let mut names: Vec<&String> = play.rooms.keys().collect();
        names.sort();
        // Rather a young one: the old are gone.
        names.sort_by_key(|name| name.len());
        let from = if self.dice.one_in(4) {
            0
        } else {
            names.len().saturating_sub(8)
        };
        match self.dice.pick(&names[from..]) {
            Some(name) if !self.dice.one_in(20) => format!("@{name}"),
            _ => "1f3-nonsense".to_owned(),
        }
    }

    /// Now and then another than the chatroom's, which knows no such chatroom.
    fn org_of(&mut self, room: &str, other: &str) -> String {
        let own = room.strip_prefix('@').and_then(|name| name.split(':').next());
        own.filter(|_| !self.dice.one_in(20)).unwrap_or(other).to_owned()
    }

    fn of_room(&mut self, play: &Play, org: &str) -> Vec<Sent> {
        let room = self.room(play);
        let org = self.org_of(&room, org);
        let mut values = Vec::new();
        for _ in 0..self.count() {
            let verb = self.one_of(&["activate", "activate", "deactivate", "expire"]);
            let mut value = json!({"type": format!("chatroom.{verb}"), "chatroom_id": room});
            self.request(&mut value);
            values.push(value);
        }
        let lane = self.sent(CRM, format!("{org}:{room}"), &org, values);
        self.remember(play, &lane);
        lane
    }

    fn answers(&mut self, play: &Play, org: &str) -> Vec<Sent> {
        let room = self.room(play);
        let org = self.org_of(&room, org);
        let mut values = Vec::new();
        for _ in 0..self.count() {
            let mut value = json!({"chatroom_id": room, "message": {"type": "text", "text": {"body": "Yes"}}});
            if self.dice.one_in(3) {
                value["requested_by"] = json!("agent-7");
                value["not_after"] = json!((play.now + HOUR).to_string());
            }
            self.request(&mut value);
            values.push(value);
        }
        let lane = self.sent(OUTBOUND_REQUESTS, format!("{org}:{room}"), &org, values);
        self.remember(play, &lane);
        lane
    }

    fn remember(&mut self, play: &Play, lane: &[Sent]) {
        let named = |record: &&Sent| {
            let value = record.value.as_ref();
            value.is_some_and(|value| value["request_id"].is_string() || value["message_id"].is_string())
        };
        let named: Vec<Sent> = lane.iter().filter(named).cloned().collect();
        self.said.extend(named.into_iter().map(|record| (play.now, record)));
    }

    /// The same id again, now and then with another content.
    fn repeats(&mut self, play: &Play) -> Vec<Sent> {
        let from = if self.dice.one_in(3) {
            0
        } else {
            self.said.len().saturating_sub(12)
        };
        let Some((at, record)) = self.dice.pick(&self.said[from..]).cloned() else {
            return Vec::new();
        };
        let age = play.now.duration_since(at);
        if age > KNOWN_FOR && age < FORGOTTEN_AFTER {
            return Vec::new();
        }
        let mut again = Sent {
            late: SignedDuration::ZERO,
            wide: true,
            ..record
        };
        if age > FORGOTTEN_AFTER {
            self.said.push((play.now, again.clone()));
        }
        if let Some(value) = &mut again.value
            && self.dice.one_in(3)
        {
            for (name, other) in [("waba_phone", json!(WABAS[1])), ("first_name", json!("Other"))] {
                if value.get(name).is_some() {
                    value[name] = other;
                }
            }
        }
        vec![again]
    }

    fn put(&mut self, play: &Play, org: &str) -> Vec<Sent> {
        self.settings += 1;
        let mut wabas = WABAS.to_vec();
        self.dice.shuffle(&mut wabas);
        wabas.truncate(if self.dice.one_in(3) { 1 + self.dice.roll(4) } else { 4 });
        let wabas: Vec<Value> = wabas.iter().map(|phone| json!({"phone": phone})).collect();
        let days = [Value::Null, json!(1), json!(2), json!(3), json!(30), json!(180)];
        let regions = [Value::Null, json!("IN"), json!("IN"), json!("US")];
        let scopes = [Value::Null, json!("PHONE"), json!("PAIR")];
        let mut value = json!({
            "org_id": org, "waba_phones": wabas, "deactivate_after_days": days[self.dice.roll(6)],
            "expire_after_days": days[self.dice.roll(6)],
            "default_region": regions[self.dice.roll(4)],
            "inbound_scope": scopes[self.dice.roll(3)],
        });
        value["expired_auto_reply"] = match self.dice.roll(4) {
            0 => Value::Null,
            1 => json!({"text": "Closed."}),
            most => json!({"text": "Closed.", "max_per_hour": most}),
        };
        let again = self
            .put
            .clone()
            .filter(|(at, _)| play.now.duration_since(*at) < KNOWN_FOR);
        match again.filter(|_| self.dice.one_in(5)) {
            Some((_, id)) => value["request_id"] = json!(id),
            None => {
                let id = self.unique("s");
                self.put = Some((play.now, id.clone()));
                value["request_id"] = json!(id);
            }
        }
        if self.dice.one_in(4) {
            value["request_id"] = Value::Null;
        }
        vec![Sent {
            topic: SETTINGS,
            key: org.to_owned(),
            value: (!self.dice.one_in(8)).then_some(value),
            late: SignedDuration::ZERO,
            wrong: None,
            api: false,
            wide: true,
        }]
    }
}
