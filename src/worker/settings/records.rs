//! What the records of `router-settings` come to: a table, or the sentence why there is none. While the latest record of one org
//! can't be read there is none at all, since by older settings nobody may judge.

use crate::contract::settings_table;
use crate::domain::ids::OrgId;
use crate::domain::time::Instant;
use crate::judging::SettingsTable;
use crate::kafka::{Position, Record};
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub struct Records {
    table: SettingsTable,
    /// Of each key the latest record, where that can't be read, and why.
    unreadable: BTreeMap<Vec<u8>, (Position, String)>,
}

impl Records {
    /// A later record of the same key stands for all before it. One without a value was written by an operator, who gave the
    /// org's settings up.
    pub fn take(&mut self, record: Record) {
        let key = record.key.unwrap_or_default();
        self.unreadable.remove(&key);
        let Some(value) = record.value else {
            if let Some(org) = org(&key) {
                self.table.remove(&org);
            }
            return;
        };
        let at = Instant(record.timestamp.unwrap_or_default());
        match settings_table::read(&value, record.at.offset, at) {
            Ok((org, settings)) => self.table.put(org, settings),
            Err(fault) => {
                self.unreadable.insert(key, (record.at, fault.to_string()));
            }
        }
    }

    /// Nothing is left to read below this offset.
    pub fn reach(&mut self, next_offset: i64) {
        self.table.reach(next_offset);
    }

    /// Err: which record can't be read, and why.
    pub fn table(&self) -> Result<&SettingsTable, String> {
        let first = self.unreadable.iter().min_by_key(|(_, (at, _))| at.offset);
        first.map_or(Ok(&self.table), |(key, (at, why))| {
            let org = org(key).map_or_else(|| "of no org".to_owned(), |org| format!("of org {org}"));
            Err(format!("the settings record {at}, {org}, can't be read: {why}"))
        })
    }

    /// Of the records that can't be read.
    pub fn unreadable_keys(&self) -> impl Iterator<Item = &[u8]> {
        self.unreadable.keys().map(Vec::as_slice)
    }
}

fn org(key: &[u8]) -> Option<OrgId> {
    OrgId::parse(std::str::from_utf8(key).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::effect::AcceptedSettings;
    use crate::kafka::{TimestampKind, TopicPartition};

    fn record(offset: i64, key: &str, value: Option<Vec<u8>>) -> Record {
        Record {
            at: TopicPartition::new("router-settings", 0).at(offset),
            key: Some(key.as_bytes().to_vec()),
            value,
            headers: Vec::new(),
            timestamp: Some(offset),
            timestamp_kind: TimestampKind::Append,
        }
    }

    fn accepted(org: &str) -> Option<Vec<u8>> {
        let accepted = AcceptedSettings {
            org: OrgId::parse(org).unwrap(),
            content: None,
            changes: Vec::new(),
        };
        settings_table::write(&accepted).unwrap().value
    }

    fn version(records: &Records, org: &str) -> Option<i64> {
        let table = records.table().ok()?;
        table.of(&OrgId::parse(org).unwrap()).map(|settings| settings.version)
    }

    #[test]
    fn there_is_no_table_while_the_latest_record_of_one_org_cant_be_read() {
        let torn = Some(b"{".to_vec());
        let later = Some(br#"{"format":99,"org_id":"acme","content":null,"changes":[]}"#.to_vec());
        for (unreadable, why) in [(torn, "not the JSON that we write"), (later, "format 99")] {
            let mut records = Records::default();
            records.take(record(0, "acme", accepted("acme")));
            records.take(record(1, "other", accepted("other")));
            assert_eq!(version(&records, "acme"), Some(0));
            records.take(record(2, "acme", unreadable));
            let said = records.table().unwrap_err();
            assert!(
                said.contains("router-settings-0@2") && said.contains("org acme"),
                "{said}"
            );
            assert!(said.contains(why), "{said}");
            records.take(record(3, "other", accepted("other")));
            assert!(records.table().is_err(), "another org's record heals nothing");
            records.take(record(4, "acme", accepted("acme")));
            assert_eq!(version(&records, "acme"), Some(4));
        }
    }

    #[test]
    fn an_org_whose_unreadable_settings_were_given_up_is_unknown_whoever_read_those_before_them() {
        let mut records = Records::default();
        records.take(record(0, "acme", accepted("acme")));
        records.take(record(1, "acme", Some(b"noise".to_vec())));
        assert_eq!(records.unreadable_keys().collect::<Vec<_>>(), [b"acme"]);
        records.take(record(2, "acme", None));
        assert!(records.table().is_ok());
        assert_eq!(version(&records, "acme"), None);
    }
}
