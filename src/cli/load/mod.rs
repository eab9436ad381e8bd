//! `load`: sends records by the contracts at a steady rate and measures how long each takes to its output. Open loop: the
//! schedule never waits for the router, and a latency counts from the instant at which a record was due to be sent.

mod answer;
mod board;
mod dice;
mod drive;
mod ends;
mod plan;
mod progress;
mod setup;
mod show;
mod world;

use super::output::Out;
use crate::config::Config;
use crate::contract::TopicKind;
use crate::failure::{Exit, Failure};
use crate::kafka::{Feed, Lookup, Settings, Tail};
use crate::shutdown::Shutdown;
use answer::Ids;
use board::Board;
use drive::Drive;
use ends::{Entrance, Exits};
use plan::Plan;
use progress::Progress;
use setup::{Ended, SetUp};
use std::time::Duration;
use tokio::runtime;
use uuid::Uuid;
use world::World;

pub use plan::LoadArgs;

pub(super) const EXAMPLES: &str = "\
Examples:
  chatroom-router load                          1,000 records a second for 30 s
  chatroom-router load --rate 5000 --seconds 60 --orgs 50 --phones 20000 --skew 1.1
  chatroom-router load --records 1000 --inbound 100 --outbound 0 --crm 0 --output json

It writes test data into the configured topics, under orgs of its own (load-SEED-1 and so on), and takes nothing away.
The same seed writes to the same orgs and phones again. Brokers on other hosts than this one need --yes.
Exit code 65: an input has no output by the end, or more than one; 69: Kafka can't be reached.";

/// A cluster that does not answer within this time cannot be reached.
const DEADLINE: Duration = Duration::from_secs(5);

const INPUTS: [TopicKind; 4] = TopicKind::INPUTS;
/// Where each input has exactly one answer.
const OUTPUTS: [TopicKind; 3] = [
    TopicKind::RoutedMessages,
    TopicKind::UnroutedMessages,
    TopicKind::CommandResults,
];

pub fn run(config: &Config, args: &LoadArgs, out: &mut Out<'_>) -> Result<(), Failure> {
    let plan = Plan::of(args)?;
    plan::guard(args, &config.kafka.brokers)?;
    let settings = client(config);
    let mut lookup = Lookup::open(&settings)?;
    check(config, &mut lookup)?;
    let internal = |error: std::io::Error| Failure::new(Exit::Internal, error.to_string());
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = runtime.map_err(internal)?;
    let _entered = runtime.enter();
    let shutdown = Shutdown::on_signals().map_err(internal)?;

    let mut progress = Progress::new();
    progress.say(&plan::warning(&plan, config));
    let topics = OUTPUTS.map(|kind| config.topics.name(kind).clone());
    let ids = Ids::new(&Uuid::new_v4().simple().to_string()[..8]);
    let mut entrance = Entrance {
        topics: &config.topics,
        feed: Feed::open(&settings)?,
    };
    let mut exits = Exits {
        topics: &config.topics,
        ids: ids.clone(),
        tail: Tail::open(&settings, &topics, DEADLINE)?,
    };
    let mut world = World::of(&plan);
    let set_up = SetUp {
        ids: &ids,
        patience: plan.patience,
        shutdown: &shutdown,
        progress: &mut progress,
    };
    if set_up.run(&mut world, &mut entrance, &mut exits)? == Ended::Stopped {
        return Err(stopped());
    }
    let drive = Drive {
        plan: &plan,
        world: &world,
        ids: &ids,
        shutdown: &shutdown,
        progress: &mut progress,
    };
    let board = drive.run(entrance, exits)?;
    progress.end();
    show::show(&plan, &board, out)?;
    verdict(config, &board, &mut lookup)
}

fn stopped() -> Failure {
    let next = "start it again, the orgs that are there already are used again";
    Failure::new(Exit::BadData, format!("ended before the first record was sent: {next}"))
}

/// As the configuration says, but for a linger that would stand in every latency.
fn client(config: &Config) -> Settings {
    let mut settings = config.kafka_settings(None);
    let names = ["linger.ms", "queue.buffering.max.ms"];
    if !names.iter().any(|name| settings.properties.contains_key(*name)) {
        settings.properties.insert(names[0].to_owned(), "1".to_owned());
    }
    settings
}

/// Kafka answers, and has the topics.
fn check(config: &Config, lookup: &mut Lookup) -> Result<(), Failure> {
    lookup
        .reach(DEADLINE)
        .map_err(|error| Failure::kafka_away(config, &error))?;
    for kind in INPUTS.into_iter().chain(OUTPUTS) {
        let topic = config.topics.name(kind);
        if lookup.partitions(topic, DEADLINE)?.is_none() {
            let next = "create what is missing with `chatroom-router topics apply`";
            return Err(Failure::new(
                Exit::BadConfig,
                format!("topic {topic} does not exist: {next}"),
            ));
        }
    }
    Ok(())
}

fn verdict(config: &Config, board: &Board, lookup: &mut Lookup) -> Result<(), Failure> {
    let (sent, missing, repeated) = (board.sent(), board.missing(), board.repeated());
    if missing == 0 && repeated == 0 {
        return Ok(());
    }
    lookup
        .reach(DEADLINE)
        .map_err(|error| Failure::kafka_away(config, &error))?;
    let sentence = match repeated {
        0 => format!(
            "{missing} of {sent} records have no output: see whether a router runs on these topics and keeps up, or wait longer with --patience"
        ),
        _ => format!(
            "{repeated} outputs came twice and {missing} of {sent} records have none: report it, with the topics as they are"
        ),
    };
    Err(Failure::new(Exit::BadData, sentence))
}
