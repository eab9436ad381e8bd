//! The processes of the real program, each in a slot of its own: its instance's name, its cable to Kafka, its cable to Redis.

use crate::brokers::Brokers;
use crate::harness::process::Process;
use crate::harness::services::{free_port, kafka_brokers};
use crate::harness::topics::{Admin, INPUTS, OUTPUTS};
use crate::harness::world::{answer, apply_topics, program, text};
use crate::store::Store;
use crate::wait;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub const PARTITIONS: i32 = 8;
pub const SLOTS: usize = 4;

/// Of the processes; a real setting takes several times as long, and is no different.
pub const SESSION: Duration = Duration::from_secs(6);
pub const TRANSACTION: Duration = Duration::from_secs(5);
const DRAIN: Duration = Duration::from_secs(40);

pub struct Cluster {
    pub prefix: String,
    dir: PathBuf,
    environment: Vec<(String, String)>,
    processes: Vec<Option<Running>>,
    is_static: bool,
}

struct Running {
    process: Process,
    admin_port: u16,
}

impl Running {
    fn end(mut self) {
        self.process.signal("TERM");
        let code = self.process.wait(DRAIN).code();
        assert_eq!(code, Some(0), "a drain ends well\n{}", self.process.last_words());
    }
}

/// Of all names of the world whose logs stand there.
pub fn prefix(dir: &Path) -> String {
    format!("{}-", dir.file_name().unwrap_or_default().display())
}

impl Cluster {
    /// Its topics, and no process yet. `is_static`: restarted processes take back what they had (static membership).
    pub fn new(dir: &Path, is_static: bool, admin: &Admin) -> Cluster {
        let prefix = prefix(dir);
        let environment = environment(&prefix);
        apply_topics(&environment);
        let cluster = Cluster {
            prefix,
            dir: dir.to_owned(),
            environment,
            processes: (0..SLOTS).map(|_| None).collect(),
            is_static,
        };
        admin.keep_all(&cluster.topics());
        cluster
    }

    pub fn topics(&self) -> Vec<String> {
        let names = INPUTS.iter().chain(&OUTPUTS);
        names.map(|name| format!("{}{name}", self.prefix)).collect()
    }

    pub fn outputs(&self) -> Vec<String> {
        OUTPUTS.iter().map(|name| format!("{}{name}", self.prefix)).collect()
    }

    pub fn running(&self) -> Vec<usize> {
        (0..SLOTS).filter(|slot| self.processes[*slot].is_some()).collect()
    }

    /// Starts the process of this slot, the same instance as before.
    pub fn launch(&mut self, slot: usize, brokers: &Brokers, store: &Store) {
        self.processes[slot] = Some(self.start(&format!("router-{slot}"), slot, (brokers, store)));
    }

    /// Another process that was given the name and the cables of this slot's, for so long.
    pub fn double(&self, slot: usize, services: (&Brokers, &Store), time: Duration) {
        let twin = self.start(&format!("twin-of-{slot}"), slot, services);
        wait::let_pass(time);
        twin.end();
    }

    fn start(&self, name: &str, slot: usize, (brokers, store): (&Brokers, &Store)) -> Running {
        let admin_port = free_port();
        let mut command = program(&self.environment);
        let own = [
            ("KAFKA__BROKERS", brokers.addresses(slot)),
            ("KAFKA__INSTANCE_ID", format!("{}{slot}", self.prefix)),
            ("KAFKA__STATIC_MEMBERSHIP", self.is_static.to_string()),
            ("INDEX__URL", store.url_of(slot)),
            ("ADMIN__LISTEN", format!("127.0.0.1:{admin_port}")),
        ];
        command.arg("run");
        for (name, value) in own {
            command.env(format!("CHATROOM_ROUTER_{name}"), value);
        }
        let process = Process::start(name, &mut command, &self.dir.join(format!("{name}.log")));
        Running { process, admin_port }
    }

    pub fn await_ready(&mut self) {
        for running in self.processes.iter_mut().flatten() {
            let process = &mut running.process;
            let ready = wait::within(wait::PATIENCE, || {
                if let Some(status) = process.has_ended() {
                    panic!("{} ended with {status}\n{}", process.name, process.last_words());
                }
                (answer(running.admin_port, "/readyz")? == 200).then_some(())
            });
            assert!(
                ready.is_some(),
                "{} is not ready\n{}",
                process.name,
                process.last_words()
            );
        }
    }

    /// Panics if one has ended by itself, or says that it doesn't turn any more; who is frozen can't say so.
    pub fn check(&mut self, frozen: &[usize]) {
        let all = self.processes.iter_mut().enumerate();
        for running in all.filter_map(|(slot, running)| running.as_mut().filter(|_| !frozen.contains(&slot))) {
            let process = &mut running.process;
            if let Some(status) = process.has_ended() {
                panic!(
                    "{} ended with {status} by itself\n{}",
                    process.name,
                    process.last_words()
                );
            }
            let live = answer(running.admin_port, "/livez");
            assert_eq!(
                live,
                Some(200),
                "{} does not turn\n{}",
                process.name,
                process.last_words()
            );
        }
    }

    pub fn signal(&self, slot: usize, signal: &str) {
        if let Some(running) = &self.processes[slot] {
            running.process.signal(signal);
        }
    }

    /// `kill -9`, and it is gone when this returns.
    pub fn kill(&mut self, slot: usize) {
        if let Some(mut running) = self.processes[slot].take() {
            running.process.kill();
        }
    }

    /// SIGTERM, and its end.
    pub fn terminate(&mut self, slot: usize) {
        if let Some(running) = self.processes[slot].take() {
            running.end();
        }
    }

    /// Partitions whose records lie there, as the first process that answers sees it.
    fn lags(&self) -> String {
        let answers = self
            .processes
            .iter()
            .flatten()
            .find_map(|running| text(running.admin_port, "/metrics"));
        let (_, text) = answers.unwrap_or_default();
        let lags = text
            .lines()
            .filter(|line| line.contains("offset_lag_records{") && !line.ends_with(" 0"));
        lags.collect::<Vec<_>>().join("\n")
    }

    pub fn last_words(&self) -> String {
        let words = self
            .processes
            .iter()
            .flatten()
            .map(|running| running.process.last_words());
        format!("{}\n{}", words.collect::<Vec<_>>().join("\n"), self.lags())
    }
}

fn environment(prefix: &str) -> Vec<(String, String)> {
    let values = [
        ("KAFKA__BROKERS", kafka_brokers()),
        ("KAFKA__GROUP_ID", prefix.to_owned()),
        ("KAFKA__SESSION_TIMEOUT_MS", SESSION.as_millis().to_string()),
        ("KAFKA__TRANSACTION_TIMEOUT_MS", TRANSACTION.as_millis().to_string()),
        ("TOPICS__PREFIX", prefix.to_owned()),
        ("TOPICS__PARTITIONS", PARTITIONS.to_string()),
        ("TIMERS__GRACE_SECONDS", "2".to_owned()),
        // As it comes, a process has more than one.
        ("WORKERS", "2".to_owned()),
        ("LOG__FORMAT", "text".to_owned()),
    ];
    let named = values.map(|(name, value)| (format!("CHATROOM_ROUTER_{name}"), value));
    named.to_vec()
}
