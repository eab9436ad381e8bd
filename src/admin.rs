//! HTTP for those who run the program: is it alive, is it ready, its figures, its version, its log level, and the word to go
//! on for an input that was halted. Changes nothing else, shows no customer's data, and asks nobody: it answers from what the
//! workers last said.

use crate::failure::{Exit, Failure};
use crate::health::{Health, Report};
use crate::kafka::TopicPartition;
use crate::protocol::Event;
use crate::telemetry::metrics::{self, Metrics};
use crate::telemetry::tracing::LevelHandle;
use crate::worker::Mailboxes;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpListener;

/// What the answers are taken from.
#[derive(Clone)]
pub struct Admin {
    pub health: Arc<Health>,
    pub metrics: Arc<Metrics>,
    pub level: LevelHandle,
    pub mailboxes: Mailboxes,
}

/// A bound listener that doesn't answer yet.
pub struct Listener(TcpListener);

/// Binds `admin.listen`.
pub async fn bind(listen: &str) -> Result<Listener, Failure> {
    let failed = |error: io::Error| {
        let next = "set admin.listen to an address of this host and a free port, or to nothing";
        Failure::new(
            Exit::BadConfig,
            format!("admin.listen {listen} can't be bound ({error}): {next}"),
        )
    };
    TcpListener::bind(listen).await.map(Listener).map_err(failed)
}

impl Listener {
    /// Where it listens: the port that was given, if 0 was asked for.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Answers until `shutdown`; probes are answered while the workers drain if it comes after them.
    pub async fn serve(self, admin: Admin, shutdown: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        axum::serve(self.0, router(admin))
            .with_graceful_shutdown(shutdown)
            .await
    }
}

fn router(admin: Admin) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(figures))
        .route("/log-level", put(log_level))
        .route("/inputs/{topic}/{partition}/go-on", put(go_on))
        .route("/version", get(version))
        .layer(DefaultBodyLimit::max(1024))
        .with_state(admin)
}

async fn livez(State(admin): State<Admin>, query: RawQuery) -> Response {
    probe(&admin.health.live(Instant::now()), &query)
}

async fn readyz(State(admin): State<Admin>, query: RawQuery) -> Response {
    probe(&admin.health.ready(), &query)
}

/// One word, or with `?verbose` each part with its reason.
fn probe(report: &Report, RawQuery(query): &RawQuery) -> Response {
    let status = if report.is_fine() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let verbose = query
        .iter()
        .flat_map(|query| query.split('&'))
        .any(|part| part == "verbose" || part.starts_with("verbose="));
    let word = if report.is_fine() {
        "ok\n"
    } else {
        "not ok, see ?verbose\n"
    };
    let text = if verbose { report.to_string() } else { word.to_owned() };
    (status, text).into_response()
}

async fn figures(State(admin): State<Admin>) -> Response {
    match admin.metrics.text() {
        Ok(text) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn log_level(State(admin): State<Admin>, level: String) -> Response {
    let level = level.trim();
    match admin.level.set(level) {
        Ok(()) => {
            tracing::info!(level, "the log level was changed");
            format!("{level}\n").into_response()
        }
        Err(instead) => (
            StatusCode::BAD_REQUEST,
            format!("{level:?} is no log level: write {instead}\n"),
        )
            .into_response(),
    }
}

/// The longest that an input may go on unwatched.
const LONGEST_SECONDS: u64 = 7 * 86_400;

/// The body says for how many seconds.
async fn go_on(State(admin): State<Admin>, Path((topic, partition)): Path<(String, i32)>, seconds: String) -> Response {
    let seconds = seconds
        .trim()
        .parse()
        .ok()
        .filter(|seconds| (1..=LONGEST_SECONDS).contains(seconds));
    let Some(seconds) = seconds else {
        let told = format!("write for how many seconds to go on, from 1 to {LONGEST_SECONDS}\n");
        return (StatusCode::BAD_REQUEST, told).into_response();
    };
    if !admin.health.is_halted(&topic, partition) {
        let told = format!("{topic}-{partition} is not halted by this process: the event input_halted names the one\n");
        return (StatusCode::NOT_FOUND, told).into_response();
    }
    tracing::warn!(topic, partition, seconds, "input_goes_on");
    let at = TopicPartition::new(topic, partition);
    admin.mailboxes.tell(|| Event::GoOn(at.clone(), seconds * 1_000));
    format!("{at} goes on for {seconds} s\n").into_response()
}

async fn version() -> Response {
    let version = serde_json::json!({"name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION")});
    ([(CONTENT_TYPE, "application/json")], format!("{version}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{Answer, Partition};
    use crate::shutdown::{Shutdown, Trigger};

    struct Served {
        url: String,
        health: Arc<Health>,
        mailboxes: Mailboxes,
        end: Trigger,
        // Dropping it ends the server.
        _runtime: tokio::runtime::Runtime,
    }

    fn served() -> Served {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let health = Arc::new(Health::new());
        let mailboxes = Mailboxes::default();
        let admin = Admin {
            health: Arc::clone(&health),
            metrics: Arc::new(Metrics::new().unwrap()),
            level: LevelHandle::default(),
            mailboxes: mailboxes.clone(),
        };
        let listener = runtime.block_on(bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.address().unwrap());
        let shutdown = Shutdown::new();
        let end = shutdown.trigger();
        runtime.spawn(listener.serve(admin, shutdown.wished()));
        Served {
            url,
            health,
            mailboxes,
            end,
            _runtime: runtime,
        }
    }

    fn agent() -> ureq::Agent {
        ureq::Agent::config_builder().http_status_as_error(false).build().into()
    }

    fn asked(url: &str) -> (u16, String) {
        let mut answer = agent().get(url).call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    }

    #[test]
    fn ready_when_all_parts_are() {
        let Served {
            url,
            health,
            end,
            _runtime,
            ..
        } = served();
        assert_eq!(asked(&format!("{url}/livez")), (200, "ok\n".into()));
        assert_eq!(asked(&format!("{url}/readyz")).0, 503);
        let worker = health.add_worker();
        worker.assigned();
        worker.partition(0, Partition::Running);
        worker.kafka(Answer::Yes);
        worker.index(Answer::No("connection refused".into()));
        let (status, text) = asked(&format!("{url}/readyz?verbose"));
        assert_eq!(status, 503);
        assert!(text.contains("wait index: worker 0: connection refused\n"), "{text}");
        worker.index(Answer::Yes);
        assert_eq!(asked(&format!("{url}/readyz")), (200, "ok\n".into()));
        assert!(
            asked(&format!("{url}/livez?verbose"))
                .1
                .starts_with("ok   worker: 0 turned ")
        );
        end.fire();
    }

    #[test]
    fn figures_and_version_are_told() {
        let Served { url, end, _runtime, .. } = served();
        let (status, text) = asked(&format!("{url}/metrics"));
        assert_eq!(status, 200);
        assert!(text.contains("chatroom_router_partitions_assigned 0\n"));
        let (status, text) = asked(&format!("{url}/version"));
        assert_eq!(status, 200);
        assert!(text.contains(env!("CARGO_PKG_VERSION")), "{text}");
        end.fire();
    }

    #[test]
    fn the_log_level_is_set_if_it_is_one() {
        let Served { url, end, _runtime, .. } = served();
        let put = |level: &str| {
            let mut answer = agent().put(format!("{url}/log-level")).send(level).unwrap();
            (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
        };
        assert_eq!(put("debug,rdkafka=warn"), (200, "debug,rdkafka=warn\n".into()));
        let (status, text) = put("loud");
        assert_eq!(status, 400);
        assert!(
            text.contains("\"loud\" is no log level: write off, error, warn"),
            "{text}"
        );
        assert_eq!(put(&"x".repeat(2000)).0, 413);
        end.fire();
    }

    #[test]
    fn only_an_input_that_is_halted_here_goes_on() {
        let Served {
            url,
            health,
            mailboxes,
            end,
            _runtime,
        } = served();
        let worker = health.add_worker();
        let (mailbox, mail) = std::sync::mpsc::channel();
        mailboxes.add(mailbox);
        let put = |place: &str, seconds: &str| {
            let answer = agent()
                .put(format!("{url}/inputs/{place}/go-on"))
                .send(seconds)
                .unwrap();
            answer.status().as_u16()
        };
        assert_eq!(put("in/3", "60"), 404);
        worker.halted("in", 3, "too many are bad".into());
        let rows = [
            ("in/4", "60", 404),
            ("in/three", "60", 400),
            ("in/3", "", 400),
            ("in/3", "0", 400),
        ];
        for (place, seconds, status) in rows {
            assert_eq!(put(place, seconds), status, "{place} {seconds}");
        }
        assert!(mail.try_recv().is_err());
        assert_eq!(put("in/3", "60"), 200);
        assert!(matches!(mail.try_recv(), Ok(Event::GoOn(at, 60_000)) if at == TopicPartition::new("in", 3)));
        end.fire();
    }

    #[test]
    fn a_port_in_use_is_a_fault_of_the_configuration() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let listen = taken.local_addr().unwrap().to_string();
        let failure = runtime.block_on(bind(&listen)).err().unwrap();
        assert_eq!(failure.exit, Exit::BadConfig);
        assert!(failure.sentence.contains("admin.listen"), "{failure}");
    }
}
