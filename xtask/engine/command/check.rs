//! `cargo xtask check`: all findings of all files.

use super::output::{counted, several};
use super::{Session, exit};
use crate::cli::{CheckArgs, Format};
use crate::finding::{Code, Finding, Severity, did_you_mean, listed};
use crate::show;

pub fn run(session: &Session<'_>, args: &CheckArgs) -> u8 {
    if let Some(code) = &args.explain {
        return explain(session, code);
    }
    let repository = session.read();
    let examined = repository.examine_for(session.tasks, |_| false);
    let findings: Vec<&Finding> = examined.findings.iter().collect();
    match args.format {
        Format::Json => {
            session.output.print_json(&show::json::findings(&examined.findings, &|file| repository.text(file)))
        }
        Format::Text => {
            let text =
                show::findings::text(findings.iter().copied(), &|file| repository.text(file), session.output.colour.0);
            session.output.print(&text);
            if !session.output.quiet {
                let environments = repository.declarations.environments().count();
                let pipelines = repository.declarations.pipelines.len();
                let steps: usize =
                    repository.declarations.pipelines.values().map(|pipeline| pipeline.steps.len()).sum();
                let size = [(environments, "environment"), (pipelines, "pipeline"), (steps, "step")];
                let size = size.map(|(count, what)| several(count, what)).join(", ");
                session.output.say(&format!("checked {size}: {}", counted(&findings)));
            }
        }
    }
    if args.format == Format::Text {
        session.output.annotate(&findings, &repository);
    }
    let errors = findings.iter().any(|finding| finding.severity == Severity::Error);
    if errors { exit::FAILED } else { 0 }
}

fn explain(session: &Session<'_>, code: &str) -> u8 {
    let names = || Code::ALL.iter().map(|code| code.name());
    match Code::parse(code) {
        Some(known) => {
            session.output.print(known.explanation());
            0
        }
        None => {
            let help = match did_you_mean(code, names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the codes are {}", listed(names())),
            };
            session.output.error(&format!("there is no code `{code}`\n  help: {help}"));
            exit::REFUSED_BY_FINDINGS
        }
    }
}
