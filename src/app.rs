//! The composition root: builds the adapters, starts the threads, waits for the end. The only place that knows all parts.

mod care;
mod checks;

use crate::admin::{self, Admin};
use crate::api::{self, Api, serve::Listener};
use crate::config::Config;
use crate::contract::{Decoder, IdHasher, TopicKind};
use crate::domain::phone::CANONICAL_FORM_VERSION;
use crate::failure::{Exit, Failure};
use crate::health::Health;
use crate::index::Index;
use crate::instance::Instance;
use crate::judging::Facts;
use crate::kafka::client_config::RECORD_OVERHEAD_BYTES;
use crate::kafka::{self, murmur2_slot};
use crate::monitor::Monitor;
use crate::protocol::Event;
use crate::protocol::core::Config as Protocol;
use crate::protocol::rules::Rules;
use crate::shutdown::{Shutdown, Trigger};
use crate::state::homes::{Homes, Partitions};
use crate::state::keys::StateKey;
use crate::state::progress::Expected;
use crate::state::wire::Format;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::settled::Settled;
use crate::telemetry::tracing::LevelHandle;
use crate::telemetry::watch::Watch;
use crate::worker::judged::Judged;
use crate::worker::settings::Settings;
use crate::worker::{Mailboxes, Parts, Worker, mailbox};
use secrecy::ExposeSecret;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Handle;

const CALL: Duration = Duration::from_secs(5);
/// Framing of a record beyond its key, value and headers.
const FRAMING: usize = 1_024;

/// What a router runs on: real services, or those inside this process.
pub struct Backend {
    pub kafka: kafka::Settings,
    pub index: Index,
    /// Whether the topics' settings can be asked for; a mock cluster has none.
    pub has_settings: bool,
}

/// A router of some workers.
pub struct App {
    pub config: Arc<Config>,
    pub backend: Backend,
    pub metrics: Arc<Metrics>,
    pub health: Arc<Health>,
    pub shutdown: Shutdown,
    settings: Settings,
    pub mailboxes: Mailboxes,
}

impl App {
    /// On the services that the configuration names.
    pub fn on_services(config: Arc<Config>, shutdown: Shutdown) -> Result<Self, Failure> {
        let index = Index::redis(&config.index_settings())?;
        let backend = Backend {
            kafka: config.kafka_settings(None),
            index,
            has_settings: true,
        };
        Self::on(config, backend, shutdown)
    }

    pub fn on(config: Arc<Config>, backend: Backend, shutdown: Shutdown) -> Result<Self, Failure> {
        let metrics = Metrics::new().map_err(|error| Failure::new(Exit::Internal, error.to_string()))?;
        let topic = config.topics.name(TopicKind::RouterSettings).clone();
        Ok(Self {
            settings: Settings::start(backend.kafka.clone(), topic)?,
            health: Arc::new(Health::of(config.workers, config.api.listen.is_some())),
            metrics: Arc::new(metrics),
            config,
            backend,
            shutdown,
            mailboxes: Mailboxes::default(),
        })
    }

    /// Answers probes and scrapes until the router has ended. Gives back where, unless it is off.
    pub async fn serve_admin(&self, level: LevelHandle, until: Shutdown) -> Result<Option<SocketAddr>, Failure> {
        let Some(listen) = &self.config.admin.listen else {
            return Ok(None);
        };
        let listener = admin::bind(listen).await?;
        let address = listener.address().ok();
        let admin = Admin {
            health: self.health.clone(),
            metrics: self.metrics.clone(),
            level,
            mailboxes: self.mailboxes.clone(),
        };
        tokio::spawn(listener.serve(admin, until.wished()));
        Ok(address)
    }

    /// Serves the API until the end is wished for. Gives back where, unless it is off, and what ends when all is answered.
    pub async fn serve_api(&self) -> Result<Option<(SocketAddr, tokio::task::JoinHandle<()>)>, Failure> {
        let Some(listen) = &self.config.api.listen else {
            return Ok(None);
        };
        let listener = Listener::bind(listen, &self.config.api).await?;
        let internal = |error: std::io::Error| Failure::new(Exit::Internal, error.to_string());
        let address = listener.address().map_err(internal)?;
        let parts = api::Parts {
            config: self.config.clone(),
            kafka: self.backend.kafka.clone(),
            index: self.backend.index.handle(),
            settings: self.settings.clone(),
            metrics: self.metrics.clone(),
            health: self.health.api(),
            ending: self.shutdown.clone(),
        };
        // Whoever waits for a result when the end is wished for still gets it.
        let answered = Shutdown::new();
        let api = Api::start(parts, answered.clone())?;
        let (shutdown, drain) = (self.shutdown.wished(), self.config.shutdown.drain);
        tracing::info!(%address, "api_listens");
        let served = async move {
            listener.serve(api::router(api), shutdown, drain).await;
            answered.trigger().fire();
        };
        Ok(Some((address, tokio::spawn(served))))
    }

    /// Runs until the end is wished for and all is drained. Blocks; to be called beside the runtime, not on it.
    pub fn run(self, runtime: &Handle) -> Result<(), Failure> {
        let config = self.config.clone();
        let instance = Instance::claim(
            config.kafka.instance_id.as_deref(),
            &config.kafka.group_id,
            &std::env::temp_dir(),
        )
        .map_err(|error| Failure::new(Exit::BadConfig, error.to_string()))?;
        let settled = Arc::<Settled>::default();
        let watch = |_| {
            Arc::new(Watch::new(
                self.metrics.clone(),
                settled.clone(),
                self.health.add_worker(),
            ))
        };
        let watches: Vec<Arc<Watch>> = (0..config.workers).map(watch).collect();
        // Made before the checks: their clients find the brokers meanwhile. None joins the group before it runs.
        let judged: Vec<Arc<Judged>> = watches.iter().map(|_| Arc::default()).collect();
        let workers = self.workers(&instance, runtime, &watches, &judged)?;
        let Some((lookup, counts)) = self.prepare(runtime, &watches)? else {
            return Ok(());
        };
        if config.workers == 0 {
            tracing::info!("api_alone");
            runtime.block_on(self.shutdown.wished());
            return Ok(());
        }
        self.settings.open();
        let mut running = Vec::new();
        for (number, (worker, mailbox)) in workers.into_iter().enumerate() {
            self.mailboxes.add(mailbox.clone());
            _ = mailbox.send(Event::InputCounts(counts.clone()));
            running.push(start(number, worker, self.shutdown.trigger())?);
        }
        tracing::info!(workers = running.len(), instance = instance.id(), "router_started");
        self.watch_index(runtime);
        self.scrub(runtime)?;
        let monitor = Monitor {
            kafka: self.backend.kafka.clone(),
            config: config.clone(),
            runtime: runtime.clone(),
            metrics: self.metrics.clone(),
            mailboxes: self.mailboxes.clone(),
            shutdown: self.shutdown.clone(),
            settled: settled.clone(),
            judged,
            admin: self
                .backend
                .has_settings
                .then(|| kafka::admin::Admin::open(&self.backend.kafka))
                .transpose()?,
        };
        monitor.run(lookup, counts);
        ended(running)
    }

    fn workers(
        &self,
        instance: &Instance,
        runtime: &Handle,
        watches: &[Arc<Watch>],
        judged: &[Arc<Judged>],
    ) -> Result<Vec<(Worker, Sender<Event>)>, Failure> {
        let config = &self.config;
        let worker = |(number, (watch, judged)): (usize, (&Arc<Watch>, &Arc<Judged>))| {
            let mailbox = mailbox();
            let address = mailbox.0.clone();
            let name = format!("{}-{number}", instance.id());
            let parts = Parts {
                kafka: self.member(&name),
                transactional_id: format!("{}-{name}", config.kafka.group_id),
                commands_topic: config.topics.name(TopicKind::RouterCommands).clone(),
                index: self.backend.index.handle(),
                runtime: runtime.clone(),
                settings: self.settings.clone(),
                watch: watch.clone(),
                judged: judged.clone(),
                shutdown: self.shutdown.clone(),
                drain: config.shutdown.drain,
                mailbox,
            };
            Ok((Worker::new(protocol(config)?, parts)?, address))
        };
        watches.iter().zip(judged).enumerate().map(worker).collect()
    }

    fn member(&self, name: &str) -> kafka::Settings {
        let instance_id = self.config.kafka.static_membership.then(|| name.to_owned());
        kafka::Settings {
            instance_id,
            ..self.backend.kafka.clone()
        }
    }
}

type Running = JoinHandle<Result<(), Failure>>;

fn start(number: usize, worker: Worker, trigger: Trigger) -> Result<Running, Failure> {
    let thread = std::thread::Builder::new().name(format!("worker-{number}"));
    let run = move || {
        // However it ends, the others are not left to run without it: the supervisor starts the whole anew.
        let _last = Last(trigger);
        worker.run()
    };
    thread
        .spawn(run)
        .map_err(|error| Failure::new(Exit::Internal, format!("no thread can be started: {error}")))
}

struct Last(Trigger);

impl Drop for Last {
    fn drop(&mut self) {
        self.0.fire();
    }
}

fn ended(workers: Vec<Running>) -> Result<(), Failure> {
    let mut failed = Ok(());
    for worker in workers {
        match worker.join() {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => failed = Err(failure),
            Err(_) => {
                failed = Err(Failure::new(
                    Exit::Internal,
                    "a worker panicked: report it, the fault is ours",
                ))
            }
        }
    }
    failed
}

/// What the protocol of each worker is told.
fn protocol(config: &Arc<Config>) -> Result<Protocol, Failure> {
    let expected = expected(config)?;
    let facts = facts(config, expected);
    Ok(Protocol {
        commands_topic: config.topics.name(TopicKind::RouterCommands).clone(),
        changelog_topic: config.topics.name(TopicKind::RouterChangelog).clone(),
        max_records: config.batch.max_records,
        max_bytes: config.batch.max_bytes,
        linger_ms: millis(config.batch.linger),
        overlay_max_bytes: config.state.overlay_max_bytes,
        cache_entries: config.state.cache_entries,
        grace_ms: i64::try_from(millis(config.timers.grace)).unwrap_or(i64::MAX),
        close_ms: millis(CALL),
        burst: config.burst_limit(),
        facts: Box::new(facts),
        expected,
        rules: Rules::default(),
    })
}

/// What the state must agree with.
pub fn expected(config: &Config) -> Result<Expected, Failure> {
    let bad = |error: String| Failure::new(Exit::BadConfig, error);
    let key = config
        .state
        .key
        .as_ref()
        .map(|key| StateKey::from_file(key.expose_secret().as_bytes()));
    let format = u8::try_from(config.state.format).unwrap_or(u8::MAX);
    Ok(Expected {
        format: Format::new(format).map_err(|error| bad(format!("state.format: {error}")))?,
        partitions: Partitions::new(config.topics.partitions)
            .map_err(|error| bad(format!("topics.partitions: {error}")))?,
        phone_form: CANONICAL_FORM_VERSION,
        configured_key: key
            .transpose()
            .map_err(|error| bad(format!("state.key_file: {error}")))?,
    })
}

/// What judging knows of a partition, made of the incarnation of its changelog.
pub fn facts(config: &Arc<Config>, expected: Expected) -> impl Fn(i32, uuid::Uuid) -> Facts + Send + use<> {
    let topics = Arc::new(config.topics.clone());
    let homes = Homes::new(murmur2_slot, expected.partitions);
    let record_bytes = config.limits.record_bytes;
    move |partition, incarnation| {
        let state_key = expected.state_key(incarnation);
        Facts {
            partition,
            homes,
            state_key,
            format: expected.format,
            topics: topics.clone(),
            decoder: Decoder {
                hasher: IdHasher::new(&state_key.id_key()),
                record_bytes,
            },
            largest_record: record_bytes + RECORD_OVERHEAD_BYTES - FRAMING,
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
