//! `explain --message-id ID ORG`: why a message that already passed went where it went, from what its records say. Reads the
//! outputs from a time on, up to where they ended when it began; judges nothing. The id decodes to a phone: it goes to no log.

use super::letters::{lookup, plain};
use super::now;
use super::output::Out;
use super::progress::Bar;
use super::when::When;
use crate::config::Config;
use crate::contract::kept::Kept;
use crate::contract::{TopicKind, instant};
use crate::domain::ids::OrgId;
use crate::domain::time::Instant;
use crate::failure::{Exit, Failure};
use crate::kafka::Record;
use crate::letters::{Shelf, scan};
use serde_json::{Value, json};
use std::ops::ControlFlow;

/// Where a message may have come to.
const OUTCOMES: [TopicKind; 3] = [
    TopicKind::RoutedMessages,
    TopicKind::UnroutedMessages,
    TopicKind::DeadLetters,
];
/// How far back to look where nobody says.
const SINCE: &str = "24h";

/// One record that the message became.
struct Outcome {
    kind: TopicKind,
    record: Record,
    value: Value,
    /// Of a dead letter.
    kept: Option<Kept>,
}

/// The message that is asked for.
pub struct Message<'a> {
    pub org: &'a OrgId,
    pub id: &'a str,
}

pub fn run(config: &Config, asked: &Message<'_>, since: Option<&When>, out: &mut Out<'_>) -> Result<(), Failure> {
    let since = since.cloned().or_else(|| When::parse(SINCE).ok());
    let since = since.map_or(Instant(0), |since| since.instant(now()));
    let mut lookup = lookup(config)?;
    let mut spans = Vec::new();
    for kind in OUTCOMES {
        spans.extend(scan::spans(&mut lookup, config.topics.name(kind), Some(since.0))?);
    }
    let bar = Bar::new("searching", scan::length(&spans));
    let mut found: Vec<Outcome> = Vec::new();
    let kafka = config.kafka_settings(None);
    scan::read(&kafka, &spans, &mut |count| bar.pass(count), &mut |record| {
        found.extend(outcome(config, asked, record));
        ControlFlow::Continue(())
    })?;
    drop(bar);
    found.sort_by_key(|outcome| outcome.record.timestamp);
    if out.is_json() {
        let records: Vec<Value> = found.iter().map(Outcome::as_json).collect();
        out.json(&json!({"org_id": asked.org.as_str(), "since": instant::format(since), "records": records}))?;
    } else {
        found.iter().try_for_each(|outcome| outcome.tell(out))?;
    }
    if found.is_empty() {
        let since = instant::format(since);
        let next = "see whether org and id are spelled as in the message, or look further back by --since; a message that has \
                    not been judged yet has no record, and a repeat has none of its own";
        let sentence = format!("no record of this message since {since}: {next}");
        return Err(Failure::new(Exit::BadData, sentence));
    }
    Ok(())
}

/// The record, if it is about that message.
fn outcome(config: &Config, asked: &Message<'_>, record: Record) -> Option<Outcome> {
    let kind = config.topics.kind(&record.at.topic)?;
    let bytes = record.value.as_deref()?;
    let is_ours = kind != TopicKind::DeadLetters;
    // As we write it, an id holds no escapes that its JSON text doesn't; a dead letter is as somebody else wrote it.
    if is_ours && !contains(bytes, json!(asked.id).to_string().as_bytes()) {
        return None;
    }
    let kept = if is_ours {
        None
    } else {
        Some(Shelf::DeadLetters.read(&record, &config.topics)?)
    };
    let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let is_about = match &kept {
        // What can't be read as JSON may hold the id all the same.
        Some(kept) if value.is_null() => kept.org.as_ref() == Some(asked.org) && contains(bytes, asked.id.as_bytes()),
        _ => value["message_id"] == asked.id && value["org_id"] == asked.org.as_str(),
    };
    is_about.then_some(Outcome {
        kind,
        record,
        value,
        kept,
    })
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    !wanted.is_empty() && bytes.windows(wanted.len()).any(|window| window == wanted)
}

impl Outcome {
    fn place(&self) -> String {
        format!(
            "{}:{}:{}",
            self.record.at.topic, self.record.at.partition, self.record.at.offset
        )
    }

    fn at(&self) -> Option<String> {
        self.record.timestamp.map(|at| instant::format(Instant(at)))
    }

    /// The decision time.
    fn decided_at(&self) -> Option<&str> {
        let (_, value) = self.record.headers.iter().find(|(name, _)| name == "ce_time")?;
        std::str::from_utf8(value.as_deref()?).ok()
    }

    fn tell(&self, out: &mut Out<'_>) -> Result<(), Failure> {
        let decided = self
            .decided_at()
            .map(|at| format!(", judged as of {at}"))
            .unwrap_or_default();
        let (place, at) = (self.place(), self.at().unwrap_or_default());
        out.line(&plain(&format!("{place}, published {at}{decided}")))?;
        match (self.kind, &self.kept) {
            (_, Some(kept)) => tell_dead(kept, out),
            (TopicKind::RoutedMessages, None) => tell_routed(&self.value, out),
            (_, None) => tell_unrouted(&self.value["unrouted"], out),
        }
    }

    fn as_json(&self) -> Value {
        let mut told = json!({
            "topic": &*self.record.at.topic, "partition": self.record.at.partition, "offset": self.record.at.offset,
            "published_at": self.at(), "decided_at": self.decided_at(),
        });
        let value = &self.value;
        match (self.kind, &self.kept) {
            (_, Some(kept)) => {
                told["outcome"] = json!("dead_letter");
                told["reason"] = json!(kept.reason);
                told["detail"] = json!(kept.detail);
            }
            (TopicKind::RoutedMessages, None) => {
                told["outcome"] = json!("routed");
                for field in [
                    "chatroom_id",
                    "chatroom_status",
                    "chatroom_kind",
                    "crm_id",
                    "waba_phone",
                    "received_on",
                ] {
                    told[field] = value[field].clone();
                }
                take(&value["route"], &mut told);
            }
            (_, None) => {
                told["outcome"] = json!("unrouted");
                take(&value["unrouted"], &mut told);
            }
        }
        told
    }
}

fn take(fields: &Value, into: &mut Value) {
    for (name, value) in fields.as_object().into_iter().flatten() {
        into[name] = value.clone();
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => plain(text),
        other => other.to_string(),
    }
}

fn tell_routed(value: &Value, out: &mut Out<'_>) -> Result<(), Failure> {
    let route = &value["route"];
    out.line(&format!(
        "  It went to chatroom {} on {}: {} by rule {}, settings version {}.",
        text(&value["chatroom_id"]),
        text(&value["waba_phone"]),
        text(&route["reason"]),
        text(&route["rule"]),
        text(&route["settings_version"])
    ))?;
    if !route["auto_reply"].is_null() {
        out.line(&format!("  Auto-reply: {}.", text(&route["auto_reply"])))?;
    }
    let row = |candidate: &Value| {
        let owner = if candidate["crm_id"].is_null() {
            "(affiliate)".to_owned()
        } else {
            text(&candidate["crm_id"])
        };
        let cell = |name: &str| text(&candidate[name]);
        [
            cell("chatroom_id"),
            owner,
            cell("waba_phone"),
            cell("status"),
            cell("since"),
        ]
    };
    let head = ["candidate, best first", "contact", "WABA phone", "status", "since"];
    let candidates = route["candidates"].as_array().into_iter().flatten();
    out.table(head, candidates.map(row).collect())
}

fn tell_unrouted(why: &Value, out: &mut Out<'_>) -> Result<(), Failure> {
    let (reason, rule, version) = (text(&why["reason"]), text(&why["rule"]), text(&why["settings_version"]));
    let version = if version.is_empty() {
        String::new()
    } else {
        format!(", settings version {version}")
    };
    out.line(&format!("  It was kept: {reason} by rule {rule}{version}."))?;
    let contacts: Vec<String> = why["crm_ids"].as_array().into_iter().flatten().map(text).collect();
    if contacts.is_empty() {
        return Ok(());
    }
    out.line(&format!("  Contacts with this phone: {}.", contacts.join(", ")))
}

fn tell_dead(kept: &Kept, out: &mut Out<'_>) -> Result<(), Failure> {
    let detail = kept.detail.as_deref().map(plain).unwrap_or_default();
    out.line(&format!("  It could not be judged: {}: {detail}.", plain(&kept.reason)))
}
