//! Servers of a test's own: started on free ports of this host with nothing kept, ended with the test.

use redis::{FromRedisValue, Value};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// One process and the directory that it works in.
pub struct Server {
    process: Child,
    directory: tempfile::TempDir,
    port: u16,
    options: Vec<String>,
}

impl Server {
    /// A Redis with these options besides its port.
    pub async fn start(options: &[&str]) -> Self {
        Server::start_at(free_port(), options).await
    }

    pub async fn start_at(port: u16, options: &[&str]) -> Self {
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let directory = tempfile::tempdir().expect("a directory for the server");
        let server = Server {
            process: spawn(&directory, port, &options),
            directory,
            port,
            options,
        };
        server.answers().await;
        server
    }

    /// A sentinel that watches the master under the name `chat`.
    pub async fn sentinel(master: &Server) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the sentinel");
        let (port, file) = (free_port(), directory.path().join("sentinel.conf"));
        let watch = format!(
            "sentinel monitor chat 127.0.0.1 {} 1\nsentinel down-after-milliseconds chat 500\n\
             sentinel failover-timeout chat 2000\n",
            master.port
        );
        std::fs::write(&file, watch).expect("the sentinel's configuration");
        let options = vec![file.display().to_string(), "--sentinel".to_owned()];
        let server = Server {
            process: spawn(&directory, port, &options),
            directory,
            port,
            options,
        };
        server.answers().await;
        server
    }

    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends the process as a crash would.
    pub fn kill(&mut self) {
        self.process.kill().expect("to end the server");
        self.process.wait().expect("the server's end");
    }

    /// Starts again where it was, with nothing in it.
    pub async fn restart(&mut self) {
        self.process = spawn(&self.directory, self.port, &self.options);
        self.answers().await;
    }

    /// Stops the process from running without ending it, or lets it run on.
    pub fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill")
            .args([name, &id])
            .status()
            .expect("the kill command");
        assert!(sent.success());
    }

    pub async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_ask(words).await.expect("an answer")
    }

    async fn try_ask<T: FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let client = redis::Client::open(self.url())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let (name, args) = words.split_first().expect("a command");
        redis::cmd(name).arg(args).query_async(&mut connection).await
    }

    async fn answers(&self) {
        until("the server answers", async || {
            let answer = self.try_ask::<Value>(&["PING"]).await;
            answer.ok()
        })
        .await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, which is just as well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(directory: &tempfile::TempDir, port: u16, options: &[String]) -> Child {
    let (file, rest): (Vec<_>, Vec<_>) = options.iter().partition(|option| option.ends_with(".conf"));
    Command::new("redis-server")
        .args(file)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no"])
        .args(rest)
        .current_dir(directory.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("install redis-server (Debian: apt install redis-server): this test starts servers of its own")
}

fn free_port() -> u16 {
    // A cluster's node also takes the port 10,000 above.
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its number").port();
        if port < 50_000 && TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok() {
            return port;
        }
    }
}

/// Three masters with a third of the slots each.
pub struct Cluster {
    nodes: Vec<Server>,
}

impl Cluster {
    pub async fn start() -> Self {
        let mut nodes = Vec::new();
        for _ in 0..3 {
            nodes.push(Server::start(&["--cluster-enabled", "yes"]).await);
        }
        for (node, (first, last)) in nodes.iter().zip([("0", "5460"), ("5461", "10922"), ("10923", "16383")]) {
            node.ask::<()>(&["CLUSTER", "ADDSLOTSRANGE", first, last]).await;
            let port = nodes[0].port().to_string();
            node.ask::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port]).await;
        }
        for node in &nodes {
            until("the cluster has formed", async || {
                let info: String = node.ask(&["CLUSTER", "INFO"]).await;
                let formed = info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3");
                formed.then_some(())
            })
            .await;
        }
        Cluster { nodes }
    }

    pub fn node(&mut self, at: usize) -> &mut Server {
        &mut self.nodes[at]
    }

    pub fn url(&self) -> String {
        let addresses: Vec<String> = self.nodes.iter().map(Server::address).collect();
        format!("redis://{}", addresses.join(","))
    }
}

/// Asks until there is an answer, for half a minute at most.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let mut tick = tokio::time::interval(Duration::from_millis(25));
    let asking = async {
        loop {
            tick.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    };
    let answer = tokio::time::timeout(Duration::from_secs(30), asking).await;
    answer.unwrap_or_else(|_| panic!("not in half a minute: {what}"))
}
