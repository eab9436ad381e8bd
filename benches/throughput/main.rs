//! How fast the router is beside programs that only pass bytes on, over the same records in the same run. Absolute figures
//! are the machine's; only the ratios mean anything elsewhere.
//!
//! `KAFKA_BROKERS` and `REDIS_URL` say where the services are. Each program is a process of its own and is watched from
//! outside, by what it has committed. Everything made on the services begins with a prefix of this run, and goes with it.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::unwrap_used)] // It is run for what it prints.

mod brokers;
mod data;
mod memory;
mod options;
mod passing;
mod program;
mod restore;
mod round;
mod router;
mod table;

use brokers::Brokers;
use options::{HELP, Options};
use std::process::ExitCode;

/// As the router: what is compared is not the allocators.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    // Cargo gives every bench this flag.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let done = match arguments.first().map(String::as_str) {
        Some("--help" | "help") => {
            println!("{HELP}\n{}\n{}", memory::HELP, restore::HELP);
            Ok(())
        }
        Some(restore::WORD) => restore::run(&arguments[1..]),
        Some(memory::WORD) => memory::run(&arguments[1..]),
        Some(passing::WORD) => passing::run(&arguments[1..]),
        _ => measure(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("throughput: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &[String]) -> Outcome<()> {
    let options = Options::parse(arguments)?;
    let services = Brokers::open(&variable("KAFKA_BROKERS")?)?;
    let redis_url = variable("REDIS_URL")?;
    let mut rounds = Vec::new();
    for number in 1..=options.rounds {
        println!("Round {number} of {}", options.rounds);
        let prefix = format!("bench-{}-{number}-", std::process::id());
        let run = round::Round {
            options: &options,
            brokers: &services,
            redis_url: &redis_url,
            prefix: &prefix,
        };
        let measured = run.measure().inspect_err(|error| eprintln!("throughput: {error}"));
        run.clean_up();
        rounds.push(measured?);
    }
    println!("\n{}", table::of(&rounds, &options));
    Ok(())
}

fn variable(name: &str) -> Outcome<String> {
    std::env::var(name).map_err(|_| format!("set {name}, or run it by tests/services/with-services").into())
}
