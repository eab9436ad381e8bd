//! Every setting with its unit, default and reason; read from a TOML file and the environment, checked at once.
//! Nothing is joined, bound or asked before the configuration is whole: [`load`] returns it so, or every fault in it.
//!
//! `knobs` is the one table of what can be set; `layers` is what somebody wrote; `values` brings the two together;
//! `checks` is what must hold between them; `sections` is the result, and `adapters` what Kafka's and Redis's clients get of it.

mod adapters;
mod checks;
mod environment;
mod example;
mod fault;
mod knob;
mod knobs;
mod knobs_api;
mod layers;
mod sections;
mod shape;
mod tokens;
mod topics;
mod values;

#[cfg(test)]
mod tests;

pub use environment::{Environment, Process};
pub use example::example;
pub use fault::{Fault, Faults, Origin};
pub use sections::{
    Admin, Api, ApiTls, Batch, Config, GroupProtocol, Index, Kafka, Limits, Log, LogFormat, Sasl, Security, Shutdown,
    State, Timers, Tls,
};
pub use shape::log_level as check_log_level;
pub use tokens::{Orgs, Token};
pub use topics::Topics;
pub use values::Setting;

use std::path::Path;
use values::Values;

/// A configuration without fault, and how each of its values came about.
pub struct Loaded {
    pub config: Config,
    pub settings: Vec<Setting>,
}

/// Reads and checks everything.
pub fn load(environment: &dyn Environment, file: Option<&Path>) -> Result<Loaded, Faults> {
    let mut values = Values::read(environment, file);
    derive(&mut values, environment);
    let config = Config::from(&mut values);
    checks::check(&mut values);
    adapters::check(&config, &mut values);
    let Values { settings, faults } = values;
    if faults.is_empty() {
        Ok(Loaded { config, settings })
    } else {
        Err(Faults(faults))
    }
}

fn derive(values: &mut Values, environment: &dyn Environment) {
    let partitions = values.count("topics.partitions").max(1);
    values.derive("workers", || {
        environment.cores().clamp(1, 4).min(partitions).to_string()
    });
    let group = values.text("kafka.group_id");
    values.derive("index.prefix", || group);
}
