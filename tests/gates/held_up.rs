//! What is slow or does not answer holds up nothing for ever, and loses nothing: a remote, a reader.

use std::process::Output;

use rustix::process::{Pid, Signal, kill_process};

use super::*;

/// A remote over a line that says nothing as long as the file `.git/hang` is there; `.git/hangs` tells that somebody waits.
fn over_a_line(repository: &mut Repo) {
    let remote = shared(repository, "");
    repository.git(&["remote", "set-url", "origin", &format!("ssh://far{remote}")]);
    let line = repository.path(".git/line");
    let git = repository.path(".git").to_str().unwrap().to_owned();
    let script =
        format!("#!/bin/sh\nif [ -e '{git}/hang' ]; then touch '{git}/hangs'; exec sleep 100; fi\neval \"exec $2\"\n");
    repo::script(&line, &script);
    repository.set("GIT_SSH", line.to_str().unwrap());
    repository.set("GIT_SSH_VARIANT", "simple");
}

fn spawned(repository: &Repo, arguments: &[&str]) -> Child {
    repository.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[track_caller]
fn until_it_is_there(path: &std::path::Path) {
    let begun = Instant::now();
    while !path.exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} never came", path.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Its exit code and standard error, if it ends in time.
#[track_caller]
fn ends_within(child: Child, seconds: u64) -> (i32, String) {
    let begun = Instant::now();
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(seconds), "{:?}: {stderr}", begun.elapsed());
    (status.code().expect("it ended by itself"), stderr)
}

#[test]
fn fault_03_a_signal_was_ignored_while_git_hung_before_the_start() {
    let mut repository = Repo::copy("gates");
    over_a_line(&mut repository);
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        fs::write(repository.path(".git/hang"), "").unwrap();
        let child = spawned(&repository, &["deploy", "dev"]);
        until_it_is_there(&repository.path(".git/hangs"));
        send(&child, signal);
        let (ended, stderr) = ends_within(child, 5);
        assert_eq!(ended, code, "{stderr}");
        assert!(stderr.contains("had not answered when this was interrupted"), "{stderr}");
        for file in ["hang", "hangs"] {
            fs::remove_file(repository.path(".git").join(file)).unwrap();
        }
        assert_eq!(check(&repository, &["history", "dev"], 0).stdout.lines().count(), 1);
    }
}

#[test]
fn fault_02_03_a_signal_was_ignored_while_the_end_was_being_recorded() {
    let interrupted = |signals: u32, seconds: u64| {
        let mut repository = Repo::copy("gates");
        over_a_line(&mut repository);
        repository.edit(
            "pipelines/deployments/app/install.sh",
            "echo \"installing",
            "touch .git/hang\necho \"installing",
        );
        let child = spawned(&repository, &["deploy", "dev"]);
        until_it_is_there(&repository.path(".git/hangs"));
        for _ in 0..signals {
            send(&child, Signal::TERM);
            std::thread::sleep(Duration::from_millis(200));
        }
        let (ended, stderr) = ends_within(child, seconds);
        assert_eq!(ended, 6, "{stderr}");
        assert!(stderr.contains("the next command records it"), "{stderr}");
        fs::remove_file(repository.path(".git/hang")).unwrap();
        let status = check(&repository, &["status"], 0).stdout;
        assert!(status.contains("succeeded"), "{status}");
    };
    // They wait, and do so at the same time.
    std::thread::scope(|scope| {
        for (signals, seconds) in [(1, 9), (2, 4)] {
            scope.spawn(move || interrupted(signals, seconds));
        }
    });
}

#[test]
fn fault_34_a_holder_that_had_lost_its_lock_said_deployed() {
    let repository = Repo::copy("gates");
    holding(&repository);
    let child = spawned(&repository, &["deploy", "dev"]);
    let begun = Instant::now();
    while !repository.run(&["status"]).stdout.contains("at step app/install") {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never came to its first step");
    }
    send(&child, Signal::STOP);
    check(&repository, &["unlock", "dev", "--reason", "it stands still", "--yes"], 0);
    release(&repository);
    std::thread::sleep(Duration::from_millis(500));
    send(&child, Signal::CONT);
    let (ended, stderr) = ends_within(child, 20);
    assert_eq!(ended, 4, "{stderr}");
    assert!(stderr.contains("dev: stopped (the lock was taken away)"), "{stderr}");
}

#[test]
fn fault_21_a_reader_that_paused_missed_the_end() {
    let paused = |format: &str| {
        let repository = Repo::copy("gates");
        repository.edit("pipelines/deployments/app/install.sh", "echo \"installing", "seq 1 40000\necho \"installing");
        let mut child = spawned(&repository, &["deploy", "dev", "--format", format]);
        let begun = Instant::now();
        // It is over, and recorded, before anybody has read anything.
        while !check(&repository, &["status"], 0).stdout.contains("succeeded") {
            assert!(begun.elapsed() < Duration::from_secs(60), "it waits for its reader");
        }
        std::thread::sleep(Duration::from_millis(1500));
        assert_eq!(child.try_wait().unwrap(), None, "it waits for its reader, until that has read all");
        let mut text = String::new();
        match format {
            "json" => child.stdout.take().unwrap().read_to_string(&mut text).unwrap(),
            _ => child.stderr.take().unwrap().read_to_string(&mut text).unwrap(),
        };
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let line = |number: &u32| match format {
            "json" => {
                format!("{{\"event\":\"output\",\"finally\":false,\"line\":\"{number}\",\"step\":\"app/install\"}}")
            }
            _ => format!("app/install | {number}"),
        };
        let first = lines.iter().position(|other| *other == line(&1)).expect("the first line is there");
        assert!(lines[first..].iter().take(40_000).cloned().eq((1..=40_000).map(|number| line(&number))));
        let last = text.lines().last().unwrap();
        assert!(last.contains(if format == "json" { "\"outcome\":\"succeeded\"" } else { "dev: deployed" }), "{last}");
        assert_eq!(child.wait().unwrap().code(), Some(0));
    };
    std::thread::scope(|scope| {
        for format in ["json", "text"] {
            scope.spawn(move || paused(format));
        }
    });
}

#[test]
fn fault_21_nobody_reads_and_who_waits_wants_out() {
    let repository = Repo::copy("gates");
    repository.edit("pipelines/deployments/app/install.sh", "echo \"installing", "seq 1 40000\necho \"installing");
    let mut child = spawned(&repository, &["deploy", "dev"]);
    while !check(&repository, &["status"], 0).stdout.contains("succeeded") {}
    send(&child, Signal::INT);
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it goes on waiting");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn fault_46_who_is_not_let_in_by_ssh_was_told_of_the_right_to_push() {
    let mut repository = Repo::copy("gates");
    over_a_line(&mut repository);
    let line = repository.path(".git/line");
    fs::write(&line, "#!/bin/sh\necho 'me@far: Permission denied (publickey).' >&2\nexit 255\n").unwrap();
    let said = check(&repository, &["deploy", "dev"], 5).stderr;
    assert!(said.contains("does not let you in by ssh: me@far: Permission denied (publickey)."), "{said}");
}
