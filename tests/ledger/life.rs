//! What a deployment writes when nothing goes wrong.

use ciao::ledger::Unlock;
use ciao::ledger::record::Ended;

use crate::fixture::*;

#[test]
fn a_deployment_is_two_events_after_the_first() {
    let folder = Folder::new();
    let ledger = local(&repository(&folder.path("repo")));
    deploy(&ledger, "dev");
    deploy(&ledger, "dev");
    let log = git(&ledger.git.root, "log --first-parent --format=%s refs/deployments/dev");
    let id = &request(&ledger, "dev").release.display;
    let host = &ledger.caller.host;
    let pair = format!(
        "dev: succeeded with release {id} by Anna <anna@example.org> at {host}\ndev: started release {id} by Anna <anna@example.org> at {host}"
    );
    assert_eq!(log, format!("{pair}\n{pair}\ndev: opened by Anna <anna@example.org> at {host}"));
    let standing = ledger.standing("dev").unwrap();
    assert_eq!(standing.state().unwrap().seq, 4);
    assert_eq!(standing.state().unwrap().current.as_ref().unwrap().outcome, Some(Ended::Succeeded));
    assert!(ledger.adds_up("dev").unwrap());
    let parents = git(&ledger.git.root, "log -1 --format=%P refs/deployments/dev");
    assert!(parents.ends_with(&git(&ledger.git.root, "rev-parse HEAD")), "the deployed commit is its second parent");
    assert_eq!(git(&ledger.git.root, "status --porcelain"), "");
}

#[test]
fn a_shared_ledger_is_seen_by_another_clone() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    let ledger = shared(&repo);
    let holding = start(&ledger, "dev");
    let other = shared(&clone(&folder, &bare, "berta"));
    let said = refused(other.start(&request(&other, "dev")));
    says(&said, &["4: deploy dev: Anna <anna@example.org> deploys release", "since 20"]);
    ledger.finish(holding, &good()).unwrap();
    deploy(&other, "dev");
    ledger.sync().unwrap();
    assert_eq!(ledger.standing("dev").unwrap().state().unwrap().seq, 4);
    assert_eq!(git(&repo, "log --first-parent --format=%an refs/deployments/dev"), "berta\nberta\nAnna\nAnna\nAnna");
}

#[test]
fn a_local_ledger_that_becomes_a_shared_one_is_published_with_its_history() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    deploy(&local(&repo), "dev");
    deploy(&local(&repo), "prod");
    let bare = share(&folder, &repo);
    let ledger = shared(&repo);
    let holding = ledger.start(&after(request(&ledger, "prod"), &["dev"])).unwrap();
    ledger.finish(holding, &good()).unwrap();
    assert_eq!(git(&bare, "rev-list --first-parent --count refs/deployments/prod"), "5");
    deploy(&ledger, "dev");
    assert_eq!(git(&bare, "rev-list --first-parent --count refs/deployments/dev"), "5");
    let other = shared(&clone(&folder, &bare, "berta"));
    other.sync().unwrap();
    assert_eq!(other.standing("dev").unwrap().state().unwrap().seq, 4);
}

#[test]
fn what_is_owed_survives_and_is_done_once() {
    use ciao::ledger::record::Outcome;
    use ciao::run::event::{Event, Journal as _};
    let folder = Folder::new();
    let ledger = local(&repository(&folder.path("repo")));
    let mut holding = start(&ledger, "dev");
    holding.journal.record(&began("web/install", true)).unwrap();
    ledger.finish(holding, &good()).unwrap();
    let gated = after(request(&ledger, "prod"), &["dev"]);
    says(&refused(ledger.start(&gated)), &["3: ", "owed: ", "settle dev web/install"]);
    let mut holding = start(&ledger, "dev");
    assert_eq!(holding.owed, ["web/install"]);
    let step = "web/install".to_owned();
    holding.journal.record(&Event::FinallyEnded { step, outcome: Outcome::Succeeded, exit: Some(0) }).unwrap();
    ledger.finish(holding, &good()).unwrap();
    let holding = start(&ledger, "dev");
    assert_eq!(holding.owed, [""; 0]);
    ledger.finish(holding, &good()).unwrap();
    drop(ledger.start(&gated).unwrap());
}

#[test]
#[ignore = "forty deployments"]
fn a_release_that_the_state_has_forgotten_is_found_in_the_history() {
    let folder = Folder::new();
    let ledger = local(&repository(&folder.path("repo")));
    deploy(&ledger, "dev");
    for number in 0..40 {
        write(&ledger.git.root, "file", format!("{number}"));
        commit(&ledger.git.root, "next");
        deploy(&ledger, "dev");
    }
    git(&ledger.git.root, "reset --quiet --hard HEAD~40");
    drop(ledger.start(&after(request(&ledger, "prod"), &["dev"])).unwrap());
}

#[test]
fn doctor_has_nothing_to_say_where_all_is_well_and_leaves_nothing_behind() {
    use ciao::ledger::{Ledger, Settings, Source, Verdict};
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    let ledger = shared(&repo);
    deploy(&ledger, "dev");
    let before = git(&bare, "for-each-ref");
    let checks = ledger.doctor(&["dev", "prod"]);
    assert!(checks.iter().all(|check| check.verdict == Verdict::Good), "{checks:#?}");
    assert_eq!(checks.iter().filter(|check| check.what == "rights").count(), 1);
    assert_eq!(git(&bare, "for-each-ref"), before);
    git(&repo, "config gc.pruneExpire now");
    git(&bare, "config receive.denyDeletes true");
    let settings = Settings { remote: Some("origin".to_owned()), branch: true, ..Settings::default() };
    let checks = Ledger::open(&repo, settings, Source::system()).unwrap().doctor(&["dev"]);
    let of = |what: &str| checks.iter().find(|check| check.what == what).unwrap();
    assert_eq!((of("objects").verdict, of("rights").verdict), (Verdict::Good, Verdict::Doubtful));
    says(&of("rights").text, &["the probe refs/heads/deployments/probe-"]);
}

/// What compares `CIAO_FENCE` has seen those of the events that are lost, and would refuse everything after.
#[test]
fn a_fence_never_goes_back_where_a_rewritten_ledger_is_accepted() {
    let folder = Folder::new();
    let ledger = local(&repository(&folder.path("repo")));
    for change in ["-d refs/deployments/dev", "refs/deployments/dev refs/deployments/dev~2"] {
        deploy(&ledger, "dev");
        deploy(&ledger, "dev");
        let before = ledger.standing("dev").unwrap().state().unwrap().seq;
        git(&ledger.git.root, &format!("update-ref {change}"));
        let unlock = Unlock { environment: "dev".to_owned(), reason: "x".to_owned(), accept_ledger: true };
        ledger.unlock(&unlock).unwrap();
        let holding = start(&ledger, "dev");
        assert!(holding.fence > before, "{} after {before}", holding.fence);
        ledger.finish(holding, &good()).unwrap();
        assert!(ledger.adds_up("dev").unwrap());
    }
    // The numbers have a gap, and a clone that has seen nothing does not take it for a forgery.
    let history = ledger.doctor(&["dev"]).into_iter().find(|check| check.what == "history").unwrap();
    assert_eq!(history.text, "9 events add up to what is shown");
}
