//! A Kafka of the tests' own, with one more listener for each process, behind a cable of its own. Killed and started again,
//! it has what it stored.

use crate::harness::process::Process;
use crate::harness::services::{free_port, use_kafka};
use crate::proxy::Proxy;
use crate::wait;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Java starts slowly on a machine that has other things to do.
const START: Duration = Duration::from_secs(120);

pub struct Broker {
    dir: PathBuf,
    arguments: Vec<String>,
    process: Option<Process>,
    /// How much it had said before it was started last.
    said: usize,
    pub cables: Vec<Proxy>,
}

impl Broker {
    /// With so many cables.
    pub fn start(dir: &Path, cables: usize) -> Broker {
        let port = free_port();
        let mut arguments = vec![dir.display().to_string(), port.to_string(), free_port().to_string()];
        let mut proxies = Vec::new();
        for _ in 0..cables {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            let behind = free_port();
            let proxy = Proxy::over(listener, behind);
            arguments.push(format!("{behind}:{}", proxy.port()));
            proxies.push(proxy);
        }
        use_kafka(&format!("127.0.0.1:{port}"));
        let mut broker = Broker {
            dir: dir.to_owned(),
            arguments,
            process: None,
            said: 0,
            cables: proxies,
        };
        broker.launch();
        broker.await_started(1);
        broker
    }

    fn launch(&mut self) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/services/broker");
        let mut command = Command::new(script);
        command.args(&self.arguments);
        self.said = self.text().len();
        self.process = Some(Process::start("kafka", &mut command, &self.output()));
    }

    fn output(&self) -> PathBuf {
        self.dir.join("broker.log")
    }

    /// `how` is a signal: TERM or KILL.
    pub fn restart(&mut self, how: &str) {
        let starts = self.starts();
        if let Some(mut process) = self.process.take() {
            process.signal(how);
            process.wait(START);
        }
        self.launch();
        self.await_started(starts + 1);
    }

    /// SIGSTOP for so long.
    pub fn freeze(&self, time: Duration) {
        let process = self.process.as_ref().expect("Kafka runs");
        process.signal("STOP");
        wait::let_pass(time);
        process.signal("CONT");
    }

    /// What it says of its own faults in a world. Of markers that it did not write: the coordinator takes a partition without a
    /// leader for a deleted one, and where there is no other replica none has a leader while a broker goes or comes: what it
    /// calls committed is aborted later, in part, or hangs. And of a coordinator of groups that lost its way while it was loaded:
    /// it fails for good, or forgets who has joined, and these wait for its answer for minutes. Nothing that reads or writes
    /// there can mend that.
    pub fn own_faults(&self, prefix: &str) -> String {
        let text = self.text();
        let lost = |line: &&str| line.contains("likely deleted already") && line.contains(prefix);
        let lost = text.lines().filter(lost);
        lost.chain(self.failed(&text)).collect::<Vec<_>>().join("\n")
    }

    /// What its coordinators of groups came to since it was started.
    fn failed<'a>(&self, text: &'a str) -> impl Iterator<Item = &'a str> {
        let since = text.get(self.said..).unwrap_or_default();
        let signs = ["context is in FAILED state", "out of sync with the underlying log"];
        since
            .lines()
            .filter(move |line| signs.iter().any(|sign| line.contains(sign)))
    }

    /// Started again if it is of no use to the next world.
    pub fn mend(&mut self) {
        if self.failed(&self.text()).next().is_some() {
            self.restart("TERM");
        }
    }

    fn text(&self) -> String {
        let text = std::fs::read(self.output()).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    fn starts(&self) -> usize {
        self.text().matches("Kafka Server started").count()
    }

    fn await_started(&mut self, starts: usize) {
        wait::until("Kafka to start", START, || {
            if let Some(process) = &mut self.process
                && let Some(status) = process.has_ended()
            {
                panic!("Kafka ended with {status}\n{}", process.last_words());
            }
            (self.starts() >= starts).then_some(())
        });
    }
}
