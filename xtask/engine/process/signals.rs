//! The signals that a deployment listens to, as events of a loop.
//!
//! It knows nothing of what they lead to. Installed before the lock is taken, so that none comes between.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::process::{Signal, getpid, kill_process};
use signal_hook::SigId;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGXFSZ};

/// Catches SIGINT, SIGTERM, SIGHUP, SIGTSTP and SIGCONT until it is dropped.
#[derive(Debug)]
pub struct Signals {
    wake: UnixStream,
    seen: Vec<(Signal, Arc<AtomicBool>)>,
    ids: Vec<SigId>,
    endings: Endings,
}

/// The signals that end things, for who waits elsewhere than in the loop: they are counted, and not taken away.
#[derive(Debug, Clone, Default)]
pub struct Endings {
    seen: Arc<Vec<(Signal, Arc<AtomicBool>)>>,
    came: Arc<Mutex<(u32, Option<Instant>)>>,
}

impl Endings {
    /// How many have come, and since when it has been known of the first.
    #[must_use]
    pub fn came(&self) -> (u32, Option<Instant>) {
        let mut came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        for (signal, flag) in self.seen.iter() {
            // A closed terminal is often told twice, by the system and by the shell.
            if flag.swap(false, Ordering::SeqCst) && (came.0 == 0 || *signal != Signal::HUP) {
                came.0 += 1;
                came.1 = came.1.or_else(|| Some(Instant::now()));
            }
        }
        *came
    }
}

impl Signals {
    /// # Errors
    /// If the system refuses.
    pub fn install() -> io::Result<Signals> {
        let (wake, far) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let mut signals = Signals { wake, seen: Vec::new(), ids: Vec::new(), endings: Endings::default() };
        let mut endings = Vec::new();
        for number in [SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGCONT] {
            // Started with `nohup`: whoever did wants the deployment to go on without its terminal.
            if number == SIGHUP && ignored(number) {
                continue;
            }
            let flag = Arc::new(AtomicBool::new(false));
            let signal = Signal::from_named_raw(number).expect("it is one of five with names");
            // The flags first: who is woken must find them.
            if matches!(number, SIGINT | SIGTERM | SIGHUP) {
                let ending = Arc::new(AtomicBool::new(false));
                signals.ids.push(signal_hook::flag::register(number, Arc::clone(&ending))?);
                signals.ids.push(signal_hook::flag::register(number, Arc::clone(unheard()))?);
                endings.push((signal, ending));
            }
            signals.ids.push(signal_hook::flag::register(number, Arc::clone(&flag))?);
            signals.ids.push(signal_hook::low_level::pipe::register(number, far.try_clone()?)?);
            signals.seen.push((signal, flag));
        }
        signals.endings.seen = Arc::new(endings);
        // A file may not grow any more (`ulimit -f`): caught, that is an error of whoever writes. What is started has the default.
        signals.ids.push(signal_hook::flag::register(SIGXFSZ, Arc::default())?);
        Ok(signals)
    }

    /// What to poll for reading.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// Those that end things, to be asked for elsewhere.
    #[must_use]
    pub fn endings(&self) -> Endings {
        self.endings.clone()
    }

    /// The signals that have come since it was last asked.
    pub fn take(&mut self) -> Vec<Signal> {
        // So that it is known when the first came.
        let _came = self.endings.came();
        let mut bytes = [0; 64];
        while matches!(self.wake.read(&mut bytes), Ok(count) if count > 0) {}
        unheard().store(false, Ordering::SeqCst);
        self.seen.iter().filter(|(_, flag)| flag.swap(false, Ordering::SeqCst)).map(|(signal, _)| *signal).collect()
    }

    /// The number of the first signal that came and ends things. After Ctrl-Z it sleeps here.
    pub fn ending(&mut self) -> Option<i32> {
        let mut came = self.take();
        if came.contains(&Signal::TSTP) {
            came.extend(self.stop_here());
        }
        came.iter().find(|signal| !matches!(**signal, Signal::TSTP | Signal::CONT)).map(|signal| signal.as_raw())
    }

    /// Waits for `time`, or until a signal comes that ends things: its number.
    pub fn pause(&mut self, time: Duration) -> Option<i32> {
        if super::ready(&self.wake, PollFlags::IN, time) { self.ending() } else { None }
    }

    /// Stops this process until it is continued. Gives back the signals that came meanwhile.
    pub fn stop_here(&mut self) -> Vec<Signal> {
        let mut others = self.take();
        others.retain(|&signal| signal != Signal::CONT);
        if kill_process(getpid(), Signal::STOP).is_err() {
            return others;
        }
        // Another thread may take the signal first, so this one goes on for a moment before it stops.
        loop {
            super::wait_for(self.fd(), PollFlags::IN).ok();
            let came = self.take();
            others.extend(came.iter().filter(|&&signal| signal != Signal::CONT && signal != Signal::TSTP));
            if came.contains(&Signal::CONT) {
                return others;
            }
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.ids.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }
}

/// Whether a signal that ends things has come that nobody has taken yet: for who waits and has no [`Signals`].
#[must_use]
pub fn somebody_wants_out() -> bool {
    unheard().load(Ordering::SeqCst)
}

fn unheard() -> &'static Arc<AtomicBool> {
    static UNHEARD: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    UNHEARD.get_or_init(Arc::default)
}

/// Whether this process was started with the signal ignored. Only Linux tells without unsafe code.
fn ignored(number: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (number - 1)) != 0
}
