//! `cargo xtask unlock`, `settle` and `approve`: what people decide, recorded in the ledger.

use std::io::{BufRead, IsTerminal, Write};

use camino::Utf8PathBuf;

use super::prepare::{Refused, Result};
use super::{Session, exit};
use crate::cli::{ApproveArgs, SettleArgs, UnlockArgs};
use crate::ledger::git::Call;
use crate::ledger::tidy::CHECKOUT;
use crate::ledger::{Approval, Error, Ledger, Release, Standing, Unlock, nothing_to_unlock};
use crate::repository::Repository;
use crate::show;

pub fn unlock(session: &Session<'_>, args: &UnlockArgs) -> u8 {
    free(session, args).unwrap_or_else(|Refused(code)| code)
}

fn free(session: &Session<'_>, args: &UnlockArgs) -> Result<u8> {
    let ledger = session.known(&args.environment)?;
    // An unreachable remote is reported by the swap itself; what is remembered is enough to ask.
    ledger.sync().map_err(|error| session.refused(&error))?;
    let standing = ledger.standing(&args.environment).map_err(|error| session.refused(&error))?;
    let held = standing.state().is_some_and(|state| state.running().is_some());
    if !held && standing.rewritten.is_none() && !args.accept_ledger {
        return Err(session.refused(&nothing_to_unlock(&args.environment)));
    }
    session.output.say(&whose(&ledger, &args.environment, &standing));
    // It may end somebody else's deployment: without a terminal, only whoever says so beforehand means it.
    session.confirm("unlock it?", args.yes, false)?;
    let unlock = Unlock {
        environment: args.environment.clone(),
        reason: args.reason.clone(),
        accept_ledger: args.accept_ledger,
    };
    ledger.unlock(&unlock).map_err(|error| session.refused(&error))?;
    session.output.say(&format!("{} is free", args.environment));
    Ok(0)
}

/// Whose deployment an unlock ends.
fn whose(ledger: &Ledger, environment: &str, standing: &Standing) -> String {
    let holder = standing.state().and_then(|state| state.running());
    let mut text = match holder {
        Some(holder) => format!(
            "{environment}: release {} by {} on {}, since {}{}; {}",
            holder.release.display,
            holder.by,
            holder.host,
            holder.since,
            holder.step.as_ref().map_or_else(String::new, |step| format!(", at {step}")),
            ledger.lives(environment, standing)
        ),
        None => format!("{environment}: nobody deploys it"),
    };
    if let Some(rewritten) = &standing.rewritten {
        text += &match (&rewritten.wrong, &rewritten.now) {
            (Some(wrong), _) => format!("\nits ledger has {wrong}"),
            (None, Some(now)) => {
                format!("\nits ledger was rewritten: {} was seen here, and now it is at {now}", rewritten.seen)
            }
            (None, None) => format!("\nits ledger was deleted: {} was seen here", rewritten.seen),
        };
    }
    text
}

pub fn settle(session: &Session<'_>, args: &SettleArgs) -> u8 {
    given_up(session, args).unwrap_or_else(|Refused(code)| code)
}

fn given_up(session: &Session<'_>, args: &SettleArgs) -> Result<u8> {
    let SettleArgs { environment, step, reason, yes } = args;
    let ledger = session.known(environment)?;
    session.confirm(&format!("{environment}: never do what {step} still owes (finally)?"), *yes, true)?;
    ledger.settle(environment, step, reason).map_err(|error| session.refused(&error))?;
    session.output.say(&format!("{environment}: what {step} owed is given up"));
    Ok(0)
}

pub fn approve(session: &Session<'_>, args: &ApproveArgs) -> u8 {
    approved(session, args).unwrap_or_else(|Refused(code)| code)
}

fn approved(session: &Session<'_>, args: &ApproveArgs) -> Result<u8> {
    let ledger = session.known(&args.environment)?;
    let fail = |error: Error| session.refused(&error);
    let here = Release::here(&ledger.git).map_err(fail)?;
    let commit = args.commit.as_ref().map_or(Ok(here.commit.clone()), |name| session.commit(&ledger, name))?;
    let release = Release::of(&ledger.git, &commit).map_err(fail)?;
    // What is approved is the plan of that commit, not of what happens to be in the working tree.
    let checkout = if release.commit == here.commit && !here.dirty {
        None
    } else {
        Some(Checkout::new(session, &ledger, &release.commit)?)
    };
    let repository = checkout.as_ref().map_or_else(|| session.read(), |checkout| Repository::read(&checkout.root));
    let examined = repository.examine(session.tasks);
    let plan = session.plan(&repository, &examined, &args.environment)?;
    ledger.sync().map_err(fail)?;
    let standing = ledger.standing(&args.environment).map_err(fail)?;
    session.output.say(&what_changes(&ledger, &args.environment, &standing, &release.commit));
    session.confirm(&format!("approve release {} for {}?", release.display, args.environment), args.yes, true)?;
    let approval =
        Approval { environment: args.environment.clone(), release: release.clone(), plan: show::json::digest(plan) };
    let record = ledger.approve(&approval).map_err(fail)?;
    session.output.say(&format!("{} approved release {} for {}", record.by, release.display, args.environment));
    Ok(0)
}

/// The commits and the changes of values since what is deployed there now.
fn what_changes(ledger: &Ledger, environment: &str, standing: &Standing, commit: &str) -> String {
    let Some(last) = standing.state().and_then(|state| state.current.as_ref()) else {
        let ask = ["log", "-1", "--no-decorate", "--format=%h %s (%an)", commit];
        let named = ledger.git.call(&Call::new(&ask)).map(|said| said.text()).unwrap_or_default();
        return format!("{environment}: the first deployment, of {}", show::findings::printable(&named));
    };
    let from = &last.release.commit;
    let range = format!("{from}..{commit}");
    let values = ledger.git.path(crate::declare::values_file(environment).as_str());
    let ask = |args: &[&str]| {
        let said = ledger.git.call(&Call::new(args)).ok().filter(|said| said.ok);
        said.map_or_else(|| "(cannot be told: not all commits are in this clone)".to_owned(), |said| said.text())
    };
    let commits = ask(&["log", "--oneline", "--no-decorate", &range]);
    let back = ask(&["log", "--oneline", "--no-decorate", &format!("{commit}..{from}")]);
    let changes =
        ask(&["diff", "--no-color", "--no-ext-diff", "--unified=0", from, commit, "--", &format!(":(top){values}")]);
    let indented =
        |text: &str| text.lines().map(|line| format!("  {}\n", show::findings::printable(line))).collect::<String>();
    let changed: String = changes
        .lines()
        .filter(|line| line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---"))
        .map(|line| format!("{line}\n"))
        .collect();
    format!(
        "since what is deployed in {environment} now ({}):\ncommits\n{}{}values\n{}",
        last.release.display,
        if commits.is_empty() { "  none\n".to_owned() } else { indented(&commits) },
        if back.is_empty() { String::new() } else { format!("commits that go away\n{}", indented(&back)) },
        if changed.is_empty() { "  unchanged".to_owned() } else { indented(&changed) }
    )
}

/// The files of a commit in a folder of their own, removed when dropped.
struct Checkout {
    folder: Utf8PathBuf,
    root: Utf8PathBuf,
}

impl Checkout {
    fn new(session: &Session<'_>, ledger: &Ledger, commit: &str) -> Result<Checkout> {
        let folder = session.home(&ledger.git).join(format!("{CHECKOUT}{}", std::process::id()));
        let checkout = Checkout { root: folder.join("tree").join(&ledger.git.prefix), folder };
        let failed = |why: String| {
            session.output.error(&format!("failed to look at commit {commit}: {why}"));
            Refused(crate::ledger::Failure::Unreadable as u8)
        };
        std::fs::create_dir_all(checkout.folder.join("tree")).map_err(|error| failed(error.to_string()))?;
        let index = checkout.folder.join("index");
        let prefix = format!("--prefix={}/", checkout.folder.join("tree"));
        for args in [vec!["read-tree", commit], vec!["checkout-index", "--all", "--quiet", &prefix]] {
            let call = Call::new(&args).env("GIT_INDEX_FILE", index.as_str());
            let said = ledger.git.call(&call).map_err(|error| session.refused(&error))?;
            if !said.ok {
                return Err(failed(said.stderr));
            }
        }
        Ok(checkout)
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        let _what_stays_is_overwritten = std::fs::remove_dir_all(&self.folder);
    }
}

impl Session<'_> {
    /// Asks whether it is meant. Without a terminal nobody can answer: then `unasked` counts.
    fn confirm(&self, question: &str, yes: bool, unasked: bool) -> Result<()> {
        let stdin = std::io::stdin();
        let answer = if yes || !stdin.is_terminal() {
            yes || unasked
        } else {
            let _closed = write!(std::io::stderr(), "{question} [y/N] ");
            let mut answer = String::new();
            stdin.lock().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
        };
        if answer {
            return Ok(());
        }
        self.output.error("not confirmed: nothing was changed; `--yes` does not ask");
        Err(Refused(exit::REFUSED_BY_FINDINGS))
    }

    /// The one commit that somebody has named in any of git's ways.
    fn commit(&self, ledger: &Ledger, name: &str) -> Result<String> {
        let ask = ["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{name}^{{commit}}")];
        let said = ledger.git.call(&Call::new(&ask)).map_err(|error| self.refused(&error))?;
        if said.ok {
            return Ok(said.text());
        }
        self.output.error(&format!("name the release: there is no commit {name} here: git fetch"));
        Err(Refused(exit::REFUSED_BY_FINDINGS))
    }

    /// The ledger, for an environment that there is or that it knows of.
    pub fn known(&self, environment: &str) -> Result<Ledger> {
        let repository = self.read();
        let ledger = self.ledger_of(&repository.declarations, environment)?;
        if repository.declarations.environments().any(|name| name == environment) || repository.unreadable() {
            return Ok(ledger);
        }
        // One that is not listed any more may still be locked.
        match ledger.standing(environment) {
            Ok(standing) if standing.tip.is_some() => Ok(ledger),
            _ => {
                self.unknown_environment(&repository, environment);
                Err(Refused(exit::REFUSED_BY_FINDINGS))
            }
        }
    }
}
