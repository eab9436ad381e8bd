//! The accepted settings of all orgs, as of one offset of `router-settings`.

use crate::domain::ids::OrgId;
use crate::domain::settings::OrgSettings;
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Debug, Clone, Default)]
pub struct SettingsTable {
    orgs: HashMap<OrgId, Arc<OrgSettings>>,
    next_offset: i64,
}

impl SettingsTable {
    /// The org's settings, those of a removed one included (they hold its history).
    #[must_use]
    pub fn of(&self, org: &OrgId) -> Option<&OrgSettings> {
        self.orgs.get(org).map(|settings| &**settings)
    }

    pub fn orgs(&self) -> impl Iterator<Item = (&OrgId, &OrgSettings)> {
        self.orgs.iter().map(|(org, settings)| (org, &**settings))
    }

    /// Everything below this offset of `router-settings` is in it.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.next_offset
    }

    pub fn put(&mut self, org: OrgId, settings: OrgSettings) {
        self.reach(settings.version + 1);
        self.orgs.insert(org, Arc::new(settings));
    }

    /// Nothing is known of the org any more, its history included.
    pub fn remove(&mut self, org: &OrgId) {
        self.orgs.remove(org);
    }

    /// Nothing of it is left to read below this offset.
    pub fn reach(&mut self, next_offset: i64) {
        self.next_offset = self.next_offset.max(next_offset);
    }
}
