//! The answer of an expired chatroom (I7): the only message that ever leaves for an expired contact.

use super::draft::Draft;
use super::effect::{AutoReplyOutcome, AutoReplySent, Consequence, Outbound};
use super::entry::RepliesInHour;
use super::event::{Inbound, Sender};
use super::ids::ChatroomId;
use super::settings::AutoReply;
use super::time::{DAY_MS, Instant};

/// Whether this message is answered, and if not the first reason why. What is answered counts towards its hour.
pub fn judge(replies: &mut RepliesInHour, inbound: &Inbound, draft: &Draft) -> AutoReplyOutcome {
    let Some(reply) = configured(draft).filter(|_| !inbound.system) else {
        return if inbound.system {
            AutoReplyOutcome::NotAPerson
        } else {
            AutoReplyOutcome::NotConfigured
        };
    };
    if draft.at > not_after(inbound) {
        return AutoReplyOutcome::TooOld;
    }
    if replies.hour != draft.at.hour() {
        *replies = RepliesInHour {
            hour: draft.at.hour(),
            count: 0,
        };
    }
    if reply.max_per_hour.is_some_and(|most| replies.count >= most) {
        return AutoReplyOutcome::RateLimited;
    }
    replies.count = replies.count.saturating_add(1);
    AutoReplyOutcome::Sent
}

/// Sends it from the WABA phone that was written to, spelled the way the message came.
pub fn send(chatroom_id: ChatroomId, inbound: &Inbound, draft: &mut Draft) {
    if let (Some(reply), Sender::Phone(phone)) = (configured(draft), &inbound.from) {
        draft.emit(Consequence::Outbound(Outbound {
            chatroom_id,
            waba_phone: inbound.waba_phone,
            phone: phone.canonical,
            to: phone.spelled,
            auto_reply: Some(AutoReplySent {
                text: reply.text.clone(),
                not_after: not_after(inbound),
            }),
        }));
    }
}

fn configured<'a>(draft: &Draft<'a>) -> Option<&'a AutoReply> {
    draft.around.settings?.content.as_ref()?.expired_auto_reply.as_ref()
}

/// WhatsApp refuses an answer to what is older.
fn not_after(inbound: &Inbound) -> Instant {
    inbound.sent_at.plus(DAY_MS)
}
