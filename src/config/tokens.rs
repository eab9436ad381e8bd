//! `api.tokens`: who may use the API, for which orgs and for what. No token stands here, only the SHA-256 of each.

use crate::domain::ids::OrgId;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::Arc;

/// One token, by the name that the operator gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub name: Arc<str>,
    pub sha256: [u8; 32],
    pub orgs: Orgs,
    pub reads: bool,
    pub writes: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Orgs {
    All,
    These(BTreeSet<OrgId>),
}

impl Orgs {
    #[must_use]
    pub fn contain(&self, org: &OrgId) -> bool {
        match self {
            Self::All => true,
            Self::These(orgs) => orgs.contains(org),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    sha256: String,
    orgs: WrittenOrgs,
    scopes: Vec<Scope>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenOrgs {
    One(String),
    These(Vec<String>),
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Scope {
    Read,
    Write,
}

/// Reads a JSON list, which is what both layers make of it. Err: what to write instead.
pub fn parse(text: &str) -> Result<Vec<Token>, String> {
    let shape = |error: serde_json::Error| {
        let example = r#"[{"name":"crm","sha256":"<64 hex digits>","orgs":["acme"],"scopes":["read","write"]}]"#;
        format!("a list such as {example}; in this one: {error}")
    };
    let written: Vec<Written> = serde_json::from_str(text).map_err(shape)?;
    let mut tokens: Vec<Token> = Vec::with_capacity(written.len());
    for token in written {
        let token = checked(token)?;
        if tokens.iter().any(|known| known.name == token.name) {
            return Err(format!("each name once, not {:?} twice", token.name));
        }
        if tokens.iter().any(|known| known.sha256 == token.sha256) {
            return Err(format!(
                "another sha256 for {:?}: another token has the same",
                token.name
            ));
        }
        tokens.push(token);
    }
    Ok(tokens)
}

fn checked(written: Written) -> Result<Token, String> {
    let name = written.name;
    super::shape::name(&name).map_err(|shape| format!("{shape} as the name of each token"))?;
    let sha256 = hex(&written.sha256)
        .ok_or_else(|| format!("as the sha256 of {name:?} its 64 hex digits: printf %s \"$TOKEN\" | sha256sum"))?;
    let orgs = match written.orgs {
        WrittenOrgs::One(all) if all == "*" => Orgs::All,
        WrittenOrgs::One(one) => Orgs::These(BTreeSet::from([org(&name, &one)?])),
        WrittenOrgs::These(orgs) => Orgs::These(orgs.iter().map(|one| org(&name, one)).collect::<Result<_, _>>()?),
    };
    Ok(Token {
        orgs,
        sha256,
        reads: written.scopes.contains(&Scope::Read),
        writes: written.scopes.contains(&Scope::Write),
        name: Arc::from(name),
    })
}

fn org(token: &str, text: &str) -> Result<OrgId, String> {
    if text == "*" {
        return Err(format!("orgs = \"*\" for all orgs of {token:?}, not in a list"));
    }
    OrgId::parse(text).map_err(|fault| format!("\"*\" or the ids of orgs as those of {token:?}: {text:?} {fault}"))
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// The names alone: what else there is to know stands where they were written.
#[must_use]
pub fn shown(text: &str) -> String {
    let tokens = parse(text).unwrap_or_default();
    let names: Vec<&str> = tokens.iter().map(|token| &*token.name).collect();
    format!("(redacted: {})", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    fn written(name: &str, hash: &str, orgs: &str, scopes: &str) -> String {
        format!(r#"{{"name":"{name}","sha256":"{hash}","orgs":{orgs},"scopes":{scopes}}}"#)
    }

    #[test]
    fn a_token_is_its_name_its_hash_its_orgs_and_its_scopes() {
        let text = format!("[{}]", written("crm", HASH, r#"["acme","umbrella"]"#, r#"["read"]"#));
        let tokens = parse(&text).unwrap();
        let (acme, other) = (OrgId::parse("acme").unwrap(), OrgId::parse("other").unwrap());
        assert_eq!(
            (&*tokens[0].name, tokens[0].sha256[0], tokens[0].sha256[31]),
            ("crm", 0x9f, 0x08)
        );
        assert!(tokens[0].orgs.contain(&acme) && !tokens[0].orgs.contain(&other));
        assert!(tokens[0].reads && !tokens[0].writes);
        let all = parse(&format!("[{}]", written("ops", HASH, r#""*""#, r#"["write"]"#))).unwrap();
        assert!(all[0].orgs.contain(&other));
        assert_eq!(shown(&text), "(redacted: crm)");
    }

    #[test]
    fn what_is_no_token_is_told_with_what_to_write() {
        let crm = written("crm", HASH, r#""*""#, "[]");
        let again = written("other", HASH, r#""*""#, "[]");
        for (text, part) in [
            ("crm".to_owned(), "a list such as"),
            (
                format!("[{}]", written("", HASH, r#""*""#, "[]")),
                "as the name of each token",
            ),
            (
                format!("[{}]", written("crm", "secret", r#""*""#, "[]")),
                "64 hex digits",
            ),
            (format!("[{}]", written("crm", HASH, r#"["a:b"]"#, "[]")), "holds a ':'"),
            (format!("[{}]", written("crm", HASH, r#"["*"]"#, "[]")), "not in a list"),
            (
                format!("[{}]", written("crm", HASH, r#""*""#, r#"["admin"]"#)),
                "unknown variant",
            ),
            (format!("[{crm},{crm}]"), "each name once"),
            (format!("[{crm},{again}]"), "another token has the same"),
        ] {
            let told = parse(&text).unwrap_err();
            assert!(told.contains(part), "{told}");
            assert!(!told.contains("secret"), "{told}");
        }
    }
}
