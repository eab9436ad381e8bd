//! That the router's memory does not grow with its backlog: its peak over one backlog and over twice as many records, of the
//! same customers. Each customer's messages come at the same pace in both, so the state is as large at the end of the second
//! as it was at the end of the first: what differs is the backlog alone.

use crate::brokers::Brokers;
use crate::options::Options;
use crate::program::Figures;
use crate::round::Round;
use crate::{Outcome, variable};

pub const WORD: &str = "memory";
pub const HELP: &str = "\
make bench ARGS='memory name=value ...'
  the router's peak memory over so many records, and over twice as many; the same options, but that
  remembered=5       unless given; 0: the state grows too, by the id of each message";

pub fn run(words: &[String]) -> Outcome<()> {
    let mut first = Options::parse(&[])?;
    first.remembered = 5;
    let first = first.with(words)?;
    let mut second = first.clone();
    second.records *= 2;
    let brokers = Brokers::open(&variable("KAFKA_BROKERS")?)?;
    let redis_url = variable("REDIS_URL")?;
    let before = redis_megabytes(&redis_url)?;
    let mut told = Vec::new();
    for options in [first, second] {
        println!("A backlog of {} records", options.records);
        let prefix = format!("bench-memory-{}-{}-", std::process::id(), options.records);
        let round = Round {
            options: &options,
            brokers: &brokers,
            redis_url: &redis_url,
            prefix: &prefix,
        };
        let measured = round.measure_alone();
        let after = redis_megabytes(&redis_url);
        round.clean_up();
        told.push(line(&options, &measured?, after? - before));
    }
    println!("\n{}", told.join("\n"));
    Ok(())
}

fn line(options: &Options, figures: &Figures, state: f64) -> String {
    format!(
        "{:>9} records of {} phones: peak {:.0} MB; the state takes {state:.0} MB in Redis; {:.0} records/s, {:.1} \u{b5}s of CPU each",
        options.records, options.phones, figures.peak_megabytes, figures.per_second, figures.cpu_micros
    )
}

fn redis_megabytes(url: &str) -> Outcome<f64> {
    let mut redis = redis::Client::open(url)?.get_connection()?;
    let info: String = redis::cmd("INFO").arg("memory").query(&mut redis)?;
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    let used: f64 = used.ok_or("no used_memory in Redis's INFO")?.trim().parse()?;
    Ok(used / 1_048_576.0)
}
