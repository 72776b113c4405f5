//! Programs on a terminal of their own.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// A new terminal: the end of a person, and the path of the end of a program.
#[track_caller]
pub fn terminal() -> (OwnedFd, String) {
    let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&near).unwrap();
    unlockpt(&near).unwrap();
    let name = ptsname(&near, Vec::new()).unwrap().into_string().unwrap();
    (near, name)
}

/// All that a program writes to a terminal of 100 columns, and its exit code.
#[track_caller]
pub fn on_terminal(mut command: Command) -> (String, i32) {
    let (near, far) = terminal();
    let far = File::options().read(true).write(true).open(far).unwrap();
    tcsetwinsize(&near, Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    command.stdin(Stdio::null()).stdout(far.try_clone().unwrap()).stderr(far);
    let mut child = command.spawn().unwrap();
    // With it go the last copies of the far end in this process: reading ends where the program does.
    drop(command);
    let (mut said, mut block) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = rustix::io::read(&near, &mut block) {
        said.extend_from_slice(&block[..count]);
    }
    let code = child.wait().unwrap().code().expect("it ended by itself");
    (String::from_utf8(said).unwrap().replace("\r\n", "\n"), code)
}
