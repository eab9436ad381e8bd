//! The API's document, made from the code: every call with all of its answers. What a body may hold is told here and judged by
//! the contracts, as on the topics; a test holds the two against each other.

use super::answers::Pending;
use super::problem::{self, Body};
use super::{events, explain, reads, writes};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi as Document, Ref, Required, Response as Told};
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "chatroom-router",
        description = "Contacts, chatrooms and messages of an org. A write is a command on a topic, answered by its result: \
                       200 or 201 when it was done or found done, 202 when there is no result yet, else a problem (RFC 9457). \
                       A read comes from an index and says up to when that is applied.",
    ),
    paths(
        reads::get_settings, writes::put_settings, reads::get_contact, writes::put_contact, writes::delete_contact,
        writes::create_chatroom, reads::get_chatroom, writes::activate, writes::deactivate, writes::expire,
        writes::send_message, reads::get_phone, explain::explain, events::events,
    ),
    components(schemas(Body, Pending)),
    security(("token" = [])),
    modifiers(&Common),
)]
struct Api;

/// The document.
#[must_use]
pub fn document() -> Document {
    Api::openapi()
}

/// The document as it is served and kept in `schemas/openapi.json`.
#[must_use]
pub fn json() -> String {
    document().to_pretty_json().unwrap_or_default() + "\n"
}

/// `GET /openapi.json`, for everybody: it tells nothing of any org.
pub async fn serve() -> Response {
    ([(CONTENT_TYPE, "application/json")], json()).into_response()
}

type Row = (u16, &'static str);

/// The ways in which any call may be turned away.
const ALWAYS: &[Row] = &[
    (400, "The request can't be understood."),
    (401, "No token, or one that is not known."),
    (403, "The token lacks the scope."),
    (404, "What is named is not there, or not the token's to see."),
    (
        429,
        "The token sends too much, or all at once: wait as Retry-After says.",
    ),
    (503, "Kafka or the index is away: try again as Retry-After says."),
];
const NAMED: &[Row] = &[(422, "What is given can't be meant: the detail says why.")];
const WITH_BODY: &[Row] = &[
    (408, "The body did not come in time."),
    (413, "The body is larger than a record may be."),
    (415, "The body is not declared as JSON."),
];
const WRITES: &[Row] = &[(
    409,
    "The state of things forbids it: the conflict says what stands in the way.",
)];

const WAITS: &[Row] = &[(409, "The index is not applied as far as at_least asks.")];

/// What all calls have in common: the ways to be turned away, and the bearer token.
struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut Document) {
        document.info.license = None;
        let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        if let Some(components) = document.components.as_mut() {
            components.add_security_scheme("token", SecurityScheme::Http(token));
        }
        for (path, item) in &mut document.paths.paths {
            let explains = path.ends_with("/explain");
            for operation in [&mut item.get].into_iter().flatten() {
                complete(operation, false);
            }
            for operation in [&mut item.put, &mut item.post, &mut item.delete].into_iter().flatten() {
                complete(operation, !explains);
            }
        }
    }
}

fn complete(operation: &mut Operation, writes: bool) {
    let body = if operation.request_body.is_some() {
        WITH_BODY
    } else {
        &[]
    };
    let waits = operation
        .parameters
        .iter()
        .flatten()
        .any(|parameter| parameter.name == "at_least");
    let write = match (writes, waits) {
        (true, _) => WRITES,
        (false, true) => WAITS,
        (false, false) => &[],
    };
    for (status, description) in ALWAYS.iter().chain(NAMED).chain(body).chain(write) {
        let responses = &mut operation.responses.responses;
        responses.insert(status.to_string(), problem(*status, description).into());
    }
    if writes {
        let responses = &mut operation.responses.responses;
        responses.insert("202".to_owned(), pending().into());
        operation.parameters.get_or_insert_default().push(idempotency_key());
    }
}

fn problem(status: u16, description: &str) -> Told {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    let told = ResponseBuilder::new()
        .description(description)
        .content(problem::MEDIA_TYPE, content);
    match status {
        409 | 429 | 503 => told.header("Retry-After", whole_seconds()).build(),
        _ => told.build(),
    }
}

fn whole_seconds() -> utoipa::openapi::Header {
    HeaderBuilder::new()
        .schema(ObjectBuilder::new().schema_type(Type::Integer))
        .description(Some("Whole seconds."))
        .build()
}

fn pending() -> Told {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Pending")))
        .build();
    ResponseBuilder::new()
        .description("Sent, and no result yet. The same request with the same Idempotency-Key is answered with it.")
        .content("application/json", content)
        .build()
}

fn idempotency_key() -> utoipa::openapi::path::Parameter {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(255))
        .pattern(Some("^[\\x21-\\x7e]+$"));
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "Names the request: sent again under it within 8 days it is done once, and answered as the first time.",
        ))
        .schema(Some(schema))
        .build()
}
