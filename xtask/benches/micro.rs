//! Functions of the engine, one by one: `cargo bench --profile dev --bench micro`, because people run the dev profile.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use camino::Utf8PathBuf;
use ciao::Tasks;
use ciao::declare::Declarations;
use ciao::ledger::{Ledger, Release, Settings, Source};
use ciao::plan::Graph;
use ciao::plan::build::{Inputs, build, files};
use ciao::repository::Repository;
use ciao::run::event::{Event, Journal as _};
use ciao::run::mask::{Mask, Stream};
use ciao::run::schedule::Schedule;
use ciao::sources::Sources;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};

#[path = "../../tests/ledger/fixture.rs"]
#[allow(dead_code, reason = "the tests of the ledger use more of it")]
mod fixture;
#[path = "../../tests/support/repo.rs"]
mod repo;

const STEPS: [usize; 3] = [100, 1_000, 10_000];

fn main() {
    divan::main();
}

/// A chain of so many steps, each with a parameter.
fn sources(steps: usize) -> Sources {
    let mut pipeline = String::new();
    for step in 0..steps {
        let _infallible = writeln!(pipeline, "[[step]]\nname = \"s{step}\"\nrun = [\"true\", \"${{site.host}}\"]");
    }
    let mut sources = Sources::default();
    let mut add = |path: &str, text: &str| sources.texts.insert(Utf8PathBuf::from(path), text.to_owned());
    add("pipelines/orchestration.toml", "[[environment]]\nname = \"dev\"\n");
    add(
        "pipelines/environment.toml",
        "[parameters.site]\nhost = { type = \"host\" }\n[[deploy]]\npipeline = \"work\"\n",
    );
    add("pipelines/environments/dev.toml", "[site]\nhost = \"dev.example\"\n");
    add("pipelines/deployments/work/pipeline.toml", &pipeline);
    sources
}

#[divan::bench(args = STEPS)]
fn parse(bencher: Bencher, steps: usize) {
    let sources = sources(steps);
    bencher.counter(ItemsCount::new(steps)).bench(|| Declarations::read(&sources));
}

#[divan::bench(args = STEPS)]
fn plan(bencher: Bencher, steps: usize) {
    let (sources, tasks) = (sources(steps), Tasks::new());
    let (declarations, _) = Declarations::read(&sources);
    let files = files(&declarations);
    let inputs = Inputs { declarations: &declarations, tasks: &tasks, sources: &sources };
    bencher
        .counter(ItemsCount::new(steps))
        .bench(|| build(inputs, "dev", &files).0.map(|built| built.plan.steps.len()));
}

/// Plans, a look at the files, and all findings: what is left of `check` after reading.
#[divan::bench(args = STEPS)]
fn check(bencher: Bencher, steps: usize) {
    let folder = fixture::Folder::new();
    for (path, text) in sources(steps).texts {
        fixture::write(&folder.0, path.as_str(), &text);
    }
    let root = Utf8PathBuf::try_from(folder.0.clone()).expect("a temporary folder is UTF-8");
    let (repository, tasks) = (Repository::read(&root), Tasks::new());
    bencher.counter(ItemsCount::new(steps)).bench(|| repository.examine(&tasks).findings.len());
}

/// All steps of a chain (`true`) or of independent ones are started and ended.
#[divan::bench(args = [(1_000, true), (100_000, true), (1_000, false), (100_000, false)])]
fn schedule(bencher: Bencher, (steps, chain): (usize, bool)) {
    let needs = (0..steps as u32).map(|step| if chain && step > 0 { vec![step - 1] } else { Vec::new() }).collect();
    let graph = Graph { needs, steps };
    bencher.counter(ItemsCount::new(steps)).bench(|| {
        let mut schedule = Schedule::new(&graph, |_| true, 16);
        let mut running = Vec::new();
        while !schedule.is_over() {
            running.extend(std::iter::from_fn(|| schedule.start_next()));
            running.drain(..).for_each(|step| schedule.ended(step, true));
        }
    });
}

/// Output of a step with no secret in it, as nearly all is, in chunks of a pipe.
#[divan::bench(args = [0, 1, 20, 200])]
fn mask(bencher: Bencher, secrets: usize) {
    masked(bencher, secrets, "12:00:00 INFO configured part");
}

/// The same with colour codes, which may stand in the middle of a secret.
#[divan::bench(args = [20])]
fn mask_coloured(bencher: Bencher, secrets: usize) {
    masked(bencher, secrets, "12:00:00 \x1b[32mINFO\x1b[0m configured part");
}

fn masked(bencher: Bencher, secrets: usize, words: &str) {
    let secrets: Vec<String> = (0..secrets).map(|number| format!("correct-horse-{number}-battery")).collect();
    let mut mask = Mask::default();
    mask.add(secrets.iter().map(String::as_bytes));
    let dictionary = mask.dictionary();
    let mut text = String::new();
    (0..20_000).for_each(|line| _ = writeln!(text, "{words} {line} of the application"));
    bencher.counter(BytesCount::new(text.len())).bench(|| {
        let (mut stream, mut out) = (Stream::default(), Vec::with_capacity(64 << 10));
        for chunk in text.as_bytes().chunks(64 << 10) {
            stream.push(&dictionary, chunk, &mut out);
            out.clear();
        }
        stream.finish(&dictionary, &mut out);
    });
}

/// One line, on disk.
#[divan::bench]
fn journal_append(bencher: Bencher) {
    let folder = fixture::Folder::new();
    let ledger = fixture::local(&fixture::repository(&folder.path("repo")));
    let mut holding = fixture::start(&ledger, "dev");
    let event = Event::Started { step: "web/install".to_owned(), attempt: 1, owes: false };
    bencher.bench_local(|| holding.journal.record(&event).expect("it can be written"));
}

/// The two events of a deployment, `started` and `finished`, in a local ledger.
#[divan::bench(sample_count = 10)]
fn ledger_append(bencher: Bencher) {
    let folder = fixture::Folder::new();
    let ledger = fixture::local(&fixture::repository(&folder.path("repo")));
    bencher.counter(ItemsCount::new(2_usize)).bench_local(|| fixture::deploy(&ledger, "dev"));
}

/// The rows of so many environments.
#[divan::bench(args = [1, 10], sample_count = 10)]
fn status(bencher: Bencher, environments: usize) {
    let folder = fixture::Folder::new();
    let repository = fixture::repository(&folder.path("repo"));
    let ledger = fixture::local(&repository);
    let names: BTreeSet<String> = (0..environments).map(|number| format!("env-{number}")).collect();
    names.iter().for_each(|name| fixture::deploy(&ledger, name));
    let requests: Vec<_> = names.iter().map(|name| fixture::request(&ledger, name)).collect();
    bencher.bench_local(|| {
        let ledger = Ledger::open(&repository, Settings::default(), Source::system()).expect("it can be opened");
        Release::here(&ledger.git).expect("the release has a name");
        requests.iter().for_each(|asked| drop(ledger.row(asked).expect("it can be read")));
    });
}
