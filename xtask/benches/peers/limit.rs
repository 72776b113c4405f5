//! The physical limit: nothing but starting processes and waiting for them. The benchmark starts itself for it, so that
//! it is measured as a whole process like everything else.

use std::process::{Command, ExitCode, Stdio};

use crate::measure::Subject;

pub const NAME: &str = "spawn and wait";

/// The loop as something to be measured.
pub fn subject(count: usize, side_by_side: usize, command: &[&str]) -> Subject {
    let itself = std::env::current_exe().expect("a program knows where it is");
    let (count, side_by_side) = (count.to_string(), side_by_side.to_string());
    let mut args = vec!["--spawn-and-wait", &count, &side_by_side];
    args.extend(command);
    Subject::new(NAME, itself, &args, ".")
}

/// If this process was started for it, does it. Nothing is set that would keep the standard library from
/// `posix_spawn`.
pub fn reentry(args: &[String]) -> Option<ExitCode> {
    let ["--spawn-and-wait", count, side_by_side, program, rest @ ..] =
        &*args.iter().map(String::as_str).collect::<Vec<_>>()
    else {
        return None;
    };
    let (count, side_by_side): (usize, usize) = (count.parse().ok()?, side_by_side.parse().ok()?);
    let mut running = std::collections::VecDeque::new();
    for _ in 0..count {
        if running.len() == side_by_side {
            wait(&mut running);
        }
        let child = Command::new(program).args(rest).stdin(Stdio::null()).spawn();
        running.push_back(child.expect("the command can be started"));
    }
    while !running.is_empty() {
        wait(&mut running);
    }
    Some(ExitCode::SUCCESS)
}

fn wait(running: &mut std::collections::VecDeque<std::process::Child>) {
    let mut oldest = running.pop_front().expect("one is running");
    assert!(oldest.wait().is_ok_and(|status| status.success()), "the command succeeds");
}
