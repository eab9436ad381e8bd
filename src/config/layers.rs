//! The two layers that settings come from, a TOML file and over it the environment, flattened to texts by key.
//! Knows nothing of what the keys mean.

use super::environment::Environment;
use super::fault::{Fault, Origin};
use ::config::{FileFormat, Format, Map, Value, ValueKind};
use std::collections::BTreeMap;
use std::path::Path;

const PREFIX: &str = "CHATROOM_ROUTER_";
/// Names the file, where `--config` doesn't.
pub const FILE_VARIABLE: &str = "CHATROOM_ROUTER_CONFIG";
const PROPERTIES: &str = "kafka.properties.";

/// A setting as somebody wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub text: String,
    pub origin: Origin,
}

/// What is written, by key, and what could not be read at all.
#[derive(Debug, Default)]
pub struct Layers {
    pub written: BTreeMap<String, Written>,
    pub faults: Vec<Fault>,
}

impl Layers {
    /// Reads both; the environment stands above the file.
    pub fn read(environment: &dyn Environment, file: Option<&Path>) -> Self {
        let variables = environment.variables();
        let named = variables
            .iter()
            .find(|(name, path)| name == FILE_VARIABLE && !path.is_empty());
        let mut layers = Self::default();
        match (file, named) {
            (Some(path), _) => layers.add_file(environment, path, "--config"),
            (None, Some((_, path))) => layers.add_file(environment, Path::new(path), FILE_VARIABLE),
            (None, None) => {}
        }
        for (name, text) in variables {
            if let Some(key) = key_of_variable(&name) {
                let origin = Origin::Variable(name);
                layers.written.insert(key, Written { text, origin });
            }
        }
        layers
    }

    fn add_file(&mut self, environment: &dyn Environment, path: &Path, key: &str) {
        let origin = Origin::File(path.to_owned());
        let mut fault = |what: String, instead: &str| {
            self.faults.push(Fault {
                key: key.to_owned(),
                origin: origin.clone(),
                what,
                instead: instead.to_owned(),
            });
        };
        let text = match environment.read(path) {
            Ok(text) => text,
            Err(error) => return fault(format!("can't be read ({error})"), "name a TOML file that can"),
        };
        match FileFormat::Toml.parse(None, &text) {
            Ok(table) => self.add_table("", table, &origin),
            Err(error) => fault(
                format!("is no TOML ({})", in_one_line(&error.to_string())),
                "mend that line",
            ),
        }
    }

    fn add_table(&mut self, prefix: &str, table: Map<String, Value>, origin: &Origin) {
        for (name, value) in table {
            let key = format!("{prefix}{name}");
            match value.kind {
                ValueKind::Table(table) => self.add_table(&format!("{key}."), table, origin),
                kind => {
                    let text = text_of(kind);
                    let origin = origin.clone();
                    self.written.insert(key, Written { text, origin });
                }
            }
        }
    }
}

/// A list is the comma list of its members; one of tables is JSON.
fn text_of(kind: ValueKind) -> String {
    match kind {
        ValueKind::Array(members) if members.iter().any(|member| matches!(member.kind, ValueKind::Table(_))) => {
            json_of(ValueKind::Array(members)).to_string()
        }
        ValueKind::Array(members) => {
            let members = members.into_iter().map(|member| text_of(member.kind));
            members.collect::<Vec<_>>().join(",")
        }
        ValueKind::Table(_) => "{}".to_owned(),
        scalar => scalar.to_string(),
    }
}

fn json_of(kind: ValueKind) -> serde_json::Value {
    match kind {
        ValueKind::Array(members) => members.into_iter().map(|member| json_of(member.kind)).collect(),
        ValueKind::Table(fields) => fields
            .into_iter()
            .map(|(name, field)| (name, json_of(field.kind)))
            .collect(),
        ValueKind::Boolean(flag) => flag.into(),
        ValueKind::I64(number) => number.into(),
        ValueKind::Float(number) => number.into(),
        other => other.to_string().into(),
    }
}

/// The place and the reason; the parser draws the line between them.
fn in_one_line(error: &str) -> String {
    let lines: Vec<&str> = error.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.as_slice() {
        [first, .., last] => format!("{first}: {last}"),
        _ => lines.concat(),
    }
}

/// `CHATROOM_ROUTER_BATCH__LINGER_MS` is `batch.linger_ms`; of a property each `_` is a dot.
fn key_of_variable(name: &str) -> Option<String> {
    let rest = name.strip_prefix(PREFIX)?;
    if name == FILE_VARIABLE || is_service_link(rest) {
        return None;
    }
    let key = rest.replace("__", ".").to_lowercase();
    Some(match key.strip_prefix(PROPERTIES) {
        Some(property) => format!("{PROPERTIES}{}", property.replace('_', ".")),
        None => key,
    })
}

/// Kubernetes sets such variables in every pod for each service of its namespace, one called `chatroom-router` included.
fn is_service_link(rest: &str) -> bool {
    let has = |word: &str| rest == word || rest.ends_with(&format!("_{word}")) || rest.contains(&format!("{word}_"));
    let is_port = rest.split("PORT_").nth(1).is_some_and(|port| {
        let (number, protocol) = port.split_once('_').unwrap_or_default();
        number.parse::<u16>().is_ok() && ["TCP", "UDP", "SCTP"].iter().any(|known| protocol.starts_with(known))
    });
    !rest.contains("__")
        && (has("SERVICE_HOST") || has("SERVICE_PORT") || rest == "PORT" || rest.ends_with("_PORT") || is_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_names_a_key() {
        for (name, key) in [
            ("CHATROOM_ROUTER_WORKERS", Some("workers")),
            ("CHATROOM_ROUTER_BATCH__LINGER_MS", Some("batch.linger_ms")),
            (
                "CHATROOM_ROUTER_KAFKA__SECURITY__KEY_FILE",
                Some("kafka.security.key_file"),
            ),
            (
                "CHATROOM_ROUTER_KAFKA__PROPERTIES__FETCH_MAX_BYTES",
                Some("kafka.properties.fetch.max.bytes"),
            ),
            ("CHATROOM_ROUTER_CONFIG", None),
            ("CHATROOM_ROUTER_SERVICE_HOST", None),
            ("CHATROOM_ROUTER_SERVICE_PORT_HTTP", None),
            ("CHATROOM_ROUTER_PORT", None),
            ("CHATROOM_ROUTER_PORT_9464_TCP_ADDR", None),
            ("CHATROOM_ROUTER_ADMIN_PORT_9464_TCP", None),
            ("CHATROOM_ROUTER_ADMIN_SERVICE_HOST", None),
            ("CHATROOM_ROUTERS", None),
            ("HOME", None),
        ] {
            assert_eq!(key_of_variable(name).as_deref(), key, "{name}");
        }
    }
}
