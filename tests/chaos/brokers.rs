//! A Kafka of the tests' own. Each of its nodes has one more listener for each process, behind a cable of its own, and what it
//! stored when it is started again.

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
/// A node that was asked to end has so long, as Kubernetes has it: where all are to, the last may wait for others to let it go.
const GRACE: Duration = Duration::from_secs(30);

pub struct Brokers {
    nodes: Vec<Node>,
    /// Who is struck next, where one is.
    turn: usize,
}

struct Node {
    dir: PathBuf,
    arguments: Vec<String>,
    process: Option<Process>,
    /// How much it had said before it was started last.
    said: usize,
    /// One for each process.
    cables: Vec<Proxy>,
}

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Each time the next: the others hold what it leads.
    One,
    All,
}

impl Brokers {
    /// So many nodes, each of which holds all, with so many cables each.
    pub fn start(dir: &Path, nodes: usize, cables: usize) -> Brokers {
        let ports: Vec<[u16; 2]> = (0..nodes).map(|_| [free_port(), free_port()]).collect();
        let voters = (1..)
            .zip(&ports)
            .map(|(id, [_, port])| format!("{id}@127.0.0.1:{port}"));
        let voters = voters.collect::<Vec<_>>().join(",");
        let nodes = (1..).zip(&ports);
        let mut brokers = Brokers {
            nodes: nodes
                .map(|(id, ports)| Node::new(dir, (id, &voters), *ports, cables))
                .collect(),
            turn: 0,
        };
        let addresses = ports.iter().map(|[port, _]| format!("127.0.0.1:{port}"));
        use_kafka(&addresses.collect::<Vec<_>>().join(","));
        brokers.nodes.iter_mut().for_each(Node::launch);
        brokers.nodes.iter_mut().for_each(Node::await_started);
        brokers
    }

    /// To all of them, from the process of this slot.
    pub fn cables(&self, slot: usize) -> impl Iterator<Item = &Proxy> {
        self.nodes.iter().map(move |node| &node.cables[slot])
    }

    /// Where the process of this slot finds them.
    pub fn addresses(&self, slot: usize) -> String {
        let addresses = self.cables(slot).map(|cable| format!("127.0.0.1:{}", cable.port()));
        addresses.collect::<Vec<_>>().join(",")
    }

    fn struck(&mut self, which: Which) -> &mut [Node] {
        let nodes = self.nodes.len();
        self.turn = (self.turn + 1) % nodes;
        match which {
            Which::One => &mut self.nodes[self.turn..=self.turn],
            Which::All => &mut self.nodes,
        }
    }

    /// `how` is a signal: TERM or KILL.
    pub fn restart(&mut self, which: Which, how: &str) {
        let nodes = self.struck(which);
        let running = nodes.iter_mut().filter_map(|node| node.is_up().then_some(&*node));
        running.for_each(|node| node.signal(how));
        nodes.iter_mut().for_each(Node::end);
        nodes.iter_mut().for_each(Node::launch);
        nodes.iter_mut().for_each(Node::await_started);
    }

    /// SIGSTOP for so long.
    pub fn freeze(&mut self, which: Which, time: Duration) {
        let nodes = self.struck(which);
        nodes.iter().for_each(|node| node.signal("STOP"));
        wait::let_pass(time);
        nodes.iter().for_each(|node| node.signal("CONT"));
    }

    /// What they say of their own faults in a world. Of markers that were not written: the coordinator takes a partition without
    /// a leader for a deleted one, and none has a leader while all nodes go or come: what it calls committed is aborted later, in
    /// part, or hangs. And of a coordinator of groups that lost its way while it was loaded: it fails for good, or forgets who
    /// has joined, and these wait for its answer for minutes. Nothing that reads or writes there can mend that.
    pub fn own_faults(&self, prefix: &str) -> String {
        let faults = self.nodes.iter().map(|node| node.own_faults(prefix));
        faults.filter(|said| !said.is_empty()).collect::<Vec<_>>().join("\n")
    }

    /// Started again if they are of no use to the next world.
    pub fn mend(&mut self) {
        let is_of_no_use = |node: &mut Node| !node.is_up() || node.failed(&node.text()).next().is_some();
        if self.nodes.iter_mut().any(is_of_no_use) {
            self.restart(Which::All, "TERM");
        }
    }
}

impl Node {
    fn new(dir: &Path, (id, voters): (usize, &str), [port, controller]: [u16; 2], cables: usize) -> Node {
        let dir = dir.join(format!("broker-{id}"));
        std::fs::create_dir_all(&dir).expect("a directory");
        let mut arguments = vec![dir.display().to_string(), id.to_string(), voters.to_owned()];
        arguments.extend([port, controller].map(|port| port.to_string()));
        let mut proxies = Vec::new();
        for _ in 0..cables {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            let behind = free_port();
            let proxy = Proxy::over(listener, behind);
            arguments.push(format!("{behind}:{}", proxy.port()));
            proxies.push(proxy);
        }
        Node {
            dir,
            arguments,
            process: None,
            said: 0,
            cables: proxies,
        }
    }

    fn launch(&mut self) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/services/broker");
        let mut command = Command::new(script);
        command.args(&self.arguments);
        self.said = self.text().len();
        self.process = Some(Process::start("kafka", &mut command, &self.output()));
    }

    fn await_started(&mut self) {
        wait::until("Kafka to start", START, || {
            if let Some(process) = &mut self.process
                && let Some(status) = process.has_ended()
            {
                panic!("Kafka ended with {status}\n{}", process.last_words());
            }
            since(&self.text(), self.said)
                .contains("Kafka Server started")
                .then_some(())
        });
    }

    fn signal(&self, signal: &str) {
        self.process.as_ref().expect("Kafka runs").signal(signal);
    }

    fn is_up(&mut self) -> bool {
        let process = self.process.as_mut();
        process.is_some_and(|process| process.has_ended().is_none())
    }

    fn end(&mut self) {
        if let Some(mut process) = self.process.take() {
            wait::within(GRACE, || process.has_ended());
            process.kill();
        }
    }

    fn output(&self) -> PathBuf {
        self.dir.join("broker.log")
    }

    fn text(&self) -> String {
        let text = std::fs::read(self.output()).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    fn own_faults(&self, prefix: &str) -> String {
        let text = self.text();
        let lost = |line: &&str| line.contains("likely deleted already") && line.contains(prefix);
        let lost = text.lines().filter(lost);
        lost.chain(self.failed(&text)).collect::<Vec<_>>().join("\n")
    }

    /// What its coordinator of groups came to since it was started.
    fn failed<'a>(&self, text: &'a str) -> impl Iterator<Item = &'a str> {
        let signs = ["context is in FAILED state", "out of sync with the underlying log"];
        since(text, self.said)
            .lines()
            .filter(move |line| signs.iter().any(|sign| line.contains(sign)))
    }
}

fn since(text: &str, said: usize) -> &str {
    text.get(said..).unwrap_or_default()
}
