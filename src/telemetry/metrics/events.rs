//! The figures of the streams of events.

use super::family::{Counters, Maker, label};
use prometheus::{Error, IntCounter, IntGauge};

/// Who ended a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEnd {
    /// It closed the connection, or does not read any more.
    Client,
    TooSlow,
    Shutdown,
}

label!(StreamEnd {
    Client = "client",
    TooSlow = "too_slow",
    Shutdown = "shutdown",
});

/// Who reads, and what there is to read.
pub struct EventsWork {
    pub readers: IntGauge,
    pub sent: IntCounter,
    pub gaps: IntCounter,
    pub ended: Counters<StreamEnd>,
    pub ring_bytes: IntGauge,
}

impl EventsWork {
    pub(super) fn new(make: &Maker<'_>) -> Result<Self, Error> {
        Ok(Self {
            readers: make.gauge(
                "api_event_readers",
                "Streams of events that are open. Alert: over 0.9 of api.events.max_readers for 10 minutes, who comes next is turned away.",
            )?,
            sent: make.counter("api_events_sent_total", "Events handed to readers, over all streams. Its rate beside api_event_readers is what each gets.")?,
            gaps: make.counter(
                "api_event_gaps_total",
                "Times that a reader was told of a gap. Watch: growing while no reader was away for ten minutes, api.events.ring_bytes is too small.",
            )?,
            ended: make.counters(
                "api_event_streams_ended_total",
                "Streams that ended, by who ended them. Watch: too_slow, readers that do not keep up.",
                "by",
            )?,
            ring_bytes: make.gauge(
                "api_event_ring_bytes",
                "What is kept for readers that come back. Watch: at api.events.ring_bytes less than ten minutes are kept.",
            )?,
        })
    }
}
