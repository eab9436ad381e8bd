//! `go-on`: lets an input go on that was halted after a burst of bad records. Told to the process that halted it, at its admin
//! listener: what it holds is in its memory alone.

use super::input;
use crate::cli::output::Out;
use crate::cli::when::length;
use crate::config::Config;
use crate::contract::TopicKind;
use crate::failure::{Exit, Failure};
use clap::Args;
use serde_json::json;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub struct GoOnArgs {
    /// The input, by its name in the contracts.
    #[arg(long, value_name = "TOPIC", value_parser = input)]
    topic: TopicKind,
    /// Its partition.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    partition: i32,
    /// For how long it is not halted again, whatever comes.
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = length)]
    time: Duration,
    /// The admin listener of the process that halted it, else admin.listen on this host.
    #[arg(long, value_name = "HOST:PORT")]
    admin: Option<String>,
}

pub fn run(config: &Config, args: &GoOnArgs, out: &mut Out<'_>) -> Result<(), Failure> {
    let admin = args.admin.clone().or_else(|| config.admin.listen.as_deref().map(local));
    let admin = admin.ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            "admin.listen is off, so no process can be told: name the listener of one by --admin",
        )
    })?;
    let topic = config.topics.name(args.topic);
    let seconds = args.time.as_secs();
    let url = format!("http://{admin}/inputs/{topic}/{}/go-on", args.partition);
    let (status, told) = put(&url, &seconds.to_string()).map_err(|error| {
        let next = "see whether that process runs, and name its listener by --admin";
        Failure::new(Exit::Unreachable, format!("{admin} can't be reached ({error}): {next}"))
    })?;
    let told = told.trim_end();
    match status {
        200 if out.is_json() => out.json(&json!({"topic": &**topic, "partition": args.partition, "seconds": seconds})),
        200 => out.line(&format!("{told}.")),
        400 => Err(Failure::new(Exit::Usage, told)),
        _ => Err(Failure::new(Exit::BadData, told)),
    }
}

/// An address that all of this host's are listened on by is reached by the local one.
fn local(listen: &str) -> String {
    let port = |any: &str| listen.strip_prefix(any).map(|port| format!("127.0.0.1:{port}"));
    port("0.0.0.0:")
        .or_else(|| port("[::]:"))
        .unwrap_or_else(|| listen.to_owned())
}

fn put(url: &str, body: &str) -> Result<(u16, String), ureq::Error> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(DEADLINE))
        .http_status_as_error(false)
        .build()
        .into();
    let mut answer = agent.put(url).send(body)?;
    Ok((answer.status().as_u16(), answer.body_mut().read_to_string()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_all_addresses_is_reached_on_this_host() {
        assert_eq!(local("0.0.0.0:9464"), "127.0.0.1:9464");
        assert_eq!(local("[::]:9464"), "127.0.0.1:9464");
        assert_eq!(local("10.0.0.7:9464"), "10.0.0.7:9464");
    }
}
