//! What the client's errors mean for us, and what a server must be like to be trusted with the index.

use redis::{ErrorKind as Cause, RedisError, ServerErrorKind, Value};

use super::super::{Error, ErrorKind, Fault};

/// The first version whose scripts can refuse to read from a replica.
const LEAST_VERSION: u32 = 7;

/// Whether the connection that gave this error may no longer be the right one: it is broken, too slow, or leads to a server
/// that isn't (any longer) the master.
pub fn is_doubtful(error: &RedisError) -> bool {
    match error.kind() {
        Cause::Server(kind) => match kind {
            ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::ClusterDown => true,
            ServerErrorKind::Moved | ServerErrorKind::Ask => true,
            _ => said_by_script(error, "-READONLY"),
        },
        // The server answered, with an error that the library has no name for.
        Cause::Extension => false,
        _ => true,
    }
}

/// The error of a call.
pub fn error(cause: RedisError) -> Error {
    let kind = kind(&cause);
    let what = match kind {
        ErrorKind::Unavailable if cause.code().is_some() => format!("the index can't serve for now ({cause})"),
        ErrorKind::Unavailable => "the index doesn't answer".to_owned(),
        ErrorKind::Full => "the index is out of memory and refuses writes".to_owned(),
        ErrorKind::Denied if is_of_rights(&cause) => {
            "the index refuses our credentials, or grants us too few rights".to_owned()
        }
        ErrorKind::Denied => format!("the index refuses a call ({cause})"),
        ErrorKind::Corrupt | ErrorKind::Misuse => format!("the index answers with an error ({cause})"),
    };
    Error::new(kind, what).caused_by(cause)
}

/// What an error while connecting means. What the server says then isn't about a call of ours.
pub fn connect_kind(cause: &RedisError) -> ErrorKind {
    match kind(cause) {
        ErrorKind::Denied if is_of_rights(cause) => ErrorKind::Denied,
        _ => ErrorKind::Unavailable,
    }
}

fn kind(cause: &RedisError) -> ErrorKind {
    match cause.kind() {
        Cause::AuthenticationFailed | Cause::InvalidClientConfig | Cause::EmptySentinelList => ErrorKind::Denied,
        Cause::Server(ServerErrorKind::NoPerm) => ErrorKind::Denied,
        Cause::Server(ServerErrorKind::ResponseError) => {
            if said_by_script(cause, "-OOM") {
                ErrorKind::Full
            } else if said_by_script(cause, "-READONLY") {
                ErrorKind::Unavailable
            } else if said_by_script(cause, "user_script") {
                ErrorKind::Corrupt
            } else {
                ErrorKind::Denied
            }
        }
        Cause::Server(ServerErrorKind::CrossSlot) => ErrorKind::Misuse,
        Cause::Extension => match cause.code() {
            Some("OOM") => ErrorKind::Full,
            Some("BUSY" | "MISCONF" | "NOREPLICAS" | "UNBLOCKED") => ErrorKind::Unavailable,
            Some("WRONGTYPE") => ErrorKind::Corrupt,
            _ => ErrorKind::Denied,
        },
        Cause::UnexpectedReturnType | Cause::Client => ErrorKind::Corrupt,
        _ => ErrorKind::Unavailable,
    }
}

fn is_of_rights(cause: &RedisError) -> bool {
    let of_server = matches!(cause.code(), Some("NOPERM" | "NOAUTH" | "WRONGPASS"));
    of_server || !matches!(cause.kind(), Cause::Server(_) | Cause::Extension)
}

/// Some servers wrap the error of a command in a script into one of the script.
fn said_by_script(error: &RedisError, code: &str) -> bool {
    error.detail().is_some_and(|detail| detail.contains(code))
}

/// What INFO says under that name.
pub fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = info.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| *key == name).map(|(_, value)| value.trim())
}

/// Looks at what a server says of itself, under the name that it is known by.
pub fn judge(node: &str, info: &str) -> Result<(), Fault> {
    let field = |name| field(info, name);
    let node = node.to_owned();
    if field("role").is_some_and(|role| role != "master") {
        return Err(Fault::Replica { node });
    }
    let version = field("redis_version").unwrap_or_default();
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if field("valkey_version").is_none() && major.is_some_and(|major| major < LEAST_VERSION) {
        let version = version.to_owned();
        return Err(Fault::Version { node, version });
    }
    match field("maxmemory_policy") {
        None | Some("noeviction") => Ok(()),
        Some(policy) => {
            let policy = policy.to_owned();
            Err(Fault::Policy { node, policy })
        }
    }
}

/// The answer to INFO: of one server, or of each node of a cluster.
pub fn judge_all(target: &str, reply: Value) -> Result<(), Fault> {
    match reply {
        Value::Map(nodes) => nodes.into_iter().try_for_each(|(node, info)| match node {
            Value::BulkString(node) => judge_all(&String::from_utf8_lossy(&node), info),
            _ => judge_all(target, info),
        }),
        Value::BulkString(info) => judge(target, &String::from_utf8_lossy(&info)),
        Value::VerbatimString { text, .. } => judge(target, &text),
        Value::ServerError(cause) => Err(Fault::Call(error(cause.into()))),
        _ => {
            let what = format!("{target} answers INFO with something else");
            Err(Fault::Call(Error::new(ErrorKind::Corrupt, what)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_judged_by_what_it_says() {
        let judged = |info: &str| judge("here", info).map_err(|fault| fault.to_string());
        let good = "redis_version:7.0.15\r\nrole:master\r\nmaxmemory_policy:noeviction\r\n";
        assert_eq!(judged(good), Ok(()));
        assert_eq!(judged("valkey_version:8.1.0\r\nredis_version:7.2.4\r\n"), Ok(()));
        for (line, instead, named) in [
            ("noeviction", "allkeys-lru", "set it to noeviction"),
            ("role:master", "role:slave", "address of the master"),
            ("7.0.15", "6.2.14", "Redis 7.0"),
        ] {
            let said = judged(&good.replace(line, instead)).unwrap_err();
            assert!(said.contains("here") && said.contains(named), "{said}");
        }
    }

    fn said(answer: &str) -> RedisError {
        let value = redis::parse_redis_value(format!("-{answer}\r\n").as_bytes()).unwrap();
        let Value::ServerError(error) = value else {
            panic!("{value:?}")
        };
        RedisError::from(error)
    }

    #[test]
    fn only_what_is_said_of_its_content_says_that_an_index_can_t_be_read() {
        for (answer, wanted) in [
            (
                "WRONGTYPE Operation against a key holding the wrong kind of value",
                ErrorKind::Corrupt,
            ),
            (
                "ERR user_script:12: attempt to compare nil with number",
                ErrorKind::Corrupt,
            ),
            (
                "ERR Protocol error: unauthenticated multibulk length",
                ErrorKind::Denied,
            ),
            ("ERR unknown command 'EVALSHA'", ErrorKind::Denied),
            ("DENIED it runs in protected mode", ErrorKind::Denied),
            ("NOAUTH Authentication required.", ErrorKind::Denied),
            (
                "READONLY You can't write against a read only replica.",
                ErrorKind::Unavailable,
            ),
            ("LOADING it is loading", ErrorKind::Unavailable),
            ("OOM command not allowed", ErrorKind::Full),
        ] {
            assert_eq!(error(said(answer)).kind(), wanted, "{answer}");
        }
        let full = said("ERR max number of clients reached");
        assert_eq!(connect_kind(&full), ErrorKind::Unavailable, "others may leave");
        assert_eq!(connect_kind(&said("WRONGPASS no")), ErrorKind::Denied);
        let told = error(said("READONLY it is a replica")).to_string();
        assert!(told.contains("it is a replica"), "{told}");
    }

    #[test]
    fn a_server_that_is_no_longer_the_master_is_doubted_and_one_that_refuses_is_not() {
        for code in ["READONLY", "MASTERDOWN", "CLUSTERDOWN", "ERR a script: -READONLY"] {
            assert!(is_doubtful(&said(&format!("{code} as it says"))), "{code}");
        }
        for code in ["OOM", "NOPERM", "WRONGTYPE", "ERR"] {
            assert!(!is_doubtful(&said(&format!("{code} as it says"))), "{code}");
        }
        let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert!(is_doubtful(&RedisError::from(broken)));
    }
}
