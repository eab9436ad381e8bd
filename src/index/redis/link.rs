//! One connection to the index that mends itself: after any doubt it is dropped, and the next call opens another, asking the
//! sentinels anew for the master. While the other side is away calls fail at once, and attempts to connect back off.
//!
//! The library's own manager isn't enough: it reconnects to the same address for ever, keeps a failed handshake's error, and
//! stays on a connection whose replies no longer come.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, RedisError, RedisResult, TlsMode, Value};
use tokio::sync::Mutex;

use super::super::{Error, ErrorKind};
use super::faults;
use super::target::{Sentinels, Target, tcp_settings};

/// The first pause after a failed attempt to connect; each next one is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How often the cluster's client follows a moved slot or a lost node by itself before the call fails.
const CLUSTER_RETRIES: u32 = 3;

/// How long to wait, and for what.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub connect: Duration,
    pub reply: Duration,
}

/// A connection that replaces itself.
pub struct Link {
    target: Arc<Target>,
    patience: Patience,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connection: Option<(u64, Connection)>,
    /// Counts connections, so that an error of one doesn't end the next.
    opened: u64,
    sentinel: Option<SentinelClient>,
    failed: Option<Failed>,
}

/// The attempts to connect since the last that succeeded.
struct Failed {
    pause: Duration,
    until: Instant,
    cause: RedisError,
}

#[derive(Clone)]
enum Connection {
    Node(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Link {
    pub fn new(target: Arc<Target>, patience: Patience) -> Self {
        Link {
            target,
            patience,
            state: Mutex::default(),
        }
    }

    /// Another connection to the same place.
    pub fn another(&self) -> Self {
        Link::new(Arc::clone(&self.target), self.patience)
    }

    /// Sends a pipeline in one round trip. A reply may be an error of the server.
    pub async fn send_all(&self, pipeline: &Pipeline) -> Result<Vec<Value>, Error> {
        let (opened, mut connection) = self.connection().await?;
        let count = pipeline.len();
        let sent = match &mut connection {
            Connection::Node(node) => node.req_packed_commands(pipeline, 0, count).await,
            Connection::Cluster(cluster) => cluster.req_packed_commands(pipeline, 0, count).await,
        };
        let doubtful = match &sent {
            Ok(replies) => replies.iter().any(|reply| match reply {
                Value::ServerError(error) => faults::is_doubtful(&error.clone().into()),
                _ => false,
            }),
            Err(error) => faults::is_doubtful(error),
        };
        if doubtful {
            self.forget(opened).await;
        }
        match sent {
            Ok(replies) if replies.len() == count => Ok(replies),
            Ok(replies) => {
                self.forget(opened).await;
                let what = format!("{} replies to {count} commands", replies.len());
                Err(Error::new(ErrorKind::Corrupt, what))
            }
            Err(error) => Err(faults::error(error)),
        }
    }

    /// Sends one command, in a cluster to the nodes that it concerns.
    pub async fn send(&self, cmd: &Cmd) -> Result<Value, Error> {
        let (opened, mut connection) = self.connection().await?;
        let sent: RedisResult<Value> = match &mut connection {
            Connection::Node(node) => cmd.query_async(node).await,
            Connection::Cluster(cluster) => cmd.query_async(cluster).await,
        };
        if sent.as_ref().is_err_and(faults::is_doubtful) {
            self.forget(opened).await;
        }
        sent.map_err(faults::error)
    }

    async fn forget(&self, opened: u64) {
        let mut state = self.state.lock().await;
        if state.connection.as_ref().is_some_and(|(number, _)| *number == opened) {
            state.connection = None;
        }
    }

    async fn connection(&self) -> Result<(u64, Connection), Error> {
        let mut state = self.state.lock().await;
        if let Some(connection) = &state.connection {
            return Ok(connection.clone());
        }
        if let Some(failed) = state.failed.as_ref().filter(|failed| Instant::now() < failed.until) {
            return Err(self.unreached(failed.cause.clone()));
        }
        match self.open(&mut state.sentinel).await {
            Ok(connection) => {
                state.failed = None;
                state.opened += 1;
                let connection = (state.opened, connection);
                state.connection = Some(connection.clone());
                Ok(connection)
            }
            Err(cause) => {
                let before = state.failed.as_ref().map(|failed| failed.pause * 2);
                let pause = before.unwrap_or(FIRST_PAUSE).min(LONGEST_PAUSE);
                let until = Instant::now() + pause;
                let error = self.unreached(cause.clone());
                state.failed = Some(Failed { pause, until, cause });
                Err(error)
            }
        }
    }

    fn unreached(&self, cause: RedisError) -> Error {
        let kind = faults::connect_kind(&cause);
        Error::new(kind, format!("no connection to the index at {}", self.target)).caused_by(cause)
    }

    async fn open(&self, sentinel: &mut Option<SentinelClient>) -> RedisResult<Connection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.patience.connect))
            .set_response_timeout(Some(self.patience.reply));
        match &*self.target {
            Target::Node(node) => {
                let client = Client::open(node.clone())?;
                let opened = client.get_multiplexed_async_connection_with_config(&config).await;
                opened.map(Connection::Node)
            }
            Target::Sentinel(sentinels) => {
                let client = match sentinel {
                    Some(client) => client,
                    None => sentinel.insert(asking(sentinels)?),
                };
                let opened = client.get_async_connection_with_config(&config).await;
                opened.map(Connection::Node)
            }
            Target::Cluster(nodes) => {
                let client = ClusterClientBuilder::new(nodes.clone())
                    .connection_timeout(self.patience.connect)
                    .response_timeout(self.patience.reply)
                    .retries(CLUSTER_RETRIES)
                    .tcp_settings(tcp_settings())
                    .build()?;
                client.get_async_connection().await.map(Connection::Cluster)
            }
        }
    }
}

/// A client that asks the sentinels for the master, and the master whether it is one.
fn asking(sentinels: &Sentinels) -> RedisResult<SentinelClient> {
    let addresses = sentinels.addresses.iter().cloned();
    let mut builder = SentinelClientBuilder::new(addresses, &sentinels.service, SentinelServerType::Master)?
        .set_client_to_redis_db(sentinels.master.db())
        .set_client_to_redis_protocol(sentinels.master.protocol())
        .set_client_to_redis_tcp_settings(tcp_settings())
        .set_client_to_sentinel_tcp_settings(tcp_settings());
    if let Some(user) = sentinels.master.username() {
        builder = builder.set_client_to_redis_username(user);
    }
    if let Some(password) = sentinels.master.password() {
        builder = builder.set_client_to_redis_password(password);
    }
    if sentinels.tls {
        builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
    }
    builder.build()
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({})", self.target)
    }
}
