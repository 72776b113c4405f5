//! `pipelines/orchestration.toml`: which environments, in which order, behind which gates.

use std::sync::Arc;
use std::time::Duration;

use camino::Utf8Path;

use super::literal::Spanned;
use super::read::{NameRule, Reader, Section};
use crate::finding::{Code, Finding, Span, suggest};

/// Tier 1, as written.
#[derive(Debug, Default)]
pub struct Orchestration {
    pub environments: Vec<Environment>,
    pub ledger: Ledger,
}

/// A listed environment and what must be so before a release may be deployed to it.
#[derive(Debug)]
pub struct Environment {
    pub name: Spanned<Arc<str>>,
    /// The environments whose success opens its gate, defaults filled in.
    pub after: Vec<Arc<str>>,
    /// How many people other than the deployer must approve.
    pub approvals: u32,
    /// How long the release must have been good in every environment of `after`.
    pub soak: Option<Duration>,
    /// HEAD must be on this branch of the ledger's remote.
    pub branch: Option<Arc<str>>,
    pub span: Span,
}

/// `[ledger]`: where deployments are recorded.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The git remote through which it is shared; none: it stays in this clone. `.` says that this is on purpose.
    pub remote: Option<Spanned<Arc<str>>>,
    /// Keep it under `refs/heads/deployments/`, for hosts that take nothing but branches.
    pub branch: bool,
}

impl Ledger {
    /// The git remote that others share; `.` is git's own name for the repository itself, which nobody else does.
    #[must_use]
    pub fn shared(&self) -> Option<&str> {
        self.remote.as_ref().map(|remote| &*remote.value).filter(|remote| *remote != ".")
    }
}

impl Orchestration {
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Environment> {
        self.environments.iter().find(|environment| &*environment.name.value == name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.environments.iter().map(|environment| &*environment.name.value)
    }
}

/// Reads the file.
pub fn read(file: &Utf8Path, text: &str, findings: &mut Vec<Finding>) -> Orchestration {
    Reader::read(file, text, findings, |top| {
        let mut environments: Vec<Environment> = Vec::new();
        for section in top.tables("environment", "an environment") {
            if let Some(environment) = environment(&section, &environments) {
                environments.push(environment);
            }
            section.finish();
        }
        if environments.is_empty() && !top.lists("environment") {
            let help = "list the environments in the order of their deployment: `[[environment]]`, `name = \"dev\"`";
            top.reader.report(Code::MissingValue, Span::default(), "the file lists no environment", help);
        }
        let ledger = top.table("ledger", "[ledger]").map(|section| ledger(&section)).unwrap_or_default();
        Orchestration { environments, ledger }
    })
}

fn environment(section: &Section<'_, '_>, before: &[Environment]) -> Option<Environment> {
    let reader = section.reader;
    let after = section.names("after");
    let approvals = section.count("approvals", 0..=100).unwrap_or(0);
    let soak = section.duration("soak");
    let branch = given_to_git(section, "branch").filter(|branch| {
        let permitted = is_branch(&branch.value);
        if !permitted {
            let message = format!("`{}` cannot be the name of a branch", branch.value);
            let help = "name one branch in full, as `git branch` does; there are no patterns";
            reader.report(Code::BadValue, branch.span, message, help);
        }
        permitted
    });
    let branch = branch.map(|branch| branch.value);
    let name = section.required_string("name")?;
    if !NameRule::Dashed.check(reader, &name.value, name.span, "an environment") {
        return None;
    }
    if let Some(other) = before.iter().find(|other| other.name.value == name.value) {
        let finding = Finding::error(
            Code::DuplicateName,
            reader.place(name.span),
            format!("environment `{}` is listed twice", name.value),
            "remove one of the two",
        );
        reader.push(finding.related(reader.place(other.name.span), "first listed here"));
        return None;
    }
    let names = before.iter().map(|other| &*other.name.value);
    let after = match after {
        None => before.last().map(|other| Arc::clone(&other.name.value)).into_iter().collect(),
        Some(after) => after
            .into_iter()
            .filter(|after| {
                let known = names.clone().any(|other| other == &*after.value);
                if !known {
                    let message = format!("no environment `{}` is listed before `{}`", after.value, name.value);
                    let help = suggest(&after.value, "environments listed before it", names.clone());
                    reader.report(Code::UnknownEnvironment, after.span, message, help);
                }
                known
            })
            .map(|after| after.value)
            .collect(),
    };
    Some(Environment { name, after, approvals, soak, branch, span: section.span })
}

/// What git is told as a name. It would take one that begins so as an option, and an option may name a program.
fn given_to_git(section: &Section<'_, '_>, key: &'static str) -> Option<Spanned<Arc<str>>> {
    let name = section.filled(key)?;
    if name.value.starts_with('-') {
        let message = format!("`{}` cannot be a {key}: git would take it as an option", name.value);
        section.reader.report(Code::BadValue, name.span, message, format!("write the name of a {key}"));
    }
    Some(name)
}

/// Whether git takes it as the name of a branch; the rules are those of git-check-ref-format.
fn is_branch(name: &str) -> bool {
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    let refused = |char: char| char.is_control() || " ~^:?*[\\".contains(char);
    name != "@"
        && !name.ends_with('.')
        && !name.contains("..")
        && !name.contains("@{")
        && !name.contains(refused)
        && name.split('/').all(part)
}

fn ledger(section: &Section<'_, '_>) -> Ledger {
    let ledger = Ledger { remote: given_to_git(section, "remote"), branch: section.boolean("branch") };
    section.finish();
    ledger
}
