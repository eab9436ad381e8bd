//! `explain ORG PHONE WABA_PHONE`: what would happen to a message: the timers due, every candidate, the rule, the effects.
//! Judged by the same rules as any other, on what the index holds. Changes nothing.

use super::output::Out;
use super::when::When;
use super::{now, once, past};
use crate::api::explain::{self, Explanation, events, replies, subject};
use crate::app;
use crate::config::Config;
use crate::contract::words::Word;
use crate::contract::{TopicKind, instant};
use crate::domain::effect::{Candidate, Consequence, Effect, Routed, Unrouted};
use crate::domain::event::Inbound;
use crate::domain::ids::OrgId;
use crate::domain::phone::parse_international;
use crate::domain::time::Instant;
use crate::failure::{Exit, Failure};
use crate::index::Index;
use crate::inspect::Inspector;
use crate::worker::settings;
use clap::Args;
use serde_json::json;

pub(super) const EXAMPLES: &str = "\
Examples:
  chatroom-router explain acme +919812345678 +12025550100
  chatroom-router explain acme 919812345678 12025550100 --at 2026-11-22T07:00:00Z
  chatroom-router explain acme +919812345678 +12025550100 --output json
  chatroom-router explain --message-id wamid.HBgM acme             why one that passed went where it went
  chatroom-router explain --message-id wamid.HBgM --since 7d acme

By the same rules as any message, with the timers that would be due by then. Nothing is sent, nothing changes. Of a message that
passed, the records that it became say why; looked for from --since on (24 h ago, unless said). Not found is exit code 65.";

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The org's id.
    #[arg(value_parser = OrgId::parse)]
    pub org: OrgId,
    /// The customer's phone, as a message would bring it.
    #[arg(required_unless_present = "message_id")]
    pub phone: Option<String>,
    /// The org's phone that it would be written to.
    #[arg(required_unless_present = "message_id")]
    pub waba_phone: Option<String>,
    /// When the message would be judged, such as 2026-11-22T07:00:00Z; else now.
    #[arg(long, value_name = "INSTANT", value_parser = parse_instant)]
    pub at: Option<Instant>,
    /// A message that passed already: why it went where it went.
    #[arg(long, value_name = "ID", conflicts_with_all = ["phone", "waba_phone", "at"])]
    pub message_id: Option<String>,
    /// Look for it since then: an instant, or how long ago (24h, 7d). [default: 24h]
    #[arg(long, value_name = "TIME", value_parser = When::parse, requires = "message_id")]
    pub since: Option<When>,
}

fn parse_instant(text: &str) -> Result<Instant, &'static str> {
    instant::parse(text).ok_or("write an instant by RFC 3339, such as 2026-11-22T07:00:00Z")
}

pub fn run(config: &Config, args: &ExplainArgs, out: &mut Out<'_>) -> Result<(), Failure> {
    if let Some(id) = &args.message_id {
        let asked = past::Message { org: &args.org, id };
        return past::run(config, &asked, args.since.as_ref(), out);
    }
    let message = message(args)?;
    let topic = config.topics.name(TopicKind::RouterSettings);
    let table = settings::read_once(&config.kafka_settings(None), topic)?;
    let mut inspector = Inspector::new(Index::redis(&config.index_settings())?, app::expected(config)?);
    let at = message.sent_at;
    let judgement = once(inspector.judge(message, at, table.of(&args.org)))?;
    present(&judgement.effects, &inspector, out)
}

/// A message of a person that never came before.
fn message(args: &ExplainArgs) -> Result<Inbound, Failure> {
    let phone = |name: &str, text: &Option<String>| {
        let parsed = parse_international(text.as_deref().unwrap_or_default());
        parsed.map_err(|fault| Failure::new(Exit::Usage, format!("the {name} {fault}")))
    };
    Ok(explain::message(
        args.org.clone(),
        phone("phone", &args.phone)?,
        phone("WABA phone", &args.waba_phone)?,
        args.at.unwrap_or_else(now),
    ))
}

/// Shows the effects of a judgement of one message, and how far the index goes that it was made on.
fn present(effects: &[Effect], inspector: &Inspector, out: &mut Out<'_>) -> Result<(), Failure> {
    if out.is_json() {
        let explanation = Explanation::of(effects, inspector.applied_until()).ok_or_else(no_verdict)?;
        return out.json(&json!(explanation));
    }
    let routed = effects.iter().find_map(|effect| match &effect.what {
        Consequence::Routed(routed) => Some(routed),
        _ => None,
    });
    let unrouted = effects.iter().find_map(|effect| match &effect.what {
        Consequence::Unrouted(unrouted) => Some(unrouted),
        _ => None,
    });
    match (routed, unrouted) {
        (Some(routed), _) => routed_text(routed, effects, out)?,
        (None, Some(unrouted)) => unrouted_text(unrouted, effects, out)?,
        (None, None) => return Err(no_verdict()),
    }
    as_of(inspector, out)
}

fn no_verdict() -> Failure {
    Failure::new(
        Exit::Internal,
        "the judgement neither routes the message nor keeps it: report it, the fault is ours",
    )
}

/// A judgement that read nothing (of an unknown org) is as of now.
fn as_of(inspector: &Inspector, out: &mut Out<'_>) -> Result<(), Failure> {
    match inspector.applied_until() {
        Some(instant) => out.line(&format!(
            "Judged on the index as applied up to {}.",
            instant::format(instant)
        )),
        None if inspector.is_rebuilding() => out.line("The index is being rebuilt: what it lacks was not seen."),
        None => Ok(()),
    }
}

fn routed_text(routed: &Routed, effects: &[Effect], out: &mut Out<'_>) -> Result<(), Failure> {
    let room = &routed.chatroom;
    out.line(&format!(
        "It would go to chatroom {} on {}: {} by rule {}, settings version {}.",
        room.id,
        room.waba_phone,
        routed.reason.word(),
        routed.rule.word(),
        routed.settings_version
    ))?;
    if let Some(reply) = routed.auto_reply {
        out.line(&format!("Auto-reply: {}.", reply.word()))?;
    }
    let row = |candidate: &Candidate| {
        let owner = candidate
            .crm_id
            .as_ref()
            .map_or("(affiliate)".to_owned(), ToString::to_string);
        let (id, waba_phone) = (candidate.chatroom_id.to_string(), candidate.waba_phone.to_string());
        [
            id,
            owner,
            waba_phone,
            candidate.status.word().to_owned(),
            instant::format(candidate.since),
        ]
    };
    let head = ["candidate, best first", "contact", "WABA phone", "status", "since"];
    out.table(head, routed.candidates.iter().map(row).collect())?;
    events_text(effects, out)
}

fn unrouted_text(unrouted: &Unrouted, effects: &[Effect], out: &mut Out<'_>) -> Result<(), Failure> {
    out.line(&format!(
        "It would be kept in unrouted-messages: {} by rule I4.",
        unrouted.reason.word()
    ))?;
    if !unrouted.crm_ids.is_empty() {
        let names: Vec<&str> = unrouted.crm_ids.iter().map(|crm_id| crm_id.as_str()).collect();
        out.line(&format!("Contacts with this phone: {}.", names.join(", ")))?;
    }
    events_text(effects, out)
}

/// What would happen beside: timers that are due, a chatroom that wakes.
fn events_text(effects: &[Effect], out: &mut Out<'_>) -> Result<(), Failure> {
    for (event, is_timer) in events(effects) {
        let cause = if is_timer {
            "A timer is due first"
        } else {
            "The message leads to"
        };
        let (what, reason) = (event.happening.word(), event.reason.word());
        out.line(&format!(
            "{cause}: {what} {} ({reason}) at {}",
            subject(event),
            instant::format(event.occurred_at)
        ))?;
    }
    for (outbound, reply) in replies(effects) {
        out.line(&format!("From {} leaves: {}", outbound.waba_phone, reply.text))?;
    }
    Ok(())
}
