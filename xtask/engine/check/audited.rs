//! Audited: what was done can be seen by everybody whom it concerns. Secrets are checked where strings are made, in `plan`.

use camino::Utf8Path;

use ciao_declare::finding::{Code, Finding, Place, Severity};
use ciao_declare::sources::Sources;
use ciao_declare::{Declarations, ORCHESTRATION};

/// All rules of this pillar.
pub fn check(declarations: &Declarations, sources: &Sources, findings: &mut Vec<Finding>) {
    let orchestration = &declarations.orchestration;
    if orchestration.ledger.shared().is_some() {
        return;
    }
    let approved = orchestration.environments.iter().find(|environment| environment.approvals > 0);
    let gated = orchestration.environments.iter().find(|environment| !environment.after.is_empty());
    let (Some(remote), Some(environment)) =
        (&sources.remote, approved.or(gated.filter(|_| orchestration.ledger.remote.is_none())))
    else {
        return;
    };
    let place = Place { file: Utf8Path::new(ORCHESTRATION).into(), span: environment.name.span };
    let name = &environment.name.value;
    let (severity, message) = match approved {
        Some(_) => (
            Severity::Error,
            format!("`{name}` wants approvals, and the ledger stays in this clone: nobody else can give one"),
        ),
        None => (Severity::Warning, format!("`{name}` has a gate, and the ledger that opens it stays in this clone")),
    };
    let help = format!("share it through the git remote: `[ledger]`, `remote = \"{remote}\"`");
    findings.push(Finding { severity, ..Finding::error(Code::LocalLedger, place, message, help).of(&**name) });
}
