//! The command line: one file per command, each from its arguments to what it prints. Decides nothing about messages.

pub mod config;
mod demo;
pub mod explain;
pub mod lookup;
mod output;
pub mod run;
pub mod topics;

pub use output::{Out, Output};

use crate::config::{Environment, Loaded, load};
use crate::failure::Failure;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Routes WhatsApp messages to chatrooms, exactly once.
#[derive(Debug, Parser)]
#[command(name = "chatroom-router", version, arg_required_else_help = true)]
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
    Demo(demo::DemoArgs),
    /// Run the router until SIGTERM or SIGINT.
    Run,
    /// Compare the topics with what the router needs, or create those that are missing.
    #[command(subcommand)]
    Topics(topics::TopicsCommand),
    /// Check the configuration, or show what holds and where it comes from.
    #[command(subcommand)]
    Config(config::ConfigCommand),
}

impl Cli {
    /// Does what was asked. All that it prints goes to `to`; a failure is the caller's to print.
    pub fn run(self, environment: &dyn Environment, to: &mut dyn std::io::Write) -> Result<(), Failure> {
        let mut out = Out::new(to, self.output);
        let loaded = load(environment, self.config.as_deref());
        match self.command {
            Command::Demo(args) => demo::run(&args, environment, &mut out),
            Command::Config(command) => config::run(loaded, command, &mut out),
            Command::Run => run::run(loaded?.config),
            Command::Topics(command) => {
                let Loaded { config, .. } = loaded?;
                topics::run(&config, command, &mut out)
            }
        }
    }
}
