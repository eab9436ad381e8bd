//! The layout of commands, of what they come to, and of the steps between two homes. See `wire` for what is the format.

use super::wire::{DecodeError, Reader, Wire, Writer, fields, variants};
use crate::domain::contact::{Field, ProfileChange};
use crate::domain::effect::{Code, Conflict, ConflictingChatroom, Passed, Status};
use crate::domain::event::{Answer, Cause, Command, CreateAffiliate, CreateChatroom, Step, Via, What};
use crate::domain::settings::{AutoReply, Content, Days, InboundScope, Region, WabaPhone};

variants!(Status {
    0: Applied,
    1: Unchanged,
    2: Refused,
    3: Duplicate,
});
variants!(Code {
    0: UnknownOrg,
    1: UnknownWabaPhone,
    2: ContactNotFound,
    3: ContactExpired,
    4: ContactDeleted,
    5: PhoneIsAffiliate,
    6: PhoneHasContacts,
    7: PhoneFull,
    8: ChatroomNotFound,
    9: ChatroomConflict,
    10: ChatroomDeactivated,
    11: ChatroomExpired,
    12: NotAnAffiliate,
    13: Busy,
    14: Failed,
});
fields!(ConflictingChatroom { id, crm_id, waba_phone });
fields!(Conflict { chatroom, crm_ids });
fields!(Answer { status, code, chatroom });

variants!(Via { 0: Api, 1: Crm });
variants!(Field<T> {
    0: Keep,
    1: Clear,
    2: Set(value),
});
fields!(ProfileChange {
    first_name,
    last_name,
    attributes,
});
fields!(CreateChatroom {
    crm_id,
    waba_phone,
    display_name,
    external_ref_id,
    strict,
    next_free,
    deactivate_existing,
});
fields!(CreateAffiliate {
    phone,
    waba_phone,
    display_name,
    external_ref_id,
});
variants!(What {
    0: UpsertContact {
        crm_id,
        phone_text,
        profile,
        created_at
    },
    1: DeleteContact { crm_id },
    2: CreateChatroom(create),
    3: CreateAffiliate(create),
    4: Activate(name),
    5: Deactivate(name),
    6: Expire(name),
    7: Send(name),
    8: PutSettings(content),
});
fields!(Command {
    org,
    request,
    request_hash,
    via,
    what,
});
fields!(Cause { seed, origin });

impl Wire for Region {
    fn put(&self, writer: &mut Writer) {
        writer.bytes.extend_from_slice(&self.0);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self([reader.byte()?, reader.byte()?]))
    }
}

fields!(WabaPhone {
    phone,
    phone_number_id,
    waba_id,
});
variants!(InboundScope { 0: Phone, 1: Pair });
fields!(AutoReply { text, max_per_hour });
fields!(Days {
    deactivate_after,
    expire_after,
});
fields!(Content {
    default_region,
    waba_phones,
    days,
    expired_auto_reply,
    inbound_scope,
});

variants!(Step {
    0: Upsert { command, phone },
    1: BadPhone { command, phone, detail },
    2: CreateChatroom { command, phone },
    3: Repeat { command, phone, first },
    4: Leave { command, phone, to },
    5: Attach {
        command,
        from,
        to,
        contact
    },
    6: Detach { command, phone, moved },
    7: Stay {
        command,
        phone,
        code,
        conflict
    },
    8: Erase { command, phone },
    9: Done {
        crm_id,
        request,
        answer,
        phone,
        attached
    },
    10: Erased { crm_id, phone },
});
fields!(Passed { org, at, step });
