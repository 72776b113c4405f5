//! What the orchestrator and a guardian say to each other, as bytes on a socket.
//!
//! Pure. It knows nothing of sockets, processes or plans. Frames are a length (four bytes, little-endian), a kind (one
//! byte) and fields, each with a length of its own: arguments and variables are bytes and need not be UTF-8.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

/// A process to start, with nothing left open: every value is there.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Launch {
    /// Absolute; `None` stands for this executable itself, which runs a Rust task.
    pub program: Option<PathBuf>,
    /// What the process is told that it is called.
    pub name: OsString,
    pub args: Vec<OsString>,
    /// What its environment has beyond the guardian's own.
    pub env: Vec<(OsString, OsString)>,
    /// Variables whose values become private files in `private`, which exist while the process runs.
    pub files: Vec<(OsString, Vec<u8>)>,
    /// A folder that does not exist yet; it is made, with mode 0700, if there are `files`.
    pub private: PathBuf,
    pub cwd: PathBuf,
    pub stdin: Input,
    /// Whether standard output is apart from standard error, because it is what the step produces.
    pub capture: bool,
    /// What it leaves running when it ends well is not ended.
    pub detach: bool,
    /// Between SIGTERM and SIGKILL if the orchestrator is killed.
    pub grace: Duration,
}

/// What a process reads.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Input {
    #[default]
    Empty,
    Bytes(Vec<u8>),
    /// Absolute.
    File(PathBuf),
}

/// What the orchestrator asks of a guardian.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    Launch(Box<Launch>),
    /// What will be started next. Nothing starts: so this can be told while another step runs.
    Prepare(Box<Launch>),
    /// Starts what was prepared last.
    Go,
    /// The file to be kept locked, shared, from the first step on until there is none any more. Absolute.
    Busy(PathBuf),
    /// The signal for every process of the running step, once each.
    Signal(i32),
    /// SIGKILL for all of them, until none is left.
    Kill,
}

/// What a guardian tells the orchestrator.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// The process was not started: the system's error number, or 0, and words for what was attempted.
    NotStarted { errno: i32, what: String },
    /// The process has ended and nothing of it is left, or what is left shall stay.
    Over { exit: Exit, leftover: Vec<String> },
}

/// How a process ended. An exit code and a signal are kept apart: 137 may be either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
}

impl Exit {
    /// As a shell has it: the exit code, or 128 + the signal.
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
        }
    }

    #[must_use]
    pub fn signal(self) -> Option<i32> {
        match self {
            Exit::Code(_) => None,
            Exit::Signal(signal) => Some(signal),
        }
    }

    #[must_use]
    pub fn good(self) -> bool {
        self == Exit::Code(0)
    }
}

/// A frame longer than this is not one of ours.
const LIMIT: usize = 64 << 20;

impl Request {
    /// Appends the frame to `to`.
    pub fn write(&self, to: &mut Vec<u8>) {
        frame(to, |to| match self {
            Request::Launch(launch) => body_of_launch(b'L', launch, to),
            Request::Prepare(launch) => body_of_launch(b'P', launch, to),
            Request::Go => to.push(b'G'),
            Request::Busy(file) => {
                to.push(b'B');
                bytes(to, file.as_os_str().as_bytes());
            }
            Request::Signal(signal) => {
                to.push(b'S');
                number(to, *signal as u32);
            }
            Request::Kill => to.push(b'K'),
        });
    }

    /// The frame of [`Request::Launch`] or [`Request::Prepare`], without a copy of it.
    #[must_use]
    pub fn launch(launch: &Launch, now: bool) -> Vec<u8> {
        let mut to = Vec::with_capacity(1 << 10);
        frame(&mut to, |to| body_of_launch(if now { b'L' } else { b'P' }, launch, to));
        to
    }

    /// Takes the first whole frame from `from`; `None` if there is none yet, or none that is understood.
    pub fn take(from: &mut Vec<u8>) -> Option<Request> {
        let frame = whole(from)?;
        let mut fields = Fields(&frame[1..]);
        match frame[0] {
            b'L' => read_launch(&mut fields).map(|launch| Request::Launch(Box::new(launch))),
            b'P' => read_launch(&mut fields).map(|launch| Request::Prepare(Box::new(launch))),
            b'G' => Some(Request::Go),
            b'B' => fields.os().map(|file| Request::Busy(file.into())),
            b'S' => fields.number().map(|signal| Request::Signal(signal as i32)),
            _ => Some(Request::Kill),
        }
    }
}

impl Report {
    /// Appends the frame to `to`.
    pub fn write(&self, to: &mut Vec<u8>) {
        frame(to, |to| match self {
            Report::NotStarted { errno, what } => {
                to.push(b'N');
                number(to, *errno as u32);
                bytes(to, what.as_bytes());
            }
            Report::Over { exit, leftover } => {
                to.push(b'O');
                let (kind, value) = match exit {
                    Exit::Code(code) => (0, *code),
                    Exit::Signal(signal) => (1, *signal),
                };
                number(to, kind);
                number(to, value as u32);
                number(to, leftover.len() as u32);
                leftover.iter().for_each(|name| bytes(to, name.as_bytes()));
            }
        });
    }

    /// Takes the first whole frame from `from`; `None` if there is none yet, or none that is understood.
    pub fn take(from: &mut Vec<u8>) -> Option<Report> {
        let frame = whole(from)?;
        let mut fields = Fields(&frame[1..]);
        if frame[0] == b'N' {
            return Some(Report::NotStarted { errno: fields.number()? as i32, what: fields.string()? });
        }
        let (kind, value) = (fields.number()?, fields.number()? as i32);
        let exit = if kind == 0 { Exit::Code(value) } else { Exit::Signal(value) };
        let count = fields.number()?;
        Some(Report::Over { exit, leftover: (0..count).map(|_| fields.string()).collect::<Option<_>>()? })
    }
}

fn frame(to: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = to.len();
    number(to, 0);
    body(to);
    let length = (to.len() - start - 4) as u32;
    to[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

fn whole(from: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = u32::from_le_bytes(from.get(..4)?.try_into().ok()?) as usize;
    if length == 0 || length > LIMIT || from.len() < 4 + length {
        return None;
    }
    let rest = from.split_off(4 + length);
    let mut frame = std::mem::replace(from, rest);
    frame.drain(..4);
    Some(frame)
}

fn body_of_launch(kind: u8, launch: &Launch, to: &mut Vec<u8>) {
    to.push(kind);
    bytes(to, launch.program.as_ref().map_or(b"", |program| program.as_os_str().as_bytes()));
    bytes(to, launch.name.as_bytes());
    number(to, launch.args.len() as u32);
    launch.args.iter().for_each(|arg| bytes(to, arg.as_bytes()));
    number(to, launch.env.len() as u32);
    for (name, value) in &launch.env {
        bytes(to, name.as_bytes());
        bytes(to, value.as_bytes());
    }
    number(to, launch.files.len() as u32);
    for (name, value) in &launch.files {
        bytes(to, name.as_bytes());
        bytes(to, value);
    }
    bytes(to, launch.private.as_os_str().as_bytes());
    bytes(to, launch.cwd.as_os_str().as_bytes());
    let (kind, content): (u32, &[u8]) = match &launch.stdin {
        Input::Empty => (0, b""),
        Input::Bytes(content) => (1, content),
        Input::File(path) => (2, path.as_os_str().as_bytes()),
    };
    number(to, kind);
    bytes(to, content);
    number(to, u32::from(launch.capture) | u32::from(launch.detach) << 1);
    number(to, u32::try_from(launch.grace.as_millis()).unwrap_or(u32::MAX));
}

fn read_launch(fields: &mut Fields) -> Option<Launch> {
    let program = fields.os()?;
    let mut launch =
        Launch { program: (!program.is_empty()).then(|| program.into()), name: fields.os()?, ..Launch::default() };
    for _ in 0..fields.number()? {
        launch.args.push(fields.os()?);
    }
    for _ in 0..fields.number()? {
        launch.env.push((fields.os()?, fields.os()?));
    }
    for _ in 0..fields.number()? {
        launch.files.push((fields.os()?, fields.bytes()?.to_vec()));
    }
    launch.private = fields.os()?.into();
    launch.cwd = fields.os()?.into();
    let kind = fields.number()?;
    let content = fields.bytes()?;
    launch.stdin = match kind {
        0 => Input::Empty,
        1 => Input::Bytes(content.to_vec()),
        _ => Input::File(OsStr::from_bytes(content).into()),
    };
    let flags = fields.number()?;
    launch.capture = flags & 1 != 0;
    launch.detach = flags & 2 != 0;
    launch.grace = Duration::from_millis(fields.number()?.into());
    Some(launch)
}

fn number(to: &mut Vec<u8>, value: u32) {
    to.extend_from_slice(&value.to_le_bytes());
}

fn bytes(to: &mut Vec<u8>, value: &[u8]) {
    number(to, value.len() as u32);
    to.extend_from_slice(value);
}

/// The fields of a frame that are still to be read.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn number(&mut self) -> Option<u32> {
        let (first, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*first))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.number()? as usize;
        let (first, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(first)
    }

    fn os(&mut self) -> Option<OsString> {
        self.bytes().map(|bytes| OsString::from_vec(bytes.to_vec()))
    }

    fn string(&mut self) -> Option<String> {
        self.bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_arrive_as_they_were_sent_whatever_the_chunks() {
        let launch = Launch {
            program: Some("/bin/sh".into()),
            name: "sh".into(),
            args: vec!["".into(), OsString::from_vec(vec![0xff, b'\n'])],
            env: vec![("A".into(), "b=c".into())],
            files: vec![("F".into(), b"x\0y".to_vec())],
            private: "/tmp/p".into(),
            cwd: "/".into(),
            stdin: Input::Bytes(b"in".to_vec()),
            capture: true,
            detach: false,
            grace: Duration::from_millis(1500),
        };
        let next = Box::new(launch.clone());
        let launch = Request::Launch(Box::new(launch));
        let busy = Request::Busy("/b".into());
        let sent = [busy, launch, Request::Prepare(next), Request::Go, Request::Signal(15), Request::Kill];
        let mut wire = Vec::new();
        sent.iter().for_each(|request| request.write(&mut wire));
        let (mut inbox, mut got) = (Vec::new(), Vec::new());
        for byte in wire {
            inbox.push(byte);
            got.extend(Request::take(&mut inbox));
        }
        assert_eq!(got, sent);
        let sent = [
            Report::NotStarted { errno: 2, what: "x".into() },
            Report::Over { exit: Exit::Signal(9), leftover: vec!["sleep".into()] },
        ];
        let mut wire = Vec::new();
        sent.iter().for_each(|report| report.write(&mut wire));
        let got: Vec<_> = std::iter::from_fn(|| Report::take(&mut wire)).collect();
        assert_eq!(got, sent);
    }
}
