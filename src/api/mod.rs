//! HTTP for CRMs, agent UIs and support staff. A write is a record on an input like any other, answered by its result; a read
//! comes from the index and says up to when that is applied. Nothing here decides about chatrooms, and no request reaches
//! an org that is not its token's.
//!
//! [`gate`] lets in, [`reads`] and [`writes`] answer, [`problem`] says why not; [`results`] is who waits for what, [`follow`]
//! brings it; [`events`] are the streams; [`serve`] has the connections, [`openapi`] the document.

pub mod answers;
mod bodies;
pub mod commands;
pub mod events;
pub mod explain;
pub mod follow;
pub mod gate;
pub mod letter;
pub mod openapi;
pub mod problem;
pub mod reads;
pub mod results;
pub mod serve;
pub mod shown;
pub mod writes;

use crate::app;
use crate::config::Config;
use crate::contract::{Decoder, IdHasher, TopicKind};
use crate::failure::Failure;
use crate::health::{self, Answer};
use crate::index::Index;
use crate::inspect::Fresh;
use crate::judging::SettingsTable;
use crate::kafka::{self, Outlet};
use crate::protocol::Event;
use crate::shutdown::Shutdown;
use crate::state::progress::Expected;
use crate::telemetry::metrics::{HttpStatus, Metrics, Route};
use crate::worker::settings::Settings;
use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderName, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use events::Events;
use follow::{Follow, Followed, Following};
use gate::Gate;
use problem::Problem;
use results::Results;
use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// Up to when the index is applied that a read was answered from.
pub const APPLIED_UNTIL: HeaderName = HeaderName::from_static("applied-until");

/// A body may be as large as a record, whose ids it lacks.
const BODY_OVERHEAD: usize = 1_024;
/// The settings' table is read on to its end for each that asks; longer, Kafka is away.
const SETTINGS: Duration = Duration::from_secs(3);
/// How often to look for new partitions, and whether Kafka answers.
const REFRESH: Duration = Duration::from_secs(5);

/// What all requests share.
pub struct Api {
    config: Arc<Config>,
    gate: Gate,
    index: Index,
    expected: Expected,
    settings: Settings,
    metrics: Arc<Metrics>,
    decoder: Decoder,
    outlet: Outlet,
    results: Results,
    following: Following,
    fresh: Fresh,
    events: Events,
}

/// What it is built on.
pub struct Parts {
    pub config: Arc<Config>,
    pub kafka: kafka::Settings,
    pub index: Index,
    pub settings: Settings,
    pub metrics: Arc<Metrics>,
    pub health: Arc<health::Api>,
    /// The wish to end: streams end with it, before all else is answered.
    pub ending: Shutdown,
}

impl Api {
    /// Begins to follow the results; it waits for no service.
    pub fn start(parts: Parts, until: Shutdown) -> Result<Arc<Self>, Failure> {
        let Parts {
            config,
            kafka,
            index,
            settings,
            metrics,
            health,
            ending,
        } = parts;
        tokio::spawn(look_at_index(index.clone(), health.clone(), until.wished()));
        let results = Results::new(metrics.clone());
        let events = Events::start(&config, &kafka, &metrics, &ending)?;
        let follow = Follow {
            kafka: kafka.clone(),
            topics: [TopicKind::CommandResults, TopicKind::DeadLetters]
                .map(|kind| config.topics.name(kind).clone())
                .to_vec(),
            refresh: REFRESH,
        };
        let (sink, topics) = (results.clone(), config.topics.clone());
        let following = follow.start("api-results", until, move |followed| {
            match followed {
                Followed::Began | Followed::Answers => health.kafka(Answer::Yes),
                Followed::Away(error) => health.kafka(Answer::No(error.to_string())),
                Followed::Record(record) => sink.take(record, &topics),
            };
        })?;
        let give_up = config.api.result_timeout * 4 / 5;
        Ok(Arc::new(Self {
            gate: Gate::new(&config.api),
            index,
            expected: app::expected(&config)?,
            settings,
            metrics,
            decoder: Decoder {
                // Only whether it can be read is of interest, and no hash is kept.
                hasher: IdHasher::new(&[0; 16]),
                record_bytes: config.limits.record_bytes,
            },
            outlet: Outlet::open(&kafka, give_up)?,
            results,
            following,
            fresh: Fresh::start(kafka, config.topics.name(TopicKind::RouterChangelog).clone())?,
            events,
            config,
        }))
    }

    /// The accepted settings as of now.
    async fn settings_now(&self) -> Result<Arc<SettingsTable>, Problem> {
        let (mail, answer) = channel();
        self.settings.sync(0, mail);
        let asked = tokio::task::spawn_blocking(move || answer.recv_timeout(SETTINGS)).await;
        match asked {
            Ok(Ok(Event::Settings(_, Some(table)))) => Ok(table),
            _ => Err(Problem::unavailable("Kafka")),
        }
    }
}

/// Whether the index answers, for the probes.
async fn look_at_index(index: Index, health: Arc<health::Api>, until: impl Future<Output = ()>) {
    let mut until = std::pin::pin!(until);
    loop {
        match index.marker(0).await {
            Ok(_) => health.index(Answer::Yes),
            Err(error) => health.index(Answer::No(error.to_string())),
        }
        tokio::select! {
            () = &mut until => return,
            () = tokio::time::sleep(REFRESH) => {}
        }
    }
}

/// All calls, each behind the gate.
pub fn router(api: Arc<Api>) -> Router {
    let largest = api.config.limits.record_bytes + BODY_OVERHEAD;
    let gate = middleware::from_fn_with_state(api.clone(), gate::admit);
    let counted = middleware::from_fn_with_state(api.clone(), count);
    let room = "/v1/orgs/{org}/chatrooms/{id}";
    Router::new()
        .route(
            "/v1/orgs/{org}/settings",
            get(reads::get_settings).put(writes::put_settings),
        )
        .route(
            "/v1/orgs/{org}/contacts/{crm_id}",
            get(reads::get_contact)
                .put(writes::put_contact)
                .delete(writes::delete_contact),
        )
        .route("/v1/orgs/{org}/chatrooms", post(writes::create_chatroom))
        .route(room, get(reads::get_chatroom))
        .route(&format!("{room}/activate"), post(writes::activate))
        .route(&format!("{room}/deactivate"), post(writes::deactivate))
        .route(&format!("{room}/expire"), post(writes::expire))
        .route(&format!("{room}/messages"), post(writes::send_message))
        .route("/v1/orgs/{org}/phones/{phone}", get(reads::get_phone))
        .route("/v1/orgs/{org}/explain", post(explain::explain))
        .route("/v1/orgs/{org}/events", get(events::events))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer(DefaultBodyLimit::max(largest))
        .layer(gate)
        .route("/openapi.json", get(openapi::serve).fallback(method_not_allowed))
        .layer(counted)
        .with_state(api)
}

async fn not_found() -> Problem {
    Problem::not_found("NOT_FOUND", "there is no such path: see /openapi.json")
}

async fn method_not_allowed() -> Problem {
    let detail = "the path has other methods: see the header Allow";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", detail)
}

/// Counts and times every request, by the template of its path.
async fn count(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let template = request.extensions().get::<MatchedPath>();
    let route = template.map_or(Route::Other, |path| Route::of(request.method().as_str(), path.as_str()));
    let response = next.run(request).await.into_response();
    let figures = &api.metrics.api;
    figures
        .requests
        .of(route, HttpStatus::of(response.status().as_u16()))
        .inc();
    figures.seconds.of(route).observe(started.elapsed().as_secs_f64());
    response
}
