//! What the document tells of paths and bodies. Nothing here reads one: the gate reads the path, the contracts read the body, and
//! a test holds what is told against what they take.
#![expect(dead_code, reason = "told in the document, and never made")]

use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct OrgPath {
    /// The org's id.
    #[param(
        example = "acme",
        min_length = 1,
        max_length = 128,
        pattern = "^[^:\\x00-\\x1f\\x7f-\\x9f]+$"
    )]
    org: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct ContactPath {
    /// The org's id.
    #[param(
        example = "acme",
        min_length = 1,
        max_length = 128,
        pattern = "^[^:\\x00-\\x1f\\x7f-\\x9f]+$"
    )]
    org: String,
    /// The contact's id in the CRM.
    #[param(
        example = "L-17",
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$"
    )]
    crm_id: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct ChatroomPath {
    /// The org's id.
    #[param(
        example = "acme",
        min_length = 1,
        max_length = 128,
        pattern = "^[^:\\x00-\\x1f\\x7f-\\x9f]+$"
    )]
    org: String,
    /// The chatroom's id; of another shape it is none.
    #[param(
        example = "da9-6df27029-4744-5a3b-9c51-7dcf02a7aa90",
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$"
    )]
    id: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct PhonePath {
    /// The org's id.
    #[param(
        example = "acme",
        min_length = 1,
        max_length = 128,
        pattern = "^[^:\\x00-\\x1f\\x7f-\\x9f]+$"
    )]
    org: String,
    /// A customer's phone, as people type it.
    #[param(example = "+919812345678")]
    phone: String,
}

/// An org's settings. All but `waba_phones` may be absent.
#[derive(ToSchema)]
pub struct SettingsBody {
    /// Whose phones those are that people type without a country code.
    #[schema(example = "IN", pattern = "^[A-Z]{2}$")]
    default_region: Option<String>,
    /// The org's own WhatsApp Business numbers, in the order in which `next_free_waba_phone` goes.
    waba_phones: Vec<WabaPhoneBody>,
    /// Days without a message from the contact; null: off.
    #[schema(minimum = 1, maximum = 36500)]
    deactivate_after_days: Option<u32>,
    /// Days after a contact's creation; null: off.
    #[schema(minimum = 1, maximum = 36500)]
    expire_after_days: Option<u32>,
    /// What an expired chatroom answers; null: nothing.
    expired_auto_reply: Option<AutoReplyBody>,
    /// Whether a message may reach chatrooms on the org's other WABA phones; `PHONE` unless given.
    inbound_scope: Option<ScopeBody>,
}

#[derive(ToSchema)]
#[schema(as = WabaPhone)]
struct WabaPhoneBody {
    #[schema(example = "+12025550100")]
    phone: String,
    phone_number_id: Option<String>,
    waba_id: Option<String>,
}

#[derive(ToSchema)]
#[schema(as = AutoReply)]
struct AutoReplyBody {
    #[schema(
        example = "This conversation is closed.",
        min_length = 1,
        max_length = 4096,
        pattern = "\\S"
    )]
    text: String,
    /// For each phone.
    #[schema(minimum = 1, maximum = 1000)]
    max_per_hour: Option<u32>,
}

#[derive(ToSchema)]
#[schema(as = InboundScope)]
enum ScopeBody {
    #[schema(rename = "PHONE")]
    Phone,
    #[schema(rename = "PAIR")]
    Pair,
}

/// A contact. An absent field stays as it is, null clears it.
#[derive(ToSchema)]
pub struct ContactBody {
    /// As people type it: without a country code it is one of the org's default_region.
    #[schema(example = "+919812345678")]
    phone: String,
    #[schema(example = "Asha", max_length = 128)]
    first_name: Option<String>,
    #[schema(example = "Rao", max_length = 128)]
    last_name: Option<String>,
    /// At most 4 KiB.
    attributes: Option<BTreeMap<String, Value>>,
    /// At creation only: its age counts from here. Absent: now.
    #[schema(format = DateTime)]
    created_at: Option<String>,
}

/// A chatroom of a contact, or of an affiliate.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(as = NewChatroom)]
pub enum ChatroomBody {
    Contact(Box<ContactChatroomBody>),
    Affiliate(Box<AffiliateChatroomBody>),
}

/// A chatroom of a contact.
#[derive(ToSchema)]
#[schema(as = NewContactChatroom)]
pub struct ContactChatroomBody {
    kind: Option<ContactKind>,
    #[schema(
        example = "L-17",
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$"
    )]
    crm_id: String,
    /// One of the org's own.
    #[schema(example = "+12025550100")]
    waba_phone: String,
    /// The contact's names unless given.
    #[schema(max_length = 128)]
    display_name: Option<String>,
    /// Carried along.
    #[schema(min_length = 1, max_length = 128, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    external_ref_id: Option<String>,
    /// Whether an active chatroom of another contact with this phone, on another of the org's WABA phones, is a conflict too.
    fail_if_chatroom_exists_on_other_waba_phone: Option<bool>,
    /// Whether it may open on the next WABA phone that is free.
    next_free_waba_phone: Option<bool>,
    /// Whether a new one opens in the place of the contact's active one.
    deactivate_existing: Option<bool>,
}

#[derive(ToSchema)]
enum ContactKind {
    #[serde(rename = "CONTACT")]
    Contact,
}

/// A chatroom of the back office or of a partner. It reserves the phone until it is expired.
#[derive(ToSchema)]
#[schema(as = NewAffiliateChatroom)]
pub struct AffiliateChatroomBody {
    kind: AffiliateKind,
    /// As people type it.
    #[schema(example = "+918811112222")]
    phone: String,
    /// One of the org's own.
    #[schema(example = "+12025550100")]
    waba_phone: String,
    #[schema(max_length = 128)]
    display_name: Option<String>,
    /// Carried along.
    #[schema(min_length = 1, max_length = 128, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    external_ref_id: Option<String>,
}

#[derive(ToSchema)]
enum AffiliateKind {
    #[serde(rename = "AFFILIATE")]
    Affiliate,
}

/// A message that might come.
#[derive(ToSchema)]
#[schema(as = Explain)]
pub struct ExplainBody {
    /// The customer's phone, as people type it.
    #[schema(example = "+919812345678")]
    phone: String,
    /// The org's phone that it would be written to.
    #[schema(example = "+12025550100")]
    waba_phone: String,
    /// When it would be judged; null or absent: now.
    #[schema(format = DateTime)]
    at: Option<String>,
}

/// A message that an agent wants to send.
#[derive(ToSchema)]
#[schema(as = NewMessage)]
pub struct MessageBody {
    message: WhatsAppMessage,
    /// Who asks; passes on.
    #[schema(example = "agent-7")]
    requested_by: Option<String>,
    /// The gateway must not send it later.
    #[schema(format = DateTime)]
    not_after: Option<String>,
}

/// WhatsApp's own message object, byte for byte.
#[derive(ToSchema)]
#[schema(example = json!({"type": "text", "text": {"body": "Yes, shall we visit?"}}))]
struct WhatsAppMessage {
    #[serde(rename = "type")]
    kind: String,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}
