//! Whether everything is there that a deployment needs, each with the command that mends it.
//!
//! It tries what a deployment does, on a ref of its own that it removes again.

use std::path::Path;
use std::time::Duration;

use super::Result;
use super::chain::Ledger;
use super::git::{Call, OLDEST, stale_lock, version};
use super::release::Release;
use super::remote::{Address, PUSH};
use super::tidy::tidy;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Good,
    /// It works, and may hurt some day.
    Doubtful,
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub what: &'static str,
    pub verdict: Verdict,
    /// What was found, and what mends it.
    pub text: String,
}

fn check(what: &'static str, verdict: Verdict, text: impl Into<String>) -> Check {
    Check { what, verdict, text: text.into() }
}

/// The first one that can be told to sync everything (`core.fsync`).
const SYNCS: (u32, u32) = (2, 36);
/// How many events of an environment are asked for their time.
const LOOKED_AT: usize = 1000;
/// A lock file this old belongs to nobody who is still at work.
const LEFT: Duration = Duration::from_secs(10);

impl Ledger {
    /// Looks at everything; nothing is an error, everything is an answer.
    #[must_use]
    pub fn doctor(&self, environments: &[&str]) -> Vec<Check> {
        let mut checks =
            vec![self.version(), self.commit(), self.identity(), self.writable(), self.packs(), self.locks()];
        checks.extend(self.remote());
        checks.extend(self.histories(environments));
        checks.extend(environments.iter().filter_map(|name| {
            let text = format!("{name}: {}", self.apart(name).ok()??);
            Some(check("history", Verdict::Doubtful, text))
        }));
        checks.extend(self.unlisted(environments));
        checks.push(self.clock(environments));
        checks
    }

    fn version(&self) -> Check {
        let (text, version) = version(&self.git.root).unwrap_or_default();
        if version < OLDEST {
            check("git", Verdict::Bad, format!("{text} is too old; install {}.{} or newer", OLDEST.0, OLDEST.1))
        } else if version < SYNCS {
            check(
                "git",
                Verdict::Doubtful,
                format!(
                    "{text} cannot sync refs to disk: after a power loss the last event may be gone; 2.36 or newer can"
                ),
            )
        } else {
            check("git", Verdict::Good, text)
        }
    }

    fn commit(&self) -> Check {
        match Release::of(&self.git, "HEAD") {
            Ok(release) => check("commit", Verdict::Good, format!("release {}", release.display)),
            Err(error) => check("commit", Verdict::Bad, error.message),
        }
    }

    fn identity(&self) -> Check {
        let by = &self.caller.by;
        if by.contains('@') {
            check("identity", Verdict::Good, by.clone())
        } else {
            check(
                "identity",
                Verdict::Doubtful,
                format!(
                    "the ledger will say {by}; tell git who you are: git config --global user.email you@example.org"
                ),
            )
        }
    }

    fn writable(&self) -> Check {
        let folder = self.git.common.join("ciao");
        let probe = folder.join("probe");
        match std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(&probe, "probe"))
            .and_then(|()| std::fs::remove_file(&probe))
        {
            Ok(()) => check("journal", Verdict::Good, folder.display().to_string()),
            Err(error) => check(
                "journal",
                Verdict::Bad,
                format!("{} cannot be written: {error}; chown or chmod it", folder.display()),
            ),
        }
    }

    fn packs(&self) -> Check {
        let tidied = tidy(&self.git);
        let mut text = match (tidied.packs, tidied.joined) {
            (1, _) => "1 short pack".to_owned(),
            (packs, false) => format!("{packs} short packs"),
            (packs, true) => format!("{packs} short packs, now joined"),
        };
        if !tidied.removed.is_empty() {
            text += &format!("; {} files of killed commands removed", tidied.removed.len());
        }
        check("objects", Verdict::Good, text + "; git gc, also --prune=now, may run beside a deployment")
    }

    fn locks(&self) -> Check {
        let mut left = Vec::new();
        let refs = self.git.common.join("refs");
        find_locks(&refs, &mut left);
        // A remote on this machine.
        if let Ok(Address { url, .. }) = self.address() {
            let remote = self.git.root.join(url.strip_prefix("file://").unwrap_or(&url));
            [remote.join("refs"), remote.join(".git/refs")].iter().for_each(|refs| find_locks(refs, &mut left));
        }
        left.extend(
            ["packed-refs.lock", "shallow.lock"]
                .map(|name| self.git.common.join(name))
                .into_iter()
                .filter(|path| old(path)),
        );
        match left.first() {
            None => check("lock files", Verdict::Good, "none left over"),
            Some(path) => {
                let words = format!("Unable to create '{}': File exists", path.display());
                check("lock files", Verdict::Bad, stale_lock(&words).unwrap_or(words))
            }
        }
    }

    /// Every event of every environment, from the first one on.
    fn histories(&self, environments: &[&str]) -> Option<Check> {
        let mut events = 0;
        for name in environments {
            let wrong = match self.standing(name) {
                Ok(standing) => match (self.wrong(name, &standing), self.adding_up(name)) {
                    (Some(wrong), _) => wrong,
                    (None, Ok(Some(count))) => {
                        events += count;
                        continue;
                    }
                    (None, Ok(None)) => {
                        format!("the state is not what its events add up to: look at git log -p {}", self.home(name))
                    }
                    (None, Err(error)) => error.message,
                },
                Err(error) => error.message,
            };
            let wrong = format!("{name}: {wrong}");
            return Some(check("history", Verdict::Bad, wrong));
        }
        (events > 0).then(|| check("history", Verdict::Good, format!("{events} events add up to what is shown")))
    }

    /// Environments that are gone from the files, and not done with.
    fn unlisted(&self, environments: &[&str]) -> Vec<Check> {
        let folder = self.tip_ref("");
        let ask = ["for-each-ref", "--format=%(refname)", folder.as_str()];
        let names = self.git.call(&Call::new(&ask)).map(|said| said.text()).unwrap_or_default();
        let names = names.lines().filter_map(|name| name.strip_prefix(folder.as_str()));
        let checks = names.filter(|name| !environments.contains(name)).filter_map(|name| {
            let tip = self.standing(name).ok()?.tip?;
            let left = match (tip.state.running(), tip.state.owed.first()) {
                (Some(_), _) => format!("is unfinished: cargo xtask unlock {name} --reason …"),
                (None, Some(step)) => format!("owes what {step} left: cargo xtask settle {name} {step} --reason …"),
                (None, None) => return None,
            };
            Some(check("unlisted", Verdict::Doubtful, format!("{name} is not in orchestration.toml, and {left}")))
        });
        checks.collect()
    }

    fn clock(&self, environments: &[&str]) -> Check {
        let now = (self.source.now)();
        let records = environments.iter().filter_map(|name| self.history(name, LOOKED_AT).ok()).flatten();
        let times = records.filter_map(|(_, record)| humantime::parse_rfc3339(&record.at).ok());
        match times.max().and_then(|latest| latest.duration_since(now).ok()) {
            Some(ahead) if ahead > Duration::from_secs(60) => {
                let ahead = humantime::format_duration(Duration::from_secs(ahead.as_secs()));
                check(
                    "clock",
                    Verdict::Doubtful,
                    format!(
                        "an event is {ahead} in the future: this clock or its writer's is wrong, and soak times with it; timedatectl"
                    ),
                )
            }
            _ => check("clock", Verdict::Good, "no event is from the future"),
        }
    }

    fn remote(&self) -> Vec<Check> {
        let Some(name) = &self.settings.remote else {
            return vec![check("remote", Verdict::Good, "none: the ledger stays in this clone")];
        };
        if let Err(error) = self.sync() {
            return vec![check("remote", Verdict::Bad, error.message)];
        }
        let reached = check("remote", Verdict::Good, format!("{name} can be read"));
        let probed = match self.probe() {
            Ok(Probed { seen: Some(false), .. }) => check("rights", Verdict::Bad, self.two_places()),
            Ok(Probed { seen: None, .. }) => {
                let text = format!(
                    "git reads {name} elsewhere than it pushes it, and there it cannot be read (git ls-remote {name})"
                );
                check("rights", Verdict::Doubtful, text)
            }
            Ok(Probed { left: None, .. }) => {
                let text = format!("{name} takes, swaps and deletes refs of the ledger, and refuses a stale swap");
                check("rights", Verdict::Good, text)
            }
            Ok(Probed { left: Some(left), .. }) => {
                // Which protects the ledger, and is no fault but that the probe stays.
                let text = format!(
                    "{name} takes and swaps refs of the ledger, but deletes none; the probe {left} stays there"
                );
                check("rights", Verdict::Doubtful, text)
            }
            Err(error) => check("rights", Verdict::Bad, error.message),
        };
        let hook = self.git.common.join("hooks/pre-push");
        let hooks = if hook.exists() {
            check("hooks", Verdict::Good, format!("{} is not run for the ledger", hook.display()))
        } else {
            check("hooks", Verdict::Good, "none for pushes")
        };
        vec![reached, probed, hooks]
    }

    /// What a deployment does to a ref of the remote: make, swap, be refused; and then remove it.
    fn probe(&self) -> Result<Probed> {
        let home = self.home(&format!("probe-{}", (self.source.id)()));
        let first = self.git.read("probe the remote", &Call::new(&["rev-parse", "--verify", "HEAD^{commit}"]))?;
        let call = Call::new(&["commit-tree", "HEAD^{tree}", "-m", "probe"]);
        let identity = ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"];
        let second =
            self.git.read("probe the remote", &identity.iter().fold(call, |call, name| call.env(name, "probe")))?;
        let push = |new: &str, old: &str| {
            let lease = format!("--force-with-lease={home}:{old}");
            self.talk(&[&PUSH[..], &[lease.as_str()]].concat(), &[format!("{new}:{home}")])
        };
        for (what, new, old) in [("make", first.as_str(), ""), ("swap", second.as_str(), first.as_str())] {
            let said = push(new, old)?;
            if !said.ok {
                return Err(self.remote_failure(&format!("{what} a ref of the ledger"), &said));
            }
        }
        let stale = push(&first, &first)?.ok;
        let seen = self.others_see(&home, &second)?;
        let said = push("", &second)?;
        if stale {
            return Err(super::Error::unreadable(
                "swap a ref of the ledger: the remote took a swap that it must refuse; it cannot hold a ledger",
            ));
        }
        Ok(Probed { left: (!said.ok).then_some(home.clone()), seen })
    }
}

/// What came of trying it.
struct Probed {
    /// The ref that could not be removed.
    left: Option<String>,
    /// Whether it was where git reads the remote.
    seen: Option<bool>,
}

fn old(path: &Path) -> bool {
    let age = std::fs::metadata(path).and_then(|meta| meta.modified()).ok().and_then(|time| time.elapsed().ok());
    age.is_some_and(|age| age > LEFT)
}

fn find_locks(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            find_locks(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "lock") && old(&path) {
            found.push(path);
        }
    }
}
