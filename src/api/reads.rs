//! What is known: an org's settings as of now, and the contacts and chatrooms of the index as of an instant that each answer
//! names. Changes nothing.

use super::gate::Readable;
use super::problem::Problem;
use super::shown::{self, OneChatroom, OneContact, ShownPhone, ShownSettings};
use super::{APPLIED_UNTIL, Api};
use crate::contract::instant;
use crate::contract::refusal_in_words;
use crate::contract::words::Word;
use crate::domain::effect::Code;
use crate::domain::ids::{ChatroomName, CrmId, IdFault, OrgId};
use crate::domain::phone::{SpelledPhone, parse_international, parse_typed};
use crate::domain::time::Instant;
use crate::failure::Failure;
use crate::inspect::{Inspector, Standing};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use utoipa::IntoParams;

/// An index that does not answer within this time is away.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a read may ask for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReadQuery {
    /// An instant, such as the `decided_at` of a result that was seen. The answer then holds all that was decided and
    /// published before the question: it waits for the index, and is 409 if that does not get so far in time.
    #[param(format = DateTime)]
    at_least: Option<String>,
}

/// The answer must hold all that was published before it was asked for.
#[derive(Debug, Clone, Copy)]
pub struct AtLeast;

impl ReadQuery {
    pub fn of(uri: &Uri) -> Result<Option<AtLeast>, Problem> {
        let query = Query::<Self>::try_from_uri(uri).map_err(|_| {
            let detail = "the query can't be read: give at_least once, as an instant";
            Problem::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", detail)
        })?;
        let Some(text) = &query.at_least else { return Ok(None) };
        // Of an offset's plus a query makes a space.
        let instant = instant::parse(&text.replace(' ', "+"));
        instant.ok_or_else(|| Problem::malformed("at_least is no instant by RFC 3339"))?;
        Ok(Some(AtLeast))
    }
}

/// The settings in force
///
/// As of now: those that a result has named are among them.
#[utoipa::path(
    get, path = "/v1/orgs/{org}/settings", tag = "settings", params(super::bodies::OrgPath),
    responses((status = 200, description = "The settings in force.", body = ShownSettings)),
)]
pub async fn get_settings(State(api): State<Arc<Api>>, place: Readable) -> Result<Response, Problem> {
    let table = api.settings_now().await?;
    let settings = table
        .of(&place.org)
        .and_then(|settings| shown::settings(place.org.as_str(), settings));
    Ok(Json(settings.ok_or_else(Problem::unknown_org)?).into_response())
}

/// All that an org knows under a phone
///
/// The phone as people type it: without a country code it is one of the org's default_region.
#[utoipa::path(
    get, path = "/v1/orgs/{org}/phones/{phone}", tag = "contacts and chatrooms",
    params(super::bodies::PhonePath, ReadQuery),
    responses((
        status = 200, description = "Its contacts and chatrooms.", body = ShownPhone,
        headers(("Applied-Until" = Option<String>, description = "Up to when the index is applied."))
    )),
)]
pub async fn get_phone(State(api): State<Arc<Api>>, place: Readable, uri: Uri) -> Result<Response, Problem> {
    let at_least = ReadQuery::of(&uri)?;
    let phone = api
        .typed_phone(&place.org, place.name("phone"), "phone")
        .await?
        .canonical;
    let mut inspector = api.inspector(at_least);
    let found = within(&mut inspector, async |inspector| {
        inspector.phone(&place.org, phone).await
    })
    .await?;
    if found.contacts.is_empty() && found.chatrooms.is_empty() {
        let problem = Problem::not_found("PHONE_NOT_FOUND", "the org knows nothing under this phone");
        return Err(problem.as_of(found.applied_until));
    }
    Ok(as_of(found.applied_until, shown::phone(&found)))
}

/// A contact, with its phone and its chatrooms there
#[utoipa::path(
    get, path = "/v1/orgs/{org}/contacts/{crm_id}", tag = "contacts and chatrooms",
    params(super::bodies::ContactPath, ReadQuery),
    responses((
        status = 200, description = "The contact.", body = OneContact,
        headers(("Applied-Until" = Option<String>, description = "Up to when the index is applied."))
    )),
)]
pub async fn get_contact(State(api): State<Arc<Api>>, place: Readable, uri: Uri) -> Result<Response, Problem> {
    let at_least = ReadQuery::of(&uri)?;
    let crm_id = CrmId::parse(place.name("crm_id")).map_err(|fault| wrong("crm_id", fault))?;
    let mut inspector = api.inspector(at_least);
    let standing = within(&mut inspector, async |inspector| {
        inspector.standing(&place.org, &crm_id).await
    })
    .await?;
    let until = inspector.applied_until();
    let here = match standing {
        Standing::Here(here) => here,
        Standing::Unknown => return Err(refused(Code::ContactNotFound).as_of(until)),
        Standing::Erased => return Err(refused(Code::ContactDeleted).as_of(until)),
    };
    let shown = OneContact {
        contact: shown::contact(&here.contact),
        phone: here.phone.to_string(),
        chatrooms: shown::latest_first(&here.chatrooms)
            .into_iter()
            .map(shown::chatroom)
            .collect(),
        applied_until: shown::until(until),
    };
    Ok(as_of(until, shown))
}

/// A chatroom, with its phone
#[utoipa::path(
    get, path = "/v1/orgs/{org}/chatrooms/{id}", tag = "contacts and chatrooms",
    params(super::bodies::ChatroomPath, ReadQuery),
    responses((
        status = 200, description = "The chatroom.", body = OneChatroom,
        headers(("Applied-Until" = Option<String>, description = "Up to when the index is applied."))
    )),
)]
pub async fn get_chatroom(State(api): State<Arc<Api>>, place: Readable, uri: Uri) -> Result<Response, Problem> {
    let at_least = ReadQuery::of(&uri)?;
    let name = ChatroomName::parse(place.name("id")).map_err(|fault| wrong("chatroom_id", fault))?;
    let mut inspector = api.inspector(at_least);
    let found = within(&mut inspector, async |inspector| {
        inspector.chatroom(&place.org, name.clone()).await
    })
    .await?;
    let until = inspector.applied_until();
    let room = found.chatrooms.iter().find(|room| Some(room.id) == name.id());
    let (Some(room), Some(phone)) = (room, found.phone) else {
        return Err(refused(Code::ChatroomNotFound).as_of(until));
    };
    let shown = OneChatroom {
        chatroom: shown::chatroom(room),
        phone: phone.to_string(),
        applied_until: shown::until(until),
    };
    Ok(as_of(until, shown))
}

impl Api {
    pub(super) fn inspector(&self, at_least: Option<AtLeast>) -> Inspector {
        let inspector = Inspector::new(self.index.clone(), self.expected);
        match at_least {
            Some(AtLeast) => inspector.waiting_for(self.fresh.clone(), self.config.api.result_timeout),
            None => inspector,
        }
    }

    /// A phone as people type it, by the region of an org that has one (P1).
    pub(super) async fn typed_phone(&self, org: &OrgId, text: &str, name: &str) -> Result<SpelledPhone, Problem> {
        if text.contains('+') {
            return parse_international(text).map_err(|fault| bad_phone(name, &fault));
        }
        let table = self.settings_now().await?;
        let content = table.of(org).and_then(|settings| settings.content.as_ref());
        let typed = parse_typed(text, content.and_then(|content| content.default_region));
        let read = typed.or_else(|fault| parse_international(text).map_err(|_| fault));
        read.map_err(|fault| bad_phone(name, &fault))
    }
}

pub(super) fn bad_phone(name: &str, fault: &dyn std::fmt::Display) -> Problem {
    use crate::domain::effect::{DeadLetter, DeadReason};
    let detail = Arc::from(format!("{name} {fault}"));
    Problem::from(DeadLetter {
        reason: DeadReason::BadPhone,
        detail,
    })
}

fn wrong(name: &str, fault: IdFault) -> Problem {
    Problem::malformed(format!("{name} {fault}"))
}

fn refused(code: Code) -> Problem {
    Problem::not_found(code.word(), refusal_in_words(code))
}

/// The answer of the index, or that it is away, or not far enough.
pub(super) async fn within<T>(
    inspector: &mut Inspector,
    asking: impl AsyncFnOnce(&mut Inspector) -> Result<T, Failure>,
) -> Result<T, Problem> {
    let asked = tokio::time::timeout(PATIENCE + inspector.patience(), asking(inspector)).await;
    match asked {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) if inspector.is_late() => {
            let detail = "the index is not applied as far as at_least asks: ask again as Retry-After says";
            let problem = Problem::new(StatusCode::CONFLICT, "NOT_YET_APPLIED", detail);
            Err(problem.retry_after(1).as_of(inspector.applied_until()))
        }
        Ok(Err(failure)) => Err(failure.into()),
        Err(_) => Err(Problem::unavailable("the index")),
    }
}

/// The answer, with up to when it holds also where caches and logs look.
pub(super) fn as_of(until: Option<Instant>, body: impl Serialize) -> Response {
    let mut response = Json(body).into_response();
    let until = shown::until(until).and_then(|until| HeaderValue::try_from(until).ok());
    if let Some(until) = until {
        response.headers_mut().insert(APPLIED_UNTIL, until);
    }
    response
}
