//! Commands as short lines, and the tables in `cases/` that are made of them: each case the lines that come in, and after
//! `=>` what is published for the last. Lines that begin with `&` come in together with the next one that doesn't, before
//! any step of theirs is judged.

use super::harness::{World, cause, crm, day, days, message, org, waba};
use super::text::{chatroom_id, contacts, settings, show};
use crate::domain::chatroom::ChatroomStatus;
use crate::domain::contact::{Field, ProfileChange};
use crate::domain::effect::{CommandResult, Conflict, Consequence, Effect, Source};
use crate::domain::entry::Entry;
use crate::domain::event::{Body, Command, CreateAffiliate, CreateChatroom, Event, Inbound, Sender, Via, What};
use crate::domain::ids::{ChatroomName, ExternalRefId, IdHash, RequestId};
use crate::domain::phone::{Phone, SpelledPhone};
use crate::domain::settings::{Content, Region};
use crate::domain::time::Instant;
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Customers' phones by their numbers: p1, p2, ...
pub fn phone(number: u64) -> Phone {
    Phone(919_812_345_600 + number)
}

fn spelled(word: &str) -> SpelledPhone {
    let phone = phone(word.trim_start_matches('p').parse().unwrap());
    SpelledPhone {
        canonical: phone,
        spelled: phone,
    }
}

/// The words of a line: plain ones in their order, and the `name=value` ones.
struct Words<'l>(Vec<&'l str>);

impl<'l> Words<'l> {
    fn plain(&self, nth: usize) -> &'l str {
        let mut plain = self.0.iter().filter(|word| !word.contains('='));
        plain.nth(nth).unwrap_or_else(|| panic!("word {nth} of {:?}", self.0))
    }

    fn has(&self, flag: &str) -> bool {
        self.0.contains(&flag)
    }

    fn value(&self, name: &str) -> Option<&'l str> {
        self.0
            .iter()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    /// `-` clears.
    fn field(&self, name: &str) -> Field<Arc<str>> {
        match self.value(name) {
            None => Field::Keep,
            Some("-") => Field::Clear,
            Some(text) => Field::Set(Arc::from(text)),
        }
    }
}

/// `@40 upsert A p1 first=Asha created=3 id=r1 api`: when it is judged, and what it is. A request is named by its number
/// unless it says otherwise.
pub fn event(line: &str, number: u128) -> Event {
    let words = Words(line.split_whitespace().collect());
    let at = day(words.plain(0).strip_prefix('@').unwrap().parse().unwrap());
    let body = match words.plain(1) {
        "message" => Body::Inbound(heard(&words, at, number)),
        "sweep" => Body::Sweep(org(), spelled(words.plain(2)).canonical),
        _ => Body::Command(Box::new(command(&words, number))),
    };
    Event {
        at,
        cause: cause(number),
        body,
    }
}

fn heard(words: &Words, at: Instant, number: u128) -> Inbound {
    let id = words
        .value("id")
        .map_or(number, |id| id.trim_start_matches('x').parse().unwrap());
    let mut from = spelled(words.plain(2));
    if let Some(digits) = words.value("spelled") {
        from.spelled = Phone(digits.parse().unwrap());
    }
    Inbound {
        from: Sender::Phone(from),
        waba_phone: waba_phone(words.plain(3)),
        ..message(id, at)
    }
}

fn command(words: &Words, number: u128) -> Command {
    let request = words.value("id").map_or(format!("r{number}"), str::to_owned);
    let mut hasher = DefaultHasher::new();
    request.hash(&mut hasher);
    Command {
        org: org(),
        request: RequestId::parse(&request).unwrap(),
        request_hash: IdHash(hasher.finish().into()),
        via: if words.has("api") { Via::Api } else { Via::Crm },
        what: what(words),
    }
}

fn what(words: &Words) -> What {
    let name = || words.value("name").map(Arc::from);
    let external = || words.value("ref").map(|text| ExternalRefId::parse(text).unwrap());
    match words.plain(1) {
        "upsert" => What::UpsertContact {
            crm_id: crm(words.plain(2)),
            phone_text: phone_text(words.plain(3)),
            profile: ProfileChange {
                first_name: words.field("first"),
                last_name: words.field("last"),
                attributes: words.field("attributes"),
            },
            created_at: words.value("created").map(|text| day(text.parse().unwrap())),
        },
        "delete" => What::DeleteContact {
            crm_id: crm(words.plain(2)),
        },
        "chatroom" => What::CreateChatroom(CreateChatroom {
            crm_id: crm(words.plain(2)),
            waba_phone: waba_phone(words.plain(3)),
            display_name: name(),
            external_ref_id: external(),
            strict: words.has("strict"),
            next_free: words.has("next"),
            deactivate_existing: words.has("anew"),
        }),
        "affiliate" => What::CreateAffiliate(CreateAffiliate {
            phone: spelled(words.plain(2)),
            waba_phone: waba_phone(words.plain(3)),
            display_name: name(),
            external_ref_id: external(),
        }),
        "activate" => What::Activate(room(words.plain(2))),
        "deactivate" => What::Deactivate(room(words.plain(2))),
        "expire" => What::Expire(room(words.plain(2))),
        "send" => What::Send(room(words.plain(2))),
        "put" => What::PutSettings(content(&words.0[2..])),
        other => panic!("{other}"),
    }
}

fn waba_phone(word: &str) -> Phone {
    waba(word.trim_start_matches('w').parse().unwrap())
}

/// `p1` is the phone in full; all else is what someone typed.
fn phone_text(word: &str) -> Arc<str> {
    match word.strip_prefix('p').and_then(|number| number.parse().ok()) {
        Some(number) => Arc::from(phone(number).to_string()),
        None => Arc::from(word),
    }
}

/// `#3`: the chatroom that the third event opened; all else is a name as it stands.
fn room(word: &str) -> ChatroomName {
    match word.strip_prefix('#').and_then(|number| number.parse().ok()) {
        Some(number) => chatroom_id(number).into(),
        None => ChatroomName::parse(word).unwrap(),
    }
}

/// As `text::settings`, and `wabas=1,2`, `region=IN`; `none` removes the org.
pub fn content(words: &[&str]) -> Option<Content> {
    let words = Words(words.to_vec());
    let rest: Vec<&str> = words
        .0
        .iter()
        .copied()
        .filter(|word| !["wabas=", "region=", "id="].iter().any(|own| word.starts_with(own)))
        .collect();
    if rest == ["none"] {
        return None;
    }
    let mut content = settings(&rest.join(" "));
    if let Some(numbers) = words.value("wabas") {
        let numbers: Vec<u64> = numbers.split(',').map(|number| number.parse().unwrap()).collect();
        content.waba_phones = super::harness::content(&numbers).waba_phones;
    }
    content.default_region = words.value("region").and_then(Region::parse);
    Some(content)
}

/// A world and what has come in so far.
pub struct Script {
    pub world: World,
    waiting: VecDeque<Event>,
    events: u128,
}

impl Script {
    /// `held`: the contacts that p78 holds already, as `text::contacts`.
    pub fn new(settings: &str, held: &str) -> Self {
        let mut world = World::default();
        if !held.is_empty() {
            world = World::with_entry(Entry {
                contacts: contacts(held).into(),
                ..Entry::default()
            });
        }
        let words: Vec<&str> = settings.split_whitespace().collect();
        if let Some(content) = content(&words) {
            world.set(day(0.0), Some(content));
        }
        Self {
            world,
            waiting: VecDeque::new(),
            events: 0,
        }
    }

    /// One line; what is published once nothing is left to judge.
    pub fn line(&mut self, line: &str) -> Vec<Effect> {
        self.events += 1;
        let event = event(line.trim_start_matches('&').trim(), self.events);
        self.waiting.push_back(event);
        if line.starts_with('&') {
            return Vec::new();
        }
        let mut published = Vec::new();
        while let Some(event) = self.waiting.pop_front() {
            for effect in self.world.step(&event) {
                check_source(&effect);
                match &effect.what {
                    Consequence::PassOn(passed) => self.waiting.push_back(passed_on(&event, &effect, passed)),
                    Consequence::Settings(accepted) => self.world.set(event.at, accepted.content.clone()),
                    _ => published.push(effect),
                }
            }
        }
        published
    }

    pub fn lines(&mut self, lines: &[&str]) -> Vec<String> {
        let mut last = Vec::new();
        for line in lines {
            last = self.line(line);
        }
        tell(&last)
    }
}

/// A step carries the cause of the record that it follows from: not always the one that is judged.
pub fn passed_on(event: &Event, effect: &Effect, passed: &crate::domain::effect::Passed) -> Event {
    let cause = match &effect.source {
        Source::Record(cause) => cause.clone(),
        Source::Timer(_) => event.cause.clone(),
    };
    Event {
        at: passed.at,
        cause,
        body: Body::Step(passed.org.clone(), Box::new(passed.step.clone())),
    }
}

/// What follows from a command carries its request, what follows from a message or a timer none.
fn check_source(effect: &Effect) {
    if let (Source::Timer(_), Consequence::Lifecycle(event)) = (&effect.source, &effect.what) {
        assert_eq!(event.request, None, "{event:?}");
    }
}

/// As `text::show`, with the results in words.
pub fn tell(effects: &[Effect]) -> Vec<String> {
    let one = |effect: &Effect| match &effect.what {
        Consequence::Result(result) => show_result(result),
        Consequence::DeadLetter(letter) => format!("DeadLetter {:?}", letter.reason),
        Consequence::Outbound(sent) if sent.auto_reply.is_none() => {
            let room = sent.chatroom_id.uuid.as_u128();
            format!(
                "Sent from #{room} w{} to {}",
                sent.waba_phone.0 - waba(0).0,
                name_of(sent.to)
            )
        }
        _ => show(std::slice::from_ref(effect)).remove(0),
    };
    if effects.is_empty() {
        vec!["nothing".to_owned()]
    } else {
        effects.iter().map(one).collect()
    }
}

fn name_of(to: Phone) -> String {
    match to.0.checked_sub(phone(0).0) {
        Some(number) if number < 100 => format!("p{number}"),
        _ => to.to_string(),
    }
}

/// `r1 Refused ChatroomConflict by #2 of B on w1; #3 w1 Deactivated @5; A Active @0`.
fn show_result(result: &CommandResult) -> String {
    let mut text = format!("{} {:?}", result.request, result.status);
    if let Some(code) = result.code {
        text += &format!(" {code:?}");
    }
    if let Some(conflict) = &result.conflict {
        text += &show_conflict(conflict);
    }
    if let Some((status, code)) = result.first {
        text += &format!(
            " of {status:?}{}",
            code.map_or(String::new(), |code| format!(" {code:?}"))
        );
    }
    if let Some(room) = &result.chatroom {
        let status: ChatroomStatus = room.status;
        let waba_phone = room.waba_phone.0 - waba(0).0;
        text += &format!(
            "; #{} w{waba_phone} {status:?} @{}",
            room.id.uuid.as_u128(),
            days(room.since)
        );
    }
    if let Some(contact) = &result.contact {
        text += &format!(
            "; {} {:?} @{}",
            contact.crm_id,
            contact.status,
            days(contact.created_at)
        );
    }
    text
}

fn show_conflict(conflict: &Conflict) -> String {
    let Some(room) = &conflict.chatroom else {
        let names: Vec<&str> = conflict.crm_ids.iter().map(|crm_id| crm_id.as_str()).collect();
        return format!(" by {}", names.join(" "));
    };
    let owner = room.crm_id.as_ref().map_or("-", |crm_id| crm_id.as_str());
    format!(
        " by #{} of {owner} on w{}",
        room.id.uuid.as_u128(),
        room.waba_phone.0 - waba(0).0
    )
}

/// Runs every case of a table.
pub fn check(table: &str) {
    for case in table.split("\n\n").map(str::trim) {
        let (rule, lines) = case.split_once('\n').unwrap_or_else(|| panic!("lines after {case:?}"));
        let given = |name| lines.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("");
        let mut script = Script::new(given("settings:"), given("contacts:"));
        let comes_in = |line: &&str| line.starts_with(['@', '&']);
        let come_in: Vec<&str> = lines.lines().filter(comes_in).collect();
        let expected: Vec<&str> = lines.lines().filter_map(|line| line.strip_prefix("=> ")).collect();
        assert_eq!(script.lines(&come_in), expected, "{rule}");
        super::invariants::check(&script.world.records);
    }
}
