//! `init DIR`: the engine, the owner's first files, and the few lines that join them to the repository that is there.

use std::io::Write;

use camino::{Utf8Path, Utf8PathBuf};

use super::destination::{Destination, parsed, quoted, step_order_of};
use super::edit::{Document, quoted as string, with_block, with_line, with_settings};
use super::file::{self, Change, GITIGNORE};
use super::git::git;
use super::origin::{Origin, RECORD};
use super::proof::{Cargo, orders, without_prefix};
use super::starter::{self, Starter};
use super::{Refusal, adopt, confirmed, lock, older, write};
use ciao_base::task::Tasks;
use ciao_check::repository::Repository;
use ciao_declare::finding::Severity;

/// Copy the engine and a first deployment into another repository
#[derive(Debug, clap::Args)]
pub struct InitArgs {
    /// The root of the other git repository
    #[arg(value_name = "DIR")]
    pub repository: Utf8PathBuf,
    /// Adopt a folder of scripts: each becomes a step of one pipeline
    #[arg(long, value_name = "SCRIPTS")]
    pub from: Option<Utf8PathBuf>,
    /// The order of the adopted scripts, or `readme` for the one in which their readme names them
    #[arg(long, value_name = "SCRIPT", value_delimiter = ',', requires = "from")]
    pub order: Vec<String>,
    /// Write without asking; where nobody can answer nothing is asked anyway
    #[arg(short, long)]
    pub yes: bool,
}

/// What is about to be written, and what its owner should know.
struct Draft<'d> {
    destination: &'d Destination,
    changes: Vec<Change>,
    notes: Vec<String>,
}

/// Shows what it will write, then writes it, all or nothing.
///
/// # Errors
/// If the repository cannot get a copy; then nothing has changed.
pub fn init(args: &InitArgs, out: &mut dyn Write) -> Result<(), Refusal> {
    let origin = Origin::of_this_program()?;
    let destination = Destination::open(&args.repository, &origin, "init")?;
    let cargo = Cargo::of(&destination.root);
    let cargo_version = cargo.version()?;
    let unread = destination.has("Cargo.toml").then(|| read_by(&cargo)).flatten();
    no_other_xtask(&destination)?;
    let adopted = args.from.as_ref().map(|from| adopt::read(from, &args.order)).transpose()?;
    let mut draft = Draft { destination: &destination, changes: Vec::new(), notes: Vec::new() };
    draft.engine(&origin)?;
    draft.workspace(&origin)?;
    draft.alias()?;
    draft.owners(adopted.as_ref())?;
    draft.git_files()?;
    let Draft { changes, mut notes, .. } = draft;
    notes.extend(destination.not_ignored(&changes)?);
    notes.extend(adopted.iter().flat_map(|adopted| adopted.notes.iter().cloned()));
    notes.extend(too_old(&cargo_version));
    let works = unread.is_none();
    notes.extend(unread.iter().filter_map(|why| why.lines().next()).map(|why| {
        format!("cargo cannot read the workspace, and `cargo xtask` not run, before that is mended: {why}")
    }));
    if destination.is_sparse() {
        let what =
            "it is a sparse checkout: `git sparse-checkout add` the folders that are written, or `git add --sparse`";
        notes.push(what.to_owned());
    }
    if destination.dirty > 0 {
        let what = "not committed; commit them first to keep them apart from what is written now";
        notes.insert(0, format!("there are changes in {}, {what}", destination.dirty_files()));
    }
    writeln!(out, "{} gets:", destination.root)?;
    write::show(&changes, out)?;
    writeln!(out, "  create  tests/snapshots/: the order of the steps in every environment that has a plan then")?;
    for note in &notes {
        writeln!(out, "note: {note}")?;
    }
    if !confirmed("write this?", args.yes)? {
        return Err(Refusal::new("nothing was written", ""));
    }
    let ready = copy(&destination, &cargo, &origin, &changes, works)?;
    next(&destination, ready, out)
}

/// A note where cargo is one that cannot build the engine, as a `rust-toolchain.toml` may want it.
fn too_old(cargo: &str) -> Option<String> {
    let needed = env!("CARGO_PKG_RUST_VERSION");
    let there = cargo.split(' ').nth(1).filter(|there| there.starts_with(|first: char| first.is_ascii_digit()))?;
    older(there, needed).then(|| {
        format!(
            "cargo is {there} there, and the engine needs {needed}: raise it in rust-toolchain.toml, or `rustup update`"
        )
    })
}

/// Writes everything, unless cargo could read the workspace before and cannot after. Gives whether it can be deployed.
fn copy(
    destination: &Destination,
    cargo: &Cargo,
    origin: &Origin,
    changes: &[Change],
    worked: bool,
) -> Result<bool, Refusal> {
    let root = &destination.root;
    let written = write::write(root, changes)?;
    if let (Some(why), true) = (read_by(cargo), worked) {
        written.take_back()?;
        let message = format!("cargo would not accept the workspace any more: {why}");
        let help = "mend what cargo says, then again; nothing was changed";
        return Err(cargo.interrupted().unwrap_or(Refusal::new(message, help)));
    }
    let (snapshots, ready) = snapshots(root, destination.is_package()?)?;
    cargo.complete(written.and(&snapshots)?, origin)?;
    Ok(ready)
}

/// Why cargo cannot read the workspace; it looks at no registry.
fn read_by(cargo: &Cargo) -> Option<String> {
    let read = cargo.run(&["metadata", "--no-deps", "--offline", "--format-version", "1"]);
    read.err().map(|failed| without_prefix(failed.stderr.trim()).to_owned())
}

/// The order of the steps in every environment, as accepted: what the owner's first `cargo test` compares with. And whether
/// there is nothing that would refuse a deployment.
fn snapshots(root: &Utf8Path, package: bool) -> Result<(Vec<Change>, bool), Refusal> {
    let repository = Repository::read(root);
    let mut changes = Vec::new();
    // As insta writes it, so that what is accepted later differs in the order alone.
    let source = if package { "tests/step_order.rs" } else { "xtask/../tests/step_order.rs" };
    for (path, order) in orders(&repository) {
        if !root.join(&path).exists() {
            let text = format!("---\nsource: {source}\n---\n{order}");
            changes.extend(Change::new(root, path, Some(text.into_bytes()))?);
        }
    }
    let examined = repository.examine_for(&Tasks::new(), |_| false);
    let ready = examined.findings.iter().all(|finding| finding.severity != Severity::Error);
    Ok((changes, ready))
}

fn next(destination: &Destination, ready: bool, out: &mut dyn Write) -> Result<(), Refusal> {
    writeln!(out, "\nwritten. Next:")?;
    writeln!(out, "  cd {}", quoted(&destination.root))?;
    if !ready {
        writeln!(
            out,
            "  $EDITOR pipelines/environments/*.toml   # the values; of scripts, what stood in them is there"
        )?;
        writeln!(out, "  cargo xtask check           # what is still missing before it can be deployed")?;
        writeln!(out, "  cargo xtask plan dev        # what would be done, in which order")?;
    } else {
        writeln!(out, "  git add --all && git commit --message \"Deployments\"")?;
        writeln!(out, "  cargo xtask deploy dev      # the empty deployment: it proves that the automation works")?;
        match destination.holder() {
            Some(command) => writeln!(out, "  {command}  # holds the order of the steps in every environment")?,
            None => writeln!(
                out,
                "  $EDITOR {0}  # yours, without `assert_step_order!`: nothing holds the order",
                starter::TEST.path
            )?,
        }
        writeln!(out, "then the first real step: pipelines/deployments/app/pipeline.toml")?;
    }
    Ok(())
}

/// Refuses a copy that is there already, and a crate that would have the same name.
fn no_other_xtask(destination: &Destination) -> Result<(), Refusal> {
    let root = &destination.root;
    if destination.has(RECORD) || destination.has("xtask/engine/lib.rs") {
        let help = format!("bring it up to date: `cargo xtask upgrade {}`", quoted(root));
        return Err(Refusal::new(format!("{root} has a copy already"), help));
    }
    let named = destination.manifests().into_iter().find(|(_, text)| {
        Document::parse(text).is_ok_and(|document| document.string(&["package", "name"]) == Some("xtask"))
    });
    let folder = match named {
        Some((folder, _)) if folder == "" => {
            let help = "give it another name: `name` in its Cargo.toml, and where that is used; then again";
            return Err(Refusal::new(format!("the package at the root of {root} is called `xtask`"), help));
        }
        Some((folder, _)) => folder,
        // A link to nothing is found where something is written below it.
        None if root.join("xtask").exists() => "xtask".into(),
        None => return Ok(()),
    };
    let message = format!("{root} has an xtask of its own in {folder}/, which is not ours");
    let help = "give it another name, then again: move the folder, and change `name` in its Cargo.toml, `members` and the\n\
                alias in .cargo/config.toml, for example to `tools`. Both work side by side: `cargo tools`, `cargo xtask`.\n\
                Or register what it does as tasks in xtask/src/tasks.rs afterwards";
    Err(Refusal::new(message, help))
}

impl Draft<'_> {
    fn put(&mut self, path: impl Into<Utf8PathBuf>, content: impl Into<Vec<u8>>) -> Result<(), Refusal> {
        self.put_file(path, content, false)
    }

    fn put_file(
        &mut self,
        path: impl Into<Utf8PathBuf>,
        content: impl Into<Vec<u8>>,
        executable: bool,
    ) -> Result<(), Refusal> {
        let change = Change::new(&self.destination.root, path, Some(content.into()))?;
        self.changes.extend(change.map(|change| Change { executable, ..change }));
        Ok(())
    }

    /// A file of the owner's, unless there is one.
    fn start(&mut self, starter: &Starter, text: &str) -> Result<(), Refusal> {
        if self.destination.has(starter.path) {
            self.notes.push(format!("{} is kept as it is", starter.path));
            return Ok(());
        }
        self.put_file(starter.path, text, starter.executable)
    }

    fn engine(&mut self, origin: &Origin) -> Result<(), Refusal> {
        for (path, content) in &origin.files {
            self.put(path, content.clone())?;
        }
        self.put(RECORD, origin.record())?;
        let Some(ours) = file::read(&origin.root, Utf8Path::new("Cargo.lock"))? else { return Ok(()) };
        let theirs = self.destination.toml("Cargo.lock")?;
        self.put("Cargo.lock", lock::merged(theirs.as_deref(), &String::from_utf8_lossy(&ours), &origin.left_out))
    }

    /// The root's `Cargo.toml`: a workspace that the xtask is a member of.
    fn workspace(&mut self, origin: &Origin) -> Result<(), Refusal> {
        let theirs = self.destination.text("Cargo.toml")?;
        let text = theirs.clone().unwrap_or_default();
        let document = parsed("Cargo.toml", &text)?;
        let package = document.has(&["package"]);
        if theirs.is_some() && !package && !document.has(&["workspace"]) {
            let help = "mend it, then again";
            return Err(Refusal::new("Cargo.toml has neither [package] nor [workspace]", help));
        }
        if let Some(of) = document.string(&["package", "workspace"]) {
            let help = "remove that line, or call `init` on the repository that holds the workspace";
            return Err(Refusal::new(
                format!("Cargo.toml belongs to a workspace elsewhere: workspace = \"{of}\""),
                help,
            ));
        }
        if document.strings(&["workspace", "exclude"]).contains(&"xtask") {
            return Err(Refusal::new(
                "Cargo.toml excludes `xtask` from its workspace",
                "remove it from `exclude`, then again",
            ));
        }
        let mut text = if document.has(&["workspace"]) {
            with_member(&text, &document)
        } else {
            self.new_workspace(&text, package)?
        };
        // So that `cargo test` of a package at the root holds the step order too: it runs that package's tests only.
        let engine = self.destination.engines_name()?;
        let needed = [(engine, "{ path = \"xtask\", package = \"xtask\" }"), ("insta", &*origin.insta)];
        for (name, value) in needed.into_iter().filter(|_| package) {
            let document = parsed("Cargo.toml", &text)?;
            if !document.has(&["dev-dependencies", name]) {
                text = document.with_key("dev-dependencies", name, value);
            }
        }
        if package && autotests_are_off(&text) && step_order_of(&text).is_none() {
            text = with_block(&text, "[[test]]\nname = \"step_order\"\npath = \"tests/step_order.rs\"\n");
        }
        let ours = file::read(&origin.root, Utf8Path::new("Cargo.toml"))?.unwrap_or_default();
        let ours = String::from_utf8_lossy(&ours).replace("\r\n", "\n");
        if theirs.is_none() {
            // Nothing else is built there: all of it is as here.
            for (_, lines) in Document::parse(&ours).map(|ours| ours.sections("profile.")).unwrap_or_default() {
                text = with_block(&text, &format!("{}\n", &ours[lines]));
            }
        }
        let text = with_settings(&text, &ours);
        parsed("Cargo.toml", &text)?;
        self.put("Cargo.toml", text)
    }

    fn new_workspace(&mut self, text: &str, package: bool) -> Result<String, Refusal> {
        let mut block = "[workspace]\nmembers = [\"xtask\"]\n".to_owned();
        let lone = self.destination.lone_packages();
        if !lone.is_empty() {
            let lone: Vec<String> = lone.iter().map(|folder| string(folder)).collect();
            block += &format!(
                "# Packages of their own, as they were before there was a workspace here.\nexclude = [{}]\n",
                lone.join(", ")
            );
        }
        // A package keeps the resolver of its edition.
        block += if package { "" } else { "resolver = \"3\"\n" };
        Ok(with_block(text, &block))
    }

    /// `cargo xtask`.
    fn alias(&mut self) -> Result<(), Refusal> {
        const ALIAS: &str = "run --quiet --package xtask --";
        // Where there are both cargo reads the one without the ending.
        let old = self.destination.has(".cargo/config");
        let path = if old { ".cargo/config" } else { ".cargo/config.toml" };
        let text = self.destination.text(path)?.unwrap_or_default();
        let document = parsed(path, &text)?;
        if document.has(&["alias", "xtask"]) {
            let words = match document.string(&["alias", "xtask"]) {
                Some(words) => words.split_whitespace().collect(),
                None => document.strings(&["alias", "xtask"]),
            };
            if words.contains(&"xtask") && words.last() == Some(&"--") {
                return Ok(());
            }
            let help = format!("remove or rename it in {path}, then again; ours is `xtask = \"{ALIAS}\"`");
            return Err(Refusal::new(format!("`cargo xtask` is an alias for `{}` there", words.join(" ")), help));
        }
        if document.has(&["build", "target"]) {
            let what = "sets `build.target`: if that is another machine's, give the alias `--target` with this one's";
            self.notes.push(format!("{path} {what}"));
        }
        let edited = document.with_key("alias", "xtask", &string(ALIAS));
        parsed(path, &edited)?;
        self.put(path, edited)
    }

    /// The owner's files: code, pipelines, test, and what CI runs.
    fn owners(&mut self, adopted: Option<&adopt::Adopted>) -> Result<(), Refusal> {
        for starter in &starter::CODE {
            self.start(starter, starter.text)?;
        }
        let package = self.destination.is_package()?;
        let test = if package { starter::TEST_OF_ROOT } else { starter::TEST.text };
        self.start(&starter::TEST, &test.replace("ciao::", &format!("{}::", self.destination.engines_name()?)))?;
        self.pipelines(adopted)?;
        let ci = if self.destination.has(".github") { &starter::WORKFLOW } else { &starter::CI };
        if self.destination.has(ci.path) {
            self.notes.push("for CI: `cargo xtask check && cargo test --package xtask`".into());
        }
        self.start(ci, ci.text)
    }

    fn pipelines(&mut self, adopted: Option<&adopt::Adopted>) -> Result<(), Refusal> {
        let there = ["orchestration.toml", "environment.toml", "deployments", "environments"];
        let theirs = |name: &str| self.destination.has(&format!("pipelines/{name}"));
        if adopted.is_some() && there.into_iter().any(theirs) {
            let help = "call `init` without `--from`, then `cargo xtask new pipeline NAME` there";
            return Err(Refusal::new("it has pipelines already", help));
        }
        if theirs("orchestration.toml") && theirs("environment.toml") {
            self.notes.push("its pipelines/ are kept as they are".into());
            return Ok(());
        }
        let listed = Repository::read(&self.destination.root).declarations.orchestration;
        // What the values of the starter are for is declared in its own file.
        let declared = !theirs("environment.toml");
        let orchestration = &starter::ORCHESTRATION;
        self.start(orchestration, orchestration.text)?;
        let environment = &starter::ENVIRONMENT;
        let mut text =
            adopted.map_or_else(|| environment.text.to_owned(), |adopted| adopted.environment(environment.text));
        let remotes = git(&self.destination.root, &["remote"]).unwrap_or_default();
        if let Some(remote) = remotes.lines().next() {
            let accept = format!(
                "# Goes when the ledger is shared: `[ledger] remote = \"{remote}\"` in orchestration.toml.\n[[accept]]\n\
                 code = \"local-ledger\"\nat = \"{}\"\nreason = \"one person deploys, from one clone\"\n",
                orchestration.path
            );
            text = with_block(&text, &accept);
        }
        self.start(environment, &text)?;
        let unlisted = |starter: &&Starter| {
            let name = Utf8Path::new(starter.path).file_stem().unwrap_or_default();
            theirs("orchestration.toml") && listed.get(name).is_none()
        };
        for values in starter::VALUES.iter().filter(|values| !unlisted(values)) {
            let text = match adopted {
                Some(adopted) => adopted.values(values.text),
                None if declared => values.text.to_owned(),
                None => adopt::without_title(values.text),
            };
            self.start(values, &text)?;
        }
        let Some(adopted) = adopted else {
            let called = starter::APP.iter().filter(|_| declared);
            return called.into_iter().try_for_each(|starter| self.start(starter, starter.text));
        };
        for (path, content, executable) in &adopted.files {
            self.put_file(path, content.clone(), *executable)?;
        }
        Ok(())
    }

    /// What git should ignore, and how it should write scripts.
    fn git_files(&mut self) -> Result<(), Refusal> {
        if self.destination.root.join(GITIGNORE).is_symlink() {
            let message = format!("{GITIGNORE} is a link, and git reads none that is one");
            return Err(Refusal::new(message, "make it a file, then again"));
        }
        let mut ignored = self.destination.text(GITIGNORE)?.unwrap_or_default();
        for (line, example) in [
            ("/target/", "target/x"),
            ("pipelines/environments/personal/", "pipelines/environments/personal/x.toml"),
            // What a test of the step order that failed leaves to be looked at; it would make the tree dirty.
            ("*.snap.new", "tests/snapshots/x.snap.new"),
        ] {
            if !self.destination.ignores(example) {
                ignored = with_line(&ignored, line);
            }
        }
        if !ignored.is_empty() {
            self.put(GITIGNORE, ignored)?;
        }
        let there = self.destination.text(".gitattributes")?.unwrap_or_default();
        let mut attributes = there.clone();
        for (script, line) in [
            ("pipelines/deployments/app/verify.sh", "pipelines/deployments/** text=auto eol=lf"),
            (starter::CI.path, ".ci/run text eol=lf"),
        ] {
            let written = script != starter::CI.path || self.changes.iter().any(|change| change.path == script);
            if written && self.destination.converts_line_ends(script) {
                // The system looks for an interpreter whose name ends in a carriage return.
                attributes = with_line(&attributes, line);
            }
        }
        if attributes == there { Ok(()) } else { self.put(".gitattributes", attributes) }
    }
}

/// Whether files in tests/ are none of the package's tests by themselves.
fn autotests_are_off(text: &str) -> bool {
    let document = Document::parse(text);
    document.is_ok_and(|document| {
        document.get(&["package", "autotests"]).is_some_and(|value| value.get_ref().as_bool() == Some(false))
    })
}

/// Adds the xtask to the members, unless a pattern there takes it in.
fn with_member(text: &str, document: &Document<'_>) -> String {
    let members = document.strings(&["workspace", "members"]);
    let takes_in = |pattern: &&str| match pattern.trim_start_matches("./").trim_end_matches('/').split_once('*') {
        _ if pattern.contains('/') && !pattern.starts_with("./") => false,
        Some((head, tail)) => "xtask".starts_with(head) && "xtask".ends_with(tail),
        None => *pattern == "xtask",
    };
    if members.iter().any(takes_in) {
        return text.to_owned();
    }
    let added = document.with_item(&["workspace", "members"], "xtask");
    added.unwrap_or_else(|| document.with_key("workspace", "members", "[\"xtask\"]"))
}
