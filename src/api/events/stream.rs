//! One reader's stream. It keeps nothing for its reader: what there is stands in the ring, and is taken from there as fast as
//! the reader reads. Who stays behind is told so and cut off; so is everybody when the process ends.

use super::frame::{self, Why};
use super::positions::Logs;
use super::ring::{Cursor, Portion, Ring};
use crate::shutdown::Shutdown;
use crate::telemetry::metrics::{Metrics, StreamEnd};
use axum::body::{Body, Bytes};
use futures_util::stream;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

/// Proxies close what is silent for long, and a reader's id should not grow old.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Who has not had all that there was for so long does not keep up.
const BEHIND: Duration = Duration::from_secs(60);

/// What a stream is made of.
pub struct Parts {
    pub ring: Arc<Ring>,
    pub logs: Logs,
    pub cursor: Cursor,
    /// Why the stream does not go on where the reader was.
    pub gap: Option<Why>,
    pub until: Shutdown,
    pub metrics: Arc<Metrics>,
    /// Its places among the readers; given back with it.
    pub _places: [OwnedSemaphorePermit; 2],
}

pub struct Stream {
    parts: Parts,
    first: Option<Bytes>,
    /// When its reader had all that there was.
    complete: Instant,
    heartbeat: Instant,
    ended: StreamEnd,
    is_over: bool,
}

impl Stream {
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let id = parts.cursor.positions.id(parts.logs);
        let mut first = frame::hello(&id).to_vec();
        if let Some(why) = parts.gap {
            parts.metrics.events.gaps.inc();
            first.extend_from_slice(&frame::gap(&id, why));
        }
        parts.metrics.events.readers.inc();
        Self {
            parts,
            first: Some(first.into()),
            complete: Instant::now(),
            heartbeat: Instant::now() + HEARTBEAT,
            ended: StreamEnd::Client,
            is_over: false,
        }
    }

    pub fn into_body(self) -> Body {
        Body::from_stream(stream::unfold(self, |mut stream| async {
            let bytes = stream.next().await?;
            stream.heartbeat = Instant::now() + HEARTBEAT;
            Some((Ok::<_, Infallible>(bytes), stream))
        }))
    }

    async fn next(&mut self) -> Option<Bytes> {
        if self.first.is_some() {
            return self.first.take();
        }
        while !self.is_over {
            if self.parts.until.is_wished() {
                return Some(self.end(Why::ShuttingDown, StreamEnd::Shutdown));
            }
            let portion = self.parts.ring.take(&mut self.parts.cursor);
            if portion.is_torn {
                self.parts.metrics.events.gaps.inc();
                return Some(frame::gap(&self.id(), Why::TooOld));
            }
            if portion.is_all {
                self.complete = Instant::now();
            } else if self.complete.elapsed() > BEHIND {
                return Some(self.end(Why::TooSlow, StreamEnd::TooSlow));
            }
            if !portion.events.is_empty() {
                return Some(self.frames(&portion));
            }
            if portion.is_all {
                self.parts.ring.settle(&mut self.parts.cursor);
                if self.is_quiet().await {
                    return Some(frame::heartbeat(&self.id()));
                }
            } else {
                tokio::task::yield_now().await;
            }
        }
        None
    }

    /// Waits for something to do. True: there was nothing for so long that a sign of life is due.
    async fn is_quiet(&mut self) -> bool {
        tokio::select! {
            () = self.parts.until.wished() => false,
            () = self.parts.cursor.news() => false,
            () = sleep_until(self.heartbeat) => true,
        }
    }

    fn id(&self) -> String {
        self.parts.cursor.positions.id(self.parts.logs)
    }

    fn frames(&mut self, portion: &Portion) -> Bytes {
        let mut text = Vec::new();
        for event in &portion.events {
            self.parts.cursor.positions.advance(event.at, event.offset + 1);
            frame::id(&self.id(), &mut text);
            text.extend_from_slice(&event.frame);
        }
        self.parts.metrics.events.sent.inc_by(portion.events.len() as u64);
        text.into()
    }

    fn end(&mut self, why: Why, ended: StreamEnd) -> Bytes {
        self.is_over = true;
        self.ended = ended;
        frame::end(why)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let events = &self.parts.metrics.events;
        events.readers.dec();
        events.ended.of(self.ended).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::super::positions::{Place, Positions};
    use super::super::ring::{Bounds, Event, Filter};
    use super::*;
    use crate::domain::ids::OrgId;
    use tokio::sync::Semaphore;

    const NOW: i64 = 1_800_000_000_000;

    /// A reader of a ring that holds more than is handed out at a time.
    fn reader(until: &Shutdown) -> (Stream, Arc<Metrics>) {
        let org = OrgId::parse("acme").unwrap();
        let bounds = Bounds {
            bytes: 1_000_000,
            age_ms: 600_000,
        };
        let (ring, metrics) = (Arc::new(Ring::new(bounds)), Arc::new(Metrics::new().unwrap()));
        ring.begin(&Positions::default());
        let cursor = ring.begin_at_present(&org, Filter::default());
        for offset in 0..4 {
            let event = Event {
                at: Place { topic: 0, partition: 0 },
                offset,
                published: NOW,
                chatroom: None,
                agent: None,
                frame: frame::event("routed", &"x".repeat(20_000)),
            };
            ring.push(&org, event, NOW);
        }
        let place = || Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let parts = Parts {
            ring,
            logs: Logs::default(),
            cursor,
            gap: None,
            until: until.clone(),
            metrics: metrics.clone(),
            _places: [place(), place()],
        };
        (Stream::new(parts), metrics)
    }

    async fn text(stream: &mut Stream) -> Option<String> {
        let bytes = stream.next().await?;
        Some(String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn who_stays_behind_is_told_so_and_cut_off() {
        let (mut stream, metrics) = reader(&Shutdown::new());
        text(&mut stream).await.unwrap();
        let portion = text(&mut stream).await.unwrap();
        assert!(portion.contains("event: routed"), "in time it goes on");
        stream.complete = Instant::now().checked_sub(BEHIND + Duration::from_secs(1)).unwrap();
        let end = text(&mut stream).await.unwrap();
        assert!(end.contains("event: end") && end.contains("TOO_SLOW"), "{end}");
        assert_eq!(text(&mut stream).await, None);
        assert_eq!(metrics.events.readers.get(), 1);
        drop(stream);
        assert_eq!(metrics.events.readers.get(), 0);
    }

    #[tokio::test]
    async fn a_process_that_ends_says_so_to_its_readers() {
        let until = Shutdown::new();
        let (mut stream, _metrics) = reader(&until);
        text(&mut stream).await.unwrap();
        until.trigger().fire();
        let end = text(&mut stream).await.unwrap();
        assert!(end.contains("event: end") && end.contains("SHUTTING_DOWN"), "{end}");
        assert_eq!(text(&mut stream).await, None);
    }
}
