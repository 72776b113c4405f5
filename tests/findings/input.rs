//! Bad input beside a pipeline: no panic, no hang, said or skipped by a rule that is written down.

use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use crate::fixture::{Folder, check, with};

const BESIDE: &str = "pipelines/deployments/web";

/// The script with these lines, so that what they name is reached.
fn naming(lines: &str) -> Folder {
    with(&format!("-- {BESIDE}/install.sh --\n#!/bin/sh\necho \"http://$SITE_HOST:$SITE_PORT/ $1\"\n{lines}\n"))
}

#[test]
fn a_binary_file_is_not_searched() {
    let folder = naming("cat x.bin");
    folder.write(&format!("{BESIDE}/x.bin"), b"shop.example\0\xff\xfe shop.example");
    assert_eq!(folder.findings(), "");
}

#[test]
fn a_large_file_is_not_searched() {
    let folder = naming("cat x.dump");
    let file = std::fs::File::create(folder.0.join(BESIDE).join("x.dump")).unwrap();
    file.set_len(100_000_000).unwrap();
    let start = Instant::now();
    assert_eq!(folder.findings(), "");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_file_in_another_encoding_is_searched() {
    let folder = naming("cat x.conf");
    folder.write(&format!("{BESIDE}/x.conf"), b"# gr\xfc\xdfe\nname = gr\xfc\xdfe\nserver \xe4 shop.example\n");
    let found = folder.findings();
    assert!(found.contains("x.conf:3:10") && found.contains("hard-coded-value"), "{found}");
}

#[test]
fn links_out_of_the_repository_and_in_circles_are_not_followed() {
    let folder = naming("cat passwd etc/*");
    let beside = folder.0.join(BESIDE);
    symlink("/etc", beside.join("etc")).unwrap();
    symlink("/etc/passwd", beside.join("passwd")).unwrap();
    symlink(".", beside.join("circle")).unwrap();
    symlink("../web", beside.join("circle2")).unwrap();
    symlink("nothing", beside.join("dangling")).unwrap();
    symlink("itself", beside.join("itself")).unwrap();
    assert_eq!(folder.findings(), "");
}

#[test]
fn ten_thousand_files() {
    let folder = naming("echo");
    for number in 0..10_000 {
        folder.write(&format!("{BESIDE}/many/f{number}.txt"), "shop.example\n");
    }
    let start = Instant::now();
    let (_, examined) = folder.examine();
    assert_eq!(examined.findings.len(), 20_000);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn pipes_and_folders_named_like_files() {
    let folder = naming("cat x.sql");
    std::fs::create_dir(folder.0.join(BESIDE).join("x.sql")).unwrap();
    let pipe = folder.0.join(BESIDE).join("y.pipe");
    std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    let found = folder.findings();
    assert!(found.contains("no step reaches `y.pipe`"), "{found}");
}

#[test]
fn any_bytes_in_a_script() {
    // Every pair of the characters that the rules look at, with something of several bytes between.
    let parts = [
        "$",
        "{",
        "}",
        "'",
        "\"",
        "\\",
        "<<",
        "\n",
        "#",
        "=",
        "é",
        "prod",
        "shop.example",
        "(",
        ")",
        "*",
        "8443",
        ":-",
        "/",
    ];
    let mut text = String::from("#!/bin/sh\n");
    for first in parts {
        for second in parts {
            for third in parts {
                text += &format!("{first}{second}é{third}{first}");
            }
        }
    }
    for (name, head) in [
        ("install.sh", "#!/bin/sh\n"),
        ("install.sh", "#!/usr/bin/env python3\nos.environ[\"é\"]é\nos.getenv(\"x\")é\n"),
    ] {
        for end in [text.len(), text.len() / 2, text.len() / 3] {
            let end = (0..=end).rev().find(|end| text.is_char_boundary(*end)).unwrap();
            let _any = check(&format!("-- {BESIDE}/{name} --\n{head}{}", &text[..end]));
        }
    }
}

/// Of a list of `for_each`, and of arguments, each item was looked at once for each other one: 4,000 took seconds.
#[test]
fn a_list_that_is_written_in_a_file_costs_no_more_than_its_length() {
    let items: Vec<String> = (0..30_000).map(|item| format!("\"i{item}\"")).collect();
    let items = items.join(", ");
    let steps = format!(
        "[[step]]\nname = \"each\"\nrun = [\"x\", \"${{each}}\"]\nfor_each = [{items}]\n\
         [[step]]\nname = \"all\"\nrun = [\"x\", {items}]\n[[step]]\nname = \"with\"\nrun = [\"sh\", {}]\n",
        items.replace("\"i", "\"${site.title} i")
    );
    let start = Instant::now();
    let found = check(&crate::declared::more(&format!("{BESIDE}/pipeline.toml"), &steps));
    assert_eq!(found, "");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}
