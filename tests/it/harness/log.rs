//! What the program has committed, as its consumers see it: an append-only list in memory that can be waited on.

use crate::wait;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Debug)]
pub struct Record {
    /// As in the contracts, without the world's prefix.
    pub topic: &'static str,
    pub partition: i32,
    pub offset: i64,
    pub key: Option<String>,
    pub headers: BTreeMap<String, String>,
    pub bytes: Vec<u8>,
    /// Null where the bytes are no JSON, as in a dead letter.
    pub value: Value,
}

impl Record {
    pub fn text(&self, field: &str) -> &str {
        self.value[field].as_str().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

#[derive(Default)]
pub struct Log {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    records: Vec<Arc<Record>>,
    last: HashMap<(&'static str, i32), i64>,
}

impl Log {
    pub fn push(&self, record: Record) {
        let mut inner = self.inner.lock().expect("not poisoned");
        inner.last.insert((record.topic, record.partition), record.offset);
        inner.records.push(Arc::new(record));
    }

    pub fn len(&self) -> usize {
        self.inner.lock().expect("not poisoned").records.len()
    }

    pub fn from(&self, index: usize) -> Vec<Arc<Record>> {
        self.inner.lock().expect("not poisoned").records[index..].to_vec()
    }

    /// Those that came since this was last asked, for who looks at each once and keeps nothing.
    pub fn take(&self) -> Vec<Arc<Record>> {
        std::mem::take(&mut self.inner.lock().expect("not poisoned").records)
    }

    /// Those that the predicate wants, in the order of arrival: that of each partition, and no other.
    pub fn all(&self, mut wanted: impl FnMut(&Record) -> bool) -> Vec<Arc<Record>> {
        let records = self.from(0);
        records.into_iter().filter(|record| wanted(record)).collect()
    }

    pub fn first(&self, wanted: impl Fn(&Record) -> bool) -> Option<Arc<Record>> {
        let inner = self.inner.lock().expect("not poisoned");
        inner.records.iter().find(|record| wanted(record)).cloned()
    }

    /// The first that the predicate wants, now or later.
    pub fn await_first(&self, what: &str, patience: Duration, wanted: impl Fn(&Record) -> bool) -> Arc<Record> {
        let mut next = 0;
        wait::until(what, patience, || {
            let fresh = self.from(next);
            next += fresh.len();
            fresh.into_iter().find(|record| wanted(record))
        })
    }

    /// The offset of the last record of a partition that has arrived.
    pub fn last_offset(&self, topic: &'static str, partition: i32) -> i64 {
        let inner = self.inner.lock().expect("not poisoned");
        inner.last.get(&(topic, partition)).copied().unwrap_or(-1)
    }
}
