//! The ledger at a remote: fetching it, and swapping its refs by push. What a push that failed has done is never taken
//! from its words: the ref is read back.
//!
//! It does not know what the events are.

use std::sync::PoisonError;

use super::chain::{Ledger, Standing, Tip};
use super::git::{Call, Said, one_line, stale_lock};
use super::{Error, Result};

/// Nothing but the refs that are named, and without the user's hooks.
pub(super) const PUSH: [&str; 4] = ["push", "--porcelain", "--no-verify", "--no-follow-tags"];

/// What of a remote's configuration says how it is reached. What else there is (`mirror`, `push`, `fetch`, several addresses)
/// says what people want pushed and fetched, and is not for the ledger.
const REACHED: [&str; 6] = ["proxy", "proxyauthmethod", "uploadpack", "receivepack", "vcs", "serveroption"];

/// How often a fetch that something else of this clone got in the way of is begun anew: two seconds in all.
const FETCHES: u64 = 64;

impl Ledger {
    /// Arguments that make a remote with one address, and its name: as the user has it, but for the ledger only.
    fn through(&self) -> Result<(Vec<String>, String)> {
        let name = self.settings.remote.clone().unwrap_or_default();
        // Git would take it as an option, and an option may name a program.
        if name.starts_with('-') {
            return Err(Error::unreadable(format!("reach the ledger's remote {name}: no remote is named so")));
        }
        let setting = |key: &str| self.git.setting(&format!("remote.{name}.{key}"));
        // What is read must be what was written: one address for both.
        let Some(url) = setting("pushurl").or_else(|| setting("url")) else {
            if name.contains(['/', ':']) || name == "." {
                return Ok((Vec::new(), name));
            }
            return Err(Error::unreadable(format!(
                "reach the ledger's remote {name}: git knows no such remote; git remote add {name} URL"
            )));
        };
        let own = format!("ciao-ledger-{}", self.key().unwrap_or_default());
        let settings = REACHED.iter().filter_map(|key| Some((*key, setting(key)?))).chain([("url", url)]);
        let arguments = settings.flat_map(|(key, value)| ["-c".to_owned(), format!("remote.{own}.{key}={value}")]);
        Ok((arguments.collect(), own))
    }

    /// Runs a git that talks to the ledger's remote; `own` before the remote's name, `refs` after it.
    pub(super) fn talk(&self, own: &[&str], refs: &[String]) -> Result<Said> {
        let (through, name) = self.through()?;
        let words = through.iter().map(String::as_str).chain(own.iter().copied()).chain(["--", name.as_str()]);
        let args: Vec<&str> = words.chain(refs.iter().map(String::as_str)).collect();
        self.git.remote_call(&Call::new(&args))
    }

    /// Fetches the ledgers of all environments. One round trip; none for a local ledger.
    ///
    /// # Errors
    /// If the remote cannot be reached or read: what is remembered is still there to be shown.
    pub fn sync(&self) -> Result<()> {
        let Some(key) = self.key() else { return Ok(()) };
        let ledger = format!("+{}:refs/ciao/remote/{key}/*", self.home("*"));
        let branches =
            self.settings.branches.iter().map(|name| format!("+refs/heads/{name}*:refs/ciao/branch/{key}/{name}*"));
        let mut refspecs: Vec<String> = std::iter::once(ledger).chain(branches).collect();
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let fetch = [
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-auto-maintenance",
            "--no-recurse-submodules",
            "--prune",
            "--refmap=",
        ];
        let mut tries = 0;
        loop {
            let said = self.talk(&fetch, &refspecs)?;
            if said.ok {
                return Ok(());
            }
            // The others can be fetched without those that the remote has lost.
            let lost = said.stderr.split("not our ref ").nth(1).and_then(|rest| rest.split_whitespace().next());
            if let Some(lost) = lost
                && tries < FETCHES
                && self.leave_out(lost, &mut refspecs)?
            {
                tries += 1;
                continue;
            }
            // Two fetches of one clone meet at the lock of the same ref: whoever comes second finds it up to date. And a
            // prune of everything young takes even what git is just receiving. No ref has moved: once more.
            tries += 1;
            let met = ["cannot lock ref", "objects/pack", "unable to read", "cannot read existing object"];
            if tries == FETCHES || !met.iter().any(|words| said.stderr.contains(words)) {
                return Err(self.remote_failure("read the ledger", &said));
            }
            std::thread::sleep(std::time::Duration::from_millis(tries.min(50)));
        }
    }

    /// Notes the environments whose newest event the remote has lost, and does not ask for them any more. False: there is none.
    fn leave_out(&self, lost: &str, refspecs: &mut Vec<String>) -> Result<bool> {
        let home = self.home("");
        let said = self.talk(&["ls-remote"], &[format!("{home}*")])?.text();
        let named = said.lines().filter_map(|line| line.strip_prefix(lost)?.trim().strip_prefix(home.as_str()));
        let known = refspecs.len();
        for environment in named {
            self.lost.lock().unwrap_or_else(PoisonError::into_inner).insert(environment.to_owned(), lost.to_owned());
            refspecs.push(format!("^{home}{environment}"));
        }
        Ok(refspecs.len() > known)
    }

    /// Puts back what the remote has lost of the newest event of an environment, if this clone has it; whether it did.
    ///
    /// # Errors
    /// If it cannot be asked, or does not take it.
    pub(super) fn mend(&self, environment: &str, tip: &Tip) -> Result<bool> {
        let (home, attempt) = (self.home(environment), format!("put back the ledger of {environment}"));
        let failed = |error: std::io::Error| Error::unreadable(format!("{attempt}: {error}"));
        // A repository that has nothing asks for everything.
        let empty = self.git.common.join(format!("ciao/empty-{}", std::process::id()));
        let folder = empty.to_string_lossy().into_owned();
        let format = if tip.commit.len() == 64 { "--object-format=sha256" } else { "--object-format=sha1" };
        self.git.read(&attempt, &Call::new(&["init", "--quiet", "--bare", format, &folder]))?;
        let (through, name) = self.through()?;
        let words: Vec<&str> =
            through.iter().map(String::as_str).chain(["fetch", "--quiet", "--depth=1", &name, &home]).collect();
        let said = self.git.remote_call(&Call::new(&words).env("GIT_DIR", &empty));
        std::fs::remove_dir_all(&empty).map_err(failed)?;
        let said = said?;
        if said.ok {
            return Ok(false);
        }
        if !said.is_damage() {
            return Err(self.remote_failure(&attempt, &said));
        }
        // A git sends nothing that a ref of the remote names already: the ref goes first.
        self.forget(environment, &tip.commit)?;
        self.move_ref(environment, "", &tip.commit)?;
        Ok(true)
    }

    /// What the remote has of an environment's newest event: its name.
    pub(super) fn lost_at(&self, environment: &str) -> Option<String> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).get(environment).cloned()
    }

    /// Takes a ref away from the remote that names what is not there.
    pub(super) fn forget(&self, environment: &str, lost: &str) -> Result<()> {
        self.move_ref(environment, lost, "")
    }

    fn move_ref(&self, environment: &str, old: &str, new: &str) -> Result<()> {
        let home = self.home(environment);
        let lease = format!("--force-with-lease={home}:{old}");
        let push: Vec<&str> = PUSH.into_iter().chain([lease.as_str()]).collect();
        let said = self.talk(&push, &[format!("{new}:{home}")])?;
        if said.ok { Ok(()) } else { Err(self.remote_failure(&format!("put back the ledger of {environment}"), &said)) }
    }

    pub(super) fn swap_remote(
        &self,
        environment: &str,
        after: &Standing,
        tip: &Tip,
        leases: &[(String, String)],
    ) -> Result<bool> {
        let (home, new) = (self.home(environment), &tip.commit);
        let expected = [(home.clone(), after.at().unwrap_or_default().to_owned())];
        let expected =
            expected.iter().chain(leases).map(|(name, commit)| format!("--force-with-lease={name}:{commit}"));
        let expected: Vec<String> = expected.collect();
        let mut push = PUSH.to_vec();
        if !leases.is_empty() {
            // Refs that are not to move: git compares them with what the remote shows in the same connection, and sends nothing.
            push.push("--atomic");
        }
        push.extend(expected.iter().map(String::as_str));
        let mut refs = vec![format!("{new}:{home}")];
        refs.extend(leases.iter().map(|(name, commit)| format!("{commit}:{name}")));
        let said = self.talk(&push, &refs)?;
        if !said.ok {
            return self.read_back(environment, after, tip, &said);
        }
        self.remember(environment, new)?;
        Ok(true)
    }

    fn remember(&self, environment: &str, commit: &str) -> Result<()> {
        let names = [self.tip_ref(environment), self.seen_ref(environment), self.home(environment)];
        let moves = names.iter().fold(String::new(), |text, name| text + &format!("update {name} {commit}\n"));
        let said = self.git.call(&Call::new(&["update-ref", "--no-deref", "--stdin"]).stdin(moves))?;
        // It is recorded where it counts; the next fetch brings it here.
        drop(said);
        Ok(())
    }

    /// What became of a push that did not say that it went through: its words tell nothing, so the ref is asked.
    fn read_back(&self, environment: &str, after: &Standing, tip: &Tip, said: &Said) -> Result<bool> {
        let attempt = format!("write the ledger of {environment}");
        if let Err(error) = self.sync() {
            let push = self.remote_failure(&attempt, said).message;
            let (same, read) = (push.strip_prefix(&attempt), error.message);
            let why = if read.strip_prefix("read the ledger") == same { String::new() } else { format!(": {read}") };
            return Err(Error::unreadable(format!("{push}; and whether it arrived cannot be told{why}")));
        }
        let now = self.git.objects(&[self.tip_ref(environment)])?.remove(0).map(|object| object.id);
        if now.as_ref().is_some_and(|now| *now == tip.commit || self.is_ancestor(&tip.commit, now) == Some(true)) {
            self.remember(environment, now.as_deref().unwrap_or(&tip.commit))?;
            return Ok(true);
        }
        if now.as_deref() != after.at()
            || said.stderr.contains("stale info")
            || String::from_utf8_lossy(&said.stdout).contains("(stale info)")
        {
            return Ok(false);
        }
        Err(self.remote_failure(&attempt, said))
    }

    /// Why the remote did not take or give the ledger, in words that say what to do.
    pub(super) fn remote_failure(&self, attempt: &str, said: &Said) -> Error {
        let name = self.settings.remote.as_deref().unwrap_or_default();
        let all = format!("{}\n{}", said.stderr, String::from_utf8_lossy(&said.stdout));
        let words = all.to_lowercase();
        let has = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
        let line = one_line(&said.stderr);
        let home = self.home("…");
        Error::unreadable(if said.stopped {
            format!("{attempt}: {name} had not answered when this was interrupted")
        } else if said.late {
            format!("{attempt}: {name} did not answer within a minute; nothing is known about it: try again")
        } else if let Some(advice) = stale_lock(&all) {
            format!("{attempt}: at {name} {advice}")
        } else if has(&["hidden ref", "prohibited", "refusing to create", "funny refname", "deny updating"]) {
            format!(
                "{attempt}: {name} takes no refs named {home}; put `branch = true` under [ledger] in pipelines/orchestration.toml ({line})"
            )
        } else if has(&["no space left", "quota", "disk full"]) {
            format!("{attempt}: the disk of {name} is full ({line})")
        } else if said.is_damage() {
            format!(
                "{attempt}: {name} has lost objects of {home} (git fsck there says which); try again, and if it stays so, in a clone \
                 that has them: cargo xtask unlock ENV --accept-ledger --reason … ({line})"
            )
        } else if has(&["publickey", "password)", "host key verification"]) {
            format!("{attempt}: {name} does not let you in by ssh: {}", said.ssh_line().unwrap_or(&line))
        } else if has(&["hook declined", "protected branch", "aborted by hook"]) {
            format!(
                "{attempt}: a hook or rule of {name} refuses {home}; whoever runs it must allow that you create and update it ({line})"
            )
        } else if has(&[
            "permission denied",
            "insufficient permission",
            "denied to",
            "403",
            "read-only",
            "unable to create temporary",
            "not allowed",
            "unpacker error",
        ]) {
            format!(
                "{attempt}: you may not push to {name}; deploying needs the right to create and update {home} there ({line})"
            )
        } else if has(&["could not read username", "authentication failed", "terminal prompts disabled"]) {
            format!(
                "{attempt}: {name} wants to know who you are, and nothing may ask you now; configure a credential helper or ssh key ({line})"
            )
        } else {
            format!("{attempt}: {name} cannot be reached: {line}")
        })
    }
}
