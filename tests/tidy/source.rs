//! Reads Rust source well enough for the house rules: what is code, what is prose, what is test, where a function
//! ends. Not a parser: it knows literals, comments and braces, nothing else.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Which part of a file a rule looks at.
#[derive(Clone, Copy)]
pub enum Part {
    /// All code; never comments or the insides of literals.
    Everything,
    /// The code that ships: all but items under `#[cfg(test)]`.
    Production,
    /// The code that doesn't.
    Tests,
    /// The text as it stands, comments and literals too.
    Prose,
}

#[derive(Clone, Copy)]
pub enum Pattern {
    /// A library's name at the start of a path; not a module of ours by the same name (`crate::index::redis`).
    Crate(&'static str),
    /// These characters, not as a part of a longer name.
    Text(&'static str),
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Crate(name) | Pattern::Text(name) => write!(f, "`{name}`"),
        }
    }
}

pub struct Source {
    /// Relative to the root, with `/`.
    pub path: String,
    pub text: String,
    code: String,
    production: String,
}

pub struct Function {
    pub name: String,
    pub line: usize,
    pub lines: usize,
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files under these folders and with this ending, sorted; hidden ones and what is built are left out.
pub fn files(folders: &[&str], ending: &str) -> Vec<String> {
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut found = Vec::new();
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() {
                if !name.starts_with('.') && name != "target" {
                    waiting.push(entry.path());
                }
            } else if name.ends_with(ending) {
                let path = entry.path();
                let relative = path.strip_prefix(root()).expect("found under the root");
                found.push(relative.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    found.sort();
    found
}

impl Source {
    pub fn all() -> Vec<Source> {
        let paths = files(&["src", "tests", "benches"], ".rs");
        let read = |path: String| Source::new(&path, &fs::read_to_string(root().join(&path)).expect("readable"));
        paths.into_iter().map(read).collect()
    }

    pub fn new(path: &str, text: &str) -> Source {
        let code = code_only(text);
        let is_test_file = !path.starts_with("src/") || path.ends_with("/tests.rs") || path.contains("/tests/");
        let production = if is_test_file {
            blank(&code)
        } else {
            without_test_items(&code)
        };
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
            production,
        }
    }

    /// Is it one of these files, or in one of these folders?
    pub fn is_under(&self, places: &[&str]) -> bool {
        places.iter().any(|place| {
            self.path
                .strip_prefix(place)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    pub fn line_count(&self) -> usize {
        self.text.lines().count()
    }

    pub fn lines_with(&self, part: Part, pattern: Pattern) -> Vec<usize> {
        let text = match part {
            Part::Prose => &self.text,
            Part::Everything | Part::Tests => &self.code,
            Part::Production => &self.production,
        };
        let places = occurrences(text, pattern).into_iter();
        let tests_only = matches!(part, Part::Tests);
        let places = places.filter(|&at| !tests_only || self.production.as_bytes()[at] == b' ');
        places.map(|at| line_of(text, at)).collect()
    }

    pub fn functions(&self) -> Vec<Function> {
        occurrences(&self.code, Pattern::Text("fn"))
            .into_iter()
            .filter_map(|at| self.function_at(at))
            .collect()
    }

    /// The function whose `fn` stands here; nothing for a type (`fn(u8)`) or a signature without a body.
    fn function_at(&self, at: usize) -> Option<Function> {
        let after = self.code[at + 2..].strip_prefix(' ')?;
        let name: String = after.chars().take_while(|&c| is_name(c)).collect();
        let open = at + body_or_semicolon(&self.code[at..]).filter(|&(_, c)| c == '{')?.0;
        let line = line_of(&self.code, at);
        let lines = line_of(&self.code, closing_brace(&self.code, open)) - line + 1;
        (!name.is_empty()).then_some(Function { name, line, lines })
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

fn occurrences(text: &str, pattern: Pattern) -> Vec<usize> {
    let (Pattern::Crate(name) | Pattern::Text(name)) = pattern;
    let alone = |&at: &usize| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        let joined_before = name.starts_with(is_name) && before.ends_with(is_name);
        let joined_after = name.ends_with(is_name) && after.starts_with(is_name);
        let is_path = match pattern {
            Pattern::Text(_) => true,
            Pattern::Crate(_) => begins_a_path(before) && (after.starts_with("::") || before.ends_with("use ")),
        };
        !joined_before && !joined_after && is_path
    };
    text.match_indices(name).map(|(at, _)| at).filter(alone).collect()
}

/// Whether what follows is the first name of its path: `redis`, `::redis`, but not `index::redis`.
fn begins_a_path(before: &str) -> bool {
    before.strip_suffix("::").is_none_or(|path| !path.ends_with(is_name))
}

/// The first `{` or `;` outside parentheses and brackets, and which.
fn body_or_semicolon(code: &str) -> Option<(usize, char)> {
    let mut depth = 0;
    code.char_indices().find(|&(_, c)| {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            _ => {}
        }
        depth == 0 && matches!(c, '{' | ';')
    })
}

/// Where the block opened here ends; the end of the text if it doesn't.
fn closing_brace(code: &str, open: usize) -> usize {
    let mut depth = 0;
    let closing = code[open..].char_indices().find(|&(_, c)| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    closing.map_or(code.len() - 1, |(at, _)| open + at)
}

fn without_test_items(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        let after = at + MARK.len();
        let end = match body_or_semicolon(&rest[after..]) {
            Some((open, '{')) => closing_brace(rest, after + open) + 1,
            Some((semicolon, _)) => after + semicolon + 1,
            None => rest.len(),
        };
        kept.push_str(&rest[..at]);
        kept.push_str(&blank(&rest[at..end]));
        rest = &rest[end..];
    }
    kept + rest
}

/// The text with comments and literals blanked; of the same length in bytes, and the same lines.
fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let in_a_name = code.ends_with(is_name);
        let opaque = if in_a_name { None } else { raw_string_length(rest) };
        match opaque.or_else(|| comment_length(rest)).or_else(|| literal_length(rest)) {
            Some(length) => {
                code.push_str(&blank(&rest[..length]));
                rest = &rest[length..];
            }
            None => {
                code.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    code
}

/// As many bytes, all spaces but for the ends of lines.
fn blank(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte == b'\n' { '\n' } else { ' ' })
        .collect()
}

fn comment_length(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if !text.starts_with("/*") {
        return None;
    }
    let mut depth = 0;
    let bytes = text.as_bytes();
    let mut at = 0;
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return Some(at);
        }
    }
    Some(text.len())
}

fn raw_string_length(text: &str) -> Option<usize> {
    let after_prefix = text.trim_start_matches(['b', 'c']).strip_prefix('r')?;
    let hashes = after_prefix.len() - after_prefix.trim_start_matches('#').len();
    let inside = after_prefix[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let start = text.len() - inside.len();
    Some(inside.find(&end).map_or(text.len(), |at| start + at + end.len()))
}

fn literal_length(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('"');
    let Some(inside) = inside else { return char_length(text) };
    let mut escaped = false;
    let end = inside.char_indices().find(|&(_, c)| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    Some(end.map_or(text.len(), |(at, _)| at + 2))
}

/// The length of a character literal; none for a lifetime.
fn char_length(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('\'')?;
    let mut chars = inside.chars();
    let first = chars.next()?;
    if first == '\\' {
        // The escaped character may itself be a quote.
        return Some(inside[2..].find('\'')? + 4);
    }
    (chars.next()? == '\'').then(|| first.len_utf8() + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str, part: Part, pattern: Pattern) -> Vec<usize> {
        Source::new(path, text).lines_with(part, pattern)
    }

    #[test]
    fn libraries_are_found_at_the_start_of_a_path() {
        let found = |text| !lines("src/a.rs", text, Part::Everything, Pattern::Crate("redis")).is_empty();
        for text in [
            "use redis::Client;",
            "use redis;",
            "let c = ::redis::cmd();",
            "use {redis::aio};",
        ] {
            assert!(found(text), "{text}");
        }
        for text in [
            "use crate::index::redis::Redis;",
            "mod redis;",
            "// redis::Client",
            "\"redis::\"",
            "my_redis::x()",
        ] {
            assert!(!found(text), "{text}");
        }
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        let text = r###"
a /* x /* x */ x */ b // x
c "x \" x" d '"' e '\'' f<'x> r#"x " x"# g b"x" 'é' h
"###;
        let code = code_only(text);
        assert_eq!(code.len(), text.len());
        assert_eq!(code.replace(char::is_whitespace, ""), "abcdef<'x>gbh");
    }

    #[test]
    fn items_under_test_do_not_ship() {
        let text =
            "fn a() { x.unwrap() }\n#[cfg(test)]\nmod tests {\n fn b() { y.unwrap() }\n}\nfn c() { z.unwrap() }\n";
        let unwrap = Pattern::Text(".unwrap()");
        assert_eq!(lines("src/a.rs", text, Part::Production, unwrap), [1, 6]);
        assert_eq!(lines("src/a.rs", text, Part::Tests, unwrap), [4]);
        assert_eq!(lines("tests/a.rs", text, Part::Tests, unwrap), [1, 4, 6]);
        assert_eq!(lines("src/a/tests.rs", text, Part::Production, unwrap), []);
    }

    #[test]
    fn functions_are_measured_from_signature_to_brace() {
        let text = "trait T {\n fn none(x: [u8; 2]);\n}\nfn two(f: fn(u8)) {\n}\nfn four()\nwhere\n X: Y {\n}\n";
        let measured: Vec<_> = Source::new("src/a.rs", text)
            .functions()
            .into_iter()
            .map(|f| (f.name, f.lines))
            .collect();
        assert_eq!(measured, [("two".to_owned(), 2), ("four".to_owned(), 4)]);
    }
}
