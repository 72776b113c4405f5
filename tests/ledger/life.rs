//! What a deployment writes when nothing goes wrong.

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
