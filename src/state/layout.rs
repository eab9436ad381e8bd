//! The layout of the nouns that records are made of. The order of the fields and the tags are the format: see `wire`.

use super::wire::{DecodeError, Reader, Wire, Writer, fields, variants};
use crate::domain::chatroom::{Chatroom, ChatroomStatus, Owner};
use crate::domain::contact::{Contact, ContactStatus, Profile};
use crate::domain::directory::{ChatroomRecord, Directory, Held, OrgRecord, Underway, Waiting};
use crate::domain::entry::{Entry, RepliesInHour};
use crate::domain::ids::{ChatroomId, ChatroomName, CrmId, ExternalRefId, IdHash, OrgId, RequestId, Slot, UserId};
use crate::domain::memory::{Memory, Outcome, Remembered};
use crate::domain::phone::{Phone, SpelledPhone};
use crate::domain::time::Instant;
use crate::domain::timers::Clocks;

macro_rules! text_ids {
    ($($name:ident),*) => {$(
        impl Wire for $name {
            fn put(&self, writer: &mut Writer) {
                writer.text(self.as_str().as_bytes());
            }
            fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Self::parse(reader.text()?).map_err(|fault| DecodeError::BadId { what: stringify!($name), fault })
            }
        }
    )*};
}

macro_rules! wrappers {
    ($($name:ident),*) => {$(
        impl Wire for $name {
            fn put(&self, writer: &mut Writer) {
                self.0.put(writer);
            }
            fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Wire::take(reader).map(Self)
            }
        }
    )*};
}

text_ids!(OrgId, CrmId, RequestId, UserId, ExternalRefId, ChatroomName);
wrappers!(Instant, Phone, Slot, IdHash);

fields!(ChatroomId { slot, uuid });
fields!(SpelledPhone { canonical, spelled });

variants!(ContactStatus { 0: Active, 1: Expired });
fields!(Profile {
    first_name,
    last_name,
    attributes,
});
fields!(Contact {
    crm_id,
    profile,
    status,
    created_at,
    registered_at,
    leaving,
});

variants!(Owner {
    0: Affiliate,
    1: Contact(crm_id),
});
variants!(ChatroomStatus {
    0: Active,
    1: Deactivated,
    2: Expired,
});
fields!(Chatroom {
    id,
    owner,
    waba_phone,
    status,
    since,
    created_at,
    activated_at,
    last_message_at,
    phone_changed,
    display_name,
    external_ref_id,
});

variants!(Outcome {
    0: Routed,
    1: Unrouted,
    2: InProgress,
    3: Answered { status, code, chatroom },
});
fields!(Remembered { id, minute, outcome });
fields!(Memory {
    recent,
    buckets,
    spilled,
});

fields!(Clocks { inactivity, age });
fields!(RepliesInHour { hour, count });
fields!(Entry {
    decided_at,
    spelling,
    contacts,
    chatrooms,
    archived,
    replies,
    messages,
    requests,
});

fields!(Held {
    phone,
    text,
    attached,
    in_flight,
});
variants!(Underway {
    0: Move { to, text, request },
    1: Erasure { command, left },
});
fields!(Waiting { command, at, cause });
fields!(Directory {
    decided_at,
    held,
    phones,
    erased,
    underway,
    waiting,
    requests,
});
fields!(ChatroomRecord {
    decided_at,
    phone,
    block,
    requests,
});
fields!(OrgRecord { decided_at, requests });
