//! Killed without warning, anywhere: what is said afterwards is true, and going on ends in the same state.

#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "support/disk.rs"]
mod disk;

use std::time::Duration;
use std::{fs, thread};

use disk::Copy;

fn state(repository: &Copy) -> String {
    let status = repository.xtask(&["status", "--format", "json"]);
    assert_eq!(status.code, 0, "{}", status.stderr);
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    status["environments"][0]["state"].as_str().unwrap().to_owned()
}

fn made(repository: &Copy) -> Vec<String> {
    let Ok(entries) = fs::read_dir(repository.path("made")) else { return Vec::new() };
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// One repository, killed again and again at later and later moments; nothing is ever removed by hand.
fn killed_at_every(step: Duration, times: u32) {
    let repository = Copy::of("ten");
    let mut unfinished = 0;
    for time in 0..times {
        let _made = fs::remove_dir_all(repository.path("made"));
        let mut deploy = repository.command(&["deploy", "dev"]).spawn().unwrap();
        thread::sleep(step * time);
        deploy.kill().unwrap();
        let ended_itself = deploy.wait().unwrap().code().is_some();
        let after = state(&repository);
        let command = match after.as_str() {
            "unfinished" => "resume",
            // Interrupted: killed between taking the lock and the first step, which the next command records.
            "never" | "interrupted" | "succeeded" => "deploy",
            other => panic!("after {:?}: {other}", step * time),
        };
        assert!(!ended_itself || after == "succeeded", "after {:?}", step * time);
        unfinished += u32::from(command == "resume");
        let again = repository.xtask(&[command, "dev"]);
        assert_eq!(again.code, 0, "after {:?}, {command}: {}", step * time, again.stderr);
        assert_eq!(state(&repository), "succeeded");
        let names = made(&repository);
        assert_eq!(names.iter().filter(|name| !name.ends_with(".part")).count(), 10, "{names:?}");
    }
    assert!(unfinished > times / 5, "only {unfinished} of {times} were killed on the way");
}

/// Its guards name files that the deployment makes: they are none of the plan, or `resume` would call it changed.
#[test]
fn fault_4_killed_at_twenty_moments() {
    killed_at_every(Duration::from_millis(15), 20);
}

#[test]
#[ignore = "two hundred deployments"]
fn fault_4_killed_at_two_hundred_moments() {
    killed_at_every(Duration::from_micros(1500), 200);
}
