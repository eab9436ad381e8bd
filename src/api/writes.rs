//! The calls that change something: each is a command on its topic, named by its path, told by its body.

use super::Api;
use super::answers::Done;
use super::bodies::{ChatroomBody, ChatroomPath, ContactBody, ContactPath, MessageBody, OrgPath, SettingsBody};
use super::gate::Writable;
use super::letter::Letter;
use super::problem::Problem;
use crate::contract::TopicKind;
use axum::extract::{Request, State};
use axum::response::Response;
use std::sync::Arc;

/// Put an org's settings
///
/// Refused whole if they break a rule; those before stay. In force from the answer on.
#[utoipa::path(
    put, path = "/v1/orgs/{org}/settings", tag = "settings", params(OrgPath), request_body = SettingsBody,
    responses((status = 200, description = "In force.", body = Done)),
)]
pub async fn put_settings(State(api): State<Arc<Api>>, place: Writable, request: Request) -> Result<Response, Problem> {
    let letter = api.letter(&place, request, true).await?;
    let fields = [("org_id", place.org.as_str())];
    api.command(&place, &letter, TopicKind::OrgSettings, &fields).await
}

/// Create or change a contact
///
/// With the phone that it has it is an update, with another one it moves there. An absent name stays, null clears it. It is
/// 200 in each case, since only the log knows which it was.
#[utoipa::path(
    put, path = "/v1/orgs/{org}/contacts/{crm_id}", tag = "contacts and chatrooms", params(ContactPath),
    request_body = ContactBody,
    responses((status = 200, description = "Created, changed, or found so.", body = Done)),
)]
pub async fn put_contact(State(api): State<Arc<Api>>, place: Writable, request: Request) -> Result<Response, Problem> {
    let letter = api.letter(&place, request, true).await?;
    contact(&api, &place, &letter, "contact.upsert").await
}

/// Erase a contact
///
/// Its data is removed under every phone that it ever had, its chatrooms with it, and its `crm_id` is not used again.
#[utoipa::path(
    delete, path = "/v1/orgs/{org}/contacts/{crm_id}", tag = "contacts and chatrooms", params(ContactPath),
    responses((status = 200, description = "Erased.", body = Done)),
)]
pub async fn delete_contact(
    State(api): State<Arc<Api>>,
    place: Writable,
    request: Request,
) -> Result<Response, Problem> {
    let letter = api.letter(&place, request, false).await?;
    contact(&api, &place, &letter, "contact.delete").await
}

/// Open a chatroom
///
/// Of a contact, or of an affiliate. Who has one that is not expired gets that one, with its status.
#[utoipa::path(
    post, path = "/v1/orgs/{org}/chatrooms", tag = "contacts and chatrooms", params(OrgPath),
    request_body = ChatroomBody,
    responses(
        (status = 200, description = "It was there.", body = Done),
        (status = 201, description = "Created, and active.", body = Done),
    ),
)]
pub async fn create_chatroom(
    State(api): State<Arc<Api>>,
    place: Writable,
    request: Request,
) -> Result<Response, Problem> {
    let letter = api.letter(&place, request, true).await?;
    let fields = [("type", "chatroom.create"), ("org_id", place.org.as_str())];
    api.command(&place, &letter, TopicKind::CrmChanges, &fields).await
}

/// Activate a chatroom
///
/// Another active chatroom of the same contact gives way; one of somebody else on the same pair of phones is a conflict.
#[utoipa::path(
    post, path = "/v1/orgs/{org}/chatrooms/{id}/activate", tag = "contacts and chatrooms", params(ChatroomPath),
    responses((status = 200, description = "Active.", body = Done)),
)]
pub async fn activate(State(api): State<Arc<Api>>, place: Writable, request: Request) -> Result<Response, Problem> {
    chatroom(&api, &place, request, "chatroom.activate").await
}

/// Deactivate a chatroom
///
/// It stays, and the next message of its contact activates it, unless another chatroom is active then.
#[utoipa::path(
    post, path = "/v1/orgs/{org}/chatrooms/{id}/deactivate", tag = "contacts and chatrooms", params(ChatroomPath),
    responses((status = 200, description = "Deactivated.", body = Done)),
)]
pub async fn deactivate(State(api): State<Arc<Api>>, place: Writable, request: Request) -> Result<Response, Problem> {
    chatroom(&api, &place, request, "chatroom.deactivate").await
}

/// Expire an affiliate's chatroom
///
/// For good. Those of contacts expire with their contact.
#[utoipa::path(
    post, path = "/v1/orgs/{org}/chatrooms/{id}/expire", tag = "contacts and chatrooms", params(ChatroomPath),
    responses((status = 200, description = "Expired.", body = Done)),
)]
pub async fn expire(State(api): State<Arc<Api>>, place: Writable, request: Request) -> Result<Response, Problem> {
    chatroom(&api, &place, request, "chatroom.expire").await
}

/// Send a message
///
/// To an active chatroom. The message is WhatsApp's own object, and passes on byte for byte.
#[utoipa::path(
    post, path = "/v1/orgs/{org}/chatrooms/{id}/messages", tag = "messages", params(ChatroomPath),
    request_body = MessageBody,
    responses((status = 200, description = "Passed on to the gateway that sends.", body = Done)),
)]
pub async fn send_message(State(api): State<Arc<Api>>, place: Writable, request: Request) -> Result<Response, Problem> {
    let letter = api.letter(&place, request, true).await?;
    let fields = [("org_id", place.org.as_str()), ("chatroom_id", place.name("id"))];
    api.command(&place, &letter, TopicKind::OutboundRequests, &fields).await
}

async fn contact(api: &Api, place: &Writable, letter: &Letter, command: &str) -> Result<Response, Problem> {
    let fields = [
        ("type", command),
        ("org_id", place.org.as_str()),
        ("crm_id", place.name("crm_id")),
    ];
    api.command(place, letter, TopicKind::CrmChanges, &fields).await
}

async fn chatroom(api: &Api, place: &Writable, request: Request, command: &str) -> Result<Response, Problem> {
    let letter = api.letter(place, request, false).await?;
    let fields = [
        ("type", command),
        ("org_id", place.org.as_str()),
        ("chatroom_id", place.name("id")),
    ];
    api.command(place, &letter, TopicKind::CrmChanges, &fields).await
}

impl Api {
    async fn letter(&self, place: &Writable, request: Request, has_body: bool) -> Result<Letter, Problem> {
        Letter::read(place, request, has_body, self.config.api.request_timeout).await
    }
}
