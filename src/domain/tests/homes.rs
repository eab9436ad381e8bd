//! Several homes with a queue between each two, judged in any order: what every interleaving of the steps must keep.
//!
//! The queues keep less order than Kafka does: two senders' steps may arrive in any order, whatever caused which.

use super::harness::{World, day};
use super::invariants::{self, Records};
use super::script::{self, passed_on};
use crate::domain::contact::ContactStatus;
use crate::domain::directory::Directory;
use crate::domain::effect::{Code, CommandResult, Consequence, Effect, Happening, Source, Status, Subject};
use crate::domain::entry::Entry;
use crate::domain::event::{Body, Event, Step, Surroundings, What};
use crate::domain::ids::{ChatroomId, CrmId, Slot};
use crate::domain::judge::judge;
use crate::domain::memory::Outcome;
use crate::domain::phone::Phone;
use crate::domain::record::{Key, Known, Record, View};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use uuid::Uuid;

const HOMES: u64 = 4;
/// Where records come from that no home passed on.
const OUTSIDE: u64 = HOMES;

fn slot(key: &Key) -> Slot {
    Slot(match key {
        Key::Phone(_, phone) | Key::Archive(_, phone, _) => (phone.0 % 4096) as u16,
        Key::Contact(_, crm_id) => crm_id.as_str().bytes().map(u16::from).sum(),
        Key::Chatroom(_, name) => return name.id().map_or(Slot(0), |id| id.slot),
        Key::Ids(owner, ..) => return slot(owner),
        Key::User(..) | Key::Org(_) => 0,
    })
}

fn home(key: &Key) -> u64 {
    u64::from(slot(key).0) % HOMES
}

/// One home reads its own records and no other's.
struct Own<'s>(&'s Records, u64);

impl View for Own<'_> {
    fn get(&self, key: &Key) -> Known {
        assert_eq!(home(key), self.1, "a home reads what is another's: {key:?}");
        self.0
            .get(key)
            .map_or(Known::Absent, |record| Known::Here(record.clone()))
    }
}

/// What comes in: a line of a script, `#?` for one of the chatrooms that there are by then.
#[derive(Debug, Clone)]
struct Act {
    line: String,
    hours: i64,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let crm = prop::sample::select(&["A", "B", "C"][..]);
    let line = (crm, 1..5_u64, 1..3_u64, 0..100_u32).prop_map(|(crm, phone, waba, kind)| match kind {
        0..40 => format!("upsert {crm} p{phone} first"),
        40..43 => format!("upsert {crm} 12 first"),
        43..50 => format!("delete {crm}"),
        50..65 => format!("chatroom {crm} w{waba} anew"),
        65..72 => format!("affiliate p{phone} w{waba}"),
        72..78 => "expire #?".to_owned(),
        78..84 => "activate #?".to_owned(),
        84..88 => "deactivate #?".to_owned(),
        88..95 => format!("message p{phone} w{waba}"),
        95 => "put none".to_owned(),
        96..98 => "put".to_owned(),
        _ => "put expire=2".to_owned(),
    });
    let request = prop::option::weighted(0.3, 0..4_u32);
    let act = (line, request, 0..3_i64).prop_map(|(line, request, hours)| Act {
        line: line + &request.map_or(String::new(), |id| format!(" id=x{id}")),
        hours,
    });
    prop::collection::vec(act, 1..30)
}

/// Numbers from a seed (splitmix64): one number prints a whole order of events.
struct Picks(u64);

impl Picks {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % count as u64) as usize
    }
}

struct Homes {
    /// Of all homes; each is shown its own.
    records: Records,
    /// Keeps the settings.
    world: World,
    queues: BTreeMap<(u64, u64), VecDeque<Event>>,
    published: Vec<Effect>,
    rooms: Vec<ChatroomId>,
    events: Vec<(u128, Event)>,
    picks: Picks,
    /// The records take every step twice, one right behind the other; what follows from it follows once.
    twice: bool,
}

impl Homes {
    fn new(seed: u64, twice: bool) -> Self {
        let mut world = World::default();
        world.set(day(0.0), script::content(&[]));
        Self {
            records: Records::new(),
            world,
            queues: BTreeMap::new(),
            published: Vec::new(),
            rooms: Vec::new(),
            events: Vec::new(),
            picks: Picks(seed),
            twice,
        }
    }

    fn come_in(&mut self, act: &Act, now: i64) {
        let number = self.events.len() as u128 + 1;
        let nowhere = ChatroomId {
            slot: Slot(0),
            uuid: Uuid::nil(),
        };
        let room = if self.rooms.is_empty() {
            nowhere
        } else {
            let pick = self.picks.below(self.rooms.len());
            self.rooms[pick]
        };
        let line = act
            .line
            .replace("#?", &room.to_string())
            .replace("first", &format!("first=n{number}"));
        let event = script::event(&format!("@{} {line}", now as f64 / 24.0), number);
        self.events.push((number, event.clone()));
        self.send(OUTSIDE, event);
    }

    fn send(&mut self, from: u64, event: Event) {
        let to = home(&event.body.key());
        self.queues.entry((from, to)).or_default().push_back(event);
    }

    /// Judges the head of one queue. None: all are empty.
    fn judge_one(&mut self) -> Option<()> {
        self.queues.retain(|_, queue| !queue.is_empty());
        if self.queues.is_empty() {
            return None;
        }
        let pick = self.picks.below(self.queues.len());
        let lane = *self.queues.keys().nth(pick)?;
        let event = self.queues.get_mut(&lane)?.pop_front()?;
        let effects = self.judge(&event, lane.1);
        // That a dead letter ended a request can't be heard twice: its id may be in use again.
        let once = matches!(&event.body, Body::Step(_, step) if matches!(**step, Step::Done { answer: None, .. }));
        if self.twice && matches!(event.body, Body::Step(..)) && !once {
            self.judge(&event, lane.1);
        }
        self.perform(&event, lane.1, effects);
        invariants::check(&self.records);
        Some(())
    }

    fn judge(&mut self, event: &Event, at: u64) -> Vec<Effect> {
        let around = Surroundings {
            settings: self.world.settings.as_ref(),
            slot: slot(&event.body.key()),
        };
        let judgement = judge(&Own(&self.records, at), event, around).expect("all is read");
        for (key, record) in judgement.writes {
            assert_eq!(home(&key), at, "a home writes what is another's");
            match record {
                Some(record) => self.records.insert(key, Arc::new(record)),
                None => self.records.remove(&key),
            };
        }
        judgement.effects
    }

    fn perform(&mut self, event: &Event, at: u64, effects: Vec<Effect>) {
        for effect in effects {
            match &effect.what {
                Consequence::PassOn(passed) => self.send(at, passed_on(event, &effect, passed)),
                Consequence::Settings(accepted) => self.world.set(event.at, accepted.content.clone()),
                Consequence::Lifecycle(told) if told.happening == Happening::ChatroomCreated => {
                    if let Subject::Chatroom(room) = &told.subject {
                        self.rooms.push(room.id);
                    }
                    self.published.push(effect);
                }
                _ => self.published.push(effect),
            }
        }
    }

    fn directories(&self) -> impl Iterator<Item = (&CrmId, &Directory)> {
        self.records.iter().filter_map(|(key, record)| match (key, &**record) {
            (Key::Contact(_, crm_id), Record::Directory(directory)) => Some((crm_id, directory)),
            _ => None,
        })
    }

    fn entries(&self) -> impl Iterator<Item = (Phone, &Entry)> {
        self.records.iter().filter_map(|(key, record)| match (key, &**record) {
            (Key::Phone(_, phone), Record::Entry(entry)) => Some((*phone, entry)),
            _ => None,
        })
    }
}

/// Lets all come in and be judged, in the order that the picks say.
fn play(acts: &[Act], seed: u64, twice: bool) -> Homes {
    let mut homes = Homes::new(seed, twice);
    let mut now = 24;
    let mut acts = acts.iter().peekable();
    loop {
        // Of each three turns one is for what comes in, as long as there is any.
        let comes_in = homes.picks.below(3) == 0 || homes.queues.is_empty();
        match acts.next_if(|_| comes_in) {
            Some(act) => {
                now += act.hours;
                homes.come_in(act, now);
            }
            None if homes.judge_one().is_none() && acts.peek().is_none() => break,
            None => {}
        }
    }
    homes
}

/// Once all is quiet the directory and the phones agree, and nothing waits.
fn agree(homes: &Homes) {
    let mut stands: BTreeMap<&CrmId, Vec<_>> = BTreeMap::new();
    for (phone, entry) in homes.entries() {
        for contact in entry.contacts.iter() {
            assert!(!contact.leaving, "C3: still leaving");
            stands.entry(&contact.crm_id).or_default().push(phone);
        }
    }
    for (crm_id, directory) in homes.directories() {
        assert!(
            directory.underway.is_none() && directory.waiting.is_empty(),
            "K3: {crm_id} waits for ever"
        );
        let open = directory
            .requests
            .recent
            .iter()
            .filter(|known| known.outcome == Outcome::InProgress);
        assert_eq!(open.count(), 0, "K2: a request without an answer");
        // What is heard twice may leave a reservation behind, which harms nobody.
        let held = directory.held.iter().filter(|held| held.attached || !homes.twice);
        let held: Vec<_> = held.map(|held| held.phone.canonical).collect();
        assert_eq!(
            stands.remove(crm_id).unwrap_or_default(),
            held,
            "C3: where {crm_id} stands"
        );
        let settled = directory
            .held
            .as_ref()
            .is_none_or(|held| held.attached && held.in_flight == 0);
        assert!(settled || homes.twice, "a reservation that nothing will end");
        assert!(!directory.erased || directory.phones.is_empty(), "C5");
        let anywhere = homes.entries().flat_map(|(_, entry)| &entry.chatrooms);
        let of_it = anywhere.filter(|room| room.crm_id() == Some(crm_id)).count();
        assert!(!directory.erased || of_it == 0, "C5: chatrooms of an erased contact");
    }
    assert!(stands.is_empty(), "contacts that no directory knows: {stands:?}");
}

fn results(homes: &Homes) -> BTreeMap<u128, Vec<&CommandResult>> {
    let mut results: BTreeMap<u128, Vec<&CommandResult>> = BTreeMap::new();
    for effect in &homes.published {
        if let (Source::Record(cause), Consequence::Result(result)) = (&effect.source, &effect.what) {
            results.entry(cause.seed.as_u128()).or_default().push(result);
        }
    }
    results
}

/// K1: each command has one result, or is a dead letter; and no event is told twice.
fn each_is_answered_once(homes: &Homes) {
    let results = results(homes);
    let dead: Vec<u128> = homes
        .published
        .iter()
        .filter(|effect| matches!(effect.what, Consequence::DeadLetter(_)))
        .map(|effect| match &effect.source {
            Source::Record(cause) => cause.seed.as_u128(),
            Source::Timer(_) => 0,
        })
        .collect();
    for (number, event) in &homes.events {
        let Body::Command(command) = &event.body else { continue };
        let told = results.get(number).map_or(&[][..], Vec::as_slice);
        let dead = dead.iter().filter(|dead| *dead == number).count();
        assert_eq!(told.len() + dead, 1, "K1: {number} {command:?}");
        assert!(told.iter().all(|result| result.request == command.request));
    }
    let mut seen = BTreeSet::new();
    for effect in &homes.published {
        if matches!(effect.what, Consequence::Lifecycle(_)) {
            assert!(seen.insert(format!("{effect:?}")), "told twice: {effect:?}");
        }
    }
}

/// K2: of all commands under one id of a target one at most had an effect.
fn each_request_is_one_command(homes: &Homes) {
    let results = results(homes);
    let mut had_effect = BTreeSet::new();
    for (number, event) in &homes.events {
        let Body::Command(command) = &event.body else { continue };
        for result in results.get(number).into_iter().flatten() {
            let judged = result.status != Status::Duplicate;
            let unknown_org = result.code == Some(Code::UnknownOrg);
            if judged && !unknown_org {
                assert!(
                    had_effect.insert((command.key(), command.request.to_string())),
                    "K2: {command:?}"
                );
            }
        }
    }
}

/// K3: a contact is as the last accepted of its upserts left it.
fn the_last_upsert_counts(homes: &Homes) {
    let results = results(homes);
    let mut last: BTreeMap<&CrmId, (u128, &str)> = BTreeMap::new();
    for (number, event) in &homes.events {
        let Body::Command(command) = &event.body else { continue };
        let accepted = |result: &&CommandResult| matches!(result.status, Status::Applied | Status::Unchanged);
        if !results.get(number).is_some_and(|told| told.iter().any(accepted)) {
            continue;
        }
        match &command.what {
            What::UpsertContact { crm_id, phone_text, .. } => {
                last.insert(crm_id, (*number, phone_text));
            }
            What::DeleteContact { crm_id } => {
                last.remove(crm_id);
            }
            _ => {}
        }
    }
    let standing = homes
        .entries()
        .flat_map(|(phone, entry)| entry.contacts.iter().map(move |held| (phone, held)));
    let mut count = 0;
    for (phone, contact) in standing {
        count += 1;
        let (number, text) = last[&contact.crm_id];
        assert_eq!(
            contact.profile.first_name.as_deref(),
            Some(&*format!("n{number}")),
            "K3"
        );
        assert_eq!(phone.to_string(), text, "K3");
        assert!(contact.status == ContactStatus::Active || !contact.leaving);
    }
    assert_eq!(count, last.len(), "a contact is lost");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_interleaving_keeps_the_rules(acts in acts(), seed in any::<u64>()) {
        let homes = play(&acts, seed, false);
        agree(&homes);
        each_is_answered_once(&homes);
        each_request_is_one_command(&homes);
        the_last_upsert_counts(&homes);
    }

    #[test]
    fn a_step_judged_twice_does_no_harm(acts in acts(), seed in any::<u64>()) {
        agree(&play(&acts, seed, true));
    }
}
