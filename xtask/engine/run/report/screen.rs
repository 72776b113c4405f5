//! Writing to the terminal, a pipe or a file without ever being held up by it, or ended.
//!
//! It knows nothing of what is written. Whoever reads slowly is waited for a moment; for who does not read at all what comes
//! is kept in a file, and at the end it is waited for them; who has gone away is forgotten. Only where that file cannot be
//! written lines are missed, and it is said how many. The logs have everything.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::spool::Spool;
use super::writer::Writer;
use crate::logs::in_pieces;

/// Above this it is waited for the reader.
const ENOUGH: usize = 64 << 10;
/// From so many bytes at once on, a file has a thread that writes to it.
const MUCH: usize = 32 << 10;
const PATIENCE: Duration = Duration::from_secs(1);
/// What comes sooner than this after what was shown last, and is short, is shown with what comes next.
const SOON: Duration = Duration::from_millis(20);
/// So many bytes are not short.
const SHORT: usize = 4 << 10;

/// Where a reporter writes to.
pub struct Screen {
    to: Option<File>,
    waiting: Vec<u8>,
    /// When something was shown last.
    shown: Option<Instant>,
    /// What comes after it.
    spool: Spool,
    /// Whether `to` never makes anybody wait.
    plain: bool,
    /// Writes to `to`, once there is much to write.
    writer: Option<Writer>,
    stuck: bool,
    /// Why nothing can be written any more.
    error: Option<io::Error>,
    missed: usize,
    notice: fn(usize) -> String,
}

impl Screen {
    /// Standard error. `notice` says that so many lines were not shown.
    #[must_use]
    pub fn stderr(notice: fn(usize) -> String) -> Screen {
        Screen::new(&rustix::stdio::stderr(), "/proc/self/fd/2", notice)
    }

    /// Standard output.
    #[must_use]
    pub fn stdout(notice: fn(usize) -> String) -> Screen {
        Screen::new(&rustix::stdio::stdout(), "/proc/self/fd/1", notice)
    }

    fn new(fd: &rustix::fd::BorrowedFd<'static>, path: &str, notice: fn(usize) -> String) -> Screen {
        let file = fd.try_clone_to_owned().map(File::from).ok();
        let kind = file.as_ref().and_then(|file| file.metadata().ok()).map(|data| data.file_type());
        let waits = kind.is_some_and(|kind| kind.is_fifo() || kind.is_char_device());
        let mut screen = Screen {
            to: file,
            waiting: Vec::new(),
            shown: None,
            spool: Spool::default(),
            plain: !waits,
            writer: None,
            stuck: false,
            error: None,
            missed: 0,
            notice,
        };
        if waits {
            // Opened once more, so that not blocking is a matter of this file alone: it may be shared with the caller.
            let flags = (rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY).bits();
            match OpenOptions::new().write(true).custom_flags(flags as i32).open(path) {
                Ok(own) => screen.to = Some(own),
                Err(_) => screen.plain = true,
            }
        }
        screen
    }

    /// Writes `bytes`, now or soon.
    pub fn write(&mut self, bytes: &[u8]) {
        if self.to.is_none() {
            return;
        }
        if self.stuck && self.waiting.len() > ENOUGH || !self.spool.is_empty() {
            let notice = if self.missed > 0 { (self.notice)(self.missed) } else { String::new() };
            if self.spool.write(&[notice.as_bytes(), bytes].concat()).is_ok() {
                self.missed = 0;
            } else {
                self.missed += bytes.iter().filter(|&&byte| byte == b'\n').count();
            }
            self.flush();
            return;
        }
        if self.missed > 0 {
            let missed = std::mem::take(&mut self.missed);
            self.waiting.extend_from_slice((self.notice)(missed).as_bytes());
        }
        self.waiting.extend_from_slice(bytes);
        self.flush();
        if self.waiting.len() > ENOUGH && !self.stuck {
            self.wait();
        }
    }

    /// As [`Screen::write`]. `block` is empty then: where there is much to write it is not copied.
    pub fn write_block(&mut self, block: &mut Vec<u8>) {
        if self.plain {
            self.flush();
            self.all(block);
        } else {
            self.write(block);
        }
        block.clear();
    }

    /// Writes `bytes` with the next flush at the latest: something small that nobody waits for.
    pub fn soon(&mut self, bytes: &[u8]) {
        if self.waiting.len() > ENOUGH || !self.spool.is_empty() {
            return self.write(bytes);
        }
        self.waiting.extend_from_slice(bytes);
    }

    /// To a file.
    fn all(&mut self, block: &mut Vec<u8>) {
        if self.writer.is_none() && block.len() >= MUCH {
            self.writer = self.to.as_ref().and_then(|to| to.try_clone().ok()).and_then(Writer::start);
        }
        let written = match (&self.writer, &mut self.to) {
            (Some(writer), _) => writer.write(block),
            (None, Some(to)) => match in_pieces(to, block) {
                Ok(()) => true,
                Err(error) => {
                    self.error = Some(error);
                    false
                }
            },
            (None, None) => true,
        };
        if !written {
            self.to = None;
        }
    }

    /// Waits until everything that can be written is.
    pub fn finish(&mut self) {
        self.flush();
        if let Some(Err(error)) = self.writer.take().map(|mut writer| writer.finish()) {
            self.error = Some(error);
        }
    }

    /// Why not everything could be written, after [`Screen::finish`].
    pub fn lost(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    /// As [`Screen::flush`], about ten times a second: of steps that take a millisecond each not every one is worth a write.
    pub fn tick(&mut self) {
        let short = self.waiting.len() < SHORT && self.spool.is_empty();
        if !(short && self.shown.is_some_and(|shown| shown.elapsed() < SOON)) {
            self.flush();
        }
    }

    /// Writes what is waiting, as far as that goes without waiting.
    pub fn flush(&mut self) {
        self.some();
        while self.waiting.is_empty() && !self.spool.is_empty() {
            self.spool.read(ENOUGH, &mut self.waiting);
            self.some();
        }
    }

    /// As [`Screen::flush`], of what is in memory.
    fn some(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        self.shown = Some(Instant::now());
        if self.plain {
            let mut waiting = std::mem::take(&mut self.waiting);
            self.all(&mut waiting);
            waiting.clear();
            self.waiting = waiting;
            return;
        }
        let mut written = 0;
        while let Some(to) = &mut self.to
            && written < self.waiting.len()
        {
            match to.write(&self.waiting[written..]) {
                Ok(count) if count > 0 => {
                    written += count;
                    self.stuck = false;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // Closed, hung up, or a full disk.
                Ok(_) => self.to = None,
                Err(error) => (self.to, self.error) = (None, Some(error)),
            }
        }
        if self.to.is_none() {
            self.waiting.clear();
            self.spool = Spool::default();
        } else {
            self.waiting.drain(..written);
        }
    }

    /// Writes what is waiting, for about so long if the reader is slow; whether there is more.
    pub fn drain(&mut self, time: Duration) -> bool {
        let start = std::time::Instant::now();
        loop {
            self.flush();
            let Some(to) = self.to.as_ref().filter(|_| !self.waiting.is_empty()) else { return false };
            if !ciao_process::ready(to, PollFlags::OUT, time.saturating_sub(start.elapsed())) || start.elapsed() >= time
            {
                return true;
            }
        }
    }

    fn wait(&mut self) {
        let start = std::time::Instant::now();
        while self.waiting.len() > ENOUGH / 2 {
            let Some(to) = &self.to else { return };
            let left = PATIENCE.saturating_sub(start.elapsed());
            if !ciao_process::ready(to, PollFlags::OUT, left) {
                self.stuck = !left.is_zero() || start.elapsed() >= PATIENCE;
                return;
            }
            self.flush();
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.finish();
        self.drain(PATIENCE);
    }
}
