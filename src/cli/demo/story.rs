//! The script: a day of the support team of an estate agency, told by what people do. Each step states all that has to
//! follow from it. Nothing here knows how it is played.

use super::outcome::{
    Outcome, answered_by_itself, applied, dead, event, refused, routed, sent, unrouted as kept_unrouted,
};
use super::step::{Input, Step};
use crate::contract::instant;
use crate::domain::time::{DAY_MS, Instant};
use serde_json::{Value, json};

const SALES: &str = "+12025550100";
const HOME: &str = "+919812345678";
const NEW: &str = "+919867543210";
const STRANGER: &str = "+919899900011";
const DEV: &str = "+919811122233";
const OFFICE: &str = "+918811112222";

const CRM: &str = "CRM";
const ASHA: &str = "Asha, +919812345678";
const NISHA: &str = "Agent Nisha";

const CLOSED: &str = "This conversation is closed. Please call us.";

/// The day, as of this instant.
pub fn story(now: Instant) -> Vec<Step> {
    [
        opening(),
        two_leads(),
        a_chatroom_sleeps_and_wakes(),
        a_stranger(),
        the_back_office(),
        a_number_moves(),
        an_old_lead(now),
        rubbish(),
    ]
    .concat()
}

fn settings(expire_after_days: Option<u32>) -> Input {
    Input::Settings(json!({
        "default_region": "IN",
        "waba_phones": [{"phone": SALES}],
        "expire_after_days": expire_after_days,
        "expired_auto_reply": {"text": CLOSED},
    }))
}

fn lead(crm_id: &str, phone: &str, name: (&str, &str)) -> Input {
    Input::Crm(json!({
        "type": "contact.upsert", "crm_id": crm_id, "phone": phone, "first_name": name.0, "last_name": name.1,
    }))
}

fn chatroom(crm_id: &str) -> Input {
    Input::Crm(json!({"type": "chatroom.create", "crm_id": crm_id, "waba_phone": SALES}))
}

/// Somebody does something.
fn step(
    who: &'static str,
    does: &str,
    inputs: Vec<Input>,
    expected: Vec<Outcome>,
    why: (&'static str, &'static str),
) -> Step {
    Step {
        who,
        does: does.to_owned(),
        inputs,
        expected,
        rule: why.0,
        why: why.1,
    }
}

/// A customer writes to the sales number.
fn writes(
    (who, from): (&'static str, &'static str),
    (id, text): (&'static str, &'static str),
    expected: Vec<Outcome>,
    why: (&'static str, &'static str),
) -> Step {
    let to = SALES;
    let input = Input::Message { from, to, id, text };
    step(who, &format!("“{text}”"), vec![input], expected, why)
}

/// Agent Nisha answers in a chatroom.
fn replies(room: &'static str, text: &'static str, expected: Vec<Outcome>, why: (&'static str, &'static str)) -> Step {
    let agent = "agent-nisha";
    let input = Input::Reply { agent, room, text };
    step(
        NISHA,
        &format!("“{text}”, to chatroom “{room}”"),
        vec![input],
        expected,
        why,
    )
}

fn opening() -> Vec<Step> {
    vec![step(
        "Acme Homes",
        "settings: sales on +12025550100, leads are from India",
        vec![settings(None)],
        vec![applied("settings.put")],
        ("K4", "In force for all that is sent after this answer."),
    )]
}

fn two_leads() -> Vec<Step> {
    vec![
        step(
            CRM,
            "lead L-17, Asha Rao, 98123 45678; open her a chatroom",
            vec![lead("L-17", "98123 45678", ("Asha", "Rao")), chatroom("L-17")],
            vec![
                event("CONTACT_CREATED", "L-17", "crm"),
                applied("contact.upsert"),
                event("CHATROOM_CREATED", "Asha Rao", "crm"),
                applied("chatroom.create"),
            ],
            (
                "P1 R1",
                "Typed without +91, read as India's. No other chatroom is active on this pair of numbers.",
            ),
        ),
        writes(
            (ASHA, HOME),
            ("m1", "Is the flat still free?"),
            vec![routed("Asha Rao", "ACTIVE", "I1")],
            ("I1", "The active chatroom of her number."),
        ),
        replies(
            "Asha Rao",
            "It is. Shall we visit?",
            vec![sent("AGENT", HOME, "It is. Shall we visit?"), applied("outbound.send")],
            ("O1", "The chatroom is active: the gateway may send it."),
        ),
        step(
            CRM,
            "lead L-18, Ravi Rao, the same number",
            vec![lead("L-18", HOME, ("Ravi", "Rao"))],
            vec![event("CONTACT_CREATED", "L-18", "crm"), applied("contact.upsert")],
            ("C1", "A couple may share a phone: two leads on one number are fine."),
        ),
        step(
            CRM,
            "open Ravi (L-18) a chatroom on the sales number too",
            vec![chatroom("L-18")],
            vec![refused("chatroom.create", "CHATROOM_CONFLICT")],
            (
                "R1",
                "WhatsApp knows one thread for two numbers, and Asha's chatroom is active on it.",
            ),
        ),
    ]
}

fn a_chatroom_sleeps_and_wakes() -> Vec<Step> {
    let visit = ("m2", "Can we come on Sunday?");
    vec![
        step(
            NISHA,
            "deactivates chatroom “Asha Rao”",
            vec![Input::OfRoom {
                kind: "chatroom.deactivate",
                room: "Asha Rao",
            }],
            vec![
                event("CHATROOM_DEACTIVATED", "Asha Rao", "crm"),
                applied("chatroom.deactivate"),
            ],
            ("A1", "By request; it keeps its history."),
        ),
        replies(
            "Asha Rao",
            "One more thing…",
            vec![refused("outbound.send", "CHATROOM_DEACTIVATED")],
            ("O2", "Nothing is sent from a deactivated chatroom."),
        ),
        writes(
            (ASHA, HOME),
            visit,
            vec![
                routed("Asha Rao", "REACTIVATED", "I2"),
                event("CHATROOM_ACTIVATED", "Asha Rao", "inbound"),
            ],
            (
                "I2",
                "No chatroom of her number is active: the latest deactivated one takes it and wakes up.",
            ),
        ),
        writes(
            ("The gateway, again", HOME),
            visit,
            vec![],
            (
                "I11",
                "The same message id: one message, one route. Dropped, and counted.",
            ),
        ),
        writes(
            (ASHA, HOME),
            ("m3", "At eleven?"),
            vec![routed("Asha Rao", "ACTIVE", "I1")],
            ("I1", "Awake by now: an ordinary message."),
        ),
    ]
}

fn a_stranger() -> Vec<Step> {
    let hello = ("m4", "Hello, what does it cost?");
    vec![
        writes(
            ("Somebody, +919899900011", STRANGER),
            hello,
            vec![kept_unrouted("NO_CONTACT")],
            (
                "I4",
                "Nobody knows this number. The message is kept with the reason, never dropped.",
            ),
        ),
        step(
            CRM,
            "lead L-19, Meera Nair, that number; open her a chatroom",
            vec![lead("L-19", STRANGER, ("Meera", "Nair")), chatroom("L-19")],
            vec![
                event("CONTACT_CREATED", "L-19", "crm"),
                applied("contact.upsert"),
                event("CHATROOM_CREATED", "Meera Nair", "crm"),
                applied("chatroom.create"),
            ],
            ("R1", "Somebody has looked into it."),
        ),
        writes(
            ("The gateway, again", STRANGER),
            hello,
            vec![routed("Meera Nair", "ACTIVE", "I1")],
            (
                "I11",
                "It went nowhere before, so the repeat is judged anew, and now has a chatroom.",
            ),
        ),
    ]
}

fn the_back_office() -> Vec<Step> {
    let affiliate = json!({
        "type": "chatroom.create", "kind": "AFFILIATE", "phone": OFFICE, "waba_phone": SALES,
        "display_name": "Back office",
    });
    vec![
        step(
            CRM,
            "a chatroom for the back office, +918811112222",
            vec![Input::Crm(affiliate)],
            vec![
                event("CHATROOM_CREATED", "Back office", "crm"),
                applied("chatroom.create"),
            ],
            ("R6", "An affiliate's chatroom has no lead, and reserves its number."),
        ),
        step(
            CRM,
            "lead L-20 on that number",
            vec![lead("L-20", OFFICE, ("Om", "Jain"))],
            vec![refused("contact.upsert", "PHONE_IS_AFFILIATE")],
            ("C1", "The back office is not to become somebody's lead."),
        ),
    ]
}

fn a_number_moves() -> Vec<Step> {
    vec![
        step(
            CRM,
            "Asha (L-17) has a new number, +919867543210",
            vec![lead("L-17", NEW, ("Asha", "Rao"))],
            vec![
                event("CHATROOM_EXPIRED", "Asha Rao", "phone_changed"),
                event("CONTACT_MOVED", "L-17", "crm"),
                applied("contact.upsert"),
            ],
            ("C3", "Her old number may get a new holder: what was said stays behind."),
        ),
        writes(
            ("The old number, +919812345678", HOME),
            ("m5", "Who are you?"),
            vec![kept_unrouted("NO_CHATROOM")],
            (
                "I4",
                "Her chatroom is no candidate any more. Ravi holds the number, without a chatroom so far.",
            ),
        ),
        step(
            CRM,
            "open Ravi (L-18) a chatroom, once more",
            vec![chatroom("L-18")],
            vec![event("CHATROOM_CREATED", "Ravi Rao", "crm"), applied("chatroom.create")],
            ("R1", "Nothing stands in the way now."),
        ),
        writes(
            ("Ravi, +919812345678", HOME),
            ("m6", "It is me, Ravi."),
            vec![routed("Ravi Rao", "ACTIVE", "I1")],
            ("I1", "To Ravi's chatroom, not into Asha's history."),
        ),
    ]
}

fn an_old_lead(now: Instant) -> Vec<Step> {
    let mut dev = json!({
        "type": "contact.upsert", "crm_id": "L-3", "phone": DEV, "first_name": "Dev", "last_name": "Shah",
    });
    dev["created_at"] = Value::from(instant::format(now.plus(-200 * DAY_MS)));
    vec![
        step(
            CRM,
            "lead L-3, Dev Shah, created 200 days ago; open him a chatroom",
            vec![Input::Crm(dev), chatroom("L-3")],
            vec![
                event("CONTACT_CREATED", "L-3", "crm"),
                applied("contact.upsert"),
                event("CHATROOM_CREATED", "Dev Shah", "crm"),
                applied("chatroom.create"),
            ],
            ("R1", "Leads do not expire so far, however old."),
        ),
        step(
            "Acme Homes",
            "settings: leads expire after 180 days",
            vec![settings(Some(180))],
            vec![applied("settings.put")],
            ("A5", "From this instant on: whoever is older is due now."),
        ),
        writes(
            ("Dev, +919811122233", DEV),
            ("m7", "I am back, and interested."),
            vec![
                event("CONTACT_EXPIRED", "L-3", "age"),
                event("CHATROOM_EXPIRED", "Dev Shah", "age"),
                answered_by_itself("Dev Shah", "I3"),
                sent("AUTO_REPLY", DEV, CLOSED),
            ],
            (
                "I0 I3 I7",
                "What is due comes first: lead and chatroom expire. The message is still kept there, and answered.",
            ),
        ),
        replies(
            "Dev Shah",
            "Welcome back!",
            vec![refused("outbound.send", "CHATROOM_EXPIRED")],
            ("O2", "Expiry is final: a new lead and a new chatroom it takes."),
        ),
    ]
}

fn rubbish() -> Vec<Step> {
    vec![step(
        "A broken gateway",
        "{\"org_id\":\"acme\",\"from\":",
        vec![Input::Rubbish("{\"org_id\":\"acme\",\"from\":")],
        vec![dead("NOT_JSON")],
        ("S3", "Kept byte for byte with the reason; what comes after it goes on."),
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phone_of(step: &Step) -> Option<&'static str> {
        match step.inputs.as_slice() {
            [Input::Message { from, .. }] => Some(from),
            _ => None,
        }
    }

    #[test]
    fn what_is_dropped_is_proved_by_the_next_message_of_the_same_phone() {
        let story = story(Instant(1_800_000_000_000));
        for (place, step) in story.iter().enumerate().filter(|(_, step)| step.expected.is_empty()) {
            let next = &story[place + 1];
            assert_eq!(phone_of(step), phone_of(next), "{}", step.does);
            assert!(phone_of(step).is_some() && !next.expected.is_empty(), "{}", step.does);
        }
    }
}
