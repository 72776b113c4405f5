//! Small deployments for tests: described in one line, run in this process or as a process of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use ciao::plan::{
    Action, Argument, Call, EnvValue, Finally, Graph, NamedFile, Output, Piece, Plan, Retries, Secret, SecretSource,
    Step, Text, Type,
};
use ciao::process::Signals;
use ciao::run::environment::Caller;
use ciao::run::event::{Event, Journal, Outcome};
use ciao::run::report::{Reporter, Weight};
use ciao::run::secrets::Secrets;
use ciao::run::{Deployment, End, StepResult, Summary, logs};
use serde::{Deserialize, Serialize};

use crate::apart::Orchestrator;

/// A deployment of steps one after the other, each a shell script.
#[derive(Clone, Serialize, Deserialize)]
pub struct Play {
    pub folder: PathBuf,
    steps: Vec<Scene>,
    grace_ms: u64,
    timeout_ms: u64,
    pub journal_of: Option<usize>,
    lost_after_ms: Option<u64>,
    pub secret: Option<String>,
    env: Vec<(String, String)>,
    done: Vec<String>,
    owed: Vec<String>,
    path: Vec<String>,
    jobs: usize,
    wide: bool,
    runtime: Option<PathBuf>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Scene {
    id: String,
    script: String,
    program: Option<String>,
    args: Vec<String>,
    uses: Option<String>,
    unless: Option<String>,
    finally: Option<String>,
    attempts: u32,
    /// Whether it is secret.
    output: Option<bool>,
    detach: bool,
    stdin: Option<String>,
    cwd: Option<String>,
    file: Option<(String, String)>,
}

impl Play {
    pub fn new(name: &str) -> Play {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::SeqCst);
        let name = format!("{}-{}-{count}", name.replace(' ', "-"), std::process::id());
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("supervision").join(name);
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder).unwrap();
        Play {
            folder,
            steps: Vec::new(),
            grace_ms: 1_000,
            timeout_ms: 60_000,
            journal_of: None,
            lost_after_ms: None,
            secret: None,
            env: Vec::new(),
            done: Vec::new(),
            owed: Vec::new(),
            path: Vec::new(),
            jobs: 4,
            wide: false,
            runtime: None,
        }
    }

    /// Where another's private files are.
    pub fn runtime(mut self, folder: &std::path::Path) -> Play {
        self.runtime = Some(folder.to_owned());
        self
    }

    pub fn step(mut self, id: &str, script: &str) -> Play {
        self.steps.push(Scene { id: id.to_owned(), script: script.to_owned(), attempts: 1, ..Scene::default() });
        self
    }

    fn last(mut self, change: impl FnOnce(&mut Scene)) -> Play {
        change(self.steps.last_mut().expect("a step"));
        self
    }

    pub fn unless(self, script: &str) -> Play {
        self.last(|step| step.unless = Some(script.to_owned()))
    }

    pub fn finally(self, script: &str) -> Play {
        self.last(|step| step.finally = Some(script.to_owned()))
    }

    pub fn retries(self, attempts: u32) -> Play {
        self.last(|step| step.attempts = attempts)
    }

    pub fn output(self, secret: bool) -> Play {
        self.last(|step| step.output = Some(secret))
    }

    pub fn uses(self, maker: &str) -> Play {
        self.last(|step| step.uses = Some(maker.to_owned()))
    }

    pub fn detach(self) -> Play {
        self.last(|step| step.detach = true)
    }

    pub fn stdin(self, text: &str) -> Play {
        self.last(|step| step.stdin = Some(text.to_owned()))
    }

    pub fn cwd(self, path: &str) -> Play {
        self.last(|step| step.cwd = Some(path.to_owned()))
    }

    pub fn args(self, args: &[&str]) -> Play {
        self.last(|step| step.args = args.iter().map(|&arg| arg.to_owned()).collect())
    }

    /// The step names a file that had the content `planned`, and has `now`.
    pub fn file(self, name: &str, planned: &str, now: &str) -> Play {
        use hmac_sha256::Hash as Sha256;
        fs::write(self.folder.join(name), now).unwrap();
        let digest = ciao::hex(&Sha256::hash(planned.as_bytes()));
        let name = name.to_owned();
        self.last(|step| step.file = Some((name, digest)))
    }

    /// Programs are looked for in these folders first.
    pub fn path(mut self, folders: &[&str]) -> Play {
        self.path = folders.iter().map(|&folder| folder.to_owned()).collect();
        self
    }

    /// A step that is this file, not a script for `sh -c`.
    pub fn program(self, name: &str, content: &str, mode: u32) -> Play {
        let path = self.folder.join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        self.program_called(&format!("./{name}"))
    }

    pub fn link(self, name: &str, to: &str) -> Play {
        std::os::unix::fs::symlink(to, self.folder.join(name)).unwrap();
        self
    }

    pub fn program_called(self, name: &str) -> Play {
        self.program_named("a", name)
    }

    pub fn program_named(self, id: &str, name: &str) -> Play {
        self.step(id, "").last(|step| step.program = Some(name.to_owned()))
    }

    /// No step needs another.
    pub fn wide(mut self, jobs: usize) -> Play {
        self.jobs = jobs;
        self.wide = true;
        self
    }

    pub fn grace(mut self, ms: u64) -> Play {
        self.grace_ms = ms;
        self
    }

    pub fn timeout(mut self, ms: u64) -> Play {
        self.timeout_ms = ms;
        self
    }

    /// The journal takes so many events, and then the disk is full.
    pub fn journal_of(mut self, events: usize) -> Play {
        self.journal_of = Some(events);
        self
    }

    pub fn lost_after(mut self, ms: u64) -> Play {
        self.lost_after_ms = Some(ms);
        self
    }

    pub fn secret(mut self, value: &str) -> Play {
        self.secret = Some(value.to_owned());
        self
    }

    /// For every step.
    pub fn env(mut self, name: &str, value: &str) -> Play {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn done(mut self, steps: &[&str]) -> Play {
        self.done = steps.iter().map(|&step| step.to_owned()).collect();
        self
    }

    /// These are owed from before, as a ledger tells it: in the order of their names.
    pub fn owed(mut self, steps: &[&str]) -> Play {
        self.owed = steps.iter().map(|&step| step.to_owned()).collect();
        self
    }

    pub fn marker(&self) -> String {
        self.folder.file_name().unwrap().to_str().unwrap().to_owned()
    }

    fn plan(&self) -> Plan {
        let mut env = BTreeMap::new();
        let mut set = |name: &str, value: String| env.insert(name.to_owned(), EnvValue::Text(Text::literal(value)));
        set("PLAY_MARKER", self.marker());
        set("READY", self.folder.join("ready").display().to_string());
        for (name, value) in &self.env {
            set(name, value.clone());
        }
        if !self.path.is_empty() {
            let own = self.path.iter().map(|folder| self.folder.join(folder).display().to_string());
            set("PATH", own.chain(std::env::var("PATH")).collect::<Vec<_>>().join(":"));
        }
        let mut secrets = BTreeMap::new();
        if self.secret.is_some() {
            let secret = || Text { pieces: vec![Piece::Secret("password".into())] };
            env.insert("SECRET".to_owned(), EnvValue::Text(secret()));
            env.insert("FILE".to_owned(), EnvValue::File(secret()));
            secrets.insert(
                "password".into(),
                Secret { kind: Type::String, source: SecretSource::File("secret".to_owned()) },
            );
        }
        let steps: Vec<Step> = self.steps.iter().enumerate().map(|(index, scene)| self.one(index, scene)).collect();
        let before = |step: u32| if self.wide { None } else { step.checked_sub(1) };
        let needs = (0..steps.len() as u32).map(|step| before(step).into_iter().collect()).collect();
        let call = Call {
            id: "p".to_owned(),
            name: "p".to_owned(),
            each: None,
            for_each: None,
            needs: None,
            env: BTreeMap::new(),
            pipeline: camino::Utf8Path::new("pipelines/deployments/p/pipeline.toml").into(),
            parallel: false,
        };
        Plan {
            environment: "dev".to_owned(),
            personal: false,
            env,
            calls: vec![call],
            graph: Graph { needs, steps: steps.len() },
            steps,
            secrets,
            outside: BTreeSet::new(),
        }
    }

    fn one(&self, index: usize, scene: &Scene) -> Step {
        let timeout = Duration::from_millis(self.timeout_ms);
        let argument = |text: &str| Argument::One(Text::literal(text));
        let shell = |script: &str| vec![argument("sh"), argument("-c"), argument(script), argument("sh")];
        let mut run = match &scene.program {
            Some(program) => vec![argument(program)],
            None => shell(&scene.script),
        };
        run.extend(scene.args.iter().map(|arg| argument(arg)));
        if let Some(maker) = &scene.uses {
            let step = self.steps.iter().position(|scene| scene.id == *maker).unwrap() as u32;
            let secret = self.steps[step as usize].output == Some(true);
            let piece = Piece::Output { step, path: Vec::new(), secret };
            run.push(Argument::One(Text { pieces: vec![piece] }));
        }
        Step {
            id: scene.id.clone(),
            call: 0,
            name: scene.id.clone(),
            each: None,
            for_each: None,
            action: Action::Run(run),
            env: BTreeMap::new(),
            cwd: Text::literal(scene.cwd.as_deref().unwrap_or(".")),
            stdin: scene.stdin.as_ref().map(|text| ciao::plan::Stdin::Text(Text::literal(text.as_str()))),
            runs: true,
            needs: None,
            parallel: false,
            when: Vec::new(),
            provides: Vec::new(),
            requires: Vec::new(),
            unless: scene.unless.as_deref().map(shell),
            output: scene.output.map(|secret| Output { name: scene.id.clone(), json: false, secret }),
            finally: scene.finally.as_ref().map(|script| {
                Box::new(Finally {
                    action: Action::Run(shell(script)),
                    env: BTreeMap::new(),
                    cwd: Text::literal("."),
                    stdin: None,
                    timeout,
                })
            }),
            retries: Some(Retries { attempts: scene.attempts, delay: Duration::from_millis(10), backoff: 2.0 }),
            timeout,
            detach: scene.detach,
            verify: false,
            parameters: BTreeSet::new(),
            secrets: BTreeSet::new(),
            files: scene
                .file
                .iter()
                .map(|(path, sha256)| NamedFile { path: path.into(), sha256: sha256.clone() })
                .collect(),
            file: camino::Utf8Path::new("pipelines/deployments/p/pipeline.toml").into(),
            line: index + 1,
        }
    }

    /// Runs it in this process.
    pub fn run(&self) -> Ran {
        let mut journal = Paper { file: None, room: self.journal_of, events: Vec::new() };
        let mut said = Said::default();
        let summary = self.perform(&mut journal, &mut said);
        Ran { summary, events: journal.events, said: said.0, marker: self.marker(), folder: self.folder.clone() }
    }

    /// Runs it in this process with a journal that is synced, and plain lines on standard error.
    pub fn time(&self) -> Duration {
        let file = fs::OpenOptions::new().create(true).append(true).open(self.folder.join("journal")).unwrap();
        let mut journal = Paper { file: Some(file), room: None, events: Vec::new() };
        let mut reporter = ciao::run::report::reporter(ciao::run::report::Display::Plain, Default::default());
        let start = Instant::now();
        let summary = self.perform(&mut journal, reporter.as_mut());
        assert_eq!(summary.end, End::Succeeded);
        start.elapsed()
    }

    /// Runs it in a process of its own, and gives back what `display` showed and what the step summary holds, without
    /// times and the play's folder.
    pub fn shown(&self, display: &str) -> (String, String) {
        let path = self.folder.join("shown");
        let mut command = Orchestrator::command(self);
        command.env("PLAY_DISPLAY", display).stdout(Stdio::null()).stderr(File::create(&path).unwrap());
        command.status().unwrap();
        let read = |path: &std::path::Path| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let text = text.replace(self.folder.to_str().unwrap(), "FOLDER").replace(&self.marker(), "MARKER");
            let is_time = |word: &&str| word.strip_suffix('s').is_some_and(|number| number.parse::<f64>().is_ok());
            let times: BTreeSet<&str> = text.split([' ', ':', '\n']).filter(is_time).collect();
            times.iter().rev().fold(text.clone(), |text, time| text.replace(time, "TIME"))
        };
        (read(&path), read(&self.folder.join("summary")))
    }

    pub fn perform(&self, journal: &mut dyn Journal, reporter: &mut dyn Reporter) -> Summary {
        let plan = self.plan();
        let root = Utf8PathBuf::try_from(self.folder.clone()).unwrap();
        let logs = root.join("logs");
        // Several play in one process, which is what folders of private files are named after.
        let runtime = self.runtime.as_ref().unwrap_or(&self.folder).clone();
        let caller = Caller::new(std::env::vars_os().chain([("XDG_RUNTIME_DIR".into(), runtime.into())]), &[]);
        let exe = PathBuf::from(env!("CARGO_BIN_EXE_xtask"));
        let mut signals = Signals::install().unwrap();
        if let Some(secret) = &self.secret {
            fs::write(root.join("secret"), format!("{secret}\n")).unwrap();
        }
        let secrets = Secrets::read(&plan, &root, &caller, &exe, &mut signals).unwrap();
        let lost = Arc::new(AtomicBool::new(false));
        if let Some(after) = self.lost_after_ms {
            let lost = Arc::clone(&lost);
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(after));
                lost.store(true, Ordering::SeqCst);
            });
        }
        let deployment = Deployment {
            plan: &plan,
            root: &root,
            release: "0123456789ab".to_owned(),
            commit: "0123456789abcdef".to_owned(),
            work: &root,
            logs: &logs,
            fence: 7,
            jobs: self.jobs,
            grace: Duration::from_millis(self.grace_ms),
            done: self.done.iter().map(|step| (step.clone(), Outcome::Succeeded)).collect(),
            only: None,
            owed: self.owed.clone(),
            lost,
            busy: None,
            caller,
            exe,
        };
        let (_, nobody) = std::sync::mpsc::channel();
        let summary = ciao::run::run(&deployment, &secrets, &mut signals, nobody, journal, reporter);
        reporter.finished(&summary);
        // Not for ever: a test that reads nothing has its end too.
        let _unread = reporter.drain(Duration::from_secs(1));
        summary
    }
}

/// A journal on paper, for people, and of limited size.
pub struct Paper {
    pub file: Option<File>,
    pub room: Option<usize>,
    pub events: Vec<String>,
}

impl Journal for Paper {
    fn record(&mut self, event: &Event) -> io::Result<()> {
        if self.room.is_some_and(|room| self.events.len() >= room) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        let word = |outcome: &Outcome| serde_json::to_value(outcome).unwrap().as_str().unwrap().to_owned();
        let line = match event {
            Event::Started { step, .. } => format!("started {step}"),
            Event::Ended { step, outcome, .. } => format!("ended {step} {}", word(outcome)),
            Event::FinallyStarted { step } => format!("finally of {step} starts"),
            Event::FinallyEnded { step, outcome, .. } => format!("finally of {step} {}", word(outcome)),
        };
        if let Some(file) = &mut self.file {
            writeln!(file, "{line}")?;
        }
        self.events.push(line);
        Ok(())
    }

    fn record_all(&mut self, events: &[Event]) -> io::Result<()> {
        events.iter().try_for_each(|event| self.record(event))?;
        // As dear as a real one.
        self.file.as_ref().map_or(Ok(()), File::sync_data)
    }
}

/// Everything that was said, as text.
#[derive(Default)]
struct Said(String);

impl Reporter for Said {
    fn drain(&mut self, _: Duration) -> bool {
        false
    }

    fn begun(&mut self, _environment: &str, _steps: usize) {}
    fn started(&mut self, _step: &Step, _attempt: u32, _finally: bool) {}
    fn output(&mut self, step: &Step, lines: &[u8]) {
        self.0 += &format!("{}: {}", step.id, String::from_utf8_lossy(lines));
    }
    fn ended(&mut self, step: &Step, result: &StepResult, _finally: bool) {
        self.0 += &format!("{} {result:?}\n", step.id);
    }
    fn message(&mut self, weight: Weight, step: Option<&Step>, text: &str) {
        let step = step.map_or("-", |step| &step.id);
        self.0 += &format!("{} {step}: {text}\n", format!("{weight:?}").to_lowercase());
    }
    fn finished(&mut self, _summary: &Summary) {}
}

/// What came of a play in this process.
pub struct Ran {
    pub summary: Summary,
    pub events: Vec<String>,
    pub said: String,
    pub marker: String,
    folder: PathBuf,
}

impl Ran {
    pub fn end(&self) -> End {
        self.summary.end
    }

    pub fn outcomes(&self) -> Vec<Outcome> {
        self.summary.steps.iter().map(|step| step.outcome).collect()
    }

    pub fn note(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap_or_default()
    }

    pub fn log_path(&self, step: &str) -> PathBuf {
        self.folder.join("logs").join(logs::file_name(step))
    }

    pub fn log(&self, step: &str) -> String {
        fs::read_to_string(self.log_path(step)).unwrap_or_default()
    }
}

impl Drop for Ran {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            drop(fs::remove_dir_all(&self.folder));
        }
    }
}
