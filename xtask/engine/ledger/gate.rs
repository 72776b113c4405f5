//! The gate: whether a release may be deployed to an environment, and if not, what opens it. Pure.
//!
//! It is told everything: what the ledgers say, the plan's steps, the clock. It decides nothing else than open or not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::record::{Ended, Terms};
use super::release::Release;
use super::state::{Proof, State};

/// Why a gate is closed: a code for programs, words for people that say what opens it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    pub code: &'static str,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    pub open: bool,
    pub reasons: Vec<Reason>,
    /// The events that open it.
    pub opened_by: Vec<String>,
    pub approved_by: Vec<String>,
    /// How many approvals it has and needs.
    pub approvals: (u32, u32),
    /// What it asks for: the declared terms and what a former, stronger gate asked for beyond them.
    pub terms: Terms,
}

/// What is known of another environment's ledger.
#[derive(Debug, Clone, Copy)]
pub enum Seen<'a> {
    Never,
    Known(&'a State),
    Rewritten,
}

/// Whether HEAD is on a branch of the ledger's remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Branch {
    On,
    Off,
    /// Nobody can tell, and why.
    Unknown(String),
}

#[derive(Debug)]
pub struct Question<'a> {
    pub environment: &'a str,
    /// A personal environment has no gate.
    pub personal: bool,
    pub declared: &'a Terms,
    /// HEAD's orchestration.toml gives the environment an `after`, whatever the working tree's says.
    pub after_in_head: bool,
    /// The environment's own ledger.
    pub own: Option<&'a State>,
    pub others: &'a BTreeMap<String, Seen<'a>>,
    pub release: &'a Release,
    /// The digest of the plan.
    pub plan: &'a str,
    /// The ids of the plan's steps, without those switched off.
    pub steps: &'a BTreeSet<String>,
    /// Those accepted as running here and nowhere before.
    pub first_run: &'a BTreeSet<String>,
    /// Who deploys: does not count as an approver.
    pub by: &'a str,
    pub branches: &'a BTreeMap<String, Branch>,
    pub now: SystemTime,
}

/// Answers the question. Without `after`, approvals and branch, and with a clean tree, every gate is open.
#[must_use]
pub fn gate(question: &Question) -> Gate {
    if question.personal {
        return Gate {
            open: true,
            reasons: Vec::new(),
            opened_by: Vec::new(),
            approved_by: Vec::new(),
            approvals: (0, 0),
            terms: Terms::default(),
        };
    }
    let former = question.own.and_then(|own| own.gate.as_ref());
    let terms = former.map_or_else(|| question.declared.clone(), |former| stronger(question.declared, former));
    let mut answer = under(question, &terms);
    if terms != *question.declared && under(question, question.declared).reasons != answer.reasons {
        answer.reasons.push(Reason {
            code: "weakened",
            text: format!(
                "orchestration.toml asks for less than the last deployment to {0} passed, so the old gate counts; pass it once with \
                 `cargo xtask deploy {0} --force --reason …`",
                question.environment
            ),
        });
    }
    answer
}

/// What is deployed by one who looks at the release only.
#[must_use]
pub fn outside(file: &str) -> String {
    format!(
        "{file} is deployed, and is not in the commit: git ignores it, does not look at it (`git ls-files -v`), or a \
         link leads out of the repository; commit it (`git add --force`), or let a step make it below `${{work}}`"
    )
}

/// Everything that either of the two asks for.
fn stronger(declared: &Terms, former: &Terms) -> Terms {
    let both = |own: &[String], other: &[String]| {
        let more = other.iter().filter(|name| !own.contains(name));
        own.iter().chain(more).cloned().collect()
    };
    Terms {
        after: both(&declared.after, &former.after),
        approvals: declared.approvals.max(former.approvals),
        soak_s: declared.soak_s.max(former.soak_s),
        branches: both(&declared.branches, &former.branches),
    }
}

fn under(question: &Question, terms: &Terms) -> Gate {
    let mut reasons = Vec::new();
    let mut opened_by = Vec::new();
    let gated = !terms.after.is_empty() || terms.approvals > 0 || !terms.branches.is_empty();
    if question.release.dirty && (gated || question.after_in_head) {
        reasons.push(Reason {
            code: "dirty",
            text: match &question.release.outside {
                None => "the working tree has changes that are not committed; commit or stash them".to_owned(),
                Some(file) => outside(file),
            },
        });
    }
    let mut proved = BTreeSet::new();
    let before = reasons.len();
    for name in &terms.after {
        match good(question, name, terms) {
            Ok((state, proof)) => {
                opened_by.push(proof.event.clone());
                proved.extend(state.sets.get(&proof.set).into_iter().flatten());
            }
            Err(reason) => reasons.push(reason),
        }
    }
    // Only once all are good does it make sense to say which steps none of them has run.
    if reasons.len() == before && !terms.after.is_empty() {
        reasons.extend(never_run(question, terms, &proved));
    }
    let (approvals, approved_by) = approvals(question, terms, &mut opened_by, &mut reasons);
    for branch in &terms.branches {
        let text = match question.branches.get(branch) {
            Some(Branch::On) => continue,
            Some(Branch::Unknown(why)) => format!("whether this commit is on {branch} cannot be told: {why}"),
            Some(Branch::Off) | None => {
                format!("this commit is not on {branch} of the ledger's remote; merge and push it there")
            }
        };
        reasons.push(Reason { code: "not-on-branch", text });
    }
    Gate {
        open: reasons.is_empty(),
        reasons,
        opened_by,
        approved_by,
        approvals: (approvals, terms.approvals),
        terms: terms.clone(),
    }
}

/// The proof that the release is good in another environment, or why there is none.
fn good<'a>(question: &Question<'a>, name: &str, terms: &Terms) -> Result<(&'a State, &'a Proof), Reason> {
    let reason = |code, text: String| Err(Reason { code, text });
    let short = &question.release.display;
    let again = format!("`cargo xtask deploy {name}`");
    let state = match question.others.get(name) {
        Some(Seen::Known(state)) => *state,
        Some(Seen::Rewritten) => {
            return reason(
                "rewritten",
                format!(
                    "the ledger of {name} was rewritten or deleted; look at it, then `cargo xtask unlock {name} --accept-ledger --reason …`"
                ),
            );
        }
        Some(Seen::Never) | None => {
            return reason("not-deployed", format!("nothing was ever deployed to {name}; {again}"));
        }
    };
    if let Some(newer) = &state.newer {
        return reason(
            "newer-ledger",
            format!("the ledger of {name} has {newer}, which this ciao is too old for; bring it up to date"),
        );
    }
    let Some(proof) = state.proof(&question.release.id) else {
        return reason("not-deployed", format!("release {short} was not deployed to {name}; {again}"));
    };
    if let Some((code, text)) = not_proved(proof, name) {
        return reason(code, text);
    }
    if let Some(step) = state.owed.first() {
        return reason(
            "owed",
            format!(
                "{name} still owes the work that {step} left (finally); {again}, or `cargo xtask settle {name} {step} --reason …`"
            ),
        );
    }
    let soak = Duration::from_secs(terms.soak_s);
    let since = proof.good_since.as_deref().and_then(|at| humantime::parse_rfc3339(at).ok());
    let passed = since.map_or(Duration::ZERO, |since| question.now.duration_since(since).unwrap_or_default());
    if passed < soak {
        // By this clock it may have been in the future.
        let ahead = since.and_then(|since| since.duration_since(question.now).ok()).unwrap_or_default();
        let rest = (soak - passed).saturating_add(ahead).as_secs().max(1);
        let [rest, soak] = [rest, soak.as_secs()].map(|time| humantime::format_duration(Duration::from_secs(time)));
        let why = if ahead.is_zero() { "" } else { ", since that was in the future: look at the clocks" };
        return reason("soaking", format!("it must have been good in {name} for {soak}; wait another {rest}{why}"));
    }
    Ok((state, proof))
}

/// Why a deployment proves nothing, and what would.
fn not_proved(proof: &Proof, name: &str) -> Option<(&'static str, String)> {
    let again = format!("`cargo xtask deploy {name}`");
    Some(match proof.outcome {
        None => {
            ("running", format!("its deployment to {name} has not ended; wait for it, or `cargo xtask resume {name}`"))
        }
        Some(Ended::Failed | Ended::Interrupted) => {
            ("failed", format!("its last deployment to {name} did not succeed; `cargo xtask resume {name}` or {again}"))
        }
        Some(Ended::Succeeded) if proof.dirty => {
            ("dirty", format!("it was deployed to {name} with uncommitted changes; {again} from a clean tree"))
        }
        Some(Ended::Succeeded) if !proof.complete => {
            ("partial", format!("its last deployment to {name} was partial (--only); {again}"))
        }
        Some(Ended::Succeeded) if proof.forced => {
            ("forced", format!("its last deployment to {name} was forced; {again} without --force"))
        }
        Some(Ended::Succeeded) if !proof.skipped.is_empty() => {
            ("skipped-steps", format!("{} skipped by hand in {name}; {again}", were(&proof.skipped)))
        }
        Some(Ended::Succeeded) if !proof.verified => {
            ("unverified", format!("the verify steps did not all pass in {name}; {again}"))
        }
        Some(Ended::Succeeded) => return None,
    })
}

fn were(steps: &[String]) -> String {
    format!("{} {}", steps.join(", "), if steps.len() == 1 { "was" } else { "were" })
}

/// The id of a step without its instances: `web[eu-west]/install` and `web/install[a]` are `web/install`.
fn declared(step: &str) -> String {
    let mut inside = false;
    step.chars()
        .filter(|char| {
            let kept = !inside && *char != '[';
            inside = (inside || *char == '[') && *char != ']';
            kept
        })
        .collect()
}

fn never_run(question: &Question, terms: &Terms, proved: &BTreeSet<&String>) -> Option<Reason> {
    // Instances count as one: an environment with one more region runs no other step.
    let proved: BTreeSet<String> = proved.iter().map(|step| declared(step)).collect();
    let missing: Vec<&str> = question
        .steps
        .iter()
        .filter(|step| !proved.contains(&declared(step)) && !question.first_run.contains(*step))
        .map(String::as_str)
        .collect();
    let first = missing.first()?;
    let more = if missing.len() > 1 { format!(" and {} more", missing.len() - 1) } else { String::new() };
    let text = format!(
        "{first}{more} never ran in {}; let it run there, or accept `first-run-in` for it in environment.toml",
        terms.after.join(" or ")
    );
    Some(Reason { code: "never-run", text })
}

fn approvals(
    question: &Question,
    terms: &Terms,
    opened_by: &mut Vec<String>,
    reasons: &mut Vec<Reason>,
) -> (u32, Vec<String>) {
    let mut people: BTreeMap<String, &str> = BTreeMap::new();
    let given = question.own.into_iter().flat_map(|own| &own.approvals);
    for approval in given.filter(|approval| approval.release == question.release.id && approval.plan == question.plan) {
        if person(&approval.by) != person(question.by)
            && people.insert(person(&approval.by), &approval.by).is_none()
            && terms.approvals > 0
        {
            opened_by.push(approval.event.clone());
        }
    }
    let have = u32::try_from(people.len()).unwrap_or(u32::MAX);
    if have < terms.approvals {
        let text = format!(
            "{have} of {} approvals of this release and plan by others than {}; `cargo xtask approve {}`",
            terms.approvals, question.by, question.environment
        );
        reasons.push(Reason { code: "approvals", text });
    }
    (have, people.into_values().map(str::to_owned).collect())
}

/// Two spellings of a name with one address are one person.
fn person(by: &str) -> String {
    let address = by.rsplit_once('<').map_or(by, |(_, rest)| rest.trim_end_matches('>'));
    address.trim().to_lowercase()
}

#[cfg(test)]
mod declared_tests {
    #[test]
    fn instances_count_as_one() {
        for (step, expected) in
            [("web/install", "web/install"), ("web[eu.w]/install", "web/install"), ("web[a]/go[b-1]", "web/go")]
        {
            assert_eq!(super::declared(step), expected);
        }
    }
}
