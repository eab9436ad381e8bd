//! The words of the contracts for the values of the domain.

use crate::domain::chatroom::ChatroomStatus;
use crate::domain::contact::ContactStatus;
use crate::domain::effect::{
    AutoReplyOutcome, Code, CommandType, DeadReason, Happening, Reason, RouteReason, RouteRule, Status, UnroutedReason,
};
use crate::domain::settings::InboundScope;

/// A value that has a word in the contracts.
pub trait Word: Copy {
    fn word(self) -> &'static str;
}

macro_rules! words {
    ($($type:ident { $($variant:ident => $word:literal),+ $(,)? })+) => {
        $(impl Word for $type {
            fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        })+
    };
}

words! {
    ChatroomStatus { Active => "ACTIVE", Deactivated => "DEACTIVATED", Expired => "EXPIRED" }
    ContactStatus { Active => "ACTIVE", Expired => "EXPIRED" }
    RouteReason { Active => "ACTIVE", Reactivated => "REACTIVATED", Expired => "EXPIRED", Deactivated => "DEACTIVATED" }
    RouteRule { I1 => "I1", I2 => "I2", I3 => "I3", I4 => "I4", I9 => "I9" }
    AutoReplyOutcome {
        Sent => "SENT",
        NotAPerson => "NOT_A_PERSON",
        NotConfigured => "NOT_CONFIGURED",
        TooOld => "TOO_OLD",
        RateLimited => "RATE_LIMITED",
    }
    UnroutedReason {
        UnknownOrg => "UNKNOWN_ORG",
        UnknownWabaPhone => "UNKNOWN_WABA_PHONE",
        NoPhone => "NO_PHONE",
        NoChatroom => "NO_CHATROOM",
        NoContact => "NO_CONTACT",
    }
    Happening {
        ContactCreated => "CONTACT_CREATED",
        ContactUpdated => "CONTACT_UPDATED",
        ContactMoved => "CONTACT_MOVED",
        ContactExpired => "CONTACT_EXPIRED",
        ContactDeleted => "CONTACT_DELETED",
        ChatroomCreated => "CHATROOM_CREATED",
        ChatroomActivated => "CHATROOM_ACTIVATED",
        ChatroomDeactivated => "CHATROOM_DEACTIVATED",
        ChatroomExpired => "CHATROOM_EXPIRED",
    }
    Reason {
        Api => "api",
        Crm => "crm",
        Inbound => "inbound",
        Inactivity => "inactivity",
        Age => "age",
        Superseded => "superseded",
        PhoneChanged => "phone_changed",
        Erased => "erased",
    }
    Status { Applied => "APPLIED", Unchanged => "UNCHANGED", Refused => "REFUSED", Duplicate => "DUPLICATE" }
    Code {
        UnknownOrg => "UNKNOWN_ORG",
        UnknownWabaPhone => "UNKNOWN_WABA_PHONE",
        ContactNotFound => "CONTACT_NOT_FOUND",
        ContactExpired => "CONTACT_EXPIRED",
        ContactDeleted => "CONTACT_DELETED",
        PhoneIsAffiliate => "PHONE_IS_AFFILIATE",
        PhoneHasContacts => "PHONE_HAS_CONTACTS",
        PhoneFull => "PHONE_FULL",
        ChatroomNotFound => "CHATROOM_NOT_FOUND",
        ChatroomConflict => "CHATROOM_CONFLICT",
        ChatroomDeactivated => "CHATROOM_DEACTIVATED",
        ChatroomExpired => "CHATROOM_EXPIRED",
        NotAnAffiliate => "NOT_AN_AFFILIATE",
        Busy => "BUSY",
        Failed => "FAILED",
    }
    CommandType {
        ContactUpsert => "contact.upsert",
        ContactDelete => "contact.delete",
        ChatroomCreate => "chatroom.create",
        ChatroomActivate => "chatroom.activate",
        ChatroomDeactivate => "chatroom.deactivate",
        ChatroomExpire => "chatroom.expire",
        OutboundSend => "outbound.send",
        SettingsPut => "settings.put",
    }
    DeadReason {
        NotJson => "NOT_JSON",
        Malformed => "MALFORMED",
        BadPhone => "BAD_PHONE",
        BadSettings => "BAD_SETTINGS",
        TooLarge => "TOO_LARGE",
        CannotBeJudged => "CANNOT_BE_JUDGED",
    }
    InboundScope { Phone => "PHONE", Pair => "PAIR" }
}
