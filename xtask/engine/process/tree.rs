//! The processes below a process: finding them, signalling each exactly once, ending all of them.
//!
//! It knows nothing of steps. Nobody is signalled by a bare old process id: a process is held by a pidfd and compared
//! with what was seen before, or it is an own child that has not been waited for.

use rustix::process::{Pid, Signal, kill_process_group};

#[cfg(all(target_os = "linux", not(ciao_portable)))]
pub use linux::{below, end, group_left, left, orphans_come_here, signal};
#[cfg(not(all(target_os = "linux", not(ciao_portable))))]
pub use other::{below, end, group_left, left, orphans_come_here, signal};

/// A process as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub pid: Pid,
    pub parent: i32,
    pub group: i32,
    /// In ticks since the machine started: with the id, it is the same process.
    pub started: u64,
    pub name: String,
    /// The letter that `ps` shows.
    pub state: char,
}

/// To the group of `leader`, which must not have been waited for.
fn signal_group(leader: Pid, number: Signal) {
    // Nobody left in the group is not an error.
    kill_process_group(leader, number).ok();
}

#[cfg(all(target_os = "linux", not(ciao_portable)))]
mod linux {
    use std::collections::BTreeMap;
    use std::fs;
    use std::io;
    use std::time::Duration;

    use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal, set_child_subreaper};

    use super::{Member, signal_group};

    /// How often it is looked whether a stop has reached everybody, with a millisecond in between.
    const STOPPING: u32 = 100;

    /// From now on, processes below this one whose parents end become its own children.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn orphans_come_here() -> io::Result<()> {
        Ok(set_child_subreaper(Some(getpid()))?)
    }

    /// All living processes below `root`, without it.
    #[must_use]
    pub fn below(root: Pid) -> Vec<Member> {
        let mut children: BTreeMap<i32, Vec<Member>> = BTreeMap::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let id = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
            if let Some(member) = id.and_then(look) {
                children.entry(member.parent).or_default().push(member);
            }
        }
        let (mut found, mut open) = (Vec::new(), vec![root.as_raw_nonzero().get()]);
        while let Some(parent) = open.pop() {
            for member in children.remove(&parent).into_iter().flatten() {
                open.push(member.pid.as_raw_nonzero().get());
                found.push(member);
            }
        }
        // A zombie's children are alive, so it is passed through above; it is not itself alive.
        found.retain(|member| !matches!(member.state, 'Z' | 'X'));
        found
    }

    /// The signal for every process below this one, once each: the step's group first, as a terminal would, then
    /// those that have left it.
    pub fn signal(leader: Pid, number: Signal) {
        signal_group(leader, number);
        let outside = |member: &Member| member.group != leader.as_raw_nonzero().get();
        below(getpid()).iter().filter(|member| outside(member)).for_each(|member| send(member, number));
        // A group is signalled at once, but who is found one after the other may start another process meanwhile. Other
        // signals are not sent to newcomers: those may be what a trap has started to tidy up.
        for _ in 0..if number == Signal::STOP { STOPPING } else { 0 } {
            let mut left = below(getpid());
            left.retain(|member| outside(member) && !matches!(member.state, 'T' | 't'));
            left.iter().for_each(|member| send(member, number));
            // Who waits in the kernel, as for the `exec` of what it has started by `vfork`, stops when that is over.
            if left.iter().all(|member| member.state == 'D') {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// What a step has left that has ended: it is below this process.
    #[must_use]
    pub fn left(_leader: Pid) -> Vec<Member> {
        below(getpid())
    }

    /// Whether a step has left something that is not below this process.
    #[must_use]
    pub fn group_left(_leader: Pid) -> bool {
        false
    }

    /// SIGKILL for everything in `members` that is still the same process.
    pub fn end(members: &[Member]) {
        members.iter().for_each(|member| send(member, Signal::KILL));
    }

    fn send(member: &Member, number: Signal) {
        let Ok(held) = pidfd_open(member.pid, PidfdFlags::empty()) else { return };
        // The id may have been given to another process between the look and the hold, not after.
        if look(member.pid).is_some_and(|now| now.started == member.started) {
            pidfd_send_signal(held, number).ok();
        }
    }

    /// `None` if there is no such process.
    fn look(pid: Pid) -> Option<Member> {
        let stat = fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
        let stat = String::from_utf8_lossy(&stat);
        // The name is in parentheses and may itself hold some, and blanks.
        let (head, tail) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
        Some(Member {
            pid,
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
            name: head.split_once('(')?.1.to_owned(),
            state: fields.first()?.chars().next()?,
        })
    }
}

/// For systems without subreapers and pidfds, and with `--cfg ciao_portable`, so that it can be tested on Linux.
#[cfg(not(all(target_os = "linux", not(ciao_portable))))]
mod other {
    //! What stays in the step's process group, and no more.

    use std::io;

    use rustix::process::{Pid, Signal, test_kill_process_group};

    use super::{Member, signal_group};

    pub fn orphans_come_here() -> io::Result<()> {
        Ok(())
    }

    pub fn below(_root: Pid) -> Vec<Member> {
        Vec::new()
    }

    /// The group of a leader that was waited for: the id stays taken as long as there is somebody in it.
    pub fn left(leader: Pid) -> Vec<Member> {
        let group = leader.as_raw_nonzero().get();
        let name = "something of its process group".to_owned();
        let member = Member { pid: leader, parent: 1, group, started: 0, name, state: '?' };
        if group_left(leader) { vec![member] } else { Vec::new() }
    }

    pub fn group_left(leader: Pid) -> bool {
        test_kill_process_group(leader).is_ok()
    }

    pub fn signal(leader: Pid, number: Signal) {
        signal_group(leader, number);
    }

    pub fn end(members: &[Member]) {
        members.iter().for_each(|member| signal_group(member.pid, Signal::KILL));
    }
}
