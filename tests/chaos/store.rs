//! The Redis of a world: one, or a master and a replica that a sentinel watches. Each process reaches it over cables of its own: a
//! sentinel names the same address to all, so what it names is changed on the way. Nothing is saved, so who restarts is empty.

use crate::harness::process::Process;
use crate::harness::services::free_port;
use crate::proxy::Proxy;
use crate::wait;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Who copies from the master. Switched off, its copy grows old.
const COPIER: [&str; 9] = [
    "--user",
    "copier",
    "on",
    ">copies",
    "~*",
    "&*",
    "+psync",
    "+replconf",
    "+ping",
];

pub struct Server {
    port: u16,
    dir: PathBuf,
    process: Option<Process>,
}

impl Server {
    fn start(dir: &Path) -> Server {
        let port = free_port();
        let dir = dir.join(format!("redis-{port}"));
        std::fs::create_dir_all(&dir).expect("a directory");
        let mut server = Server {
            port,
            dir,
            process: None,
        };
        server.launch(None);
        server
    }

    fn launch(&mut self, master: Option<u16>) {
        let mut command = Command::new("redis-server");
        command
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"])
            .args([
                "--masteruser",
                "copier",
                "--masterauth",
                "copies",
                "--repl-diskless-sync-delay",
                "0",
            ])
            .args(COPIER)
            .current_dir(&self.dir);
        if let Some(master) = master {
            command.args(["--replicaof", "127.0.0.1", &master.to_string()]);
        }
        let log = self.dir.join("redis.log");
        self.process = Some(Process::start("redis", &mut command, &log));
        wait::until("redis to answer", wait::PATIENCE, || {
            self.ask("PING")?.starts_with("+PONG").then_some(())
        });
    }

    fn forget_dump(&self) {
        let _ = std::fs::remove_file(self.dir.join("dump.rdb"));
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// The beginning of its answer to one command.
    pub fn ask(&self, command: &str) -> Option<String> {
        ask(self.port, command)
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }
}

fn ask(port: u16, command: &str) -> Option<String> {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    socket.write_all(format!("{command}\r\n").as_bytes()).ok()?;
    let mut answer = vec![0; 4096];
    let length = socket.read(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer[..length]).into_owned())
}

fn tell(server: &Server, command: &str) {
    let answer = server.ask(command).unwrap_or_default();
    assert!(
        !answer.starts_with('-') && !answer.is_empty(),
        "redis answers {command} with {answer:?}"
    );
}

pub enum Store {
    Single { server: Server, cables: Vec<Proxy> },
    Watched(Box<Watched>),
}

/// A master, its replica, and who decides which is which.
pub struct Watched {
    /// Of each process: to the sentinel, and to the servers.
    cables: Vec<[Proxy; 3]>,
    servers: [Server; 2],
    sentinel: Process,
    port: u16,
}

impl Store {
    pub fn single(dir: &Path, cables: usize) -> Store {
        let server = Server::start(dir);
        let cables = (0..cables).map(|_| Proxy::to(server.port)).collect();
        Store::Single { server, cables }
    }

    pub fn watched(dir: &Path, cables: usize) -> Store {
        let servers = [Server::start(dir), Server::start(dir)];
        let [master, replica] = &servers;
        tell(replica, &format!("REPLICAOF 127.0.0.1 {}", master.port));
        let port = free_port();
        let file = dir.join("sentinel.conf");
        let lines = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor chat 127.0.0.1 {} 1\nsentinel down-after-milliseconds chat 800\n\
             sentinel failover-timeout chat 4000\n",
            dir.display(),
            master.port
        );
        std::fs::write(&file, lines).expect("the sentinel's configuration");
        let mut command = Command::new("redis-server");
        command.arg(&file).arg("--sentinel");
        let sentinel = Process::start("sentinel", &mut command, &dir.join("sentinel.log"));
        let cabled = || {
            let [one, other] = [Proxy::to(servers[0].port), Proxy::to(servers[1].port)];
            let instead = [(servers[0].port, one.port()), (servers[1].port, other.port())];
            [Proxy::naming(port, &instead), one, other]
        };
        let watched = Watched {
            cables: (0..cables).map(|_| cabled()).collect(),
            servers,
            sentinel,
            port,
        };
        watched.await_copy();
        Store::Watched(Box::new(watched))
    }

    /// Where the process of this slot finds it.
    pub fn url_of(&self, slot: usize) -> String {
        match self {
            Store::Single { cables, .. } => format!("redis://127.0.0.1:{}/0", cables[slot].port()),
            Store::Watched(watched) => {
                let [sentinel, ..] = &watched.cables[slot];
                format!("redis+sentinel://127.0.0.1:{}/chat", sentinel.port())
            }
        }
    }

    /// Where it can be looked at beside all cables.
    pub fn url(&self) -> String {
        match self {
            Store::Single { server, .. } => server.url(),
            Store::Watched(watched) => watched.servers[watched.master()].url(),
        }
    }

    pub fn cables(&self, slot: usize) -> &[Proxy] {
        match self {
            Store::Single { cables, .. } => std::slice::from_ref(&cables[slot]),
            Store::Watched(watched) => &watched.cables[slot],
        }
    }

    pub fn flush(&mut self) {
        tell(self.master(), "FLUSHALL");
    }

    /// What it holds now it holds again once so much time has passed.
    pub fn recall(&mut self, past: Duration) {
        let server = self.master();
        tell(server, "SAVE");
        wait::let_pass(past);
        server.kill();
        server.launch(None);
        server.forget_dump();
    }

    /// It takes nothing more for so long.
    pub fn fill(&mut self, time: Duration) {
        let server = self.master();
        tell(server, "CONFIG SET maxmemory 1");
        wait::let_pass(time);
        tell(server, "CONFIG SET maxmemory 0");
    }

    fn master(&mut self) -> &mut Server {
        match self {
            Store::Single { server, .. } => server,
            Store::Watched(watched) => {
                let master = watched.master();
                &mut watched.servers[master]
            }
        }
    }

    /// Gone for a while, and empty again.
    pub fn restart(&mut self, away: Duration) {
        match self {
            Store::Single { server, .. } => {
                server.kill();
                wait::let_pass(away);
                server.launch(None);
            }
            Store::Watched(watched) => watched.fail_over(away),
        }
    }
}

impl Watched {
    /// Which of the two the sentinel says is the master.
    fn master(&self) -> usize {
        wait::until("a master", wait::PATIENCE, || {
            let answer = ask(self.port, "SENTINEL get-master-addr-by-name chat")?;
            self.servers
                .iter()
                .position(|server| answer.contains(&server.port.to_string()))
        })
    }

    /// Until the sentinel knows of a replica whose link is up.
    fn await_copy(&self) {
        wait::until("a replica that follows", wait::PATIENCE, || {
            let master = self.master();
            let replication = self.servers[1 - master].ask("INFO replication")?;
            let known = ask(self.port, "SENTINEL replicas chat")?;
            let follows = replication.contains("master_link_status:up") && replication.contains("role:slave");
            let is_known = known.contains(&self.servers[1 - master].port.to_string());
            (follows && is_known && self.servers[master].ask("INFO replication")?.contains("state=online"))
                .then_some(())
        });
    }

    /// The copy is cut off for so long, and then takes over: what was written meanwhile is gone.
    pub fn fail_over(&mut self, stale: Duration) {
        self.await_copy();
        let old = self.master();
        tell(&self.servers[old], "ACL SETUSER copier off");
        tell(&self.servers[old], "CLIENT KILL TYPE replica");
        wait::let_pass(stale);
        self.servers[old].kill();
        let new = 1 - old;
        wait::until("the replica to take over", wait::PATIENCE, || {
            let is_master = self.servers[new].ask("ROLE")?.contains("master");
            (is_master && self.master() == new).then_some(())
        });
        let master = self.servers[new].port;
        self.servers[old].launch(Some(master));
    }

    pub fn last_words(&self) -> String {
        self.sentinel.last_words()
    }
}
