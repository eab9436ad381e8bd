//! A world of a test's own: its topics, its group, its processes of the real program, and a tail on what they commit.

use super::client::Client;
use super::log::Log;
use super::printed;
use super::process::Process;
use super::redis::Redis;
use super::services::{free_port, kafka_brokers, redis_url};
use super::tail::{Tail, timestamps};
use super::topics::{Admin, INPUTS, OUTPUTS};
use crate::wait;
use jiff::Timestamp;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

pub const PARTITIONS: usize = 4;

/// How the world is to be; the rest is the same in all.
#[derive(Clone)]
pub struct Plan {
    pub name: &'static str,
    /// Inputs that an operator has created before, with so many partitions.
    pub created: Vec<(&'static str, usize)>,
    pub processes: usize,
    pub own_redis: bool,
    /// Settings of the program, as its environment names them after the common prefix.
    pub set: Vec<(&'static str, &'static str)>,
}

impl Plan {
    pub fn new(name: &'static str) -> Plan {
        Plan {
            name,
            created: Vec::new(),
            processes: 1,
            own_redis: true,
            set: Vec::new(),
        }
    }
}

pub struct World {
    prefix: String,
    pub client: Client,
    pub tail: Tail,
    pub redis: Option<Redis>,
    processes: Vec<Option<Router>>,
    environment: Vec<(String, String)>,
    topics: Vec<String>,
    admin: Admin,
    dir: TempDir,
}

struct Router {
    process: Process,
    admin_port: u16,
}

impl World {
    pub fn start(plan: &Plan) -> World {
        let dir = TempDir::with_prefix_in("it-", env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let redis = plan.own_redis.then(|| Redis::start(dir.path().to_owned()));
        let id = uuid::Uuid::new_v4().simple().to_string();
        let prefix = format!("it-{}-{}-", plan.name, &id[..8]);
        let mut environment = environment(&prefix, redis.as_ref().map_or_else(redis_url, Redis::url));
        let set = plan.set.iter();
        environment.extend(set.map(|(name, value)| (format!("CHATROOM_ROUTER_{name}"), (*value).to_owned())));
        let admin = Admin::new();
        let created: Vec<(String, usize)> = plan
            .created
            .iter()
            .map(|(name, partitions)| (format!("{prefix}{name}"), *partitions))
            .collect();
        if !created.is_empty() {
            admin.create(&created);
        }
        apply_topics(&environment);
        let inputs: Vec<String> = INPUTS.iter().map(|name| format!("{prefix}{name}")).collect();
        let outputs: Vec<String> = OUTPUTS.iter().map(|name| format!("{prefix}{name}")).collect();
        let topics = [inputs, outputs.clone()].concat();
        admin.keep_all(&topics);
        let mut world = World {
            client: Client::new(&prefix),
            tail: Tail::start(admin.partitions(&outputs)),
            redis,
            processes: (0..plan.processes).map(|_| None).collect(),
            environment,
            topics,
            admin,
            dir,
            prefix,
        };
        (0..plan.processes).for_each(|slot| world.launch(slot));
        world.await_ready();
        world
    }

    pub fn log(&self) -> &Log {
        &self.tail.log
    }

    /// When each accepted settings record took effect, in their order: the append times of `router-settings`.
    pub fn settings_instants(&self) -> Vec<Timestamp> {
        timestamps(&format!("{}router-settings", self.prefix))
    }

    pub fn input_partitions(&self, topic: &str) -> i32 {
        let inputs = self.admin.partitions(&self.topics);
        let named = inputs.iter().find(|(name, _)| name.ends_with(topic));
        *named.expect("an input of ours").1
    }

    /// Starts the process of this slot: the same instance as before, if there was one.
    pub fn launch(&mut self, slot: usize) {
        self.launch_as(slot, slot);
    }

    /// Starts the process of this slot under the name of another's.
    pub fn launch_as(&mut self, slot: usize, instance: usize) {
        let admin_port = free_port();
        let name = format!("router-{slot}");
        let mut command = program(&self.environment);
        command
            .arg("run")
            .env(
                "CHATROOM_ROUTER_KAFKA__INSTANCE_ID",
                format!("{}{instance}", self.prefix),
            )
            .env("CHATROOM_ROUTER_ADMIN__LISTEN", format!("127.0.0.1:{admin_port}"));
        let process = Process::start(&name, &mut command, &self.dir.path().join(format!("{name}.log")));
        self.processes[slot] = Some(Router { process, admin_port });
    }

    pub fn await_ready(&mut self) {
        for router in self.processes.iter_mut().flatten() {
            let what = format!("{} to be ready", router.process.name);
            let process = &mut router.process;
            let ready = wait::within(wait::PATIENCE, || {
                if let Some(status) = process.has_ended() {
                    panic!("{} ended with {status}\n{}", process.name, process.last_words());
                }
                (answer(router.admin_port, "/readyz")? == 200).then_some(())
            });
            assert!(ready.is_some(), "waited in vain for {what}\n{}", process.last_words());
        }
    }

    pub fn signal(&self, slot: usize, signal: &str) {
        self.router(slot).process.signal(signal);
    }

    /// `kill -9`, and the process is gone when this returns.
    pub fn kill(&mut self, slot: usize) {
        if let Some(mut router) = self.processes[slot].take() {
            router.process.kill();
        }
    }

    /// SIGTERM, and the exit code.
    pub fn terminate(&mut self, slot: usize) -> Option<i32> {
        let mut router = self.processes[slot].take().expect("running");
        router.process.signal("TERM");
        router.process.wait(Duration::from_secs(40)).code()
    }

    /// What the process says of each of its parts, if it answers.
    pub fn readiness(&self, slot: usize) -> Option<String> {
        text(self.router(slot).admin_port, "/readyz?verbose").map(|(_, text)| text)
    }

    /// Of processes that are launched from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment
            .push((format!("CHATROOM_ROUTER_{name}"), value.to_owned()));
    }

    pub fn group(&self) -> &str {
        &self.prefix
    }

    pub fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Loses all that a topic holds.
    pub fn recreate(&self, name: &str) {
        self.delete(&self.topic(name));
        apply_topics(&self.environment);
    }

    /// Loses all that a topic holds, and some of its partitions.
    pub fn shrink(&mut self, name: &str, partitions: usize) {
        let topic = self.topic(name);
        self.delete(&topic);
        self.admin.create(&[(topic, partitions)]);
        // The one before goes on choosing among the partitions that it knows.
        self.client = Client::new(&self.prefix);
    }

    fn delete(&self, topic: &String) {
        self.admin.delete(std::slice::from_ref(topic));
        wait::until("a topic to be gone", wait::PATIENCE, || {
            self.admin
                .partitions(std::slice::from_ref(topic))
                .is_empty()
                .then_some(())
        });
    }

    /// Runs a process that must not start, with some settings of its own: its exit code, and what it said.
    pub fn run_to_end(&self, settings: &[(&str, &str)]) -> (Option<i32>, String) {
        let mut command = program(&self.environment);
        command
            .arg("run")
            .env("CHATROOM_ROUTER_KAFKA__INSTANCE_ID", format!("{}other", self.prefix))
            .env("CHATROOM_ROUTER_ADMIN__LISTEN", "")
            .envs(settings.iter().copied());
        let log = self.dir.path().join("run-to-end.log");
        let mut process = Process::start("run-to-end", &mut command, &log);
        let status = process.wait(wait::PATIENCE);
        (status.code(), process.last_words())
    }

    pub fn metrics(&self, slot: usize) -> String {
        self.ask(slot, "/metrics").1
    }

    /// Where the admin listener of this slot's process is.
    pub fn admin(&self, slot: usize) -> String {
        format!("127.0.0.1:{}", self.router(slot).admin_port)
    }

    /// What the admin listener answers; nothing, with no status, while it does not.
    pub fn ask(&self, slot: usize, path: &str) -> (u16, String) {
        text(self.router(slot).admin_port, path).unwrap_or_default()
    }

    fn router(&self, slot: usize) -> &Router {
        self.processes[slot].as_ref().expect("running")
    }

    /// One of the program's one-shot commands, in this world.
    pub fn command(&self, arguments: &[&str]) -> std::process::Output {
        self.command_with(&[], arguments)
    }

    /// With these variables over the world's own.
    pub fn command_with(&self, variables: &[(String, String)], arguments: &[&str]) -> std::process::Output {
        let mut command = self.program(arguments);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        let output = command.output().expect("the program starts");
        printed::check(arguments, &output.stdout);
        output
    }

    /// The same, not started yet.
    pub fn program(&self, arguments: &[&str]) -> Command {
        let mut command = program(&self.environment);
        command.args(arguments);
        command
    }

    /// A file beside those of its processes.
    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// What the processes said, for a failure.
    pub fn last_words(&self) -> String {
        let words = self
            .processes
            .iter()
            .flatten()
            .map(|router| router.process.last_words());
        words.collect::<Vec<_>>().join("\n")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.processes.clear();
        if std::thread::panicking() {
            self.dir.disable_cleanup(true);
        }
        self.admin.delete(&self.topics);
    }
}

/// Short times, so that a fault is over soon; all else as it comes.
fn environment(prefix: &str, redis: String) -> Vec<(String, String)> {
    let partitions = PARTITIONS.to_string();
    let brokers = kafka_brokers();
    let values = [
        ("KAFKA__BROKERS", brokers.as_str()),
        ("KAFKA__GROUP_ID", prefix),
        ("KAFKA__SESSION_TIMEOUT_MS", "6000"),
        ("KAFKA__TRANSACTION_TIMEOUT_MS", "5000"),
        ("TOPICS__PREFIX", prefix),
        ("TOPICS__PARTITIONS", &partitions),
        ("TIMERS__GRACE_SECONDS", "1"),
        ("INDEX__URL", &redis),
        ("WORKERS", "1"),
        // What a test does to the index is for that test to find.
        ("INDEX__SCRUB_SECONDS", "0"),
        ("LOG__FORMAT", "text"),
    ];
    values
        .map(|(name, value)| (format!("CHATROOM_ROUTER_{name}"), value.to_owned()))
        .to_vec()
}

/// The program with this environment and nothing of the developer's own configuration.
pub fn program(environment: &[(String, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chatroom-router"));
    let own = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CHATROOM_ROUTER_"));
    own.for_each(|(name, _)| {
        command.env_remove(name);
    });
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command
}

/// Creates what is missing. A broker on a busy machine may need longer than the command waits, and then it says, truly, to
/// try again.
pub fn apply_topics(environment: &[(String, String)]) {
    let mut last = String::new();
    let applied = wait::within(wait::PATIENCE, || {
        let output = program(environment)
            .args(["topics", "apply"])
            .output()
            .expect("the program starts");
        last = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let status = output.status;
        let is_late = status.code() == Some(69);
        assert!(status.success() || is_late, "topics apply ended with {status}\n{last}");
        status.success().then_some(())
    });
    assert!(
        applied.is_some(),
        "waited in vain for topics apply, which said at last\n{last}"
    );
}

/// The status that an admin server answers with.
pub fn answer(port: u16, path: &str) -> Option<u16> {
    text(port, path).map(|(status, _)| status)
}

/// What an admin server answers.
pub fn text(port: u16, path: &str) -> Option<(u16, String)> {
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(5)))
        .http_status_as_error(false)
        .build()
        .new_agent();
    let mut response = agent.get(format!("http://127.0.0.1:{port}{path}")).call().ok()?;
    let status = response.status().as_u16();
    Some((status, response.body_mut().read_to_string().ok()?))
}
