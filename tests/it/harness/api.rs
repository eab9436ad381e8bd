//! A process of the program that serves the API alone, and a client of its streams of events that speaks plain HTTP.

use super::process::Process;
use super::services::free_port;
use super::world::World;
use crate::wait;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::time::Duration;
use tempfile::TempDir;

/// May read and write all orgs.
pub const TOKEN: &str = "demo";
const SHA256: &str = "2a97516c354b68848cdbd8f54a226a0a55b21ed138e207ad6c5cbb9c00aa5aea";

pub struct Api {
    pub process: Process,
    pub port: u16,
    admin_port: u16,
    _dir: TempDir,
}

impl Api {
    /// With these settings over the world's own; ready when this returns.
    pub fn start(world: &World, name: &str, settings: &[(&str, &str)]) -> Api {
        let dir = TempDir::with_prefix_in("api-", env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let (port, admin_port) = (free_port(), free_port());
        let mut command = world.program(&["run"]);
        let tokens = format!(r#"[{{"name":"test","sha256":"{SHA256}","orgs":"*","scopes":["read","write"]}}]"#);
        command
            .env("CHATROOM_ROUTER_WORKERS", "0")
            .env("CHATROOM_ROUTER_API__LISTEN", format!("127.0.0.1:{port}"))
            .env("CHATROOM_ROUTER_API__TOKENS", tokens)
            .env("CHATROOM_ROUTER_ADMIN__LISTEN", format!("127.0.0.1:{admin_port}"));
        for (key, value) in settings {
            command.env(format!("CHATROOM_ROUTER_{key}"), value);
        }
        let process = Process::start(name, &mut command, &dir.path().join("api.log"));
        let api = Api {
            process,
            port,
            admin_port,
            _dir: dir,
        };
        wait::until("the API to be ready", wait::PATIENCE, || {
            let answer = agent().get(format!("http://127.0.0.1:{admin_port}/readyz")).call();
            (answer.ok()?.status().as_u16() == 200).then_some(())
        });
        api
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// A figure by the whole of its line but the value.
    pub fn figure(&self, name: &str) -> Option<f64> {
        let mut answer = agent()
            .get(format!("http://127.0.0.1:{}/metrics", self.admin_port))
            .call()
            .ok()?;
        let text = answer.body_mut().read_to_string().ok()?;
        let mut lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        lines.find(|(known, _)| *known == name)?.1.parse().ok()
    }

    /// Megabytes that it holds in memory.
    pub fn megabytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it runs");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("Linux");
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kilobytes / 1_024
    }
}

pub fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .new_agent()
}

/// One event of a stream.
#[derive(Debug, Clone)]
pub struct Heard {
    pub name: String,
    pub data: Value,
}

/// A stream that is open.
pub struct Listener {
    lines: BufReader<Box<dyn Read>>,
    pub last_id: Option<String>,
}

impl Listener {
    /// Err: the status, or 0 where nobody answers.
    pub fn open(url: &str, last_id: Option<&str>) -> Result<Listener, u16> {
        let mut request = agent().get(url).header("Authorization", format!("Bearer {TOKEN}"));
        if let Some(id) = last_id {
            request = request.header("Last-Event-ID", id);
        }
        let answer = request.call().map_err(|_| 0_u16)?;
        if answer.status().as_u16() != 200 {
            return Err(answer.status().as_u16());
        }
        let body: Box<dyn Read> = Box::new(answer.into_body().into_reader());
        Ok(Listener {
            lines: BufReader::new(body),
            last_id: last_id.map(str::to_owned),
        })
    }

    /// The next event; None at the end of the stream, however it ends. What ends half way is no event.
    pub fn next(&mut self) -> Option<Heard> {
        let (mut name, mut data, mut id) = (String::new(), Vec::new(), None);
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).ok()? == 0 || !line.ends_with('\n') {
                return None;
            }
            let line = line.trim_end_matches('\n');
            match line.split_once(": ") {
                Some(("event", value)) => name = value.to_owned(),
                Some(("data", value)) => data.push(value.to_owned()),
                Some(("id", value)) => id = Some(value.to_owned()),
                _ if line.is_empty() => {
                    self.last_id = id.take().or(self.last_id.take());
                    if !data.is_empty() {
                        let data = serde_json::from_str(&data.join("\n")).expect("JSON");
                        return Some(Heard { name, data });
                    }
                }
                _ => {}
            }
        }
    }

    /// Waits for the greeting: from here on nothing is missed.
    pub fn is_open(&mut self) {
        let mut line = String::new();
        while !line.starts_with("id: ") {
            line.clear();
            assert!(
                self.lines.read_line(&mut line).expect("a stream") > 0,
                "the stream ended at once"
            );
        }
        self.last_id = Some(line["id: ".len()..].trim_end().to_owned());
    }
}

/// The pause of a client before it tries again.
pub fn pause() {
    wait::let_pass(Duration::from_millis(50));
}
