//! How git reaches a host is the user's, whichever of its settings says so.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use ciao::ledger::Verdict;

use crate::fixture::*;

#[test]
fn a_remote_with_programs_of_its_own_is_reached_by_them() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    let log = folder.path("log");
    for name in ["upload-pack", "receive-pack"] {
        let logs = format!("#!/bin/sh\necho {name} >> {}\nexec git {name} \"$@\"\n", log.display());
        script(&folder.path(name), &logs);
        let key = name.replace('-', "");
        git(&repo, &format!("config remote.origin.{key} {}", folder.path(name).display()));
    }
    deploy(&shared(&repo), "dev");
    let log = std::fs::read_to_string(log).unwrap();
    assert_eq!(log.lines().collect::<Vec<_>>(), ["upload-pack", "receive-pack", "receive-pack"]);
    assert_eq!(git(&bare, "rev-list --first-parent --count refs/deployments/dev"), "3");
}

#[test]
fn an_address_that_is_written_otherwise_is_reached() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    git(&repo, "remote set-url origin shop:origin.git");
    git(&repo, &format!("config url.{}/.insteadOf shop:", folder.0.display()));
    deploy(&shared(&repo), "dev");
    // Where git pushes is where the ledger is, for both ways; where it reads may be out of order.
    git(&repo, "remote set-url origin nowhere:origin.git");
    git(&repo, "config --add remote.origin.pushurl shop:origin.git");
    deploy(&shared(&repo), "dev");
    git(&repo, "config --unset remote.origin.pushurl");
    git(&repo, &format!("config url.{}/.pushInsteadOf nowhere:", folder.0.display()));
    // What was rewritten once is not rewritten again.
    git(&repo, &format!("config url.{}/nothing/.insteadOf {}/", folder.0.display(), folder.0.display()));
    deploy(&shared(&repo), "dev");
    assert_eq!(git(&bare, "rev-list --first-parent --count refs/deployments/dev"), "7");
}

/// `git remote set-url --add`: the ledger was at the last address, and everybody else's at the first.
#[test]
fn a_remote_of_two_addresses_had_its_ledger_at_one_of_them() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    git(&folder.0, "clone --quiet --bare origin.git mirror.git");
    git(&repo, &format!("remote set-url --add origin {}", folder.path("mirror.git").display()));
    let ledger = shared(&repo);
    let parts = ["origin: git pushes it to 2 places", "git remote set-url --delete origin URL"];
    says(&refused(ledger.start(&request(&ledger, "dev"))), &["5: ", parts[0], parts[1]]);
    let found = ledger.doctor(&["dev"]);
    assert!(found.iter().any(|check| check.verdict == Verdict::Bad && check.text.contains(parts[0])), "{found:?}");
    assert_eq!(git(&folder.path("mirror.git"), "for-each-ref refs/deployments"), "");
    // Written twice it is still one.
    git(&repo, "config --unset-all remote.origin.url");
    git(&repo, &format!("remote set-url --add origin {}", bare.display()));
    git(&repo, &format!("remote set-url --add origin {}", bare.display()));
    deploy(&shared(&repo), "dev");
}

/// Fetched from one, pushed to a fork: two people deployed at once, each with a lock of their own.
#[test]
fn a_fork_that_is_pushed_to_had_a_ledger_that_nobody_else_saw() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    git(&folder.0, "clone --quiet --bare origin.git fork.git");
    git(&repo, &format!("remote set-url --push origin {}", folder.path("fork.git").display()));
    let ledger = shared(&repo);
    let words = "git pushes origin to another repository than it reads it from";
    says(&refused(ledger.start(&request(&ledger, "dev"))), &["5: ", words]);
    let row = ledger.row(&request(&ledger, "dev")).unwrap();
    assert_eq!(row.state.word(), "never", "what it had taken is given back");
    let found = ledger.doctor(&["dev"]);
    assert!(found.iter().any(|check| check.verdict == Verdict::Bad && check.text.contains(words)), "{found:?}");
    assert_eq!(git(&bare, "for-each-ref refs/deployments"), "");
    // Two names of one repository are one place.
    let repo = clone(&folder, &bare, "bob");
    git(&repo, &format!("remote set-url --push origin file://{}", bare.display()));
    let ledger = shared(&repo);
    deploy(&ledger, "dev");
    assert!(ledger.doctor(&["dev"]).iter().all(|check| check.verdict != Verdict::Bad));
}

#[test]
fn a_remote_that_hides_the_ledger_was_found_in_order_by_doctor() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let bare = share(&folder, &repo);
    git(&bare, "config uploadpack.hideRefs refs/deployments");
    let words = "origin does not show what was written there";
    let found = shared(&repo).doctor(&["dev"]);
    assert!(found.iter().any(|check| check.text.contains(words)), "{found:?}");
    // It was said that others write it all the time.
    deploy(&shared(&repo), "dev");
    let other = shared(&clone(&folder, &bare, "bob"));
    says(&refused(other.start(&request(&other, "dev"))), &["5: ", words]);
}

#[test]
fn a_proxy_of_one_remote_is_asked() {
    let folder = Folder::new();
    let repo = repository(&folder.path("repo"));
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = proxy.local_addr().unwrap().port();
    git(&repo, "remote add origin http://shop.example/origin.git");
    git(&repo, &format!("config remote.origin.proxy http://127.0.0.1:{port}"));
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = proxy.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut words = [0; 64];
        let count = stream.read(&mut words).unwrap();
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        String::from_utf8_lossy(&words[..count]).into_owned()
    });
    let ledger = shared(&repo);
    says(&refused(ledger.start(&request(&ledger, "dev"))), &["5: ", "origin"]);
    let words = asked.join().unwrap();
    assert!(words.starts_with("GET http://shop.example/origin.git/info/refs"), "{words}");
}
