//! The records of a run: the same for the same numbers.

use crate::options::Options;

pub type Pair = (String, String);

fn org(number: u64) -> String {
    format!("org-{number:04}")
}

fn waba_phone(org: u64) -> String {
    format!("+1202555{:04}", 1_000 + org)
}

/// An Indian mobile number.
fn phone(customer: u64) -> String {
    format!("+9198{customer:08}")
}

pub fn settings(options: &Options) -> impl Iterator<Item = Pair> + use<> {
    (0..options.orgs).map(|number| {
        let (org, waba) = (org(number), waba_phone(number));
        let value = format!(
            r#"{{"org_id":"{org}","request_id":"s-{org}","default_region":"IN","waba_phones":[{{"phone":"{waba}","phone_number_id":"1065{number}","waba_id":"1020{number}"}}]}}"#
        );
        (org, value)
    })
}

/// Two commands for each customer that the CRM knows.
pub fn crm_changes(options: &Options) -> impl Iterator<Item = Pair> + use<> {
    let orgs = options.orgs;
    (0..options.known()).flat_map(move |customer| {
        let number = customer % orgs;
        let (org, phone, waba) = (org(number), phone(customer), waba_phone(number));
        let contact = format!(
            r#"{{"type":"contact.upsert","request_id":"c-{customer}","org_id":"{org}","crm_id":"L-{customer}","phone":"{phone}","first_name":"Asha","last_name":"Rao"}}"#
        );
        let chatroom = format!(
            r#"{{"type":"chatroom.create","request_id":"r-{customer}","org_id":"{org}","crm_id":"L-{customer}","waba_phone":"{waba}"}}"#
        );
        let key = format!("{org}:L-{customer}");
        [(key.clone(), contact), (key, chatroom)]
    })
}

/// Each from a customer drawn at random, so that almost every record of a batch changes another entry.
pub fn messages(options: &Options) -> impl Iterator<Item = Pair> + use<> {
    let (orgs, phones) = (options.orgs, options.phones);
    let sent_at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut lots = Lots(0x9e37_79b9_7f4a_7c15);
    (0..options.records).map(move |number| {
        let customer = lots.draw() % phones;
        let org_number = customer % orgs;
        let (org, phone, waba) = (org(org_number), phone(customer), waba_phone(org_number));
        let text = "Is the flat near the lake still free, and could we come and see it on Sunday after four? ";
        let value = format!(
            r#"{{"org_id":"{org}","waba_phone":"{waba}","from":"{phone}","message_id":"wamid.HBgMOTE5ODEyMzQ1Njc4FQIAEhgU{number:012}","sent_at":"{sent_at}","message":{{"type":"text","id":"wamid.HBgMOTE5ODEyMzQ1Njc4FQIAEhgU{number:012}","timestamp":"1795330800","text":{{"body":"{text}{number}"}}}}}}"#
        );
        (format!("{org}:{phone}"), value)
    })
}

/// splitmix64: seeded, so that every run reads the same.
struct Lots(u64);

impl Lots {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut lot = self.0;
        lot = (lot ^ (lot >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        lot = (lot ^ (lot >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        lot ^ (lot >> 31)
    }
}
