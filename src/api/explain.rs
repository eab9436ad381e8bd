//! What would happen to a message, and why: for the API, and for the command of the same name. Judged by the same rules as any
//! message, on what the index holds; nothing is sent, nothing changes.

use super::Api;
use super::bodies::{ExplainBody, OrgPath};
use super::gate::Readable;
use super::letter::{self, check_type};
use super::problem::Problem;
use super::reads::{ReadQuery, as_of, bad_phone, within};
use super::shown;
use crate::contract::instant;
use crate::contract::words::Word;
use crate::domain::effect::{
    AutoReplySent, Candidate, Consequence, Effect, Lifecycle, Outbound, Routed, Source, Subject, Unrouted,
};
use crate::domain::event::{Inbound, Sender};
use crate::domain::ids::{IdHash, OrgId};
use crate::domain::phone::{SpelledPhone, parse_international};
use crate::domain::time::Instant;
use axum::extract::{Request, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// Where a message would go.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Explanation {
    Routed(WouldBeRouted),
    Unrouted(WouldBeKept),
}

/// It would go to a chatroom.
#[derive(Debug, Serialize, ToSchema)]
pub struct WouldBeRouted {
    /// True.
    pub routed: bool,
    pub chatroom_id: String,
    /// The chatroom's.
    pub waba_phone: String,
    #[schema(example = "REACTIVATED")]
    pub reason: &'static str,
    #[schema(example = "I2")]
    pub rule: &'static str,
    /// What would become of the auto-reply; null: the chatroom is not expired.
    pub auto_reply: Option<&'static str>,
    /// Best first.
    pub candidates: Vec<ShownCandidate>,
    pub settings_version: i64,
    /// Timers that would be due by then, and a chatroom that would wake.
    pub events: Vec<WouldHappen>,
    /// What would leave for the customer: the auto-reply, if it would be sent.
    pub outbound: Vec<WouldLeave>,
    /// The index holds all that was decided up to here. Null: nothing was read, or it is being rebuilt.
    #[schema(format = DateTime)]
    pub applied_until: Option<String>,
}

/// It would be kept as unrouted.
#[derive(Debug, Serialize, ToSchema)]
pub struct WouldBeKept {
    /// False.
    pub routed: bool,
    #[schema(example = "NO_CONTACT")]
    pub reason: &'static str,
    #[schema(example = "I4")]
    pub rule: &'static str,
    /// The contacts that hold the phone.
    pub crm_ids: Vec<String>,
    pub settings_version: Option<i64>,
    /// Timers that would be due by then.
    pub events: Vec<WouldHappen>,
    /// The index holds all that was decided up to here. Null: nothing was read, or it is being rebuilt.
    #[schema(format = DateTime)]
    pub applied_until: Option<String>,
}

/// A chatroom as it was before the decision.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Candidate)]
pub struct ShownCandidate {
    pub chatroom_id: String,
    pub crm_id: Option<String>,
    pub waba_phone: String,
    pub status: &'static str,
    #[schema(format = DateTime)]
    pub since: String,
}

/// A lifecycle event that would follow.
#[derive(Debug, Serialize, ToSchema)]
pub struct WouldHappen {
    #[serde(rename = "type")]
    #[schema(example = "CHATROOM_ACTIVATED")]
    pub kind: &'static str,
    /// The chatroom's id, or the contact's.
    pub subject: String,
    #[schema(example = "inbound")]
    pub reason: &'static str,
    #[schema(format = DateTime)]
    pub occurred_at: String,
    /// It was due before the message, which does not cause it.
    pub timer: bool,
}

/// An auto-reply that would be sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct WouldLeave {
    /// The one that was written to.
    pub waba_phone: String,
    pub text: String,
    #[schema(format = DateTime)]
    pub not_after: String,
}

#[derive(Deserialize)]
struct Asked {
    phone: String,
    waba_phone: String,
    at: Option<String>,
}

/// Say where a message would go, and why
///
/// By the same rules as any message, with the timers that would be due by then and every candidate. Nothing changes.
#[utoipa::path(
    post, path = "/v1/orgs/{org}/explain", tag = "messages", params(OrgPath, ReadQuery), request_body = ExplainBody,
    responses((
        status = 200, description = "What would happen.", body = Explanation,
        headers(("Applied-Until" = Option<String>, description = "Up to when the index is applied."))
    )),
)]
pub async fn explain(State(api): State<Arc<Api>>, place: Readable, request: Request) -> Result<Response, Problem> {
    let at_least = ReadQuery::of(request.uri())?;
    check_type(request.headers())?;
    let body = letter::body(request, api.config.api.request_timeout).await?;
    let text = letter::text(&body)?;
    let asked: Asked = serde_json::from_str(text).map_err(|error| letter::unreadable(text, &error))?;
    let at = match &asked.at {
        None => now(),
        Some(text) => instant::parse(text).ok_or_else(|| Problem::malformed("$.at is no instant by RFC 3339"))?,
    };
    let phone = api.typed_phone(&place.org, &asked.phone, "$.phone").await?;
    let waba_phone = parse_international(&asked.waba_phone).map_err(|fault| bad_phone("$.waba_phone", &fault))?;
    let message = message(place.org.clone(), phone, waba_phone, at);
    let table = api.settings_now().await?;
    let mut inspector = api.inspector(at_least);
    let judgement = within(&mut inspector, async |inspector| {
        inspector.judge(message, at, table.of(&place.org)).await
    })
    .await?;
    let until = inspector.applied_until();
    let explanation = Explanation::of(&judgement.effects, until);
    let explanation = explanation.ok_or_else(|| Problem::unavailable("an answer"))?;
    Ok(as_of(until, explanation))
}

/// A message of a person that never came before.
#[must_use]
pub fn message(org: OrgId, phone: SpelledPhone, waba_phone: SpelledPhone, at: Instant) -> Inbound {
    Inbound {
        org,
        from: Sender::Phone(phone),
        waba_phone: waba_phone.canonical,
        message: IdHash(Uuid::new_v4().as_u128()),
        sent_at: at,
        system: false,
    }
}

impl Explanation {
    /// What the judgement of one message says. None: it neither routes nor keeps one.
    #[must_use]
    pub fn of(effects: &[Effect], applied_until: Option<Instant>) -> Option<Self> {
        let events: Vec<WouldHappen> = events(effects).map(would_happen).collect();
        let outbound: Vec<WouldLeave> = replies(effects).map(would_leave).collect();
        let applied_until = shown::until(applied_until);
        effects
            .iter()
            .find_map(|effect| match &effect.what {
                Consequence::Routed(_) | Consequence::Unrouted(_) => Some(&effect.what),
                _ => None,
            })
            .and_then(|verdict| match verdict {
                Consequence::Routed(routed) => Some(Self::Routed(WouldBeRouted {
                    events,
                    outbound,
                    applied_until,
                    ..would_be_routed(routed)
                })),
                Consequence::Unrouted(unrouted) => Some(Self::Unrouted(would_be_kept(unrouted, events, applied_until))),
                _ => None,
            })
    }
}

fn would_be_routed(routed: &Routed) -> WouldBeRouted {
    WouldBeRouted {
        routed: true,
        chatroom_id: routed.chatroom.id.to_string(),
        waba_phone: routed.chatroom.waba_phone.to_string(),
        reason: routed.reason.word(),
        rule: routed.rule.word(),
        auto_reply: routed.auto_reply.map(Word::word),
        candidates: routed.candidates.iter().map(candidate).collect(),
        settings_version: routed.settings_version,
        events: Vec::new(),
        outbound: Vec::new(),
        applied_until: None,
    }
}

fn would_be_kept(unrouted: &Unrouted, events: Vec<WouldHappen>, applied_until: Option<String>) -> WouldBeKept {
    WouldBeKept {
        routed: false,
        reason: unrouted.reason.word(),
        rule: "I4",
        crm_ids: unrouted.crm_ids.iter().map(ToString::to_string).collect(),
        settings_version: unrouted.settings_version,
        events,
        applied_until,
    }
}

fn candidate(candidate: &Candidate) -> ShownCandidate {
    ShownCandidate {
        chatroom_id: candidate.chatroom_id.to_string(),
        crm_id: candidate.crm_id.as_ref().map(ToString::to_string),
        waba_phone: candidate.waba_phone.to_string(),
        status: candidate.status.word(),
        since: instant::format(candidate.since),
    }
}

/// The lifecycle events among the effects, each with whether a timer is its cause, and not the message.
pub fn events(effects: &[Effect]) -> impl Iterator<Item = (&Lifecycle, bool)> {
    effects.iter().filter_map(|effect| match &effect.what {
        Consequence::Lifecycle(event) => Some((event.as_ref(), matches!(effect.source, Source::Timer(_)))),
        _ => None,
    })
}

/// What would leave for the customer.
pub fn replies(effects: &[Effect]) -> impl Iterator<Item = (&Outbound, &AutoReplySent)> {
    effects.iter().filter_map(|effect| match &effect.what {
        Consequence::Outbound(outbound) => Some((outbound, outbound.auto_reply.as_ref()?)),
        _ => None,
    })
}

/// The id of what an event is about.
#[must_use]
pub fn subject(event: &Lifecycle) -> String {
    match &event.subject {
        Subject::Contact(crm_id) => crm_id.to_string(),
        Subject::Chatroom(room) => room.id.to_string(),
    }
}

fn would_happen((event, timer): (&Lifecycle, bool)) -> WouldHappen {
    WouldHappen {
        kind: event.happening.word(),
        subject: subject(event),
        reason: event.reason.word(),
        occurred_at: instant::format(event.occurred_at),
        timer,
    }
}

fn would_leave((outbound, reply): (&Outbound, &AutoReplySent)) -> WouldLeave {
    WouldLeave {
        waba_phone: outbound.waba_phone.to_string(),
        text: reply.text.to_string(),
        not_after: instant::format(reply.not_after),
    }
}

fn now() -> Instant {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Instant(i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}
