//! What every command about deployments begins with: the plan of an environment without anything that stops it, the
//! release, the ledger, and the request that the two make.

use std::collections::BTreeSet;

use camino::Utf8Path;

use super::{Session, exit};
use crate::declare::Declarations;
use crate::finding::{Code, Finding};
use crate::ledger::record::Terms;
use crate::ledger::{self, Changes, Files, Force, Git, Ledger, Release, Request, Settings, Source};
use crate::plan::{Plan, Step};
use crate::repository::{Examined, Repository};
use crate::show::{self, word::Side};
use crate::template;

/// Why a command does nothing; it has been said already.
pub struct Refused(pub u8);

pub type Result<T> = std::result::Result<T, Refused>;

impl Session<'_> {
    /// Says why the ledger refuses.
    #[must_use]
    pub fn refused(&self, error: &ledger::Error) -> Refused {
        self.output.error(&error.message);
        Refused(error.exit())
    }

    /// Opens the ledger as orchestration.toml has it.
    ///
    /// # Errors
    /// If there is no usable git repository.
    pub fn ledger(&self, declarations: &Declarations) -> Result<Ledger> {
        let declared = &declarations.orchestration;
        let asked = declared.environments.iter().filter_map(|environment| environment.branch.as_deref());
        let mut branches: Vec<String> = asked.map(str::to_owned).collect();
        branches.sort();
        branches.dedup();
        let remote = declared.ledger.shared().map(str::to_owned);
        let settings = Settings { remote, branch: declared.ledger.branch, branches };
        Ledger::open(self.root.as_std_path(), settings, Source::system()).map_err(|error| self.refused(&error))
    }

    /// The ledger of one environment: that of a personal one is nobody else's, and stays in this clone.
    ///
    /// # Errors
    /// If there is no usable git repository.
    pub fn ledger_of(&self, declarations: &Declarations, environment: &str) -> Result<Ledger> {
        let ledger = self.ledger(declarations)?;
        Ok(if declarations.is_personal(environment) { ledger.private() } else { ledger })
    }

    /// The ledger of one environment, or of all that are not personal, and the release that the working tree is. All files
    /// have been read: nothing of them can change unseen.
    ///
    /// # Errors
    /// If there is no usable git repository, or no commit.
    pub fn ledger_and_release<'p>(
        &self,
        repository: &'p Repository,
        plans: &[&'p Plan],
        environment: Option<&str>,
    ) -> Result<(Ledger, Release)> {
        self.ledger_and_release_or(repository, plans, environment, None)
    }

    /// As [`Session::ledger_and_release`]; `uncommitted` is what to go on with where nothing is committed yet.
    ///
    /// # Errors
    /// If there is no usable git repository.
    pub fn ledger_and_release_or<'p>(
        &self,
        repository: &'p Repository,
        plans: &[&'p Plan],
        environment: Option<&str>,
        uncommitted: Option<Release>,
    ) -> Result<(Ledger, Release)> {
        let changes = Changes::ask(self.root.as_std_path());
        let ledger = match environment {
            Some(environment) => self.ledger_of(&repository.declarations, environment)?,
            None => self.ledger(&repository.declarations)?,
        };
        let release = self.release(changes, &ledger.git, repository, plans);
        let release = match (release, uncommitted) {
            (Err(error), Some(uncommitted)) if Release::of(&ledger.git, "HEAD").is_err() => {
                self.output.warn(&error.message);
                uncommitted
            }
            (release, _) => release.map_err(|error| self.refused(&error))?,
        };
        Ok((ledger, release))
    }

    /// The release that the working tree is, once git has looked for changes; a warning if part of what is deployed is not in it.
    ///
    /// # Errors
    /// If there is no commit, or git could not look.
    pub fn release<'p>(
        &self,
        changes: ledger::Result<Changes>,
        git: &Git,
        repository: &'p Repository,
        plans: &[&'p Plan],
    ) -> ledger::Result<Release> {
        let deployed = repository.deployed(plans.iter().copied());
        let files = Files {
            files: deployed.files().map(|file| file.as_std_path()).collect(),
            beside: deployed.beside.iter().map(|file| file.as_std_path()).collect(),
            holds: &|file| Utf8Path::from_path(file).is_some_and(|file| deployed.holds(file)),
        };
        let release = changes?.release(git, &files)?;
        if let Some(file) = &release.outside {
            self.output.warn(&ledger::gate::outside(file));
        }
        Ok(release)
    }

    /// The plan of an environment, if nothing stops its deployment.
    ///
    /// # Errors
    /// If there is no such environment, or findings stop it.
    pub fn plan<'e>(&self, repository: &Repository, examined: &'e Examined, environment: &str) -> Result<&'e Plan> {
        if !repository.declarations.environments().any(|name| name == environment) && !repository.unreadable() {
            self.unknown_environment(repository, environment);
            return Err(Refused(exit::REFUSED_BY_FINDINGS));
        }
        if let Some(refusal) = template::unproved(&self.root) {
            self.output.error(&refusal.to_string());
            return Err(Refused(refusal.code));
        }
        let stopping: Vec<&Finding> = examined.stopping(environment).collect();
        match examined.plan(environment).filter(|_| stopping.is_empty()) {
            Some(plan) => Ok(plan),
            None => {
                self.output.findings(stopping, repository);
                self.output.error(&format!("{environment} is not deployed: mend what is found above"));
                Err(Refused(exit::REFUSED_BY_FINDINGS))
            }
        }
    }

    /// What is to be deployed, as far as the ledger is concerned.
    #[must_use]
    pub fn request(&self, repository: &Repository, plan: &Plan, ledger: &Ledger, release: &Release) -> Request {
        self.request_of(show::json::digest(plan), repository, plan, ledger, release)
    }

    /// As [`Session::request`], where the digest of the plan has been made meanwhile.
    #[must_use]
    pub fn request_of(
        &self,
        digest: String,
        repository: &Repository,
        plan: &Plan,
        ledger: &Ledger,
        release: &Release,
    ) -> Request {
        let declarations = &repository.declarations;
        let running = || plan.steps.iter().filter(|step| step.runs);
        let ids = |wanted: &dyn Fn(&Step) -> bool| -> BTreeSet<String> {
            running().filter(|step| wanted(step)).map(|step| step.id.clone()).collect()
        };
        Request {
            environment: plan.environment.clone(),
            personal: plan.personal,
            release: release.clone(),
            plan: digest,
            plan_text: show::plan::text(plan, Side::Value, self.tasks),
            steps: ids(&|_| true),
            verify: ids(&|step| step.verify),
            finally: ids(&|step| step.finally.is_some()),
            first_run: ids(&|step| accepts_first_run(declarations, step)),
            complete: true,
            terms: terms(declarations, &plan.environment),
            after_in_head: self.after_in_head(ledger, &plan.environment),
            force: None::<Force>,
        }
    }

    /// Whether HEAD's orchestration.toml gives the environment an `after`, whatever the working tree's says.
    fn after_in_head(&self, ledger: &Ledger, environment: &str) -> bool {
        let path = format!("HEAD:{}", ledger.git.path(crate::declare::ORCHESTRATION));
        let Ok(mut objects) = ledger.git.objects(&[path]) else { return false };
        let Some(object) = objects.pop().flatten() else { return false };
        let Ok(text) = String::from_utf8(object.content) else { return false };
        let mut ignored = Vec::new();
        let path = Utf8Path::new(crate::declare::ORCHESTRATION);
        let head = crate::declare::orchestration::read(path, &text, &mut ignored);
        head.get(environment).is_some_and(|environment| !environment.after.is_empty())
    }
}

/// The gate of an environment, as it is declared.
fn terms(declarations: &Declarations, environment: &str) -> Terms {
    let Some(declared) = declarations.orchestration.get(environment) else { return Terms::default() };
    Terms {
        after: declared.after.iter().map(ToString::to_string).collect(),
        approvals: declared.approvals,
        soak_s: declared.soak.map_or(0, |soak| soak.as_secs()),
        branches: declared.branch.iter().map(ToString::to_string).collect(),
    }
}

/// Whether environment.toml accepts that this step runs here first.
fn accepts_first_run(declarations: &Declarations, step: &Step) -> bool {
    declarations.environment.accept.iter().any(|accept| {
        &*accept.code.value == Code::FirstRunIn.name()
            && step.file.as_str() == &*accept.at
            && accept.of.as_deref().is_none_or(|of| of == step.name || of == step.id)
    })
}
