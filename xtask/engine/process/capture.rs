//! One process from start to end, with what it prints: for sources of secrets, before any step runs.
//!
//! It knows nothing of secrets. It blocks, but a signal or its timeout ends it.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::frame::{Exit, Launch, Report};
use super::lane::{Lane, Word};
use super::{Signals, readable, refusal};

/// What came of it.
#[derive(Debug)]
pub enum Captured {
    Ended {
        exit: Exit,
        output: Vec<u8>,
        errors: Vec<u8>,
    },
    /// In words.
    NotStarted(String),
    TimedOut,
    /// More than a secret is printed.
    TooMuch,
    /// The number of the signal that came.
    Interrupted(i32),
}

/// What is kept of its output and of its errors.
const LIMIT: usize = 1 << 20;

/// Runs `launch`, which must capture, below a guardian of its own.
///
/// # Errors
/// If no guardian can be started or waited for.
pub fn capture(exe: &Path, launch: &Launch, timeout: Duration, signals: &mut Signals) -> io::Result<Captured> {
    let mut lane = Lane::start(exe, &BTreeMap::new())?;
    lane.launch(launch)?;
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let mut until = Instant::now() + timeout;
    let captured = loop {
        let [guardian, printed, produced] = lane.fds();
        let left = until.saturating_duration_since(Instant::now());
        readable(&[guardian, printed, produced, signals.fd()], Some(left))?;
        let word = lane.hear();
        let mut block = [0; 16 << 10];
        for (captured, kept) in [(true, &mut output), (false, &mut errors)] {
            while let Some(count) = lane.read(captured, &mut block) {
                kept.extend_from_slice(&block[..count]);
                if kept.len() > LIMIT {
                    break;
                }
            }
        }
        match word {
            Word::Report(Report::Over { exit, .. }) => break Captured::Ended { exit, output, errors },
            Word::Report(Report::NotStarted { errno, what }) => {
                break Captured::NotStarted(refusal::not_started(launch, errno, &what));
            }
            Word::Gone => break Captured::NotStarted("its guardian was killed".to_owned()),
            Word::Nothing => {}
        }
        if output.len() > LIMIT || errors.len() > LIMIT {
            break Captured::TooMuch;
        }
        let now = Instant::now();
        if let Some(signal) = signals.ending() {
            break Captured::Interrupted(signal);
        }
        // No clock runs while all of it sleeps.
        until += now.elapsed();
        if Instant::now() >= until {
            break Captured::TimedOut;
        }
    };
    lane.kill();
    lane.close(Duration::from_secs(1));
    Ok(captured)
}
