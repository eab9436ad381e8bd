//! How much each server has thrown away since it started, so that an eviction is noticed that nobody saw: one between two looks at
//! the policy, or while no router ran. A server that has started anew counts from nought: what it threw away before is not told.

use std::collections::BTreeMap;

use redis::Value;

use super::faults::field;

/// Keys evicted, by the id that a server has from one start to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evicted(BTreeMap<String, u64>);

impl Evicted {
    /// As INFO says: of one server, or of each node of a cluster.
    pub fn told(reply: &Value) -> Self {
        let mut evicted = Self::default();
        evicted.take(reply);
        evicted
    }

    fn take(&mut self, reply: &Value) {
        match reply {
            Value::Map(nodes) => nodes.iter().for_each(|(_, info)| self.take(info)),
            Value::BulkString(info) => self.read(&String::from_utf8_lossy(info)),
            Value::VerbatimString { text, .. } => self.read(text),
            _ => {}
        }
    }

    fn read(&mut self, info: &str) {
        let count = field(info, "evicted_keys").and_then(|count| count.parse().ok());
        if let (Some(run), Some(count)) = (field(info, "run_id"), count) {
            self.0.insert(run.to_owned(), count);
        }
    }

    /// What a marker keeps of it.
    pub fn kept(text: &str) -> Self {
        let servers = text.split(',').filter_map(|server| server.split_once(':'));
        let counts = servers.filter_map(|(run, count)| Some((run.to_owned(), count.parse().ok()?)));
        Self(counts.collect())
    }

    pub fn text(&self) -> String {
        let servers: Vec<String> = self.0.iter().map(|(run, count)| format!("{run}:{count}")).collect();
        servers.join(",")
    }

    /// Whether something was thrown away since then. Of a server that was not there then, all that it ever threw away is.
    pub fn is_more_than(&self, then: &Self) -> bool {
        let before = |run| then.0.get(run).copied().unwrap_or(0);
        self.0.iter().any(|(run, count)| *count > before(run))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(servers: &[(&str, u64)]) -> Evicted {
        let info = |(run, count): &(&str, u64)| {
            let info = format!("# Server\r\nrun_id:{run}\r\nevicted_keys:{count}\r\n");
            (Value::Nil, Value::BulkString(info.into_bytes()))
        };
        Evicted::told(&Value::Map(servers.iter().map(info).collect()))
    }

    #[test]
    fn what_was_thrown_away_since_is_told_from_what_was_before() {
        let then = told(&[("a", 3), ("b", 0)]);
        assert_eq!(Evicted::kept(&then.text()), then);
        for (now, more) in [
            (told(&[("a", 3), ("b", 0)]), false),
            (told(&[("a", 3), ("b", 1)]), true),
            (told(&[("a", 4)]), true),
            // Started anew, or come since.
            (told(&[("c", 0)]), false),
            (told(&[("a", 3), ("c", 1)]), true),
        ] {
            assert_eq!(now.is_more_than(&then), more, "{now:?}");
        }
        assert!(!told(&[("a", 0)]).is_more_than(&Evicted::kept("")), "nothing was kept");
    }
}
