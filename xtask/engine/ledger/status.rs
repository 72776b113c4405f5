//! What people and programs are shown of the ledger: tables and JSON. Pure: what the ledger cannot know it is given.

use std::fmt::Write as _;
use std::time::SystemTime;

use serde::Serialize;

use super::gate::Reason;
use super::record::{Counts, Ended, Kind, Record, StepRecord};
use super::release::Release;

/// One environment, as `status` shows it.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    pub name: String,
    pub personal: bool,
    pub state: Condition,
    pub release: Option<Named>,
    pub by: Option<String>,
    pub at: Option<String>,
    pub holder: Option<Holder>,
    pub steps: Counts,
    pub approvals: Approvals,
    pub gate: GateRow,
    pub owed: Vec<String>,
    /// For people only: that it was forced, and why; what became of a fenced deployment.
    #[serde(skip)]
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    Never,
    /// Its holder lives, or runs where nobody here can tell.
    Running,
    /// Its holder is dead.
    Unfinished,
    Succeeded,
    Failed,
    Interrupted,
}

impl Condition {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Condition::Never => "never",
            Condition::Running => "running",
            Condition::Unfinished => "unfinished",
            Condition::Succeeded => "succeeded",
            Condition::Failed => "failed",
            Condition::Interrupted => "interrupted",
        }
    }
}

impl From<Ended> for Condition {
    fn from(ended: Ended) -> Condition {
        match ended {
            Ended::Succeeded => Condition::Succeeded,
            Ended::Failed => Condition::Failed,
            Ended::Interrupted => Condition::Interrupted,
        }
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct Named {
    pub id: String,
    pub commit: String,
    pub dirty: bool,
    #[serde(skip)]
    pub display: String,
}

impl From<&Release> for Named {
    fn from(release: &Release) -> Named {
        let Release { id, commit, dirty, display, .. } = release.clone();
        Named { id, commit, dirty, display }
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct Holder {
    pub by: String,
    pub host: String,
    pub since: String,
    /// The step that it is at, where its journal is in this clone.
    pub step: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Approvals {
    pub have: u32,
    pub need: u32,
}

#[derive(Debug, Clone, Serialize)]
pub struct GateRow {
    /// The id of the release that it was asked about: what `deploy` would deploy now.
    pub release: String,
    #[serde(skip)]
    pub display: String,
    pub open: bool,
    pub reasons: Vec<Reason>,
}

/// `status --format json`.
#[must_use]
pub fn status_json(rows: &[Row]) -> String {
    #[derive(Serialize)]
    struct Status<'a> {
        format: u32,
        environments: &'a [Row],
    }
    json(&Status { format: 1, environments: rows })
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("rows have nothing that JSON cannot hold") + "\n"
}

/// The table that a person likes. No colours: whoever prints it may add some.
#[must_use]
pub fn status_table(rows: &[Row], now: SystemTime) -> String {
    // It is asked about what `deploy` would deploy now, and not about what is deployed.
    let asked = rows.first().map_or("", |row| &row.gate.display);
    let head = ["environment", "release", "state", "when", "by", &format!("gate for {asked}")].map(str::to_owned);
    let mut lines = vec![(head, Vec::new())];
    for row in rows {
        let release = row.release.as_ref().map_or("-", |release| release.display.as_str());
        let (by, at) = match &row.holder {
            Some(holder) => (format!("{} on {}", first_name(&holder.by), holder.host), Some(&holder.since)),
            None => (row.by.as_deref().map_or("-", first_name).to_owned(), row.at.as_ref()),
        };
        let when = at.map_or("-".to_owned(), |at| ago(at, now));
        let gate = match (row.state, row.personal, row.gate.open) {
            (Condition::Running | Condition::Unfinished, ..) => "held",
            (_, true, _) => "none",
            (_, _, true) => "open",
            (_, _, false) => "closed",
        };
        let mut below = Vec::new();
        if let Some(step) = row.holder.as_ref().and_then(|holder| holder.step.as_ref()) {
            below.push(format!("at step {step}"));
        }
        if !row.owed.is_empty() {
            below.push(format!("owed: {}", row.owed.join(", ")));
        }
        below.extend(row.notes.iter().cloned());
        // That it is held is told above.
        let reasons = row.gate.reasons.iter().filter(|reason| reason.code != "held");
        below.extend(reasons.map(|reason| format!("{}: {}", reason.code, reason.text)));
        let cells = [row.name.clone(), release.to_owned(), row.state.word().to_owned(), when, by, gate.to_owned()];
        lines.push((cells, below));
    }
    table(&lines)
}

fn table<const N: usize>(lines: &[([String; N], Vec<String>)]) -> String {
    let width = |column: usize| lines.iter().map(|(cells, _)| cells[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for (cells, below) in lines {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            let cell = cell.replace('\n', "\u{fffd}");
            write!(line, "{cell:width$}  ").expect("writing into a string cannot fail");
        }
        writeln!(text, "{}", line.trim_end()).expect("writing into a string cannot fail");
        // What somebody has written over several lines cannot be taken for a row.
        for (number, line) in below.iter().flat_map(|below| below.lines().enumerate()) {
            let indent = if number == 0 { 2 } else { 6 };
            writeln!(text, "{:indent$}{line}", "").expect("writing into a string cannot fail");
        }
    }
    text
}

/// Of a deployment that has ended, as what it was less than one: `--only`, or steps that were skipped by hand.
#[must_use]
pub fn short_of(outcome: Option<Ended>, complete: bool, skipped: &[String]) -> Option<String> {
    let short = [
        (!complete).then(|| "partial".to_owned()),
        (!skipped.is_empty()).then(|| format!("{} skipped by hand", skipped.len())),
    ];
    let short: Vec<String> = short.into_iter().flatten().collect();
    (outcome.is_some() && !short.is_empty()).then(|| short.join(", "))
}

fn first_name(by: &str) -> &str {
    by.split_once(" <").map_or(by, |(name, _)| name)
}

fn ago(at: &str, now: SystemTime) -> String {
    let Ok(time) = humantime::parse_rfc3339(at) else { return at.to_owned() };
    let Ok(passed) = now.duration_since(time) else { return at.to_owned() };
    match passed.as_secs() {
        0..60 => "just now".to_owned(),
        seconds @ 60..3600 => format!("{}m ago", seconds / 60),
        seconds @ 3600..172_800 => format!("{}h ago", seconds / 3600),
        seconds @ 172_800..1_209_600 => format!("{}d ago", seconds / 86_400),
        _ => at.get(..10).unwrap_or(at).to_owned(),
    }
}

#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    event: &'a Kind,
    outcome: Option<Ended>,
    release: Option<Named>,
    by: &'a str,
    host: &'a str,
    at: &'a str,
    started_at: Option<&'a str>,
    finished_at: Option<&'a str>,
    complete: bool,
    forced: bool,
    reason: Option<&'a str>,
    opened_by: &'a [String],
    approved_by: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    late: Option<&'a [super::record::Late]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<&'a [StepRecord]>,
}

impl<'a> Entry<'a> {
    fn of(record: &'a Record, steps: Option<&'a [StepRecord]>) -> Entry<'a> {
        let begins = matches!(record.event, Kind::Started | Kind::Resumed);
        let ends = matches!(record.event, Kind::Finished | Kind::Unlocked);
        Entry {
            id: &record.id,
            event: &record.event,
            outcome: record.outcome,
            release: record.release.as_ref().map(Named::from),
            by: &record.by,
            host: &record.host,
            at: &record.at,
            started_at: if begins { Some(&record.at) } else { record.started_at.as_deref() },
            finished_at: ends.then_some(record.at.as_str()),
            complete: record.complete,
            forced: record.forced,
            reason: record.reason.as_deref(),
            opened_by: &record.opened_by,
            approved_by: &record.approved_by,
            late: (!record.late.is_empty()).then_some(&record.late),
            steps,
        }
    }
}

/// `history ENV --format json`.
#[must_use]
pub fn history_json(records: &[Record]) -> String {
    #[derive(Serialize)]
    struct History<'a> {
        format: u32,
        records: Vec<Entry<'a>>,
    }
    json(&History { format: 1, records: records.iter().map(|record| Entry::of(record, None)).collect() })
}

#[must_use]
pub fn history_table(records: &[Record]) -> String {
    let head = ["when", "event", "release", "by", "record"].map(str::to_owned);
    let mut lines = vec![(head, Vec::new())];
    for record in records {
        let mut what: String = record.event.clone().into();
        if let Some(outcome) = record.outcome {
            what = format!("{what}: {}", outcome.word());
        }
        if record.forced {
            what += ", forced";
        }
        what.extend(short_of(record.outcome, record.complete, &record.skipped).map(|short| format!(", {short}")));
        let release = record.release.as_ref().map_or("-", |release| release.display.as_str());
        let by = format!("{} on {}", first_name(&record.by), record.host);
        let mut below: Vec<String> = record.reason.iter().map(|reason| format!("reason: {reason}")).collect();
        below.extend(record.late.iter().map(late));
        lines.push(([record.at.clone(), what, release.to_owned(), by, record.id.clone()], below));
    }
    table(&lines)
}

/// What became of a deployment whose lock had been taken away, in words.
#[must_use]
pub fn late(late: &super::record::Late) -> String {
    let outcome = late.outcome.map_or("was killed", Ended::word);
    format!(
        "late: the deployment {} of {} on {}, whose lock was taken away, {outcome}",
        late.deployment, late.by, late.host
    )
}

/// `show ENV [RECORD] --format json`: one record of the history, with its steps.
#[must_use]
pub fn show_json(record: &Record, steps: &[StepRecord]) -> String {
    json(&Entry::of(record, Some(steps)))
}

#[must_use]
pub fn show_text(record: &Record, steps: &[StepRecord], plan: &str) -> String {
    let mut text = format!("{}\n", super::record::subject(record));
    let mut line = |name: &str, value: &str| {
        for (number, value) in value.lines().enumerate() {
            let name = if number == 0 { name } else { "" };
            writeln!(text, "  {name:12} {value}").expect("writing into a string cannot fail");
        }
    };
    line("record", &record.id);
    line("started", record.started_at.as_deref().unwrap_or_default());
    line("at", &record.at);
    line("commit", record.release.as_ref().map_or("", |release| &release.commit));
    line("plan", record.plan.as_deref().unwrap_or_default());
    line("reason", record.reason.as_deref().unwrap_or_default());
    line("forced", if record.forced { "yes" } else { "" });
    line("partial", if record.outcome.is_some() && !record.complete { "yes" } else { "" });
    line("opened by", &record.opened_by.join(", "));
    line("approved by", &record.approved_by.join(", "));
    line("step", record.step.as_deref().unwrap_or_default());
    line("owed", &record.owed.join(", "));
    for other in &record.late {
        line("late", &late(other));
    }
    if !steps.is_empty() {
        let head = ["step", "outcome", "attempts", "seconds", "exit"].map(str::to_owned);
        let rows = steps.iter().map(|step| {
            let exit = match (step.signal, step.exit) {
                (Some(signal), _) => format!("signal {signal}"),
                (None, exit) => exit.map_or("-".to_owned(), |exit| exit.to_string()),
            };
            (
                [
                    step.id.clone(),
                    step.outcome.name().to_owned(),
                    step.attempts.to_string(),
                    format!("{:.1}", step.seconds),
                    exit,
                ],
                Vec::new(),
            )
        });
        let lines: Vec<_> = std::iter::once((head, Vec::new())).chain(rows).collect();
        write!(text, "\n{}", table(&lines)).expect("writing into a string cannot fail");
    }
    if !plan.is_empty() {
        write!(text, "\n{plan}").expect("writing into a string cannot fail");
    }
    text
}
