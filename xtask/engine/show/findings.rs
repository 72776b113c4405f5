//! Findings in the look of rustc: the source line, a caret, and what to do.

use std::collections::BTreeMap;
use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use camino::{Utf8Path, Utf8PathBuf};

use ciao_declare::finding::{Code, Finding, Place, Severity, Span};

/// The text of a file, if it is known.
pub type Texts<'a> = &'a dyn Fn(&Utf8Path) -> Option<&'a str>;

/// All findings, one below the other.
#[must_use]
pub fn text<'a>(findings: impl IntoIterator<Item = &'a Finding>, texts: Texts<'_>, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut lines = Lines::new(texts);
    let findings: Vec<&Finding> = findings.into_iter().collect();
    for finding in findings.iter().filter(|finding| finding.code == Code::PlainSecret) {
        lines.secrets.push(finding.place.clone());
    }
    findings.into_iter().map(|finding| one(finding, &mut lines, &renderer) + "\n\n").collect()
}

fn one(finding: &Finding, lines: &mut Lines<'_>, renderer: &Renderer) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(printable(&finding.message)).id(finding.code.name());
    let mut notes: Vec<String> = finding.notes.iter().map(|note| printable(note)).collect();
    if let Some(environments) = &finding.environments {
        notes.push(printable(&format!("in {}", environments.join(", "))));
    }
    let mut group = Group::with_title(title);
    let related = finding.related.iter().map(|(place, _)| place);
    let here: Vec<&Place> =
        std::iter::once(&finding.place).chain(related.filter(|place| place.file == finding.place.file)).collect();
    group = match excerpt(&here, lines) {
        Some(excerpt) => {
            let primary = AnnotationKind::Primary.span(excerpt.spans[0].clone());
            let primary = if finding.label.is_empty() { primary } else { primary.label(printable(&finding.label)) };
            let others = finding.related.iter().filter(|(place, _)| place.file == finding.place.file);
            let others = others.zip(&excerpt.spans[1..]).map(|((_, what), span)| beside(span.clone(), what));
            group.element(
                Snippet::source(excerpt.text)
                    .path(printable(finding.place.file.as_str()))
                    .line_start(excerpt.first_line)
                    .annotations(std::iter::once(primary).chain(others)),
            )
        }
        None => group.element(Origin::path(printable(finding.place.file.as_str()))),
    };
    let others: Vec<&(Place, String)> =
        finding.related.iter().filter(|(place, _)| place.file != finding.place.file).collect();
    for same_file in others.chunk_by(|(left, _), (right, _)| left.file == right.file) {
        let places: Vec<&Place> = same_file.iter().map(|(place, _)| place).collect();
        if let Some(excerpt) = excerpt(&places, lines) {
            let spans = excerpt.spans.into_iter().zip(same_file).map(|(span, (_, what))| beside(span, what));
            group = group.element(
                Snippet::source(excerpt.text)
                    .path(printable(places[0].file.as_str()))
                    .line_start(excerpt.first_line)
                    .annotations(spans),
            );
        }
    }
    let notes = notes.into_iter().map(|note| Level::NOTE.message(note));
    let help = (!finding.help.is_empty()).then(|| Level::HELP.message(printable(&finding.help)));
    aligned(renderer.render(&[group.elements(notes).elements(help)]).to_string())
}

/// Without a source line the arrow would stand at the edge, left of everything else.
fn aligned(mut text: String) -> String {
    let arrow = text.find("--> ").unwrap_or_default();
    let start = text[..arrow].rfind('\n').map_or(0, |end| end + 1);
    if text[start..arrow].starts_with(['\x1b', '-']) || (start > 0 && start == arrow) {
        text.insert(start, ' ');
    }
    text
}

fn beside(span: Range<usize>, what: &str) -> Annotation<'static> {
    AnnotationKind::Context.span(span).label(printable(what))
}

/// The lines around some places of one file, so that a large file costs no more than a small one.
struct Excerpt {
    text: String,
    first_line: usize,
    /// Of the places, in their order.
    spans: Vec<Range<usize>>,
}

/// A line longer than this is shown in part.
const WIDEST: usize = 400;

fn excerpt(places: &[&Place], lines: &mut Lines<'_>) -> Option<Excerpt> {
    let secrets = lines.secrets.iter().filter(|place| place.file == places[0].file).map(|place| place.span);
    let mut secrets: Vec<Span> = secrets.collect();
    let file = lines.of(&places[0].file);
    let text = Some(file.text).filter(|text| !text.is_empty())?;
    let near = |at: usize| floor(text, at.min(text.len())).max(file.starts[0]);
    let places: Vec<(usize, usize)> = places
        .iter()
        .map(|place| {
            let start = near(place.span.start as usize);
            // Only the first line of a place that is longer.
            let line_end = file.end(file.line(start));
            (start, near(place.span.end as usize).clamp(start, near(line_end.min(start + WIDEST))))
        })
        .collect();
    let from = places.iter().map(|(start, _)| *start).min()?;
    let to = places.iter().map(|(_, end)| *end).max()?;
    let first_line = file.line(from);
    let (line_start, line_end) = (file.starts[first_line], file.end(file.line(to)));
    let from = near(line_start.max(from.saturating_sub(WIDEST)));
    let to = near(line_end.min(to + WIDEST));
    let mut excerpt = Excerpt {
        // Control characters would act on the terminal, and keep their width so that the carets stay right.
        text: text[from..to]
            .chars()
            .map(|char| if char.is_control() && !"\n\t".contains(char) { same_width(char) } else { char })
            .collect(),
        first_line: first_line + 1,
        spans: places.into_iter().map(|(start, end)| start - from..end - from).collect(),
    };
    // From the end, so that what is before keeps its place.
    secrets.sort_unstable_by(|one, other| other.cmp(one));
    for secret in secrets {
        let (start, end) = (near(secret.start as usize).max(from), near(secret.end as usize).min(to));
        if start < end {
            excerpt.hide(start - from..end - from);
        }
    }
    Some(excerpt)
}

impl Excerpt {
    /// A log is often read by more people than the repository.
    fn hide(&mut self, secret: Range<usize>) {
        const STARS: &str = "***";
        self.text.replace_range(secret.clone(), STARS);
        let end = secret.start + STARS.len();
        let moved = |at: usize| if at < secret.end { at.min(end) } else { at - secret.end + end };
        for span in &mut self.spans {
            *span = moved(span.start)..moved(span.end);
        }
    }
}

/// A printable character of as many bytes.
fn same_width(char: char) -> char {
    if char.len_utf8() == 1 { ' ' } else { '\u{a0}' }
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Line and column of one byte; of many, [`Lines`] gives them sooner.
#[must_use]
pub fn position(text: &str, at: u32) -> (usize, usize) {
    let texts = |_: &Utf8Path| Some(text);
    Lines::new(&texts).position(Utf8Path::new(""), at)
}

/// Where the lines of every file begin, found out once: thousands of findings of a large file cost no more than its size.
pub struct Lines<'a> {
    texts: Texts<'a>,
    /// What is shown to nobody.
    secrets: Vec<Place>,
    files: BTreeMap<Utf8PathBuf, File<'a>>,
}

struct File<'a> {
    text: &'a str,
    starts: Vec<usize>,
    /// The last byte asked for and its column: findings come in the order of their places, all on one line perhaps.
    last: (usize, usize),
}

impl<'a> Lines<'a> {
    #[must_use]
    pub fn new(texts: Texts<'a>) -> Lines<'a> {
        Lines { texts, secrets: Vec::new(), files: BTreeMap::new() }
    }

    /// Line and column of a byte, both from 1, the column in characters.
    pub fn position(&mut self, path: &Utf8Path, at: u32) -> (usize, usize) {
        let file = self.of(path);
        let at = floor(file.text, (at as usize).min(file.text.len())).max(file.starts[0]);
        let line = file.line(at);
        let (from, column) = if file.last.0 <= at { file.last } else { (0, 0) };
        let (from, column) = if from < file.starts[line] { (file.starts[line], 0) } else { (from, column) };
        file.last = (at, column + file.text[from..at].chars().count());
        (line + 1, file.last.1 + 1)
    }

    fn of(&mut self, path: &Utf8Path) -> &mut File<'a> {
        if !self.files.contains_key(path) {
            let text = (self.texts)(path).unwrap_or_default();
            // A byte order mark is no part of the first line: no editor counts it.
            let first = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
            let starts = std::iter::once(first).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
            self.files.insert(path.to_owned(), File { text, starts, last: (0, 0) });
        }
        self.files.get_mut(path).expect("it is there now")
    }
}

impl File<'_> {
    /// The line of a byte, from 0.
    fn line(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at) - 1
    }

    /// The end of a line, without its newline.
    fn end(&self, line: usize) -> usize {
        self.starts.get(line + 1).map_or(self.text.len(), |next| next - 1)
    }
}

/// Without anything that a terminal would act on but the ends of lines, and tabs: nothing that turns the direction of a line either.
#[must_use]
pub fn printable(text: &str) -> String {
    let acts = |char: char| char.is_control() && !"\n\t".contains(char);
    let turns = |char: char| matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|char| if acts(char) || turns(char) { '\u{fffd}' } else { char }).collect()
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The same for what has no place.
#[must_use]
pub fn annotation(level: &str, message: &str) -> String {
    format!("::{level}::{}", data(message))
}

/// The workflow commands with which GitHub Actions shows findings beside the files.
#[must_use]
pub fn annotations(findings: &[&Finding], texts: Texts<'_>) -> String {
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let mut lines = Lines::new(texts);
    let shown = findings.iter().map(|finding| {
        let level = if finding.severity == Severity::Error { "error" } else { "warning" };
        let (line, column) = lines.position(&finding.place.file, finding.place.span.start);
        let file = property(&printable(finding.place.file.as_str()));
        let message = data(&printable(&format!("{}\nhelp: {}", finding.whole(), finding.help)));
        format!("::{level} file={file},line={line},col={column},title={}::{message}", finding.code.name())
    });
    shown.collect::<Vec<_>>().join("\n")
}
