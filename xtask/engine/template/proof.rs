//! What a copy says about itself: the order of its steps, whether its tests pass. Told by the copy's own program.
//!
//! It runs cargo there, and ends it when a signal comes, so that whoever has written can take it back.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::destination::quoted;
use super::origin::Origin;
use super::write::Written;
use super::{Refusal, snapshot};
use ciao_base::task::Tasks;
use ciao_check::repository::Repository;
use ciao_show::{self as show, word::Side};

/// Cargo in one folder. From its making on, SIGINT, SIGTERM and SIGHUP do not end this program but what it runs.
pub struct Cargo {
    root: Utf8PathBuf,
    signal: Arc<AtomicUsize>,
}

/// What a command printed before it failed.
pub struct Failed {
    pub stdout: String,
    pub stderr: String,
}

impl Cargo {
    #[must_use]
    pub fn of(root: &Utf8Path) -> Cargo {
        let signal = Arc::new(AtomicUsize::new(0));
        for (number, code) in [(SIGHUP, 1), (SIGINT, 2), (SIGTERM, 15)] {
            // Where it cannot be asked for, the signal ends this program, and the next command takes back.
            _ = signal_hook::flag::register_usize(number, Arc::clone(&signal), code);
        }
        Cargo { root: root.to_owned(), signal }
    }

    /// The signal that came.
    #[must_use]
    pub fn signal(&self) -> Option<u8> {
        u8::try_from(self.signal.load(Ordering::SeqCst)).ok().filter(|signal| *signal != 0)
    }

    /// What to say if a signal came: everything has been taken back by then.
    #[must_use]
    pub fn interrupted(&self) -> Option<Refusal> {
        let message = |signal| format!("ended by signal {signal}: nothing was changed");
        self.signal().map(|signal| Refusal { code: 128 + signal, ..Refusal::new(message(signal), "") })
    }

    /// Makes the lock file whole before it is committed: the first build would change it, and the tree be dirty. What is not
    /// known without a network is left to that build, unless no network is what cargo is told to build with. Then what was
    /// written is kept, or taken back.
    ///
    /// # Errors
    /// If a signal came, or the dependencies are vendored and the engine's are not among them.
    pub fn complete(&self, written: Written<'_>, origin: &Origin) -> Result<(), Refusal> {
        let said = self.run(&["update", "--workspace", "--offline", "--quiet"]).err().map(|failed| failed.stderr);
        let refusal = self.interrupted().or_else(|| {
            let said = said?;
            let why = said.lines().take_while(|line| !line.starts_with("As a reminder")).collect::<Vec<_>>().join("\n");
            let message = format!("cargo could build nothing there any more: {}", without_prefix(&why));
            Some(Refusal::new(message, self.not_vendored(&said, origin)?))
        });
        let Some(refusal) = refusal else {
            written.keep();
            return Ok(());
        };
        written.take_back()?;
        Err(refusal)
    }

    /// What to do where cargo says that it looked for a package among those that are vendored.
    #[must_use]
    pub fn not_vendored(&self, said: &str, origin: &Origin) -> Option<String> {
        let folder = said.split(": directory source `").nth(1)?.split('`').next()?;
        Some(format!(
            "add what the engine needs to what is vendored, then again; everything was taken back:\n\
             cd {} && cargo vendor --sync {} {}",
            quoted(&self.root),
            quoted(&origin.root.join("Cargo.toml")),
            quoted(Utf8Path::new(folder))
        ))
    }

    /// What it says of its version.
    ///
    /// # Errors
    /// If there is no cargo, or not the one that is asked for there.
    pub fn version(&self) -> Result<String, Refusal> {
        let mut command = Command::new("cargo");
        command.arg("--version").current_dir(&self.root).env_remove("RUSTUP_TOOLCHAIN").env_remove("RUST_BACKTRACE");
        match command.output() {
            Ok(output) if !output.status.success() => {
                let said = String::from_utf8_lossy(&output.stderr);
                let message = format!("cargo does not run there: {}", without_prefix(said.trim()));
                Err(Refusal::new(message, "mend that, or change rust-toolchain.toml, then again; nothing was changed"))
            }
            Ok(output) => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let help = "install Rust, https://rustup.rs, and see that `cargo` is on the PATH; nothing was changed";
                Err(Refusal::new("there is no cargo here", help))
            }
            Err(_) => Ok(String::new()),
        }
    }

    /// Runs it as the owner would, and gives its standard output.
    ///
    /// # Errors
    /// What it printed.
    pub fn run(&self, args: &[&str]) -> Result<String, Failed> {
        let could_not = |error: std::io::Error| Failed { stdout: String::new(), stderr: error.to_string() };
        if self.signal().is_some() {
            return Err(Failed { stdout: String::new(), stderr: "interrupted".to_owned() });
        }
        let mut command = Command::new("cargo");
        // Set for this program by the cargo that runs it.
        command.args(args).current_dir(&self.root).env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO_MANIFEST_DIR");
        // What tests find different is told, and no `.snap.new` left for it.
        command.env(super::ORDER_ONLY, "1").env("INSTA_UPDATE", "no");
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(could_not)?;
        let all = |stream: Option<Box<dyn Read + Send>>| {
            thread::spawn(move || {
                let mut bytes = Vec::new();
                stream.map(|mut stream| stream.read_to_end(&mut bytes));
                String::from_utf8_lossy(&bytes).into_owned()
            })
        };
        let stdout = all(child.stdout.take().map(|stream| Box::new(stream) as _));
        let stderr = all(child.stderr.take().map(|stream| Box::new(stream) as _));
        let status = loop {
            if let Some(status) = child.try_wait().map_err(could_not)? {
                break status;
            }
            if let (Some(_), Some(pid)) = (self.signal(), Pid::from_raw(i32::try_from(child.id()).unwrap_or_default()))
            {
                _ = kill_process(pid, Signal::TERM);
            }
            thread::sleep(Duration::from_millis(20));
        };
        // What it has started may live longer and hold its output; who was interrupted does not wait for that.
        if self.signal().is_some() {
            return Err(Failed { stdout: String::new(), stderr: "interrupted".to_owned() });
        }
        let (stdout, stderr) = (stdout.join().unwrap_or_default(), stderr.join().unwrap_or_default());
        if status.success() { Ok(stdout) } else { Err(Failed { stdout, stderr }) }
    }
}

/// What cargo says, without its own word for an error.
#[must_use]
pub fn without_prefix(said: &str) -> &str {
    said.strip_prefix("error: ").unwrap_or(said)
}

/// What a copy says about itself.
pub struct Proof {
    /// For every environment its plan, as far as the order goes; nothing where no plan can be made.
    orders: Vec<(String, Option<Vec<serde_json::Value>>)>,
    /// Whether `check` finds no error.
    pub clean: bool,
    /// Why its tests do not pass.
    pub failure: Option<String>,
}

impl Proof {
    #[must_use]
    pub fn of(cargo: &Cargo) -> Proof {
        let repository = Repository::read(&cargo.root);
        let environments: Vec<String> = repository.declarations.orchestration.names().map(str::to_owned).collect();
        let tested = cargo.run(&["test", "--quiet", "--package", "xtask"]);
        let own = |args: &[&str]| cargo.run(&[&["run", "--quiet", "--package", "xtask", "--"], args].concat());
        let orders = environments.into_iter().map(|environment| {
            let text = own(&["plan", &environment, "--format", "json"]);
            let order =
                serde_json::from_str(&text.unwrap_or_else(|failed| failed.stdout)).ok().as_ref().and_then(order);
            (environment, order)
        });
        Proof {
            orders: orders.collect(),
            clean: own(&["check"]).is_ok(),
            failure: tested.err().map(|failed| {
                let all = failed.stdout + &failed.stderr;
                let lines: Vec<&str> = all.lines().collect();
                lines[lines.len().saturating_sub(30)..].join("\n")
            }),
        }
    }

    /// Whether there is a plan at all.
    #[must_use]
    pub fn has_plan(&self) -> bool {
        self.orders.iter().any(|(_, order)| order.is_some())
    }

    /// The first environment whose order is another one, and where.
    #[must_use]
    pub fn differs(&self, after: &Proof) -> Option<String> {
        let pairs = self.orders.iter().zip(&after.orders);
        let (environment, before, now) = pairs
            .filter_map(|((name, before), (_, now))| Some((name, before.as_ref()?, now)))
            .find(|(_, before, now)| Some(*before) != now.as_ref())?;
        let Some(now) = now else { return Some(format!("{environment} has no plan any more")) };
        let at = before
            .iter()
            .zip(now)
            .position(|(before, now)| before != now)
            .unwrap_or_else(|| before.len().min(now.len()));
        let step = |order: &[serde_json::Value]| order.get(at).map_or("nothing".to_owned(), ToString::to_string);
        Some(format!("in {environment}, {} would become {}", step(before), step(now)))
    }
}

/// For every environment that has a plan, the path of the snapshot that holds the order of its steps, and that order.
#[must_use]
pub fn orders(repository: &Repository) -> Vec<(String, String)> {
    let order = |environment: &str| {
        let plan = repository.skeleton(environment, &Tasks::new())?;
        let path = format!("tests/snapshots/{}.snap", snapshot(environment));
        Some((path, show::plan::text(&plan, Side::Skeleton, &Tasks::new())))
    };
    repository.declarations.orchestration.names().filter_map(order).collect()
}

/// The snapshots whose text is not what this version writes.
#[must_use]
pub fn written_otherwise(root: &Utf8Path) -> Vec<String> {
    let otherwise = |(path, order): (String, String)| {
        let text = std::fs::read_to_string(root.join(&path)).ok()?.replace("\r\n", "\n");
        // Below what insta says of it.
        let (_, there) = text.split_once("\n---\n")?;
        (there.trim() != order.trim()).then_some(path)
    };
    orders(&Repository::read(root)).into_iter().filter_map(otherwise).collect()
}

/// What of a plan is its order: of each step the id, what it needs, what it does, whether it runs.
fn order(plan: &serde_json::Value) -> Option<Vec<serde_json::Value>> {
    let steps = plan.get("steps")?.as_array()?;
    let kept = |step: &serde_json::Value| {
        ["id", "needs", "skeleton", "runs"].map(|key| step[key].clone()).into_iter().collect()
    };
    Some(steps.iter().map(kept).collect())
}
