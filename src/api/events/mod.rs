//! What happens in an org, as it happens, for the screens of agents: server-sent events that go on where a reader was, at
//! this process or at another, with neither gap nor repeat for the last ten minutes.
//!
//! [`read`] follows the outputs into the [`ring`]; a [`stream`] takes from there what one reader lacks; [`positions`] are what
//! it has, and the id of an event; [`frame`] is the text.

mod frame;
mod positions;
mod read;
mod ring;
mod stream;

use super::Api;
use super::gate::Readable;
use super::problem::Problem;
use crate::config::Config;
use crate::contract::refusal_in_words;
use crate::contract::words::Word;
use crate::domain::effect::Code;
use crate::domain::ids::{ChatroomName, OrgId};
use crate::failure::Failure;
use crate::kafka;
use crate::shutdown::Shutdown;
use crate::telemetry::metrics::Metrics;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use frame::Why;
use positions::{Logs, Positions};
use read::{Reader, Ready, WINDOW};
use ring::{Bounds, Cursor, Filter, Ring};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use stream::{Parts, Stream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use utoipa::IntoParams;

/// How long a reader waits for a process that has just started, or that is behind another.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Proxies that would keep a stream back know it by this.
const NO_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What all streams share.
pub struct Events {
    ring: Arc<Ring>,
    ready: Ready,
    places: Arc<Semaphore>,
    until: Shutdown,
    metrics: Arc<Metrics>,
}

impl Events {
    /// Begins to read; it waits for no service.
    pub fn start(
        config: &Arc<Config>,
        kafka: &kafka::Settings,
        metrics: &Arc<Metrics>,
        until: &Shutdown,
    ) -> Result<Self, Failure> {
        let ring = Arc::new(Ring::new(Bounds {
            bytes: config.api.events.ring_bytes,
            age_ms: i64::try_from(WINDOW.as_millis()).unwrap_or(i64::MAX),
        }));
        let reader = Reader {
            config: config.clone(),
            kafka: kafka.clone(),
            ring: ring.clone(),
            metrics: metrics.clone(),
            until: until.clone(),
        };
        Ok(Self {
            ready: reader.start()?,
            ring,
            places: Arc::new(Semaphore::new(config.api.events.max_readers)),
            until: until.clone(),
            metrics: metrics.clone(),
        })
    }

    /// Of which logs the ring is, once it is all there.
    async fn logs(&self) -> Result<Logs, Problem> {
        let mut ready = self.ready.clone();
        let caught_up = timeout(PATIENCE, ready.wait_for(Option::is_some)).await;
        let logs = caught_up.ok().and_then(Result::ok).and_then(|logs| *logs);
        logs.ok_or_else(|| Problem::unavailable("Kafka"))
    }

    /// A reader from where it was, else from the present with why.
    async fn open(&self, org: &OrgId, filter: Filter, id: Option<&str>, logs: Logs) -> (Cursor, Option<Why>) {
        let from = id.map(|id| Positions::parse(id, logs));
        let gap = match from {
            None => None,
            Some(Some(from)) if self.reaches(&from).await => match self.ring.open(org, filter.clone(), &from) {
                Some(cursor) => return (cursor, None),
                None => Some(Why::TooOld),
            },
            Some(_) => Some(Why::UnknownId),
        };
        (self.ring.begin_at_present(org, filter), gap)
    }

    /// The process that gave the id may have been ahead of this one, a little.
    async fn reaches(&self, from: &Positions) -> bool {
        let until = Instant::now() + PATIENCE;
        while !self.ring.head().reaches(from) {
            if Instant::now() >= until {
                return false;
            }
            sleep(LOOK_AGAIN).await;
        }
        true
    }
}

/// Which of the org's events are wanted; both given, those that are both.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// Only those of this chatroom: its messages, its lifecycle, its results and what is sent from it.
    #[param(example = "da9-6df27029-4744-5a3b-9c51-7dcf02a7aa90")]
    chatroom_id: Option<String>,
    /// Only what this agent asked to be sent and is sent. A result does not say who asked: read those of the chatroom.
    #[param(example = "agent-7")]
    requested_by: Option<String>,
}

/// What happens in the org, as it happens
///
/// Server-sent events. `routed`, `lifecycle`, `result` and `outbound` bear a record of `routed-messages`, `lifecycle-events`,
/// `command-results` and `outbound-messages`, as its schema has it; those of one chatroom keep their order within each of
/// the four. `gap`: what happened before it may be missing, so read the state anew. `end`: the last event, with why; connect again.
///
/// Connect again with the last `id` as `Last-Event-ID`, to this process or another: for ten minutes nothing is missing and
/// nothing comes twice (less, if more than `api.events.ring_bytes` was published since). Without one it begins at the present.
/// Comments are signs of life.
#[utoipa::path(
    get, path = "/v1/orgs/{org}/events", tag = "events",
    params(
        super::bodies::OrgPath, Wanted,
        ("Last-Event-ID" = Option<String>, Header, description = "Where to go on: the id of the last event that was read."),
    ),
    responses((status = 200, description = "The stream.", content_type = "text/event-stream", body = String)),
)]
pub async fn events(
    State(api): State<Arc<Api>>,
    place: Readable,
    wanted: Result<Query<Wanted>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let filter = filter(wanted)?;
    let table = api.settings_now().await?;
    let is_known = table.of(&place.org).is_some_and(|settings| settings.content.is_some());
    if !is_known {
        return Err(Problem::unknown_org());
    }
    let events = &api.events;
    let full = |_| Problem::too_many("as many streams as there may be are open: close some of them", 5);
    let of_token = place.holder.streams.clone().try_acquire_owned().map_err(full)?;
    let of_all = events.places.clone().try_acquire_owned().map_err(full)?;
    let logs = events.logs().await?;
    let id = headers.get(LAST_EVENT_ID);
    let id = id.map(|id| id.to_str().unwrap_or_default()).filter(|id| !id.is_empty());
    let (cursor, gap) = events.open(&place.org, filter, id, logs).await;
    let stream = Stream::new(Parts {
        ring: events.ring.clone(),
        logs,
        cursor,
        gap,
        until: events.until.clone(),
        metrics: events.metrics.clone(),
        _places: [of_token, of_all],
    });
    let head = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        (NO_BUFFERING, "no"),
    ];
    Ok((head, stream.into_body()).into_response())
}

fn filter(wanted: Result<Query<Wanted>, QueryRejection>) -> Result<Filter, Problem> {
    let Query(wanted) = wanted.map_err(|fault| {
        let detail = format!("the query can't be read: {}", fault.body_text());
        Problem::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", detail)
    })?;
    let unknown = || Problem::not_found(Code::ChatroomNotFound.word(), refusal_in_words(Code::ChatroomNotFound));
    let chatroom = wanted.chatroom_id.map(|text| {
        let id = ChatroomName::parse(&text).ok().and_then(|name| name.id());
        id.map(|id| id.to_string().into()).ok_or_else(unknown)
    });
    Ok(Filter {
        chatroom: chatroom.transpose()?,
        agent: wanted.requested_by.map(String::into_boxed_str),
    })
}
