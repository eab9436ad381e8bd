//! A Redis of a test's own, which it may flush, kill and start again. Speaks to it over a plain socket.

use super::process::Process;
use super::services::free_port;
use crate::wait;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// More than a test's own index ever takes.
const ROOM: usize = 16 << 20;

pub struct Redis {
    port: u16,
    dir: PathBuf,
    process: Option<Process>,
}

impl Redis {
    /// Starts a `redis-server` that saves nothing and evicts nothing.
    pub fn start(dir: PathBuf) -> Redis {
        let present = Command::new("redis-server").arg("--version").output().is_ok();
        assert!(
            present,
            "redis-server is not on the PATH: install it (Debian: apt-get install redis-server)"
        );
        let mut redis = Redis {
            port: free_port(),
            dir,
            process: None,
        };
        redis.restart();
        redis
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Empty again, on the same port.
    pub fn restart(&mut self) {
        self.kill();
        let mut command = Command::new("redis-server");
        command
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"])
            .current_dir(&self.dir);
        self.process = Some(Process::start("redis", &mut command, &self.dir.join("redis.log")));
        wait::until("redis to answer", wait::PATIENCE, || {
            self.ask("PING")
                .is_some_and(|answer| answer.starts_with("+PONG"))
                .then_some(())
        });
    }

    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    pub fn flush_all(&self) {
        let answer = self.ask("FLUSHALL");
        assert!(
            answer.is_some_and(|text| text.starts_with("+OK")),
            "redis did not flush"
        );
    }

    pub fn set_policy(&self, policy: &str) {
        self.configure("maxmemory-policy", policy);
    }

    /// Changes what the index says of itself.
    pub fn set_marker(&self, prefix: &str, partition: i32, field: &str, value: &str) {
        let key = format!("{{{prefix}:{partition}}}:marker");
        let done = redis::cmd("HSET").arg(&[&key, field, value]).exec(&mut self.connect());
        done.expect("Redis takes it");
    }

    /// Puts something else where a partition's values are.
    pub fn scribble(&self, prefix: &str, partition: i32, generation: &str) {
        let mut connection = self.connect();
        for key in buckets(prefix, partition, generation) {
            let done = redis::cmd("SET").arg(&[&key, "a poem"]).exec(&mut connection);
            done.expect("Redis takes it");
        }
    }

    /// Puts something else where the marker of a partition is, and the list of its builds.
    pub fn scribble_over_builds(&self, prefix: &str, partition: i32) {
        let mut connection = self.connect();
        for name in ["generations", "marker"] {
            let key = format!("{{{prefix}:{partition}}}:{name}");
            let done = redis::cmd("SET").arg(&[&key, "a poem"]).exec(&mut connection);
            done.expect("Redis takes it");
        }
    }

    /// Loses one phone's value; gives back its key, as it is shown.
    pub fn lose_a_value(&self, prefix: &str, partition: i32, generation: &str) -> String {
        let mut connection = self.connect();
        for key in buckets(prefix, partition, generation) {
            let held: Vec<Vec<u8>> = redis::cmd("HKEYS")
                .arg(&key)
                .query(&mut connection)
                .expect("Redis answers");
            if let Some(phone) = held.iter().find(|name| name.first() == Some(&b'p')) {
                let done = redis::cmd("HDEL").arg(&key).arg(phone.as_slice()).exec(&mut connection);
                done.expect("Redis takes it");
                let hex: Vec<String> = phone[1..].iter().map(|byte| format!("{byte:02x}")).collect();
                return format!("p{}", hex.concat());
            }
        }
        panic!("the index of partition {partition} holds no phone");
    }

    /// Throws away one part of a partition's values, and is then set up as before.
    pub fn evict(&self, prefix: &str, partition: i32, generation: &str) {
        let mut connection = self.connect();
        let marked = buckets(prefix, partition, generation).find(|key| {
            let marked = redis::cmd("PEXPIRE").arg(key).arg(1_000_000).query(&mut connection);
            marked.expect("Redis answers")
        });
        let key = marked.expect("the partition holds something");
        for (name, value) in [("maxmemory-policy", "volatile-ttl"), ("maxmemory", "1")] {
            self.configure(name, value);
        }
        wait::until("Redis to throw it away", wait::PATIENCE, || {
            // Refused for want of memory, it looks for some.
            _ = redis::cmd("SET").arg(&["another", "value"]).exec(&mut connection);
            let is_there: bool = redis::cmd("EXISTS")
                .arg(&key)
                .query(&mut connection)
                .expect("Redis answers");
            (!is_there).then_some(())
        });
        for (name, value) in [("maxmemory", "0"), ("maxmemory-policy", "noeviction")] {
            self.configure(name, value);
        }
    }

    /// Makes a build so large that there is room neither for anything more nor for another beside it.
    pub fn fill(&self, prefix: &str, partition: i32, generation: &str) {
        self.configure("maxmemory", "0");
        let mut connection = self.connect();
        let key = buckets(prefix, partition, generation).next().expect("a bucket");
        let done = redis::cmd("HSET")
            .arg(&key)
            .arg("~")
            .arg(vec![0_u8; 3 * ROOM])
            .exec(&mut connection);
        done.expect("Redis takes it");
        let memory: String = redis::cmd("INFO")
            .arg("memory")
            .query(&mut connection)
            .expect("Redis answers");
        let used = memory
            .lines()
            .find_map(|line| line.strip_prefix("used_memory:"))
            .expect("a figure");
        let used: usize = used.trim().parse().expect("a number");
        self.configure("maxmemory", &(used - ROOM).to_string());
    }

    /// A build that nobody reads any more, and nobody has given back.
    pub fn leave_a_build(&self, prefix: &str, partition: i32, generation: &str) {
        let mut connection = self.connect();
        let key = buckets(prefix, partition, generation).next().expect("a bucket");
        let listed = format!("{{{prefix}:{partition}}}:generations");
        for words in [["HSET", &key, "!", "value"].as_slice(), &["SADD", &listed, generation]] {
            let done = redis::cmd(words[0]).arg(&words[1..]).exec(&mut connection);
            done.expect("Redis takes it");
        }
    }

    /// How many keys a build has.
    pub fn keys_of(&self, prefix: &str, partition: i32, generation: &str) -> usize {
        let mut connection = self.connect();
        let build = format!("{{{prefix}:{partition}}}:{}:*", generation.replace('-', ""));
        let keys: Vec<Vec<u8>> = redis::cmd("KEYS")
            .arg(build)
            .query(&mut connection)
            .expect("Redis answers");
        keys.len()
    }

    pub fn lose_marker(&self, prefix: &str, partition: i32) {
        let key = format!("{{{prefix}:{partition}}}:marker");
        let done = redis::cmd("DEL").arg(key).exec(&mut self.connect());
        done.expect("Redis takes it");
    }

    fn configure(&self, name: &str, value: &str) {
        let done = redis::cmd("CONFIG")
            .arg(&["SET", name, value])
            .exec(&mut self.connect());
        done.expect("Redis takes it");
    }

    /// Makes the index hold a later transaction than was ever committed: the changelog lost some.
    pub fn raise_sequence(&self, prefix: &str, partition: i32, generation: &str) {
        let mut connection = self.connect();
        for key in buckets(prefix, partition, generation) {
            let held: Option<Vec<u8>> = redis::cmd("HGET")
                .arg(&key)
                .arg("!")
                .query(&mut connection)
                .expect("Redis answers");
            let Some(mut progress) = held else { continue };
            // Format and incarnation; then three numbers of one or more bytes, the sequence, and more.
            let ends = progress.iter().enumerate().skip(17).filter(|(_, byte)| **byte < 0x80);
            let (third, _) = ends.take(3).last().expect("three numbers");
            assert!(progress[third + 1] < 0x7f, "a young partition");
            progress[third + 1] = 0x7f;
            let done = redis::cmd("HSET")
                .arg(&key)
                .arg("!")
                .arg(progress)
                .exec(&mut connection);
            return done.expect("Redis takes it");
        }
        panic!("the index of partition {partition} holds no progress record");
    }

    fn connect(&self) -> redis::Connection {
        let client = redis::Client::open(self.url()).expect("an address");
        client.get_connection().expect("Redis answers")
    }

    fn ask(&self, command: &str) -> Option<String> {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()?;
        socket.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        socket.write_all(format!("{command}\r\n").as_bytes()).ok()?;
        let mut answer = [0; 64];
        let length = socket.read(&mut answer).ok()?;
        Some(String::from_utf8_lossy(&answer[..length]).into_owned())
    }
}

/// The keys of a build's values.
fn buckets(prefix: &str, partition: i32, generation: &str) -> impl Iterator<Item = String> {
    let build = format!("{{{prefix}:{partition}}}:{}", generation.replace('-', ""));
    (0..256).map(move |bucket| format!("{build}:v:{bucket:02x}"))
}
