//! Running whole processes in turn, and what each run cost. It knows nothing of what they do.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::Effort;

/// Something to be measured.
#[derive(Clone)]
pub struct Subject {
    pub name: String,
    pub program: PathBuf,
    pub args: Vec<String>,
    pub folder: PathBuf,
    pub env: Vec<(String, String)>,
    /// Where what it prints goes; nowhere if none.
    pub output: Option<PathBuf>,
    /// A folder that is removed before every run.
    pub removed_before: Option<PathBuf>,
    /// How long it may take, if that is not what others may.
    pub limit: Option<Duration>,
}

impl Subject {
    pub fn new(name: &str, program: impl Into<PathBuf>, args: &[&str], folder: impl Into<PathBuf>) -> Subject {
        Subject {
            name: name.to_owned(),
            program: program.into(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            folder: folder.into(),
            env: Vec::new(),
            output: None,
            removed_before: None,
            limit: None,
        }
    }

    pub fn printing_to(mut self, path: impl Into<PathBuf>) -> Subject {
        self.output = Some(path.into());
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Subject {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn removing(mut self, folder: impl Into<PathBuf>) -> Subject {
        self.removed_before = Some(folder.into());
        self
    }

    pub fn limit(mut self, limit: Duration) -> Subject {
        self.limit = Some(limit);
        self
    }

    fn command(&self) -> io::Result<Command> {
        let mut command = Command::new(&self.program);
        command.args(&self.args).current_dir(&self.folder).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            // What `cargo bench` adds would make every process dearer, and cargo itself build something else.
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_") && text != "CARGO_HOME"
                || text.starts_with("RUST_")
                || text.starts_with("MAKE")
            {
                command.env_remove(&name);
            }
        }
        command.env_remove("LD_LIBRARY_PATH").env_remove("RUSTUP_TOOLCHAIN").envs(self.env.iter().cloned());
        match &self.output {
            None => command.stdout(Stdio::null()).stderr(Stdio::null()),
            Some(path) => {
                let file = File::create(path)?;
                command.stderr(file.try_clone()?).stdout(file)
            }
        };
        Ok(command)
    }

    /// Runs it once, and waits.
    ///
    /// # Errors
    /// In words, if it does not start or does not succeed.
    pub fn run(&self, limit: Duration) -> Result<Run, String> {
        if let Some(folder) = &self.removed_before {
            std::fs::remove_dir_all(folder).ok();
        }
        let mut command = self.command().map_err(|error| error.to_string())?;
        let (started, process) = mpsc::channel::<libc::pid_t>();
        let (ended, end) = mpsc::channel::<()>();
        let watch = std::thread::spawn(move || {
            let Ok(pid) = process.recv() else { return };
            if end.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
                // SAFETY: it takes no pointer, and the process has not been waited for yet.
                unsafe { libc::kill(-pid, libc::SIGKILL) };
            }
        });
        let begun = Instant::now();
        let child = command.process_group(0).spawn().map_err(|error| error.to_string())?;
        let _still_watched = started.send(child.id() as libc::pid_t);
        let (status, usage) = wait(child.id());
        let wall = begun.elapsed();
        drop(ended);
        let _its_end = watch.join();
        if wall >= limit {
            return Err(format!("not done after {} s", limit.as_secs()));
        }
        if status != 0 {
            return Err(self.failure(status));
        }
        let cpu = time(usage.ru_utime) + time(usage.ru_stime);
        Ok(Run { wall, cpu, peak_mb: usage.ru_maxrss as f64 / 1024.0 })
    }

    /// Runs it again, to be able to say why it does not work.
    fn failure(&self, status: i32) -> String {
        let ended = match status & 0x7f {
            0 => format!("exit {}", status >> 8 & 0xff),
            signal => format!("signal {signal}"),
        };
        let said = self.command().and_then(|mut command| command.stdout(Stdio::null()).stderr(Stdio::piped()).output());
        let words = said.map(|output| String::from_utf8_lossy(&output.stderr).into_owned()).unwrap_or_default();
        match words.lines().map(str::trim).find(|line| line.contains(' ') && !line.contains('/')) {
            Some(line) => format!("{ended}: {}", line.chars().take(80).collect::<String>()),
            None => ended,
        }
    }
}

/// The peak is that of the largest single process among the child and those it waited for.
fn wait(pid: u32) -> (i32, libc::rusage) {
    let mut status = 0;
    // SAFETY: all-zero is a valid value of this plain C structure, and both pointers live for the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        while libc::wait4(pid as libc::pid_t, &raw mut status, 0, &raw mut usage) < 0 {}
        usage
    };
    (status, usage)
}

fn time(value: libc::timeval) -> Duration {
    Duration::from_secs(value.tv_sec as u64) + Duration::from_micros(value.tv_usec as u64)
}

/// What one run cost.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    pub wall: Duration,
    pub cpu: Duration,
    pub peak_mb: f64,
}

/// All runs of one subject.
#[derive(Debug, Clone)]
pub struct Series {
    pub name: String,
    pub runs: Result<Vec<Run>, String>,
}

/// Runs all of them in turn (A B C A B C …), after one round that is not counted. What takes longer than `cap` the
/// first time is not run again, apart from the first two: they are what is to be compared. When the budget is used up, no
/// further round begins.
pub fn in_turn(subjects: &[Subject], rounds: usize, cap: Duration, effort: Effort) -> Vec<Series> {
    let mut all: Vec<Series> = Vec::new();
    let limit = |number: usize| match subjects[number].limit {
        Some(limit) => limit,
        None if number < 2 => effort.limit * 6,
        None => effort.limit,
    };
    for (number, subject) in subjects.iter().enumerate() {
        let first = subject.run(limit(number));
        eprint!(".");
        all.push(Series { name: subject.name.clone(), runs: first.map(|run| vec![run]) });
    }
    let short = |series: &Series| matches!(&series.runs, Ok(runs) if runs[0].wall < cap);
    let again: Vec<bool> = all.iter().enumerate().map(|(number, series)| number < 2 || short(series)).collect();
    let begun = Instant::now();
    for round in 0..rounds {
        if round > 0 && begun.elapsed() > effort.budget {
            break;
        }
        for (number, series) in all.iter_mut().enumerate().filter(|(number, _)| again[*number]) {
            match (subjects[number].run(limit(number)), &mut series.runs) {
                (Ok(run), Ok(runs)) if round == 0 => *runs = vec![run],
                (Ok(run), Ok(runs)) => runs.push(run),
                (Err(why), _) => series.runs = Err(why),
                (Ok(_), Err(_)) => {}
            }
        }
        eprint!(".");
    }
    eprintln!();
    all
}

/// Smallest, middle and largest.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    pub min: f64,
    pub median: f64,
    pub max: f64,
}

impl Spread {
    pub fn of(values: impl IntoIterator<Item = f64>) -> Spread {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (values[0], values[values.len() - 1]);
        Spread { min, median: (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0, max }
    }
}

impl Series {
    pub fn wall(&self) -> Option<Spread> {
        self.runs.as_ref().ok().map(|runs| Spread::of(runs.iter().map(|run| run.wall.as_secs_f64())))
    }

    pub fn cpu(&self) -> Option<Spread> {
        self.runs.as_ref().ok().map(|runs| Spread::of(runs.iter().map(|run| run.cpu.as_secs_f64())))
    }

    pub fn peak_mb(&self) -> Option<f64> {
        self.runs.as_ref().ok().map(|runs| runs.iter().map(|run| run.peak_mb).fold(0.0, f64::max))
    }

    /// How many times as long as the other it took, pair by pair.
    pub fn ratio(&self, other: &Series) -> Option<Spread> {
        self.pairs(other, |run| run.wall)
    }

    /// The same in processor time, which other work on the machine disturbs less.
    pub fn cpu_ratio(&self, other: &Series) -> Option<Spread> {
        self.pairs(other, |run| run.cpu)
    }

    fn pairs(&self, other: &Series, of: impl Fn(&Run) -> Duration) -> Option<Spread> {
        let (Ok(own), Ok(others)) = (&self.runs, &other.runs) else { return None };
        Some(Spread::of(own.iter().zip(others).map(|(a, b)| of(a).as_secs_f64() / of(b).as_secs_f64().max(1e-6))))
    }
}
