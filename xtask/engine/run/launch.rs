//! From a step of the plan to a process to start: every piece of every string gets its value.
//!
//! It looks programs up on the step's PATH and compares files; it starts nothing, and knows nothing of masks or logs.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use camino::{Utf8Component, Utf8PathBuf};
use serde_json::Value;

use super::Deployment;
use super::mask::is_short;
use super::secrets::Secrets;
use ciao_base::checksum::sha256;
use ciao_base::variables::{Danger, danger, is_name};
use ciao_plan::{Action, Argument, Builtin, EnvValue, Finally, NamedFile, Output, Piece, Stdin, Step, Text, Tree};
use ciao_process::{Input, Launch, TASK, WANTED, WANTED_JSON, find_program};

/// What a step has produced.
#[derive(Clone)]
pub struct Produced {
    pub text: String,
    pub json: Option<Value>,
}

/// The process of a step, made before it may start.
pub struct Ahead {
    pub index: usize,
    pub launch: Launch,
    kept: usize,
}

/// Makes launches, from what is known when a step starts.
pub struct Launcher<'a> {
    deployment: &'a Deployment<'a>,
    secrets: &'a Secrets,
    /// What the steps have produced so far, by their index.
    pub outputs: Vec<Option<Produced>>,
    /// How many have produced something.
    pub kept: usize,
    /// What no argument may hold unless the step names it as a secret.
    pub hidden: Vec<Vec<u8>>,
    /// What is used of secret outputs, and too short to be masked.
    pub bare: RefCell<BTreeSet<String>>,
    /// Where folders of private files are made.
    private: PathBuf,
}

/// The parts of a step, of its guard or of its `finally` that make a process.
struct Parts<'p> {
    env: BTreeMap<&'p str, &'p EnvValue>,
    cwd: &'p Text,
    stdin: Option<&'p Stdin>,
    output: Option<&'p Output>,
    detach: bool,
    facts: Vec<(&'static str, String)>,
}

type Refused<T> = Result<T, String>;

impl<'a> Launcher<'a> {
    #[must_use]
    pub fn new(deployment: &'a Deployment<'a>, secrets: &'a Secrets) -> Launcher<'a> {
        // In memory where the system offers that: these files hold secrets.
        let folder = |name: &str| deployment.caller.get(name).map(PathBuf::from).filter(|path| path.is_dir());
        let folder = folder("XDG_RUNTIME_DIR").unwrap_or_else(std::env::temp_dir);
        let masked = deployment.caller.masked.values().map(Vec::as_slice);
        let hidden = secrets.values().chain(masked).filter(|secret| !is_short(secret));
        Launcher {
            deployment,
            secrets,
            outputs: vec![None; deployment.plan.steps.len()],
            kept: 0,
            hidden: hidden.map(<[u8]>::to_vec).collect(),
            bare: RefCell::default(),
            private: folder,
        }
    }

    /// The process of a step.
    ///
    /// # Errors
    /// In words, if it cannot be started.
    pub fn step(&self, index: usize, attempt: u32) -> Refused<Launch> {
        self.unchanged(&self.deployment.plan.steps[index])?;
        self.attempt(index, attempt)
    }

    fn attempt(&self, index: usize, attempt: u32) -> Refused<Launch> {
        let step = &self.deployment.plan.steps[index];
        let parts = Parts {
            env: self.deployment.plan.env_of(step),
            cwd: &step.cwd,
            stdin: step.stdin.as_ref(),
            output: step.output.as_ref(),
            detach: step.detach,
            facts: self.facts(step, attempt),
        };
        self.launch(index, &step.action, &parts)
    }

    /// The first process of a step that may start soon, as far as that is known already; `None` if it is not.
    #[must_use]
    pub fn ahead(&self, index: usize) -> Option<Ahead> {
        let step = &self.deployment.plan.steps[index];
        let launch = if step.unless.is_none() { self.attempt(index, 1).ok()? } else { return None };
        Some(Ahead { index, launch, kept: self.kept })
    }

    /// Whether [`Launcher::step`] would give the same now: a step that has run meanwhile may have produced something or
    /// changed a file. Whether it has installed a program is the guardian's to see.
    #[must_use]
    pub fn still(&self, ahead: &Ahead) -> bool {
        self.kept == ahead.kept && self.unchanged(&self.deployment.plan.steps[ahead.index]).is_ok()
    }

    /// The folders in which the step looks for programs.
    fn path<'l>(&'l self, launch: &'l Launch) -> &'l OsStr {
        let own = launch.env.iter().rev().find(|(name, _)| name == "PATH").map(|(_, path)| path);
        let path = own.or_else(|| self.deployment.caller.passed.get(OsStr::new("PATH")));
        path.map_or(OsStr::new(""), OsString::as_os_str)
    }

    /// The process of its guard.
    ///
    /// # Errors
    /// In words, if it cannot be started.
    pub fn guard(&self, index: usize, attempt: u32) -> Option<Refused<Launch>> {
        let step = &self.deployment.plan.steps[index];
        let guard = step.unless.as_ref()?;
        let parts = Parts {
            env: self.deployment.plan.env_of(step),
            cwd: &step.cwd,
            stdin: None,
            output: None,
            detach: false,
            facts: self.facts(step, attempt),
        };
        // The guard may be one of the files that the step names.
        Some(self.unchanged(step).and_then(|()| self.launch(index, &Action::Run(guard.clone()), &parts)))
    }

    /// The process of its `finally`.
    ///
    /// # Errors
    /// In words, if it cannot be started.
    pub fn finally(&self, index: usize, outcome: &str) -> Option<Refused<Launch>> {
        let step = &self.deployment.plan.steps[index];
        let finally = step.finally.as_ref()?;
        let mut env = self.deployment.plan.env_of(step);
        env.extend(finally.env.iter().map(|(name, value)| (name.as_str(), value)));
        let mut facts = self.facts(step, 1);
        facts.push(("CIAO_OUTCOME", outcome.to_owned()));
        let (cwd, stdin) = (&finally.cwd, finally.stdin.as_ref());
        let parts = Parts { env, cwd, stdin, output: None, detach: false, facts };
        Some(self.finally_unchanged(step, finally).and_then(|()| self.launch(index, &finally.action, &parts)))
    }

    /// Whether the files that its `finally` names are still those that the plan was made from. What the step itself names
    /// it may have changed.
    fn finally_unchanged(&self, step: &Step, finally: &Finally) -> Refused<()> {
        let mut texts: Vec<&Text> = match &finally.action {
            Action::Run(arguments) => arguments.iter().flat_map(Argument::texts).collect(),
            Action::Script { path, args } => {
                std::iter::once(path).chain(args.iter().flat_map(Argument::texts)).collect()
            }
            Action::Task { .. } => Vec::new(),
        };
        texts.extend(finally.stdin.as_ref().and_then(|stdin| match stdin {
            Stdin::File(path) => Some(path),
            Stdin::Text(_) => None,
        }));
        let words: Vec<String> = texts.into_iter().filter_map(|text| self.string(text).ok()).collect();
        let names = |file: &NamedFile| {
            let name = file.path.file_name().unwrap_or_default();
            words.iter().any(|word| word.rsplit(['/', '=']).next() == Some(name))
        };
        self.same(step.files.iter().filter(|file| names(file)), "what it owes was not begun")
    }

    /// The folder of private files of a step, to be removed if its guardian was killed.
    #[must_use]
    pub fn private(&self, index: usize) -> PathBuf {
        self.private.join(format!("ciao-{}-{index}", std::process::id()))
    }

    fn facts(&self, step: &Step, attempt: u32) -> Vec<(&'static str, String)> {
        let deployment = self.deployment;
        vec![
            ("CIAO_ENVIRONMENT", deployment.plan.environment.clone()),
            ("CIAO_RELEASE", deployment.release.clone()),
            ("CIAO_COMMIT", deployment.commit.clone()),
            ("CIAO_STEP", step.id.clone()),
            ("CIAO_ATTEMPT", attempt.to_string()),
            ("CIAO_FENCE", deployment.fence.to_string()),
        ]
    }

    /// Whether the files that it names are still those that the plan was made from.
    fn unchanged(&self, step: &Step) -> Refused<()> {
        self.same(step.files.iter(), "the step was not started")
    }

    fn same<'f>(&self, files: impl Iterator<Item = &'f NamedFile>, so: &str) -> Refused<()> {
        for file in files {
            let now = File::open(self.deployment.root.join(&file.path)).and_then(|mut file| sha256(&mut file));
            let (now, _) = now.map_err(|error| format!("{} cannot be read any more: {error}", file.path))?;
            if now != file.sha256 {
                return Err(format!("{} has changed since the plan was made; {so}", file.path));
            }
        }
        Ok(())
    }

    fn launch(&self, index: usize, action: &Action, parts: &Parts<'_>) -> Refused<Launch> {
        let cwd = self.inside(&self.string(parts.cwd)?)?;
        let mut launch = Launch {
            cwd: cwd.into(),
            capture: parts.output.is_some(),
            detach: parts.detach,
            grace: self.deployment.grace,
            private: self.private(index),
            ..Launch::default()
        };
        self.environment(parts, &mut launch)?;
        launch.stdin = match parts.stdin {
            None => Input::Empty,
            Some(Stdin::Text(text)) => Input::Bytes(self.bytes(text)?),
            Some(Stdin::File(path)) => Input::File(self.inside(&self.string(path)?)?.into()),
        };
        match action {
            Action::Run(arguments) => {
                let mut words = self.arguments(arguments)?.into_iter();
                launch.name = words.next().ok_or("it names no program")?;
                launch.program = Some(find_program(&launch.name.to_string_lossy(), self.path(&launch), &launch.cwd)?);
                launch.args = words.collect();
            }
            Action::Script { path, args } => {
                self.no_hidden(&path.pieces)?;
                let path = self.inside(&self.string(path)?)?;
                launch.name = path.clone().into();
                launch.program = Some(path.into());
                launch.args = self.arguments(args)?;
            }
            Action::Task { name, with } => {
                launch.name = "ciao".into();
                launch.args = vec![TASK.into(), name.into()];
                launch.args.extend(parts.output.map(|output| if output.json { WANTED_JSON } else { WANTED }.into()));
                launch.stdin = Input::Bytes(self.value(with)?.to_string().into_bytes());
            }
        }
        if launch.args.iter().any(|word| word.as_bytes().contains(&0)) {
            return Err("an argument has a NUL in it, which no system can pass on".to_owned());
        }
        Ok(launch)
    }

    /// A path below the root of the repository, or in the folder that `${work}` is. Links were looked at when the plan
    /// was made; here it is about what only now has a value.
    fn inside(&self, path: &str) -> Refused<Utf8PathBuf> {
        // As nearly all are written: nothing to be taken out, and nowhere else.
        if path.split('/').all(|part| !matches!(part, "" | "." | "..")) {
            return Ok(self.deployment.root.join(path));
        }
        let mut whole = Utf8PathBuf::new();
        for part in self.deployment.root.join(path).components() {
            match part {
                Utf8Component::CurDir => {}
                Utf8Component::ParentDir => drop(whole.pop()),
                part => whole.push(part),
            }
        }
        if whole.starts_with(self.deployment.root) || whole.starts_with(self.deployment.work) {
            return Ok(whole);
        }
        Err(format!("{whole} is outside the repository"))
    }

    /// What it sees beyond what the caller passes to all of them.
    fn environment(&self, parts: &Parts<'_>, launch: &mut Launch) -> Refused<()> {
        for (name, value) in &parts.env {
            let (EnvValue::Text(text) | EnvValue::File(text)) = value;
            if !is_name(name) {
                return Err(format!("`{name}` is no name for a variable"));
            }
            // Found when the files are read; here nothing that was missed there gets through.
            match danger(name) {
                Some(Danger::Always(reason)) => return Err(format!("variable {name} cannot be set: {reason}")),
                Some(Danger::FromValue(reason)) if text.is_from_a_value() => {
                    return Err(format!("variable {name} cannot be set from a value: {reason}"));
                }
                _ => {}
            }
            let mut content = self.bytes(text)?;
            if matches!(value, EnvValue::File(_)) {
                // The last line break of a secret was taken off; programs that read keys want it back.
                if content.contains(&b'\n') && content.last() != Some(&b'\n') {
                    content.push(b'\n');
                }
                launch.files.push((name.into(), content));
                continue;
            }
            if content.contains(&0) {
                return Err(format!("variable {name} has a NUL in it, which no system can pass on"));
            }
            launch.env.push((name.into(), OsString::from_vec(content)));
        }
        launch.env.extend(parts.facts.iter().map(|(name, value)| (name.into(), value.into())));
        Ok(())
    }

    fn arguments(&self, arguments: &[Argument]) -> Refused<Vec<OsString>> {
        let texts = arguments.iter().flat_map(Argument::texts);
        texts
            .map(|text| {
                self.no_hidden(&text.pieces)?;
                self.bytes(text).map(OsString::from_vec)
            })
            .collect()
    }

    /// Every user of the machine sees arguments. That a step names a secret there is a finding; that it uses what another
    /// one has produced, with a secret in it, is seen only now.
    fn no_hidden(&self, pieces: &[Piece]) -> Refused<()> {
        for piece in pieces {
            match piece {
                Piece::Reference { value, .. } => self.no_hidden(value)?,
                Piece::Output { step, secret: false, .. } => {
                    let mut text = Vec::new();
                    self.pieces(std::slice::from_ref(piece), &mut text)?;
                    if self.hidden.iter().any(|secret| text.windows(secret.len()).any(|part| part == secret)) {
                        let maker = &self.deployment.plan.steps[*step as usize];
                        let output = maker.output.as_ref().map_or("", |output| &output.name);
                        return Err(format!(
                            "output `{output}` of step {} holds a secret, and every user of this machine can read \
                             arguments: pass it by env or stdin, and say `secret = true` where it is produced",
                            maker.id
                        ));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The value of a `with`, typed.
    fn value(&self, tree: &Tree) -> Refused<Value> {
        Ok(match tree {
            Tree::Boolean(value) => Value::from(*value),
            Tree::Integer(value) => Value::from(*value),
            Tree::Float(value) => Value::from(*value),
            Tree::Text(text) => match sole_output(&text.pieces) {
                Some((step, path)) => self.produced(step, path)?,
                None => Value::from(self.string(text)?),
            },
            Tree::Typed { value, .. } => self.value(value)?,
            Tree::List(items) => {
                let items = items.iter().flat_map(Tree::elements);
                Value::Array(items.map(|item| self.value(item)).collect::<Refused<_>>()?)
            }
            Tree::Table(table) => {
                let mut object = serde_json::Map::new();
                for (key, value) in table {
                    object.insert(key.clone(), self.value(value)?);
                }
                Value::Object(object)
            }
        })
    }

    /// What a step has produced, or the value at `path` in it.
    fn produced(&self, step: u32, path: &[String]) -> Refused<Value> {
        let id = &self.deployment.plan.steps[step as usize].id;
        let produced = self.outputs[step as usize].as_ref();
        let produced = produced.ok_or_else(|| format!("step {id} has produced nothing in this deployment"))?;
        let Some(json) = &produced.json else {
            let text = Value::from(produced.text.clone());
            return self.filled(step, path, &text).map(|()| text);
        };
        let mut value = json;
        for key in path {
            let next = match value {
                Value::Array(items) => key.parse::<usize>().ok().and_then(|index| items.get(index)),
                _ => value.get(key),
            };
            value = next.ok_or_else(|| format!("there is no `{}` in what step {id} has produced", path.join(".")))?;
        }
        self.filled(step, path, value)?;
        Ok(value.clone())
    }

    /// Nothing in the place of a value deletes `/` in the worst case.
    fn filled(&self, step: u32, path: &[String], value: &Value) -> Refused<()> {
        let maker = &self.deployment.plan.steps[step as usize];
        let name = || {
            let name = maker.output.iter().map(|output| &output.name).chain(path);
            name.map(String::as_str).collect::<Vec<_>>().join(".")
        };
        let what = match value {
            Value::Null => "null",
            Value::String(text) if text.is_empty() => "empty",
            Value::String(text)
                if is_short(text.as_bytes()) && maker.output.as_ref().is_some_and(|output| output.secret) =>
            {
                self.bare.borrow_mut().insert(name());
                return Ok(());
            }
            _ => return Ok(()),
        };
        let name = name();
        Err(format!("output `{name}` of step {} is {what}; nothing was started with it", maker.id))
    }

    fn string(&self, text: &Text) -> Refused<String> {
        String::from_utf8(self.bytes(text)?).map_err(|_| "a secret that is no UTF-8 cannot be used here".to_owned())
    }

    fn bytes(&self, text: &Text) -> Refused<Vec<u8>> {
        let mut out = Vec::new();
        self.pieces(&text.pieces, &mut out)?;
        Ok(out)
    }

    fn pieces(&self, pieces: &[Piece], out: &mut Vec<u8>) -> Refused<()> {
        for piece in pieces {
            match piece {
                Piece::Literal(text) => out.extend(text.as_bytes()),
                Piece::Reference { value, .. } => self.pieces(value, out)?,
                Piece::Secret(name) => {
                    out.extend(self.secrets.get(name).ok_or_else(|| format!("secret {name} was not read"))?);
                }
                Piece::Output { step, path, .. } => match self.produced(*step, path)? {
                    Value::String(text) => out.extend(text.as_bytes()),
                    value => out.extend(value.to_string().as_bytes()),
                },
                Piece::Builtin(builtin) => out.extend(self.builtin(*builtin).as_bytes()),
                Piece::Missing => return Err("a parameter that it uses has no value".to_owned()),
            }
        }
        Ok(())
    }

    fn builtin(&self, builtin: Builtin) -> &str {
        match builtin {
            Builtin::Release => &self.deployment.release,
            Builtin::Commit => &self.deployment.commit,
            Builtin::Repo => self.deployment.root.as_str(),
            Builtin::Work => self.deployment.work.as_str(),
        }
    }

    /// What a piece stands for where it may be shown: for [`super::paste::shell_line`].
    #[must_use]
    pub fn shown(&self, piece: &Piece) -> Option<String> {
        match piece {
            Piece::Builtin(builtin) => Some(self.builtin(*builtin).to_owned()),
            Piece::Output { secret: false, .. } => {
                let mut out = Vec::new();
                self.pieces(std::slice::from_ref(piece), &mut out).ok()?;
                String::from_utf8(out).ok()
            }
            _ => None,
        }
    }
}

/// The output that a string consists of, if it is exactly one.
fn sole_output(pieces: &[Piece]) -> Option<(u32, &[String])> {
    match pieces {
        [Piece::Output { step, path, .. }] => Some((*step, path)),
        [Piece::Reference { value, .. }] => sole_output(value),
        _ => None,
    }
}
