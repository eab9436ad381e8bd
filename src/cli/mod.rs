//! The command line: one file per command, each from its arguments to what it prints. Decides nothing about messages.

pub mod config;
mod demo;
mod explain;
mod help;
mod index;
mod letters;
mod load;
mod lookup;
mod output;
mod past;
mod positions;
mod progress;
pub mod run;
pub mod topics;
mod when;

pub use output::{Out, Output};

use crate::config::{Environment, load};
use crate::domain::time::Instant;
use crate::failure::{Exit, Failure};
use clap::{Parser, Subcommand};
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

/// An index that does not answer within this time cannot be reached.
const DEADLINE: Duration = Duration::from_secs(20);

const EXAMPLES: &str = "\
Examples:
  chatroom-router demo                          see it at work, with nothing to install
  chatroom-router config show                   what is set, and where it comes from
  chatroom-router topics apply                  create the topics that are missing
  chatroom-router run                           route, until SIGTERM
  chatroom-router explain acme +919812345678 +12025550100
                                                where a message would go, and why
  chatroom-router load --rate 1000              how long a message takes at so many a second
  chatroom-router man topics plan | man -l -    all about a command

Settings: a TOML file (--config), and over it the environment: batch.linger_ms is CHATROOM_ROUTER_BATCH__LINGER_MS.
Exit codes: 0 done, 64 wrong usage, 65 bad data, 69 Kafka or Redis can't be reached, 70 our own fault, 78 bad
configuration.";

/// Routes WhatsApp messages to chatrooms, exactly once.
#[derive(Debug, Parser)]
#[command(name = "chatroom-router", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Cli {
    /// The configuration, as TOML; else CHATROOM_ROUTER_CONFIG names it. The environment stands above it.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How to print data: for people or for scripts.
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Play a support team's day in this one process, with nothing to install.
    #[command(after_help = demo::EXAMPLES)]
    Demo(demo::DemoArgs),
    /// Run the router until SIGTERM or SIGINT.
    #[command(after_help = run::EXAMPLES)]
    Run,
    /// Show the contacts and chatrooms under a phone, a chatroom or a contact.
    #[command(subcommand, after_help = lookup::EXAMPLES)]
    Lookup(lookup::LookupCommand),
    /// Say where a message would go and why, and change nothing.
    #[command(after_help = explain::EXAMPLES)]
    Explain(explain::ExplainArgs),
    /// Send records at a steady rate and measure how long each takes.
    #[command(after_help = load::EXAMPLES)]
    Load(load::LoadArgs),
    /// See what could not be read or judged, and send it back.
    #[command(subcommand, after_help = letters::DEAD_LETTERS)]
    DeadLetters(letters::DeadLettersCommand),
    /// See the messages that had nowhere to go, and have them judged again.
    #[command(subcommand, after_help = letters::UNROUTED)]
    Unrouted(letters::UnroutedCommand),
    /// Compare the topics with what the router needs, or create those that are missing.
    #[command(subcommand, after_help = topics::EXAMPLES)]
    Topics(topics::TopicsCommand),
    /// Show, compare or rebuild the index in Redis.
    #[command(subcommand, after_help = index::EXAMPLES)]
    Index(index::IndexCommand),
    /// Show from where each input goes on, or say it for a partition that stands still.
    #[command(subcommand, after_help = positions::EXAMPLES)]
    Positions(positions::PositionsCommand),
    /// Check the configuration, or show what holds and where it comes from.
    #[command(subcommand, after_help = config::EXAMPLES)]
    Config(config::ConfigCommand),
    /// Print what a shell needs to complete this command line.
    #[command(after_help = help::COMPLETIONS_EXAMPLES)]
    Completions(help::CompletionsArgs),
    /// Print a manual page, or write all of them.
    #[command(after_help = help::MAN_EXAMPLES)]
    Man(help::ManArgs),
}

impl Cli {
    /// Does what was asked. All that it prints goes to `to`; a failure is the caller's to print.
    pub fn run(self, environment: &dyn Environment, to: &mut dyn std::io::Write) -> Result<(), Failure> {
        let mut out = Out::new(to, self.output);
        let loaded = load(environment, self.config.as_deref());
        match self.command {
            Command::Demo(args) => demo::run(&args, environment, &mut out),
            Command::Config(command) => config::run(loaded, command, &mut out),
            Command::Completions(args) => help::completions(&args, &mut out),
            Command::Man(args) => help::man(&args, &mut out),
            Command::Run => run::run(loaded?.config),
            Command::Lookup(command) => lookup::run(&loaded?.config, command, &mut out),
            Command::Explain(args) => explain::run(&loaded?.config, &args, &mut out),
            Command::Load(args) => load::run(&loaded?.config, &args, &mut out),
            Command::DeadLetters(command) => letters::dead_letters(&loaded?.config, &command, &mut out),
            Command::Unrouted(command) => letters::unrouted(&loaded?.config, &command, &mut out),
            Command::Index(command) => index::run(&loaded?.config, &command, &mut out),
            Command::Positions(command) => positions::run(&loaded?.config, &command, &mut out),
            Command::Topics(command) => topics::run(&loaded?.config, command, &mut out),
        }
    }
}

/// Asks the index something, for a command that only asks.
fn once<T>(asking: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let internal = |error: std::io::Error| Failure::new(Exit::Internal, error.to_string());
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().map_err(internal)?;
    let timed = async { tokio::time::timeout(DEADLINE, asking).await };
    runtime.block_on(timed).unwrap_or_else(|_| {
        let next = "see whether Redis is up and index.url is right, then try again";
        let sentence = format!("Redis did not answer within {} s: {next}", DEADLINE.as_secs());
        Err(Failure::new(Exit::Unreachable, sentence))
    })
}

fn now() -> Instant {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Instant(i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}
