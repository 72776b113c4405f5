//! `[[accept]]`: findings that are meant to be so, each with a reason.

use std::sync::Arc;

use camino::Utf8Path;

use ciao_declare::environment::Accept;
use ciao_declare::finding::{Code, Finding, Place, Severity, Span, suggest};
use ciao_declare::{Declarations, ENVIRONMENT};

/// Takes out what is accepted, and gives it; adds what is wrong with the acceptances themselves.
#[must_use]
pub fn accept(declarations: &Declarations, findings: &mut Vec<Finding>) -> Vec<Finding> {
    let mut accepted = Vec::new();
    // What cannot be read may hold what is accepted.
    let all_read = !findings.iter().any(|finding| finding.code == Code::Syntax);
    for acceptance in &declarations.environment.accept {
        let Some(code) = Code::parse(&acceptance.code.value) else {
            let names: Vec<&str> =
                Code::ALL.iter().filter(|code| code.can_be_accepted()).map(|code| code.name()).collect();
            let message = format!("there is no code `{}`", acceptance.code.value);
            let help = suggest(&acceptance.code.value, "codes that can be accepted", names);
            findings.push(Finding::error(Code::BadValue, place(acceptance.code.span), message, help));
            continue;
        };
        if !code.can_be_accepted() {
            let message = format!("`{code}` cannot be accepted", code = code.name());
            let help =
                format!("mend it, and remove the acceptance; `cargo xtask check --explain {}` tells how", code.name());
            findings.push(Finding::error(Code::BadValue, place(acceptance.code.span), message, help));
            continue;
        }
        let before = accepted.len();
        let (taken, rest) =
            std::mem::take(findings).into_iter().partition(|finding| matches(acceptance, code, finding));
        *findings = rest;
        accepted.extend::<Vec<Finding>>(taken);
        if accepted.len() == before && all_read {
            findings.push(unused(acceptance, code, findings));
        }
    }
    accepted
}

fn place(span: Span) -> Place {
    Place { file: Arc::from(Utf8Path::new(ENVIRONMENT)), span }
}

fn matches(acceptance: &Accept, code: Code, finding: &Finding) -> bool {
    finding.code == code
        && (finding.severity == Severity::Warning || code.is_acceptable_error())
        && *finding.place.file == *acceptance.at
        && (acceptance.of.is_none() || acceptance.of.as_deref() == finding.of.as_deref())
}

fn unused(acceptance: &Accept, code: Code, findings: &[Finding]) -> Finding {
    let of = acceptance.of.as_ref().map(|of| format!(" of `{of}`")).unwrap_or_default();
    let message = format!("nothing is accepted here: there is no `{}` at {}{of}", code.name(), acceptance.at);
    let same = |finding: &&Finding| finding.code == code;
    let near = findings.iter().filter(same).find(|finding| *finding.place.file == *acceptance.at);
    let help = match near.or_else(|| findings.iter().find(same)) {
        // It is what stands there, but for `of`.
        Some(near) if near.of.is_none() && *near.place.file == *acceptance.at => "remove `of`".to_owned(),
        Some(near) => {
            let of = near.of.as_ref().map(|of| format!(", `of = \"{of}\"`")).unwrap_or_default();
            format!("remove it; or is `at = \"{}\"`{of} meant?", near.place.file)
        }
        None => "remove it".to_owned(),
    };
    Finding::error(Code::UnusedAcceptance, place(acceptance.span), message, help)
}
