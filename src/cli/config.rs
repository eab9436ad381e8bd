//! `config check` and `config show`: what is wrong with the configuration, or what holds and where it comes from.

use super::output::Out;
use crate::config::{Fault, Faults, Loaded, Origin, Setting};
use crate::failure::{Exit, Failure};
use clap::Subcommand;
use serde_json::{Value, json};

pub(super) const EXAMPLES: &str = "\
Examples:
  chatroom-router config check --config router.toml
  CHATROOM_ROUTER_WORKERS=2 chatroom-router config show
  chatroom-router config show --output json";

const CHECK_EXAMPLES: &str = "\
Examples:
  chatroom-router config check
  chatroom-router config check --config router.toml --output json

Exit code 78: there are faults.";

const SHOW_EXAMPLES: &str = "\
Examples:
  chatroom-router config show
  CHATROOM_ROUTER_BATCH__LINGER_MS=2 chatroom-router config show
  chatroom-router config show --output json";

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Name every fault at once, with its key and what to write instead.
    #[command(after_help = CHECK_EXAMPLES)]
    Check,
    /// Show the values that hold and where each comes from; secrets are left out.
    #[command(after_help = SHOW_EXAMPLES)]
    Show,
}

/// Takes the configuration as it was found: with faults, `check` shows them and `show` fails with them.
pub fn run(loaded: Result<Loaded, Faults>, command: ConfigCommand, out: &mut Out<'_>) -> Result<(), Failure> {
    match (command, loaded) {
        (ConfigCommand::Check, Ok(_)) if out.is_json() => out.json(&json!({"faults": []})),
        (ConfigCommand::Check, Ok(_)) => out.line("The configuration has no faults."),
        (ConfigCommand::Check, Err(faults)) if out.is_json() => {
            let list: Vec<Value> = faults.0.iter().map(fault).collect();
            out.json(&json!({"faults": list}))?;
            let sentence = format!("the configuration has {} faults: mend them as listed", list.len());
            Err(Failure::new(Exit::BadConfig, sentence))
        }
        (_, Err(faults)) => Err(faults.into()),
        (ConfigCommand::Show, Ok(loaded)) if out.is_json() => {
            let list: Vec<Value> = loaded.settings.iter().map(setting).collect();
            out.json(&json!({"settings": list}))
        }
        (ConfigCommand::Show, Ok(loaded)) => {
            let row = |setting: &Setting| [setting.key.clone(), setting.shown(), setting.origin.to_string()];
            out.table(["key", "value", "from"], loaded.settings.iter().map(row).collect())
        }
    }
}

fn fault(fault: &Fault) -> Value {
    json!({"key": fault.key, "from": origin(&fault.origin), "what": fault.what, "instead": fault.instead})
}

fn setting(setting: &Setting) -> Value {
    json!({
        "key": setting.key,
        "value": setting.shown(),
        "from": origin(&setting.origin),
        "default": setting.default_shown(),
        "why": setting.why(),
    })
}

fn origin(origin: &Origin) -> Value {
    match origin {
        Origin::Default => json!({"layer": "default"}),
        Origin::File(path) => json!({"layer": "file", "path": path.display().to_string()}),
        Origin::Variable(name) => json!({"layer": "env", "variable": name}),
    }
}
