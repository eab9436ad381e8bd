//! The last ten minutes of what was published, by org: what a reader that comes back has missed, and what comes next. Bounded
//! in time and in bytes, whoever reads or does not. Knows no connection and no Kafka.

use super::positions::{Place, Positions};
use crate::domain::ids::OrgId;
use axum::body::Bytes;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What an event takes beside its text, about.
const OVERHEAD: usize = 256;
/// So much is handed to a reader at a time.
const PORTION: usize = 16 * 1_024;

/// One published record, as its readers get it.
#[derive(Debug)]
pub struct Event {
    pub at: Place,
    pub offset: u64,
    /// Milliseconds since 1970.
    pub published: i64,
    pub chatroom: Option<Box<str>>,
    /// The agent who asked for it to be sent.
    pub agent: Option<Box<str>>,
    /// All but the id.
    pub frame: Bytes,
}

/// Which events of an org are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub chatroom: Option<Box<str>>,
    pub agent: Option<Box<str>>,
}

impl Filter {
    fn wants(&self, event: &Event) -> bool {
        let fits = |wanted: &Option<Box<str>>, is: &Option<Box<str>>| wanted.is_none() || wanted == is;
        fits(&self.chatroom, &event.chatroom) && fits(&self.agent, &event.agent)
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub bytes: usize,
    pub age_ms: i64,
}

pub struct Ring {
    bounds: Bounds,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    orgs: HashMap<OrgId, Org>,
    /// Of which org each event is, in the order in which they came.
    order: VecDeque<OrgId>,
    /// Up to where all that was published is here, or was.
    head: Positions,
    /// From where on nothing is gone.
    floor: Positions,
    bytes: usize,
    /// Grows when all is forgotten.
    era: u64,
}

struct Org {
    events: VecDeque<Arc<Event>>,
    /// The number of the first in `events`.
    first: u64,
    /// The number of the next that will come.
    news: watch::Sender<u64>,
}

impl Org {
    fn next(&self) -> u64 {
        self.first + self.events.len() as u64
    }
}

/// Where one reader stands.
pub struct Cursor {
    org: OrgId,
    filter: Filter,
    next: u64,
    era: u64,
    pub positions: Positions,
    news: watch::Receiver<u64>,
}

/// What there is for a reader now.
pub struct Portion {
    pub events: Vec<Arc<Event>>,
    /// All has been handed out, as of now.
    pub is_all: bool,
    /// Something between the last and these is gone.
    pub is_torn: bool,
}

impl Ring {
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            inner: Mutex::default(),
        }
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics half way through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets all, and begins at these positions. Readers are told of the gap.
    pub fn begin(&self, at: &Positions) {
        let mut inner = self.locked();
        inner.order.clear();
        inner.bytes = 0;
        inner.era += 1;
        inner.head = at.clone();
        inner.floor = at.clone();
        inner.orgs.retain(|_, org| {
            org.first = org.next();
            org.events.clear();
            org.news.send_replace(org.first);
            org.news.receiver_count() > 0
        });
    }

    /// The next record of its partition. `now`: milliseconds since 1970.
    pub fn push(&self, org: &OrgId, event: Event, now: i64) {
        let mut inner = self.locked();
        inner.head.advance(event.at, event.offset + 1);
        inner.bytes += event.frame.len() + OVERHEAD;
        inner.order.push_back(org.clone());
        let kept = inner.orgs.entry(org.clone()).or_insert_with(Org::new);
        kept.events.push_back(Arc::new(event));
        kept.news.send_replace(kept.next());
        inner.shrink(self.bounds, now);
    }

    /// All before this offset has been read, and is nobody's to see.
    pub fn pass(&self, at: Place, next: u64) {
        self.locked().head.advance(at, next);
    }

    /// Lets go of what is too old, and of orgs that nobody reads; to be called now and then.
    pub fn age(&self, now: i64) {
        let mut inner = self.locked();
        inner.shrink(self.bounds, now);
        inner
            .orgs
            .retain(|_, org| !org.events.is_empty() || org.news.receiver_count() > 0);
    }

    #[must_use]
    pub fn head(&self) -> Positions {
        self.locked().head.clone()
    }

    #[must_use]
    pub fn bytes(&self) -> usize {
        self.locked().bytes
    }

    /// A reader from these positions on. None: of what came after them something is gone.
    #[must_use]
    pub fn open(&self, org: &OrgId, filter: Filter, from: &Positions) -> Option<Cursor> {
        let mut inner = self.locked();
        from.reaches(&inner.floor).then(|| {
            let mut cursor = inner.cursor(org, filter);
            cursor.next = inner.orgs.get(org).map_or(0, |org| org.first);
            cursor.positions = from.clone();
            cursor
        })
    }

    /// A reader of what comes from now on.
    #[must_use]
    pub fn begin_at_present(&self, org: &OrgId, filter: Filter) -> Cursor {
        self.locked().cursor(org, filter)
    }

    /// What comes next for this reader, as much as is good for one time.
    pub fn take(&self, cursor: &mut Cursor) -> Portion {
        let mut portion = Portion {
            events: Vec::new(),
            is_all: true,
            is_torn: false,
        };
        cursor.news.mark_unchanged();
        let inner = self.locked();
        let Some(org) = inner.orgs.get(&cursor.org) else {
            return portion;
        };
        portion.is_torn = cursor.era != inner.era || cursor.next < org.first;
        if portion.is_torn {
            (cursor.era, cursor.next) = (inner.era, org.next());
            cursor.positions = inner.head.clone();
            return portion;
        }
        let mut bytes = 0;
        let skipped = usize::try_from(cursor.next - org.first).unwrap_or(usize::MAX);
        for event in org.events.iter().skip(skipped) {
            if bytes >= PORTION {
                portion.is_all = false;
                return portion;
            }
            cursor.next += 1;
            let is_new = event.offset >= cursor.positions.at(event.at);
            if is_new && cursor.filter.wants(event) {
                bytes += event.frame.len();
                portion.events.push(event.clone());
            }
        }
        portion
    }

    /// Where a reader stands that was handed all that there is for it.
    pub fn settle(&self, cursor: &mut Cursor) {
        let inner = self.locked();
        let is_all = inner.orgs.get(&cursor.org).is_none_or(|org| org.next() == cursor.next);
        if is_all && cursor.era == inner.era {
            cursor.positions.join(&inner.head);
        }
    }
}

impl Org {
    fn new() -> Self {
        Self {
            events: VecDeque::new(),
            first: 0,
            news: watch::Sender::new(0),
        }
    }
}

impl Cursor {
    /// Comes back when there is news for the org, since the last portion was taken.
    pub async fn news(&mut self) {
        if self.news.changed().await.is_err() {
            // The ring is gone, with the process.
            std::future::pending::<()>().await;
        }
    }
}

impl Inner {
    fn cursor(&mut self, org: &OrgId, filter: Filter) -> Cursor {
        let kept = self.orgs.entry(org.clone()).or_insert_with(Org::new);
        Cursor {
            org: org.clone(),
            filter,
            next: kept.next(),
            era: self.era,
            positions: self.head.clone(),
            news: kept.news.subscribe(),
        }
    }

    fn shrink(&mut self, bounds: Bounds, now: i64) {
        while let Some(org) = self.order.front() {
            let Some(kept) = self.orgs.get_mut(org) else {
                self.order.pop_front();
                continue;
            };
            let is_over = |event: &Arc<Event>| event.published < now - bounds.age_ms || self.bytes > bounds.bytes;
            if !kept.events.front().is_none_or(is_over) {
                return;
            }
            if let Some(event) = kept.events.pop_front() {
                kept.first += 1;
                self.bytes = self.bytes.saturating_sub(event.frame.len() + OVERHEAD);
                self.floor.advance(event.at, event.offset + 1);
            }
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
