//! `demo`: the whole product in one process. Kafka is the client library's mock cluster and the index stands in memory; the
//! router is the one that `run` runs, and all that goes in and comes out goes over the topics.

mod outcome;
mod play;
mod show;
mod step;
mod story;

use super::now;
use super::output::Out;
use crate::app::{App, Backend};
use crate::config::{Config, Environment, load};
use crate::contract::TopicKind;
use crate::failure::{Exit, Failure};
use crate::index::Index;
use crate::kafka::mock::MockCluster;
use crate::shutdown::{Shutdown, Trigger};
use crate::telemetry::tracing;
use clap::Args;
use play::{Ended, Played, Stage};
use show::Rows;
use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;
use step::ORG;
use tokio::runtime::{Handle, Runtime};

pub(super) const EXAMPLES: &str = "\
Examples:
  chatroom-router demo
  chatroom-router demo --once && echo \"every message went where the rules say\"
  chatroom-router demo --once --output json     each step with the records that went in and came out

Its settings are its own; only log.level, log.format, admin.listen and api.listen are taken from the environment.";

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// End after the script, with exit code 0 only if every message went where the script says, else 65.
    #[arg(long)]
    pub once: bool,
}

const TASKS: i32 = 4;
const INPUT_PARTITIONS: i32 = 2;

/// The token is `demo`.
const TOKENS: &str = r#"[{"name":"demo","sha256":"2a97516c354b68848cdbd8f54a226a0a55b21ed138e207ad6c5cbb9c00aa5aea","orgs":["acme"],"scopes":["read","write"]}]"#;

/// All else is as it is by default. Nothing that an environment or a file sets for a router of one's own should change the
/// demo, but for these.
const FROM_OUTSIDE: [&str; 4] = [
    "CHATROOM_ROUTER_API__LISTEN",
    "CHATROOM_ROUTER_LOG__LEVEL",
    "CHATROOM_ROUTER_LOG__FORMAT",
    "CHATROOM_ROUTER_ADMIN__LISTEN",
];

pub fn run(args: &DemoArgs, environment: &dyn Environment, out: &mut Out<'_>) -> Result<(), Failure> {
    let topics = TopicKind::ALL.map(|kind| (kind.default_name(), partitions(kind)));
    // Never dropped: clients that end in the background would complain that it is gone. It ends with the process.
    let cluster = ManuallyDrop::new(MockCluster::start(&topics)?);
    let surroundings = Surroundings {
        environment,
        set: settings(cluster.brokers(), args.once),
    };
    let config = Arc::new(load(&surroundings, None)?.config);
    let internal = |error: &dyn std::fmt::Display| Failure::new(Exit::Internal, error.to_string());
    let level = tracing::start(&config.log).map_err(|error| internal(&error))?;
    let runtime = Runtime::new().map_err(|error| internal(&error))?;
    let _entered = runtime.enter();
    let shutdown = Shutdown::on_signals().map_err(|error| internal(&error))?;
    let ended = Shutdown::new();
    let backend = Backend {
        kafka: config.kafka_settings(None),
        index: Index::memory(),
        has_settings: false,
    };
    let app = App::on(config.clone(), backend, shutdown.clone())?;
    let admin = runtime.block_on(app.serve_admin(level, ended.clone()))?;
    let api = runtime.block_on(app.serve_api())?;
    let addresses = Addresses {
        admin,
        api: api.as_ref().map(|(address, _)| *address),
    };
    let router = start(app, runtime.handle().clone(), shutdown.trigger())?;
    let watched = watch(args, &config, (&shutdown, addresses), out);
    shutdown.trigger().fire();
    let routed = router.join();
    if let Some((_, served)) = api {
        // It has its own bound of time, and a panic in it has been told.
        let _ = runtime.block_on(served);
    }
    ended.trigger().fire();
    match (routed, watched) {
        (Ok(Err(failure)), _) | (Ok(Ok(())), Err(failure)) => Err(failure),
        (Ok(Ok(())), Ok(())) => Ok(()),
        (Err(_), _) => Err(Failure::new(
            Exit::Internal,
            "the router panicked: report it, the fault is ours",
        )),
    }
}

fn partitions(kind: TopicKind) -> i32 {
    match kind {
        TopicKind::RouterCommands | TopicKind::RouterChangelog => TASKS,
        TopicKind::RouterSettings => 1,
        _ => INPUT_PARTITIONS,
    }
}

fn settings(brokers: &str, once: bool) -> Vec<(String, String)> {
    let set = |key: &str, value: &str| (format!("CHATROOM_ROUTER_{key}"), value.to_owned());
    vec![
        set("KAFKA__BROKERS", brokers),
        set("KAFKA__GROUP_ID", "chatroom-router-demo"),
        set("KAFKA__INSTANCE_ID", "demo"),
        // The mock cluster lets a fetch wait to its end even when a record comes.
        set("KAFKA__PROPERTIES__FETCH_WAIT_MAX_MS", "10"),
        set("TOPICS__PARTITIONS", &TASKS.to_string()),
        // Two members that join the mock cluster at once may wait for each other until their session ends.
        set("WORKERS", "1"),
        set("API__LISTEN", if once { "" } else { "127.0.0.1:0" }),
        set("API__TOKENS", TOKENS),
        set("ADMIN__LISTEN", if once { "" } else { "127.0.0.1:0" }),
        // Each partition of an empty Kafka begins with a warning that its index is built.
        set("LOG__LEVEL", "error"),
    ]
}

/// The demo's own settings over nothing but what may be set from outside.
struct Surroundings<'a> {
    environment: &'a dyn Environment,
    set: Vec<(String, String)>,
}

impl Environment for Surroundings<'_> {
    fn variables(&self) -> Vec<(String, String)> {
        let outside = self.environment.variables().into_iter();
        let outside = outside.filter(|(name, _)| FROM_OUTSIDE.contains(&name.as_str()));
        self.set.iter().cloned().chain(outside).collect()
    }

    fn read(&self, path: &std::path::Path) -> std::io::Result<String> {
        self.environment.read(path)
    }

    fn cores(&self) -> usize {
        self.environment.cores()
    }
}

fn start(app: App, runtime: Handle, trigger: Trigger) -> Result<JoinHandle<Result<(), Failure>>, Failure> {
    let thread = std::thread::Builder::new().name("router".to_owned());
    let run = move || {
        let result = app.run(&runtime);
        // Whoever waits for its outputs need not wait any longer.
        trigger.fire();
        result
    };
    thread
        .spawn(run)
        .map_err(|error| Failure::new(Exit::Internal, format!("no thread can be started: {error}")))
}

/// Plays the script and shows it; then, unless it is all, waits for the end.
fn watch(
    args: &DemoArgs,
    config: &Arc<Config>,
    (shutdown, addresses): (&Shutdown, Addresses),
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let started = Instant::now();
    let story = story::story(now());
    let steps = story.len();
    let rows = Rows::new();
    if !out.is_json() {
        out.line("A day of a support team: one process with a Kafka of its own, an index in memory, and the router.")?;
        rows.head(out)?;
    }
    let mut show = |played: &Played| {
        if out.is_json() {
            out.json_line(&show::as_json(played, &config.topics))
        } else {
            rows.step(played, out)
        }
    };
    let ended = Stage::open(config.clone())?.play(story, &mut show, &|| shutdown.is_wished())?;
    if ended == Ended::Stopped {
        return match args.once {
            true => Err(Failure::new(
                Exit::BadData,
                "the demo was ended before its script was: let it play to its end",
            )),
            false => Ok(()),
        };
    }
    if !out.is_json() {
        let seconds = started.elapsed().as_secs_f32();
        out.line(&format!(
            "\nAll {steps} steps went where the rules say, in {seconds:.1} s."
        ))?;
    }
    if !args.once {
        stay(config, addresses, out)?;
        Handle::current().block_on(shutdown.wished());
    }
    Ok(())
}

/// Where the two servers listen, unless they are off.
#[derive(Clone, Copy)]
struct Addresses {
    admin: Option<SocketAddr>,
    api: Option<SocketAddr>,
}

fn stay(config: &Config, addresses: Addresses, out: &mut Out<'_>) -> Result<(), Failure> {
    if out.is_json() {
        return Ok(());
    }
    let brokers = &config.kafka.brokers;
    let routed = config.topics.name(TopicKind::RoutedMessages);
    out.line(&format!(
        "\nIt runs on until Ctrl-C. Its Kafka is at {brokers}:\n  kcat -b {brokers} -C -e -t {routed}"
    ))?;
    if let Some(api) = addresses.api {
        out.line(&format!(
            "Its API:\n  curl -H 'Authorization: Bearer demo' http://{api}/v1/orgs/{ORG}/contacts/L-17"
        ))?;
    }
    if let Some(admin) = addresses.admin {
        out.line(&format!("Its figures:\n  curl http://{admin}/metrics"))?;
    }
    Ok(())
}
