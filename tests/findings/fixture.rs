//! A repository written as one text, and what `check` says about it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU32, Ordering};

use camino::Utf8PathBuf;
use ciao::Tasks;
use ciao::repository::{Examined, Repository};

/// A folder that is gone when the test is over.
pub struct Folder(pub Utf8PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left behind lies in the build folder.
        let _gone = fs::remove_dir_all(&self.0);
    }
}

impl Folder {
    pub fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // Not below this repository: its git remote would be theirs.
        let temporary = Utf8PathBuf::from_path_buf(std::env::temp_dir()).unwrap().canonicalize_utf8().unwrap();
        let root = temporary.join(format!("ciao-findings-{}-{number}", std::process::id()));
        fs::create_dir_all(root.join("pipelines")).unwrap();
        Folder(root)
    }

    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let executable = path.extension().is_some_and(|extension| ["sh", "py"].contains(&extension));
        fs::set_permissions(&path, fs::Permissions::from_mode(if executable { 0o755 } else { 0o644 })).unwrap();
    }

    pub fn examine(&self) -> (Repository, Examined) {
        let repository = Repository::read(&self.0);
        let examined = repository.examine(&Tasks::new());
        (repository, examined)
    }

    pub fn findings(&self) -> String {
        let (repository, examined) = self.examine();
        ciao::show::findings::text(&examined.findings, &|file| repository.text(file), false).trim_end().to_owned()
    }
}

/// The files of a text with a line `-- path --` before each.
pub fn files(text: &str) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if let Some(path) = line.strip_prefix("-- ").and_then(|line| line.strip_suffix(" --")) {
            files.push((path.to_owned(), String::new()));
        } else if let Some((_, content)) = files.last_mut() {
            content.push_str(line);
            content.push('\n');
        }
    }
    files
}

/// Two environments that differ in everything, one pipeline, one step that uses it all: nothing is wrong with it.
pub const SOUND: &str = r#"
-- pipelines/orchestration.toml --
[[environment]]
name = "dev"

[[environment]]
name = "prod"
-- pipelines/environment.toml --
[parameters]
debug = { type = "boolean" }

[parameters.site]
host = { type = "host", help = "db.dev.example is none" }
port = { type = "port" }
title = { type = "string" }

[[deploy]]
pipeline = "web"
-- pipelines/environments/dev.toml --
debug = true

[site]
host = "web.dev.example"
port = 8080
title = "Shop (dev)"
-- pipelines/environments/prod.toml --
debug = false

[site]
host = "shop.example"
port = 8443
title = "Shop"
-- pipelines/deployments/web/pipeline.toml --
[[step]]
name = "install"
script = "install.sh"
args = ["${site.title}", "${debug}"]
env = { SITE_HOST = "${site.host}", SITE_PORT = "${site.port}" }

[[step]]
name = "smoke-test"
run = ["curl", "--fail", "http://${site.host}:${site.port}/"]
verify = true
-- pipelines/deployments/web/install.sh --
#!/bin/sh
set -eu
echo "http://$SITE_HOST:$SITE_PORT/ $1"
"#;

/// The sound repository, with files replaced, added, or (where they are empty) taken away.
pub fn with(changes: &str) -> Folder {
    let folder = Folder::new();
    let changes = files(changes);
    for (path, content) in files(SOUND) {
        if !changes.iter().any(|(changed, _)| *changed == path) {
            folder.write(&path, content);
        }
    }
    for (path, content) in changes.iter().filter(|(_, content)| !content.trim().is_empty()) {
        folder.write(path, content);
    }
    folder
}

/// A change: a file of the sound repository, below `pipelines/`, with pieces of it replaced.
#[track_caller]
pub fn changed(file: &str, pieces: &[(&str, &str)]) -> String {
    let path = format!("pipelines/{file}");
    let (_, mut content) = files(SOUND).into_iter().find(|(there, _)| *there == path).expect("the file is there");
    for (old, new) in pieces {
        assert!(content.contains(old), "{path} has no {old}");
        content = content.replace(old, new);
    }
    format!("-- {path} --\n{content}\n")
}

/// What is said about the sound repository with changes.
#[track_caller]
pub fn check(changes: &str) -> String {
    let found = with(changes).findings();
    assert!(!found.contains("ciao-findings-"), "a path of the machine is shown");
    found
}

/// The codes that are found, with file and line: for tests of what must be found, not of how it is said.
#[track_caller]
pub fn codes(changes: &str) -> Vec<String> {
    let (repository, examined) = with(changes).examine();
    let place = |finding: &ciao::finding::Finding| {
        let text = repository.text(&finding.place.file).unwrap_or_default();
        ciao::show::findings::position(text, finding.place.span.start).0
    };
    examined
        .findings
        .iter()
        .map(|finding| format!("{} {}:{}", finding.code.name(), finding.place.file, place(finding)))
        .collect()
}

/// One thing is found: the form is what is looked for.
#[track_caller]
pub fn found(changes: &str, code: &str) {
    let codes = codes(changes);
    assert!(codes.len() == 1 && codes[0].starts_with(code), "{changes}: {codes:?}");
}

/// Nothing is found: the form is none of what is looked for.
#[track_caller]
pub fn quiet(changes: &str) {
    let found = check(changes);
    assert!(found.is_empty(), "{found}");
}
