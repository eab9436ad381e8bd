//! The router as it ships, with its default settings but for names and places.

use crate::Outcome;
use crate::options::Options;
use crate::program::Program;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::process::Command;

pub struct Router<'a> {
    pub brokers: &'a str,
    pub redis_url: &'a str,
    pub prefix: &'a str,
    pub options: &'a Options,
}

impl Router<'_> {
    pub fn make_topics(&self) -> Outcome<()> {
        let made = self.command(&["topics", "apply"], 0).output()?;
        if made.status.success() {
            return Ok(());
        }
        Err(format!("topics apply: {}", String::from_utf8_lossy(&made.stderr)).into())
    }

    /// With the port of its figures.
    pub fn start(&self) -> Outcome<(Program, u16)> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let program = Program::start("router", &mut self.command(&["run"], port))?;
        Ok((program, port))
    }

    pub fn group(&self) -> String {
        format!("{}router", self.prefix)
    }

    pub fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn command(&self, words: &[&str], port: u16) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chatroom-router"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CHATROOM_ROUTER_")) {
            command.env_remove(name);
        }
        command
            .args(words)
            .env("CHATROOM_ROUTER_KAFKA__BROKERS", self.brokers)
            .env("CHATROOM_ROUTER_KAFKA__GROUP_ID", self.group())
            .env("CHATROOM_ROUTER_INDEX__URL", self.redis_url)
            .env("CHATROOM_ROUTER_TOPICS__PREFIX", self.prefix)
            .env(
                "CHATROOM_ROUTER_TOPICS__PARTITIONS",
                self.options.partitions.to_string(),
            )
            .env("CHATROOM_ROUTER_ADMIN__LISTEN", format!("127.0.0.1:{port}"))
            .env("CHATROOM_ROUTER_LOG__FORMAT", "text");
        if self.options.workers > 0 {
            command.env("CHATROOM_ROUTER_WORKERS", self.options.workers.to_string());
        }
        command
    }
}

/// The router's own figures, by name and labels.
pub fn figures(port: u16) -> Outcome<BTreeMap<String, f64>> {
    let text = ureq::get(format!("http://127.0.0.1:{port}/metrics"))
        .call()?
        .body_mut()
        .read_to_string()?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let figures = lines.filter_map(|line| {
        let (name, value) = line.rsplit_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    });
    Ok(figures.collect())
}

/// Of all figures whose names begin so.
pub fn sum(said: &BTreeMap<String, f64>, name: &str) -> f64 {
    let full = format!("chatroom_router_{name}");
    let found = said.iter().filter(|(found, _)| found.starts_with(&full));
    found.map(|(_, value)| value).sum()
}
