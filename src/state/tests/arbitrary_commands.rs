//! Any command and any step at all.

use super::arbitrary::{
    chatroom_id, chatroom_name, contact, crm_id, external, id_hash, instant, org, phone, request, spelled, text,
};
use crate::domain::contact::{Field, ProfileChange};
use crate::domain::effect::{Code, Conflict, ConflictingChatroom, Passed, Status};
use crate::domain::event::{Answer, Cause, Command, CreateAffiliate, CreateChatroom, Step, Via, What};
use crate::domain::ids::ChatroomId;
use crate::domain::settings::{AutoReply, Content, Days, InboundScope, Region, WabaPhone};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use std::sync::Arc;
use uuid::Uuid;

pub const STATUSES: [Status; 4] = [Status::Applied, Status::Unchanged, Status::Refused, Status::Duplicate];
pub const CODES: [Code; 15] = [
    Code::UnknownOrg,
    Code::UnknownWabaPhone,
    Code::ContactNotFound,
    Code::ContactExpired,
    Code::ContactDeleted,
    Code::PhoneIsAffiliate,
    Code::PhoneHasContacts,
    Code::PhoneFull,
    Code::ChatroomNotFound,
    Code::ChatroomConflict,
    Code::ChatroomDeactivated,
    Code::ChatroomExpired,
    Code::NotAnAffiliate,
    Code::Busy,
    Code::Failed,
];

pub fn answer_parts() -> impl Strategy<Value = (Status, Option<Code>, Option<ChatroomId>)> {
    (select(&STATUSES[..]), of(select(&CODES[..])), of(chatroom_id()))
}

fn answer() -> impl Strategy<Value = Answer> {
    answer_parts().prop_map(|(status, code, chatroom)| Answer { status, code, chatroom })
}

pub fn cause() -> BoxedStrategy<Cause> {
    (any::<u128>(), vec(any::<u8>(), 0..40))
        .prop_map(|(seed, origin)| Cause {
            seed: Uuid::from_u128(seed),
            origin: Arc::from(origin),
        })
        .boxed()
}

fn field() -> impl Strategy<Value = Field<Arc<str>>> {
    prop_oneof![Just(Field::Keep), Just(Field::Clear), text().prop_map(Field::Set)]
}

fn content() -> BoxedStrategy<Content> {
    let waba_phone = (phone(), of(text()), of(text())).prop_map(|(phone, phone_number_id, waba_id)| WabaPhone {
        phone,
        phone_number_id,
        waba_id,
    });
    let days = (of(any::<u32>()), of(any::<u32>())).prop_map(|(deactivate_after, expire_after)| Days {
        deactivate_after,
        expire_after,
    });
    let reply = (text(), of(any::<u32>())).prop_map(|(text, max_per_hour)| AutoReply { text, max_per_hour });
    let scope = prop_oneof![Just(InboundScope::Phone), Just(InboundScope::Pair)];
    let region = any::<[u8; 2]>().prop_map(Region);
    (of(region), vec(waba_phone, 0..3), days, of(reply), scope)
        .prop_map(
            |(default_region, waba_phones, days, expired_auto_reply, inbound_scope)| Content {
                default_region,
                waba_phones,
                days,
                expired_auto_reply,
                inbound_scope,
            },
        )
        .boxed()
}

fn what() -> BoxedStrategy<What> {
    let profile = (field(), field(), field()).prop_map(|(first_name, last_name, attributes)| ProfileChange {
        first_name,
        last_name,
        attributes,
    });
    let upsert = (crm_id(), text(), profile, of(instant())).prop_map(|(crm_id, phone_text, profile, created_at)| {
        What::UpsertContact {
            crm_id,
            phone_text,
            profile,
            created_at,
        }
    });
    let flags = any::<[bool; 3]>();
    let create = (crm_id(), phone(), of(text()), of(external()), flags).prop_map(
        |(crm_id, waba_phone, display_name, external_ref_id, [strict, next_free, deactivate_existing])| {
            What::CreateChatroom(CreateChatroom {
                crm_id,
                waba_phone,
                display_name,
                external_ref_id,
                strict,
                next_free,
                deactivate_existing,
            })
        },
    );
    let affiliate = (spelled(), phone(), of(text()), of(external())).prop_map(
        |(phone, waba_phone, display_name, external_ref_id)| {
            What::CreateAffiliate(CreateAffiliate {
                phone,
                waba_phone,
                display_name,
                external_ref_id,
            })
        },
    );
    prop_oneof![
        upsert,
        crm_id().prop_map(|crm_id| What::DeleteContact { crm_id }),
        create,
        affiliate,
        chatroom_name().prop_map(What::Activate),
        chatroom_name().prop_map(What::Deactivate),
        chatroom_name().prop_map(What::Expire),
        chatroom_name().prop_map(What::Send),
        of(content()).prop_map(What::PutSettings),
    ]
    .boxed()
}

pub fn command() -> BoxedStrategy<Command> {
    let via = prop_oneof![Just(Via::Api), Just(Via::Crm)];
    (org(), request(), id_hash(), via, what())
        .prop_map(|(org, request, request_hash, via, what)| Command {
            org,
            request,
            request_hash,
            via,
            what,
        })
        .boxed()
}

fn conflict() -> BoxedStrategy<Conflict> {
    let chatroom = (chatroom_id(), of(crm_id()), phone()).prop_map(|(id, crm_id, waba_phone)| ConflictingChatroom {
        id,
        crm_id,
        waba_phone,
    });
    (of(chatroom), vec(crm_id(), 0..3))
        .prop_map(|(chatroom, crm_ids)| Conflict { chatroom, crm_ids })
        .boxed()
}

fn step() -> BoxedStrategy<Step> {
    prop_oneof![
        (command(), spelled()).prop_map(|(command, phone)| Step::Upsert { command, phone }),
        (command(), phone(), text()).prop_map(|(command, phone, detail)| Step::BadPhone { command, phone, detail }),
        (command(), phone()).prop_map(|(command, phone)| Step::CreateChatroom { command, phone }),
        (command(), phone(), answer()).prop_map(|(command, phone, first)| Step::Repeat { command, phone, first }),
        (command(), phone(), spelled()).prop_map(|(command, phone, to)| Step::Leave { command, phone, to }),
        (command(), phone(), spelled(), of(contact())).prop_map(|(command, from, to, contact)| Step::Attach {
            command,
            from,
            to,
            contact
        }),
        (command(), phone(), contact()).prop_map(|(command, phone, moved)| Step::Detach { command, phone, moved }),
        (command(), phone(), select(&CODES[..]), of(conflict())).prop_map(|(command, phone, code, conflict)| {
            Step::Stay {
                command,
                phone,
                code,
                conflict,
            }
        }),
        (command(), phone()).prop_map(|(command, phone)| Step::Erase { command, phone }),
        (crm_id(), id_hash(), of(answer()), phone(), any::<bool>()).prop_map(
            |(crm_id, request, answer, phone, attached)| Step::Done {
                crm_id,
                request,
                answer,
                phone,
                attached
            }
        ),
        (crm_id(), phone()).prop_map(|(crm_id, phone)| Step::Erased { crm_id, phone }),
    ]
    .boxed()
}

pub fn passed() -> BoxedStrategy<Passed> {
    (org(), instant(), step())
        .prop_map(|(org, at, step)| Passed { org, at, step })
        .boxed()
}
