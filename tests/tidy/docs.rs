//! What the documents and comments refer to exists: relative links and their anchors, paths, targets of make.

use crate::source::{files, root};
use std::fs;
use std::path::{Path, PathBuf};

/// Paths that begin so are ours.
const FOLDERS: &[&str] = &["src/", "tests/", "benches/", "schemas/", "deploy/", ".ci/"];

pub fn dead_references() -> Vec<String> {
    let documents = files(&["."], ".md").into_iter().flat_map(|path| {
        let path = path.trim_start_matches("./").to_owned();
        let text = read(&path);
        let in_line = |(number, line): (usize, &str)| {
            let faults = dead_links(&path, line).into_iter().chain(dead_names(line));
            faults
                .map(|fault| format!("{path}:{}: {fault}", number + 1))
                .collect::<Vec<_>>()
        };
        text.lines().enumerate().flat_map(in_line).collect::<Vec<_>>()
    });
    let comments = files(&["src", "tests", "benches"], ".rs").into_iter().flat_map(|path| {
        let text = read(&path);
        let comments = text
            .lines()
            .enumerate()
            .filter(|(_, line)| line.trim_start().starts_with("//"));
        let in_line = |(number, line)| {
            let faults = dead_names(line).into_iter();
            faults
                .map(|fault| format!("{path}:{}: {fault}", number + 1))
                .collect::<Vec<_>>()
        };
        comments.flat_map(in_line).collect::<Vec<_>>()
    });
    documents.chain(comments).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_default()
}

/// The targets of `[text](target)` that lead nowhere; addresses of other sites are not asked.
fn dead_links(document: &str, line: &str) -> Vec<String> {
    let targets = line
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target);
    let ours = targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:"));
    let dead = ours.filter(|target| !leads_somewhere(document, target));
    dead.map(|target| format!("the link {target} leads nowhere")).collect()
}

fn leads_somewhere(document: &str, target: &str) -> bool {
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let folder = Path::new(document).parent().unwrap_or(Path::new(""));
    let path = if file.is_empty() {
        PathBuf::from(document)
    } else {
        folder.join(file)
    };
    root().join(&path).exists() && (anchor.is_empty() || anchors(&root().join(path)).any(|known| known == anchor))
}

/// A heading's anchor, as the usual readers of Markdown make it.
fn anchors(document: &Path) -> impl Iterator<Item = String> {
    let text = fs::read_to_string(document).unwrap_or_default();
    let headings: Vec<String> = text
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    headings.into_iter().map(|heading| {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

/// Names in backticks that stand for nothing: paths of ours and targets of make.
fn dead_names(line: &str) -> Vec<String> {
    let quoted = line.split('`').skip(1).step_by(2);
    let dead = quoted.filter(|name| match name.strip_prefix("make ") {
        Some(command) => command.split(' ').next().is_some_and(|target| !is_make_target(target)),
        None => is_path_of_ours(name) && !root().join(name).exists(),
    });
    dead.map(|name| format!("`{name}` does not exist")).collect()
}

fn is_make_target(name: &str) -> bool {
    read("Makefile")
        .lines()
        .any(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(':')))
}

/// Not a pattern such as `src/*.rs` or `schemas/examples/<topic>`.
fn is_path_of_ours(name: &str) -> bool {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    plain && !name.ends_with("...") && FOLDERS.iter().any(|folder| name.starts_with(folder))
}
