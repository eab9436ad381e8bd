//! The topics by their names in the contracts.

pub const INBOUND: &str = "inbound-messages";
pub const CRM: &str = "crm-changes";
pub const SETTINGS: &str = "org-settings";
pub const OUTBOUND_REQUESTS: &str = "outbound-requests";
pub const COMMANDS: &str = "router-commands";
pub const INPUTS: [&str; 4] = [INBOUND, CRM, SETTINGS, OUTBOUND_REQUESTS];

pub const ROUTED: &str = "routed-messages";
pub const UNROUTED: &str = "unrouted-messages";
pub const LIFECYCLE: &str = "lifecycle-events";
pub const OUTBOUND: &str = "outbound-messages";
pub const RESULTS: &str = "command-results";
pub const DEAD: &str = "dead-letters";
pub const OUTPUTS: [&str; 6] = [ROUTED, UNROUTED, LIFECYCLE, OUTBOUND, RESULTS, DEAD];
