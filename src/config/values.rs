//! The value of every setting: what is written, else the default, held against its kind. Gathers all faults.

use super::environment::Environment;
use super::fault::{Fault, Origin};
use super::knob::{Kind, Knob, Preset};
use super::knobs;
use super::layers::{Layers, Written};
use super::tokens;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const PROPERTIES: &str = "kafka.properties.";

/// A setting and its value.
pub struct Setting {
    pub(super) knob: &'static Knob,
    /// The knob's, or the property's own.
    pub key: String,
    pub origin: Origin,
    /// None: neither written nor a default of its own.
    value: Option<SecretString>,
}

/// The settings that hold, and what was wrong with those that were written.
pub struct Values {
    pub settings: Vec<Setting>,
    pub faults: Vec<Fault>,
}

impl Setting {
    /// The value as it may be shown.
    pub fn shown(&self) -> String {
        let Some(value) = self.text() else {
            return self.default_shown();
        };
        match self.knob.kind {
            Kind::Secret(_) => "(redacted)".to_owned(),
            Kind::Url(_) => without_password(value),
            Kind::Tokens => tokens::shown(value),
            Kind::Properties if is_secret_property(&self.key) => "(redacted)".to_owned(),
            _ => value.to_owned(),
        }
    }

    /// What it does, and what else must move with it.
    pub fn why(&self) -> &'static str {
        self.knob.why
    }

    /// What holds where nothing is written.
    pub fn default_shown(&self) -> String {
        match self.knob.default {
            Preset::Is(text) => text.to_owned(),
            Preset::Derived(words, _) => format!("({words})"),
        }
    }

    fn text(&self) -> Option<&str> {
        self.value.as_ref().map(ExposeSecret::expose_secret)
    }
}

fn is_secret_property(key: &str) -> bool {
    ["password", "secret", "pem", "key", "oauthbearer", "token"]
        .iter()
        .any(|word| key.contains(word))
}

/// Each `user:password@` without the password.
fn without_password(url: &str) -> String {
    let parts = url.split(',').map(|part| {
        let (scheme, rest) = part
            .split_once("://")
            .map_or(("", part), |(scheme, rest)| (scheme, rest));
        let separator = if scheme.is_empty() { "" } else { "://" };
        match rest.rsplit_once('@') {
            Some((login, host)) if login.contains(':') => {
                let user = login.split(':').next().unwrap_or_default();
                format!("{scheme}{separator}{user}:(redacted)@{host}")
            }
            _ => part.to_owned(),
        }
    });
    parts.collect::<Vec<_>>().join(",")
}

impl Values {
    pub fn read(environment: &dyn Environment, file: Option<&Path>) -> Self {
        let Layers { mut written, faults } = Layers::read(environment, file);
        let mut values = Self {
            settings: Vec::new(),
            faults,
        };
        for knob in knobs::all() {
            if let Kind::Properties = knob.kind {
                values.take_properties(knob, &mut written);
                continue;
            }
            let taken = taken(knob, &mut written, environment).and_then(|written| fitting(knob, written));
            let (text, origin) = match taken {
                Ok(Some(Written { text, origin })) => (Some(text), origin),
                Ok(None) => (preset(knob), Origin::Default),
                Err(fault) => {
                    values.faults.push(fault);
                    (preset(knob), Origin::Default)
                }
            };
            values.settings.push(Setting {
                knob,
                key: knob.key.to_owned(),
                origin,
                value: text.map(SecretString::from),
            });
        }
        let unknown = written.into_iter().map(|(key, written)| unknown(key, written.origin));
        values.faults.extend(unknown);
        values
    }

    fn take_properties(&mut self, knob: &'static Knob, written: &mut BTreeMap<String, Written>) {
        let keys: Vec<String> = written
            .keys()
            .filter(|key| key.starts_with(PROPERTIES))
            .cloned()
            .collect();
        for key in keys {
            let Some(Written { text, origin }) = written.remove(&key) else {
                continue;
            };
            let value = Some(SecretString::from(text));
            self.settings.push(Setting {
                knob,
                key,
                origin,
                value,
            });
        }
    }

    /// The properties by their own names.
    pub fn properties(&self) -> BTreeMap<String, SecretString> {
        let named = self.settings.iter().filter_map(|setting| {
            let name = setting.key.strip_prefix(PROPERTIES)?;
            Some((name.to_owned(), setting.value.clone()?))
        });
        named.collect()
    }

    /// None where neither written nor a default of its own.
    pub fn secret(&mut self, key: &str) -> Option<SecretString> {
        self.setting(key)?.value.clone()
    }

    pub fn text_if_any(&mut self, key: &str) -> Option<String> {
        self.secret(key).map(|value| value.expose_secret().to_owned())
    }

    pub fn text(&mut self, key: &str) -> String {
        self.text_if_any(key).unwrap_or_default()
    }

    pub fn number_if_any(&mut self, key: &str) -> Option<u64> {
        // What was written is a number, or it was a fault and the default took its place.
        self.text_if_any(key).and_then(|text| text.parse().ok())
    }

    pub fn number(&mut self, key: &str) -> u64 {
        self.number_if_any(key).unwrap_or_default()
    }

    pub fn count(&mut self, key: &str) -> usize {
        usize::try_from(self.number(key)).unwrap_or(usize::MAX)
    }

    pub fn flag(&mut self, key: &str) -> bool {
        self.text(key) == "true"
    }

    pub fn millis(&mut self, key: &str) -> Duration {
        Duration::from_millis(self.number(key))
    }

    pub fn seconds(&mut self, key: &str) -> Duration {
        Duration::from_secs(self.number(key))
    }

    /// The value that follows from elsewhere, where none is written.
    pub fn derive(&mut self, key: &str, text: impl FnOnce() -> String) {
        if let Some(setting) = self.settings.iter_mut().find(|setting| setting.key == key) {
            setting.value.get_or_insert_with(|| SecretString::from(text()));
        }
    }

    pub fn is_written(&self, key: &str) -> bool {
        self.origin(key) != Origin::Default
    }

    pub fn origin(&self, key: &str) -> Origin {
        let setting = self.settings.iter().find(|setting| setting.key == key);
        setting.map_or(Origin::Default, |setting| setting.origin.clone())
    }

    /// A fault of one key that shows only beside the others.
    pub fn fault(&mut self, key: &str, what: impl Into<String>, instead: impl Into<String>) {
        self.faults.push(Fault {
            key: key.to_owned(),
            origin: self.origin(key),
            what: what.into(),
            instead: instead.into(),
        });
    }

    pub fn is_faulty(&self, key: &str) -> bool {
        let names_it = |fault: &Fault| fault.key == key || fault.key.strip_suffix("_file") == Some(key);
        self.faults.iter().any(names_it)
    }

    fn setting(&mut self, key: &str) -> Option<&Setting> {
        let at = self.settings.iter().position(|setting| setting.key == key);
        if at.is_none() {
            // Every load with defaults would show it, so the tests do.
            self.fault(key, "is read and stands in no table", "report it, the fault is ours");
        }
        at.map(|at| &self.settings[at])
    }
}

fn preset(knob: &Knob) -> Option<String> {
    match knob.default {
        Preset::Is(text) => Some(text.to_owned()),
        Preset::Derived(..) => None,
    }
}

fn unknown(key: String, origin: Origin) -> Fault {
    let section = key.rsplit_once('.').map_or("", |(section, _)| section);
    let mates: Vec<&str> = knobs::all()
        .filter_map(|knob| match knob.key.rsplit_once('.') {
            Some((of, name)) if of == section => Some(name),
            None if section.is_empty() => Some(knob.key),
            _ => None,
        })
        .collect();
    let instead = match (section, mates.as_slice()) {
        (_, []) => "leave it out; `chatroom-router config show` lists all settings".to_owned(),
        ("", mates) => format!(
            "leave it out, or put it into its section; outside of all stands {}",
            mates.join(", ")
        ),
        (section, mates) => format!("leave it out; {section} knows {}", mates.join(", ")),
    };
    Fault {
        key,
        origin,
        what: "is no setting".to_owned(),
        instead,
    }
}

/// What is written for this knob, itself or in the file that `<key>_file` names: the higher layer's.
fn taken(
    knob: &Knob,
    written: &mut BTreeMap<String, Written>,
    environment: &dyn Environment,
) -> Result<Option<Written>, Fault> {
    let direct = written.remove(knob.key);
    if let (Kind::File, Some(named)) = (knob.kind, &direct) {
        content(knob.key, named, environment)?;
    }
    if !knob.kind.may_come_from_file() {
        return Ok(direct);
    }
    let file_key = format!("{}_file", knob.key);
    let direct = direct.filter(|direct| !direct.text.is_empty());
    let named = written.remove(&file_key).filter(|named| !named.text.is_empty());
    let is_above = |written: &Written| matches!(written.origin, Origin::Variable(_));
    match (direct, named) {
        (direct, None) => Ok(direct),
        (Some(direct), Some(named)) if is_above(&direct) && !is_above(&named) => Ok(Some(direct)),
        (Some(direct), Some(named)) if is_above(&direct) == is_above(&named) => Err(Fault {
            key: knob.key.to_owned(),
            origin: direct.origin,
            what: format!("is set beside {file_key}"),
            instead: "keep one of the two".to_owned(),
        }),
        (_, Some(named)) => {
            let text = content(&file_key, &named, environment)?;
            let text = text.trim_end_matches(['\r', '\n']).to_owned();
            Ok(Some(Written { text, ..named }))
        }
    }
}

/// The content of the file that is named; an empty name is none.
fn content(key: &str, named: &Written, environment: &dyn Environment) -> Result<String, Fault> {
    if named.text.is_empty() {
        return Ok(String::new());
    }
    environment.read(Path::new(&named.text)).map_err(|error| Fault {
        key: key.to_owned(),
        origin: named.origin.clone(),
        what: format!("names {}, which can't be read ({error})", named.text),
        instead: "name a file that can".to_owned(),
    })
}

/// The text held against the knob's kind. An empty one, where there is no default of its own, is none.
fn fitting(knob: &Knob, written: Option<Written>) -> Result<Option<Written>, Fault> {
    let Some(written) = written else { return Ok(None) };
    let text = match knob.kind {
        // Its spaces may be meant.
        Kind::Secret(_) => written.text.as_str(),
        _ => written.text.trim(),
    };
    if text.is_empty() && matches!(knob.default, Preset::Derived(..)) {
        return Ok(None);
    }
    let Err(instead) = fits(knob.kind, text) else {
        let text = text.to_owned();
        return Ok(Some(Written { text, ..written }));
    };
    let may_be_told = !knob.kind.may_come_from_file();
    Err(Fault {
        key: knob.key.to_owned(),
        what: if may_be_told {
            format!("can't be {text:?}")
        } else {
            "is not of the shape that it needs".to_owned()
        },
        origin: written.origin,
        instead: format!("write {instead}"),
    })
}

/// Else what to write.
fn fits(kind: Kind, text: &str) -> Result<(), String> {
    match kind {
        Kind::Number(least, most) => match text.parse::<u64>() {
            Ok(number) if (least..=most).contains(&number) => Ok(()),
            _ if least == most => Err(least.to_string()),
            _ => Err(format!("a whole number from {least} to {most}")),
        },
        Kind::Flag if ["true", "false"].contains(&text) => Ok(()),
        Kind::Flag => Err("true or false".to_owned()),
        Kind::Choice(choices) if choices.contains(&text) => Ok(()),
        Kind::Choice(choices) => Err(choices.join(" or ")),
        Kind::Text(shape) | Kind::Secret(shape) | Kind::Url(shape) => shape(text).map_err(str::to_owned),
        Kind::Tokens => tokens::parse(text).map(|_| ()),
        Kind::File | Kind::Properties => Ok(()),
    }
}
