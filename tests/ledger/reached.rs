//! How git reaches a host is the user's, whichever of its settings says so.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

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
    // Of several addresses it is the last one, for both ways: a swap at two places is none.
    git(&repo, "remote set-url origin nowhere:origin.git");
    git(&repo, "config --add remote.origin.pushurl nowhere:either.git");
    git(&repo, "config --add remote.origin.pushurl shop:origin.git");
    deploy(&shared(&repo), "dev");
    assert_eq!(git(&bare, "rev-list --first-parent --count refs/deployments/dev"), "5");
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
