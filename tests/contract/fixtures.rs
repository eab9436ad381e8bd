//! Records, events and views that the examples of the outputs are made from.

use crate::examples;
use crate::json_text::compact;
use chatroom_router::contract::{Decoded, Decoder, IdHasher, RawRecord, Topic, TopicKind, origin};
use chatroom_router::domain::chatroom::ChatroomStatus;
use chatroom_router::domain::effect::{Candidate, ChatroomView, Consequence, Effect, Source};
use chatroom_router::domain::event::{Body, Event};
use chatroom_router::domain::ids::{ChatroomId, CrmId, OrgId, RequestId};
use chatroom_router::domain::phone::Phone;
use chatroom_router::domain::settings::Region;
use chatroom_router::domain::time::{DAY_MS, Instant, SECOND_MS};

/// 2026-11-22T07:00:00Z: when the customer wrote; a second later it is judged.
pub const SENT_AT: Instant = Instant(1_795_330_800_000);
pub const DECIDED_AT: Instant = SENT_AT.plus(SECOND_MS);
/// 2026-10-01T00:00:00Z.
pub const OCTOBER: Instant = Instant(1_790_812_800_000);
pub const WABA: Phone = Phone(12025550100);
pub const OTHER_WABA: Phone = Phone(12025550111);
pub const CUSTOMER: Phone = Phone(919812345678);
pub const TRACE: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

pub fn decoder() -> Decoder {
    Decoder {
        hasher: IdHasher::new(&[7; 16]),
        record_bytes: 512 * 1024,
    }
}

pub fn record(kind: TopicKind, value: &str) -> RawRecord<'_> {
    RawRecord {
        topic: Topic {
            kind,
            prefix: "test.",
            name: kind.default_name(),
        },
        partition: 3,
        offset: 41,
        timestamp: Some(SENT_AT),
        key: Some(b"acme"),
        value: Some(value.as_bytes()),
        headers: vec![("traceparent", Some(TRACE)), ("origin", Some(b"api"))],
    }
}

/// The event of an input's example, as it goes over the wire.
pub fn event(kind: TopicKind, case: &str) -> Event {
    event_of(kind, &compact(&examples::read(kind, case)))
}

pub fn event_of(kind: TopicKind, value: &str) -> Event {
    let record = record(kind, value);
    let body = match decoder().decode(&record).unwrap() {
        Decoded::Message(inbound, _) => Body::Inbound(inbound),
        Decoded::Command(command) => Body::Command(command),
        Decoded::Affiliate(affiliate) => Body::Command(Box::new(affiliate.parse(Region::parse("IN")).unwrap())),
    };
    Event {
        at: DECIDED_AT,
        cause: origin::cause(&record),
        body,
    }
}

/// An effect that follows from the event's record.
pub fn effect(event: &Event, what: Consequence) -> Effect {
    Effect {
        source: Source::Record(event.cause.clone()),
        what,
    }
}

pub fn org() -> OrgId {
    OrgId::parse("acme").unwrap()
}

pub fn crm_id(text: &str) -> CrmId {
    CrmId::parse(text).unwrap()
}

pub fn request(text: &str) -> RequestId {
    RequestId::parse(text).unwrap()
}

pub fn room_id() -> ChatroomId {
    ChatroomId::parse("1f3-6f9619ff-8b86-5d01-b42d-00cf4fc964ff").unwrap()
}

pub fn other_room_id() -> ChatroomId {
    ChatroomId::parse("1f3-0e37df36-f698-51e6-b9a2-3c5d0c6b1f48").unwrap()
}

pub fn room(status: ChatroomStatus, since: Instant) -> ChatroomView {
    ChatroomView {
        id: room_id(),
        crm_id: Some(crm_id("L-17")),
        waba_phone: WABA,
        status,
        since,
    }
}

pub fn affiliate_room(status: ChatroomStatus, since: Instant) -> ChatroomView {
    ChatroomView {
        crm_id: None,
        ..room(status, since)
    }
}

pub fn candidate(status: ChatroomStatus) -> Candidate {
    Candidate {
        chatroom_id: room_id(),
        crm_id: Some(crm_id("L-17")),
        waba_phone: WABA,
        status,
        since: OCTOBER,
    }
}

pub fn other_candidate(status: ChatroomStatus) -> Candidate {
    Candidate {
        chatroom_id: other_room_id(),
        crm_id: Some(crm_id("L-9")),
        waba_phone: OTHER_WABA,
        status,
        since: OCTOBER.plus(-DAY_MS - 1),
    }
}
