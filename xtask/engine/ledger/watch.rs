//! Notices that the lock of a running deployment was taken away, so that its steps can be stopped.
//!
//! It only looks; it stops nothing itself.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::chain::Ledger;
use super::operations::Holding;
use super::state::State;

/// How often the ref in this clone is looked at: reading a small file.
const HERE: Duration = Duration::from_millis(500);
/// How often a remote is asked: a connection each time, so that it is not asked before each step.
const THERE: Duration = Duration::from_secs(5);

/// A thread that looks; it ends when this is dropped.
#[derive(Debug)]
pub struct Watch {
    pub lost: Arc<AtomicBool>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ledger {
    /// Watches over a lock from now on.
    #[must_use]
    pub fn watch(&self, holding: &Holding) -> Watch {
        let (ledger, environment, event) = (self.clone(), holding.environment.clone(), holding.event.clone());
        let lost = Arc::new(AtomicBool::new(false));
        let (stop, stopped) = channel();
        let flag = Arc::clone(&lost);
        let thread = std::thread::spawn(move || look(&ledger, &environment, &event, &flag, &stopped));
        Watch { lost, stop: Some(stop), thread: Some(thread) }
    }

    /// Whether an event of this environment still holds its lock; true if it cannot be told.
    fn holds(&self, environment: &str, event: &str) -> bool {
        match self.standing(environment) {
            Ok(standing) => {
                standing.rewritten.is_none()
                    && standing.state().and_then(State::running).is_some_and(|holder| holder.event == event)
            }
            Err(_) => true,
        }
    }
}

fn look(ledger: &Ledger, environment: &str, event: &str, lost: &AtomicBool, stopped: &Receiver<()>) {
    let file = ledger.git.common.join(ledger.tip_ref(environment));
    let mut known = read(&file);
    let mut asked = Instant::now();
    while stopped.recv_timeout(HERE) == Err(RecvTimeoutError::Timeout) {
        let due = ledger.settings.remote.is_some() && asked.elapsed() >= THERE;
        if due {
            // A remote that does not answer says nothing about the lock.
            drop(ledger.sync());
            asked = Instant::now();
        }
        let now = read(&file);
        // Packed refs and reftable have no such file: then git is asked.
        if (due || now.is_none() || now != known) && !ledger.holds(environment, event) {
            lost.store(true, Ordering::SeqCst);
            return;
        }
        known = now;
    }
}

fn read(file: &Path) -> Option<String> {
    std::fs::read_to_string(file).ok()
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // One that waits for a remote is left to end by itself.
            if thread.is_finished() {
                drop(thread.join());
            }
        }
    }
}
