//! The files of the repository that steps may name: scripts, standard input, and every argument that could be a path.
//!
//! Environments name the same few again and again, so each is told apart once. Whether they are there is for others
//! to find out.

use std::collections::HashMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::path::{ROOT, located};
use super::{Action, Argument, Piece, Plan, Stdin, Step, Text};

/// All paths that the steps of some plans may name.
#[derive(Debug, Default)]
pub struct Named {
    /// From the root, each once.
    pub paths: Vec<Utf8PathBuf>,
    /// The folders that steps work in.
    pub folders: Vec<Utf8PathBuf>,
    numbers: HashMap<String, u32>,
    within: HashMap<String, usize>,
    /// By folder, what was written there, and which path that is.
    written: Vec<(String, HashMap<String, Option<u32>>)>,
    last: usize,
}

/// A path that a step may name: its number, and whether it is deployed wherever it stands, as scripts and input are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    pub path: u32,
    pub deployed: bool,
}

impl Named {
    /// What each step of a plan may name.
    pub fn of(&mut self, plan: &Plan) -> Vec<Vec<Candidate>> {
        plan.steps.iter().map(|step| self.step(step)).collect()
    }

    fn step(&mut self, step: &Step) -> Vec<Candidate> {
        let mut found = Vec::new();
        let folder = self.folder(&step.cwd);
        self.action(&step.action, folder, &mut found);
        self.arguments(step.unless.as_deref().unwrap_or_default(), folder, &mut found);
        self.stdin(step.stdin.as_ref(), &mut found);
        if let Some(finally) = &step.finally {
            let folder = self.folder(&finally.cwd);
            self.action(&finally.action, folder, &mut found);
            self.stdin(finally.stdin.as_ref(), &mut found);
        }
        found
    }

    /// The number of a folder. What it is when it is not known yet holds no file of the repository.
    fn folder(&mut self, cwd: &Text) -> usize {
        let path;
        let known = match cwd.pieces.as_slice() {
            // Most folders are that of the file.
            [Piece::Literal(folder)] => Some(&**folder),
            _ => {
                path = cwd.path();
                path.as_ref().map(|path| path.as_str())
            }
        };
        let name = known.unwrap_or("/");
        if self.written.get(self.last).is_none_or(|(last, _)| last != name) {
            self.last = self.within.get(name).copied().unwrap_or(self.written.len());
            if self.last == self.written.len() {
                self.written.push((name.to_owned(), HashMap::new()));
                self.within.insert(name.to_owned(), self.last);
                self.folders.extend(known.is_some().then(|| name.into()));
            }
        }
        self.last
    }

    fn action(&mut self, action: &Action, folder: usize, found: &mut Vec<Candidate>) {
        match action {
            Action::Run(arguments) => self.arguments(arguments, folder, found),
            Action::Script { path, args } => {
                self.deployed(path, found);
                self.arguments(args, folder, found);
            }
            Action::Task { .. } => {}
        }
    }

    fn stdin(&mut self, stdin: Option<&Stdin>, found: &mut Vec<Candidate>) {
        if let Some(Stdin::File(path)) = stdin {
            self.deployed(path, found);
        }
    }

    fn deployed(&mut self, path: &Text, found: &mut Vec<Candidate>) {
        let path = path.known_in_repo().and_then(|path| match self.numbers.get(&*path) {
            Some(number) => Some(*number),
            None => Some(self.number(located(Utf8Path::new(""), &path)?)),
        });
        found.extend(path.map(|path| Candidate { path, deployed: true }));
    }

    fn arguments(&mut self, arguments: &[Argument], folder: usize, found: &mut Vec<Candidate>) {
        for text in arguments.iter().flat_map(Argument::texts) {
            let Some(argument) = text.known_in_repo() else { continue };
            let path = match self.written[folder].1.get(&*argument) {
                Some(path) => *path,
                None => {
                    let path = self.argument(&argument, folder);
                    self.written[folder].1.insert(argument.into_owned(), path);
                    path
                }
            };
            found.extend(path.map(|path| Candidate { path, deployed: false }));
        }
    }

    fn argument(&mut self, argument: &str, folder: usize) -> Option<u32> {
        // `--file=data.sql` names data.sql.
        let path = match argument.split_once('=') {
            Some((option, value)) if option.starts_with('-') => value,
            _ => argument,
        };
        let is_path = !path.is_empty() && path.len() < 4096 && !path.starts_with('-') && !path.contains('\n');
        if !is_path || path.rfind(ROOT).is_some_and(|at| at > 0) {
            return None;
        }
        let path = located(Utf8Path::new(&self.written[folder].0), path).filter(|path| path != ".")?;
        Some(self.number(path))
    }

    fn number(&mut self, path: Utf8PathBuf) -> u32 {
        *self.numbers.entry(path.to_string()).or_insert_with(|| {
            self.paths.push(path);
            self.paths.len() as u32 - 1
        })
    }
}
