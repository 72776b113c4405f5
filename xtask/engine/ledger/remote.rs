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

/// Where the ledger is.
pub(super) struct Address {
    pub url: String,
    /// Git would write it otherwise once more.
    as_it_is: bool,
    /// Where git reads the remote, if that is elsewhere.
    read: Option<String>,
}

/// How often a fetch that something else of this clone got in the way of is begun anew: two seconds in all.
const FETCHES: u64 = 64;

impl Ledger {
    /// Arguments that make a remote with one address, and its name: as the user has it, but for the ledger only.
    fn through(&self, address: &Address) -> (Vec<String>, String) {
        let name = self.settings.remote.as_deref().unwrap_or_default();
        let own = format!("ciao-ledger-{}", self.key().unwrap_or_default());
        let setting = |key: &str| self.git.setting(&format!("remote.{name}.{key}"));
        let reached = REACHED.iter().filter_map(|key| Some((*key, setting(key)?)));
        // With a `pushurl` git asks for no other address to push to.
        let settings = reached.chain([("url", address.url.as_str()), ("pushurl", &address.url)]);
        let mut words: Vec<String> = settings.map(|(key, value)| format!("remote.{own}.{key}={value}")).collect();
        words.extend(address.as_it_is.then(|| format!("url.{0}.insteadOf={0}", address.url)));
        (words.into_iter().flat_map(|word| ["-c".to_owned(), word]).collect(), own)
    }

    /// Where the ledger is: what `git push` writes to, and nothing else. Who reads elsewhere must see there what was written.
    ///
    /// # Errors
    /// If there is no such remote, or it is several places: a swap at two of them is none.
    pub(super) fn address(&self) -> Result<Address> {
        let name = self.settings.remote.as_deref().unwrap_or_default();
        let attempt = format!("reach the ledger's remote {name}");
        // Git would take it as an option, and an option may name a program.
        if name.starts_with('-') {
            return Err(Error::unreadable(format!("{attempt}: no remote is named so")));
        }
        let [urls, pushed] = ["url", "pushurl"].map(|key| {
            self.git.settings(&format!("remote.{name}.{key}")).into_iter().fold(Vec::new(), |mut all, one| {
                all.extend(Some(one.to_owned()).filter(|one| !all.contains(one)));
                all
            })
        });
        let own = if pushed.is_empty() { &urls } else { &pushed };
        match &own[..] {
            [one] => {
                let instead = if pushed.is_empty() { self.git.pushed_instead(one) } else { None };
                let as_it_is = instead.is_some();
                let url = instead.unwrap_or_else(|| one.clone());
                let read = urls.into_iter().next().filter(|read| *read != url);
                Ok(Address { url, as_it_is, read })
            }
            [] if name.contains(['/', ':']) || name == "." => {
                Ok(Address { url: name.to_owned(), as_it_is: false, read: None })
            }
            [] => Err(Error::unreadable(format!("{attempt}: git knows no such remote; git remote add {name} URL"))),
            // They may have passwords in them, and are not shown.
            several => Err(Error::unreadable(format!(
                "{attempt}: git pushes it to {} places, and a ledger is at one: leave one of git remote get-url --push --all {name} \
                 (git remote set-url --delete{} {name} URL), or give the ledger a remote of its own",
                several.len(),
                if pushed.is_empty() { "" } else { " --push" }
            ))),
        }
    }

    /// Runs a git that talks to the ledger's remote; `own` before the remote's name, `refs` after it.
    pub(super) fn talk(&self, own: &[&str], refs: &[String]) -> Result<Said> {
        self.talk_to(&self.address()?, own, refs)
    }

    fn talk_to(&self, address: &Address, own: &[&str], refs: &[String]) -> Result<Said> {
        let (through, name) = self.through(address);
        let words = through.iter().map(String::as_str).chain(own.iter().copied()).chain(["--", name.as_str()]);
        let args: Vec<&str> = words.chain(refs.iter().map(String::as_str)).collect();
        self.git.remote_call(&Call::new(&args))
    }

    /// Whether git reads the remote elsewhere than it writes it.
    pub(super) fn is_read_elsewhere(&self) -> bool {
        self.settings.remote.is_some() && self.address().is_ok_and(|address| address.read.is_some())
    }

    /// Whether those who read the remote where git reads it see what was written where git writes it; `None`: it cannot be read.
    ///
    /// # Errors
    /// If the remote is none.
    pub(super) fn others_see(&self, name: &str, commit: &str) -> Result<Option<bool>> {
        let own = self.address()?;
        let address = own.read.clone().map_or(own, |url| Address { url, as_it_is: false, read: None });
        // A copy of the one at the other may need a moment.
        for wait in [0, 2] {
            std::thread::sleep(std::time::Duration::from_secs(wait));
            let said = self.talk_to(&address, &["ls-remote"], &[name.to_owned()])?;
            if !said.ok {
                return Ok(None);
            }
            if said.text().lines().any(|line| line.starts_with(commit)) {
                return Ok(Some(true));
            }
        }
        Ok(Some(false))
    }

    /// What is wrong with a remote of which others see something else.
    pub(super) fn two_places(&self) -> String {
        let name = self.settings.remote.as_deref().unwrap_or_default();
        if !self.is_read_elsewhere() {
            return format!(
                "{name} does not show what was written there: it hides {} (uploadpack.hideRefs)",
                self.home("…")
            );
        }
        format!(
            "git pushes {name} to another repository than it reads it from (git remote -v), so that others do not see who deploys; \
             make it one (git remote set-url, git config --unset-all remote.{name}.pushurl), or give the ledger a remote of its own"
        )
    }

    /// What is wrong with a remote that has the ledger of an environment also, or only, under the other name.
    pub(super) fn two_ledgers(&self, environment: &str, standing: &Standing) -> String {
        let name = self.settings.remote.as_deref().unwrap_or_default();
        let (own, other) = (self.home(environment), self.other_home(environment));
        let branch = format!("`branch` under [ledger] must be the same for all who deploy to {environment}");
        if standing.tip.is_some() && standing.rewritten.is_none() {
            return format!(
                "{name} has two ledgers of it, {own} and {other}; {branch}, and one of them be deleted there"
            );
        }
        format!(
            "its ledger is {other} at {name}, and {own} was asked for; {branch}; if that was changed, move it: \
             git push --atomic {name} {}:{own} :{other}",
            self.other_ref(environment)
        )
    }

    /// Fetches the ledgers of all environments. One round trip; none for a local ledger.
    ///
    /// # Errors
    /// If the remote cannot be reached or read: what is remembered is still there to be shown.
    pub fn sync(&self) -> Result<()> {
        let Some(key) = self.key() else { return Ok(()) };
        let ledger = format!("+{}:refs/ciao/remote/{key}/*", self.home("*"));
        let other = format!("+{}:{}", self.other_home("*"), self.other_ref("*"));
        let branches =
            self.settings.branches.iter().map(|name| format!("+refs/heads/{name}*:refs/ciao/branch/{key}/{name}*"));
        let mut refspecs: Vec<String> = [ledger, other].into_iter().chain(branches).collect();
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
            // Of a power loss a file may be left that is empty: no object, but in the way of the one that is to be fetched.
            let empty = said.stderr.split("object file ").nth(1).and_then(|rest| rest.split(" is empty").next());
            let empty = empty.map(|path| self.git.root.join(path)).filter(|path| path.starts_with(&self.git.common));
            if let Some(path) = empty
                && std::fs::metadata(&path).is_ok_and(|meta| meta.len() == 0)
                && std::fs::remove_file(&path).is_ok()
            {
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
        let (through, name) = self.through(&self.address()?);
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
        let line = said.ssh_line().map_or_else(|| one_line(&said.stderr), str::to_owned);
        let known = MEANINGS.iter().find(|(parts, _)| parts.iter().any(|part| words.contains(part)));
        let told = if said.stopped {
            "NAME had not answered when this was interrupted"
        } else if said.late {
            "NAME did not answer within a minute; nothing is known about it: try again"
        } else if let Some(advice) = stale_lock(&all) {
            return Error::unreadable(format!("{attempt}: at {name} {advice}"));
        } else if said.is_damage() {
            "NAME has lost objects of HOME (git fsck there says which); try again, and if it stays so, in a clone that has them: \
             cargo xtask unlock ENV --accept-ledger --reason … (LINE)"
        } else {
            known.map_or("NAME cannot be reached: LINE", |(_, told)| told)
        };
        // What git said comes last: it may have such words in it.
        let told = told.replace("NAME", name).replace("HOME", &self.home("…")).replace("LINE", &line);
        Error::unreadable(format!("{attempt}: {told}"))
    }
}

/// What it means where git has said one of these, the first that fits.
const MEANINGS: [(&[&str], &str); 11] = [
    (
        &["hidden ref", "prohibited", "refusing to create", "funny refname", "deny updating"],
        "NAME takes no refs named HOME; put `branch = true` under [ledger] in pipelines/orchestration.toml (LINE)",
    ),
    (
        &["hook declined", "protected branch", "aborted by hook"],
        "a hook or rule of NAME refuses HOME; whoever runs it must allow that you create and update it (LINE)",
    ),
    (
        &["shallow update not allowed"],
        "this clone is shallow, and NAME has not got the commits before; git fetch --unshallow",
    ),
    (
        &["exceeds maximum allowed size"],
        "NAME takes no pushes as large as this one; whoever runs it must allow more (receive.maxInputSize) (LINE)",
    ),
    (
        &["exists; cannot create"],
        "NAME has a branch in the way: none can be called deployments where the ledger is HOME; rename it (LINE)",
    ),
    (
        &["is empty", "is corrupt", "too short to be a packfile", "data stream error"],
        "git's files are damaged, as after a power loss, in this clone (at NAME, where the line begins with remote:); git fsck there \
         names them: of what is removed here, what NAME has is fetched anew (LINE)",
    ),
    (&["no space left", "quota", "disk full"], "the disk of NAME is full (LINE)"),
    (&["publickey", "password)", "host key verification"], "NAME does not let you in by ssh: LINE"),
    (
        &["hash algorithm", "mismatched algorithms"],
        "NAME names objects otherwise than this clone (SHA-1, SHA-256): it cannot hold its ledger (LINE)",
    ),
    (
        &[
            "permission denied",
            "insufficient permission",
            "denied to",
            "403",
            "read-only",
            "unable to create temporary",
            "not allowed",
            "unpacker error",
        ],
        "you may not push to NAME; deploying needs the right to read, create and update HOME there (LINE)",
    ),
    (
        &["could not read username", "authentication failed", "terminal prompts disabled"],
        "NAME wants to know who you are, and nothing may ask you now; configure a credential helper or ssh key (LINE)",
    ),
];
