//! Where the index lives, read from its address. The address decides between one server, a cluster, and a master that
//! sentinels name; credentials given beside it win over those in it, and none is ever shown.

use std::fmt;

use redis::io::tcp::{TcpSettings, socket2};
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};
use secrecy::ExposeSecret;

use super::super::{Error, ErrorKind};
use super::Settings;

/// How long a connection may be silent before its other end is probed, so that no box between forgets it.
const KEEPALIVE: std::time::Duration = std::time::Duration::from_secs(30);

/// What an address may look like, for who wrote another.
const FORMS: &str = "redis://[user:password@]host:port[/db] for one server (rediss:// with TLS), \
    redis+cluster://host:port or a comma list redis://host:port,host:port for a cluster, \
    redis+sentinel://[user:password@]host:port,host:port/service_name[/db] for sentinels";

/// Where to connect to.
#[derive(Clone)]
pub enum Target {
    Node(ConnectionInfo),
    Cluster(Vec<ConnectionInfo>),
    Sentinel(Sentinels),
}

/// The sentinels to ask, and how to speak to the master that they name.
#[derive(Clone)]
pub struct Sentinels {
    pub addresses: Vec<ConnectionAddr>,
    pub service: String,
    pub master: RedisConnectionInfo,
    pub tls: bool,
}

/// An address taken apart: `<scheme>://[<credentials>@]<host>,<host>...[/<rest>]`.
struct Parts<'a> {
    tls: bool,
    kind: &'a str,
    credentials: &'a str,
    hosts: Vec<&'a str>,
    rest: &'a str,
}

impl Target {
    pub fn parse(settings: &Settings) -> Result<Self, Error> {
        let url = settings.url.expose_secret();
        let parts = Parts::of(url)?;
        let cluster = parts.kind == "cluster" || parts.hosts.len() > 1;
        match parts.kind {
            "sentinel" => parts.sentinels(settings).map(Target::Sentinel),
            _ if cluster => {
                let nodes = parts.nodes(settings, parts.rest)?;
                if nodes.iter().any(|node| node.redis_settings().db() != 0) {
                    return Err(wrong("a cluster has only database 0"));
                }
                Ok(Target::Cluster(nodes))
            }
            _ => {
                let node = parts.nodes(settings, parts.rest)?.into_iter().next();
                node.map(Target::Node).ok_or_else(|| wrong("no host"))
            }
        }
    }
}

impl<'a> Parts<'a> {
    fn of(url: &'a str) -> Result<Self, Error> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("no scheme"))?;
        let (base, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        let tls = match base {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            _ => return Err(wrong("its scheme is unknown")),
        };
        if !["", "cluster", "sentinel"].contains(&kind) {
            return Err(wrong("its scheme is unknown"));
        }
        let (authority, rest) = match rest.find(['/', '?', '#']) {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (credentials, hosts) = match authority.rfind('@') {
            Some(at) => authority.split_at(at + 1),
            None => ("", authority),
        };
        let hosts: Vec<&str> = hosts.split(',').collect();
        if hosts.iter().any(|host| host.is_empty()) {
            return Err(wrong("a host is missing"));
        }
        Ok(Parts {
            tls,
            kind,
            credentials,
            hosts,
            rest,
        })
    }

    /// Each host as the client library reads an address of one server.
    fn nodes(&self, settings: &Settings, rest: &str) -> Result<Vec<ConnectionInfo>, Error> {
        let scheme = if self.tls { "rediss" } else { "redis" };
        let read = |host: &&str| {
            let url = format!("{scheme}://{}{host}{rest}", self.credentials);
            let info = url.into_connection_info();
            let info = info.map_err(|cause| wrong("the client can't read it").caused_by(cause))?;
            let redis = with_credentials(info.redis_settings().clone(), settings);
            Ok(info.set_redis_settings(redis).set_tcp_settings(tcp_settings()))
        };
        self.hosts.iter().map(read).collect()
    }

    fn sentinels(&self, settings: &Settings) -> Result<Sentinels, Error> {
        let path = self.rest.strip_prefix('/').unwrap_or("");
        let (service, db) = path.split_once('/').unwrap_or((path, ""));
        if service.is_empty() || service.contains(['?', '#']) {
            return Err(wrong("the name of the service that the sentinels watch is missing"));
        }
        let rest = if db.is_empty() { String::new() } else { format!("/{db}") };
        let default_port = |host: &&str| match host.rsplit_once(':') {
            Some((_, port)) if !port.ends_with(']') => (*host).to_owned(),
            _ => format!("{host}:26379"),
        };
        let hosts: Vec<String> = self.hosts.iter().map(default_port).collect();
        let hosts = hosts.iter().map(String::as_str).collect();
        let nodes = Parts { hosts, ..*self }.nodes(settings, &rest)?;
        let first = nodes.first().ok_or_else(|| wrong("no host"))?;
        Ok(Sentinels {
            addresses: nodes.iter().map(|node| node.addr().clone()).collect(),
            service: service.to_owned(),
            master: first.redis_settings().clone(),
            tls: self.tls,
        })
    }
}

/// What every connection wants of TCP: small requests go out at once, and silence is probed.
pub fn tcp_settings() -> TcpSettings {
    let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE);
    TcpSettings::default().set_nodelay(true).set_keepalive(keepalive)
}

fn with_credentials(mut redis: RedisConnectionInfo, settings: &Settings) -> RedisConnectionInfo {
    if let Some(user) = &settings.user {
        redis = redis.set_username(user);
    }
    if let Some(password) = &settings.password {
        redis = redis.set_password(password.expose_secret());
    }
    redis
}

fn wrong(what: &str) -> Error {
    Error::new(
        ErrorKind::Misuse,
        format!("the index's address can't be used ({what}): write {FORMS}"),
    )
}

/// Hosts only.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |nodes: &[ConnectionAddr]| nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        match self {
            Target::Node(node) => write!(f, "{}", node.addr()),
            Target::Cluster(nodes) => {
                let addresses: Vec<_> = nodes.iter().map(|node| node.addr().clone()).collect();
                write!(f, "the cluster of {}", list(&addresses))
            }
            Target::Sentinel(sentinels) => {
                let Sentinels { addresses, service, .. } = sentinels;
                write!(f, "the master of {service}, by the sentinels {}", list(addresses))
            }
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Target, Error> {
        Target::parse(&Settings::new(url))
    }

    #[test]
    fn an_address_says_what_it_leads_to() {
        for (url, shown) in [
            ("redis://localhost", "localhost:6379"),
            ("redis://u:p%40x@h:1/3", "h:1"),
            ("rediss://[::1]:7", "::1:7"),
            ("valkey://h", "h:6379"),
            ("redis://a:1,b:2", "the cluster of a:1,b:2"),
            ("redis+cluster://a", "the cluster of a:6379"),
            (
                "redis+sentinel://u:p@a,b:2/chat/1",
                "the master of chat, by the sentinels a:26379,b:2",
            ),
        ] {
            assert_eq!(parse(url).unwrap().to_string(), shown, "{url}");
        }
    }

    #[test]
    fn what_stands_in_it_is_used() {
        let Target::Node(node) = parse("rediss://u:p%40x@h:1/3").unwrap() else {
            panic!("one server");
        };
        let redis = node.redis_settings();
        assert_eq!(
            (redis.db(), redis.username(), redis.password()),
            (3, Some("u"), Some("p@x"))
        );
        assert!(matches!(node.addr(), ConnectionAddr::TcpTls { insecure: false, .. }));
        assert!(node.tcp_settings().nodelay());

        let Target::Sentinel(sentinels) = parse("rediss+sentinel://u:p@a/chat/2").unwrap() else {
            panic!("sentinels");
        };
        let master = &sentinels.master;
        assert_eq!(
            (master.db(), master.username(), master.password()),
            (2, Some("u"), Some("p"))
        );
        assert!(sentinels.tls);
    }

    #[test]
    fn credentials_beside_it_win() {
        let mut settings = Settings::new("redis://u:p@h");
        settings.user = Some("other".to_owned());
        settings.password = Some("secret".into());
        let Target::Node(node) = Target::parse(&settings).unwrap() else {
            panic!("one server");
        };
        let redis = node.redis_settings();
        assert_eq!((redis.username(), redis.password()), (Some("other"), Some("secret")));
    }

    #[test]
    fn a_wrong_address_is_refused_without_showing_it() {
        for url in [
            "",
            "localhost:6379",
            "http://h",
            "redis+tls://h",
            "redis://s3cret@",
            "redis://s3cret@a,,b",
            "redis://s3cret@h/x",
            "redis://s3cret@a,b/1",
            "redis+sentinel://s3cret@a",
            "redis+sentinel://s3cret@a/",
        ] {
            let error = parse(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misuse, "{url}");
            assert!(!format!("{error:?}").contains("s3cret"), "{url}");
        }
    }
}
