//! The whole binary: secrets looked for everywhere, signals at any moment, names that are no UTF-8.

#[path = "../support/repo.rs"]
mod repo;

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use repo::Repo;
use rustix::process::{Signal, kill_process, kill_process_group};

use crate::apart::{as_pid, command_lines, until};

// ------------------------------------------------------------------------------------------------------- canaries

/// Where each secret comes from, and what it is. All of them begin with the same letters, and are found by those.
const SECRETS: [(&str, &str); 5] = [
    ("THE_VARIABLE", "c4n4ry-by-variable"),
    ("file", "c4n4ry-by-file-§"),
    ("command", "c4n4ry \"by\" command"),
    ("made", "c4n4ry-made-by-a-step"),
    ("CALLERS_TOKEN", "c4n4ry-of-the-caller"),
];

/// What the letters look like as they are, in hex, and in base64 at the places where `leak.sh` puts them.
const TRACES: [&str; 4] = ["c4n4ry", "63346e347279", "YzRuNHJ5", "NG40cn"];

fn canaries() -> Repo {
    let mut repository = Repo::copy("canary");
    fs::create_dir_all(repository.path(".git/vault")).unwrap();
    fs::create_dir_all(repository.path(".git/run")).unwrap();
    for (name, value) in SECRETS {
        match name {
            "THE_VARIABLE" | "CALLERS_TOKEN" => repository.set(name, value),
            _ => fs::write(repository.path(".git/vault").join(name), format!("{value}\n")).unwrap(),
        }
    }
    let here = |name: &str| repository.path(name).to_str().unwrap().to_owned();
    let variables = [
        ("XDG_RUNTIME_DIR", here(".git/run")),
        ("TMPDIR", here(".git/run")),
        ("RUST_BACKTRACE", "full".to_owned()),
        ("GITHUB_STEP_SUMMARY", here(".git/summary")),
    ];
    variables.iter().for_each(|(name, value)| repository.set(name, value));
    repository
}

#[track_caller]
fn no_trace(place: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for trace in TRACES {
        if let Some(at) = text.find(trace) {
            let from = text[..at].rfind('\n').map_or(0, |end| end + 1);
            panic!("{place} holds {trace}: {}", text[from..].lines().next().unwrap_or_default());
        }
    }
}

/// In every file below `folder` but the vault, and in the name of each.
fn no_trace_below(folder: &Path) -> usize {
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        no_trace("a name", path.as_os_str().as_bytes());
        if path.is_dir() {
            files += if path.ends_with("vault") { 0 } else { no_trace_below(&path) };
        } else if path.is_file() {
            no_trace(path.to_str().unwrap(), &fs::read(&path).unwrap());
            files += 1;
        }
    }
    files
}

/// Runs a command to its end and looks at all command lines of the machine meanwhile.
#[track_caller]
fn watched(repository: &Repo, arguments: &[&str], code: i32) -> Output {
    let mut command = repository.command(arguments);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (sent, ended) = std::sync::mpsc::channel();
    let waiting = std::thread::spawn(move || {
        let output = child.wait_with_output().unwrap();
        sent.send(()).unwrap();
        output
    });
    // A look at all of them takes a few milliseconds of a processor that what is watched needs too.
    while ended.recv_timeout(Duration::from_millis(2)).is_err() {
        assert_eq!(command_lines(&TRACES), [""; 0]);
    }
    let output = waiting.join().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{}{}", said(&output.stdout), said(&output.stderr));
    no_trace(&format!("standard output of {arguments:?}"), &output.stdout);
    no_trace(&format!("standard error of {arguments:?}"), &output.stderr);
    output
}

#[test]
fn fault_75_no_secret_is_in_any_file_message_object_or_command_line() {
    let mut repository = canaries();
    let failed = watched(&repository, &["deploy", "dev", "-v"], 1);
    let shown = String::from_utf8_lossy(&failed.stderr).into_owned();
    for line in ["plain: ***", "base64: ***", "hex: ***", "{\"json\": \"***\"}"] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
    for arguments in
        [["show", "dev"].as_slice(), &["status"], &["history", "dev"], &["plan", "dev"], &["check"], &["doctor"]]
    {
        let answers = arguments[0] != "doctor" && arguments[0] != "check";
        watched(&repository, arguments, 0);
        if answers {
            watched(&repository, &[arguments, &["--format", "json"]].concat(), 0);
        }
    }
    let logs = watched(&repository, &["logs", "dev"], 0);
    assert!(String::from_utf8_lossy(&logs.stdout).contains("plain: ***"));
    repository.set("GITHUB_ACTIONS", "true");
    watched(&repository, &["resume", "dev"], 1);
    assert!(fs::read_to_string(repository.path(".git/summary")).unwrap().contains("app/leak | failed"));
    fs::write(repository.path(".git/fixed"), "").unwrap();
    watched(&repository, &["resume", "dev", "--format", "json"], 0);
    watched(&repository, &["show", "dev"], 0);
    watched(&repository, &["logs", "dev", "app/leak"], 0);

    let files = no_trace_below(&repository.path(""));
    assert!(files > 40, "only {files} files were looked at");
    let objects = ["cat-file", "--batch-all-objects", "--batch", "--unordered"];
    let objects = Command::new("git").args(objects).current_dir(repository.path("")).output().unwrap();
    assert!(
        objects.status.success()
            && objects.stdout.windows(12).any(|text| text == b"\"format\": 1,\n" || text == b"record.json\0")
    );
    no_trace("an object of git", &objects.stdout);
    let left: Vec<_> = fs::read_dir(repository.path(".git/run")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn fault_77_a_secret_that_anybody_could_guess_is_refused_before_anything_runs() {
    for (short, words) in
        [("1", "shorter than 8 bytes"), ("true", "shorter than 8 bytes"), ("", "it is empty"), ("\n", "it is empty")]
    {
        let repository = canaries();
        fs::write(repository.path(".git/vault/file"), short).unwrap();
        fs::write(repository.path(".git/vault/command"), short).unwrap();
        let ran = repository.run(&["deploy", "dev"]);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert_eq!(ran.stderr.matches(words).count(), 2, "{}", ran.stderr);
        assert!(ran.stderr.contains("nothing ran"), "{}", ran.stderr);
        assert_eq!(repository.run(&["logs", "dev"]).stdout, "");
    }
}

#[test]
fn fault_72_unset_and_empty_are_not_the_same() {
    let mut repository = canaries();
    let script = "#!/bin/sh\necho \"EMPTY ${EMPTY-unset}. UNSET ${UNSET-unset}.\" >&2; echo '{}'\n";
    fs::write(repository.path("pipelines/deployments/app/make.sh"), script).unwrap();
    repository.set("EMPTY", "");
    repository.run(&["deploy", "dev"]);
    let log = repository.run(&["logs", "dev", "app/make"]).stdout;
    assert!(log.contains("EMPTY . UNSET unset."), "{log}");

    for (value, words) in [(None, "it is not set"), (Some(""), "it is empty")] {
        let repository = canaries();
        let mut command = repository.command(&["deploy", "dev"]);
        match value {
            None => command.env_remove("THE_VARIABLE"),
            Some(value) => command.env("THE_VARIABLE", value),
        };
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("secret by_variable (variable THE_VARIABLE): {words}")), "{said}");
    }
}

// -------------------------------------------------------------------------------------------- signals at any moment

fn state(repository: &Repo) -> String {
    let status: serde_json::Value =
        serde_json::from_str(&repository.run(&["status", "--format", "json"]).stdout).unwrap();
    status["environments"][0]["state"].as_str().unwrap().to_owned()
}

/// In a process group of its own, as a shell starts it.
fn started(repository: &Repo, arguments: &[&str]) -> Child {
    let mut command = repository.command(arguments);
    command.process_group(0).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

#[track_caller]
fn interrupted_at_every(step: Duration, times: u32) {
    let repository = Repo::copy("ten");
    let mut hit = 0;
    for time in 0..times {
        let _made = fs::remove_dir_all(repository.path("made"));
        let child = started(&repository, &["deploy", "dev"]);
        std::thread::sleep(step * time);
        // To git as well, as from a terminal.
        kill_process_group(as_pid(child.id() as i32), Signal::INT).ok();
        let output = child.wait_with_output().unwrap();
        let (said, at) = (String::from_utf8_lossy(&output.stderr).into_owned(), step * time);
        match (output.status.code(), output.status.signal()) {
            (Some(0), _) => {}
            (Some(130), _) | (None, Some(2)) => hit += 1,
            other => panic!("after {at:?}: {other:?}\n{said}"),
        }
        let after = state(&repository);
        assert!(["never", "interrupted", "succeeded"].contains(&after.as_str()), "after {at:?}: {after}\n{said}");
        let again = repository.run(&["deploy", "dev"]);
        assert_eq!(again.code, 0, "after {at:?}: {said}\nagain: {}", again.stderr);
    }
    assert!(hit > times / 3, "only {hit} of {times} were interrupted on the way");
}

#[test]
fn fault_13_interrupted_at_ten_moments() {
    interrupted_at_every(Duration::from_millis(24), 10);
}

#[test]
#[ignore = "takes a minute"]
fn fault_13_interrupted_at_two_hundred_moments() {
    interrupted_at_every(Duration::from_millis(2), 200);
}

#[test]
fn fault_40_who_waits_for_another_deployment_can_be_interrupted() {
    let repository = Repo::copy("ten");
    repository.edit("pipelines/deployments/app/make.sh", "#!/bin/sh\n", "#!/bin/sh\nsleep 60\n");
    let mut first = started(&repository, &["deploy", "dev", "--grace", "1s"]);
    until(Duration::from_secs(20), || state(&repository) == "running");
    let start = Instant::now();
    let mut waiting = started(&repository, &["deploy", "dev", "--wait", "1h"]);
    let (mut stderr, mut said) = (BufReader::new(waiting.stderr.take().unwrap()), String::new());
    stderr.read_line(&mut said).unwrap();
    kill_process(as_pid(waiting.id() as i32), Signal::INT).unwrap();
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(waiting.wait().unwrap().code(), Some(130), "{said}");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(said.starts_with("waiting: ") && said.ends_with("interrupted: nothing was started\n"), "{said}");
    assert_eq!(state(&repository), "running", "the other one goes on");
    kill_process(as_pid(first.id() as i32), Signal::INT).unwrap();
    assert_eq!(first.wait().unwrap().code(), Some(130));
}

/// A dead network file system, or a remote that says nothing: git's own limits are minutes.
#[test]
fn a_git_that_hangs_does_not_hold_up_who_wants_out() {
    let interrupted = |hangs: &str| {
        let mut repository = Repo::copy("ten");
        let path = std::env::var("PATH").unwrap();
        let real = std::env::split_paths(&path).map(|folder| folder.join("git")).find(|git| git.is_file()).unwrap();
        let (bin, begun) = (repository.path(".git/bin"), repository.path(".git/begun"));
        fs::create_dir(&bin).unwrap();
        let git = format!(
            "#!/bin/sh\ncase \" $* \" in *\" {hangs} \"*) touch '{}'; sleep 60 ;; esac\nexec '{}' \"$@\"\n",
            begun.display(),
            real.display()
        );
        repo::script(&bin.join("git"), &git);
        repository.set("PATH", &format!("{}:{path}", bin.display()));
        let child = started(&repository, &["deploy", "dev"]);
        until(Duration::from_secs(20), || begun.exists());
        kill_process(as_pid(child.id() as i32), Signal::INT).unwrap();
        let start = Instant::now();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(130), "{hangs}: {said}");
        assert!(start.elapsed() < Duration::from_secs(7), "{hangs}: {:?}", start.elapsed());
        assert!(said.ends_with("interrupted: nothing was started\n"), "{hangs}: {said}");
    };
    // They wait, and do so at the same time.
    std::thread::scope(|scope| {
        for hangs in ["status", "rev-parse", "cat-file"] {
            scope.spawn(move || interrupted(hangs));
        }
    });
}

// ------------------------------------------------------------------------------------------------------------ a full disk

#[test]
#[ignore = "mounts a file system of 1 MiB, which not everybody may (unshare)"]
fn fault_25_nothing_starts_once_the_disk_of_the_journal_is_full() {
    let repository = Repo::copy("ten");
    let fill = "#!/bin/sh\ndd if=/dev/zero of=.git/ciao/fill bs=1k count=2000 2> /dev/null\n";
    repository.edit("pipelines/deployments/app/make.sh", "#!/bin/sh\n", fill);
    // A journal has some room in advance.
    let many: String = (11..600).map(|n| format!(", \"{n}\"")).collect();
    repository.edit("pipelines/deployments/app/pipeline.toml", "\"10\"]", &format!("\"10\"{many}]"));
    let mount = "mkdir -p .git/ciao && mount -t tmpfs -o size=1m none .git/ciao && exec \"$@\"";
    let xtask = repository.command(&[]).get_program().to_owned();
    let mut unshare = Command::new("unshare");
    unshare.args(["-rm", "sh", "-c", mount, "sh"]).arg(xtask).args(["deploy", "dev"]);
    let output = unshare.current_dir(repository.path("")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains("cannot be recorded, so nothing new is started: "), "{said}");
    assert!(said.contains("No space left on device"), "{said}");
    let made = fs::read_dir(repository.path("made")).unwrap().count();
    assert!(made < 600 && said.matches(" succeeded in ").count() == made, "{made}: {said}");
}

// ------------------------------------------------------------------------------------------------------ names as bytes

#[test]
fn fault_68_a_path_that_is_no_utf8_works_or_is_refused_by_name() {
    let repository = Repo::copy("ten");
    let odd = repository.path("").join(OsStr::from_bytes(b"odd-\xff"));
    fs::create_dir(&odd).unwrap();
    let output = repository.command(&["plan", "dev"]).current_dir(&odd).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("is not UTF-8") && said.contains("odd-"), "{said}");

    // Beside a pipeline, where all files are looked at.
    let beside = repository.path("pipelines/deployments/app").join(OsStr::from_bytes(b"\xfe.sql"));
    fs::write(beside, "x").unwrap();
    let check = repository.run(&["check"]);
    assert_eq!(check.code, 1, "{}", check.stderr);
    assert!(check.stdout.contains("error[bad-name]: the name of \u{fffd}.sql is not UTF-8"), "{}", check.stdout);
    assert_eq!(repository.run(&["deploy", "dev"]).code, 2);
}

#[test]
fn fault_68_a_branch_that_is_no_utf8_is_deployed() {
    let repository = Repo::copy("ten");
    let mut branch = Command::new("git");
    branch.args([OsStr::new("checkout"), OsStr::new("--quiet"), OsStr::new("-b"), OsStr::from_bytes(b"b-\xff")]);
    assert!(branch.current_dir(repository.path("")).status().unwrap().success());
    let ran = repository.run(&["deploy", "dev"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(repository.run(&["show", "dev"]).code, 0);
    assert_eq!(state(&repository), "succeeded");
}
