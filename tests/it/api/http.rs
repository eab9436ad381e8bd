//! A process that serves the API, and a client of it.

use crate::harness::process::Process;
use crate::harness::services::free_port;
use crate::harness::world::World;
use crate::scenario::Org;
use crate::wait;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex};
use ureq::http::{Request, Response};

/// Reads and writes every org.
pub const ALL: &str = "all";
pub const READER: &str = "reader";
pub const WRITER: &str = "writer";
/// Of one org each, of that name.
pub const ONE: &str = "one";
pub const TWO: &str = "two";

/// The API of the world in which the scenarios play, in a process that does nothing else.
static API: LazyLock<Server> = LazyLock::new(|| {
    let world = Org::of_the_program("api").world();
    let server = Server::start(world, "api", &[("WORKERS", "0")]);
    server.await_ready();
    server
});

/// A client of it with that token.
pub fn api(token: &str) -> Http {
    API.http(token)
}

pub struct Server {
    process: Mutex<Process>,
    output: PathBuf,
    pub port: u16,
    admin_port: u16,
}

#[derive(Clone)]
pub struct Http {
    url: String,
    token: Option<String>,
    headers: Vec<(String, String)>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
    headers: ureq::http::HeaderMap,
}

impl Server {
    /// `run` in this world with the API on, and these settings over it.
    pub fn start(world: &World, name: &str, settings: &[(&str, &str)]) -> Server {
        let (port, admin_port) = (free_port(), free_port());
        let mut command = world.program(&["run"]);
        let own = [
            ("API__LISTEN", format!("127.0.0.1:{port}")),
            ("API__TOKENS", tokens()),
            ("API__REQUESTS_PER_SECOND", "100000".to_owned()),
            ("ADMIN__LISTEN", format!("127.0.0.1:{admin_port}")),
            ("KAFKA__INSTANCE_ID", format!("{name}-{port}")),
        ];
        for (key, value) in own {
            command.env(format!("CHATROOM_ROUTER_{key}"), value);
        }
        for (key, value) in settings {
            command.env(format!("CHATROOM_ROUTER_{key}"), value);
        }
        let output = world.path(&format!("{name}-{port}.log"));
        let process = Process::start(name, &mut command, &output);
        let server = Server {
            process: Mutex::new(process),
            output,
            port,
            admin_port,
        };
        wait::until("the API to listen", wait::PATIENCE, || {
            server.assert_alive();
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        server
    }

    pub fn assert_alive(&self) {
        let mut process = self.process.lock().expect("not poisoned");
        if let Some(status) = process.has_ended() {
            panic!("{} ended with {status}\n{}", process.name, process.last_words());
        }
    }

    pub fn await_ready(&self) {
        wait::until("the API to be ready", wait::PATIENCE, || {
            (self.admin("/readyz").0 == 200).then_some(())
        });
    }

    pub fn admin(&self, path: &str) -> (u16, String) {
        let url = format!("http://127.0.0.1:{}{path}", self.admin_port);
        match agent().get(&url).call() {
            Ok(mut answer) => (
                answer.status().as_u16(),
                answer.body_mut().read_to_string().unwrap_or_default(),
            ),
            Err(_) => (0, String::new()),
        }
    }

    /// All that it has logged.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.output).expect("a log")
    }

    pub fn signal(&self, signal: &str) {
        self.process.lock().expect("not poisoned").signal(signal);
    }

    /// The exit code, once it has ended.
    pub fn ended(&self) -> Option<i32> {
        self.process.lock().expect("not poisoned").wait(wait::PATIENCE).code()
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn http(&self, token: &str) -> Http {
        Http {
            url: self.url(),
            token: Some(token.to_owned()),
            headers: Vec::new(),
        }
    }
}

/// Each token is its name.
pub fn tokens() -> String {
    let token = |name: &str, orgs: Value, scopes: &[&str]| {
        let hash: String = Sha256::digest(name.as_bytes())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        json!({"name": name, "sha256": hash, "orgs": orgs, "scopes": scopes})
    };
    json!([
        token(ALL, json!("*"), &["read", "write"]),
        token(READER, json!("*"), &["read"]),
        token(WRITER, json!("*"), &["write"]),
        token(ONE, json!([ONE]), &["read", "write"]),
        token(TWO, json!([TWO]), &["read", "write"]),
    ])
    .to_string()
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(wait::PATIENCE))
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .build()
        .new_agent()
}

impl Http {
    pub fn header(&self, name: &str, value: &str) -> Http {
        let mut http = self.clone();
        http.headers.push((name.to_owned(), value.to_owned()));
        http
    }

    /// Without a token of its own.
    pub fn bare(&self) -> Http {
        Http {
            token: None,
            ..self.clone()
        }
    }

    /// The same request under this key is one.
    pub fn keyed(&self, key: &str) -> Http {
        self.header("Idempotency-Key", key)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None)
    }

    pub fn put(&self, path: &str, body: Value) -> Answer {
        self.call("PUT", path, Some(body.to_string().as_bytes()))
    }

    pub fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, Some(body.to_string().as_bytes()))
    }

    /// Without a body.
    pub fn tell(&self, method: &str, path: &str) -> Answer {
        self.call(method, path, None)
    }

    /// Bytes go as JSON unless a header says otherwise.
    pub fn call(&self, method: &str, path: &str, body: Option<&[u8]>) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let typed = self.headers.iter().any(|(name, _)| name == "Content-Type");
        if body.is_some() && !typed {
            request = request.header("Content-Type", "application/json");
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let sent = match body {
            Some(body) => agent().run(request.body(body).expect("a request")),
            None => agent().run(request.body(()).expect("a request")),
        };
        Answer::of(sent.unwrap_or_else(|error| panic!("{method} {path}: {error}")))
    }
}

impl Answer {
    fn of(mut response: Response<ureq::Body>) -> Answer {
        let text = response.body_mut().read_to_string().unwrap_or_default();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
        }
    }

    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }

    pub fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_default()
    }

    /// A problem with this status and code, and the headers that go with it.
    #[track_caller]
    pub fn is_problem(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.text("code")), (status, code), "{self:?}");
        assert_eq!(self.header("Content-Type"), "application/problem+json", "{self:?}");
        assert_eq!(self.body["status"], status, "{self:?}");
        assert_eq!(self.text("type"), format!("urn:chatroom-router:problem:{code}"));
        assert!(
            !self.text("detail").is_empty() && !self.text("title").is_empty(),
            "{self:?}"
        );
        let waits = self.header("Retry-After").parse::<u32>().is_ok();
        assert_eq!(
            waits,
            [429, 503].contains(&status) || ["BUSY", "NOT_YET_APPLIED"].contains(&code),
            "{self:?}"
        );
    }

    /// A command that was done so.
    #[track_caller]
    pub fn is_done(&self, status: u16, word: &str) {
        assert_eq!((self.status, self.text("status")), (status, word), "{self:?}");
        assert_eq!(self.header("Content-Type"), "application/json", "{self:?}");
    }
}
