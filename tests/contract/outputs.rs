//! Every case of every output: the event, and what followed from it.

use crate::fixtures::{
    CUSTOMER, DECIDED_AT, OCTOBER, OTHER_WABA, SENT_AT, WABA, affiliate_room, candidate, crm_id, effect, event, org,
    other_candidate, other_room_id, record, request, room, room_id,
};
use chatroom_router::contract::{TopicKind, origin};
use chatroom_router::domain::chatroom::ChatroomStatus::{self, Active, Deactivated, Expired};
use chatroom_router::domain::contact::ContactStatus;
use chatroom_router::domain::effect::*;
use chatroom_router::domain::event::Event;
use chatroom_router::domain::ids::ExternalRefId;
use chatroom_router::domain::time::{DAY_MS, Instant};

pub struct Case {
    pub topic: TopicKind,
    pub name: &'static str,
    pub event: Event,
    pub effect: Effect,
}

pub fn all() -> Vec<Case> {
    let topics = [
        routed(),
        unrouted(),
        lifecycle(),
        outbound(),
        results(),
        refusals(),
        dead_letters(),
    ];
    topics.into_iter().flatten().collect()
}

pub fn find(topic: TopicKind, name: &str) -> Case {
    let mut all = all().into_iter();
    all.find(|case| case.topic == topic && case.name == name).expect(name)
}

fn case(topic: TopicKind, name: &'static str, event: Event, what: Consequence) -> Case {
    let effect = effect(&event, what);
    Case {
        topic,
        name,
        event,
        effect,
    }
}

fn routed() -> Vec<Case> {
    let text = |name, routed| {
        let event = event(TopicKind::InboundMessages, "text");
        case(TopicKind::RoutedMessages, name, event, Consequence::Routed(routed))
    };
    let expired = |outcome| Routed {
        chatroom: room(Expired, OCTOBER),
        auto_reply: Some(outcome),
        ..route(Expired, RouteReason::Expired, RouteRule::I3)
    };
    let system = event(TopicKind::InboundMessages, "system");
    let brazil = event(TopicKind::InboundMessages, "as-whatsapp-writes-it");
    let affiliate = Routed {
        chatroom: affiliate_room(Active, OCTOBER),
        candidates: vec![Candidate {
            crm_id: None,
            ..candidate(Active)
        }],
        ..route(Active, RouteReason::Active, RouteRule::I1)
    };
    let elsewhere = Routed {
        chatroom: ChatroomView {
            waba_phone: OTHER_WABA,
            ..room(Active, OCTOBER)
        },
        candidates: vec![other_candidate(Active), candidate(Deactivated)],
        ..route(Active, RouteReason::Active, RouteRule::I1)
    };
    let reactivated = Routed {
        chatroom: room(Active, DECIDED_AT),
        ..route(Deactivated, RouteReason::Reactivated, RouteRule::I2)
    };
    let ignored = route(Deactivated, RouteReason::Deactivated, RouteRule::I9);
    vec![
        text("reactivated", reactivated),
        text("active-on-another-waba-phone", elsewhere),
        text("active-affiliate", affiliate),
        text("expired-answered", expired(AutoReplyOutcome::Sent)),
        text("expired-not-configured", expired(AutoReplyOutcome::NotConfigured)),
        text("expired-too-old", expired(AutoReplyOutcome::TooOld)),
        text("expired-rate-limited", expired(AutoReplyOutcome::RateLimited)),
        case(
            TopicKind::RoutedMessages,
            "system-to-a-deactivated-one",
            system.clone(),
            Consequence::Routed(ignored),
        ),
        case(
            TopicKind::RoutedMessages,
            "system-to-an-expired-one",
            system,
            Consequence::Routed(expired(AutoReplyOutcome::NotAPerson)),
        ),
        case(
            TopicKind::RoutedMessages,
            "active-as-received",
            brazil,
            Consequence::Routed(route(Active, RouteReason::Active, RouteRule::I1)),
        ),
    ]
}

fn route(before: ChatroomStatus, reason: RouteReason, rule: RouteRule) -> Routed {
    Routed {
        chatroom: room(before, OCTOBER),
        candidates: vec![candidate(before)],
        reason,
        rule,
        auto_reply: None,
        settings_version: 12,
    }
}

fn unrouted() -> Vec<Case> {
    let case = |name, message, reason, settings_version| {
        let crm_ids = match reason {
            UnroutedReason::NoChatroom => vec![crm_id("L-17"), crm_id("L-9")],
            _ => Vec::new(),
        };
        let what = Consequence::Unrouted(Unrouted {
            reason,
            crm_ids,
            settings_version,
        });
        case(
            TopicKind::UnroutedMessages,
            name,
            event(TopicKind::InboundMessages, message),
            what,
        )
    };
    vec![
        case("no-contact", "text", UnroutedReason::NoContact, Some(12)),
        case(
            "no-chatroom",
            "as-whatsapp-writes-it",
            UnroutedReason::NoChatroom,
            Some(12),
        ),
        case("unknown-org", "text", UnroutedReason::UnknownOrg, None),
        case(
            "unknown-waba-phone",
            "image-with-unknown-fields",
            UnroutedReason::UnknownWabaPhone,
            Some(12),
        ),
        case("no-phone", "user-without-a-phone", UnroutedReason::NoPhone, Some(12)),
    ]
}

fn lifecycle() -> Vec<Case> {
    use Happening::*;
    let of_contact = |name, happening, reason, asked: Option<&str>| {
        let subject = Subject::Contact(crm_id("L-17"));
        happened(name, (happening, reason), subject, asked)
    };
    let of_room = |name, happening, reason, asked: Option<&str>| {
        let subject = Subject::Chatroom(room(Active, DECIDED_AT));
        happened(name, (happening, reason), subject, asked)
    };
    let affiliate = Subject::Chatroom(affiliate_room(Active, DECIDED_AT));
    vec![
        of_contact("contact-created", ContactCreated, Reason::Crm, Some("r1")),
        of_contact("contact-updated", ContactUpdated, Reason::Api, Some("r1")),
        of_contact("contact-moved", ContactMoved, Reason::Crm, Some("r1")),
        of_contact("contact-expired", ContactExpired, Reason::Age, None),
        of_contact("contact-deleted", ContactDeleted, Reason::Crm, Some("r2")),
        of_room("chatroom-created", ChatroomCreated, Reason::Crm, Some("r3")),
        happened(
            "chatroom-created-affiliate",
            (ChatroomCreated, Reason::Api),
            affiliate,
            Some("r4"),
        ),
        of_room("chatroom-activated", ChatroomActivated, Reason::Inbound, None),
        of_room(
            "chatroom-activated-by-request",
            ChatroomActivated,
            Reason::Api,
            Some("r5"),
        ),
        of_room("chatroom-deactivated", ChatroomDeactivated, Reason::Inactivity, None),
        of_room(
            "chatroom-deactivated-superseded",
            ChatroomDeactivated,
            Reason::Superseded,
            Some("r5"),
        ),
        of_room("chatroom-expired", ChatroomExpired, Reason::Age, None),
        of_room(
            "chatroom-expired-phone-changed",
            ChatroomExpired,
            Reason::PhoneChanged,
            Some("r1"),
        ),
        of_room("chatroom-expired-erased", ChatroomExpired, Reason::Erased, Some("r2")),
    ]
}

fn happened(
    name: &'static str,
    (happening, reason): (Happening, Reason),
    subject: Subject,
    asked: Option<&str>,
) -> Case {
    let by_timer = matches!(reason, Reason::Age | Reason::Inactivity);
    let occurred_at = if by_timer { OCTOBER } else { DECIDED_AT };
    let by_crm = matches!(&subject, Subject::Chatroom(room) if room.crm_id.is_some());
    let reference = ExternalRefId::parse("deal-9").unwrap();
    let created = (happening == Happening::ChatroomCreated).then(|| CreatedDetails {
        display_name: if by_crm { "Asha Rao" } else { "Back office" }.into(),
        external_ref_id: by_crm.then_some(reference),
    });
    let what = Consequence::Lifecycle(Box::new(Lifecycle {
        org: org(),
        happening,
        subject,
        reason,
        occurred_at,
        request: asked.map(request),
        created,
    }));
    let event = event(TopicKind::InboundMessages, "text");
    let mut case = case(TopicKind::LifecycleEvents, name, event, what);
    if by_timer {
        case.effect.source = Source::Timer(occurred_at);
    }
    case
}

fn outbound() -> Vec<Case> {
    let outbound = |auto_reply| {
        Consequence::Outbound(Outbound {
            chatroom_id: room_id(),
            waba_phone: WABA,
            phone: CUSTOMER,
            to: CUSTOMER,
            auto_reply,
        })
    };
    let reply = AutoReplySent {
        text: "This conversation is closed. Please write to help@acme.example".into(),
        not_after: SENT_AT.plus(DAY_MS),
    };
    let full = event(TopicKind::OutboundRequests, "full");
    let least = event(TopicKind::OutboundRequests, "least");
    let message = event(TopicKind::InboundMessages, "text");
    vec![
        case(TopicKind::OutboundMessages, "agent", full, outbound(None)),
        case(TopicKind::OutboundMessages, "agent-least", least, outbound(None)),
        case(
            TopicKind::OutboundMessages,
            "auto-reply",
            message,
            outbound(Some(reply)),
        ),
    ]
}

fn result(kind: CommandType, id: &str) -> CommandResult {
    CommandResult {
        request: request(id),
        org: org(),
        kind,
        status: Status::Applied,
        code: None,
        detail: None,
        chatroom: None,
        contact: None,
        conflict: None,
        first: None,
        settings_version: Some(12),
        decided_at: DECIDED_AT,
    }
}

fn answered(name: &'static str, result: CommandResult) -> Case {
    let event = event(TopicKind::CrmChanges, "chatroom-activate");
    case(
        TopicKind::CommandResults,
        name,
        event,
        Consequence::Result(Box::new(result)),
    )
}

fn contact(status: ContactStatus) -> Option<ContactView> {
    Some(ContactView {
        crm_id: crm_id("L-17"),
        status,
        created_at: Instant(1_777_626_000_000),
    })
}

fn results() -> Vec<Case> {
    use CommandType::*;
    let with_room = |kind, id, status| CommandResult {
        chatroom: Some(room(status, DECIDED_AT)),
        ..result(kind, id)
    };
    let duplicate = CommandResult {
        status: Status::Duplicate,
        first: Some((Status::Refused, Some(Code::ChatroomConflict))),
        chatroom: Some(room(Deactivated, OCTOBER)),
        ..result(ChatroomActivate, "r5")
    };
    let upserted = CommandResult {
        contact: contact(ContactStatus::Active),
        ..result(ContactUpsert, "r1")
    };
    let created_expired = CommandResult {
        contact: contact(ContactStatus::Expired),
        ..result(ContactUpsert, "r1")
    };
    let unchanged = CommandResult {
        status: Status::Unchanged,
        ..with_room(ChatroomCreate, "r3", Deactivated)
    };
    let expired = CommandResult {
        chatroom: Some(affiliate_room(Expired, DECIDED_AT)),
        ..result(ChatroomExpire, "r7")
    };
    let settings = CommandResult {
        settings_version: None,
        ..result(SettingsPut, "s1")
    };
    vec![
        answered("contact-upserted", upserted),
        answered("contact-created-and-expired", created_expired),
        answered("contact-deleted", result(ContactDelete, "r2")),
        answered("chatroom-created", with_room(ChatroomCreate, "r3", Active)),
        answered("chatroom-already-there", unchanged),
        answered("chatroom-activated", with_room(ChatroomActivate, "r5", Active)),
        answered("chatroom-deactivated", with_room(ChatroomDeactivate, "r6", Deactivated)),
        answered("affiliate-expired", expired),
        answered("message-sent", with_room(OutboundSend, "q1", Active)),
        answered("settings-put", settings),
        answered("duplicate", duplicate),
    ]
}

fn conflict(crm: Option<&str>, holders: &[&str]) -> Option<Conflict> {
    let chatroom = ConflictingChatroom {
        id: other_room_id(),
        crm_id: crm.map(crm_id),
        waba_phone: WABA,
    };
    Some(Conflict {
        chatroom: holders.is_empty().then_some(chatroom),
        crm_ids: holders.iter().map(|holder| crm_id(holder)).collect(),
    })
}

fn refusals() -> Vec<Case> {
    use CommandType::*;
    let refused = |name, kind, code| {
        let refused = CommandResult {
            status: Status::Refused,
            code: Some(code),
            ..result(kind, "r8")
        };
        let conflict = match code {
            Code::ChatroomConflict => conflict(Some("L-9"), &[]),
            Code::PhoneIsAffiliate => conflict(None, &[]),
            Code::PhoneHasContacts => conflict(None, &["L-17", "L-9"]),
            _ => None,
        };
        answered(name, CommandResult { conflict, ..refused })
    };
    let contracts_own = CommandResult {
        status: Status::Refused,
        code: Some(Code::ChatroomConflict),
        chatroom: Some(room(Deactivated, OCTOBER)),
        conflict: conflict(Some("L-9"), &[]),
        ..result(ChatroomActivate, "r5")
    };
    let failed = CommandResult {
        status: Status::Refused,
        code: Some(Code::Failed),
        detail: Some("the result would have 700000 bytes, at most 589824 can be published".into()),
        ..result(ChatroomCreate, "r8")
    };
    vec![
        answered("refused-chatroom-conflict", contracts_own),
        answered("refused-failed", failed),
        refused("refused-unknown-org", ContactUpsert, Code::UnknownOrg),
        refused("refused-unknown-waba-phone", ChatroomCreate, Code::UnknownWabaPhone),
        refused("refused-contact-not-found", ChatroomCreate, Code::ContactNotFound),
        refused("refused-contact-expired", ContactUpsert, Code::ContactExpired),
        refused("refused-contact-deleted", ContactUpsert, Code::ContactDeleted),
        refused("refused-phone-is-affiliate", ContactUpsert, Code::PhoneIsAffiliate),
        refused("refused-phone-has-contacts", ChatroomCreate, Code::PhoneHasContacts),
        refused("refused-phone-full", ContactUpsert, Code::PhoneFull),
        refused("refused-chatroom-not-found", OutboundSend, Code::ChatroomNotFound),
        refused("refused-chatroom-deactivated", OutboundSend, Code::ChatroomDeactivated),
        refused("refused-chatroom-expired", OutboundSend, Code::ChatroomExpired),
        refused("refused-not-an-affiliate", ChatroomExpire, Code::NotAnAffiliate),
        refused("refused-busy", ContactUpsert, Code::Busy),
    ]
}

fn dead_letters() -> Vec<Case> {
    let letter = |name, reason, detail: &str| {
        let detail = detail.into();
        let what = Consequence::DeadLetter(DeadLetter { reason, detail });
        case(
            TopicKind::DeadLetters,
            name,
            event(TopicKind::InboundMessages, "text"),
            what,
        )
    };
    let mut large = letter(
        "too-large",
        DeadReason::TooLarge,
        "the value has 700000 bytes, at most 524288 are allowed",
    );
    let value = "x".repeat(700_000);
    let cause = origin::cause(&record(TopicKind::InboundMessages, &value));
    large.effect.source = Source::Record(cause);
    vec![
        large,
        letter(
            "not-json",
            DeadReason::NotJson,
            "$ is not JSON: EOF while parsing a value at line 1 column 0",
        ),
        letter(
            "malformed",
            DeadReason::Malformed,
            "$ has a fault: missing field `org_id`",
        ),
        letter(
            "bad-phone",
            DeadReason::BadPhone,
            "$.from is no valid number of its country",
        ),
        letter(
            "bad-settings",
            DeadReason::BadSettings,
            "$.expire_after_days is not from 1 to 36500; null turns it off",
        ),
        letter(
            "cannot-be-judged",
            DeadReason::CannotBeJudged,
            "the judgement of the record panicked",
        ),
    ]
}
