//! The judgement of one prepared record, and its effects as records to produce. A record that can't be judged becomes a dead
//! letter that says so, and its command an answer: nothing is lost, and the next record goes on.

use super::prepare::{AtHome, Content, Prepared};
use super::tally::{Count, Tally};
use super::{Facts, Judged, SettingsTable};
use crate::contract::{Affiliate, Carried, Ordinals, OutRecord, TopicKind, dead_letter, envelope, publish};
use crate::domain::effect::{
    Code, CommandResult, Consequence, Counted, DeadLetter, DeadReason, Effect, Passed, Source, Status,
};
use crate::domain::event::{Body, Cause, Command, Event, Step, Surroundings};
use crate::domain::judge as rules;
use crate::domain::phone::{Phone, SpelledPhone};
use crate::domain::record::{Judgement, Key, Needs, View};
use crate::domain::time::Instant;
use crate::kafka::NewRecord;
use crate::state::codec;
use crate::state::homes::home_text;
use crate::state::working_set::Write;
use crate::telemetry::metrics::{Duplicate, RecordOutcome};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What is kept of a value that is too large even for a dead letter.
const KEPT: usize = 64 * 1024;

/// Judges. Err: read these records, and judge again.
pub fn judge(prepared: &Prepared, facts: &Facts, view: &dyn View, table: &SettingsTable) -> Result<Judged, Needs> {
    let mut out = Out::new(prepared, facts);
    match &prepared.content {
        Content::AtHome(at_home) => return judge_event(at_home, prepared, (facts, view, table)),
        Content::Dead(dead, _) => out.dead_letter(dead),
        Content::Away(key, _) => out.pass_on(key, None),
        Content::Affiliate(cause, affiliate) => {
            let settings = table.of(&affiliate.org);
            let content = settings.and_then(|settings| settings.content.as_ref());
            let region = content.and_then(|content| content.default_region);
            match (affiliate.as_ref().clone().parse(region), content) {
                (Ok(command), _) => return judge_affiliate(command, cause, prepared, (facts, view, table)),
                // Without settings there is no region to read it by; that the org is unknown comes first (P1).
                (Err(_), None) => {
                    let event = unread(cause, affiliate, prepared.decided_at);
                    out.answer(&event, Code::UnknownOrg, None);
                    out.outcome(RecordOutcome::Judged);
                }
                (Err(dead), Some(_)) => out.dead_letter(&dead),
            }
        }
    }
    Ok(out.done(Vec::new()))
}

type World<'a> = (&'a Facts, &'a dyn View, &'a SettingsTable);

fn judge_affiliate(command: Command, cause: &Cause, prepared: &Prepared, world: World<'_>) -> Result<Judged, Needs> {
    let phone = match &command.what {
        crate::domain::event::What::CreateAffiliate(create) => Some(create.phone),
        _ => None,
    };
    let event = Event {
        at: prepared.decided_at,
        cause: cause.clone(),
        body: Body::Command(Box::new(command)),
    };
    let (facts, ..) = world;
    let at_home = AtHome::new(event, facts);
    if facts.homes.partitions().of(at_home.slot) == facts.partition {
        return judge_event(&at_home, prepared, world);
    }
    let mut out = Out::new(prepared, facts);
    out.pass_on(&at_home.key, phone);
    Ok(out.done(Vec::new()))
}

fn judge_event(at_home: &AtHome, prepared: &Prepared, (facts, view, table): World<'_>) -> Result<Judged, Needs> {
    let AtHome {
        event, slot, carried, ..
    } = at_home;
    let around = Surroundings {
        settings: table.of(event.body.org()),
        slot: *slot,
    };
    // A panic is a fault of ours on this one record; nothing was written, so nothing is torn.
    let judged = catch_unwind(AssertUnwindSafe(|| rules::judge(view, event, around)));
    let Judgement { writes, effects } = match judged {
        Ok(judgement) => judgement?,
        Err(_) => return Ok(give_up(prepared, facts, "the rules failed on this record")),
    };
    let write = |(key, record)| Write::new(facts.format, key, record);
    let writes: Vec<Write> = writes.into_iter().map(write).collect();
    if let Some(largest) = writes
        .iter()
        .map(Write::bytes)
        .max()
        .filter(|bytes| *bytes > facts.largest_record)
    {
        let why = format!("its record of the state would take {largest} bytes");
        return Ok(give_up(prepared, facts, &why));
    }
    let mut out = Out::new(prepared, facts);
    out.carried = carried.as_ref();
    effects.iter().for_each(|effect| out.effect(effect, event));
    if prepared.at().is_some() {
        let repeat = effects
            .iter()
            .any(|effect| matches!(effect.what, Consequence::Counted(_)));
        out.outcome(if repeat {
            RecordOutcome::Dropped
        } else {
            RecordOutcome::Judged
        });
    }
    if let Some(fault) = &out.fault {
        return Ok(give_up(prepared, facts, fault));
    }
    if let Some(record) = out.records.iter().find(|record| too_long(record, facts)) {
        let why = format!("what follows from it is too large for {}", record.topic);
        return Ok(give_up(prepared, facts, &why));
    }
    Ok(out.done(writes))
}

/// What a record that can't be judged comes to: a dead letter, and for a command the answer `FAILED` as well.
#[must_use]
pub fn give_up(prepared: &Prepared, facts: &Facts, why: &str) -> Judged {
    let mut out = Out::new(prepared, facts);
    let detail = format!("can't be judged: {why}");
    match &prepared.content {
        Content::AtHome(at_home) if matches!(at_home.event.body, Body::Sweep(..)) => {
            tracing::error!(why, "sweep_failed");
            return out.done(Vec::new());
        }
        Content::AtHome(at_home) => {
            let event = &at_home.event;
            let next = match &event.body {
                Body::Step(org, step) => step.given_up(org),
                _ => None,
            };
            if !matches!(next, Some(Step::Stay { .. })) {
                out.answer(event, Code::Failed, Some(detail.clone()));
            }
            if let Some(step) = next {
                let passed = Passed {
                    org: event.body.org().clone(),
                    at: event.at,
                    step,
                };
                out.effect(&from(&event.cause, Consequence::PassOn(Box::new(passed))), event);
            }
        }
        Content::Affiliate(cause, affiliate) => {
            out.answer(
                &unread(cause, affiliate, prepared.decided_at),
                Code::Failed,
                Some(detail.clone()),
            );
        }
        Content::Dead(..) | Content::Away(..) => {}
    }
    out.dead_letter(&DeadLetter {
        reason: DeadReason::CannotBeJudged,
        detail: detail.into(),
    });
    out.done(Vec::new())
}

/// An affiliate's command whose phone nobody could read.
fn unread(cause: &Cause, affiliate: &Affiliate, at: Instant) -> Event {
    let none = SpelledPhone {
        canonical: Phone(0),
        spelled: Phone(0),
    };
    Event {
        at,
        cause: cause.clone(),
        body: Body::Command(Box::new(affiliate.clone().with_phone(none))),
    }
}

fn command_of(body: &Body) -> Option<&Command> {
    match body {
        Body::Command(command) => Some(command),
        Body::Step(_, step) => step.command(),
        Body::Inbound(_) | Body::Sweep(..) => None,
    }
}

fn refused(command: &Command, code: Code, detail: Option<String>, at: Instant) -> CommandResult {
    CommandResult {
        request: command.request.clone(),
        org: command.org.clone(),
        kind: command.kind(),
        status: Status::Refused,
        code: Some(code),
        detail: detail.map(Into::into),
        chatroom: None,
        contact: None,
        conflict: None,
        first: None,
        settings_version: None,
        decided_at: at,
    }
}

fn from(cause: &Cause, what: Consequence) -> Effect {
    Effect {
        source: Source::Record(cause.clone()),
        what,
    }
}

fn too_long(record: &NewRecord, facts: &Facts) -> bool {
    let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    let headers: usize = record
        .headers
        .iter()
        .map(|(name, value)| name.len() + length(value.as_deref()))
        .sum();
    length(record.key.as_deref()) + length(record.value.as_deref()) + headers > facts.largest_record
}

/// A dead letter that would itself be refused goes without the record's own headers and all but the first of its value.
fn shortened(mut letter: NewRecord) -> NewRecord {
    letter.headers.retain(|(name, _)| name.starts_with("dlq_"));
    letter.key = letter.key.filter(|key| key.len() <= KEPT);
    if let Some(value) = &mut letter.value {
        value.truncate(KEPT);
    }
    letter.headers.push(("dlq_truncated".into(), Some(b"true"[..].into())));
    letter
}

/// What one record's judgement publishes, and its figures.
struct Out<'a> {
    prepared: &'a Prepared,
    facts: &'a Facts,
    carried: Option<&'a Carried>,
    ordinals: Ordinals,
    records: Vec<NewRecord>,
    tally: Tally,
    /// An effect could not be written: a fault of ours on this record.
    fault: Option<String>,
}

impl<'a> Out<'a> {
    fn new(prepared: &'a Prepared, facts: &'a Facts) -> Self {
        Self {
            prepared,
            facts,
            carried: None,
            ordinals: Ordinals::default(),
            records: Vec::with_capacity(1),
            tally: Tally::default(),
            fault: None,
        }
    }

    fn outcome(&mut self, outcome: RecordOutcome) {
        if let Some(from) = &self.prepared.from {
            self.tally.counts.push(Count::Record(from.kind, outcome));
        }
    }

    fn effect(&mut self, effect: &Effect, event: &Event) {
        self.count(&effect.what);
        if let Source::Timer(due) = &effect.source {
            self.tally.due.push(*due);
        }
        if let (Consequence::PassOn(passed), Source::Record(cause)) = (&effect.what, &effect.source) {
            let key = passed.step.key(&passed.org);
            let step = codec::encode_step(self.facts.format, cause, passed);
            let home = self.facts.homes.partition_of(&key);
            return self.push(envelope::send_step(step, &home_text(&key)), Some(home));
        }
        match publish(event, self.carried, effect, &mut self.ordinals) {
            Ok(record) => record.into_iter().for_each(|record| self.push(record, None)),
            Err(error) => self.fault = Some(error.to_string()),
        }
    }

    /// The refusal of a command that no rule judged.
    fn answer(&mut self, event: &Event, code: Code, detail: Option<String>) {
        if let Some(command) = command_of(&event.body) {
            let result = Box::new(refused(command, code, detail, event.at));
            self.effect(&from(&event.cause, Consequence::Result(result)), event);
        }
    }

    /// The record as it first came in.
    fn dead_letter(&mut self, dead: &DeadLetter) {
        self.tally.counts.push(Count::Dead(dead.reason));
        self.outcome(RecordOutcome::DeadLetter);
        let raw = self.prepared.first(self.facts);
        let letter = raw.map(|raw| dead_letter(&raw, dead));
        letter.into_iter().for_each(|letter| self.push(letter, None));
        if let Some(letter) = self.records.pop_if(|letter| too_long(letter, self.facts)) {
            self.records.push(shortened(letter));
        }
    }

    /// To the home of that key, as it came.
    fn pass_on(&mut self, key: &Key, phone: Option<SpelledPhone>) {
        let Some(raw) = self.prepared.first(self.facts) else {
            return;
        };
        let record = envelope::pass_on(&raw, &home_text(key), self.prepared.decided_at, phone);
        self.push(record, Some(self.facts.homes.partition_of(key)));
        self.outcome(RecordOutcome::PassedOn);
    }

    fn push(&mut self, record: OutRecord, partition: Option<i32>) {
        self.records.push(NewRecord {
            topic: self.facts.topics.name(record.topic).clone(),
            partition: partition.or_else(|| (record.topic == TopicKind::RouterSettings).then_some(0)),
            key: record.key,
            value: record.value,
            headers: record.headers,
            timestamp: None,
        });
    }

    fn count(&mut self, what: &Consequence) {
        let counts = &mut self.tally.counts;
        match what {
            Consequence::Routed(routed) => {
                counts.push(Count::Decision(routed.rule));
                counts.extend(routed.auto_reply.map(Count::AutoReply));
            }
            Consequence::Unrouted(unrouted) => {
                counts.push(Count::Decision(crate::domain::effect::RouteRule::I4));
                counts.push(Count::Unrouted(unrouted.reason));
            }
            Consequence::Result(result) => counts.push(Count::Command(result.kind, result.status, result.code)),
            Consequence::DeadLetter(dead) => counts.push(Count::Dead(dead.reason)),
            Consequence::Counted(Counted::RepeatOfRouted) => counts.push(Count::Repeat(Duplicate::Routed)),
            Consequence::Counted(Counted::RepeatOfUnrouted) => counts.push(Count::Repeat(Duplicate::Unrouted)),
            Consequence::Lifecycle(_)
            | Consequence::Outbound(_)
            | Consequence::PassOn(_)
            | Consequence::Settings(_) => {}
        }
    }

    fn done(self, writes: Vec<Write>) -> Judged {
        Judged {
            writes,
            records: self.records,
            tally: self.tally,
        }
    }
}
